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
_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

_SCALE, _DEGREE = 5.0, 20  # of the polynomial below
_LOWEST = -680.0  # exponents: what has a lower one is nothing next to `TINY`
_STEEP = 1.0 / (LAST * LAST)


def _tail_coefficients() -> FloatArray:
    """Return R(y) / x, as coefficients of powers of 2x - 1, where x = a / (a + y)."""
    nodes = chebpts1(3 * _DEGREE)
    x = 0.5 + 0.5 * nodes
    tails = 0.5 * erfcx(_SCALE * (1.0 - x) / x * math.sqrt(0.5))
    return np.asarray(cheb2poly(chebfit(nodes, tails / x, _DEGREE)))


_tail = polynomial(_tail_coefficients().tolist())


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


@_compiled
def room_for_tile(count, components):  # type: ignore[no-untyped-def]
    """Return a tile for races of so many accumulators of so many terms."""
    pairs = TRIALS * count
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


@_contracted
def _at(tile, known, pair, s):  # type: ignore[no-untyped-def]
    """Write a pair's clock, and the distances of its terms from their means."""
    a, clock, components = tile.whose[pair], tile.clocks[pair], tile.early.shape[1]
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
        near, far = _SCALE + abs(e), _SCALE + max(late[j], 0.0)
        scaled = _SCALE * falls[j] / (near * far)  # one division for two
        direct = scaled * far * _tail(2.0 * _SCALE * far / (near * far) - 1.0)
        reflected = scaled * near * _tail(2.0 * _SCALE * near / (near * far) - 1.0)
        early[j] = max((direct if e >= 0.0 else 1.0 - direct) - reflected, 0.0)
        late[j] = reflected


@_reordered
def _total_density(tile, known, pair):  # type: ignore[no-untyped-def]
    """Write a pair's density without what all its terms have in common; return it with that."""
    a, total = tile.whose[pair], 0.0
    weight, root, fall = known.plain[a, 0], known.plain[a, 1], tile.falls[pair]
    for k in range(fall.shape[0]):
        total += weight[k] * root[k] * fall[k]
    tile.totals[pair] = total
    u = tile.clocks[pair, 0]
    return total * (DENSITY_AT_0 / (u * math.sqrt(u)))


@_reordered
def _total_survival(tile, known, pair):  # type: ignore[no-untyped-def]
    """Write a pair's survival."""
    weight, survival, total = known.plain[tile.whose[pair], 0], tile.early[pair], 0.0
    for k in range(survival.shape[0]):
        total += weight[k] * survival[k]
    tile.totals[pair] = total


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
        value = _total_density(tile, known, pair)
        sound = min(value, tile.totals[pair]) >= TINY
        tile.logs[pair] = value * tile.clocks[pair, 1] if sound else -1.0
    for pair in range(TRIALS, last):
        _total_survival(tile, known, pair)
        tile.logs[pair] = tile.totals[pair] if tile.totals[pair] >= TINY else -1.0
    for begin, end in ((0, n), (TRIALS, last)):
        _logarithms(tile.logs[begin:end])


@_compiled
def _logarithms(x):  # type: ignore[no-untyped-def]
    """Turn x (n,) into logarithms, and what is not positive into nan."""
    for j in range(x.shape[0]):
        found = logarithm(abs(x[j]))
        x[j] = found if x[j] > 0.0 else np.nan


@_reordered
def density_back(tile, known, pair, cotangent, by):  # type: ignore[no-untyped-def]
    """Add to the derivatives by outputs (m,) that of a log density; return that by time."""
    a, clock, components = tile.whose[pair], tile.clocks[pair], tile.early.shape[1]
    weight, root, pace = known.plain[a, 0], known.plain[a, 1], known.plain[a, 2]
    early, fall = tile.early[pair], tile.falls[pair]
    u, scale = clock[0], cotangent / tile.totals[pair]
    v, by_u = 1.0 / u, 0.0
    for k in range(components):
        shape = root[k] * root[k]
        share = scale * weight[k] * root[k] * fall[k]
        by[k] += share
        by[components + k] += share * shape * pace[k] * (u * pace[k] - 1.0)
        by[2 * components + k] += share * (0.5 - 0.5 * early[k] * early[k])
        by_u += share * shape * (pace[k] - v) * (pace[k] + v)
    by_u = -1.5 * v * cotangent - 0.5 * by_u
    if by.shape[0] > 3 * components:
        by[3 * components] += by_u * clock[2] + cotangent * clock[4]
    return by_u * clock[1] + cotangent * clock[3]


@_reordered
def survival_back(tile, known, pair, cotangent, by):  # type: ignore[no-untyped-def]
    """Add to the derivatives by outputs (m,) that of a log survival; return that by time."""
    a, clock, components = tile.whose[pair], tile.clocks[pair], tile.early.shape[1]
    weight, root, ratio = known.plain[a, 0], known.plain[a, 1], known.plain[a, 3]
    survival, reflected, fall = tile.early[pair], tile.late[pair], tile.falls[pair]
    scale, dense = cotangent / tile.totals[pair], 0.0
    over = DENSITY_AT_0 / math.sqrt(clock[0])
    for k in range(components):
        share = scale * weight[k]
        by[k] += share * survival[k]
        mirrored = share * ratio[k] * reflected[k]
        direct = share * root[k] * over * fall[k]
        by[components + k] += mirrored
        by[2 * components + k] += direct - mirrored
        dense += direct
    by_u = -dense / clock[0]
    if by.shape[0] > 3 * components:
        by[3 * components] += by_u * clock[2]
    return by_u * clock[1]
