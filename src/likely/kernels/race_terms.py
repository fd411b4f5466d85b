"""Log densities of many trials of races, and what their gradient takes, side by side.

The chosen accumulator of a trial has a density, the others survive: `likely.kernels.accumulators`
says how, and does it one trial at a time. Here some trials and their accumulators lie in a tile,
and exponentials, tails and logarithms are loops over all terms of it, which the compiler runs on
vectors whether trials share their parameters or not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.polynomial.chebyshev import cheb2poly, chebfit, chebpts1
from scipy.special import erfcx

from likely.kernels.accumulators import DENSITY_AT_0, TINY
from likely.kernels.closing import LAST
from likely.kernels.vectors import exponential, logarithm, polynomial
from likely.typing import FloatArray

TRIALS = 32  # of a tile: what it holds should stay close to the processor

_compiled = numba.njit(nogil=True, error_model="numpy")
_contracted = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
_inlined = numba.njit(  # to pass a tile costs more than these functions
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz"},
    forceinline=True,
)

SCALE, _DEGREE = 5.0, 20  # of the polynomial below
_LOWEST = -680.0  # exponents: what has a lower one is nothing next to `TINY`
_STEEP = 1.0 / (LAST * LAST)


def _tail_coefficients() -> FloatArray:
    """Return R(y) / x, as coefficients of powers of 2x - 1, where x = a / (a + y)."""
    nodes = chebpts1(3 * _DEGREE)
    x = 0.5 + 0.5 * nodes
    tails = 0.5 * erfcx(SCALE * (1.0 - x) / x * math.sqrt(0.5))
    return np.asarray(cheb2poly(chebfit(nodes, tails / x, _DEGREE)))


tail = polynomial(_tail_coefficients().tolist())


class Tile(NamedTuple):
    """Trials of a tile, and pairs of a trial and an accumulator, the pairs of the chosen first.

    Args:
        trials: which trials these are, (T,).
        rows: the parameter row of each, (T,).
        times: decision times (T,).
        whose: which distinct accumulator each pair has, (P,).
        places: which accumulator of all rows, (P,).
        clocks: stretched time, its derivatives by time and rate, and those of the log of the
            first of these, (P, 5).
        early: standardised distance from the mean, or survival, (P, K).
        late: that of the reflected mean, or what is reflected, (P, K).
        falls: exp(-early^2 / 2), (P, K).
        totals: densities but for their factors, or survival, (P,).
        logs: of what pairs contribute to the density, (P,).
        terms: any K numbers: the length of a tuple is known where code is compiled.
    """

    trials: np.ndarray
    rows: np.ndarray
    times: FloatArray
    whose: np.ndarray
    places: np.ndarray
    clocks: FloatArray
    early: FloatArray
    late: FloatArray
    falls: FloatArray
    totals: FloatArray
    logs: FloatArray
    terms: tuple[float, ...]


@_compiled
def room_for_tile(count, terms):  # type: ignore[no-untyped-def]
    """Return a tile for races of so many accumulators, of as many terms as there are numbers."""
    pairs, components = TRIALS * count, len(terms)
    return Tile(
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS),
        np.empty(pairs, dtype=np.int64),
        np.empty(pairs, dtype=np.int64),
        np.empty((pairs, 5)),
        np.empty((pairs, components)),
        np.empty((pairs, components)),
        np.empty((pairs, components)),
        np.ones(pairs),
        np.empty(pairs),
        terms,
    )


@_compiled
def pair_of(t, other, count):  # type: ignore[no-untyped-def]
    """Return the place of a trial's pair with one of the accumulators that it did not choose."""
    return TRIALS + t * (count - 1) + other


@_compiled
def put(tile, known, whose, t, trial, row, s, chosen, count):  # type: ignore[no-untyped-def]
    """Put a trial with a choice and a decision time s > 0 at a place t of the tile."""
    tile.trials[t], tile.rows[t], tile.times[t] = trial, row, s
    other = 0
    for c in range(count):
        pair = t
        if c != chosen:
            pair = pair_of(t, other, count)
            other += 1
        place = row * count + c
        tile.whose[pair], tile.places[pair] = whose[place], place
        _at(tile, known, pair, s)


@_inlined
def _at(tile, known, pair, s):  # type: ignore[no-untyped-def]
    """Write a pair's clock, and the distances of its terms from their means."""
    a, clock, components = tile.whose[pair], tile.clocks[pair], len(tile.terms)
    rate = 0.0
    if known.outputs.shape[1] > 3 * components:
        rate = known.outputs[a, 3 * components]
    left = 1.0 - rate * s
    if left > LAST:
        pull = 1.0 / left
        slope = pull * pull
        clock[0], clock[1], clock[2] = s * pull, slope, s * s * slope
        clock[3], clock[4] = 2.0 * rate * pull, 2.0 * s * pull
    else:
        turn = (1.0 - LAST) / rate
        clock[0], clock[1] = turn / LAST + (s - turn) * _STEEP, _STEEP
        clock[2], clock[3], clock[4] = (_STEEP - 1.0 / LAST) * turn / rate, 0.0, 0.0
    u = clock[0]
    over = 1.0 / math.sqrt(u)
    root, pace = known.plain[a, 1], known.plain[a, 2]
    early, late = tile.early[pair], tile.late[pair]
    for k in range(components):
        step = over * root[k]
        early[k] = step * (u * pace[k] - 1.0)
        late[k] = early[k] + 2.0 * step


@_contracted
def _fall(early, falls):  # type: ignore[no-untyped-def]
    """Write exp(-early^2 / 2), (n,), or 0 where products of it would be slow, subnormal numbers."""
    for j in range(falls.shape[0]):
        exponent = -0.5 * early[j] * early[j]
        falls[j] = exponential(exponent) if exponent > _LOWEST else 0.0


