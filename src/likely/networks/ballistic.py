"""The accumulators of the linear ballistic accumulator model.

In units of the rate's standard deviation, the rate is |N(k, 1)|, and the least rate that has
finished by some time is w, uniform from w0 to w1 as the starting point is. So

    S = mean over w of P(|N| < w) = mean over w of Phi(w - k) - Phi(-w - k),

whose closed form is used unless the ends are so close together that it would cancel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from likely.declaration_json import typed
from likely.kernels.abreast import Accumulator
from likely.kernels.ballistic import BALLISTIC
from likely.kernels.mills import HALF_LOG_2PI
from likely.networks.normal import (
    EARLIEST,
    THIN,
    bell,
    hermite_terms,
    log_complement,
    log_mean_ramp,
    log_positive,
    mills,
    moments,
    summed,
)
from likely.networks.race import ClosedForm

_SMALL = 0.3  # w (1 + k) below which P(|N| < w) is a series


@dataclass(frozen=True)
class FoldedBallistic(ClosedForm):
    """A ballistic accumulator whose rate is the absolute value of a normal one.

    Its parameters are the range of the starting point (A, at least 0), the boundary (b, above A)
    and the mean rate before folding (v), a second. See `likely.densities.ballistic`.

    Args:
        sd: standard deviation of the rate before folding, positive.

    Source: Brown and Heathcote (2008), Cognitive Psychology 57, 153-178, equations 1 and 2, with
    the rates of the simulators of ssm-simulators.
    """

    sd: float

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}

    def specification(self) -> dict[str, Any]:
        """Return kind and standard deviation."""
        return {"kind": "folded_ballistic", "sd": self.sd}

    @staticmethod
    def from_specification(given: Mapping[str, Any]) -> FoldedBallistic:
        """Build the form that `specification` describes."""
        return FoldedBallistic(float(typed(int | float, given["sd"])))

    @property
    def accumulator(self) -> Accumulator:
        """The compiled functions."""
        return BALLISTIC

    @property
    def fixed(self) -> tuple[float, ...]:
        """The standard deviation."""
        return (self.sd,)

    def state(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> jax.Array:
        """Return the parameters (..., 3): A, b, v."""
        return theta

    def log_density(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log density at s (...), the sum of those of the rates N(v, sd) and N(-v, sd)."""
        start, far, rate = state[..., 0], state[..., 1], state[..., 2]
        s = jnp.maximum(s, EARLIEST)
        near, unit = far - start, self.sd * s
        low, length, k = near / unit, start / unit, rate / self.sd
        upward = log_mean_ramp(low - k, length, near, start)
        downward = log_mean_ramp(low + k, length, near, start)
        return jnp.logaddexp(upward, downward) - jnp.log(self.sd * s * s)

    def log_survival(self, state: jax.Array, s: jax.Array) -> jax.Array:
        """Log probability of not having finished by s (...)."""
        start, far, rate = state[..., 0], state[..., 1], state[..., 2]
        unit = self.sd * jnp.maximum(s, EARLIEST)
        return _log_survival((far - start) / unit, start / unit, rate / self.sd)

    def draws(self, state: jax.Array, key: jax.Array) -> jax.Array:
        """Draw finishing times (...)."""
        start, far, rate = state[..., 0], state[..., 1], state[..., 2]
        of_start, of_rate = jax.random.split(key)
        uniform = jax.random.uniform(of_start, far.shape, far.dtype)
        normal = jax.random.normal(of_rate, far.shape, far.dtype)
        return (far - start * uniform) / jnp.abs(rate + self.sd * normal)


