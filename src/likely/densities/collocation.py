"""First passage of a one-dimensional diffusion between moving boundaries, by a spectral method.

In units of the boundary, y = x / b(s), and on the clock du = ds / b(s)^2, evidence has unit noise
and drift mu = b v(b y, s) - y b b', and the boundaries stand still at y = -1 and 1. With no drift
its density q(y, u) is a series (images of the start, or sines). The density wanted is written as

    p = q(y, u) exp(M(y, s)) w(y, u),

where M is the integral over y of the drift, that part of it which is the same everywhere averaged
over the time past. What is left to solve for, w, is smooth: it is constant where drift is constant
and boundaries are straight lines, and 1 in free space for any drift that depends on time alone.
It obeys

    w_u = w_yy / 2 + (q_y / q - delta) w_y
          - (mu_y / 2 + (mu^2 - delta^2) / 2 + delta q_y / q + M_u) w

with delta the present less the past drift in the middle. This is collocated at Chebyshev nodes
(no boundary condition is needed, because q_y / q carries everything outwards) and stepped by the
implicit midpoint rule, which is symmetric in time, so that its error has even powers of the step
only and extrapolates well. The flux through a boundary is that of q, times exp(M) w there.

The transformation to the scaled clock for straight boundaries is that of Anderson (1960), Annals
of Mathematical Statistics 31, 165-197; the method as a whole is ours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.densities.images import log_slope
from likely.densities.wiener import log_density_below
from likely.typing import FloatArray

EARLY, LATE = 0.5, 0.25  # relative length of a step before and after decisions become likely
LONGEST, LONGEST_CALM = 0.2, 2.0  # a step on the clock; where decay has all but settled
CALM = 1e-3  # relative change of the decay in a step by which that is told
PATIENCE = 0.01  # a step may be that share of the time past, where the drift depends on time
SHRINK = 0.8  # the boundary changes by no more than this factor in a step
VARIATION = 0.05  # displacement by a change of drift within a step, in standard deviations
JUMP = 0.6  # share of one of four equal parts in the change of drift by which a jump is told
KINK = 4.0  # ratio of curvatures within a step by which a kink of the boundary is told
TINY = 1e-6  # jumps and kinks are cornered until they change so little within a step
ROUNDING = 1e-12
HALVINGS = 30
FIRST = 1e-3  # (1 + |potential|) u at the first node
NEGLIGIBLE = math.log(1e-10)  # of flux times time at which a solution ends
FALL = 3.0  # the density falls by no more than exp(-3) in a step once decisions are likely
HORIZON = 1e6  # seconds
LIKELY = 0.1  # share decided before which a low flux means nothing
NOTICED = math.log(1e-6)  # of flux times time below which roughness does not matter
VANISHED = 1e-7  # share of its first value at which the boundary counts as closed
SETTLED = 1e-7  # relative change of the decay in a step, with which a solution ends
_GAUSS = np.polynomial.legendre.leggauss(4)
NODES, WEIGHTS = 0.5 * (1.0 + _GAUSS[0]), 0.5 * _GAUSS[1]

_compiled = numba.njit(error_model="numpy", nogil=True)
_inlined = numba.njit(inline="always", error_model="numpy")  # whatever calls a model's functions


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


class Flow(NamedTuple):
    """Drift on the scaled clock at one time.

    Args:
        mu: at the nodes (n,).
        slope: its derivative over y, (n,).
        potential: integral over y of its change from the middle, (n + 2,).
    """

    mu: FloatArray
    slope: FloatArray
    potential: FloatArray


@_inlined
def _clock(s, e, row, boundary):  # type: ignore[no-untyped-def]
    """Integrate 1 / b^2 from s to e."""
    total = 0.0
    for k in range(NODES.shape[0]):
        b = boundary(s + (e - s) * NODES[k], row)
        total += WEIGHTS[k] / (b * b)
    return total * (e - s)


@_inlined
def _push(s, e, row, drift):  # type: ignore[no-untyped-def]
    """Integrate the drift in the middle from s to e."""
    total = 0.0
    for k in range(NODES.shape[0]):
        total += WEIGHTS[k] * drift(0.0, s + (e - s) * NODES[k], row)
    return total * (e - s)


@_inlined
def _rate(s, b, row, boundary):  # type: ignore[no-untyped-def]
    """Return b b', the change of log b on the clock."""
    h = 1e-5 * s
    return b * (boundary(s + h, row) - boundary(s - h, row)) / (2.0 * h)


