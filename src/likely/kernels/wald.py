"""Racing diffusions' accumulators in compiled float64; see `likely.networks.wald`.

In units of sqrt(s), the boundary is at a distance a from a low end to a high one, and the drift is
k. A process crosses it twice as often as W(a) = exp(2 k a) Phi(-a - k) = phi(a - k) R(a + k) says,
less what has crossed by its drift: p(a) = Phi(a - k) - W(a). As W' = 2 k W - phi(a - k), integrals
of W are made of those of phi, if k is not small; `likely.kernels.slow_wald` is for what is left.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.abreast import WIDTH, Accumulator
from likely.kernels.mills import inlined, mills
from likely.kernels.rng import normal, uniform
from likely.kernels.segments import (
    EARLIEST,
    NARROW,
    in_units_of_the_last,
    in_units_of_the_nearest,
    integrals,
)
from likely.kernels.slow_wald import SLOW, survival_of_any
from likely.kernels.thin_segments import TINIEST, log_mean_ramp, room_for_terms
from likely.kernels.vectors import logarithm

_DRIFT, _START, _FAR = WIDTH, 2 * WIDTH, 3 * WIDTH
_LOG, _BY_TIME, _BY_DRIFT, _BY_START, _BY_FAR = (field * WIDTH for field in range(4, 9))

_compiled = numba.njit(nogil=True, error_model="numpy")


@inlined
def _density(low, length, k):  # type: ignore[no-untyped-def]
    """Return log mean of a phi(a - k), and derivatives by low, length and k.

    It is nan if the segment is narrow.
    """
    high = low + length
    y, z = low - k, high - k
    p, r, exponent = in_units_of_the_nearest(y, z)
    mass, on = integrals(y, z, (p, r), (mills(abs(y)), mills(abs(z))))
    total = low * mass + on
    share, begin, end = 1.0 / max(total, TINIEST), low * p, high * r
    narrow = length * (1.0 + abs(0.5 * (y + z))) < NARROW
    value = logarithm(max(total / length, TINIEST)) + exponent
    value = np.nan if narrow else value
    by_length = end * share - 1.0 / length
    return value, (end - begin) * share, by_length, (begin - end + mass) * share


@inlined
def _survival(low, length, k):  # type: ignore[no-untyped-def]
    """Return log mean of p(a), and derivatives by low, length and k.

    It is nan if the segment is narrow, or the drift slow or negative.
    """
    high = low + length
    y, z = low - k, high - k
    late = z <= 0.0
    p, r, exponent = in_units_of_the_last(y, z)
    at_y, at_z = mills(abs(y)), mills(abs(z))
    mass, on = integrals(y, z, (p, r), (at_y, at_z))
    first, last = p * mills(max(low + k, 0.0))[0], r * mills(max(high + k, 0.0))[0]  # W
    half, inverse = 0.5 / k, 1.0 / length
    back = (mass + last - first) * half  # the integral of W, and that of (a - low) W
    back_on = (length * last - back + on) * half
    lost = max(-y, 0.0) + p * at_y[1] - r * at_z[1] + back  # the integral of 1 - p, unless late
    total = max(r * at_z[1] - p * at_y[1] - back if late else length - lost, TINIEST)
    share = 1.0 / total
    begin, end = p * at_y[0], r * at_z[0]
    by_low = (end - last) - (begin - first)
    by_length = (end - last) - total * inverse
    begin = begin if y >= 0.0 else 1.0 - begin
    by_low = by_low if late else (begin + first) - (end + last)
    by_length = by_length if late else lost * inverse - (end + last)
    value = logarithm(max(total * inverse, TINIEST)) + exponent
    value = np.nan if k < SLOW or length * (1.0 + k) < NARROW else value
    return value, by_low * share, by_length * share, -2.0 * (low * back + back_on) * share


@_compiled
def _thin_density(low, length, k):  # type: ignore[no-untyped-def]
    """Return what `_density` does, of any segment."""
    terms = room_for_terms()
    value, by_y, by_length, by_level, by_rise = log_mean_ramp(low - k, length, low, length, terms)
    return value, by_y + by_level, by_length + by_rise, -by_y


@inlined
def _segment(block, i):  # type: ignore[no-untyped-def]
    """Return 1 / sqrt(s), and the segment at a place: low, length and k."""
    root = math.sqrt(max(block[i], EARLIEST))
    over, start = 1.0 / root, block[_START + i]
    return over, (block[_FAR + i] - start) * over, start * over, block[_DRIFT + i] * root


@inlined
def _chain(block, i, over, low, length, k, slopes, by_log_time):  # type: ignore[no-untyped-def]
    """Write derivatives by time and parameters, given those by low, length and k."""
    by_low, by_length, by_k = slopes
    s = max(block[i], EARLIEST)
    by_time = (by_log_time + 0.5 * (by_k * k - by_low * low - by_length * length)) / s
    block[_BY_TIME + i] = by_time if block[i] > EARLIEST else 0.0
    block[_BY_DRIFT + i] = by_k * s * over
    block[_BY_START + i] = (by_length - by_low) * over
    block[_BY_FAR + i] = by_low * over


@inlined
def _log_density_at(block, i, wanted):  # type: ignore[no-untyped-def]
    over, low, length, k = _segment(block, i)
    value, by_low, by_length, by_k = _density(low, length, k)
    block[_LOG + i] = value - logarithm(max(block[i], EARLIEST))
    if wanted:
        _chain(block, i, over, low, length, k, (by_low, by_length, by_k), -1.0)


@inlined
def _log_survival_at(block, i, wanted):  # type: ignore[no-untyped-def]
    over, low, length, k = _segment(block, i)
    value, by_low, by_length, by_k = _survival(low, length, k)
    block[_LOG + i] = value
    if wanted:
        _chain(block, i, over, low, length, k, (by_low, by_length, by_k), 0.0)


@_compiled
def density(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log densities at the first n places of a block, and derivatives if wanted."""
    if wanted:
        for i in range(n):
            _log_density_at(block, i, True)
    else:
        for i in range(n):
            _log_density_at(block, i, False)
    for i in range(n):
        if math.isnan(block[_LOG + i]):
            over, low, length, k = _segment(block, i)
            value, by_low, by_length, by_k = _thin_density(low, length, k)
            block[_LOG + i] = value - math.log(max(block[i], EARLIEST))
            _chain(block, i, over, low, length, k, (by_low, by_length, by_k), -1.0)


