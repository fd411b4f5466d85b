"""Stretched time: decisions that end at a finite time, on a scale on which they do not.

With a closing rate c >= 0, a decision time s has the stretched time u = s / (1 - c s), which is
without end as s comes near 1 / c.
"""

from __future__ import annotations

import math

import numba

LAST = 1e-3  # c s never comes nearer to 1; from there on the stretched time goes on linearly

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def close(outputs, slopes, place):  # type: ignore[no-untyped-def]
    """Turn the output at `place` into a closing rate, its softplus; adjust its derivatives."""
    for i in range(outputs.shape[0]):
        raw = outputs[i, place]
        outputs[i, place] = max(raw, 0.0) + math.log1p(math.exp(-abs(raw)))
        for d in range(slopes.shape[1]):
            slopes[i, d, place] /= 1.0 + math.exp(-raw)


@_compiled
def stretch(s, rate):  # type: ignore[no-untyped-def]
    """Return the stretched time u of s > 0, log du/ds, and the derivatives of both by s and rate.

    They come in the order u, log du/ds, du/ds, du/drate, and those two of log du/ds.
    """
    left = 1.0 - rate * s
    if left > LAST:
        pull = 1.0 / left
        slope = pull * pull
        return s * pull, 2.0 * math.log(pull), slope, s * s * slope, 2 * rate * pull, 2 * s * pull
    turn = (1.0 - LAST) / rate
    slope = 1.0 / (LAST * LAST)
    u = turn / LAST + (s - turn) * slope
    return u, math.log(slope), slope, (slope - 1.0 / LAST) * turn / rate, 0.0, 0.0


@_compiled
def relax(u, rate):  # type: ignore[no-untyped-def]
    """Return the time whose stretched time is u."""
    if rate * u < (1.0 - LAST) / LAST:
        return u / (1.0 + rate * u)
    turn = (1.0 - LAST) / rate
    return turn + (u - turn / LAST) * LAST * LAST