@_inlined
def _set_flow(flow, basis, s, b, rate, row, drift):  # type: ignore[no-untyped-def]
    """Write the drift at time s; return that in the middle."""
    n = basis.y.shape[0]
    middle = b * drift(0.0, s, row)
    for i in range(n):
        flow.mu[i] = b * drift(b * basis.y[i], s, row) - middle - rate * basis.y[i]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += basis.first[i, j] * flow.mu[j]
        flow.slope[i] = total
    for i in range(n + 2):
        total = 0.0
        for j in range(n):
            total += basis.integral[i, j] * flow.mu[j]
        flow.potential[i] = total
    for i in range(n):
        flow.mu[i] += middle
    return middle


@_inlined
def _at_start(y0, s, b, rate, row, drift):  # type: ignore[no-untyped-def]
    """Return the integral of the change of drift from 0 to y0, and the potential at y0."""
    middle = b * drift(0.0, s, row)
    total = 0.0
    for k in range(NODES.shape[0]):
        y = y0 * NODES[k]
        total += WEIGHTS[k] * y0 * (b * drift(b * y, s, row) - middle - rate * y)
    h = 1e-4
    above = b * drift(b * (y0 + h), s, row) - rate * (y0 + h)
    below = b * drift(b * (y0 - h), s, row) - rate * (y0 - h)
    return total, 0.5 * (above - below) / (2.0 * h) + 0.125 * (above + below) ** 2


@_compiled
def _solve_linear(matrix, x):  # type: ignore[no-untyped-def]
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
def _advance(w, matrix, half, basis, flow, y0, u, du, delta, tilt, growth):  # type: ignore[no-untyped-def]  # noqa: E501
    """Step w by the implicit midpoint rule; return the log of what was divided out.

    Returned beside it is the common rate of decay. u is the clock at the middle of the step and
    `tilt` the change of the averaged drift over du. `growth`, a rate at which w grows as a whole,
    is integrated exactly, whatever the step; so is what is the same everywhere of the potential.
    """
    n = w.shape[0]
    lowest, highest = np.inf, -np.inf
    for i in range(n):
        value = 0.5 * (flow.slope[i] + flow.mu[i] * flow.mu[i] - delta * delta)
        lowest, highest = min(lowest, value), max(highest, value)
    common = 0.5 * (lowest + highest) - growth
    for i in range(n):
        reference = log_slope(basis.y[i], y0, u)
        potential = 0.5 * (flow.slope[i] + flow.mu[i] * flow.mu[i] - delta * delta) - common
        potential += delta * reference + tilt * basis.y[i]
        total = 0.0
        for j in range(n):
            entry = 0.5 * basis.second[i, j] + (reference - delta) * basis.first[i, j]
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
    return math.log(largest), common


@_compiled
def _even(one, two, three, four):  # type: ignore[no-untyped-def]
    """Tell whether no single change outdoes the others, as one by a jump would."""
    largest = max(max(one, two), max(three, four))
    return largest <= JUMP * (one + two + three + four)


@_inlined
def _drift_changes(s, step, b, u, row, drift):  # type: ignore[no-untyped-def]
    """Return by how much a change of drift displaces evidence in a step, and whether it jumps."""
    largest, jumps = 0.0, False
    for k in range(-1, 2):
        x = 0.5 * k * b
        start, middle = drift(x, s, row), drift(x, s + 0.5 * step, row)
        one = abs(drift(x, s + 0.25 * step, row) - start)
        two = abs(middle - drift(x, s + 0.25 * step, row))
        three = abs(drift(x, s + 0.75 * step, row) - middle)
        four = abs(drift(x, s + step, row) - drift(x, s + 0.75 * step, row))
        change = (one + two + three + four) * step / (b * math.sqrt(u))
        largest = max(largest, change)
        jumps = jumps or (change > ROUNDING and not _even(one, two, three, four))
    return largest, jumps


@_inlined
def _boundary_bends(s, step, b, row, boundary):  # type: ignore[no-untyped-def]
    """Return how much the boundary bends within a step, and whether it has a kink there."""
    one, two = boundary(s + 0.25 * step, row), boundary(s + 0.5 * step, row)
    three, end = boundary(s + 0.75 * step, row), boundary(s + step, row)
    early, middle = abs(b - 2.0 * one + two) / b, abs(one - 2.0 * two + three) / b
    late = abs(two - 2.0 * three + end) / b
    largest = max(early, max(middle, late))
    if not (SHRINK * b <= end <= b / SHRINK):
        largest = np.inf
    return largest, largest > max(ROUNDING, KINK * min(early, min(middle, late)))


