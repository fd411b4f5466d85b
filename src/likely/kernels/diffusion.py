"""First passage of a one-dimensional diffusion between two moving, symmetric boundaries.

Steps are as long as half the distance between the boundaries allows, because the Brownian bridge
between the ends of a step tells whether and when either boundary was crossed (see `bridge`). What
limits a step is a path that crosses both boundaries within it (rare while dt is a fraction of the
squared half-width), curvature of the boundary, and change of drift.

Steps are Heun's, corrected so that they are right to the third order in dt where drift is linear
in the evidence. A bridge does not change with a drift's slope, only with its square and bend
(Girsanov's theorem), so that linear drift allows long steps.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.bridge import crosses, crossing_time
from likely.kernels.rng import normal, stream

STEP = 0.25  # dt / (half-width)^2; both boundaries are crossed within one step with P < 1e-5
SHRINK = 0.6  # within a step the half-width falls to no less than this share of itself
CURVATURE = 0.02  # boundary's departure from a straight line, in standard deviations of a step
VARIATION = 0.1  # change of drift over a step, times sqrt(dt): displacement error in noise sds
SLOPE = 0.2  # slope of drift over space, times dt
REACH = 3.0  # standard deviations of a step within which a change of drift over space is noticed
ROOM = 0.35  # share of what a step is allowed below which the next may be twice as long
HALVINGS = 16  # a step is never shorter than STEP (half-width)^2 by more, so that jumps are passed
PACE = 0.08  # seconds: a step at most where the drift depends on time; it has four looks at it
MAX_STEPS = 1_000_000


@numba.njit(inline="always")
def step(x, s, half_width, power, longest, rate, row, pace, uniform, drift, boundary):  # type: ignore[no-untyped-def]
    """Choose a step.

    It begins at evidence x, time s, a half-width and a drift `rate`, is `longest` seconds at most,
    and has noise of variance `power` per second. `pace` is infinite if drift does not depend on
    time, and `uniform` tells whether it does not depend on the evidence.

    Returns:
        Its length, the half-width and the drift (of x as it is) at its end, the slope of drift over
        space, and the length that the next may have.
    """
    dt = STEP * half_width * half_width / power
    shortest = dt * 0.5**HALVINGS
    dt = min(dt, longest)
    later, slope, strain = rate, 0.0, 1.0
    while True:
        end = boundary(s + dt, row)
        if dt <= shortest:
            break
        sd = math.sqrt(power * dt)
        quarter = abs(0.75 * half_width + 0.25 * end - boundary(s + 0.25 * dt, row))
        bend = quarter + abs(0.25 * half_width + 0.75 * end - boundary(s + 0.75 * dt, row))
        change = 0.0
        if pace < np.inf:
            for k in range(1, 5):
                later = drift(x, s + 0.25 * k * dt, row)
                change = max(change, abs(later - rate))
        if not uniform:
            reach = REACH * sd
            right, left = drift(x + reach, s, row) - rate, drift(x - reach, s, row) - rate
            slope = (right - left) / (2.0 * reach)
            change += abs(right + left) / REACH
        strain = max(bend / (CURVATURE * sd), change * dt / (VARIATION * sd))
        strain = max(strain, abs(slope) * dt / SLOPE)
        if strain <= 1.0 and end >= SHRINK * half_width:
            break
        dt *= 0.5 if strain < 4.0 else 0.25
    return dt, end, later, slope, (2.0 * dt if strain < ROOM else dt)


@numba.njit(inline="always")
def moved(x, s, dt, noise, rate, later, slope, row, uniform, drift):  # type: ignore[no-untyped-def]
    """Return where a step leads, for its noise: Heun's method, exact enough for linear drift."""
    if uniform:
        return x + 0.5 * (rate + later) * dt + noise
    ahead = drift(x + rate * dt + noise, s + dt, row)
    turn = slope * dt
    if not abs(turn) <= SLOPE:  # a jump, passed in the shortest of steps
        turn = 0.0
    more = turn * turn * (5.0 / 24.0 * noise + rate * dt / 6.0)
    return x + 0.5 * (rate + ahead) * dt + noise + more


