"""First passage of a one-dimensional diffusion between two moving, symmetric boundaries.

Steps are as long as half the distance between the boundaries allows, because the Brownian bridge
between the ends of a step tells whether and when either boundary was crossed: the crossing
probability exp(-2 d0 d1 / dt) is exact for a boundary that is linear within the step (d0, d1 are
the distances at its ends), and so is the law of the crossing time, tau / (dt - tau) ~
IG(d0 / d1, d0^2 / dt). What limits a step is a path that crosses both boundaries within it (rare
while dt is a fraction of the squared half-width), curvature of the boundary, and change of drift.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.rng import inverse_gaussian, normal, stream, uniform

STEP = 0.25  # dt / (half-width)^2; both boundaries are crossed within one step with P < 1e-5
SHRINK = 0.6  # within a step the half-width falls to no less than this share of itself
CURVATURE = 0.02  # boundary's departure from a straight line, in standard deviations of a step
VARIATION = 0.1  # change of drift over a step, times sqrt(dt): displacement error in noise sds
REACH = 3.0  # standard deviations of a step within which a change of drift over space is noticed
HALVINGS = 16  # a step is never shorter than STEP (half-width)^2 by more, so that jumps are passed
PACE = 0.02  # seconds: a step at most where the drift depends on time, lest it miss a pulse
MAX_STEPS = 1_000_000
NEGLIGIBLE = 40.0  # a bridge crosses with probability below exp(-40)


@numba.njit(inline="always")
def _step(x, s, half_width, longest, row, drift, boundary):  # type: ignore[no-untyped-def]
    """Choose the step: return its length, the half-width at its end, the drift at its start."""
    dt = STEP * half_width * half_width
    shortest = dt * 0.5**HALVINGS
    dt = min(dt, longest)
    rate = drift(x, s, row)
    while dt > shortest:
        end = boundary(s + dt, row)
        sd = math.sqrt(dt)
        quarter = abs(0.75 * half_width + 0.25 * end - boundary(s + 0.25 * dt, row))
        bend = quarter + abs(0.25 * half_width + 0.75 * end - boundary(s + 0.75 * dt, row))
        reach = REACH * sd
        spread = abs(drift(x + reach, s, row) - rate) + abs(drift(x - reach, s, row) - rate)
        change = abs(drift(x, s + dt, row) - rate) + spread / REACH
        if end >= SHRINK * half_width and bend <= CURVATURE * sd and change * sd <= VARIATION:
            break
        dt *= 0.5
    return dt, boundary(s + dt, row), rate


@numba.njit(inline="always")
def _bridge_crosses(d0: float, d1: float, dt: float, state: np.uint64) -> tuple[bool, np.uint64]:
    """Decide whether the path crossed a boundary at distance d0 before and d1 after the step."""
    if d1 <= 0.0:
        return True, state
    exponent = 2.0 * d0 * d1 / dt
    if exponent > NEGLIGIBLE:
        return False, state
    u, state = uniform(state)
    return u < math.exp(-exponent), state


@numba.njit(inline="always")
def _crossing_time(d0: float, d1: float, dt: float, state: np.uint64) -> tuple[float, np.uint64]:
    """Draw when, within the step, the boundary was first crossed."""
    ratio, state = inverse_gaussian(d0 / max(abs(d1), 1e-150), d0 * d0 / dt, state)
    return dt * (ratio / (1.0 + ratio) if ratio < 1e15 else 1.0), state


@numba.njit(inline="always")
def first_passage(row, limit, state, pace, drift, boundary, start):  # type: ignore[no-untyped-def]
    """Follow one trajectory to its first passage: return (decision time, choice).

    A trajectory that has not decided by `limit` seconds returns (nan, nan). One that cannot be
    followed, because it does not start between the boundaries or stops being a number, returns
    (0, nan).
    """
    s = 0.0
    half_width = boundary(0.0, row)
    x = start(row) * half_width
    if not abs(x) < half_width:
        return 0.0, np.nan
    dt = limit
    for _ in range(MAX_STEPS):
        if s >= limit:
            break
        longest = min(2.0 * dt, limit - s, pace)
        dt, end_width, rate = _step(x, s, half_width, longest, row, drift, boundary)
        z, state = normal(state)
        noise = math.sqrt(dt) * z
        ahead = drift(x + rate * dt + noise, s + dt, row)
        x_end = x + 0.5 * (rate + ahead) * dt + noise
        above, below = half_width - x, half_width + x
        above_end, below_end = end_width - x_end, end_width + x_end
        if math.isnan(above_end):
            return 0.0, np.nan
        up, state = _bridge_crosses(above, above_end, dt, state)
        down, state = _bridge_crosses(below, below_end, dt, state)
        if up or down:
            up_time, down_time = np.inf, np.inf
            if up:
                up_time, state = _crossing_time(above, above_end, dt, state)
            if down:
                down_time, state = _crossing_time(below, below_end, dt, state)
            if up_time <= down_time:
                return s + up_time, 1.0
            return s + down_time, -1.0
        x, s, half_width = x_end, s + dt, end_width
    return np.nan, np.nan


@numba.njit(inline="always")
def first_passages(rows, draws, first, seed, limit, times, choices, pace, drift, boundary, start):  # type: ignore[no-untyped-def]  # noqa: E501
    """Fill times and choices: trajectory i uses row (first + i) // draws and stream first + i."""
    for i in range(times.shape[0]):
        row = rows[(first + i) // draws]
        state = stream(seed, first + i)
        times[i], choices[i] = first_passage(row, limit, state, pace, drift, boundary, start)