@jax.custom_jvp
def _log_survival(low: jax.Array, length: jax.Array, k: jax.Array) -> jax.Array:
    """Log mean of P(|N| < w) over w from low to low + length."""
    k = jnp.abs(k)
    high = low + length
    thin = length * (1.0 + k) < THIN
    middle = jnp.where(thin, low + 0.5 * length, 1.0)
    narrow = _thin_survival(middle, jnp.where(thin, 0.5 * length, 0.0), k)
    ends = jnp.where(thin, 0.0, low), jnp.where(thin, 1.0, high)
    wide = _wide_survival(*ends, jnp.where(thin, 1.0, length), k)
    return jnp.where(thin, narrow, wide)


@_log_survival.defjvp
def _log_survival_jvp(
    primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array]:
    """The derivative of P(|N| < w) is phi(w - k) + phi(w + k)."""
    (low, length, k), (by_low, by_length, by_k) = primals, tangents
    value = _log_survival(low, length, k)
    upward, downward = moments(low - k, length), moments(low + k, length)
    up, down = (jnp.exp(each.exponent - value) for each in (upward, downward))
    (up0, up1), (down0, down1) = (
        (factor * each.means[0], factor * each.means[1])
        for factor, each in ((up, upward), (down, downward))
    )
    tangent = (up0 + down0) * by_low + (up1 + down1) * by_length + (down0 - up0) * by_k
    return value, tangent


def _thin_survival(w: jax.Array, half: jax.Array, k: jax.Array) -> jax.Array:
    """Log mean of P(|N| < w) within `half` of w, by Taylor's series about w."""
    gap = w - k
    late = gap <= 0.0
    distance = jnp.abs(gap)
    exponent = jnp.where(late, -0.5 * gap * gap - HALF_LOG_2PI, 0.0)
    own = jnp.where(late, 1.0, bell(distance))  # phi(w - k) in units of exp(exponent)
    other = own * jnp.exp(-2.0 * w * k)  # phi(w + k)
    own_tail, other_tail = own * mills(distance)[0], other * mills(w + k)[0]

    small = w * (1.0 + k) < _SMALL
    share = jnp.where(late, own_tail - other_tail, 1.0 - own_tail - other_tail)
    share = jnp.where(small, _small_share(jnp.where(small, w, 0.0), k, own), share)

    def curvature(y: jax.Array) -> jax.Array:
        odd = enumerate(hermite_terms(y, half))
        return summed(term / ((j + 1) * (j + 2)) for j, term in odd if j % 2 == 1)

    bend = half * (own * curvature(gap) + other * curvature(w + k))
    return jnp.minimum(log_positive(share - bend) + exponent, 0.0)


def _small_share(w: jax.Array, k: jax.Array, own: jax.Array) -> jax.Array:
    """P(|N| < w) by its series in w, in units in which phi(w - k) is `own`."""
    even = enumerate(hermite_terms(k, w))
    series = summed(term / (j + 1) for j, term in even if j % 2 == 0)
    return own * jnp.exp(w * (0.5 * w - k)) * 2.0 * w * series


def _wide_survival(low: jax.Array, high: jax.Array, length: jax.Array, k: jax.Array) -> jax.Array:
    """Log mean of P(|N| < w) from low to high.

    Its integral from 0 is max(w - k, 0) + B(w) - B(0), and that of 1 - P(|N| < w) up to infinity
    max(k - w, 0) + B(w), with B(w) = phi(w - k) D(|w - k|) + phi(w + k) D(w + k).
    """

    def curve(w: jax.Array) -> jax.Array:
        """B(w) / phi(w - k)."""
        return mills(jnp.abs(w - k))[1] + jnp.exp(-2.0 * w * k) * mills(w + k)[1]

    late = high < k
    first, last = curve(low), curve(high)
    fall = jnp.where(late, length * (k - 0.5 * (low + high)), 0.0)
    tail = log_positive((last - jnp.exp(-fall) * first) / length)
    tail = tail - 0.5 * (high - k) ** 2 - HALF_LOG_2PI

    beyond = jnp.where(low > k, 0.0, k - low) + bell(low - k) * first - bell(high - k) * last
    body = log_complement(beyond / length)
    return jnp.where(late, tail, body)
