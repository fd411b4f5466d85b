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

from likely.kernels.closing import relax, stretch
from likely.kernels.inverse_gaussian import (
    log_density_terms,
    log_ndtr,
    log_scaled_tail,
    log_survival_terms,
)
from likely.kernels.mixture import pick
from likely.kernels.mixture_terms import LEAST, MOST
from likely.kernels.native import Kernels
from likely.kernels.parts import ANY, NEITHER, NOBODY, Law, chosen_of, kernels_of, log_sum
from likely.kernels.rng import inverse_gaussian, uniform
from likely.kernels.window import (
    START,
    TRIALS,
    Tile,
    back,
    by_moments,
    coefficients,
    judge,
    put,
    room_for_tile,
)
from likely.typing import FloatArray

SHORTEST = 1e-5  # seconds: a narrower window is one of that length
LEAST_LOG = -1e29  # a lower log density is that of what is impossible
NODES = 24  # of the mean over delays of the probability that nothing happened
_X, _W = np.polynomial.legendre.leggauss(NODES)
_SHARES, _WEIGHTS = 0.5 * (1.0 + _X), 0.5 * _W
_LOG_HALF = math.log(0.5)

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def _bounded(x):  # type: ignore[no-untyped-def]
    """Return exp(x), finite."""
    return math.exp(min(x, 700.0))


@_compiled
def _distributed(u, log_u, log_mu, log_lambda):  # type: ignore[no-untyped-def]
    """Return logs of P(S < u), of P(S > u), of the density, and of what is reflected."""
    root, scaled = math.exp(0.5 * (log_lambda - log_u)), math.exp(log_u - log_mu)
    early, late = root * (scaled - 1.0), root * (scaled + 1.0)
    reflected = log_scaled_tail(late) - 0.5 * early * early
    direct = log_ndtr(early)
    best = max(direct, reflected)
    earlier = best + math.log1p(math.exp(min(direct, reflected) - best))
    later = log_survival_terms(u, log_u, log_mu, log_lambda)[0]
    return earlier, later, log_density_terms(u, log_u, log_mu, log_lambda)[0], reflected


@_compiled
def between_terms(begin, end, log_mu, log_lambda):  # type: ignore[no-untyped-def]
    """Return log P(begin < S < end), for begin >= 0, and its derivatives.

    They are those by log mu, log lambda, begin and end. It is a difference of whichever tails are
    the smaller ones.
    """
    earlier, later, dense, reflected = _distributed(end, math.log(end), log_mu, log_lambda)
    value, by_begin, mirrored = earlier, 0.0, 0.0
    if begin > 0.0:
        first = _distributed(begin, math.log(begin), log_mu, log_lambda)
        larger, smaller = (first[1], later) if first[1] < _LOG_HALF else (earlier, first[0])
        value = larger + math.log(-math.expm1(min(smaller - larger, -1e-15)))
        by_begin, mirrored = -_bounded(first[2] - value), _bounded(first[3] - value)
    by_end = _bounded(dense - value)
    mirrored = 2.0 * math.exp(log_lambda - log_mu) * (_bounded(reflected - value) - mirrored)
    return value, -mirrored, mirrored - by_end * end - by_begin * begin, by_begin, by_end


@_compiled
def _rate(form, outputs):  # type: ignore[no-untyped-def]
    """Return the closing rate, 0 if there is none."""
    terms = len(form.part.choices) * form.part.components
    return outputs[3 * terms] if len(outputs) > 3 * terms else 0.0


@_compiled
def _clock(s, rate):  # type: ignore[no-untyped-def]
    """Return the stretched time of s >= 0, and its derivatives by s and by the closing rate."""
    if rate > 0.0 and s > 0.0:
        u, _, by_s, by_rate, _, _ = stretch(s, rate)
        return u, by_s, by_rate
    return s, 1.0, s * s