@_contracted
def _survive(early, late, falls):  # type: ignore[no-untyped-def]
    """Turn distances (n,) into survival, and into what is reflected of it."""
    for j in range(falls.shape[0]):
        e = early[j]
        near, far = SCALE + abs(e), SCALE + max(late[j], 0.0)
        both = SCALE / (near * far)  # one division for two
        x, y = both * far, both * near
        direct = falls[j] * x * tail(2.0 * x - 1.0)
        reflected = falls[j] * y * tail(2.0 * y - 1.0)
        early[j] = max((direct if e >= 0.0 else 1.0 - direct) - reflected, 0.0)
        late[j] = reflected


@_inlined
def _dot(tile, a, b):  # type: ignore[no-untyped-def]
    """Return the sum over terms of products."""
    total = 0.0
    for k in range(len(tile.terms)):
        total += a[k] * b[k]
    return total


@_inlined
def _add_multiple(tile, a, factor, kind, moments):  # type: ignore[no-untyped-def]
    """Add a multiple of a (K,) to the first, second or third moments of terms, (3K,)."""
    components = len(tile.terms)
    for k in range(components):
        moments[kind * components + k] += factor * a[k]


@_compiled
def judge(tile, known, n, count):  # type: ignore[no-untyped-def]
    """Write the logs of what pairs of the first n trials contribute.

    A log is nan where it must be made from logarithms of terms.
    """
    last = pair_of(n, 0, count)
    for begin, end in ((0, n), (TRIALS, last)):
        _fall(tile.early[begin:end].ravel(), tile.falls[begin:end].ravel())
    others = slice(TRIALS, last)
    _survive(tile.early[others].ravel(), tile.late[others].ravel(), tile.falls[others].ravel())
    for pair in range(n):
        plain, u = known.plain[tile.whose[pair]], tile.clocks[pair, 0]
        total = _dot(tile, plain[4], tile.falls[pair])
        value = total * (DENSITY_AT_0 / (u * math.sqrt(u)))
        sound = min(value, total) >= TINY
        tile.totals[pair] = total
        tile.logs[pair] = value * tile.clocks[pair, 1] if sound else -1.0
    for pair in range(TRIALS, last):
        total = _dot(tile, known.plain[tile.whose[pair], 0], tile.early[pair])
        tile.totals[pair] = total
        tile.logs[pair] = total if total >= TINY else -1.0
    for begin, end in ((0, n), (TRIALS, last)):
        _logarithms(tile.logs[begin:end])


@_compiled
def _logarithms(x):  # type: ignore[no-untyped-def]
    """Turn x (n,) into logarithms, and what is not positive into nan."""
    for j in range(x.shape[0]):
        found = logarithm(abs(x[j]))
        x[j] = found if x[j] > 0.0 else np.nan


@_inlined
def density_back(tile, known, pair, cotangent, moments):  # type: ignore[no-untyped-def]
    """Add to moments (3K,) those of a log density; return derivatives by time and closing rate."""
    plain, clock, fall = known.plain[tile.whose[pair]], tile.clocks[pair], tile.falls[pair]
    scale = cotangent / tile.totals[pair]
    u = clock[0]
    v = 1.0 / u
    _add_multiple(tile, fall, scale, 0, moments)
    _add_multiple(tile, fall, scale * u, 1, moments)
    _add_multiple(tile, fall, scale * v, 2, moments)
    excess = _dot(tile, plain[6], fall) - v * v * _dot(tile, plain[5], fall)
    by_u = -1.5 * v * cotangent - 0.5 * scale * excess
    return by_u * clock[1] + cotangent * clock[3], by_u * clock[2] + cotangent * clock[4]


@_inlined
def survival_back(tile, known, pair, cotangent, moments):  # type: ignore[no-untyped-def]
    """Add to moments (3K,) those of a log survival; return derivatives by time and closing rate."""
    clock, fall = tile.clocks[pair], tile.falls[pair]
    scale = cotangent / tile.totals[pair]
    dense = scale * DENSITY_AT_0 / math.sqrt(clock[0])
    _add_multiple(tile, tile.early[pair], scale, 0, moments)
    _add_multiple(tile, tile.late[pair], scale, 1, moments)
    _add_multiple(tile, fall, dense, 2, moments)
    by_u = -dense * _dot(tile, known.plain[tile.whose[pair], 4], fall) / clock[0]
    return by_u * clock[1], by_u * clock[2]


@_compiled
def by_moments(known, whose, moments, by_outputs):  # type: ignore[no-untyped-def]
    """Add to derivatives by outputs (n, m) what the moments (n, 2, 3K) of terms are worth.

    Moments are those of densities, and then those of survival.
    """
    components = known.plain.shape[2]
    for i in range(len(whose)):
        plain, by = known.plain[whose[i]], by_outputs[i]
        for k in range(components):
            first, second, third = k, components + k, 2 * components + k
            pace, ratio = plain[2, k], plain[3, k]
            m = moments[i, 0]
            faster = plain[5, k] * pace * (pace * m[second] - m[first])
            slower = plain[5, k] * (m[third] - pace * m[first])
            by[first] += plain[4, k] * m[first]
            by[second] += faster
            by[third] += 0.5 * (plain[4, k] * m[first] - faster - slower)
            m = moments[i, 1]
            mirrored = plain[0, k] * ratio * m[second]
            by[first] += plain[0, k] * m[first]
            by[second] += mirrored
            by[third] += plain[4, k] * m[third] - mirrored
