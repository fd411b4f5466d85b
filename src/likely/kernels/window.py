"""Probabilities of a mixture within windows of time, and what their gradient takes, side by side.

Side 0 of a tile (see `likely.kernels.sides`) is the end of a window, side 1 its beginning.
Differences of probabilities between them lose no digits in either tail.
"""

from __future__ import annotations

import numba

from likely.kernels.race_terms import SCALE, tail
from likely.kernels.sides import LOWEST, contracted, dot, inlined, logarithms
from likely.kernels.vectors import exponential

START = 1e-30  # seconds: windows that begin earlier begin then, when nothing has happened

_compiled = numba.njit(nogil=True, error_model="numpy")


@contracted
def _differences(early, late, falls, begun, behind, risen):  # type: ignore[no-untyped-def]
    """Turn distances (n,) at both ends into masses in between, and into what is reflected of them.

    The last three arguments are those at the beginning of windows.
    """
    for j in range(early.shape[0]):
        first, last = begun[j], early[j]
        e, f = -0.5 * last * last, -0.5 * first * first
        e = exponential(e) if e > LOWEST else 0.0
        f = exponential(f) if f > LOWEST else 0.0
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


@_compiled
def judge(tile, plain, n):  # type: ignore[no-untyped-def]
    """Write the masses, and their sums, of the first n trials."""
    early, late, falls = tile.early, tile.late, tile.falls
    _differences(
        early[0][:n].ravel(), late[0][:n].ravel(), falls[0][:n].ravel(),
        early[1][:n].ravel(), late[1][:n].ravel(), falls[1][:n].ravel(),
    )  # fmt: skip
    for t in range(n):
        r, first = tile.rows[t], tile.chosen[t] * len(tile.terms)
        tile.totals[t] = dot(tile, plain[r, 0, first:], tile.early[0, t])
        for side in range(2):
            over = tile.clocks[side, 0, t]
            cube = over * over * over
            tile.dense[side, t] = cube * dot(tile, plain[r, 4, first:], tile.falls[side, t])
    logarithms(tile.totals[:n], tile.logs[:n])


@inlined
def back(tile, t, cotangent, moments):  # type: ignore[no-untyped-def]
    """Add a trial's moments to those of its row, (R, 3, terms).

    Return its derivatives by time, width and closing rate.
    """
    scale, row = cotangent / tile.totals[t], tile.rows[t]
    first = tile.chosen[t] * len(tile.terms)
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
