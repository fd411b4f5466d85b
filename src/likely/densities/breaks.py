"""Where the drift of a diffusion jumps in time, or its boundary has a kink; how long a step may be.

A step must not contain a break: what is smooth on either side is approximated on either side. The
break is cornered by bisection, and a step of next to no length leads across it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.densities.motion import (
    Moment,
    Motion,
    boundary_at,
    drift_at,
    free_shape,
    rate_at,
)

EARLY, LATE = 0.5, 0.25  # relative length of a step before and after decisions become likely
SHRINK = 0.8  # the boundary changes by no more than this factor in a step
VARIATION = 0.05  # displacement by a change of drift within a step, in standard deviations
JUMP = 0.6  # share of a change of drift, in four or more equal parts of a step, that is a jump
KINK = 4.0  # ratio of the boundary's curvatures within a step that is a kink
ROUNDING = 1e-12  # of the boundary; less of curvature is none
SMALL = 1e-6  # displacement in units of the boundary, over b^2 seconds, that is no jump
CORNER = 1e-8  # seconds, in units of the lesser of b^2 and the time: width of a cornered break
LAYERED = 0.3  # u in units of the gap squared, up to which layers are thin
LAYER = 0.005  # height of a layer that needs shorter steps
PACE = 0.02  # seconds: the drift is looked at as often, lest a pulse is missed
MOST = 512  # looks a step
HALVINGS = 30

_compiled = numba.njit(error_model="numpy", nogil=True)


@_compiled
def _looks(step: float) -> int:
    return int(min(max(4.0, math.ceil(step / PACE)), MOST))


@_compiled
def _drift_changes(motion: Motion, s: float, step: float, b: float) -> tuple[float, float, int]:
    """Return the change of drift per second within a step: in all, at most in one part, and where.

    The drift is looked at in the middle and half way to either boundary.
    """
    parts = _looks(step)
    total, largest, where = 0.0, 0.0, 0
    if motion.steady:
        return total, largest, where
    for k in range(-1, 2):
        x = 0.5 * k * b
        if motion.uniform and k != 0:
            continue
        along, before = 0.0, drift_at(motion, x, s)
        for i in range(parts):
            after = drift_at(motion, x, s + step * (i + 1) / parts)
            change = abs(after - before)
            along, before = along + change, after
            if change > largest:
                largest, where = change, i
        total = max(total, along)
    return total, largest, where


@_compiled
def _bends(motion: Motion, s: float, step: float) -> tuple[float, float, int]:
    """Return the boundary's largest and smallest curvature in three parts of a step, and where."""
    largest, smallest, where = 0.0, np.inf, 0
    one, two = boundary_at(motion, s), boundary_at(motion, s + 0.25 * step)
    for i in range(3):
        three = boundary_at(motion, s + 0.25 * (i + 2) * step)
        bend = abs(one - 2.0 * two + three)
        if bend > largest:
            largest, where = bend, i
        smallest = min(smallest, bend)
        one, two = two, three
    return largest, smallest, where


@_compiled
def _broken(motion: Motion, s: float, step: float, b: float) -> tuple[bool, float, float]:
    """Tell whether the drift seems to jump, or the boundary to have a kink; return that part."""
    total, most, where = _drift_changes(motion, s, step, b)
    if most > JUMP * total and most * b > SMALL:
        part = step / _looks(step)
        return True, s + where * part, part
    bend, least, corner = _bends(motion, s, step)
    if bend > max(ROUNDING * b, KINK * least):
        return True, s + 0.25 * corner * step, 0.5 * step
    return False, s, step


@_compiled
def _cornered(motion: Motion, s: float, step: float, b: float) -> tuple[bool, float, float]:
    """Find a break within a step: return whether there is one, and its edges."""
    width = CORNER * min(s, b * b)
    begin, length = s, step
    while length > width:
        found, begin, length = _broken(motion, begin, length, b)
        if not found:
            return False, s, s + step
    return True, max(begin, s), begin + length


@_compiled
def _calm(motion: Motion, now: Moment, step: float) -> bool:
    """Tell whether drift and boundary change little enough within a step."""
    end = boundary_at(motion, now.s + step)
    if not SHRINK * now.b <= end <= now.b / SHRINK:
        return False
    largest, smallest, where = _bends(motion, now.s, step)
    change, most, where = _drift_changes(motion, now.s, step, now.b)
    return largest <= now.b and change * step <= VARIATION * now.b * math.sqrt(now.u)


@_compiled
def _finer(now: Moment, motion: Motion) -> float:
    """Return a factor of the step for thin layers of w at the boundaries.

    They are about u / gap thick and change w by delta u / gap, where gap is the distance from the
    start to the boundary.
    """
    gap = 1.0 - abs(motion.y0)
    if now.u > LAYERED * gap * gap:
        return 1.0
    bend, lean = free_shape(now, motion)
    shift = now.b * drift_at(motion, 0.0, now.s) - lean
    turn = bend - rate_at(now, now.s, motion)
    height = max(abs(shift + turn), abs(shift - turn)) * now.u / gap
    return 1.0 / math.sqrt(1.0 + height / LAYER)


@_compiled
def next_time(now: Moment, longest: float, pause: float, motion: Motion) -> tuple[float, float]:
    """Choose the end of the step that begins now.

    Args:
        now: the beginning.
        longest: a step on the clock.
        pause: a step in seconds.
        motion: a Motion.

    Returns:
        The end, and the further edge of the break that begins there, or 0.
    """
    early = (1.0 - abs(motion.y0)) ** 2 / 30.0
    du = min((EARLY if now.u < early else LATE) * now.u * _finer(now, motion), longest)
    step, edge = min(du * now.b * now.b, pause), 0.0
    for _ in range(HALVINGS):
        found, begin, end = _cornered(motion, now.s, 2.0 * step, now.b)
        gap, edge = begin - now.s, 0.0
        if found and gap > 0.0:
            step = gap if gap <= step else 0.5 * gap
            edge = end if gap == step else 0.0
        if _calm(motion, now, step):
            break
        step *= 0.5
    return (begin if edge > 0.0 else now.s + step), edge


@_compiled
def still(now: Moment, motion: Motion) -> bool:
    """Tell whether drift and boundary stay as they are."""
    for further in (1.1, 2.0, 10.0, 100.0):
        if boundary_at(motion, further * now.s) != now.b:
            return False
        for k in range(-1, 2):
            x = 0.5 * k * now.b
            if drift_at(motion, x, further * now.s) != drift_at(motion, x, now.s):
                return False
    return True
