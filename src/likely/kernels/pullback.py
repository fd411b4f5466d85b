"""Log densities of trials under mixtures, and their derivative by parameter rows, in one pass.

Derivatives flow backwards: from trials to the mixtures of the rows that they share, and from there
once through the network, whatever the number of parameters. `likely.kernels.mixture` says what
mixtures and layouts are.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numba
import numpy as np

from likely.kernels.closing import close, stretch
from likely.kernels.inverse_gaussian import log_density_terms, log_survival_terms
from likely.kernels.mixture import (
    REACH,
    SMALLEST,
    inputs,
    kind_of,
    normalise,
    scale,
    supported,
    unpack,
)
from likely.kernels.mixture_terms import coefficients, finish, term_sums
from likely.kernels.perceptron import abreast, backward, everything, forward, padded
from likely.kernels.rows import row_of
from likely.kernels.vectors import exponential

ROWS_AT_ONCE = 96  # parameter rows whose mixtures are held in memory together
ABREAST = 8  # trials: groups begin at multiples of it
FEW = 3  # trials of a group for which the vectors' padding does not pay

_compiled = numba.njit(nogil=True, error_model="numpy")
_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_compiled
def by_rows(features, rows, x, dx, gradient):  # type: ignore[no-untyped-def]
    """Add to gradient (rows, p), given derivatives dx (rows, m) by inputs; dx is lost."""
    count = features.shape[0]
    if x.shape[1] > count:
        for i in range(rows.shape[0]):
            place = count
            for j in range(count):
                for k in range(j, count):
                    dx[i, j] += dx[i, place] * x[i, k]
                    dx[i, k] += dx[i, place] * x[i, j]
                    place += 1
    for j in range(count):
        column, logarithm = int(features[j, 0]), features[j, 3] > 0
        half = scale(features, j)[1]
        for i in range(rows.shape[0]):
            if abs(x[i, j]) < REACH:
                slope = 1.0 / max(rows[i, column], SMALLEST) if logarithm else 1.0
                gradient[i, column] += dx[i, j] * slope / half


@_reordered
def by_logits(outputs, by_outputs, terms):  # type: ignore[no-untyped-def]
    """Turn derivatives by what `normalise` and `close` made into those by the outputs."""
    for i in range(outputs.shape[0]):
        total = 0.0
        for j in range(terms):
            total += by_outputs[i, j]
        for j in range(terms):
            by_outputs[i, j] -= total * exponential(outputs[i, j])
        if outputs.shape[1] > 3 * terms:
            by_outputs[i, 3 * terms] *= -math.expm1(-outputs[i, 3 * terms])


@_compiled
def _grouped(choices, rows, index, trials):  # type: ignore[no-untyped-def]
    """Return places of trials sorted by row and kind, and where each group begins and ends."""
    n, kinds = trials.shape[0], 2 * choices.shape[0] + 1
    group = np.empty(n, dtype=np.int64)
    begins = np.zeros(rows * kinds + 1, dtype=np.int64)
    counts = np.zeros(rows * kinds, dtype=np.int64)
    for i in range(n):
        row = row_of(index, rows, i)
        group[i] = row * kinds + kind_of(choices, trials[i, 0], trials[i, 1])
        counts[group[i]] += 1
    for k in range(rows * kinds):
        begins[k + 1] = begins[k] + -(-counts[k] // ABREAST) * ABREAST
    place = np.empty(n, dtype=np.int64)
    ends = begins[:-1].copy()
    for i in range(n):
        place[i] = ends[group[i]]
        ends[group[i]] += 1
    return place, begins, ends


@_compiled
def _by_terms(sums, work, first, terms, by_outputs):  # type: ignore[no-untyped-def]
    """Add to the derivatives by log w, log mu and log lambda of a choice's terms."""
    for k in range(work.shape[1]):
        j, rise, fall = first + k, 2.0 * work[0, k], 2.0 * work[2, k]
        ratio = math.sqrt(rise * fall)  # lambda / mu
        by_outputs[j] += sums[0, k]
        by_outputs[terms + j] -= rise * sums[1, k] + ratio * sums[0, k]
        by_outputs[2 * terms + j] += (0.5 + ratio) * sums[0, k]
        by_outputs[2 * terms + j] += 0.5 * (rise * sums[1, k] + fall * sums[2, k])


@_compiled
def _untimed(outputs, first, last, cotangent, by_outputs):  # type: ignore[no-untyped-def]
    """Return the log probability of the choice with these terms, and add to the derivatives."""
    top, total = -np.inf, 0.0
    for j in range(first, last):
        top = max(top, outputs[j])
    for j in range(first, last):
        total += math.exp(outputs[j] - top)
    value = top + math.log(total)
    for j in range(first, last):
        by_outputs[j] += cotangent * math.exp(outputs[j] - value)
    return value


