"""First passage of a race: noisy accumulators, reflected at 0; the first at its boundary decides.

Reflection adds to a free path whatever keeps it from falling below 0: minus its running minimum
(Skorokhod 1961). The minimum within a step can be drawn, given its ends, and so can the crossing of
a straight boundary (see `bridge`). A step of constant drift is then exact but for paths that touch
both 0 and the boundary within it, and its length is chosen such that hardly any does.

Each accumulator finds its parameters in a row of `own`, in the order of the adapters' names.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.bridge import NEGLIGIBLE, crosses, crossing_time, lowest
from likely.kernels.rng import normal, stream, uniform

FAR = 4.0  # standard deviations of a step on the way from its start to 0 and on to the boundary
LONGEST = 1.0 / 8.0  # dt / boundary^2: from the boundary to 0 it is 2.8 standard deviations
SHRINK = 0.6  # within a step the boundary falls to no less than this share of itself
CURVATURE = 0.02  # boundary's departure from a straight line, in standard deviations of a step
VARIATION = 0.06  # change of drift over a step, times sqrt(dt): displacement error in noise sds
SAFETY = 0.95  # share of the step that VARIATION allows which is taken
REACH = 3.0  # standard deviations of a step within which a change of drift is noticed
HALVINGS = 16  # a step is never shortened further, so that jumps of the boundary are passed
PACE = 0.02  # seconds: a step at most where the drift depends on time, lest it miss a pulse
MAX_STEPS = 1_000_000

# Rows of the workspace of accumulators that depend on each other.
X, WIDTH, RATE, NOISE, LOG_U, FREE, KEPT = range(7)


@numba.njit(inline="always")
def _reach(x, width, rate):  # type: ignore[no-untyped-def]
    """Return the longest step of an accumulator at x, with its boundary at `width`, if that stays.

    It solves x + width = FAR sqrt(dt) + rate dt.
    """
    way = x + width
    root = 2.0 * way / (FAR + math.sqrt(FAR * FAR + 4.0 * max(rate, 0.0) * way))
    return min(root * root, LONGEST * width * width)


@numba.njit(inline="always")
def _boundary_fits(x, s, dt, width, rate, own, boundary):  # type: ignore[no-untyped-def]
    """Tell whether the boundary moves so little, and is so straight, that a step may be dt."""
    end = boundary(s + dt, own)
    sd = math.sqrt(dt)
    way = x + min(width, end) - max(rate, 0.0) * dt
    quarter = abs(0.75 * width + 0.25 * end - boundary(s + 0.25 * dt, own))
    bend = quarter + abs(0.25 * width + 0.75 * end - boundary(s + 0.75 * dt, own))
    return end >= SHRINK * width and bend <= CURVATURE * sd and way >= 0.99 * FAR * sd


@numba.njit(inline="always")
def _finishing_time(own, limit, state, moves, drift, boundary, start):  # type: ignore[no-untyped-def]
    """Follow one accumulator of constant drift: return its finishing time and the state.

    The time is inf if it has not finished by `limit`, and 0 if it cannot be followed. `moves` says
    whether the boundary does.
    """
    s = 0.0
    width = boundary(0.0, own)
    x = start(own) * width
    if not 0.0 <= x < width:
        return 0.0, state
    rate = drift(0.0, 0.0, 0.0, own)
    for _ in range(MAX_STEPS):
        dt = min(_reach(x, width, rate), limit - s)
        end_width = width
        if moves:
            shortest = dt * 0.5**HALVINGS
            while dt > shortest and not _boundary_fits(x, s, dt, width, rate, own, boundary):
                dt *= 0.5
            end_width = boundary(s + dt, own)
        z, state = normal(state)
        free = x + rate * dt + math.sqrt(dt) * z
        kept = free
        if 2.0 * x * free < NEGLIGIBLE * dt:
            u, state = uniform(state)
            kept -= min(lowest(x, free, dt, math.log(u)), 0.0)
        room = end_width - (free if kept < end_width else kept)
        if math.isnan(room):
            return 0.0, state
        crossed, state = crosses(width - x, room, dt, state)
        if crossed:
            within, state = crossing_time(width - x, room, dt, state)
            return s + within, state
        x, s, width = kept, s + dt, end_width
        if s >= limit:
            break
    return np.inf, state


@numba.njit(inline="always")
def _one_by_one(own, limit, state, moves, drift, boundary, start):  # type: ignore[no-untyped-def]
    """Follow independent accumulators, each until the earliest of those before it."""
    best, winner = limit, np.nan
    for i in range(own.shape[0]):
        time, state = _finishing_time(own[i], best, state, moves, drift, boundary, start)
        if time == 0.0:
            return 0.0, np.nan
        if time < best:
            best, winner = time, float(i)
    return (np.nan, np.nan) if math.isnan(winner) else (best, winner)


@numba.njit(inline="always")
def _variation(own, path, s, dt, total, drift):  # type: ignore[no-untyped-def]
    """Return how much drifts may change within a step, by evidence or time, times its sd."""
    sd = math.sqrt(dt)
    reach = REACH * sd
    crowd = reach * math.sqrt(own.shape[0] - 1.0)
    worst = 0.0
    for i in range(own.shape[0]):
        x, rate = path[X, i], path[RATE, i]
        others = total - x
        spread = abs(drift(x + reach, others, s, own[i]) - rate)
        spread += abs(drift(max(x - reach, 0.0), others, s, own[i]) - rate)
        spread += abs(drift(x, others + crowd, s, own[i]) - rate)
        spread += abs(drift(x, max(others - crowd, 0.0), s, own[i]) - rate)
        change = abs(drift(x, others, s + dt, own[i]) - rate) + spread / REACH
        worst = max(worst, change * sd)
    return worst


@numba.njit(inline="always")
def _boundaries_fit(own, path, s, dt, boundary):  # type: ignore[no-untyped-def]
    """Tell whether a step may be dt for every boundary."""
    for i in range(own.shape[0]):
        x, width, rate = path[X, i], path[WIDTH, i], path[RATE, i]
        if not _boundary_fits(x, s, dt, width, rate, own[i], boundary):
            return False
    return True


@numba.njit(inline="always")
def _step(own, path, s, longest, drift, boundary):  # type: ignore[no-untyped-def]
    """Write the drifts at the start of a step; return its length, which all of them share.

    Also return how long the next step may be, as far as the change of drifts is concerned.
    """
    total = 0.0
    for i in range(own.shape[0]):
        total += path[X, i]
    dt = longest
    for i in range(own.shape[0]):
        path[RATE, i] = drift(path[X, i], total - path[X, i], s, own[i])
        dt = min(dt, _reach(path[X, i], path[WIDTH, i], path[RATE, i]))
    shortest = dt * 0.5**HALVINGS
    while True:
        share = SAFETY * VARIATION / max(_variation(own, path, s, dt, total, drift), 1e-9)
        if dt <= shortest:
            break
        if share < SAFETY:
            dt *= max(share, 0.1)
        elif _boundaries_fit(own, path, s, dt, boundary):
            break
        else:
            dt *= 0.5
    return dt, dt * min(share, 2.0)


@numba.njit(inline="always")
def _advance(own, path, s, dt, state, drift):  # type: ignore[no-untyped-def]
    """Write the ends of a step, free and kept above 0; the drift is corrected at its end."""
    total = 0.0
    for i in range(own.shape[0]):
        x = path[X, i]
        z, state = normal(state)
        path[NOISE, i] = math.sqrt(dt) * z
        free = x + path[RATE, i] * dt + path[NOISE, i]
        path[LOG_U, i] = 0.0
        if 2.0 * x * free < NEGLIGIBLE * dt:
            u, state = uniform(state)
            path[LOG_U, i] = math.log(u)
        path[KEPT, i] = free - min(lowest(x, free, dt, path[LOG_U, i]), 0.0)
        total += path[KEPT, i]
    for i in range(own.shape[0]):
        x, kept = path[X, i], path[KEPT, i]
        ahead = drift(kept, total - kept, s + dt, own[i])
        free = x + 0.5 * (path[RATE, i] + ahead) * dt + path[NOISE, i]
        path[FREE, i] = free
        path[KEPT, i] = free - min(lowest(x, free, dt, path[LOG_U, i]), 0.0)
    return state


@numba.njit(inline="always")
def _first_crossing(own, path, s, dt, state, boundary):  # type: ignore[no-untyped-def]
    """Return when, within a step, somebody first finishes, who, and the state; go to its end.

    The time is inf if nobody does, and nan if it cannot be told.
    """
    best, winner = np.inf, np.nan
    for i in range(own.shape[0]):
        width = boundary(s + dt, own[i])
        free, kept = path[FREE, i], path[KEPT, i]
        before = path[WIDTH, i] - path[X, i]
        after = width - (free if kept < width else kept)
        if math.isnan(after):
            return np.nan, np.nan, state
        crossed, state = crosses(before, after, dt, state)
        if crossed:
            time, state = crossing_time(before, after, dt, state)
            if time < best:
                best, winner = time, float(i)
        path[X, i], path[WIDTH, i] = kept, width
    return best, winner, state


@numba.njit(inline="always")
def _together(own, path, limit, state, pace, drift, boundary, start):  # type: ignore[no-untyped-def]
    """Follow accumulators that depend on each other, in steps that all of them share."""
    for i in range(own.shape[0]):
        path[WIDTH, i] = boundary(0.0, own[i])
        path[X, i] = start(own[i]) * path[WIDTH, i]
        if not 0.0 <= path[X, i] < path[WIDTH, i]:
            return 0.0, np.nan
    s, next_dt = 0.0, limit
    for _ in range(MAX_STEPS):
        if s >= limit:
            break
        longest = min(next_dt, limit - s, pace)
        dt, next_dt = _step(own, path, s, longest, drift, boundary)
        state = _advance(own, path, s, dt, state, drift)
        time, winner, state = _first_crossing(own, path, s, dt, state, boundary)
        if math.isnan(time):
            return 0.0, np.nan
        if time < np.inf:
            return s + time, winner
        s += dt
    return np.nan, np.nan


@numba.njit(inline="always")
def _find_own(row, table, own):  # type: ignore[no-untyped-def]
    """Write what each accumulator takes from a parameter row: own[i, j] = row[table[i, j]]."""
    for i in range(own.shape[0]):
        for j in range(own.shape[1]):
            own[i, j] = row[table[i, j]]


@numba.njit(inline="always")
def independent_passages(  # type: ignore[no-untyped-def]
    rows, draws, first, seed, limit, times, choices, table, moves, drift, boundary, start
):
    """Fill times and choices of a race whose drifts never change; see `diffusion`."""
    own = np.empty(table.shape)
    for i in range(times.shape[0]):
        _find_own(rows[(first + i) // draws], table, own)
        state = stream(seed, first + i)
        times[i], choices[i] = _one_by_one(own, limit, state, moves, drift, boundary, start)


@numba.njit(inline="always")
def coupled_passages(  # type: ignore[no-untyped-def]
    rows, draws, first, seed, limit, times, choices, table, pace, drift, boundary, start
):
    """Fill times and choices of a race whose drifts depend on evidence or time."""
    own, path = np.empty(table.shape), np.empty((7, table.shape[0]))
    for i in range(times.shape[0]):
        _find_own(rows[(first + i) // draws], table, own)
        state = stream(seed, first + i)
        times[i], choices[i] = _together(own, path, limit, state, pace, drift, boundary, start)
