"""The accumulators of racing diffusions.

In units of sqrt(s), a Wiener process of drift k has not yet crossed a boundary at distance a with
probability

    p(a) = Phi(a - k) - exp(2 k a) Phi(-a - k),

and the distance is uniform from a0 to a1, as the starting point is. A process whose drift is -k
gets there with probability exp(-2 k a), and if it does, as if its drift were k.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from likely.kernels.abreast import Accumulator
from likely.kernels.mills import HALF_LOG_2PI
from likely.kernels.wald import WALD
from likely.networks.normal import (
    EARLIEST,
    THIN,
    bell,
    hermite_terms,
    log_complement,
    log_mean_ramp,
    log_positive,
    mean_slope,
    mills,
    moments,
    slope_excess,
)
from likely.networks.race import ClosedForm

_SMALL = 0.3  # a (3 + k) below which a difference of Mills' ratios is the mean of their slope
_SLOW = 0.1  # k below which it is, too


@dataclass(frozen=True)
class Wald(ClosedForm):
    """Evidence that drifts, with noise of 1 per sqrt(second), from its start to one boundary.

    Its parameters are the drift (v), the range of the starting point (A, at least 0) and the
    boundary (b, above A). If the drift is negative, some trials never finish. See
    `likely.densities.wald`.

    Source: Logan, Van Zandt, Verbruggen and Wagenmakers (2014), Psychological Review 121, 66-95;
    Tillman, Van Zandt and Logan (2020), Psychonomic Bulletin & Review 27, 911-936.
    """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def specification(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": "wald"}

    @staticmethod
    def from_specification(given: Mapping[str, Any]) -> Wald:
        """Build the form that `specification` describes."""
        return Wald()

    @property
    def accumulator(self) -> Accumulator:
        """The compiled functions."""
        return WALD

    @property
    def fixed(self) -> tuple[float, ...]:
        """None."""
        return ()

    def state(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> jax.Array:
        """Return the parameters (..., 3): v, A, b."""
        return theta

    def log_density(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log density at s (...)."""
        drift, start, far = state[..., 0], state[..., 1], state[..., 2]
        s = jnp.maximum(s, EARLIEST)
        root, near = jnp.sqrt(s), far - start
        low = near / root - drift * root
        return log_mean_ramp(low, start / root, near, start) - 1.5 * jnp.log(s)

    def log_survival(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log probability of not having finished by s (...)."""
        drift, start, far = state[..., 0], state[..., 1], state[..., 2]
        root = jnp.sqrt(jnp.maximum(s, EARLIEST))
        return _log_survival((far - start) / root, start / root, drift * root)

    def draws(self, state: jax.Array, key: jax.Array) -> jax.Array:
        """Draw finishing times (...), infinite where a trial never finishes.

        Source: Michael, Schucany and Haas (1976), The American Statistician 30, 88-90, in the
        roots that do not cancel and exist without drift.
        """
        drift, start, far = state[..., 0], state[..., 1], state[..., 2]
        keys = jax.random.split(key, 4)
        place, ever, root = (jax.random.uniform(k, far.shape, far.dtype) for k in keys[:3])
        y = jax.random.normal(keys[3], far.shape, far.dtype) ** 2
        distance, speed = far - start * place, jnp.abs(drift)
        product = 2.0 * speed * distance
        smaller = 2.0 * distance**2 / (product + y + jnp.sqrt(y * (2.0 * product + y)))
        larger = (distance / jnp.maximum(speed, jnp.finfo(speed.dtype).tiny)) ** 2 / smaller
        s = jnp.where(root * (distance + speed * smaller) <= distance, smaller, larger)
        return jnp.where((drift < 0.0) & (ever > jnp.exp(-product)), jnp.inf, s)


class _Survival(NamedTuple):
    """Log of the mean of p, and means of W and w W, for a = low + length w, over w in [0, 1].

    W = exp(2 k a) Phi(-a - k) is what the derivatives of p are made of: p' = 2 (phi(a - k) - k W),
    and the derivative by k is -2 a W. The means are in units of exp(exponent).
    """

    value: jax.Array
    exponent: jax.Array
    crossed: jax.Array
    further: jax.Array


@jax.custom_jvp
def _log_survival(low: jax.Array, length: jax.Array, k: jax.Array) -> jax.Array:
    return _survival(low, length, k).value


@_log_survival.defjvp
def _log_survival_jvp(
    primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array]:
    (low, length, k), (by_low, by_length, by_k) = primals, tangents
    value, exponent, crossed, further = _survival(low, length, k)
    density = moments(low - k, length)
    scale, unit = jnp.exp(exponent - value), jnp.exp(density.exponent - value)
    crossed, further = scale * crossed, scale * further
    tangent = 2.0 * (unit * density.means[0] - k * crossed) * by_low
    tangent = tangent + 2.0 * (unit * density.means[1] - k * further) * by_length
    return value, tangent - 2.0 * (low * crossed + length * further) * by_k


def _survival(low: jax.Array, length: jax.Array, k: jax.Array) -> _Survival:
    thin = length * (1.0 + jnp.abs(k)) < THIN
    middle = jnp.where(thin, low + 0.5 * length, 1.0)
    narrow = _thin_survival(middle, jnp.where(thin, 0.5 * length, 0.0), k)
    wide = _wide_survival(jnp.where(thin, 0.0, low), jnp.where(thin, 1.0, length), k)
    return _choose(thin, narrow, wide)


def _choose(which: jax.Array, first: _Survival, second: _Survival) -> _Survival:
    chosen: _Survival = jax.tree.map(lambda a, b: jnp.where(which, a, b), first, second)
    return chosen


def _thin_survival(a: jax.Array, half: jax.Array, k: jax.Array) -> _Survival:
    """Within `half` of a, by Taylor's series about a."""
    away, speed = k < 0.0, jnp.abs(k)
    gap = a - speed
    behind = gap <= 0.0
    late = behind & ~away
    distance = jnp.abs(gap)
    exponent = jnp.where(late, -0.5 * gap * gap - HALF_LOG_2PI, 0.0)
    own = jnp.where(late, 1.0, bell(distance))  # phi(a - |k|) in units of exp(exponent)
    own_tail, other_tail = own * mills(distance)[0], own * mills(a + speed)[0]

    small = a * (3.0 + speed) < _SMALL
    few = 2.0 * a * own * mean_slope(jnp.where(small, speed, 0.0), jnp.where(small, a, 0.0))
    share = jnp.where(behind, own_tail - other_tail, 1.0 - own_tail - other_tail)
    share = jnp.where(small, few, share)
    tilt = jnp.where(away, jnp.exp(-2.0 * speed * a), 1.0)
    share = jnp.where(away, -jnp.expm1(-2.0 * speed * a), 0.0) + tilt * share

    backward = jnp.where(behind, 1.0 - own_tail, own_tail)
    crossed = tilt * jnp.where(away, backward, other_tail)
    bend, crossed, further = _around(crossed, tilt * own, a - k, half, k)
    value = jnp.minimum(log_positive(share + bend) + exponent, 0.0)
    return _Survival(value, exponent, crossed, further)


def _around(
    crossed: jax.Array, density: jax.Array, gap: jax.Array, half: jax.Array, k: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the mean of p less its value in the middle, and the means of W and w W.

    From Taylor's series of W, with W' = 2 k W - phi, and of phi, both at a - k = gap.
    """
    bend = even = odd = jnp.zeros_like(gap)
    for j, term in enumerate(hermite_terms(gap, half)):
        slope = density * term if j % 2 == 0 else -density * term
        if j % 2 == 0:
            even = even + crossed / (j + 1)
        else:
            odd = odd + crossed / (j + 2)
            bend = bend + 2.0 * half * (slope - k * crossed) / ((j + 1) * (j + 2))
        crossed = half * (2.0 * k * crossed - slope) / (j + 1)
    return bend, even, 0.5 * (even + odd)


def _wide_survival(low: jax.Array, length: jax.Array, k: jax.Array) -> _Survival:
    """In closed form: from integrals that vanish early, or late, whichever do not cancel."""
    high = low + length
    return _choose(high < k, _late(low, high, length, k), _early(low, high, length, k))


def _late(low: jax.Array, high: jax.Array, length: jax.Array, k: jax.Array) -> _Survival:
    """Where all distances are below k; in units of phi(high - k)."""
    fast, inverse = jnp.maximum(k, _SLOW), 1.0 / length
    below = high < k
    fall = jnp.exp(jnp.where(below, -length * (k - 0.5 * (low + high)), 0.0))

    def integrals(a: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Of Phi(a - k), and of W with the opposite sign: both up to a constant."""
        (gap_r, gap_d), (sum_r, _) = mills(jnp.abs(a - k)), mills(a + jnp.abs(k))
        return gap_d, -0.5 * (gap_r + sum_r) / fast

    (first, first_w), (last, last_w) = integrals(low), integrals(high)
    rise, lost = last - fall * first, fall * first_w - last_w
    exponent = -0.5 * (high - k) ** 2 - HALF_LOG_2PI
    further = (-0.5 * (rise + lost) / fast * inverse - last_w) * inverse
    value = log_positive((rise - lost) * inverse) + exponent
    return _Survival(value, exponent, lost * inverse, further)


def _early(low: jax.Array, high: jax.Array, length: jax.Array, k: jax.Array) -> _Survival:
    """Where some distances are above k."""
    (first, first_w, first_2), (last, last_w, last_2) = _beyond(low, k), _beyond(high, k)
    share = (first + first_w - last - last_w) / length
    value = log_complement(share)
    further = ((first_2 - last_2) / length - last_w) / length
    return _Survival(value, jnp.zeros_like(value), (first_w - last_w) / length, further)


def _beyond(a: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Integrals from a to infinity of Phi(k - a), of W, and of the latter.

    1 - p is the sum of Phi(k - a) and W.
    """
    away, speed = k < 0.0, jnp.abs(k)
    gap = a - speed
    own = bell(gap)
    (gap_r, gap_d), (sum_r, sum_d) = mills(jnp.abs(gap)), mills(a + speed)
    tilt = jnp.where(away, jnp.exp(-2.0 * speed * a), 1.0)
    ahead = jnp.where(away, tilt * own * sum_d, jnp.maximum(-gap, 0.0) + own * gap_d)

    slow = speed < _SLOW
    some = jnp.where(slow, 1.0, speed)
    back = jnp.where(gap > 0.0, own * gap_r, 1.0 - own * gap_r) - own * sum_r
    little = jnp.where(slow, speed, 0.0)
    back = tilt * jnp.where(slow, own * mean_slope(a, little), 0.5 * back / some)

    signed = jnp.where(away, -1.0, 1.0)
    twice = 0.5 * (ahead - back) / (signed * some)
    return ahead, back, jnp.where(slow, tilt * own * slope_excess(a, signed * little), twice)
