"""What a Brownian path did within a step, given where it was before and after.

The probability of having crossed a straight boundary, exp(-2 d0 d1 / dt), is exact (d0 and d1 are
the distances to it before and after), and so are the law of the crossing time,
tau / (dt - tau) ~ IG(d0 / d1, d0^2 / dt), and that of the path's minimum, which is of the same kind
(Karatzas and Shreve, 1991, Brownian Motion and Stochastic Calculus, section 4.3).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.rng import inverse_gaussian, uniform

NEGLIGIBLE = 40.0  # a bridge crosses with probability below exp(-40)


@numba.njit(inline="always")
def crosses(d0: float, d1: float, dt: float, state: np.uint64) -> tuple[bool, np.uint64]:
    """Decide whether the path crossed a boundary at distance d0 before and d1 after the step."""
    if d1 <= 0.0:
        return True, state
    exponent = 2.0 * d0 * d1 / dt
    if exponent > NEGLIGIBLE:
        return False, state
    u, state = uniform(state)
    return u < math.exp(-exponent), state


@numba.njit(inline="always")
def crossing_time(d0: float, d1: float, dt: float, state: np.uint64) -> tuple[float, np.uint64]:
    """Draw when, within the step, the boundary was first crossed."""
    ratio, state = inverse_gaussian(d0 / max(abs(d1), 1e-150), d0 * d0 / dt, state)
    return dt * (ratio / (1.0 + ratio) if ratio < 1e15 else 1.0), state


@numba.njit(inline="always")
def lowest(before: float, after: float, dt: float, log_u: float) -> float:
    """Return the minimum of a path; log_u is the logarithm of a uniform draw, 0 for no dip."""
    way = after - before
    return 0.5 * (before + after - math.sqrt(way * way - 2.0 * dt * log_u))
