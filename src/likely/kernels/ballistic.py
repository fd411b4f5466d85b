"""Linear ballistic accumulators in compiled float64; see `likely.networks.ballistic`.

In units of the rate's standard deviation, a rate of mean k >= 0 has finished if it is above w, or
below -w, and w is uniform from a low end to a high one. With y = w - k at an end, p = phi(w - k)
and q = phi(w + k) there, the integral over w of P(|N(k, 1)| < w) is the difference between the ends
of p D(|y|) + q D(w + k), and what there is of y > 0.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.abreast import WIDTH, Accumulator
from likely.kernels.mills import HALF_LOG_2PI, fading, inlined, mills
from likely.kernels.rng import normal, uniform
from likely.kernels.segments import (
    EARLIEST,
    NARROW,
    in_units_of_the_last,
    in_units_of_the_nearest,
    integrals,
)
from likely.kernels.thin_segments import (
    ORDERS,
    TINIEST,
    bell,
    hermite_terms,
    log_mean_ramp,
    moments,
    room_for_terms,
)
from likely.kernels.vectors import logarithm

_SMALL = 0.3  # w (1 + k) below which P(|N| < w) is a series
_START, _FAR, _RATE = WIDTH, 2 * WIDTH, 3 * WIDTH
_LOG, _BY_TIME, _BY_START, _BY_FAR, _BY_RATE = (field * WIDTH for field in range(4, 9))

_compiled = numba.njit(nogil=True, error_model="numpy")


@inlined
def _density(low, length, k):  # type: ignore[no-untyped-def]
    """Return log mean of w (phi(w - k) + phi(w + k)), and derivatives by low, length and k.

    It is nan if the segment is narrow.
    """
    high = low + length
    y, z = low - k, high - k
    p, r, exponent = in_units_of_the_nearest(y, z)
    q, t = p * fading(2.0 * low * k), r * fading(2.0 * high * k)
    up, up_on = integrals(y, z, (p, r), (mills(abs(y)), mills(abs(z))))
    down, down_on = integrals(low + k, high + k, (q, t), (mills(low + k), mills(high + k)))
    total = low * (up + down) + (up_on + down_on)
    share, begin, end = 1.0 / max(total, TINIEST), low * (p + q), high * (r + t)
    by_k = (low * (p - q) - high * (r - t) + up - down) * share
    narrow = length * (1.0 + abs(0.5 * (y + z))) < NARROW
    value = logarithm(max(total / length, TINIEST)) + exponent
    value = np.nan if narrow else value
    return value, (end - begin) * share, end * share - 1.0 / length, by_k


@inlined
def _survival(low, length, k):  # type: ignore[no-untyped-def]
    """Return log mean of P(|N(k, 1)| < w), and derivatives by low, length and k.

    It is nan if the segment is narrow.
    """
    high = low + length
    y, z = low - k, high - k
    p, r, exponent = in_units_of_the_last(y, z)
    q, t = p * fading(2.0 * low * k), r * fading(2.0 * high * k)
    at_y, at_z, below_y, below_z = mills(abs(y)), mills(abs(z)), mills(low + k), mills(high + k)
    total = r * at_z[1] + t * below_z[1] - (p * at_y[1] + q * below_y[1])
    total = total + max(min(length, z), 0.0)
    up, up_on = integrals(y, z, (p, r), (at_y, at_z))
    down, down_on = integrals(low + k, high + k, (q, t), (below_y, below_z))
    share = 1.0 / max(total, TINIEST)
    mean = max(total / length, TINIEST)
    value = logarithm(mean if z <= 0.0 else min(mean, 1.0)) + exponent
    value = np.nan if length * (1.0 + k) < NARROW else value
    return value, (up + down) * share, (up_on + down_on) * share / length, (down - up) * share


@_compiled
def _thin_density(low, length, k):  # type: ignore[no-untyped-def]
    """Return what `_density` does, of any segment."""
    terms = room_for_terms()
    up, u_low, u_length, u_level, u_rise = log_mean_ramp(low - k, length, low, length, terms)
    down, d_low, d_length, d_level, d_rise = log_mean_ramp(low + k, length, low, length, terms)
    top = max(up, down)
    value = top + math.log(math.exp(up - top) + math.exp(down - top))
    first, second = math.exp(up - value), math.exp(down - value)
    by_low = first * (u_low + u_level) + second * (d_low + d_level)
    by_length = first * (u_length + u_rise) + second * (d_length + d_rise)
    return value, by_low, by_length, second * d_low - first * u_low


@_compiled
def _thin_survival(low, length, k):  # type: ignore[no-untyped-def]
    """Return what `_survival` does, of a thin segment."""
    terms = room_for_terms()
    value = _log_mean_share(low + 0.5 * length, 0.5 * length, k, terms)
    exponent, up, up_on, _, _ = moments(low - k, length, terms)
    unit = math.exp(exponent - value)
    up, up_on = unit * up, unit * up_on
    exponent, down, down_on, _, _ = moments(low + k, length, terms)
    unit = math.exp(exponent - value)
    return value, up + unit * down, up_on + unit * down_on, unit * down - up


@_compiled
def _log_mean_share(w, half, k, terms):  # type: ignore[no-untyped-def]
    """Return the log mean of P(|N(k, 1)| < w) within `half` of w, by Taylor's series about w."""
    gap = w - k
    late, distance = gap <= 0.0, abs(gap)
    exponent = -0.5 * gap * gap - HALF_LOG_2PI if late else 0.0
    own = 1.0 if late else bell(distance)  # phi(w - k) in units of exp(exponent)
    other = own * math.exp(-2.0 * w * k)  # phi(w + k)
    if w * (1.0 + k) < _SMALL:
        hermite_terms(k, w, terms)
        share = 0.0
        for j in range(0, ORDERS, 2):
            share += terms[j] / (j + 1)
        share *= own * math.exp(w * (0.5 * w - k)) * 2.0 * w
    else:
        own_tail, other_tail = own * mills(distance)[0], other * mills(w + k)[0]
        share = own_tail - other_tail if late else 1.0 - own_tail - other_tail
    bend = 0.0
    for y, height in ((gap, own), (w + k, other)):
        hermite_terms(y, half, terms)
        for j in range(1, ORDERS, 2):
            bend += half * height * terms[j] / ((j + 1) * (j + 2))
    return min(math.log(max(share - bend, TINIEST)) + exponent, 0.0)


