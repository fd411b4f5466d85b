"""Diffusions as the spectral method sees them: compiled functions, scaled clock, free solution."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types

from likely.densities.wiener import log_density_below
from likely.typing import FloatArray

_GAUSS = np.polynomial.legendre.leggauss(4)
_NODES, _WEIGHTS = 0.5 * (1.0 + _GAUSS[0]), 0.5 * _GAUSS[1]
_ROW = types.CPointer(types.float64)
DRIFT = types.float64(types.float64, types.float64, _ROW)
BOUNDARY = types.float64(types.float64, _ROW)

_compiled = numba.njit(error_model="numpy", nogil=True)


class Motion(NamedTuple):
    """A diffusion at one parameter row.

    Drift and boundary are called by address, so that the method is compiled once for all models.

    Args:
        drift: C function (x, s, row), of the signature `DRIFT`.
        boundary: C function (s, row), of the signature `BOUNDARY`.
        row: parameters (p,).
        y0: start, relative to the boundary, in (-1, 1).
        b0: boundary at first.
        uniform: whether drift is the same whatever the evidence.
        steady: whether drift is the same at all times.
    """

    drift: Any
    boundary: Any
    row: FloatArray
    y0: float
    b0: float
    uniform: bool
    steady: bool


class Moment(NamedTuple):
    """One time.

    Args:
        s: decision time in seconds.
        b: the boundary.
        u: the scaled clock.
        path: integral of the drift in the middle so far.
    """

    s: float
    b: float
    u: float
    path: float


@_compiled
def drift_at(motion: Motion, x: float, s: float) -> float:
    """Return the drift per second."""
    return motion.drift(x, s, motion.row.ctypes)


@_compiled
def boundary_at(motion: Motion, s: float) -> float:
    """Return the boundary."""
    return motion.boundary(s, motion.row.ctypes)


@_compiled
def later(now: Moment, e: float, motion: Motion) -> Moment:
    """Return the moment at time e."""
    clock, push, step = 0.0, 0.0, e - now.s
    for k in range(_NODES.shape[0]):
        s = now.s + step * _NODES[k]
        b = boundary_at(motion, s)
        clock += _WEIGHTS[k] / (b * b)
        push += _WEIGHTS[k] * drift_at(motion, 0.0, s)
    return Moment(e, boundary_at(motion, e), now.u + clock * step, now.path + push * step)


@_compiled
def rate_at(now: Moment, step: float, motion: Motion) -> float:
    """Return b b', the change of log b on the clock, from within half a step."""
    h = min(1e-4 * now.s, 0.4 * step)
    change = boundary_at(motion, now.s + h) - boundary_at(motion, now.s - h)
    return now.b * change / (2.0 * h)


@_compiled
def free_shape(now: Moment, motion: Motion) -> tuple[float, float]:
    """Return the curvature of -F over y, and its slope in the middle."""
    reached = motion.b0 * motion.y0 + now.path
    return now.b * now.b / now.s - 1.0 / now.u, now.b * reached / now.s - motion.y0 / now.u


@_compiled
def log_free(now: Moment, y: float, motion: Motion) -> float:
    """Return F: log of the density without boundaries, at the drift in the middle, over q's."""
    distance = now.b * y - motion.b0 * motion.y0 - now.path
    still = (y - motion.y0) * (y - motion.y0) / now.u
    return 0.5 * (still - distance * distance / now.s + math.log(now.b * now.b * now.u / now.s))


@_compiled
def log_reference(now: Moment, motion: Motion) -> tuple[float, float]:
    """Return logs of the flux per second of q exp(F) through the lower and upper boundary."""
    below = log_density_below(now.u, 0.0, 2.0, 0.5 * (1.0 + motion.y0))
    above = log_density_below(now.u, 0.0, 2.0, 0.5 * (1.0 - motion.y0))
    seconds = 2.0 * math.log(now.b)
    below += log_free(now, -1.0, motion) - seconds
    return below, above + log_free(now, 1.0, motion) - seconds


@_compiled
def log_fluxes(logs: FloatArray, now: Moment, motion: Motion) -> tuple[float, float]:
    """Return logs of the flux per second through either, from logs of exp(N) w there, (2,)."""
    below, above = log_reference(now, motion)
    return below + logs[0], above + logs[1]
