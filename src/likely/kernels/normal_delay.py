"""Mixtures after a delay that is normal from trial to trial, if positive, in compiled float64.

`likely.networks.normal_delay` says what their law is, and has it in JAX. Densities are sums over
terms and nodes (`likely.kernels.node_terms`), and so are probabilities of no response
(`likely.kernels.node_survival`). As far as derivatives are concerned, nodes depend on no parameter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.accumulators import TINY
from likely.kernels.decision_nodes import (
    NODES,
    TRIALS,
    Nodes,
    Tile,
    find_windows,
    limits,
    place_nodes,
    room_for_nodes,
    room_for_trials,
)
from likely.kernels.factors import LEAST_LOG, log_whole, rate_of
from likely.kernels.inverse_gaussian import HALF_LOG_TWO_PI, log_ndtr
from likely.kernels.mixture_terms import LEAST, MOST
from likely.kernels.node_survival import undecided, undecided_from_logarithms
from likely.kernels.node_terms import (
    add_moments,
    by_moments,
    by_rate,
    contributions,
    exponents,
    spread,
    write_terms,
)
from likely.kernels.parts import ANY, NEITHER, NOBODY, Law, chosen_of, decision, kernels_of
from likely.kernels.rng import normal
from likely.kernels.sides import inlined
from likely.typing import FloatArray

SHORTEST = 1e-5  # seconds: a smaller standard deviation is one of that

_compiled = numba.njit(nogil=True, error_model="numpy")


class _Room(NamedTuple):
    """Workspace.

    Args:
        tile: trials whose windows are found abreast.
        nodes: of one trial.
        each: what terms contribute at nodes, (terms, N).
        sums: sums of these over terms, (N,).
        masses: weights of nodes, (N,).
        found: derivatives by outputs (m,).
        by: those of each node, by outputs and time, (N, m + 1).
        work: numbers for one factor (5, terms).
    """

    tile: Tile
    nodes: Nodes
    each: FloatArray
    sums: FloatArray
    masses: FloatArray
    found: FloatArray
    by: FloatArray
    work: FloatArray


class _Known(NamedTuple):
    """What is known of the rows of a block; see `Tile` of what windows are made of.

    Args:
        plain: p, q and r of terms, (R, 3, terms).
        rates: closing rates, or 0, (R,).
        means: of delays, (R,).
        sds: their standard deviations, (R,).
        positive: logs of the probability that a normal delay is > 0, (R,).
        cut: its derivatives by mean / sd, (R,).
        fastest: q sd, at most, (R,).
        slowest: q sd, at least, (R,).
        barriers: r / sd, (R,).
    """

    plain: FloatArray
    rates: FloatArray
    means: FloatArray
    sds: FloatArray
    positive: FloatArray
    cut: FloatArray
    fastest: FloatArray
    slowest: FloatArray
    barriers: FloatArray


class _Sums(NamedTuple):
    """Sums over the trials of each row.

    Args:
        by_outputs: derivatives by outputs (R, m), but for the moments' share.
        moments: of terms: their shares, those times u, and times v, (R, 3, terms).
        fast: derivatives by the closing rate, (R,).
        later: derivatives by the mean, in standard deviations, (R,).
        wider: derivatives by the log of the standard deviation, (R,).
    """

    by_outputs: FloatArray
    moments: FloatArray
    fast: FloatArray
    later: FloatArray
    wider: FloatArray


@_compiled
def _hazard(x, log_below):  # type: ignore[no-untyped-def]
    """Return the derivative by x of the log of the normal distribution function at x."""
    return math.exp(-0.5 * x * x - HALF_LOG_TWO_PI - log_below)


@_compiled
def _known(form, block, outputs):  # type: ignore[no-untyped-def]
    """Return what is known of the rows of a block, with outputs (R, m)."""
    components, count = form.part.components, len(outputs)
    terms = len(form.choices) * components
    numbers = np.empty((8, count))
    known = _Known(
        np.empty((count, 3, terms)), numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
        numbers[5], numbers[6], numbers[7],
    )  # fmt: skip
    for r in range(count):
        mean, sd = block.rows[r, form.others[0]], max(block.rows[r, form.others[1]], SHORTEST)
        rate = rate_of(outputs[r], terms)
        write_terms(outputs[r], known.plain[r])
        fastest, slowest, barrier = limits(outputs[r], known.plain[r], components, rate)
        known.rates[r], known.means[r], known.sds[r] = rate, mean, sd
        known.positive[r] = log_ndtr(mean / sd)
        known.cut[r] = _hazard(mean / sd, known.positive[r])
        known.fastest[r], known.slowest[r] = fastest * sd, slowest * sd
        known.barriers[r] = barrier / sd
    return known


@inlined
def _put(tile, known, n, i, r, chosen, s):  # type: ignore[no-untyped-def]
    """Put a trial with a time s > 0 at a place of the tile."""
    sd = known.sds[r]
    latest = (s - known.means[r]) / sd
    tile.trials[n], tile.rows[n], tile.chosen[n] = i, r, chosen
    tile.longest[n], tile.latest[n] = s / sd, latest
    tile.least[n], tile.most[n] = latest - known.fastest[r], latest - known.slowest[r]
    tile.barriers[n], tile.roots[n] = known.barriers[r], np.cbrt(known.barriers[r])


@inlined
def _dense(at, known, r, span, cotangent, sums):  # type: ignore[no-untyped-def]
    """Return the log density of some terms at the nodes' trial; add its derivatives."""
    nodes, each, plain = at.nodes, at.each, known.plain[r]
    top = exponents(plain, span, nodes.stretched, nodes.paces, nodes.bells, each, at.sums)
    if not top > LEAST_LOG:
        return -np.inf
    total = contributions(span, top, nodes.weights, each, at.sums)
    if not total > 0.0:
        return -np.inf
    if cotangent != 0.0:
        scale = cotangent / total
        add_moments(span, scale, nodes.stretched, nodes.paces, each, sums.moments[r])
        away, squared = spread(at.sums, nodes.away)
        sums.later[r] += scale * away - cotangent * known.cut[r]
        sums.wider[r] += scale * squared - cotangent
        sums.wider[r] += cotangent * known.cut[r] * known.means[r] / known.sds[r]
        if known.rates[r] > 0.0:
            found = by_rate(plain, span, nodes.paces, nodes.faster, nodes.steeper, each, at.sums)
            sums.fast[r] += scale * found
    return top + math.log(total) - known.positive[r] - 2.0 * HALF_LOG_TWO_PI


