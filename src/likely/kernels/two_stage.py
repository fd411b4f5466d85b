"""Decisions in two stages: one between two branches, and one within the branch that is chosen.

All decisions are diffusions between the same boundaries. Choices are 2 h + l, with h and l 1 for
the upper and 0 for the lower boundary of the high-level and the low-level decision.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.diffusion import MAX_STEPS, crossed, moved, step
from likely.kernels.rng import normal, uniform

SHIFT = 0.2  # change of low-level drift in a step by the high level's noise, times sqrt(dt)


@numba.njit(inline="always")
def parallel(row, limit, state, decided_0, decided_1, decided_2):  # type: ignore[no-untyped-def]
    """Decide both levels at once; the later one ends the trial."""
    time, choice, state = decided_0(row, limit, state)
    if not (choice > 0.0 or choice < 0.0):
        return time, choice
    if choice > 0.0:
        other, low, state = decided_2(row, limit, state)
    else:
        other, low, state = decided_1(row, limit, state)
    if not other > 0.0:
        return other, np.nan
    return max(time, other), _choice(choice, low)


@numba.njit(inline="always")
def sequential(row, limit, state, boundary, decided_0, start_1, start_2, rest_1, rest_2):  # type: ignore[no-untyped-def]
    """Decide between the branches, then within one, while the boundaries move on."""
    time, choice, state = decided_0(row, limit, state)
    if not (choice > 0.0 or choice < 0.0):
        return time, choice
    half_width = boundary(time, row)
    begin = start_2(row) if choice > 0.0 else start_1(row)
    if not half_width > 0.0:  # the boundaries have met, if by rounding only
        u, state = uniform(state)
        return time, _choice(choice, 2.0 * u + begin - 1.0)
    if choice > 0.0:
        time, low, state = rest_2(begin * half_width, time, row, limit, state)
    else:
        time, low, state = rest_1(begin * half_width, time, row, limit, state)
    return time, _choice(choice, low)


@numba.njit(error_model="numpy")
def _choice(high: float, low: float) -> float:
    if math.isnan(low):
        return low
    return (2.0 if high > 0.0 else 0.0) + (1.0 if low > 0.0 else 0.0)


@numba.njit(error_model="numpy")
def _low_step(x, s, dt, rate, trend, whole, half_width, end_width, state):  # type: ignore[no-untyped-def]
    """Move low-level evidence: return it, when it ended within the step, and where, or 0.

    Its drift goes from `rate` by `trend`, on a path that is Brownian between the two if `whole`.
    """
    variance = dt
    if whole > 0.0:  # the integral of a Brownian bridge has the variance dt^3 / 12
        variance += whole * whole * dt * dt * dt / 12.0
    z, state = normal(state)
    x_end = x + (rate + 0.5 * trend) * dt + math.sqrt(variance) * z
    time, choice, state = crossed(
        half_width - x, half_width + x, end_width - x_end, end_width + x_end, 1.0, dt, state
    )
    return x_end, s + time, choice, state


@numba.njit(inline="always")
def mixed(  # type: ignore[no-untyped-def]
    row,
    limit,
    state,
    pace,
    uniform,
    boundary,
    drift_0,
    start_0,
    drift_1,
    start_1,
    drift_2,
    start_2,
    rest_1,
    rest_2,
    spared,
):
    """Decide both levels at once, the low level with the share of its drift that is spared.

    Until the branch is chosen, low-level drift is multiplied by spared(row), and by the evidence
    for its branch as a share of the way between the boundaries.
    """
    s, half_width = 0.0, boundary(0.0, row)
    x, x_1, x_2 = start_0(row) * half_width, start_1(row) * half_width, start_2(row) * half_width
    if not (abs(x) < half_width and abs(x_1) < half_width and abs(x_2) < half_width):
        return 0.0, np.nan
    rest, ended_1, ended_2 = spared(row), 0.0, 0.0
    longest, rate = limit, drift_0(x, s, row)
    for _ in range(MAX_STEPS):
        if s >= limit:
            break
        v_1, v_2 = rest * drift_1(x_1, s, row), rest * drift_2(x_2, s, row)
        steepest = 0.5 * max(abs(v_1), abs(v_2)) / half_width
        longest = min(longest, limit - s, pace)
        if steepest * longest > SHIFT:
            longest = SHIFT / steepest
        dt, end_width, later, slope, longest = step(
            x, s, half_width, 1.0, longest, rate, row, pace, uniform, drift_0, boundary
        )
        z, state = normal(state)
        x_end = moved(x, s, dt, math.sqrt(dt) * z, rate, later, slope, row, uniform, drift_0)
        if math.isnan(end_width - x_end):
            return 0.0, np.nan
        time, choice, state = crossed(
            half_width - x, half_width + x, end_width - x_end, end_width + x_end, 1.0, dt, state
        )
        if choice != 0.0:
            end_width = boundary(s + time, row)
        share = 0.5 + 0.5 * x / half_width
        trend = (0.5 + 0.5 * choice if choice != 0.0 else 0.5 + 0.5 * x_end / end_width) - share
        whole = 0.5 / half_width if choice == 0.0 else 0.0
        if ended_1 == 0.0 and choice <= 0.0:
            x_1, _, ended_1, state = _low_step(
                x_1, s, time, v_1 * (1.0 - share), -v_1 * trend, abs(v_1) * whole, half_width,
                end_width, state,
            )  # fmt: skip
        if ended_2 == 0.0 and choice >= 0.0:
            x_2, _, ended_2, state = _low_step(
                x_2, s, time, v_2 * share, v_2 * trend, abs(v_2) * whole, half_width,
                end_width, state,
            )  # fmt: skip
        s += time
        if choice != 0.0:
            low = ended_2 if choice > 0.0 else ended_1
            if low != 0.0:
                return s, _choice(choice, low)
            if choice > 0.0:
                s, low, state = rest_2(x_2, s, row, limit, state)
            else:
                s, low, state = rest_1(x_1, s, row, limit, state)
            return s, _choice(choice, low)
        x, half_width = x_end, end_width
        rate = later if uniform else drift_0(x, s, row)
    return np.nan, np.nan