@_inlined
def _next_time(s, u, b, early, longest, pace, row, drift, boundary):  # type: ignore[no-untyped-def]
    """Choose the end of the step that begins at s; tell whether something jumps in it."""
    du = min((EARLY if u < early else LATE) * u, longest)
    step = min(du * b * b, pace)
    shortest = step * 0.5**HALVINGS
    broken = False
    while step > shortest:
        bend, kinked = _boundary_bends(s, step, b, row, boundary)
        change, jumps = _drift_changes(s, step, b, u, row, drift)
        broken = kinked or jumps
        calm = change <= (TINY if jumps else VARIATION) and bend <= (TINY if kinked else 1.0)
        if calm:
            break
        step *= 0.5
    return s + step, broken


@_inlined
def _still(s, b, row, drift, boundary):  # type: ignore[no-untyped-def]
    """Tell whether drift and boundary stay as they are at time s."""
    for later in (1.1, 2.0, 10.0, 100.0):
        if boundary(later * s, row) != b:
            return False
        for k in range(-1, 2):
            if drift(0.5 * k * b, later * s, row) != drift(0.5 * k * b, s, row):
                return False
    return True


@_compiled
def _read_ends(logs, w, basis, flow, tilt, scale, b):  # type: ignore[no-untyped-def]
    """Write the log of the flux through each boundary, less that of the reference."""
    n = w.shape[0]
    for c in range(2):
        value = 0.0
        for j in range(n):
            value += basis.ends[c, j] * w[j]
        logs[c] = flow.potential[n + c] + (2 * c - 1) * tilt + scale - 2.0 * math.log(b)
        logs[c] += math.log(max(value, 1e-300))  # rounding, where next to nothing arrives


@_compiled
def _roughness(w, basis):  # type: ignore[no-untyped-def]
    """Return the two highest Chebyshev coefficients of w in units of w at the boundaries."""
    highest, smallest = 0.0, np.inf
    for c in range(2):
        coefficient, end = 0.0, 0.0
        for j in range(w.shape[0]):
            coefficient += basis.tail[c, j] * w[j]
            end += basis.ends[c, j] * w[j]
        highest, smallest = max(highest, abs(coefficient)), min(smallest, abs(end))
    return highest / max(smallest, 1e-300)


@_compiled
def log_reference(u, y0):  # type: ignore[no-untyped-def]
    """Return the logs of the reference's flux through the lower and the upper boundary."""
    below = log_density_below(u, 0.0, 2.0, 0.5 * (1.0 + y0))
    return below, log_density_below(u, 0.0, 2.0, 0.5 * (1.0 - y0))


@_inlined
def first_time(basis, flow, y0, row, drift, boundary):  # type: ignore[no-untyped-def]
    """Return the time of the first node, before which nothing but the reference matters."""
    b = boundary(0.0, row)
    rate = b * (boundary(1e-6 * b * b, row) - b) / (1e-6 * b * b)
    _set_flow(flow, basis, 0.0, b, rate, row, drift)
    largest = 0.0
    for i in range(basis.y.shape[0]):
        largest = max(largest, 0.5 * abs(flow.slope[i] + flow.mu[i] * flow.mu[i]))
    distance = 1.0 - abs(y0)
    return b * b * min(FIRST / (1.0 + largest), distance * distance / 60.0)


