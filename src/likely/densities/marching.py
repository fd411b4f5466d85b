"""A solution of the spectral method in time: nodes are chosen once, then followed ever finer."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from likely.densities.breaks import next_time, still
from likely.densities.collocation import (
    Basis,
    Room,
    across,
    first_time,
    log_first,
    read_ends,
    roughness,
    set_first,
    set_flow,
)
from likely.densities.motion import Moment, Motion, later, log_fluxes, log_reference
from likely.kernels.caching import cached
from likely.typing import FloatArray

LONGEST, LONGEST_CALM = 0.2, 2.0  # a step on the clock; where decay has all but settled
SMOOTH = 0.3  # on the clock: growth that is steady from then on is taken out of w
STIFF = 1.0  # a step on the clock, times `Step.spread`, until then
CALM = 1e-3  # relative change of the decay in a step by which that is told
FIRST = 1e-3  # (1 + |potential|) u at the first node
NEGLIGIBLE = math.log(1e-10)  # of flux times time at which a solution ends
FALL = 3.0  # the density falls by no more than exp(-3) in a step once decisions are likely
HORIZON = 1e6  # seconds
NOTICED = math.log(1e-6)  # of flux times time below which roughness does not matter
LIKELY = 0.1  # share decided before which a low flux means nothing
VANISHED = 1e-7  # share of its first value at which the boundary counts as closed
SETTLED = 1e-7  # relative change of the decay in a step, with which a solution ends

_compiled = numba.njit(error_model="numpy", nogil=True)


@functools.cache
def _source() -> str:
    """Return what compiled code here depends on; numba's own cache sees this file alone."""
    names = ("wiener", "images", "motion", "breaks", "collocation", "marching")
    return "".join(Path(__file__).with_name(f"{name}.py").read_text("utf8") for name in names)


def _kept(function: Callable[..., Any]) -> Any:
    return cached(function, (function.__name__, _source()), error_model="numpy", nogil=True)


class Nodes(NamedTuple):
    """Where a solution is known.

    Args:
        times: decision times (m,) in seconds, ascending.
        clocks: the scaled clock there.
        paths: integral of the drift in the middle up to there.
        growths: rate of growth of w that is taken out before each node.
        breaks: whether drift or boundary is broken before each node.
        logs: log of exp(N) w at each boundary, (m, 2).
    """

    times: FloatArray
    clocks: FloatArray
    paths: FloatArray
    growths: FloatArray
    breaks: NDArray[np.bool_]
    logs: FloatArray


class Progress(NamedTuple):
    """How far the choice of nodes has come.

    Args:
        now: the last node.
        flux: log of the density there.
        seen: share decided before.
        decay: rate per second at which the density falls.
        rough: largest roughness of w, in proportion to the time since a break.
    """

    now: Moment
    flux: float
    seen: float
    decay: float
    rough: float


def room_for_nodes(count: int) -> Nodes:
    """Return room for that many nodes."""
    times, clocks, paths, growths = np.zeros((4, count))
    breaks = np.zeros(count, dtype=bool)
    return Nodes(times, clocks, paths, growths, breaks, np.zeros((count, 2)))


def first_nodes(nodes: Nodes, count: int) -> Nodes:
    """Return that many of the nodes, the first ones."""
    return Nodes(
        nodes.times[:count].copy(),
        nodes.clocks[:count].copy(),
        nodes.paths[:count].copy(),
        nodes.growths[:count].copy(),
        nodes.breaks[:count].copy(),
        nodes.logs[:count].copy(),
    )


@_compiled
def _begin(work: Room, space: Basis, s: float, motion: Motion) -> tuple[Moment, float]:
    """Set w at the first node; return that moment and the scale of w."""
    now = later(Moment(0.0, motion.b0, 0.0, 0.0), s, motion)
    set_flow(work.node, space, now, motion)
    set_first(work, space, now, motion)
    return now, log_first(now, motion)


@_compiled
def _keep(nodes: Nodes, g: int, now: Moment, growth: float, broken: bool) -> None:
    nodes.times[g], nodes.clocks[g], nodes.paths[g] = now.s, now.u, now.path
    nodes.growths[g], nodes.breaks[g] = growth, broken


@_compiled
def _moved(past: Progress, now: Moment, flux: float, rough: float, since: Moment) -> Progress:
    """Return the progress after one more node, with the flux and w as rough as given."""
    step = now.s - past.now.s
    seen = past.seen + 0.5 * (math.exp(flux) + math.exp(past.flux)) * step
    if flux + math.log(now.s) > NOTICED or rough == np.inf:
        rough = max(past.rough, rough * (1.0 - since.s / now.s))  # after a break it soon goes
    else:
        rough = past.rough
    return Progress(now, flux, seen, (past.flux - flux) / step, rough)


@_compiled
def _over(past: Progress, here: Progress, motion: Motion) -> bool:
    """Tell whether what is left of a solution is negligible."""
    s = here.now.s
    flux, before = here.flux + math.log(s), past.flux + math.log(past.now.s)
    faded = here.seen > LIKELY and flux < min(before, NEGLIGIBLE)
    return faded or s > HORIZON or here.now.b < motion.b0 * VANISHED


