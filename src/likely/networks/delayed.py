"""Mixtures after a non-decision time that varies uniformly from trial to trial.

With a half range st, response times begin at t - st, and the density of a choice is the probability
of deciding for it within a window of 2 st, over its length: a closed form, so that a network never
sees st.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.kernels.delayed import SHORTEST, delayed_kernels
from likely.kernels.native import Kernels
from likely.networks.assembled import AssembledDensity
from likely.networks.inverse_gaussian import Mixture
from likely.networks.later import jax, jnp, special
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wiring, wired

_X, _W = np.polynomial.legendre.leggauss(24)


class DelayedMixture(NamedTuple):
    """The law of a mixture's decision times, each after a delay that is uniform from 0 to `width`.

    Args:
        mixture: what is delayed.
        width: longest delays in seconds, (rows,).
    """

    mixture: Mixture
    width: jax.Array

    def log_density(self, s: jax.Array) -> jax.Array:
        """Log of the joint density of times (n,) and each choice: (n, C)."""
        width = jnp.maximum(self.width, SHORTEST)
        masses = self.mixture.log_within(jnp.maximum(s - width, 0.0), s)
        return masses - jnp.log(width)[:, None]

    def log_survival(self, s: jax.Array) -> jax.Array:
        """Log probability of no decision by times (n,): (n,), the mean over delays."""
        share = jnp.asarray(0.5 * (1.0 + _X))[:, None]
        # Where the delay exceeds s, nothing is decided yet.
        decided = jnp.minimum(jnp.maximum(self.width, SHORTEST), s)
        times = s - share * decided
        logs = jax.vmap(self.mixture.log_survival)(jnp.maximum(times, 1e-12))
        weights = jnp.log(0.5 * jnp.asarray(_W))[:, None]
        inside = jnp.log(decided / jnp.maximum(self.width, SHORTEST))
        waiting = jnp.maximum(1.0 - s / jnp.maximum(self.width, SHORTEST), 0.0)
        mean = special.logsumexp(weights + logs, axis=0) + inside
        return jnp.logaddexp(mean, jnp.log(jnp.maximum(waiting, 1e-300)))

    def log_choices(self) -> jax.Array:
        """Log probability of each choice, (n, C): that without delay."""
        return self.mixture.log_choices()

    def draws(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw a time and the index of a choice at each row: (n,) and (n,)."""
        decision, delay = jax.random.split(key)
        times, index = self.mixture.draws(decision)
        share = jax.random.uniform(delay, times.shape, times.dtype)
        return times + share * self.width, index


@dataclass(frozen=True)
class DelayedDensity(AssembledDensity):
    """Form of a mixture whose non-decision time varies.

    Args:
        declaration: the model's, with a spread.
        mixture: of the decision times; its parameters are the model's, but for the spread, and
            their boxes those it was trained on.
    """

    declaration: Declaration
    mixture: MixtureDensity

    @classmethod
    def from_specification(
        cls, declaration: Declaration, given: Mapping[str, Any]
    ) -> DelayedDensity:
        """Build the form that `specification` describes."""
        mixture = MixtureDensity.from_specification(
            declaration_from_json(given["mixture"]), given["mixture"]["network"]
        )
        return cls(declaration, mixture)

    def specification(self) -> dict[str, Any]:
        """Return the mixture."""
        declared = declaration_to_json(self.mixture.declaration)
        return {"mixture": {**declared, "network": self.mixture.specification()}}

    @property
    def part(self) -> MixtureDensity:
        """The form of the mixture."""
        return self.mixture

    @property
    def parts(self) -> Wiring:
        """Its parameters, which are the model's own."""
        return (self.mixture.declaration.names,)

    @property
    def others(self) -> tuple[str, ...]:
        """The name of the spread."""
        return (self.declaration.spread or "",)

    @property
    def kernels(self) -> Kernels:
        """The loops of its compiled code."""
        return delayed_kernels(self.mixture.components)

    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> DelayedMixture:
        """Return the law at parameter rows (n, p)."""
        (wires,), (spread,) = self.parts, self.others
        mixture = self.mixture.law(arrays, wired(self.declaration, wires, theta))
        return DelayedMixture(mixture, 2.0 * theta[:, self.declaration.names.index(spread)])
