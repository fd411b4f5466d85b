"""Probabilities of a mixture within windows of time, and what their gradient takes, side by side.

With early and late as `likely.kernels.accumulators` has them and e = exp(-early^2 / 2), an inverse
Gaussian time is at most u with a probability of e R(late) + e R(-early) where early is negative,
and of 1 + e R(late) - e R(early) where it is not, R being the scaled normal tail. Differences of
these between the ends of a window lose no digits in either tail. Trials of a row, and the terms of
what they chose, lie in a tile; exponentials and tails are loops over all of it, on vectors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.accumulators import DENSITY_AT_0, TINY
from likely.kernels.closing import LAST
from likely.kernels.race_terms import SCALE, tail
from likely.kernels.vectors import exponential, logarithm
from likely.typing import FloatArray

TRIALS = 32  # of a tile: what it holds should stay close to the processor
START = 1e-30  # seconds: windows that begin earlier begin then, when nothing has happened
_LOWEST = -680.0  # exponents: what has a lower one is nothing next to `TINY`
_STEEP = 1.0 / (LAST * LAST)

_contracted = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
_inlined = numba.njit(  # to pass a tile costs more than these functions
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz"},
    forceinline=True,
)
_compiled = numba.njit(nogil=True, error_model="numpy")


class Tile(NamedTuple):
    """Trials of a tile, whose terms have two ends each: 0 is the end of a window, 1 its beginning.

    Args:
        trials: which trials these are, (T,).
        rows: the parameter row of each, (T,).
        firsts: the first of the terms of what each chose, (T,).
        clocks: 1 / sqrt(u) at each end, its derivatives by time and closing rate, (2, 3, T).
        early: standardised distance from the mean; or mass in the window, at end 0, (2, T, K).
        late: that of the reflected mean; or how much more is reflected, at end 0, (2, T, K).
        falls: exp(-early^2 / 2), (2, T, K).
        totals: probability within the window, (T,).
        logs: its logarithm, nan where it is too small, (T,).
        dense: density of u at each end, (2, T).
        terms: any K numbers: the length of a tuple is known where code is compiled.
    """

    trials: np.ndarray
    rows: np.ndarray
    firsts: np.ndarray
    clocks: FloatArray
    early: FloatArray
    late: FloatArray
    falls: FloatArray
    totals: FloatArray
    logs: FloatArray
    dense: FloatArray
    terms: tuple[float, ...]


@_compiled
def room_for_tile(terms):  # type: ignore[no-untyped-def]
    """Return a tile for trials of as many terms as there are numbers."""
    components = len(terms)
    return Tile(
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty((2, 3, TRIALS)),
        np.empty((2, TRIALS, components)),
        np.empty((2, TRIALS, components)),
        np.empty((2, TRIALS, components)),
        np.ones(TRIALS),
        np.empty(TRIALS),
        np.empty((2, TRIALS)),
        terms,
    )


@_compiled
def coefficients(outputs, terms):  # type: ignore[no-untyped-def]
    """Return what terms of mixtures (R, m) are made of, (R, 5, terms).

    That is w, sqrt(lambda), 1 / mu, 2 lambda / mu and w sqrt(lambda / 2 pi).
    """
    plain = np.empty((outputs.shape[0], 5, terms))
    for r in range(outputs.shape[0]):
        _write(outputs[r], plain[r])
    return plain


@_contracted
def _write(outputs, plain):  # type: ignore[no-untyped-def]
    """Write coefficients of one mixture."""
    terms = plain.shape[1]
    for j in range(terms):
        log_mu, log_lambda = outputs[terms + j], outputs[2 * terms + j]
        plain[0, j] = exponential(outputs[j])
        plain[1, j] = exponential(0.5 * log_lambda)
        plain[2, j] = exponential(-log_mu)
        plain[3, j] = 2.0 * exponential(log_lambda - log_mu)
        plain[4, j] = DENSITY_AT_0 * plain[0, j] * plain[1, j]


@_inlined
def put(tile, plain, rate, t, trial, row, first, end, begin):  # type: ignore[no-untyped-def]
    """Put a trial, and its window of times, at a place t of the tile."""
    tile.trials[t], tile.rows[t], tile.firsts[t] = trial, row, first
    root, pace = plain[row, 1, first:], plain[row, 2, first:]
    for side in range(2):
        s = end if side == 0 else begin
        clock = tile.clocks[side]
        left = 1.0 - rate * s
        if left > LAST:
            pull = 1.0 / left
            u, clock[1, t] = s * pull, pull * pull
            clock[2, t] = s * s * clock[1, t]
        else:
            turn = (1.0 - LAST) / rate
            u, clock[1, t] = turn / LAST + (s - turn) * _STEEP, _STEEP
            clock[2, t] = (_STEEP - 1.0 / LAST) * turn / rate
        over = 1.0 / math.sqrt(u)
        clock[0, t] = over
        early, late = tile.early[side, t], tile.late[side, t]
        for k in range(len(tile.terms)):
            step = over * root[k]
            early[k] = step * (u * pace[k] - 1.0)
            late[k] = early[k] + 2.0 * step


@_contracted
def _differences(early, late, falls, begun, behind, risen):  # type: ignore[no-untyped-def]
    """Turn distances (n,) at both ends into masses in between, and into what is reflected of them.

    The last three arguments are those at the beginning of windows.
    """
    for j in range(early.shape[0]):
        first, last = begun[j], early[j]
        e, f = -0.5 * last * last, -0.5 * first * first
        e = exponential(e) if e > _LOWEST else 0.0
        f = exponential(f) if f > _LOWEST else 0.0
        a, b = SCALE + abs(last), SCALE + abs(late[j])
        c, d = SCALE + abs(first), SCALE + abs(behind[j])
        ab, cd = a * b, c * d
        both = SCALE / (ab * cd)  # one division for four
        x, y = both * cd * b, both * cd * a
        z, w = both * ab * d, both * ab * c
        direct, mirrored = e * x * tail(2.0 * x - 1.0), e * y * tail(2.0 * y - 1.0)
        before, reflected = f * z * tail(2.0 * z - 1.0), f * w * tail(2.0 * w - 1.0)
        middle = 1.0 if first < 0.0 and last >= 0.0 else 0.0
        more = mirrored - direct if last >= 0.0 else mirrored + direct
        less = reflected - before if first >= 0.0 else reflected + before
        early[j] = max(middle + (more - less), 0.0)
        late[j] = mirrored - reflected
        falls[j], risen[j] = e, f


@_inlined
def _dot(tile, a, b):  # type: ignore[no-untyped-def]
    """Return the sum over terms of products."""
    total = 0.0
    for k in range(len(tile.terms)):
        total += a[k] * b[k]
    return total


@_contracted
def _logarithms(x, logs):  # type: ignore[no-untyped-def]
    """Write logarithms of x (n,), and nan for what is too small."""
    for j in range(x.shape[0]):
        large = x[j] >= TINY
        found = logarithm(x[j] if large else 1.0)
        logs[j] = found if large else np.nan


@_compiled
def judge(tile, plain, n):  # type: ignore[no-untyped-def]
    """Write the masses, and their sums, of the first n trials."""
    early, late, falls = tile.early, tile.late, tile.falls
    _differences(
        early[0][:n].ravel(), late[0][:n].ravel(), falls[0][:n].ravel(),
        early[1][:n].ravel(), late[1][:n].ravel(), falls[1][:n].ravel(),
    )  # fmt: skip
    for t in range(n):
        r, first = tile.rows[t], tile.firsts[t]
        tile.totals[t] = _dot(tile, plain[r, 0, first:], tile.early[0, t])
        for side in range(2):
            over = tile.clocks[side, 0, t]
            cube = over * over * over
            tile.dense[side, t] = cube * _dot(tile, plain[r, 4, first:], tile.falls[side, t])
    _logarithms(tile.totals[:n], tile.logs[:n])


@_inlined
def back(tile, t, cotangent, moments):  # type: ignore[no-untyped-def]
    """Add a trial's moments to those of its row, (R, 3, terms).

    Return its derivatives by time, width and closing rate.
    """
    scale, first, row = cotangent / tile.totals[t], tile.firsts[t], tile.rows[t]
    ends = scale * tile.clocks[0, 0, t], scale * tile.clocks[1, 0, t]
    for k in range(len(tile.terms)):
        j = first + k
        moments[row, 0, j] += scale * tile.early[0, t, k]
        moments[row, 1, j] += scale * tile.late[0, t, k]
        moments[row, 2, j] += ends[0] * tile.falls[0, t, k] - ends[1] * tile.falls[1, t, k]
    by_end, by_begin = scale * tile.dense[0, t], scale * tile.dense[1, t]
    late = by_end * tile.clocks[0, 1, t]
    early = by_begin * tile.clocks[1, 1, t]
    fast = by_end * tile.clocks[0, 2, t] - by_begin * tile.clocks[1, 2, t]
    return late - early, early, fast


@_compiled
def by_moments(plain, moments, by_outputs):  # type: ignore[no-untyped-def]
    """Add to derivatives by outputs (R, m) what the moments (R, 3, n) of terms are worth."""
    terms = moments.shape[2]
    for r in range(moments.shape[0]):
        for j in range(terms):
            mirrored = plain[r, 0, j] * plain[r, 3, j] * moments[r, 1, j]
            by_outputs[r, j] += plain[r, 0, j] * moments[r, 0, j]
            by_outputs[r, terms + j] -= mirrored
            by_outputs[r, 2 * terms + j] += mirrored - plain[r, 4, j] * moments[r, 2, j]