@_compiled
def _span_of(layout, rt, choice):  # type: ignore[no-untyped-def]
    """Return which terms a trial involves (first, last) and whether its time is a density.

    The time's role is 1 for a response time, 0 for a time not observed, -1 for a time by which
    nothing had happened. An unknown choice has no terms.
    """
    terms = len(layout.choices) * layout.components
    role = 0 if rt == -np.inf or math.isnan(rt) else 1
    if choice == np.inf:
        return 0, terms, -role
    if choice == -np.inf or math.isnan(choice):
        return 0, terms, role
    for c in range(layout.choices.shape[0]):
        if layout.choices[c] == choice:
            return c * layout.components, (c + 1) * layout.components, role
    return 0, 0, role


@_compiled
def _other(outputs, terms, s, span, slopes, work):  # type: ignore[no-untyped-def]
    """Return the log density of a trial of any kind, and its derivative by the decision time.

    Writes that by the outputs (m,). Where the density is 0 derivatives are 0 too.
    """
    first, last, role = span
    slopes[:] = 0.0
    if role == 0 and last - first == terms or role < 0 and s <= 0.0:
        return 0.0, 0.0
    if last == first or role > 0 and not 0.0 < s < np.inf:
        return -np.inf, 0.0
    best = -np.inf
    closing = outputs.shape[0] > 3 * terms
    u, log_slope, u_by_s, u_by_rate, slope_by_s, slope_by_rate = s, 0.0, 1.0, 0.0, 0.0, 0.0
    if closing and role != 0:
        u, log_slope, u_by_s, u_by_rate, slope_by_s, slope_by_rate = stretch(s, outputs[3 * terms])
        if role < 0:
            log_slope, slope_by_s, slope_by_rate = 0.0, 0.0, 0.0
    log_u = math.log(u) if role != 0 else 0.0
    for j in range(first, last):
        log_mu, log_lambda = outputs[terms + j], outputs[2 * terms + j]
        if role > 0:
            value, by_mu, by_lambda, by_time = log_density_terms(u, log_u, log_mu, log_lambda)
        elif role < 0:
            value, by_mu, by_lambda, by_time = log_survival_terms(u, log_u, log_mu, log_lambda)
        else:
            value, by_mu, by_lambda, by_time = 0.0, 0.0, 0.0, 0.0
        work[0, j] = outputs[j] + value
        work[1, j], work[2, j], work[3, j] = by_mu, by_lambda, by_time
        best = max(best, work[0, j])
    if not best > -np.inf:
        return -np.inf, 0.0
    total, by_u = 0.0, 0.0
    for j in range(first, last):
        work[0, j] = math.exp(work[0, j] - best)
        total += work[0, j]
    for j in range(first, last):
        share = work[0, j] / total
        if share > 0.0:  # otherwise its derivatives may not be numbers
            slopes[j] = share
            slopes[terms + j] = share * work[1, j]
            slopes[2 * terms + j] = share * work[2, j]
            by_u += share * work[3, j]
    if closing and role != 0:
        slopes[3 * terms] = by_u * u_by_rate + slope_by_rate
    by_s = by_u * u_by_s + slope_by_s if role != 0 else 0.0
    return best + math.log(total) + log_slope, by_s


@_compiled
def _others(layout, outputs, shift, times, choices, cotangents, values, by_outputs):  # type: ignore[no-untyped-def]
    """Write log densities of trials of any kind, (n,); return their derivative by the shift."""
    terms, size = layout.choices.shape[0] * layout.components, outputs.shape[0]
    slopes, work = np.empty(size), np.empty((4, terms))
    value, by_s, late = 0.0, 0.0, 0.0
    for i in range(times.shape[0]):
        if i == 0 or times[i] != times[i - 1] or choices[i] != choices[i - 1]:
            span = _span_of(layout, times[i], choices[i])
            value, by_s = _other(outputs, terms, times[i] - shift, span, slopes, work)
        values[i] = value
        if value > -np.inf:  # others add nothing, whatever their cotangents
            for j in range(size):
                by_outputs[j] += cotangents[i] * slopes[j]
            late -= cotangents[i] * by_s
    return late


@_compiled
def _sorted(place, size, trials, cotangents):  # type: ignore[no-untyped-def]
    """Return times, choices and cotangents at their places; in between are trials of no weight."""
    times, choices, weights = np.ones(size), np.zeros(size), np.zeros(size)
    for i in range(place.shape[0]):
        times[place[i]] = trials[i, 0]
        choices[place[i]] = trials[i, 1]
        weights[place[i]] = cotangents[i]
    return times, choices, weights