@_compiled
def survival(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log survival at the first n places of a block, and derivatives if wanted."""
    if wanted:
        for i in range(n):
            _log_survival_at(block, i, True)
    else:
        for i in range(n):
            _log_survival_at(block, i, False)
    for i in range(n):
        if math.isnan(block[_LOG + i]):
            over, low, length, k = _segment(block, i)
            value, by_low, by_length, by_k = survival_of_any(low, length, k)
            block[_LOG + i] = value
            _chain(block, i, over, low, length, k, (by_low, by_length, by_k), 0.0)


@_compiled
def draw(fixed, own, state):  # type: ignore[no-untyped-def]
    """Draw a finishing time, infinite if there is none; return the next state of the stream, too.

    Source: Michael, Schucany and Haas (1976), The American Statistician 30, 88-90.
    """
    place, state = uniform(state)
    ever, state = uniform(state)
    root, state = uniform(state)
    z, state = normal(state)
    distance, speed, y = own[2] - own[1] * place, abs(own[0]), z * z
    product = 2.0 * speed * distance
    if own[0] < 0.0 and ever > math.exp(-product):
        return np.inf, state
    smaller = 2.0 * distance * distance / (product + y + math.sqrt(y * (2.0 * product + y)))
    if root * (distance + speed * smaller) <= distance:
        return smaller, state
    return (distance / speed) ** 2 / smaller, state


WALD = Accumulator("wald", density, survival, draw)
