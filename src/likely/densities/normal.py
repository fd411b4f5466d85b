"""Tails and segments of the normal distribution, in log space, for compiled callers.

Everything is a sum of terms of one sign, or is checked not to cancel, so that relative precision
survives far in the tails.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

compiled: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
DROP = 32.0  # integrands are followed until they are exp(-32) of their largest value
FEW_NODES, FEW_WEIGHTS = np.polynomial.legendre.leggauss(10)
MANY_NODES, MANY_WEIGHTS = np.polynomial.legendre.leggauss(36)

_SQRT_HALF = math.sqrt(0.5)
_CONDITION = 1e-2  # closed forms that leave less than this of their terms are not used


@compiled
def mills(y: float) -> float:
    """Mills' ratio (1 - Phi(y))/phi(y), for y > -38, to about 1e-14."""
    if y < 6.0:
        return math.sqrt(0.5 * math.pi) * math.exp(0.5 * y * y) * math.erfc(y * _SQRT_HALF)
    return 1.0 / (y + _mills_rest(y))


@compiled
def mills_slope(y: float) -> float:
    """Minus the derivative of Mills' ratio, 1 - y mills(y), without its cancellation."""
    if y < 6.0:
        return 1.0 - y * mills(y)
    rest = _mills_rest(y)
    return rest / (y + rest)


@compiled
def _mills_rest(y: float) -> float:
    """1/mills(y) - y by its continued fraction."""
    rest = 0.0
    for k in range(20, 0, -1):
        rest = k / (y + rest)
    return rest


@compiled
def log_cdf(y: float) -> float:
    """Log of the standard normal distribution function."""
    if y > 0.0:
        return math.log1p(-0.5 * math.erfc(y * _SQRT_HALF))
    if y > -6.0:
        return math.log(0.5 * math.erfc(-y * _SQRT_HALF))
    if y == -math.inf:
        return -math.inf
    return -0.5 * y * y - HALF_LOG_2PI + math.log(mills(-y))


@compiled
def log_sum(first: float, second: float) -> float:
    """Log of exp(first) + exp(second)."""
    high, low = max(first, second), min(first, second)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


@compiled
def window(low: float, high: float) -> tuple[float, float, float]:
    """Part of [low, high] that holds all of phi, to exp(-DROP), and the y in it nearest 0."""
    peak = min(max(0.0, low), high)
    reach = 2.0 * DROP / (abs(peak) + math.sqrt(peak * peak + 2.0 * DROP))
    return max(low, peak - reach), min(high, peak + reach), peak


@compiled
def is_flat(left: float, right: float, peak: float) -> bool:
    """Whether phi changes so little in a window that few nodes integrate it."""
    length = right - left
    return length * (abs(peak) + 0.5 * length) < 2.0


@compiled
def log_mean_ramp(low: float, high: float, at_low: float, at_high: float) -> float:
    """Log of the mean, over y in [low, high], of phi(y) times a ramp from at_low to at_high >= 0.

    The closed form, the difference of c Phi(y) - slope phi(y), is used where it does not cancel;
    Gauss and Legendre's rule elsewhere.
    """
    length = high - low
    if length > 0.0:
        slope = (at_high - at_low) / length
        level = at_low - slope * low
        side = -1.0 if low > 0.0 else 1.0
        tail_low = 0.5 * math.erfc(-side * low * _SQRT_HALF)
        tail_high = 0.5 * math.erfc(-side * high * _SQRT_HALF)
        bell_low = math.exp(-0.5 * low * low - HALF_LOG_2PI)
        bell_high = math.exp(-0.5 * high * high - HALF_LOG_2PI)
        value = side * level * (tail_high - tail_low) - slope * (bell_high - bell_low)
        size = abs(level) * (tail_low + tail_high) + abs(slope) * (bell_low + bell_high)
        if value > _CONDITION * size and size > 1e-280:
            return math.log(value / length)
    return _log_mean_ramp_by_nodes(low, high, at_low, at_high)


@compiled
def _log_mean_ramp_by_nodes(low: float, high: float, at_low: float, at_high: float) -> float:
    left, right, peak = window(low, high)
    length = high - low
    half = 0.5 * (right - left)
    flat = is_flat(left, right, peak)
    nodes, weights = (FEW_NODES, FEW_WEIGHTS) if flat else (MANY_NODES, MANY_WEIGHTS)
    total = 0.0
    for i in range(len(nodes)):
        y = left + half * (1.0 + nodes[i])
        share = (y - low) / length if length > 0.0 else 0.5
        ramp = at_low + (at_high - at_low) * share
        total += weights[i] * ramp * math.exp(0.5 * (peak - y) * (peak + y))
    part = half / length if length > 0.0 else 0.5
    return math.log(part * total) - 0.5 * peak * peak - HALF_LOG_2PI
