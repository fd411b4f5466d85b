"""The accumulator of racing diffusions: a Wiener process towards one boundary."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from likely.densities.accumulator import (
    Accumulator,
    require_above,
    require_finite,
    require_start_range,
)
from likely.densities.normal import (
    FEW_NODES,
    FEW_WEIGHTS,
    HALF_LOG_2PI,
    MANY_NODES,
    MANY_WEIGHTS,
    compiled,
    is_flat,
    log_mean_ramp,
    log_sum,
    mills,
    mills_slope,
    window,
)
from likely.typing import FloatArray

_SQRT_HALF = math.sqrt(0.5)
_CERTAIN = 8.0  # standard deviations within which a boundary is out of reach


@dataclass(frozen=True, eq=False)
class Wald(Accumulator):
    """Evidence that drifts, with noise of 1 per sqrt(second), from its start to one boundary.

    There is no lower boundary, neither absorbing nor reflecting (see `reflected.Reflected`): with
    a negative drift some trials never finish.

    Args:
        drift: drift per second, finite.
        boundary: where it finishes, positive.
        start_range: the start is uniform from 0 to this, which is below the boundary.

    Raises:
        ParameterError: if a parameter is outside the values above.

    Source: Logan, Van Zandt, Verbruggen and Wagenmakers (2014), Psychological Review 121, 66-95;
    Tillman, Van Zandt and Logan (2020), Psychonomic Bulletin & Review 27, 911-936. The mean over
    the start is their closed form where that does not cancel.
    """

    drift: float
    boundary: float
    start_range: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        require_finite("Wald", "drift", self.drift)
        require_above("Wald", "boundary", self.boundary, 0.0)
        require_start_range("Wald", self.start_range, self.boundary)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        return _densities(times, self.drift, self.boundary - self.start_range, self.boundary)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        return _survivals(times, self.drift, self.boundary - self.start_range, self.boundary)


@compiled
def _densities(times: FloatArray, drift: float, near: float, far: float) -> FloatArray:
    out = np.full(times.size, -np.inf)
    for i, s in enumerate(times):
        if 0.0 < s < math.inf:
            root = math.sqrt(s)
            low, high = near / root - drift * root, far / root - drift * root
            if abs(low) < 1e150:
                out[i] = log_mean_ramp(low, high, near, far) - 1.5 * math.log(s)
    return out


@compiled
def _survivals(times: FloatArray, drift: float, near: float, far: float) -> FloatArray:
    out = np.zeros(times.size)
    for i, s in enumerate(times):
        if s == math.inf:
            out[i] = _log_never(drift, near, far)
        elif s > 0.0:
            tail = _log_mean_tail(s, abs(drift), near, far, -2.0 * min(drift, 0.0))
            out[i] = min(log_sum(_log_never(drift, near, far), tail), 0.0)
    return out


@compiled
def _log_never(drift: float, near: float, far: float) -> float:
    """Log probability of never finishing: 1 - exp(2 drift x), averaged over the distance x."""
    if drift >= 0.0:
        return -math.inf
    rate, length = -2.0 * drift, far - near
    reaches = math.exp(-rate * near)
    if rate * length > 0.1:
        return math.log1p(reaches * math.expm1(-rate * length) / (rate * length))
    total = 0.0
    for i in range(len(FEW_NODES)):
        x = near + 0.5 * length * (1.0 + FEW_NODES[i])
        total -= 0.5 * FEW_WEIGHTS[i] * math.expm1(-rate * x)
    return math.log(total)


@compiled
def _log_mean_tail(s: float, speed: float, near: float, far: float, tilt: float) -> float:
    """Log mean, over x in [near, far], of exp(-tilt x) P(T > s) at drift `speed` >= 0.

    A process with drift -speed that gets there at all, which it does with probability
    exp(-2 speed x), gets there as if its drift were +speed: hence the tilt.
    """
    root = math.sqrt(s)
    if far == near:
        return log_tail(s, speed, far) - tilt * far
    if tilt == 0.0 and speed > 0.0:
        first = _tail_integral(near / root - speed * root, speed * root)
        last = _tail_integral(far / root - speed * root, speed * root)
        if last[0] - first[0] > 1e-2 * (first[1] + last[1]) > 1e-280:
            return math.log((last[0] - first[0]) * root / (far - near))
    sure = speed * s + _CERTAIN * root  # starts further away than this have not finished
    beyond = 0.0
    if far > sure:
        beyond = _exponential(tilt, max(near, sure), far)
    top = min(far, sure)
    if top <= near:
        return math.log(beyond / (far - near))
    left, right = near, top
    if tilt > 0.0:
        right = min(top, near + 2.0 * 32.0 / tilt)
        flat = False
    else:
        low, high = (near - speed * s) / root, (top - speed * s) / root
        first, last, peak = window(low, high)
        flat = is_flat(first, last, peak)
        # Ends that are not moved keep all their digits: the starts may be very close together.
        left = near if first == low else speed * s + first * root
        right = top if last == high else speed * s + last * root
    within = _integral_of_tail(s, speed, left, right, tilt, flat)
    if beyond > 0.0:
        within = log_sum(within, math.log(beyond))
    return within - math.log(far - near)


@compiled
def _tail_integral(gap: float, fast: float) -> tuple[float, float]:
    """Integral of P(T > s) up to a gap, of l - k sqrt(s) from -inf, and the size of its terms."""
    below = 0.5 * math.erfc(-gap * _SQRT_HALF)
    density = math.exp(-0.5 * gap * gap - HALF_LOG_2PI)
    rest = (density * mills(gap + 2.0 * fast) + below) / (2.0 * fast)
    return gap * below + density - rest, abs(gap) * below + density + rest


@compiled
def _exponential(rate: float, low: float, high: float) -> float:
    """Integral of exp(-rate x) from low to high."""
    if rate * (high - low) < 1e-12:
        return math.exp(-rate * low) * (high - low)
    return -math.exp(-rate * low) * math.expm1(-rate * (high - low)) / rate


@compiled
def _integral_of_tail(
    s: float, speed: float, left: float, right: float, tilt: float, flat: bool
) -> float:
    """Log integral of exp(-tilt x) P(T > s) over the distance x."""
    nodes, weights = (FEW_NODES, FEW_WEIGHTS) if flat else (MANY_NODES, MANY_WEIGHTS)
    half = 0.5 * (right - left)
    largest, total = -math.inf, 0.0
    for i in range(len(nodes)):
        x = left + half * (1.0 + nodes[i])
        value = log_tail(s, speed, x) - tilt * x
        if value > largest:
            total *= math.exp(largest - value)
            largest = value
        if largest > -math.inf:
            total += weights[i] * math.exp(value - largest)
    return largest if largest == -math.inf else largest + math.log(half * total)


@compiled
def log_tail(s: float, speed: float, distance: float) -> float:
    """Log P(T > s) for a drift of at least 0 towards a boundary at a distance.

    P = Phi(l - k) - exp(2 k l) Phi(-(l + k)), with l the distance and k the drift in units of
    sqrt(s); the second term is phi(l - k) times Mills' ratio, so that no exponent is large.
    """
    root = math.sqrt(s)
    far, fast = distance / root, speed * root
    gap = far - fast
    if far < 0.2:  # the difference of two Mills' ratios, as the integral of their slope
        total = 0.0
        for i in range(len(FEW_NODES)):
            total += FEW_WEIGHTS[i] * mills_slope(fast + far * FEW_NODES[i])
        return math.log(far * total) - 0.5 * gap * gap - HALF_LOG_2PI
    if gap < 0.0:
        return math.log(mills(-gap) - mills(fast + far)) - 0.5 * gap * gap - HALF_LOG_2PI
    density = math.exp(-0.5 * gap * gap - HALF_LOG_2PI)
    done = 0.5 * math.erfc(gap * _SQRT_HALF) + density * mills(fast + far)
    return math.log1p(-done)
