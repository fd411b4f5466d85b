"""Log densities of trials that share their parameters with few others, trials abreast.

Here every trial has a column of the network's inputs of its own. Trials of one choice go together,
so that of the last layer only what that choice takes is computed. `likely.kernels.pullback` is for
trials that share rows, and says what the arguments are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.closing import stretch
from likely.kernels.inverse_gaussian import HALF_LOG_TWO_PI
from likely.kernels.mixture import REACH, SMALLEST, kind_of, scale, supported
from likely.kernels.mixture_terms import LEAST, MOST
from likely.kernels.perceptron import backward, forward, padded
from likely.kernels.rows import group_by, row_of
from likely.kernels.vectors import exponential, logarithm, share
from likely.typing import FloatArray

TOGETHER = 96  # trials abreast, at most; a multiple of `tiles.PADDED`

_compiled = numba.njit(nogil=True, error_model="numpy")
_contracted = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


class Block(NamedTuple):
    """Trials abreast, all of one choice, and what is known of them.

    Args:
        mine: parameter row of each, (B,).
        known: whether it has a density, (B,).
        parameters: (p, B); in the end derivatives by them.
        weighted: cotangents, 0 where there is no density, (B,).
        u: stretched decision times, 1 where there is no density, (B,).
        v: 1 / u, (B,).
        stretched: what `stretch` returns, (6, B).
        work: what `_terms` writes, (4, K, B).
        tops: largest exponents, (B,).
        totals: sums of terms relative to those, (B,).
    """

    mine: np.ndarray
    known: np.ndarray
    parameters: FloatArray
    weighted: FloatArray
    u: FloatArray
    v: FloatArray
    stretched: FloatArray
    work: FloatArray
    tops: FloatArray
    totals: FloatArray


@_contracted
def _inputs(features, parameters, x, slopes):  # type: ignore[no-untyped-def]
    """Write the network's inputs (k, B) at parameters (p, B), and the features' slopes."""
    count, rows = features.shape[0], x.shape[1]
    for j in range(count):
        centre, half = scale(features, j)
        values, y, slope = parameters[int(features[j, 0])], x[j], slopes[j]
        over = 1.0 / half
        if features[j, 3] > 0:
            for i in range(rows):
                value = max(values[i], SMALLEST)
                slope[i] = over / value
                y[i] = (logarithm(value) - centre) * over
        else:
            for i in range(rows):
                slope[i] = over
                y[i] = (values[i] - centre) * over
        for i in range(rows):
            slope[i] = slope[i] if abs(y[i]) < REACH else 0.0
            y[i] = min(max(y[i], -REACH), REACH)
    if x.shape[0] > count:
        _products(count, x)


@_compiled
def _products(count, x):  # type: ignore[no-untyped-def]
    """Write the products of the first `count` inputs, each with itself and those after it."""
    place = count
    for j in range(count):
        for k in range(j, count):
            for i in range(x.shape[1]):
                x[place, i] = x[j, i] * x[k, i]
            place += 1


@_contracted
def _by_parameters(features, x, slopes, by_inputs, result):  # type: ignore[no-untyped-def]
    """Write derivatives by parameters (p, B), given those by inputs (k, B), which are lost."""
    count, rows = features.shape[0], x.shape[1]
    if x.shape[0] > count:
        place = count
        for j in range(count):
            for k in range(j, count):
                for i in range(rows):
                    by_inputs[j, i] += by_inputs[place, i] * x[k, i]
                for i in range(rows):
                    by_inputs[k, i] += by_inputs[place, i] * x[j, i]
                place += 1
    result[:] = 0.0
    for j in range(count):
        column = int(features[j, 0])
        for i in range(rows):
            result[column, i] += by_inputs[j, i] * slopes[j, i]


@_reordered
def _normalise(outputs, terms, first, last, tops, totals):  # type: ignore[no-untyped-def]
    """Turn logits into weights, (terms, B), but those from first to last into log weights."""
    rows = outputs.shape[1]
    tops[:], totals[:] = -np.inf, 0.0
    for k in range(terms):
        for i in range(rows):
            tops[i] = max(tops[i], outputs[k, i])
    for k in range(terms):
        if first <= k < last:
            for i in range(rows):
                totals[i] += exponential(outputs[k, i] - tops[i])
        else:
            for i in range(rows):
                outputs[k, i] = exponential(outputs[k, i] - tops[i])
                totals[i] += outputs[k, i]
    for i in range(rows):
        tops[i] += math.log(totals[i])
        totals[i] = 1.0 / totals[i]
    for k in range(terms):
        if first <= k < last:
            for i in range(rows):
                outputs[k, i] -= tops[i]
        else:
            for i in range(rows):
                outputs[k, i] *= totals[i]


@_contracted
def _exponentials(x, result):  # type: ignore[no-untyped-def]
    """Write exp(x) of x (n,)."""
    for i in range(x.shape[0]):
        result[i] = exponential(x[i])


@_contracted
def _exponent(log_w, log_lambda, rise, ratio, fall, u, v, exponent):  # type: ignore[no-untyped-def]
    """Turn 1 / mu of a term in `rise` (B,) into lambda / mu^2; write lambda / mu and the exponent.

    `fall` is lambda.
    """
    for i in range(u.shape[0]):
        ratio[i] = fall[i] * rise[i]
        rise[i] *= ratio[i]
        constant = log_w[i] + ratio[i] + 0.5 * log_lambda[i] - HALF_LOG_TWO_PI
        exponent[i] = constant - 0.5 * (rise[i] * u[i] + fall[i] * v[i])


@_contracted
def _terms(log_w, log_mu, log_lambda, u, v, work, tops):  # type: ignore[no-untyped-def]
    """Write rise, ratio and fall of each term and its exponent, (4, K, B), and the largest, (B,).

    Those are lambda / mu^2, lambda / mu and lambda. What log_mu holds changes its sign.
    """
    rise, ratio, fall, exponent = work[0], work[1], work[2], work[3]
    for k in range(log_w.shape[0]):
        _negate(log_mu[k])
        _exponentials(log_mu[k], rise[k])
        _exponentials(log_lambda[k], fall[k])
        _exponent(log_w[k], log_lambda[k], rise[k], ratio[k], fall[k], u, v, exponent[k])
        _raise(exponent[k], tops)


@_contracted
def _negate(x):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        x[i] = -x[i]


@_contracted
def _raise(x, tops):  # type: ignore[no-untyped-def]
    """Replace tops (n,) by x (n,) where that is larger."""
    for i in range(x.shape[0]):
        tops[i] = max(tops[i], x[i])


@_reordered
def _shares(shares, tops, totals):  # type: ignore[no-untyped-def]
    """Turn exponents (K, B) into densities, relative to exp(tops), and add up those."""
    totals[:] = 0.0
    for k in range(shares.shape[0]):
        for i in range(shares.shape[1]):
            shares[k, i] = share(shares[k, i] - tops[i])
            totals[i] += shares[k, i]


@_contracted
def _by_terms(work, u, v, heights, by_u, by_w, by_mu, by_lambda):  # type: ignore[no-untyped-def]
    """Write derivatives by log w, log mu and log lambda, (K, B) each; add those by u."""
    rise, ratio, fall, shares = work[0], work[1], work[2], work[3]
    for k in range(shares.shape[0]):
        for i in range(shares.shape[1]):
            part = shares[k, i] * heights[i]
            early, late = rise[k, i] * u[i], fall[k, i] * v[i]
            by_u[i] += 0.5 * part * (late * v[i] - rise[k, i])
            by_w[k, i] = part
            by_mu[k, i] = part * (early - ratio[k, i])
            by_lambda[k, i] = part * (0.5 + ratio[k, i] - 0.5 * (early + late))


@_contracted
def _by_logits(outputs, terms, first, last, by_w, weighted):  # type: ignore[no-untyped-def]
    """Turn log weights and weights (terms, B) into derivatives by logits.

    Those by log weights from first to last are given, (K, B), and add up to `weighted` (B,).
    """
    for k in range(terms):
        if first <= k < last:
            for i in range(outputs.shape[1]):
                own = by_w[k - first, i]
                outputs[k, i] = own - weighted[i] * exponential(outputs[k, i])
        else:
            for i in range(outputs.shape[1]):
                outputs[k, i] *= -weighted[i]


@_compiled
def _ranges(layout, c):  # type: ignore[no-untyped-def]
    """Return the ranges (q, 2) of outputs that a choice takes: logits, its terms, closing rate."""
    components = layout.components
    terms, size = layout.choices.shape[0] * components, layout.sizes[-1]
    begin = c * components
    closing = size > 3 * terms
    wanted = np.empty((4 if closing else 3, 2), dtype=np.int64)
    wanted[0] = 0, terms
    wanted[1] = terms + begin, terms + begin + components
    wanted[2] = 2 * terms + begin, 2 * terms + begin + components
    if closing:
        wanted[3] = size - 1, size
    return wanted


@_compiled
def _by_choice(layout, trials, values):  # type: ignore[no-untyped-def]
    """Return trials (m,) of a time and a choice whose values are nan, by choice, and begins."""
    count = layout.choices.shape[0]
    which = np.empty(trials.shape[0], dtype=np.int64)
    for i in range(trials.shape[0]):
        kind = kind_of(layout.choices, trials[i, 0], trials[i, 1])
        which[i] = kind if kind < count and math.isnan(values[i]) else count
    return group_by(which, count + 1)


@_compiled
def _block(layout, theta, index, trials, cotangents, chosen):  # type: ignore[no-untyped-def]
    """Gather the trials `chosen` (n,); the last is repeated as padding, of no weight."""
    n, p, delay = chosen.shape[0], theta.shape[1], layout.non_decision
    width = padded(n)
    at = Block(
        np.empty(width, dtype=np.int64),
        np.zeros(width, dtype=np.bool_),
        np.empty((p, width)),
        np.zeros(width),
        np.ones(width),
        np.empty(width),
        np.zeros((6, width)),
        np.empty((4, layout.components, width)),
        np.full(width, -np.inf),
        np.empty(width),
    )
    for k in range(width):
        i = chosen[min(k, n - 1)]
        row = row_of(index, theta.shape[0], i)
        at.mine[k] = row
        for d in range(p):
            at.parameters[d, k] = theta[row, d]
        s = trials[i, 0] - theta[row, delay] if delay >= 0 else trials[i, 0]
        if k < n and LEAST < s < MOST and supported(layout.support, theta[row]):
            at.known[k], at.u[k], at.weighted[k] = True, s, cotangents[i]
    return at


@_compiled
def _stretch(at, rates):  # type: ignore[no-untyped-def]
    """Turn outputs (B,) into closing rates, and decision times into stretched ones."""
    for k in range(rates.shape[0]):
        rates[k] = max(rates[k], 0.0) + math.log1p(math.exp(-abs(rates[k])))
        at.u[k], a, b, e, f, g = stretch(at.u[k], rates[k])
        at.stretched[1, k], at.stretched[2, k], at.stretched[3, k] = a, b, e
        at.stretched[4, k], at.stretched[5, k] = f, g


@_compiled
def _by_stretch(at, rates, by_u):  # type: ignore[no-untyped-def]
    """Turn rates (B,) into derivatives by their outputs, and those by u (B,) into by time."""
    for k in range(rates.shape[0]):
        by_rate = by_u[k] * at.stretched[3, k] + at.weighted[k] * at.stretched[5, k]
        rates[k] = -by_rate * math.expm1(-rates[k])
        by_u[k] = by_u[k] * at.stretched[2, k] + at.weighted[k] * at.stretched[4, k]


@_compiled
def _judge(layout, at, c, wanted, outputs):  # type: ignore[no-untyped-def]
    """Write work, tops and totals, given the network's outputs (m, B), which are normalised."""
    components = layout.components
    terms, first = layout.choices.shape[0] * components, c * components
    _normalise(outputs, terms, first, first + components, at.tops, at.totals)
    if outputs.shape[0] > 3 * terms:
        _stretch(at, outputs[3 * terms])
    for k in range(at.u.shape[0]):
        at.v[k] = 1.0 / at.u[k]
    at.tops[:] = -np.inf
    log_mu = outputs[wanted[1, 0] : wanted[1, 1]]
    log_lambda = outputs[wanted[2, 0] : wanted[2, 1]]
    log_w = outputs[first : first + components]
    _terms(log_w, log_mu, log_lambda, at.u, at.v, at.work, at.tops)
    _shares(at.work[3], at.tops, at.totals)