@inlined
def _undecided(at, known, outputs, r, t, cotangent, sums):  # type: ignore[no-untyped-def]
    """Return the log probability of no response by the time of a trial; add its derivatives."""
    nodes = at.nodes
    until = at.tile.begins[t] - at.tile.latest[t]
    waiting = log_ndtr(until)  # before the first node nothing is decided
    top = undecided(nodes, known.plain[r], outputs, at.masses, at.sums, at.found)
    rest, decided = math.exp(waiting - top), at.sums.sum()
    if not rest + decided >= TINY:
        top = undecided_from_logarithms(nodes, outputs, waiting, at.work, at.by, at.sums, at.found)
        if not top > LEAST_LOG:
            return -np.inf
        rest, decided = math.exp(waiting - top), at.sums.sum()
    total = rest + decided
    value = top + math.log(total) - known.positive[r]
    if cotangent == 0.0 or value > 0.0:
        return min(value, 0.0)
    scale, late = cotangent / total, rest * _hazard(until, waiting)
    for j in range(len(at.found)):
        sums.by_outputs[r, j] += scale * at.found[j]
    away, squared = spread(at.sums, nodes.away)
    sums.later[r] += scale * (away + late) - cotangent * known.cut[r]
    sums.wider[r] += scale * (squared - decided - late * until)
    sums.wider[r] += cotangent * known.cut[r] * known.means[r] / known.sds[r]
    return value