@_inlined
def march(
    basis,
    flow,
    node,
    y0,
    row,
    pace,
    plan,
    times,
    growths,
    breaks,
    cuts,
    clocks,
    logs,
    drift,
    boundary,
):  # type: ignore[no-untyped-def]  # noqa: E501
    """Follow w from node to node: return the number of nodes and the roughness of w.

    Args:
        basis: a Basis.
        flow: a Flow to work with.
        node: another.
        y0: start, relative to the boundary, in (-1, 1).
        row: parameters (p,).
        pace: longest step in seconds.
        plan: whether to choose nodes; otherwise they are given.
        times: decision times at nodes (m,).
        growths: rate on the clock at which w is taken to grow before each node, (m,); chosen too.
        breaks: whether drift or boundary is broken between a node and the one before; filled too.
        cuts: steps between two nodes.
        clocks: (m,) to be filled with the clock at each node.
        logs: (m, 2) to be filled with the log of the flux in seconds through each boundary, less
            that of the reference on the clock.
        drift: compiled function (x, s, row).
        boundary: compiled function (s, row).
    """
    n = basis.y.shape[0]
    w, half, matrix = np.ones(n), np.empty(n), np.empty((n, n))
    if plan:
        times[0] = first_time(basis, flow, y0, row, drift, boundary)
    s, b0 = times[0], boundary(0.0, row)
    b = boundary(s, row)
    u, path = _clock(0.0, s, row, boundary), _push(0.0, s, row, drift)
    tilt = b * path / s
    rate = _rate(s, b, row, boundary)
    _set_flow(node, basis, s, b, rate, row, drift)
    lifted, potential = _at_start(y0, s, b, rate, row, drift)
    scale = -lifted - tilt * y0 - u * potential
    clocks[0] = u
    _read_ends(logs[0], w, basis, node, tilt, scale, b)
    rough, seen, decay, growth = 0.0, 0.0, 0.0, 0.0
    early, longest, pause = (1.0 - abs(y0)) ** 2 / 30.0, LONGEST, pace
    for g in range(1, times.shape[0]):
        if plan:
            times[g], breaks[g] = _next_time(s, u, b, early, longest, pause, row, drift, boundary)
            growths[g] = growth
        ratio = (times[g] / times[g - 1]) ** (1.0 / cuts)
        for cut in range(cuts):
            e = times[g] if cut == cuts - 1 else s * ratio
            middle = math.sqrt(s * e)
            end, between = boundary(e, row), boundary(middle, row)
            du, first_half = _clock(s, e, row, boundary), _clock(s, middle, row, boundary)
            path_between = path + _push(s, middle, row, drift)
            path += _push(s, e, row, drift)
            new_tilt = end * path / e
            rate = math.log(end / b) / du
            delta = _set_flow(flow, basis, middle, between, rate, row, drift)
            delta -= between * path_between / middle
            for i in range(n):
                w[i] *= math.exp(node.potential[i] - flow.potential[i])
            change = (new_tilt - tilt) / du
            grown, common = _advance(
                w, matrix, half, basis, flow, y0, u + first_half, du, delta, change, growths[g]
            )
            scale += grown - common * du
            s, b, u, tilt = e, end, u + du, new_tilt
            _set_flow(node, basis, s, b, _rate(s, b, row, boundary), row, drift)
            for i in range(n):
                w[i] *= math.exp(flow.potential[i] - node.potential[i])
        clocks[g] = u
        _read_ends(logs[g], w, basis, node, tilt, scale, b)
        if plan:
            flux, before = _log_flux(logs[g], u, y0), _log_flux(logs[g - 1], clocks[g - 1], y0)
            seen += 0.5 * (math.exp(flux) + math.exp(before)) * (s - times[g - 1])
            if flux + math.log(s) > NOTICED:
                rough = max(rough, _roughness(w, basis))
            slower, decay = decay, (before - flux) / (s - times[g - 1])
            falling = flux + math.log(s) < before + math.log(times[g - 1])
            if seen > LIKELY and falling and flux + math.log(s) < NEGLIGIBLE:
                return g + 1, rough
            if s > HORIZON or b < b0 * VANISHED:
                return g + 1, rough
            change = abs(decay - slower)
            settled = g > 3 and growths[g - 3] != 0.0 and change <= SETTLED * decay
            if settled and _still(s, b, row, drift, boundary):
                return g + 1, rough
            calm = change <= CALM * max(abs(decay), 1.0 / s)
            longest = min(1.5 * longest, LONGEST_CALM) if calm else LONGEST
            pause = min(max(pace, PATIENCE * s), 2.0 * (s - times[g - 1]))
            if seen > LIKELY and decay > 0.0:
                pause = min(pause, FALL / decay)
            growth = grown / du + growths[g] if calm else 0.0
    return times.shape[0], rough


@_compiled
def _log_flux(logs, u, y0):  # type: ignore[no-untyped-def]
    below, above = log_reference(u, y0)
    below, above = below + logs[0], above + logs[1]
    return max(below, above) + math.log1p(math.exp(-abs(below - above)))


@_compiled
def _interval(nodes, s):  # type: ignore[no-untyped-def]
    """Return which of the intervals between nodes holds s, the first or last if none does."""
    low, high = 0, nodes.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if nodes[middle] <= s:
            low = middle
        else:
            high = middle
    return low


@_inlined
def references(times, nodes, clocks, y0, row, boundary, out):  # type: ignore[no-untyped-def]
    """Fill out (n, 2) with the logs of the reference's fluxes at decision times (n,).

    Args:
        times: positive decision times, none beyond the last node.
        nodes: times of the nodes (m,).
        clocks: the clock there (m,).
        y0: relative start.
        row: parameters (p,).
        boundary: compiled function (s, row).
        out: to be filled.
    """
    last = nodes.shape[0] - 1
    for i in range(times.shape[0]):
        s = times[i]
        if s < nodes[0]:
            u = _clock(0.0, s, row, boundary)
        elif s < nodes[last]:
            j = _interval(nodes, s)
            u = clocks[j] + _clock(nodes[j], s, row, boundary)
        else:
            u = clocks[last]
        out[i, 0], out[i, 1] = log_reference(u, y0)
