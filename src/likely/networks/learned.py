"""Accumulators whose finishing time a network has learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.networks.inverse_gaussian import Mixture
from likely.networks.later import jax, jnp
from likely.networks.mixture import MixtureDensity
from likely.networks.race import MixtureForm


@dataclass(frozen=True)
class LearnedAccumulator(MixtureForm):
    """An accumulator whose finishing time is a mixture with a network, of one choice.

    Args:
        mixture: that mixture; its declaration names the accumulator's parameters.
    """

    mixture: MixtureDensity

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the mixture's weights."""
        return self.mixture.shapes

    def specification(self) -> dict[str, Any]:
        """Return the mixture and its declaration."""
        declared = declaration_to_json(self.mixture.declaration)
        return {"kind": "learned", **declared, "network": self.mixture.specification()}

    @classmethod
    def from_specification(cls, given: Mapping[str, Any]) -> LearnedAccumulator:
        """Build the form that `specification` describes."""
        declaration: Declaration = declaration_from_json(dict(given))
        return cls(MixtureDensity.from_specification(declaration, given["network"]))

    def state(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> Mixture:
        """Return the mixture's parameters, leaves (..., 1, K) and (...)."""
        return self.mixture.mixture(self.mixture.outputs(arrays, theta))

    def log_density(self, state: Mixture, s: jax.Array) -> jax.Array:
        """Log density of finishing at s (...): (...)."""
        flat = _flat(state, s.shape)
        return flat.log_density(s.reshape(-1))[:, 0].reshape(s.shape)

    def log_survival(self, state: Mixture, s: jax.Array) -> jax.Array:
        """Log probability of not having finished by s (...): (...)."""
        flat = _flat(state, s.shape)
        return flat.log_survival(s.reshape(-1)).reshape(s.shape)

    def draws(self, state: Mixture, key: jax.Array) -> jax.Array:
        """Draw a finishing time for each of the parameters: (...)."""
        shape = state.log_w.shape[:-2]
        times, _ = _flat(state, shape).draws(key)
        return times.reshape(shape)


def _flat(state: Mixture, shape: tuple[int, ...]) -> Mixture:
    """Return the mixtures of times of a shape as one of rows."""
    parts: list[jax.Array | None] = []
    for part, trailing in zip(state, (2, 2, 2, 0), strict=True):
        if part is None:
            parts.append(None)
            continue
        own = part.shape[part.ndim - trailing :]
        parts.append(jnp.broadcast_to(part, (*shape, *own)).reshape(-1, *own))
    return Mixture(*parts)  # type: ignore[arg-type]