@_compiled
def _by_outputs(layout, at, c, wanted, outputs):  # type: ignore[no-untyped-def]
    """Turn what `_judge` made of outputs (m, B) into derivatives; return those by time, (B,)."""
    components, width = layout.components, at.u.shape[0]
    terms, first = layout.choices.shape[0] * components, c * components
    heights, by_u = np.empty(width), np.empty(width)
    for k in range(width):
        heights[k] = at.weighted[k] / at.totals[k]
        by_u[k] = -1.5 * at.v[k] * at.weighted[k]
    by_w = np.empty((components, width))
    log_mu = outputs[wanted[1, 0] : wanted[1, 1]]
    log_lambda = outputs[wanted[2, 0] : wanted[2, 1]]
    _by_terms(at.work, at.u, at.v, heights, by_u, by_w, log_mu, log_lambda)
    _by_logits(outputs, terms, first, first + components, by_w, at.weighted)
    if outputs.shape[0] > 3 * terms:
        _by_stretch(at, outputs[3 * terms], by_u)
    return by_u


@_compiled
def _scatter(at, delay, by_time, gradient):  # type: ignore[no-untyped-def]
    """Add derivatives by parameters (p, B), and those by time, to the gradient's rows."""
    for k in range(at.known.shape[0]):
        if at.known[k]:
            for d in range(gradient.shape[1]):
                gradient[at.mine[k], d] += at.parameters[d, k]
            if delay >= 0:
                gradient[at.mine[k], delay] -= by_time[k]