def _judge(components: int) -> Any:
    """Return the function that judges the trials of one row, of mixtures of so many terms."""
    standing, closing = term_sums(components, False), term_sums(components, True)

    @_compiled
    def of_row(layout, outputs, shift, groups, data, tops, rest, by_outputs, work, sums):  # type: ignore[no-untyped-def]
        """Judge trials of one row, add to by_outputs; return their derivative by the shift."""
        begins, ends = groups
        times, choices, cotangents = data
        count, components = layout.choices.shape[0], layout.components
        terms, rate, late = count * components, 0.0, 0.0
        if outputs.shape[0] > 3 * terms:
            rate = outputs[3 * terms]
        for c in range(count):
            first, last = begins[c], begins[c + 1]
            if ends[c] - first <= FEW:
                last = ends[c]
            if first < last:
                coefficients(outputs, c * components, terms, work)
                sums[:] = 0.0
                a, b, d = work[0], work[1], work[2]
                if rate > 0.0:
                    closing(shift, rate, a, b, d, times, cotangents, first, last, tops, rest, sums)
                    by_outputs[3 * terms] += sums[3, 1]
                else:
                    standing(shift, rate, a, b, d, times, cotangents, first, last, tops, rest, sums)
                _by_terms(sums, work, c * components, terms, by_outputs)
                late -= sums[3, 0]
            first, last = begins[count + c], ends[count + c]
            if first < last:
                total = cotangents[first:last].sum()
                begin = c * components
                tops[first:last] = _untimed(outputs, begin, begin + components, total, by_outputs)
        first, last = begins[2 * count], ends[2 * count]
        if first < last:
            late += _others(
                layout, outputs, shift, times[first:last], choices[first:last],
                cotangents[first:last], tops[first:last], by_outputs,
            )  # fmt: skip
        return late

    return of_row


def _puller(components: int) -> Any:
    """Return the function that judges all trials, of mixtures of so many terms a choice."""
    of_row = _judge(components)

    @_compiled
    def pull(weights, layout, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        """Write log densities (n,), and, unless gradient has no rows, its rows (r, p)."""
        kinds = 2 * layout.choices.shape[0] + 1
        terms = layout.choices.shape[0] * layout.components
        size = weights.shape[0] // 2
        plain, turned = weights[:size], weights[size:]
        place, begins, ends = _grouped(layout.choices, theta.shape[0], index, trials)
        sorted_trials = _sorted(place, begins[-1], trials, cotangents)
        tops, rest = np.empty(begins[-1]), np.ones(begins[-1])
        hidden, wanted = layout.sizes[1:-1].sum(), everything(layout.sizes)
        components = layout.components
        work, sums = np.empty((3, components)), np.empty((4, max(components, 2)))
        for block in range(0, theta.shape[0], ROWS_AT_ONCE):
            rows = theta[block : block + ROWS_AT_ONCE]
            x = np.empty((rows.shape[0], layout.sizes[0]))
            none = np.empty((rows.shape[0], 0, 0))  # derivatives, which flow the other way
            inputs(layout.features, rows, x, none)
            slopes = np.empty(padded(rows.shape[0]) * hidden)
            found = np.empty((layout.sizes[-1], padded(rows.shape[0])))
            forward(plain, layout.sizes, abreast(x), slopes, wanted, found)
            outputs = np.ascontiguousarray(found.T[: rows.shape[0]])
            by_outputs = np.zeros(outputs.shape)
            normalise(outputs, none, terms)
            if outputs.shape[1] > 3 * terms:
                close(outputs, none, 3 * terms)
            for r in range(rows.shape[0]):
                begin = (block + r) * kinds
                groups = begins[begin : begin + kinds + 1], ends[begin : begin + kinds]
                if supported(layout.support, rows[r]):
                    shift = rows[r, layout.non_decision] if layout.non_decision >= 0 else 0.0
                    late = of_row(
                        layout, outputs[r], shift, groups, sorted_trials, tops,
                        rest, by_outputs[r], work, sums,
                    )  # fmt: skip
                    if layout.non_decision >= 0 and gradient.shape[0] > 0:
                        gradient[block + r, layout.non_decision] = late
                else:
                    tops[groups[0][0] : groups[0][kinds]] = -np.inf
            if gradient.shape[0] > 0:
                by_logits(outputs, by_outputs, terms)
                found = np.zeros((x.shape[1], padded(rows.shape[0])))
                backward(turned, layout.sizes, slopes, wanted, abreast(by_outputs), found)
                by_inputs = np.ascontiguousarray(found.T[: rows.shape[0]])
                ours = gradient[block : block + ROWS_AT_ONCE]
                by_rows(layout.features, rows, x, by_inputs, ours)
                for r in range(rows.shape[0]):
                    if not supported(layout.support, rows[r]):
                        ours[r] = 0.0  # what is no number spoils nothing else
        finish(tops, rest)
        for i in range(values.shape[0]):
            values[i] = tops[place[i]]

    return pull


@functools.cache
def mixture_pullback(components: int) -> Any:
    """Return the kernel for mixtures of that many terms a choice.

    It takes weights beside transposed ones (`likely.kernels.perceptron.transposed`), a packed
    layout, rows (r, p), the row of each trial or nothing (n,), trials (n, 2), cotangents (n,), and
    fills values (n,) and gradient (r, p), which begins at 0, or (0, p) if none is wanted. Without
    an index all trials have the only row, or each its own.
    """
    pull = _puller(components)

    @_compiled
    def pullback(weights, whole, real, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        layout = unpack(whole, real)
        pull(weights, layout, theta, index, trials, cotangents, values, gradient)

    pullback.py_func.__qualname__ = f"mixture_pullback_{components}"
    return pullback