@numba.njit(inline="always")
def crossed(above, below, above_end, below_end, power, dt, state):  # type: ignore[no-untyped-def]
    """Tell when within a step a boundary was first crossed, and which, 0 for neither.

    Distances are those to the upper and the lower boundary before and after the step, and the
    variance of the noise per second is `power`.
    """
    up, state = crosses(above, above_end, power * dt, state)
    down, state = crosses(below, below_end, power * dt, state)
    if not (up or down):
        return dt, 0.0, state
    up_time, down_time = np.inf, np.inf
    if up:
        up_time, state = crossing_time(above, above_end, power * dt, state)
    if down:
        down_time, state = crossing_time(below, below_end, power * dt, state)
    if up_time <= down_time:
        return up_time / power, 1.0, state
    return down_time / power, -1.0, state


@numba.njit(inline="always")
def followed(x, s, row, limit, state, pace, uniform, drift, boundary):  # type: ignore[no-untyped-def]
    """Follow evidence x from time s to its first passage: return (time, choice, state)."""
    half_width = boundary(s, row)
    if not abs(x) < half_width:
        return 0.0, np.nan, state
    longest, rate = limit, drift(x, s, row)
    for _ in range(MAX_STEPS):
        if s >= limit:
            break
        longest = min(longest, limit - s, pace)
        dt, end_width, later, slope, longest = step(
            x, s, half_width, 1.0, longest, rate, row, pace, uniform, drift, boundary
        )
        z, state = normal(state)
        x_end = moved(x, s, dt, math.sqrt(dt) * z, rate, later, slope, row, uniform, drift)
        if math.isnan(end_width - x_end):
            return 0.0, np.nan, state
        time, choice, state = crossed(
            half_width - x, half_width + x, end_width - x_end, end_width + x_end, 1.0, dt, state
        )
        if choice != 0.0:
            return s + time, choice, state
        x, s, half_width = x_end, s + dt, end_width
        rate = later if uniform else drift(x, s, row)
    return np.nan, np.nan, state


@numba.njit(inline="always")
def first_passage(row, limit, state, pace, uniform, drift, boundary, start):  # type: ignore[no-untyped-def]
    """Follow one trajectory to its first passage: return (decision time, choice, state).

    A trajectory that has not decided by `limit` seconds returns (nan, nan). One that cannot be
    followed, because it does not start between the boundaries or stops being a number, returns
    (0, nan).
    """
    x = start(row) * boundary(0.0, row)
    return followed(x, 0.0, row, limit, state, pace, uniform, drift, boundary)


@numba.njit(inline="always")
def first_passages(  # type: ignore[no-untyped-def]
    rows, draws, first, seed, limit, times, choices, pace, uniform, drift, boundary, start
):
    """Fill times and choices: trajectory i uses row (first + i) // draws and stream first + i."""
    for i in range(times.shape[0]):
        row = rows[(first + i) // draws]
        state = stream(seed, first + i)
        times[i], choices[i], state = first_passage(
            row, limit, state, pace, uniform, drift, boundary, start
        )


@numba.njit(inline="always")
def varied_passages(  # type: ignore[no-untyped-def]
    rows, draws, first, seed, limit, times, choices, pace, uniform, drift, boundary, start, redraw
):
    """Do the same where parameters vary: redraw(row, mine, state) -> (delay, state) fills `mine`.

    Times include the delay.
    """
    mine = np.empty(rows.shape[1])
    for i in range(times.shape[0]):
        row = rows[(first + i) // draws]
        state = stream(seed, first + i)
        delay, state = redraw(row, mine, state)
        time, choice, state = first_passage(
            mine, limit, state, pace, uniform, drift, boundary, start
        )
        if time > 0.0:
            time += delay
        late = time >= limit
        times[i], choices[i] = (np.nan if late else time), (np.nan if late else choice)
