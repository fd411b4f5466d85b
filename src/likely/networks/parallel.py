"""Two stages of two choices each that run in parallel, from the density of one of them.

A first decision says which of two second ones counts; the response is made when both it and that
one are there. With f and F densities and distributions of joint decision times and choices,

    p(s, (h, l)) = f_h(s) F_l(s) + F_h(s) f_l(s),

and all of them are sums over the components of mixtures. Choices are counted as 2 h + l.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.kernels.native import Kernels
from likely.kernels.parallel import parallel_kernels
from likely.networks.assembled import AssembledDensity
from likely.networks.inverse_gaussian import Mixture
from likely.networks.later import jax, jnp, special
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wire, Wiring, wired, wiring_from_json, wiring_to_json


class ParallelMixture(NamedTuple):
    """The law of two stages in parallel.

    Args:
        first: the decision that says which of the others counts.
        second: the decisions that count after each of its choices.
    """

    first: Mixture
    second: tuple[Mixture, Mixture]

    def log_density(self, s: jax.Array) -> jax.Array:
        """Log of the joint density of times (n,) and each choice: (n, 4)."""
        dense, done = self.first.log_density(s), self.first.log_earlier(s)
        paths = []
        for h, low in enumerate(self.second):
            last_high = dense[:, [h]] + low.log_earlier(s)
            last_low = done[:, [h]] + low.log_density(s)
            paths.append(jnp.logaddexp(last_high, last_low))
        return jnp.concatenate(paths, axis=1)

    def log_survival(self, s: jax.Array) -> jax.Array:
        """Log probability of no response by times (n,): (n,), from positive terms alone."""
        done, waiting = self.first.log_earlier(s), self.first.log_later(s)
        paths = []
        for h, low in enumerate(self.second):
            paths.append(waiting[:, [h]] + low.log_choices())
            paths.append(done[:, [h]] + low.log_later(s))
        return special.logsumexp(jnp.concatenate(jnp.broadcast_arrays(*paths), axis=1), axis=1)

    def log_choices(self) -> jax.Array:
        """Log probability of each choice, (n, 4)."""
        shares = self.first.log_choices()
        paths = [shares[:, [h]] + low.log_choices() for h, low in enumerate(self.second)]
        return jnp.concatenate(paths, axis=1)

    def draws(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw a time and the index of a choice at each row: (n,) and (n,)."""
        keys = jax.random.split(key, 3)
        high_time, high = self.first.draws(keys[0])
        (time_0, low_0), (time_1, low_1) = (
            stage.draws(k) for stage, k in zip(self.second, keys[1:], strict=True)
        )
        times = jnp.maximum(high_time, jnp.where(high == 0, time_0, time_1))
        return times, 2 * high + jnp.where(high == 0, low_0, low_1)


@dataclass(frozen=True)
class ParallelDensity(AssembledDensity):
    """Form of the density of two stages in parallel.

    Args:
        declaration: the model's names, box and choices.
        stage: the form of a stage, a mixture of two choices.
        wiring: what the stage's parameters are in the first stage and in both second ones.
    """

    declaration: Declaration
    stage: MixtureDensity
    wiring: Wiring

    @classmethod
    def from_specification(
        cls, declaration: Declaration, given: Mapping[str, Any]
    ) -> ParallelDensity:
        """Build the form that `specification` describes."""
        stage = MixtureDensity.from_specification(
            declaration_from_json(given["stage"]), given["stage"]["network"]
        )
        return cls(declaration, stage, wiring_from_json(declaration, given["wiring"]))

    def specification(self) -> dict[str, Any]:
        """Return the stage and how stages are wired."""
        declared = declaration_to_json(self.stage.declaration)
        return {
            "stage": {**declared, "network": self.stage.specification()},
            "wiring": wiring_to_json(self.wiring),
        }

    @property
    def part(self) -> MixtureDensity:
        """The form of a stage."""
        return self.stage

    @property
    def parts(self) -> Wiring:
        """What the stage's parameters are in each stage."""
        return self.wiring

    @property
    def others(self) -> tuple[str, ...]:
        """None: stages are all there is."""
        return ()

    @property
    def kernels(self) -> Kernels:
        """The loops of its compiled code."""
        return parallel_kernels(self.stage.components)

    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> ParallelMixture:
        """Return the law at parameter rows (n, p)."""
        first, *second = (self._stage(wires, arrays, theta) for wires in self.wiring)
        return ParallelMixture(first, (second[0], second[1]))

    def _stage(
        self, wires: tuple[Wire, ...], arrays: Mapping[str, jax.Array], theta: jax.Array
    ) -> Mixture:
        rows = wired(self.declaration, wires, theta)
        return self.stage.mixture(self.stage.outputs(arrays, rows))