@_compiled
def _together(known, outputs, at, n, components, cotangents, values, sums):  # type: ignore[no-untyped-def]
    """Write the log densities of a tile's first n trials, and add their derivatives."""
    tile = at.tile
    find_windows(tile, n)
    for t in range(n):
        i, r, chosen = tile.trials[t], tile.rows[t], tile.chosen[t]
        place_nodes(tile, t, known.sds[r], known.rates[r], at.nodes)
        if chosen == NOBODY:
            values[i] = _undecided(at, known, outputs[r], r, t, cotangents[i], sums)
            continue
        span = (0, known.plain.shape[2])
        if chosen != ANY:
            span = (chosen * components, (chosen + 1) * components)
        values[i] = _dense(at, known, r, span, cotangents[i], sums)


@_compiled
def _without_window(outputs, components, s, chosen, cotangent, by_outputs):  # type: ignore[no-untyped-def]
    """Return the log density of a trial without a time, or at one that is impossible.

    Adds its derivatives by outputs.
    """
    if chosen == NEITHER:
        return -np.inf
    if s > -np.inf:
        return 0.0 if chosen == NOBODY and s <= LEAST else -np.inf
    if chosen < 0:
        return 0.0
    span = (chosen * components, (chosen + 1) * components)
    return log_whole(outputs, span, cotangent, by_outputs)


@_compiled
def _judge(form, at, block, outputs, trials, cotangents, values, by_outputs, by_row):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `judge`."""
    components, count, n = form.part.components, len(block.rows), 0
    outputs, by_outputs = outputs[:, 0], by_outputs[:, 0]
    known = _known(form, block, outputs)
    moments = np.zeros(known.plain.shape)
    sums = _Sums(by_outputs, moments, np.zeros(count), np.zeros(count), np.zeros(count))
    for r in range(count):
        if not block.inside[r]:
            continue
        for k in range(block.begins[r], block.begins[r + 1]):
            i = block.own[k]
            chosen, s = chosen_of(form.choices, trials[i, 1]), trials[i, 0]
            if chosen != NEITHER and LEAST < s < MOST:
                _put(at.tile, known, n, i, r, chosen, s)
                n += 1
                if n == TRIALS:
                    _together(known, outputs, at, n, components, cotangents, values, sums)
                    n = 0
            else:
                values[i] = _without_window(
                    outputs[r], components, s, chosen, cotangents[i], by_outputs[r]
                )
    _together(known, outputs, at, n, components, cotangents, values, sums)
    for r in range(count):
        if block.inside[r]:
            _finish(form, known, r, sums, block.rows[r], by_row[r])


@_compiled
def _finish(form, known, r, sums, row, by_row):  # type: ignore[no-untyped-def]
    """Add to derivatives by a row's outputs and parameters what sums over its trials are worth."""
    terms, by_outputs = known.plain.shape[2], sums.by_outputs[r]
    by_moments(known.plain[r], sums.moments[r], by_outputs)
    if len(by_outputs) > 3 * terms:
        by_outputs[3 * terms] += sums.fast[r]
    by_row[form.others[0]] += sums.later[r] / known.sds[r]
    if row[form.others[1]] > SHORTEST:
        by_row[form.others[1]] += sums.wider[r] / known.sds[r]


@_compiled
def _delay(mean, sd, state):  # type: ignore[no-untyped-def]
    """Draw a normal delay that is not negative; the mean is not, so that it does not take long."""
    mean = mean if mean > 0.0 else 0.0
    while True:
        z, state = normal(state)
        delay = mean + sd * z
        if not delay < 0.0:
            return delay, state


@_compiled
def _draw(form, outputs, row, state):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `draw`."""
    s, chosen, state = decision(form, outputs[0], state)
    delay, state = _delay(row[form.others[0]], max(row[form.others[1]], SHORTEST), state)
    return s + delay, chosen, state


@_compiled
def _room(form):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `room`."""
    terms, size = len(form.choices) * form.part.components, form.part.sizes[-1]
    return _Room(
        room_for_trials(),
        room_for_nodes(),
        np.empty((terms, NODES)),
        np.empty(NODES),
        np.empty(NODES),
        np.empty(size),
        np.empty((NODES, size + 1)),
        np.empty((5, terms)),
    )


# A form has one part; its other parameters are mean and standard deviation of the delay.
NORMAL_DELAY = kernels_of(Law(_room, _judge, _draw), "normal_delay")