@_compiled
def within(form, outputs, span, s, width, cotangent, by_outputs, work):  # type: ignore[no-untyped-def]
    """Return the log density of some terms at s > 0, and its derivatives by s and width.

    Adds those by outputs, times a cotangent. `work` is of shape (5, terms).
    """
    first, last = span
    terms, rate = len(form.part.choices) * form.part.components, _rate(form, outputs)
    end, end_by_s, end_by_rate = _clock(s, rate)
    begin, begin_by_s, begin_by_rate = _clock(max(s - width, 0.0), rate)
    best, total = -np.inf, 0.0
    for j in range(first, last):
        found = between_terms(begin, end, outputs[terms + j], outputs[2 * terms + j])
        work[0, j] = outputs[j] + found[0]
        work[1, j], work[2, j], work[3, j], work[4, j] = found[1:]
        best = max(best, work[0, j])
    if not best > LEAST_LOG:
        return -np.inf, 0.0, 0.0
    by_begin, by_end = 0.0, 0.0
    for j in range(first, last):
        work[0, j] = math.exp(work[0, j] - best)
        total += work[0, j]
    for j in range(first, last):
        share = work[0, j] / total
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
    value = best + math.log(total) - math.log(width)
    return value, by_s, -by_begin * begin_by_s - 1.0 / width


@_compiled
def _survive(form, outputs, s, work, logs, by):  # type: ignore[no-untyped-def]
    """Return the log probability of no decision by s > 0; write its derivatives to `by` (m + 1,).

    They are those by outputs, and, last, by s.
    """
    terms, rate = len(form.part.choices) * form.part.components, _rate(form, outputs)
    u, u_by_s, u_by_rate = _clock(s, rate)
    log_u, best, total, by_u = math.log(u), -np.inf, 0.0, 0.0
    for j in range(terms):
        found = log_survival_terms(u, log_u, outputs[terms + j], outputs[2 * terms + j])
        logs[j] = outputs[j] + found[0]
        work[1, j], work[2, j], work[3, j] = found[1:]
        best = max(best, logs[j])
    by[:] = 0.0
    if not best > LEAST_LOG:
        return -np.inf
    for j in range(terms):
        logs[j] = math.exp(logs[j] - best)
        total += logs[j]
    for j in range(terms):
        share = logs[j] / total
        if share > 0.0:
            by[j] = share
            by[terms + j], by[2 * terms + j] = share * work[1, j], share * work[2, j]
            by_u += share * work[3, j]
    if len(outputs) > 3 * terms:
        by[3 * terms] = by_u * u_by_rate
    by[-1] = by_u * u_by_s
    return best + math.log(total)


@_compiled
def undecided(form, outputs, s, width, cotangent, by_outputs, work):  # type: ignore[no-untyped-def]
    """Return the log probability of no response by s > 0, and its derivatives by s and width.

    Adds those by outputs, times a cotangent. The probability is the mean over delays.
    """
    terms, size = len(form.part.choices) * form.part.components, len(outputs)
    by, values, logs = np.empty((NODES, size + 1)), np.empty(NODES), np.empty(terms)
    decided, inside = min(width, s), width <= s
    best, total, by_s, by_width = -np.inf, 0.0, 0.0, 0.0
    for n in range(NODES):
        time = max(s - _SHARES[n] * decided, 1e-12)
        values[n] = _survive(form, outputs, time, work, logs, by[n])
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
        plain: what their terms are made of, (R, 5, terms).
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
        rates[r] = _rate(form, outputs[r])
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
    if chosen == NOBODY:
        return undecided(form, outputs, s, width, cotangent, by_outputs, work)
    components = form.part.components
    span = (0, len(form.choices) * components)
    if chosen != ANY:
        span = (chosen * components, (chosen + 1) * components)
    return within(form, outputs, span, s, width, cotangent, by_outputs, work)


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
            s, chosen = trials[i, 0] - known.shifts[r], tile.firsts[t] // len(tile.terms)
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
                begin = max(s - known.widths[r], START)
                put(tile, known.plain, known.rates[r], n, i, r, chosen * components, s, begin)
                n += 1
                if n == TRIALS:
                    _together(form, known, outputs, at, n, trials, cotangents, values, sums)
                    n = 0
            elif trials[i, 0] > -np.inf:
                values[i] = _single(form, known, outputs, at, r, s, chosen, cotangents[i], sums)
            elif chosen >= 0:
                span = (chosen * components, (chosen + 1) * components)
                values[i] = log_sum(outputs[r], span, cotangents[i], by_outputs[r])
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
    terms = len(form.choices) * form.part.components
    u, state = uniform(state)
    k = pick(outputs[0], terms, u)
    mean, shape = math.exp(outputs[0, terms + k]), math.exp(outputs[0, 2 * terms + k])
    s, state = inverse_gaussian(mean, shape, state)
    if outputs.shape[1] > 3 * terms:
        s = relax(s, outputs[0, 3 * terms])
    u, state = uniform(state)
    delay = row[form.non_decision] + (2.0 * u - 1.0) * row[form.others[0]]
    return delay + s, k // form.part.components, state


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
