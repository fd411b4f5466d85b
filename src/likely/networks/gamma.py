"""The accumulators of the Poisson race.

The survival function is the regularised upper incomplete gamma function Q(k, x). It is taken from
the power series of 1 - Q below x = k + 1 and from Legendre's continued fraction above, each
followed, with its derivative by k, until every element has converged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln

from likely.kernels.abreast import Accumulator
from likely.kernels.gamma import GAMMA
from likely.networks.race import ClosedForm

_LONGEST = 10_000  # terms
_ENOUGH = 8.0  # roundings

_SeriesState = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]
_FractionState = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]


@dataclass(frozen=True)
class Gamma(ClosedForm):
    """A counter of events that finishes at its k-th, for real k: a gamma distributed time.

    Its parameters are the events a second (r, positive) and their number (k, positive). See
    `likely.densities.counter`.

    Source: Townsend and Ashby (1983), The Stochastic Modeling of Elementary Psychological
    Processes, chapter 9.
    """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def specification(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": "gamma"}

    @staticmethod
    def from_specification(given: Mapping[str, Any]) -> Gamma:
        """Build the form that `specification` describes."""
        return Gamma()

    @property
    def accumulator(self) -> Accumulator:
        """The compiled functions."""
        return GAMMA

    @property
    def fixed(self) -> tuple[float, ...]:
        """None."""
        return ()

    def state(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> jax.Array:
        """Return the parameters (..., 2): r, k."""
        return theta

    def log_density(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log density at s (...)."""
        rate, k = state[..., 0], state[..., 1]
        return k * jnp.log(rate * s) - jnp.log(s) - rate * s - gammaln(k)

    def log_survival(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log probability of not having finished by s (...)."""
        return log_upper_gamma(state[..., 1], state[..., 0] * s)

    def draws(self, state: jax.Array, key: jax.Array) -> jax.Array:
        """Draw finishing times (...)."""
        rate, k = state[..., 0], state[..., 1]
        return jax.random.gamma(key, k, k.shape, k.dtype) / rate


@jax.custom_jvp
def log_upper_gamma(k: jax.Array, x: jax.Array) -> jax.Array:
    """Log of the regularised upper incomplete gamma function Q(k, x), for k > 0 and x > 0."""
    return _value_and_slope(k, x)[0]


@log_upper_gamma.defjvp
def _log_upper_gamma_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (k, x), (dk, dx) = primals, tangents
    value, by_k = _value_and_slope(k, x)
    by_x = -jnp.exp((k - 1.0) * jnp.log(x) - x - gammaln(k) - value)
    return value, by_k * dk + by_x * dx


def _value_and_slope(k: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return log Q and its derivative by k."""
    k, x = jnp.broadcast_arrays(k, x)
    log_x, digamma_k = jnp.log(x), digamma(k)
    factor = k * log_x - x - gammaln(k)
    below = x < k + 1.0
    series = _series(k, jnp.where(below, x, 0.5 * k))
    lower = jnp.minimum(
        jnp.where(below, jnp.exp(factor), 0.0) * series.value, 1.0 - 4.0 * jnp.finfo(x.dtype).eps
    )
    lower_slope = lower * (log_x - digamma_k + series.slope)
    fraction = _fraction(k, jnp.where(below, k + 2.0, x))
    value = jnp.where(below, jnp.log1p(-lower), factor + jnp.log(fraction.value))
    slope = jnp.where(below, -lower_slope / (1.0 - lower), log_x - digamma_k + fraction.slope)
    return value, slope


class _Expansion(NamedTuple):
    """A function of k and x, positive, and the derivative of its log by k."""

    value: jax.Array
    slope: jax.Array


def _series(k: jax.Array, x: jax.Array) -> _Expansion:
    """Sum of x^n / (k (k + 1) ... (k + n)), for x < k + 1."""
    enough = _ENOUGH * jnp.finfo(x.dtype).eps

    def unfinished(state: _SeriesState) -> jax.Array:
        n, term, _, total, _ = state
        return (n < _LONGEST) & jnp.any(term > 0.1 * enough * total)

    def step(state: _SeriesState) -> _SeriesState:
        n, term, rate, total, slope = state
        share = 1.0 / (k + n)
        term, rate = term * x * share, rate - share  # rate: of the log of the term
        return n + 1.0, term, rate, total + term, slope + term * rate

    first = 1.0 / k
    start = (jnp.ones((), x.dtype), first, -first, first, -first * first)
    _, _, _, total, slope = jax.lax.while_loop(unfinished, step, start)
    return _Expansion(total, slope / total)


def _fraction(k: jax.Array, x: jax.Array) -> _Expansion:
    """Legendre's continued fraction of Gamma(k, x) / (x^k exp(-x)), for x > k + 1.

    The product of ratios of denominators d to e, which follow one recurrence (Steed's and Lentz's
    algorithms; Lentz 1976, Applied Optics 15, 668-671).
    """
    enough = _ENOUGH * jnp.finfo(x.dtype).eps
    offset = x + 1.0 - k

    def unfinished(state: _FractionState) -> jax.Array:
        n, d, d_slope, e, e_slope, _, slope = state
        apart = jnp.abs(d - e) > enough * jnp.abs(e)
        apart |= jnp.abs(d_slope * e - e_slope * d) > enough * jnp.abs(slope * d * e)
        return (n < 2.0) | ((n < _LONGEST) & jnp.any(apart))

    def step(state: _FractionState) -> _FractionState:
        n, d, d_slope, e, e_slope, value, slope = state
        a, b = -n * (n - k), offset + 2.0 * n
        d_next, e_next = 1.0 / (b + a * d), 1.0 / (b + a * e)
        d_slope = -d_next * d_next * (n * d + a * d_slope - 1.0)
        e_slope = -e_next * e_next * (n * e + a * e_slope - 1.0)
        value = value * d_next / e_next
        slope = slope + d_slope / d_next - e_slope / e_next
        return n + 1.0, d_next, d_slope, e_next, e_slope, value, slope

    d, zero = 1.0 / offset, jnp.zeros_like(x)
    start = (jnp.ones((), x.dtype), d, d * d, zero, zero, d, d)
    *_, value, slope = jax.lax.while_loop(unfinished, step, start)
    return _Expansion(value, slope)
