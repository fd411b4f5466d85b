"""Segments of the normal distribution, and ramps over them, one at a time in compiled float64.

The counterpart of `likely.networks.normal`, for the few trials at which the closed forms that run
on vectors would cancel: those at which a segment is thin.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.mills import HALF_LOG_2PI, mills

THIN = 0.7  # lengths, times 1 + their distance from 0, below which Taylor's series is used
ORDERS = 13  # of Taylor's series, whose terms fall like (THIN / 2)^j / j!
TINIEST = 2.2250738585072014e-308  # of numbers whose logarithm is taken

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def bell(y):  # type: ignore[no-untyped-def]
    """Return the standard normal density."""
    return math.exp(-0.5 * y * y - HALF_LOG_2PI)


@_compiled
def hermite_terms(y, half, terms):  # type: ignore[no-untyped-def]
    """Write He_j(y) half^j / j! (ORDERS,): what phi's Taylor series is made of."""
    product, squared = y * half, half * half
    terms[0], terms[1] = 1.0, product
    for j in range(1, ORDERS - 1):
        terms[j + 1] = (product * terms[j] - squared * terms[j - 1]) / (j + 1)


@_compiled
def moments(low, length, terms):  # type: ignore[no-untyped-def]
    """Return means of w^j phi(low + length w) over w in [0, 1], j = 0 to 3, and their unit's log.

    The unit comes first. `terms` is room for `ORDERS` numbers.
    """
    middle = low + 0.5 * length
    if length * (1.0 + abs(middle)) >= THIN:
        return _wide_moments(low, length)
    hermite_terms(middle, 0.5 * length, terms)
    t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0  # of powers of t = 2 w - 1
    for j in range(0, ORDERS, 2):
        t0 += terms[j] / (j + 1)
        t2 += terms[j] / (j + 3)
    for j in range(1, ORDERS, 2):
        t1 -= terms[j] / (j + 2)
        t3 -= terms[j] / (j + 4)
    m3 = 0.125 * (t0 + 3.0 * (t1 + t2) + t3)
    exponent = -0.5 * middle * middle - HALF_LOG_2PI
    return exponent, t0, 0.5 * (t0 + t1), 0.25 * (t0 + 2.0 * t1 + t2), m3


@_compiled
def _wide_moments(low, length):  # type: ignore[no-untyped-def]
    """Return the same in closed form; see `likely.networks.normal`."""
    high, scale = low + length, 1.0 / length
    left = high <= 0.0
    first, last = (-high, -low) if left else (low, high)  # distances, the nearest first
    (first_r, first_d), (last_r, last_d) = mills(abs(first)), mills(last)
    if first >= 0.0:
        fall = math.exp(-0.5 * length * (first + last))
        exponent, start, end = -0.5 * first * first - HALF_LOG_2PI, first, fall
        k0, k1 = first_r - fall * last_r, first_d - fall * (last_d + length * last_r)
    else:
        first_bell, end = bell(first), bell(last)
        exponent, start = 0.0, first
        k0 = 1.0 - first_bell * first_r - end * last_r
        k1 = first_bell - end - first * k0
    k2 = k0 - start * k1 - end * length
    k3 = 2.0 * k1 - start * k2 - end * length * length
    u0, u1, u2, u3 = k0 * scale, k1 * scale**2, k2 * scale**3, k3 * scale**4
    if left:
        return exponent, u0, u0 - u1, u0 - 2.0 * u1 + u2, u0 - 3.0 * (u1 - u2) - u3
    return exponent, u0, u1, u2, u3


@_compiled
def log_mean_ramp(low, length, level, rise, terms):  # type: ignore[no-untyped-def]
    """Return the log of the mean of (level + rise w) phi(low + length w) over w in [0, 1].

    Its derivatives by all four follow. The level at the beginning is positive, the rise at least 0.
    """
    exponent, m0, m1, m2, m3 = moments(low, length, terms)
    zeroth, once, twice = level * m0 + rise * m1, level * m1 + rise * m2, level * m2 + rise * m3
    share = 1.0 / max(zeroth, TINIEST)
    by_low = -low - length * once * share
    by_length = -(low * once + length * twice) * share
    value = math.log(max(zeroth, TINIEST)) + exponent
    return value, by_low, by_length, m0 * share, m1 * share


@_compiled
def room_for_terms():  # type: ignore[no-untyped-def]
    """Return room for the terms of Taylor's series."""
    return np.empty(ORDERS)
