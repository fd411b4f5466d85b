"""Survival of diffusions from thin ranges of starts, or with little drift, one at a time.

It is that of `likely.networks.wald`, which has the derivation.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.mills import HALF_LOG_2PI, mills
from likely.kernels.thin_segments import (
    ORDERS,
    THIN,
    TINIEST,
    bell,
    hermite_terms,
    moments,
    room_for_terms,
)

SLOW = 0.1  # k below which a difference of Mills' ratios is the mean of their slope
_SMALL = 0.3  # a (3 + k) below which it is, too
_DERIVATIVES = 10  # of the slope
_ROUNDING = 2.0**-50  # survival is no nearer 0 where it is 1 less something

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def survival_of_any(low, length, k):  # type: ignore[no-untyped-def]
    """Return the log mean of p(a) from low to low + length; its derivatives by them and by k."""
    terms = room_for_terms()
    if length * (1.0 + abs(k)) < THIN:
        value, exponent, crossed, further = _thin(low + 0.5 * length, 0.5 * length, k, terms)
    else:
        value, exponent, crossed, further = _wide(low, length, k)
    unit, m0, m1, _, _ = moments(low - k, length, terms)
    scale, unit = math.exp(exponent - value), math.exp(unit - value)
    crossed, further = scale * crossed, scale * further
    by_low = 2.0 * (unit * m0 - k * crossed)
    by_length = 2.0 * (unit * m1 - k * further)
    return value, by_low, by_length, -2.0 * (low * crossed + length * further)


@_compiled
def _slope_derivatives(y):  # type: ignore[no-untyped-def]
    """Return D(y) and its derivatives."""
    ratio, slope = mills(y)
    found = np.empty(_DERIVATIVES)
    found[0], found[1] = slope, y * slope - ratio
    for n in range(2, _DERIVATIVES):
        found[n] = n * found[n - 2] + y * found[n - 1]
    return found


@_compiled
def _mean_slope(y, half):  # type: ignore[no-untyped-def]
    """Return the mean of D between y - half and y + half, by its series."""
    found = _slope_derivatives(y)
    total, power = 0.0, 1.0
    for n in range(_DERIVATIVES):
        if n % 2 == 0:
            total += found[n] * power / (n + 1)
        power *= half / (n + 1)
    return total


@_compiled
def _slope_excess(y, half):  # type: ignore[no-untyped-def]
    """Return D(y - half) less that mean, over 2 half."""
    found = _slope_derivatives(y)
    total, power = 0.0, 1.0  # half^(n - 1) / n!
    for n in range(1, _DERIVATIVES):
        weight = 1.0 - 1.0 / (n + 1) if n % 2 == 0 else -1.0
        total += 0.5 * weight * found[n] * power
        power *= half / (n + 1)
    return total


@_compiled
def _thin(a, half, k, terms):  # type: ignore[no-untyped-def]
    """Within `half` of a, by Taylor's series about a.

    Return the log of the mean of p, the log of a unit, and means of W and w W in it, w from 0 to 1.
    """
    away, speed = k < 0.0, abs(k)
    gap = a - speed
    behind = gap <= 0.0
    exponent = -0.5 * gap * gap - HALF_LOG_2PI if behind and not away else 0.0
    own = 1.0 if behind and not away else bell(gap)  # phi(a - |k|) in the unit
    own_tail, other_tail = own * mills(abs(gap))[0], own * mills(a + speed)[0]
    if a * (3.0 + speed) < _SMALL:
        share = 2.0 * a * own * _mean_slope(speed, a)
    elif behind and not away:
        share = own_tail - other_tail
    else:
        share = (own_tail if behind else 1.0 - own_tail) - other_tail
    tilt, crossed = 1.0, other_tail
    if away:
        tilt = math.exp(-2.0 * speed * a)
        share = -math.expm1(-2.0 * speed * a) + tilt * share
        crossed = tilt * (1.0 - own_tail if behind else own_tail)
    bend, crossed, further = _around(crossed, tilt * own, a - k, half, k, terms)
    value = min(math.log(max(share + bend, TINIEST)) + exponent, 0.0)
    return value, exponent, crossed, further


@_compiled
def _around(crossed, density, gap, half, k, terms):  # type: ignore[no-untyped-def]
    """Return the mean of p less its value in the middle, and the means of W and w W.

    From Taylor's series of W, with W' = 2 k W - phi, and of phi, both at a - k = gap.
    """
    bend, even, odd = 0.0, 0.0, 0.0
    hermite_terms(gap, half, terms)
    for j in range(ORDERS):
        slope = density * terms[j] if j % 2 == 0 else -density * terms[j]
        if j % 2 == 0:
            even += crossed / (j + 1)
        else:
            odd += crossed / (j + 2)
            bend += 2.0 * half * (slope - k * crossed) / ((j + 1) * (j + 2))
        crossed = half * (2.0 * k * crossed - slope) / (j + 1)
    return bend, even, 0.5 * (even + odd)


@_compiled
def _wide(low, length, k):  # type: ignore[no-untyped-def]
    """Return what `_thin` does in closed form, which drifts below `SLOW` are not late for."""
    high, inverse = low + length, 1.0 / length
    if high < k:
        fall = math.exp(-length * (k - 0.5 * (low + high)))
        (first_r, first), (last_r, last) = mills(k - low), mills(k - high)
        first_w = -0.5 * (first_r + mills(low + k)[0]) / k
        last_w = -0.5 * (last_r + mills(high + k)[0]) / k
        rise, lost = last - fall * first, fall * first_w - last_w
        exponent = -0.5 * (high - k) ** 2 - HALF_LOG_2PI
        further = (-0.5 * (rise + lost) / k * inverse - last_w) * inverse
        value = math.log(max((rise - lost) * inverse, TINIEST)) + exponent
        return value, exponent, lost * inverse, further
    (first, first_w, first_2), (last, last_w, last_2) = _beyond(low, k), _beyond(high, k)
    share = (first + first_w - last - last_w) * inverse
    value = math.log1p(-min(max(share, 0.0), 1.0 - _ROUNDING))
    further = ((first_2 - last_2) * inverse - last_w) * inverse
    return value, 0.0, (first_w - last_w) * inverse, further


@_compiled
def _beyond(a, k):  # type: ignore[no-untyped-def]
    """Return integrals from a to infinity of Phi(k - a), of W, and of the latter."""
    away, speed = k < 0.0, abs(k)
    gap = a - speed
    own = bell(gap)
    (gap_r, gap_d), (sum_r, sum_d) = mills(abs(gap)), mills(a + speed)
    tilt = math.exp(-2.0 * speed * a) if away else 1.0
    ahead = tilt * own * sum_d if away else max(-gap, 0.0) + own * gap_d
    signed = -1.0 if away else 1.0
    if speed < SLOW:
        back = tilt * own * _mean_slope(a, speed)
        return ahead, back, tilt * own * _slope_excess(a, signed * speed)
    back = 0.5 * tilt * ((own * gap_r if gap > 0.0 else 1.0 - own * gap_r) - own * sum_r) / speed
    return ahead, back, 0.5 * (ahead - back) / (signed * speed)
