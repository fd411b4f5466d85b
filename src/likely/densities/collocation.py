"""First passage of a one-dimensional diffusion between moving boundaries, by a spectral method.

In units of the boundary, y = x / b(s), and on the clock du = ds / b(s)^2, evidence has unit noise
and drift mu = b v(b y, s) - y b b', and the boundaries stand still at y = -1 and 1. With no drift
its density q(y, u) is a series (images of the start, or sines). The density wanted is written as

    p = q(y, u) exp(F(y, s) + N(y, s)) w(y, u).

F, a parabola in y, is such that q exp(F) solves the problem without boundaries for the drift in the
middle, v(0, s), however it and b change over time. N is the integral over y of the rest of the
drift, eta = b v(b y, s) - b v(0, s). What is left to solve for, w, is smooth. It is 1 before
evidence meets the boundaries and constant where boundaries are straight lines; it obeys

    w_u = w_yy / 2 + (q_y / q - delta) w_y
          - ((q_y / q + (y - y0) / u) delta + eta_y / 2 + eta^2 / 2 + eta mu_0 + N_u) w

with y0 the start, mu_0 = mu - eta and delta = mu_0 - F_y. This is collocated at Chebyshev nodes (no
boundary condition is needed, because q_y / q carries everything outwards) and stepped by the
implicit midpoint rule, which is symmetric in time, so that its error has even powers of the step
only and extrapolates well. The flux through a boundary is that of q, times exp(F + N) w there.

The transformation to the scaled clock for straight boundaries is that of Anderson (1960), Annals
of Mathematical Statistics 31, 165-197; the method as a whole is ours.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.polynomial import chebyshev

from likely.densities.images import log_slope
from likely.densities.motion import Moment, Motion, drift_at, free_shape, later, rate_at
from likely.typing import FloatArray

_GAUSS = np.polynomial.legendre.leggauss(4)
_NODES, _WEIGHTS = 0.5 * (1.0 + _GAUSS[0]), 0.5 * _GAUSS[1]

ROUNDING = 1e-18  # of the largest value, below which a value is rounding

_compiled = numba.njit(error_model="numpy", nogil=True)


class Basis(NamedTuple):
    """Chebyshev collocation on [-1, 1] with n nodes.

    Args:
        y: nodes (n,), ascending, the ends not among them.
        first: matrix (n, n) of the first derivative.
        second: that of the second.
        integral: matrix (n + 2, n) of the integral from 0, up to each node, to -1 and to 1.
        ends: values at -1 and 1 from those at the nodes, (2, n).
        tail: the two highest Chebyshev coefficients, (2, n).
    """

    y: FloatArray
    first: FloatArray
    second: FloatArray
    integral: FloatArray
    ends: FloatArray
    tail: FloatArray


class Step(NamedTuple):
    """What came of a step.

    Args:
        end: the moment to which it led.
        change: log of what was divided out of w.
        growth: rate on the clock at which w grows as a whole.
        spread: half the range of the potential, and the square of delta.
    """

    end: Moment
    change: float
    growth: float
    spread: float


class Flow(NamedTuple):
    """The part of the drift that depends on the evidence, at one time.

    Args:
        eta: drift on the scaled clock less that in the middle, at the nodes (n,).
        slope: its derivative over y, (n,).
        potential: its integral over y from the middle, at the nodes, at -1 and at 1: (n + 2,).
    """

    eta: FloatArray
    slope: FloatArray
    potential: FloatArray


class Room(NamedTuple):
    """Arrays to work with.

    Args:
        w: the solution at the nodes (n,).
        half: w in the middle of a step, (n,).
        matrix: (n, n).
        node: flow at the last time.
        middle: flow in the middle of a step.
    """

    w: FloatArray
    half: FloatArray
    matrix: FloatArray
    node: Flow
    middle: Flow


@functools.cache
def basis(n: int) -> Basis:
    """Return collocation at n Chebyshev nodes (Trefethen 2000, Spectral Methods in MATLAB)."""
    y = np.cos(np.pi * (np.arange(n)[::-1] + 0.5) / n)
    coefficients = np.linalg.inv(chebyshev.chebvander(y, n - 1))
    unit = np.eye(n)

    def matrix(points: FloatArray, change: Callable[[FloatArray], Any]) -> FloatArray:
        columns = [chebyshev.chebval(points, change(unit[k])) for k in range(n)]
        return np.ascontiguousarray(np.stack(columns, axis=1) @ coefficients, dtype=np.float64)

    ends = np.array([-1.0, 1.0])
    return Basis(
        y=y,
        first=matrix(y, lambda c: chebyshev.chebder(c)),
        second=matrix(y, lambda c: chebyshev.chebder(c, 2)),
        integral=matrix(np.append(y, ends), lambda c: chebyshev.chebint(c, lbnd=0.0)),
        ends=matrix(ends, lambda c: c),
        tail=np.ascontiguousarray(coefficients[-2:], dtype=np.float64),
    )


def room(space: Basis) -> Room:
    """Return room for a solution."""
    n = len(space.y)
    flows = (Flow(np.zeros(n), np.zeros(n), np.zeros(n + 2)) for _ in range(2))
    return Room(np.ones(n), np.empty(n), np.empty((n, n)), *flows)


@_compiled
def set_flow(flow: Flow, space: Basis, now: Moment, motion: Motion) -> None:
    """Write what of the drift depends on the evidence."""
    if motion.uniform:
        return
    n = space.y.shape[0]
    middle = drift_at(motion, 0.0, now.s)
    for i in range(n):
        flow.eta[i] = now.b * (drift_at(motion, now.b * space.y[i], now.s) - middle)
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += space.first[i, j] * flow.eta[j]
        flow.slope[i] = total
    for i in range(n + 2):
        total = 0.0
        for j in range(n):
            total += space.integral[i, j] * flow.eta[j]
        flow.potential[i] = total


@_compiled
def log_first(now: Moment, motion: Motion) -> float:
    """Return the log of w exp(-N), the same everywhere, at the first node."""
    if motion.uniform:
        return 0.0
    s, b, x0 = now.s, now.b, motion.b0 * motion.y0
    middle = drift_at(motion, 0.0, s)
    lifted = 0.0
    for k in range(_NODES.shape[0]):
        lifted += _WEIGHTS[k] * x0 * (drift_at(motion, x0 * _NODES[k], s) - middle)
    h = 1e-4 * b
    above, below = drift_at(motion, x0 + h, s), drift_at(motion, x0 - h, s)
    here = 0.5 * (above + below)
    potential = 0.5 * (above - below) / (2.0 * h) + 0.5 * (here * here - middle * middle)
    return -lifted - s * potential


@_compiled
def set_first(work: Room, space: Basis, now: Moment, motion: Motion) -> None:
    """Set w at the first node: 1 but for layers at the boundaries.

    There it is the ratio of the images of the start in the boundary's tangent, which are exact for
    boundaries on straight lines, to those that q has.
    """
    rate = rate_at(now, now.s, motion)
    for i in range(work.w.shape[0]):
        work.w[i] = 1.0
        for c in range(-1, 2, 2):
            gap = 1.0 - c * space.y[i]
            seen = (1.0 - c * motion.y0) / now.u
            start = motion.b0 * motion.y0 + now.path - now.s * drift_at(motion, 0.0, now.s)
            tangent = (now.b * now.b - now.b * c * start) / now.s - rate
            work.w[i] *= math.expm1(-2.0 * gap * tangent) / math.expm1(-2.0 * gap * seen)


@_compiled
def first_time(flow: Flow, space: Basis, motion: Motion, share: float) -> float:
    """Return a time before which evidence is not near a boundary and w is nearly 1.

    Args:
        flow: to be overwritten.
        space: a Basis.
        motion: a Motion.
        share: of the potential that may have acted by then.
    """
    b0 = motion.b0
    largest = 0.0
    if not motion.uniform:
        set_flow(flow, space, Moment(0.0, b0, 0.0, 0.0), motion)
        middle = b0 * drift_at(motion, 0.0, 0.0)
        for i in range(space.y.shape[0]):
            eta = flow.eta[i]
            largest = max(largest, 0.5 * abs(flow.slope[i] + eta * eta + 2.0 * eta * middle))
    distance = 1.0 - abs(motion.y0)
    s = b0 * b0 * distance * distance / 60.0
    if largest > 0.0:
        s = min(s, b0 * b0 * share / (1.0 + largest))
    start = Moment(0.0, b0, 0.0, 0.0)
    for _ in range(100):
        now = later(start, s, motion)
        gap = now.b - b0 * abs(motion.y0)
        if gap > 0.0 and s <= gap * gap / 60.0 and now.u <= distance * distance / 60.0:
            break
        s *= 0.5
    return s


@_compiled
def _solve_linear(matrix: FloatArray, x: FloatArray) -> None:
    """Solve matrix times result = x in place, with partial pivoting; the matrix is lost."""
    n = x.shape[0]
    for k in range(n):
        pivot = k
        for i in range(k + 1, n):
            if abs(matrix[i, k]) > abs(matrix[pivot, k]):
                pivot = i
        if pivot != k:
            for j in range(k, n):
                matrix[k, j], matrix[pivot, j] = matrix[pivot, j], matrix[k, j]
            x[k], x[pivot] = x[pivot], x[k]
        inverse = 1.0 / matrix[k, k]
        for i in range(k + 1, n):
            factor = matrix[i, k] * inverse
            if factor != 0.0:
                for j in range(k + 1, n):
                    matrix[i, j] -= factor * matrix[k, j]
                x[i] -= factor * x[k]
    for k in range(n - 1, -1, -1):
        total = x[k]
        for j in range(k + 1, n):
            total -= matrix[k, j] * x[j]
        x[k] = total / matrix[k, k]


@_compiled
def _spread(flow: Flow, shift: float, rate: float, y: FloatArray) -> tuple[float, float]:
    """Return the middle of the values that the potential takes, and half their range."""
    lowest, highest = np.inf, -np.inf
    for i in range(y.shape[0]):
        eta = flow.eta[i]
        value = 0.5 * (flow.slope[i] + eta * eta) + eta * (shift - rate * y[i])
        lowest, highest = min(lowest, value), max(highest, value)
    return 0.5 * (lowest + highest), 0.5 * (highest - lowest)


@_compiled
def _advance(
    work: Room, space: Basis, now: Moment, du: float, rate: float, growth: float, motion: Motion
) -> tuple[float, float, float]:
    """Step w by the implicit midpoint rule; return the log of what was divided out.

    Returned beside it are the common rate of decay and what else moves w, `Step.spread`. `now` is
    the middle of the step. `growth`, a rate at which w grows as a whole, is integrated exactly,
    whatever the step; so is what is the same everywhere of the potential.
    """
    w, half, matrix, flow = work.w, work.half, work.matrix, work.middle
    n = w.shape[0]
    shift = now.b * drift_at(motion, 0.0, now.s)
    bend, lean = free_shape(now, motion)
    common, spread = _spread(flow, shift, rate, space.y)
    common -= growth
    spread += max((shift - lean + bend - rate) ** 2, (shift - lean - bend + rate) ** 2)
    for i in range(n):
        y, eta = space.y[i], flow.eta[i]
        reference = log_slope(y, motion.y0, now.u)
        delta = shift - lean + (bend - rate) * y
        potential = 0.5 * (flow.slope[i] + eta * eta) + eta * (shift - rate * y) - common
        potential += delta * (reference + (y - motion.y0) / now.u)
        total = 0.0
        for j in range(n):
            entry = 0.5 * space.second[i, j] + (reference - delta) * space.first[i, j]
            entry = 0.5 * du * (entry - potential if i == j else entry)
            total += entry * w[j]
            matrix[i, j] = -entry
        matrix[i, i] += 1.0
        half[i] = w[i] + total
    _solve_linear(matrix, half)
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(half[i]))
    for i in range(n):
        w[i] = half[i] / largest
    return math.log(largest), common, spread


@_compiled
def across(
    work: Room, space: Basis, begin: Moment, e: float, growth: float, motion: Motion
) -> Step:
    """Step w to time e."""
    middle = later(begin, math.sqrt(begin.s * e), motion)
    end = later(middle, e, motion)
    du, n = end.u - begin.u, work.w.shape[0]
    if not motion.uniform:
        set_flow(work.middle, space, middle, motion)
        for i in range(n):
            work.w[i] *= math.exp(work.node.potential[i] - work.middle.potential[i])
    rate = rate_at(middle, e - begin.s, motion)
    grown, common, spread = _advance(work, space, middle, du, rate, growth, motion)
    if not motion.uniform:
        set_flow(work.node, space, end, motion)
        for i in range(n):
            work.w[i] *= math.exp(work.middle.potential[i] - work.node.potential[i])
    return Step(end, grown - common * du, grown / du + growth, spread)


@_compiled
def read_ends(logs: FloatArray, work: Room, space: Basis, scale: float) -> None:
    """Write the log of exp(N) w at each boundary, (2,)."""
    n, largest = work.w.shape[0], 0.0
    for j in range(n):
        largest = max(largest, abs(work.w[j]))
    for c in range(2):
        value = 0.0
        for j in range(n):
            value += space.ends[c, j] * work.w[j]
        value = max(value, ROUNDING * largest)  # where next to nothing arrives
        logs[c] = work.node.potential[n + c] + scale + math.log(max(value, 1e-300))


@_compiled
def roughness(work: Room, space: Basis, upper: float) -> float:
    """Return the larger of w's two highest Chebyshev coefficients in units of w at the boundaries.

    Infinity where w is not positive at either.

    Args:
        work: where w is.
        space: a Basis.
        upper: share of the flux that leaves through the upper boundary.
    """
    highest = 0.0
    for c in range(2):
        coefficient = 0.0
        for j in range(work.w.shape[0]):
            coefficient += space.tail[c, j] * work.w[j]
        highest = max(highest, abs(coefficient))
    share, total, lost = 1.0 - upper, 0.0, 0
    for c in range(2):
        end = 0.0
        for j in range(work.w.shape[0]):
            end += space.ends[c, j] * work.w[j]
        total, share = total + share / max(abs(end), 1e-300), upper
        lost += end <= 0.0
    return highest * total if lost < 2 else np.inf