@_compiled
def pull_own_rows(weights, layout, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
    """Write log densities (n,), where they are nan yet, and add to gradient, rows (r, p) or none.

    Left as they are are those of trials of other kinds than a time and a choice.
    """
    size, sizes = weights.shape[0] // 2, layout.sizes
    plain, turned = weights[:size], weights[size:]
    order, begins = _by_choice(layout, trials, values)
    for c in range(layout.choices.shape[0]):
        wanted = _ranges(layout, c)
        for begin in range(begins[c], begins[c + 1], TOGETHER):
            chosen = order[begin : min(begin + TOGETHER, begins[c + 1])]
            at = _block(layout, theta, index, trials, cotangents, chosen)
            width = at.u.shape[0]
            x, outputs = np.empty((sizes[0], width)), np.empty((sizes[-1], width))
            steepness = np.empty((layout.features.shape[0], width))
            activations = np.empty(sizes[1:-1].sum() * width)
            _inputs(layout.features, at.parameters, x, steepness)
            forward(plain, sizes, x, activations, wanted, outputs)
            _judge(layout, at, c, wanted, outputs)
            for k in range(chosen.shape[0]):
                value = at.tops[k] + math.log(at.totals[k]) - 1.5 * math.log(at.u[k])
                values[chosen[k]] = value + at.stretched[1, k] if at.known[k] else -np.inf
            if gradient.shape[0] > 0:
                by_time = _by_outputs(layout, at, c, wanted, outputs)
                by_inputs = np.zeros(x.shape)
                backward(turned, sizes, activations, wanted, outputs, by_inputs)
                _by_parameters(layout.features, x, steepness, by_inputs, at.parameters)
                _scatter(at, layout.non_decision, by_time, gradient)
