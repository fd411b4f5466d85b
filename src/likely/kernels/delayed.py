"""Mixtures after a delay that varies uniformly from trial to trial, in compiled float64.

The density of a choice is its probability within a window of decision times, over the window's
length; `likely.networks.delayed` has the same in JAX. Trials with a time and a choice are judged
abreast (`likely.kernels.window`), unless their density comes near to underflowing; the others one
at a time, from logarithms.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.factors import (
    LATER,
    LEAST_LOG,
    between_terms,
    clock,
    factor,
    log_mixed,
    log_whole,
    rate_of,
)
from likely.kernels.mixture_terms import LEAST, MOST
from likely.kernels.native import Kernels
from likely.kernels.parts import ANY, NEITHER, NOBODY, Law, chosen_of, decision, kernels_of
from likely.kernels.rng import uniform
from likely.kernels.sides import TRIALS, Tile, coefficients, put, room_for_tile
from likely.kernels.window import START, back, by_moments, judge
from likely.typing import FloatArray

SHORTEST = 1e-5  # seconds: a narrower window is one of that length
NODES = 24  # of the mean over delays of the probability that nothing happened
_X, _W = np.polynomial.legendre.leggauss(NODES)
_SHARES, _WEIGHTS = 0.5 * (1.0 + _X), 0.5 * _W

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def _within(outputs, terms, span, s, width, cotangent, by_outputs, work):  # type: ignore[no-untyped-def]
    """Return the log density of some terms at s > 0, and its derivatives by s and width.

    Adds those by outputs, times a cotangent. `work` is of shape (5, terms).
    """
    rate, by_begin, by_end = rate_of(outputs, terms), 0.0, 0.0
    end, end_by_s, end_by_rate = clock(s, rate)
    begin, begin_by_s, begin_by_rate = clock(max(s - width, 0.0), rate)
    for j in range(span[0], span[1]):
        found = between_terms(begin, end, outputs[terms + j], outputs[2 * terms + j])
        work[0, j] = outputs[j] + found[0]
        work[1, j], work[2, j], work[3, j], work[4, j] = found[1:]
    value = log_mixed(work[0], span)
    if value == -np.inf:
        return value, 0.0, 0.0
    for j in range(span[0], span[1]):
        share = work[0, j]
        if share > 0.0:  # otherwise its derivatives may not be numbers
            by_outputs[j] += cotangent * share
            by_outputs[terms + j] += cotangent * share * work[1, j]
            by_outputs[2 * terms + j] += cotangent * share * work[2, j]
            by_begin += share * work[3, j]
            by_end += share * work[4, j]
    if len(outputs) > 3 * terms:
        by_rate = by_begin * begin_by_rate + by_end * end_by_rate
        by_outputs[3 * terms] += cotangent * by_rate
    by_s = by_end * end_by_s + by_begin * begin_by_s
    return value - math.log(width), by_s, -by_begin * begin_by_s - 1.0 / width


@_compiled
def _undecided(outputs, terms, s, width, cotangent, by_outputs, work):  # type: ignore[no-untyped-def]
    """Return the log probability of no response by s > 0, and its derivatives by s and width.

    Adds those by outputs, times a cotangent. The probability is the mean over delays.
    """
    size = len(outputs)
    by, values = np.empty((NODES, size + 1)), np.empty(NODES)
    decided, inside = min(width, s), width <= s
    best, total, by_s, by_width = -np.inf, 0.0, 0.0, 0.0
    for n in range(NODES):
        time = max(s - _SHARES[n] * decided, 1e-12)
        values[n] = factor(outputs, terms, (0, terms), time, LATER, work, by[n])
        best = max(best, values[n])
    if not best > LEAST_LOG and inside:
        return -np.inf, 0.0, 0.0
    # Where the delay exceeds s, nothing is decided yet.
    top = best if inside else 0.0
    waiting = 0.0 if inside else 1.0 - s / width
    for n in range(NODES):
        values[n] = _WEIGHTS[n] * math.exp(values[n] - top)
        total += values[n]
    mean = decided / width * total + waiting
    for n in range(NODES):
        share = decided / width * values[n] / mean
        for j in range(size):
            by_outputs[j] += cotangent * share * by[n, j]
        by_s += share * by[n, size] * (1.0 if inside else 1.0 - _SHARES[n])
        by_width -= share * by[n, size] * (_SHARES[n] if inside else 0.0)
    if not inside:
        by_s += (total - 1.0) / (width * mean)
        by_width -= s / width * (total - 1.0) / (width * mean)
    return top + math.log(mean), by_s, by_width


class _Room(NamedTuple):
    """Workspace: a tile, and numbers for one trial (5, terms)."""

    tile: Tile
    work: FloatArray


class _Known(NamedTuple):
    """What is known of the rows of a block.

    Args:
        plain: what their terms are made of, (R, 7, terms).
        rates: closing rates, or 0, (R,).
        shifts: earliest non-decision times (R,).
        widths: longest delays (R,).
    """

    plain: FloatArray
    rates: FloatArray
    shifts: FloatArray
    widths: FloatArray


class _Sums(NamedTuple):
    """Sums over the trials of each row.

    Args:
        by_outputs: derivatives by outputs (R, m), but for the moments' share.
        moments: of terms, (R, 3, terms).
        late: derivatives by time, (R,).
        wider: derivatives by width, (R,).
        fast: derivatives by the closing rate, (R,).
    """

    by_outputs: FloatArray
    moments: FloatArray
    late: FloatArray
    wider: FloatArray
    fast: FloatArray


@_compiled
def _known(form, block, outputs):  # type: ignore[no-untyped-def]
    """Return what is known of the rows of a block, with outputs (R, m)."""
    terms, count = len(form.choices) * form.part.components, len(outputs)
    rates, shifts, widths = np.empty(count), np.empty(count), np.empty(count)
    for r in range(count):
        spread = block.rows[r, form.others[0]]
        rates[r] = rate_of(outputs[r], terms)
        shifts[r] = block.rows[r, form.non_decision] - spread
        widths[r] = max(2.0 * spread, SHORTEST)
    return _Known(coefficients(outputs, terms), rates, shifts, widths)


@_compiled
def _alone(form, outputs, s, chosen, width, cotangent, by_outputs, work):  # type: ignore[no-untyped-def]
    """Return the log density of a trial with a time, and its derivatives by s and width.

    Adds those by outputs, times a cotangent.
    """
    if chosen == NOBODY and s <= 0.0:
        return 0.0, 0.0, 0.0
    if chosen == NEITHER or not 0.0 < s < np.inf:
        return -np.inf, 0.0, 0.0
    components = form.part.components
    terms = len(form.choices) * components
    if chosen == NOBODY:
        return _undecided(outputs, terms, s, width, cotangent, by_outputs, work)
    span = (0, terms)
    if chosen != ANY:
        span = (chosen * components, (chosen + 1) * components)
    return _within(outputs, terms, span, s, width, cotangent, by_outputs, work)


@_compiled
def _single(form, known, outputs, at, r, s, chosen, cotangent, sums):  # type: ignore[no-untyped-def]
    """Return the log density of a trial of a row, and add its derivatives."""
    by_outputs, width = sums.by_outputs[r], known.widths[r]
    value, by_s, by_width = _alone(
        form, outputs[r], s, chosen, width, cotangent, by_outputs, at.work
    )
    if value > -np.inf:
        sums.late[r] += cotangent * by_s
        sums.wider[r] += cotangent * by_width
    return value


@_compiled
def _together(form, known, outputs, at, n, trials, cotangents, values, sums):  # type: ignore[no-untyped-def]
    """Write the log densities of a tile's first n trials, and add their derivatives."""
    tile = at.tile
    judge(tile, known.plain, n)
    for t in range(n):
        i, r = tile.trials[t], tile.rows[t]
        value = tile.logs[t] - math.log(known.widths[r])
        values[i] = value
        if math.isnan(value):
            s, chosen = trials[i, 0] - known.shifts[r], tile.chosen[t]
            values[i] = _single(form, known, outputs, at, r, s, chosen, cotangents[i], sums)
        elif cotangents[i] != 0.0:
            late, early, fast = back(tile, t, cotangents[i], sums.moments)
            sums.late[r] += late
            sums.wider[r] += early - cotangents[i] / known.widths[r]
            sums.fast[r] += fast


