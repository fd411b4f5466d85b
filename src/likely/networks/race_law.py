"""The law of a race of independent accumulators, in JAX."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from likely.kernels.race_mixture import COARSE, FINE, LONGEST, NEGLIGIBLE, SHORTEST
from likely.networks.race import AccumulatorForm


@partial(jax.tree_util.register_dataclass, data_fields=["states"], meta_fields=["form"])
@dataclass(frozen=True)
class RaceLaw:
    """The law of a race: the states of its accumulators, leaves (rows, C, ...)."""

    form: AccumulatorForm
    states: Any

    @property
    def _accumulators(self) -> int:
        return int(jax.tree.leaves(self.states)[0].shape[1])

    def _at(self, s: jax.Array) -> jax.Array:
        """Repeat times (n,) for each accumulator: (n, C)."""
        return jnp.broadcast_to(s[:, None], (len(s), self._accumulators))

    def log_density(self, s: jax.Array) -> jax.Array:
        """Log of the joint density of times (n,) and each choice: (n, C)."""
        at = self._at(s)
        survivals = self.form.log_survival(self.states, at)
        others = survivals.sum(axis=1, keepdims=True) - survivals
        return self.form.log_density(self.states, at) + others

    def log_survival(self, s: jax.Array) -> jax.Array:
        """Log probability that nobody has finished by times (n,): (n,)."""
        return self.form.log_survival(self.states, self._at(s)).sum(axis=1)

    def log_choices(self) -> jax.Array:
        """Log probability of each choice, (n, C), by the trapezoid rule over the log of time.

        For a smooth density that vanishes at both ends its error is as small as that of rounding.
        """
        first, last = jax.lax.stop_gradient(self._range())
        steps = jnp.linspace(0.0, 1.0, FINE)[:, None]
        logs = jnp.log(first) + steps * (jnp.log(last) - jnp.log(first))  # (nodes, rows)
        terms = jax.vmap(self.log_density)(jnp.exp(logs)) + logs[..., None]
        return logsumexp(terms, axis=0) + jnp.log(logs[1] - logs[0])[:, None]

    def _range(self) -> tuple[jax.Array, jax.Array]:
        """Return times (rows,) before and after which hardly any race ends."""
        rows = jax.tree.leaves(self.states)[0].shape[0]
        grid = jnp.geomspace(SHORTEST, LONGEST, COARSE)
        survival = jax.vmap(lambda s: jnp.exp(self.log_survival(jnp.full(rows, s))))(grid)
        first = (survival > 1.0 - NEGLIGIBLE).sum(axis=0) - 1
        last = (survival > NEGLIGIBLE).sum(axis=0)
        return grid[jnp.clip(first, 0, COARSE - 2)], grid[jnp.clip(last, 1, COARSE - 1)]

    def draws(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw a finishing time of each accumulator: return the first, and whose it is."""
        times = self.form.draws(self.states, key)
        return times.min(axis=1), times.argmin(axis=1)