@inlined
def _segment(fixed, block, i):  # type: ignore[no-untyped-def]
    """Return 1 / (sd s), 1 / sd, and the segment at a place: low, length and k >= 0."""
    deviation = fixed[0]
    scale = 1.0 / deviation
    unit = scale / max(block[i], EARLIEST)
    start = block[_START + i]
    return (
        unit,
        scale,
        (block[_FAR + i] - start) * unit,
        start * unit,
        abs(block[_RATE + i]) * scale,
    )


@inlined
def _chain(block, i, unit, scale, low, length, slopes, by_log_time):  # type: ignore[no-untyped-def]
    """Write derivatives by time and parameters, given those by low, length and k."""
    by_low, by_length, by_k = slopes
    s = block[i]
    by_time = (by_log_time - by_low * low - by_length * length) / max(s, EARLIEST)
    block[_BY_TIME + i] = by_time if s > EARLIEST else 0.0
    block[_BY_START + i] = (by_length - by_low) * unit
    block[_BY_FAR + i] = by_low * unit
    block[_BY_RATE + i] = by_k * (scale if block[_RATE + i] >= 0.0 else -scale)


@inlined
def _log_density_at(fixed, block, i, wanted):  # type: ignore[no-untyped-def]
    unit, scale, low, length, k = _segment(fixed, block, i)
    value, by_low, by_length, by_k = _density(low, length, k)
    block[_LOG + i] = value - logarithm(max(block[i], EARLIEST))
    if wanted:
        _chain(block, i, unit, scale, low, length, (by_low, by_length, by_k), -1.0)


@inlined
def _log_survival_at(fixed, block, i, wanted):  # type: ignore[no-untyped-def]
    unit, scale, low, length, k = _segment(fixed, block, i)
    value, by_low, by_length, by_k = _survival(low, length, k)
    block[_LOG + i] = value
    if wanted:
        _chain(block, i, unit, scale, low, length, (by_low, by_length, by_k), 0.0)


@_compiled
def density(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log densities at the first n places of a block, and derivatives if wanted."""
    if wanted:
        for i in range(n):
            _log_density_at(fixed, block, i, True)
    else:
        for i in range(n):
            _log_density_at(fixed, block, i, False)
    for i in range(n):
        if math.isnan(block[_LOG + i]):
            unit, scale, low, length, k = _segment(fixed, block, i)
            value, by_low, by_length, by_k = _thin_density(low, length, k)
            block[_LOG + i] = value - math.log(max(block[i], EARLIEST))
            if wanted:
                _chain(block, i, unit, scale, low, length, (by_low, by_length, by_k), -1.0)


@_compiled
def survival(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log survival at the first n places of a block, and derivatives if wanted."""
    if wanted:
        for i in range(n):
            _log_survival_at(fixed, block, i, True)
    else:
        for i in range(n):
            _log_survival_at(fixed, block, i, False)
    for i in range(n):
        if math.isnan(block[_LOG + i]):
            unit, scale, low, length, k = _segment(fixed, block, i)
            value, by_low, by_length, by_k = _thin_survival(low, length, k)
            block[_LOG + i] = value
            if wanted:
                _chain(block, i, unit, scale, low, length, (by_low, by_length, by_k), 0.0)


@_compiled
def draw(fixed, own, state):  # type: ignore[no-untyped-def]
    """Draw a finishing time; return the next state of the stream, too."""
    place, state = uniform(state)
    z, state = normal(state)
    return (own[1] - own[0] * place) / abs(own[2] + fixed[0] * z), state


BALLISTIC = Accumulator("ballistic", density, survival, draw)
