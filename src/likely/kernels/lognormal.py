"""Lognormal finishing times in compiled float64; see `likely.networks.lognormal`."""

from __future__ import annotations

import math

import numba

from likely.kernels.abreast import WIDTH, Accumulator
from likely.kernels.mills import HALF_LOG_2PI, fading, inlined, mills
from likely.kernels.rng import normal
from likely.kernels.thin_segments import TINIEST
from likely.kernels.vectors import logarithm

_LOCATION, _SCALE = WIDTH, 2 * WIDTH
_LOG, _BY_TIME, _BY_LOCATION, _BY_SCALE = (field * WIDTH for field in range(3, 7))

_compiled = numba.njit(nogil=True, error_model="numpy")


@inlined
def _standardised(block, i):  # type: ignore[no-untyped-def]
    """Return the log of the time, the inverse of the scale, and the standardised log."""
    log_s, rate = logarithm(max(block[i], TINIEST)), 1.0 / block[_SCALE + i]
    return log_s, rate, (log_s - block[_LOCATION + i]) * rate


@inlined
def _log_density(block, i, wanted):  # type: ignore[no-untyped-def]
    """Write the log density at a place, and derivatives if wanted."""
    log_s, rate, y = _standardised(block, i)
    block[_LOG + i] = -0.5 * y * y - HALF_LOG_2PI - log_s - logarithm(block[_SCALE + i])
    if wanted:
        block[_BY_TIME + i] = -(y * rate + 1.0) / block[i]
        block[_BY_LOCATION + i] = y * rate
        block[_BY_SCALE + i] = (y * y - 1.0) * rate


@inlined
def _log_survival(block, i, wanted):  # type: ignore[no-untyped-def]
    """Write the log survival at a place, and derivatives if wanted."""
    _, rate, y = _standardised(block, i)
    ratio, _ = mills(abs(y))
    bell = fading(0.5 * y * y + HALF_LOG_2PI)
    late = y > 0.0
    share = ratio if late else 1.0 - bell * ratio
    block[_LOG + i] = logarithm(share) + (-0.5 * y * y - HALF_LOG_2PI if late else 0.0)
    if wanted:
        hazard = (1.0 if late else bell) / share * rate
        block[_BY_TIME + i] = -hazard / block[i]
        block[_BY_LOCATION + i] = hazard
        block[_BY_SCALE + i] = hazard * y


@_compiled
def density(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log densities at the first n places of a block, and derivatives if wanted."""
    if wanted:
        for i in range(n):
            _log_density(block, i, True)
    else:
        for i in range(n):
            _log_density(block, i, False)


@_compiled
def survival(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log survival at the first n places of a block, and derivatives if wanted."""
    if wanted:
        for i in range(n):
            _log_survival(block, i, True)
    else:
        for i in range(n):
            _log_survival(block, i, False)


@_compiled
def draw(fixed, own, state):  # type: ignore[no-untyped-def]
    """Draw a finishing time; return the next state of the stream, too."""
    z, state = normal(state)
    return math.exp(own[0] + own[1] * z), state


LOGNORMAL = Accumulator("lognormal", density, survival, draw)
