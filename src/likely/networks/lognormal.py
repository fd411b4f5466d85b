"""The accumulators of the lognormal race."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from likely.kernels.abreast import Accumulator
from likely.kernels.lognormal import LOGNORMAL
from likely.kernels.mills import HALF_LOG_2PI
from likely.networks.normal import log_cdf
from likely.networks.race import ClosedForm


@dataclass(frozen=True)
class Lognormal(ClosedForm):
    """An accumulator whose log finishing time is normal.

    Its parameters are the mean of the log of the time in seconds (mu) and its standard deviation
    (sigma, positive). See `likely.densities.lognormal`.

    Source: Heathcote and Love (2012), Frontiers in Psychology 3, 292.
    """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def specification(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": "lognormal"}

    @staticmethod
    def from_specification(given: Mapping[str, Any]) -> Lognormal:
        """Build the form that `specification` describes."""
        return Lognormal()

    @property
    def accumulator(self) -> Accumulator:
        """The compiled functions."""
        return LOGNORMAL

    @property
    def fixed(self) -> tuple[float, ...]:
        """None."""
        return ()

    def state(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> jax.Array:
        """Return the parameters (..., 2): mu, sigma."""
        return theta

    def log_density(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log density at s (...)."""
        log_s, scale = jnp.log(s), state[..., 1]
        y = (log_s - state[..., 0]) / scale
        return -0.5 * y * y - HALF_LOG_2PI - log_s - jnp.log(scale)

    def log_survival(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log probability of not having finished by s (...)."""
        return log_cdf((state[..., 0] - jnp.log(s)) / state[..., 1])

    def draws(self, state: jax.Array, key: jax.Array) -> jax.Array:
        """Draw finishing times (...)."""
        location, scale = state[..., 0], state[..., 1]
        return jnp.exp(location + scale * jax.random.normal(key, scale.shape, scale.dtype))
