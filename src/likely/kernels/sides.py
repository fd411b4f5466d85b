"""Trials side by side, each with the terms of two mixtures, or of one at two times.

With early = sqrt(lambda / u) (u / mu - 1) and late = early + 2 sqrt(lambda / u), an inverse
Gaussian time has at u a density with the factor e = exp(-early^2 / 2), and is at most u with a
probability of e R(late) + e R(-early) where early is negative, and of 1 + e R(late) - e R(early)
where it is not, R being the scaled normal tail. Exponentials and tails are loops over all terms of
a tile, which the compiler runs on vectors whether trials share their parameters or not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.accumulators import DENSITY_AT_0, TINY
from likely.kernels.closing import LAST
from likely.kernels.vectors import exponential, logarithm
from likely.typing import FloatArray

TRIALS = 32  # of a tile: what it holds should stay close to the processor
LOWEST = -680.0  # exponents: what has a lower one is nothing next to `TINY`
_STEEP = 1.0 / (LAST * LAST)

contracted = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
inlined = numba.njit(  # to pass a tile costs more than these functions
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz"},
    forceinline=True,
)
_compiled = numba.njit(nogil=True, error_model="numpy")


class Tile(NamedTuple):
    """Trials of a tile, and their terms at two sides.

    Args:
        trials: which trials these are, (T,).
        rows: the parameter row of each, (T,).
        chosen: the place of the choice of each, (T,).
        clocks: at each side 1 / sqrt(u), derivatives of the stretched time u by time and closing
            rate, and those of the log of the first of these, (2, 5, T).
        early: standardised distance from the mean, or what is made of it, (2, T, K).
        late: that of the reflected mean, or what is made of it, (2, T, K).
        falls: exp(-early^2 / 2), (2, T, K).
        totals: of what logarithms are taken, (T,).
        logs: these, nan where it is too small, (T,).
        dense: density of u at each side, (2, T).
        mass: probability of earlier times at each side, (2, T).
        terms: any K numbers: the length of a tuple is known where code is compiled.
    """

    trials: np.ndarray
    rows: np.ndarray
    chosen: np.ndarray
    clocks: FloatArray
    early: FloatArray
    late: FloatArray
    falls: FloatArray
    totals: FloatArray
    logs: FloatArray
    dense: FloatArray
    mass: FloatArray
    terms: tuple[float, ...]


@_compiled
def room_for_tile(terms):  # type: ignore[no-untyped-def]
    """Return a tile for trials of as many terms as there are numbers."""
    components = len(terms)
    return Tile(
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty((2, 5, TRIALS)),
        np.empty((2, TRIALS, components)),
        np.empty((2, TRIALS, components)),
        np.empty((2, TRIALS, components)),
        np.ones(TRIALS),
        np.empty(TRIALS),
        np.empty((2, TRIALS)),
        np.empty((2, TRIALS)),
        terms,
    )


@_compiled
def coefficients(outputs, terms):  # type: ignore[no-untyped-def]
    """Return what terms of mixtures (R, m) are made of, (R, 7, terms).

    That is w, sqrt(lambda), 1 / mu, 2 lambda / mu, w sqrt(lambda / 2 pi), and lambda and
    lambda / mu^2 times the last of these.
    """
    plain = np.empty((outputs.shape[0], 7, terms))
    for r in range(outputs.shape[0]):
        _write(outputs[r], plain[r])
    return plain


@contracted
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
        plain[5, j] = plain[4, j] * plain[1, j] * plain[1, j]
        plain[6, j] = plain[5, j] * plain[2, j] * plain[2, j]


@inlined
def put(tile, plain, rate, t, side, first, s):  # type: ignore[no-untyped-def]
    """Put a time, of terms (7, n) from the given first, at one side of a place t of the tile."""
    clocks, root, pace = tile.clocks[side], plain[1, first:], plain[2, first:]
    left = 1.0 - rate * s
    if left > LAST:
        pull = 1.0 / left
        u, clocks[1, t] = s * pull, pull * pull
        clocks[2, t] = s * s * clocks[1, t]
        clocks[3, t], clocks[4, t] = 2.0 * rate * pull, 2.0 * s * pull
    else:
        turn = (1.0 - LAST) / rate
        u, clocks[1, t] = turn / LAST + (s - turn) * _STEEP, _STEEP
        clocks[2, t] = (_STEEP - 1.0 / LAST) * turn / rate
        clocks[3, t], clocks[4, t] = 0.0, 0.0
    over = 1.0 / math.sqrt(u)
    clocks[0, t] = over
    early, late = tile.early[side, t], tile.late[side, t]
    for k in range(len(tile.terms)):
        step = over * root[k]
        early[k] = step * (u * pace[k] - 1.0)
        late[k] = early[k] + 2.0 * step


@inlined
def dot(tile, a, b):  # type: ignore[no-untyped-def]
    """Return the sum over terms of products."""
    total = 0.0
    for k in range(len(tile.terms)):
        total += a[k] * b[k]
    return total


@contracted
def logarithms(x, logs):  # type: ignore[no-untyped-def]
    """Write logarithms of x (n,), and nan for what is too small."""
    for j in range(x.shape[0]):
        large = x[j] >= TINY
        found = logarithm(x[j] if large else 1.0)
        logs[j] = found if large else np.nan