@_compiled
def _settled(past: Progress, here: Progress, growths: FloatArray, g: int, motion: Motion) -> bool:
    """Tell whether the density has come to fall at a steady rate for good."""
    change = abs(here.decay - past.decay)
    calm = g > 3 and growths[g - 3] != 0.0 and change <= SETTLED * here.decay
    return calm and still(here.now, motion)


@_kept
def plan(work: Room, space: Basis, nodes: Nodes, motion: Motion) -> tuple[int, float]:
    """Choose nodes and solve roughly: return the number of nodes and the roughness of w.

    Args:
        work: room to work in.
        space: a Basis.
        nodes: to be filled.
        motion: a Motion.
    """
    now, scale = _begin(work, space, first_time(work.middle, space, motion, FIRST), motion)
    _keep(nodes, 0, now, 0.0, False)
    read_ends(nodes.logs[0], work, space, scale)
    below, above = log_fluxes(nodes.logs[0], now, motion)
    past = Progress(now, np.logaddexp(below, above), 0.0, 0.0, 0.0)
    since = Moment(0.0, motion.b0, 0.0, 0.0)  # the last break
    growth, edge, longest, pause = 0.0, 0.0, LONGEST, np.inf
    for g in range(1, nodes.times.shape[0]):
        broken, e = edge > 0.0, edge
        if broken:
            since, edge = now, 0.0
        else:
            e, edge = next_time(now, longest, min(pause, now.s - since.s), motion)
        step = across(work, space, now, e, growth, motion)
        now, scale = step.end, scale + step.change
        _keep(nodes, g, now, growth, broken)
        read_ends(nodes.logs[g], work, space, scale)
        below, above = log_fluxes(nodes.logs[g], now, motion)
        rough = roughness(work, space, 1.0 / (1.0 + math.exp(below - above)))
        here = _moved(past, now, np.logaddexp(below, above), rough, since)
        if _over(past, here, motion) or _settled(past, here, nodes.growths, g, motion):
            return g + 1, here.rough
        turn = abs(here.decay - past.decay)
        calm = growth != 0.0 and turn <= CALM * max(abs(here.decay), 1.0 / now.s)
        stiff = min(LONGEST, STIFF / (step.spread + 1e-300))
        longest = min(1.5 * longest, LONGEST_CALM) if calm else stiff
        pause = FALL / here.decay if here.seen > LIKELY and here.decay > 0.0 else np.inf
        growth = step.growth if now.u - since.u > SMOOTH else 0.0
        past = here
    return nodes.times.shape[0], past.rough


@_kept
def halved(nodes: Nodes, motion: Motion) -> Nodes:
    """Return twice as many nodes, those given at even places; their logs are to be filled in."""
    count = 2 * nodes.times.shape[0] - 1
    times, clocks = np.empty(count), np.empty(count)
    paths, growths = np.empty(count), np.empty(count)
    breaks = np.empty(count, dtype=np.bool_)
    for g in range(count):
        k = (g + 1) // 2
        if g % 2 == 0:
            times[g], clocks[g], paths[g] = nodes.times[k], nodes.clocks[k], nodes.paths[k]
        else:
            begin = Moment(nodes.times[k - 1], 0.0, nodes.clocks[k - 1], nodes.paths[k - 1])
            middle = later(begin, math.sqrt(nodes.times[k - 1] * nodes.times[k]), motion)
            times[g], clocks[g], paths[g] = middle.s, middle.u, middle.path
        growths[g], breaks[g] = nodes.growths[k], nodes.breaks[k]
    return Nodes(times, clocks, paths, growths, breaks, np.empty((count, 2)))


@_kept
def follow(
    work: Room, space: Basis, nodes: Nodes, cuts: int, logs: FloatArray, motion: Motion
) -> None:
    """Follow w from node to node.

    Args:
        work: room to work in.
        space: a Basis.
        nodes: as planned.
        cuts: steps between two nodes.
        logs: to be filled with the log of exp(N) w at each boundary, (m, 2).
        motion: a Motion.
    """
    now, scale = _begin(work, space, nodes.times[0], motion)
    read_ends(logs[0], work, space, scale)
    for g in range(1, nodes.times.shape[0]):
        ratio = (nodes.times[g] / now.s) ** (1.0 / cuts)
        for cut in range(cuts):
            e = nodes.times[g] if cut == cuts - 1 else now.s * ratio
            step = across(work, space, now, e, nodes.growths[g], motion)
            now, scale = step.end, scale + step.change
        read_ends(logs[g], work, space, scale)


@_kept
def references(times: FloatArray, nodes: Nodes, motion: Motion, out: FloatArray) -> None:
    """Fill out (n, 2) with logs of the flux per second of q exp(F) at decision times (n,).

    Args:
        times: positive decision times; those beyond the last node count as the last.
        nodes: known moments.
        motion: a Motion.
        out: to be filled.
    """
    last = nodes.times.shape[0] - 1
    for i in range(times.shape[0]):
        j = np.searchsorted(nodes.times, times[i], side="right") - 1
        s = min(times[i], nodes.times[last])
        if j < 0:
            now = Moment(0.0, motion.b0, 0.0, 0.0)
        else:
            now = Moment(nodes.times[j], 0.0, nodes.clocks[j], nodes.paths[j])
        if j < 0 or s > now.s:
            now = later(now, s, motion)
        else:
            now = Moment(now.s, motion.boundary(s, motion.row.ctypes), now.u, now.path)
        out[i, 0], out[i, 1] = log_reference(now, motion)