@_compiled
def _judge(form, at, block, outputs, trials, cotangents, values, by_outputs, by_row):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `judge`."""
    components, count, n = form.part.components, len(block.rows), 0
    terms, tile = len(form.choices) * components, at.tile
    outputs, by_outputs = outputs[:, 0], by_outputs[:, 0]
    known = _known(form, block, outputs)
    sums = _Sums(
        by_outputs, np.zeros((count, 3, terms)), np.zeros(count), np.zeros(count), np.zeros(count)
    )
    for r in range(count):
        if not block.inside[r]:
            continue
        for k in range(block.begins[r], block.begins[r + 1]):
            i = block.own[k]
            chosen, s = chosen_of(form.choices, trials[i, 1]), trials[i, 0] - known.shifts[r]
            if chosen >= 0 and LEAST < s < MOST:
                first, begin = chosen * components, max(s - known.widths[r], START)
                tile.trials[n], tile.rows[n], tile.chosen[n] = i, r, chosen
                put(tile, known.plain[r], known.rates[r], n, 0, first, s)
                put(tile, known.plain[r], known.rates[r], n, 1, first, begin)
                n += 1
                if n == TRIALS:
                    _together(form, known, outputs, at, n, trials, cotangents, values, sums)
                    n = 0
            elif trials[i, 0] > -np.inf:
                values[i] = _single(form, known, outputs, at, r, s, chosen, cotangents[i], sums)
            elif chosen >= 0:
                span = (chosen * components, (chosen + 1) * components)
                values[i] = log_whole(outputs[r], span, cotangents[i], by_outputs[r])
            else:
                values[i] = -np.inf if chosen == NEITHER else 0.0
    _together(form, known, outputs, at, n, trials, cotangents, values, sums)
    by_moments(known.plain, sums.moments, by_outputs)
    for r in range(count):
        if by_outputs.shape[1] > 3 * terms:
            by_outputs[r, -1] += sums.fast[r]
        by_row[r, form.non_decision] -= sums.late[r]
        by_row[r, form.others[0]] += sums.late[r]
        if known.widths[r] > SHORTEST:
            by_row[r, form.others[0]] += 2.0 * sums.wider[r]


@_compiled
def _draw(form, outputs, row, state):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `draw`."""
    s, chosen, state = decision(form, outputs[0], state)
    u, state = uniform(state)
    delay = row[form.non_decision] + (2.0 * u - 1.0) * row[form.others[0]]
    return delay + s, chosen, state


@functools.cache
def delayed_kernels(components: int) -> Kernels:
    """Return the loops for mixtures of that many terms a choice.

    A form has one part, and, as the only other parameter, the half range of the delay.
    """
    numbers = (0.0,) * components

    @_compiled
    def room(form):  # type: ignore[no-untyped-def]
        terms = len(form.choices) * form.part.components
        tile = room_for_tile(numbers)
        return _Room(tile, np.empty((5, terms)))

    return kernels_of(Law(room, _judge, _draw), f"delayed_{components}")
