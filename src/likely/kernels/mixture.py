"""The first-passage mixture in compiled float64: log density, its gradient, and draws.

Parameters come as rows, one for all trials or one a trial. The network is evaluated once for each
distinct row, together with its derivatives, so a trial costs one exponential per component.
Trials are (rt, choice) pairs as `likely.trials` encodes them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.inverse_gaussian import draw, log_density_terms, log_survival_terms
from likely.kernels.rows import distinct_rows, group_by
from likely.typing import FloatArray

ROWS_AT_ONCE = 512  # distinct rows whose network outputs are held in memory together


class Layout(NamedTuple):
    """What compiled code must know of a mixture besides its weights.

    Args:
        sizes: widths of all layers (int64).
        features: one row a feature: column, lower, upper, whether its logarithm enters.
        support: lower and upper end of each parameter's support, (p, 2).
        choices: values of the choices (float64).
        components: inverse Gaussians per choice.
        non_decision: column of the non-decision time, or -1.
    """

    sizes: np.ndarray
    features: FloatArray
    support: FloatArray
    choices: FloatArray
    components: int
    non_decision: int


@numba.njit(cache=True, nogil=True)
def _inputs(features, rows):  # type: ignore[no-untyped-def]
    """Return standardised inputs (rows, F) and their derivatives (p, rows, F)."""
    count, p = rows.shape
    x = np.empty((count, len(features)))
    dx = np.zeros((p, count, len(features)))
    for j in range(len(features)):
        column = int(features[j, 0])
        lower, upper = features[j, 1], features[j, 2]
        logarithm = features[j, 3] > 0
        low, high = (math.log(lower), math.log(upper)) if logarithm else (lower, upper)
        centre, half = 0.5 * (low + high), 0.5 * (high - low)
        for i in range(count):
            value = min(max(rows[i, column], lower), upper)
            x[i, j] = ((math.log(value) if logarithm else value) - centre) / half
            if lower <= rows[i, column] <= upper:
                dx[column, i, j] = (1.0 / value if logarithm else 1.0) / half
    return x, dx


@numba.njit(cache=True, nogil=True)
def _silu(x, dx):  # type: ignore[no-untyped-def]
    """Apply SiLU to x (rows, width) and its derivative to dx (p, rows, width), in place."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            gate = 1.0 / (1.0 + math.exp(-x[i, j]))
            slope = gate * (1.0 + x[i, j] * (1.0 - gate))
            x[i, j] *= gate
            for d in range(dx.shape[0]):
                dx[d, i, j] *= slope


@numba.njit(cache=True, nogil=True)
def network(weights, sizes, x, dx):  # type: ignore[no-untyped-def]
    """Return outputs (rows, m) and derivatives (p, rows, m) of the perceptron at inputs x.

    The flat weights hold each layer's kernel and bias in turn, and then the kernel of the linear
    map from inputs to outputs.
    """
    p, count = dx.shape[0], dx.shape[1]
    first, dfirst = x, dx
    begin = 0
    for layer in range(len(sizes) - 1):
        m, n = sizes[layer], sizes[layer + 1]
        kernel = weights[begin : begin + m * n].reshape(m, n)
        bias = weights[begin + m * n : begin + m * n + n]
        begin += m * n + n
        x = np.dot(x, kernel) + bias
        dx = np.dot(dx.reshape(p * count, m), kernel).reshape(p, count, n)
        if layer < len(sizes) - 2:
            _silu(x, dx)
    m, n = sizes[0], sizes[-1]
    skip = weights[begin : begin + m * n].reshape(m, n)
    x += np.dot(first, skip)
    dx += np.dot(dfirst.reshape(p * count, m), skip).reshape(p, count, n)
    return x, dx


@numba.njit(cache=True, nogil=True)
def _normalise(outputs, slopes, terms):  # type: ignore[no-untyped-def]
    """Turn the first `terms` outputs, logits, into log weights; adjust their derivatives."""
    p = slopes.shape[0]
    for i in range(outputs.shape[0]):
        top = outputs[i, :terms].max()
        total = 0.0
        for j in range(terms):
            total += math.exp(outputs[i, j] - top)
        shift = top + math.log(total)
        for j in range(terms):
            outputs[i, j] -= shift
        for d in range(p):
            mean = 0.0
            for j in range(terms):
                mean += math.exp(outputs[i, j]) * slopes[d, i, j]
            for j in range(terms):
                slopes[d, i, j] -= mean


@numba.njit(cache=True, nogil=True)
def mixtures(weights, layout, rows):  # type: ignore[no-untyped-def]
    """Return log w, log mu, log lambda of each row, (rows, 3CK), and derivatives (rows, 3CK, p)."""
    x, dx = _inputs(layout.features, rows)
    outputs, slopes = network(weights, layout.sizes, x, dx)
    _normalise(outputs, slopes, len(layout.choices) * layout.components)
    return outputs, np.ascontiguousarray(slopes.transpose(1, 2, 0))


@numba.njit(cache=True, nogil=True)
def supported(support, row):  # type: ignore[no-untyped-def]
    """Tell whether every parameter of the row is a number within its support."""
    for j in range(len(row)):
        if not (support[j, 0] <= row[j] <= support[j, 1]):
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _span(layout, rt, choice):  # type: ignore[no-untyped-def]
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
    for c in range(len(layout.choices)):
        if layout.choices[c] == choice:
            return c * layout.components, (c + 1) * layout.components, role
    return 0, 0, role


@numba.njit(cache=True, nogil=True)
def _trial(layout, outputs, slopes, s, span, gradient, work):  # type: ignore[no-untyped-def]
    """Return the log density of one trial; write its derivative by the parameters to `gradient`."""
    first, last, role = span
    terms = len(layout.choices) * layout.components
    gradient[:] = 0.0
    if role == 0 and last - first == terms or role < 0 and s <= 0.0:
        return 0.0
    if last == first or role > 0 and not 0.0 < s < np.inf:
        return -np.inf
    best = -np.inf
    log_s = math.log(s) if role != 0 else 0.0
    for j in range(first, last):
        log_mu, log_lambda = outputs[terms + j], outputs[2 * terms + j]
        if role > 0:
            value, by_mu, by_lambda, by_s = log_density_terms(s, log_s, log_mu, log_lambda)
        elif role < 0:
            value, by_mu, by_lambda, by_s = log_survival_terms(s, log_s, log_mu, log_lambda)
        else:
            value, by_mu, by_lambda, by_s = 0.0, 0.0, 0.0, 0.0
        work[0, j] = outputs[j] + value
        work[1, j], work[2, j], work[3, j] = by_mu, by_lambda, by_s
        best = max(best, work[0, j])
    if not best > -np.inf:
        return -np.inf
    total = 0.0
    for j in range(first, last):
        work[0, j] = math.exp(work[0, j] - best)
        total += work[0, j]
    for j in range(first, last):
        share = work[0, j] / total
        for d in range(len(gradient)):
            gradient[d] += share * (
                slopes[j, d]
                + work[1, j] * slopes[terms + j, d]
                + work[2, j] * slopes[2 * terms + j, d]
            )
        if layout.non_decision >= 0:
            gradient[layout.non_decision] -= share * work[3, j]
    return best + math.log(total)


@numba.njit(cache=True, nogil=True)
def log_likelihood(weights, layout, theta, trials):  # type: ignore[no-untyped-def]
    """Return the log density of each trial, (n,), and its derivative by its parameters, (n, p).

    theta is (1, p) or (n, p), trials (n, 2). Where the density is 0 the derivative is 0 too.
    """
    n, p = len(trials), theta.shape[1]
    values, gradients = np.empty(n), np.zeros((n, p))
    representatives, which = distinct_rows(theta, n)
    order, begins = group_by(which, len(representatives))
    work = np.empty((4, len(layout.choices) * layout.components))
    for block in range(0, len(representatives), ROWS_AT_ONCE):
        stop = min(block + ROWS_AT_ONCE, len(representatives))
        rows = theta[representatives[block:stop]]
        outputs, slopes = mixtures(weights, layout, rows)
        for r in range(stop - block):
            inside = supported(layout.support, rows[r])
            shift = rows[r, layout.non_decision] if layout.non_decision >= 0 else 0.0
            for i in order[begins[block + r] : begins[block + r + 1]]:
                if inside:
                    span = _span(layout, trials[i, 0], trials[i, 1])
                    s = trials[i, 0] - shift
                    values[i] = _trial(layout, outputs[r], slopes[r], s, span, gradients[i], work)
                else:
                    values[i] = -np.inf
    return values, gradients


@numba.njit(cache=True, nogil=True)
def draws(weights, layout, theta, uniforms, normals):  # type: ignore[no-untyped-def]
    """Turn uniforms (n, 2) and normals (n,) into trials (n, 2); theta is (1, p) or (n, p).

    Parameters outside their support give (nan, nan).
    """
    n = len(normals)
    terms = len(layout.choices) * layout.components
    trials = np.full((n, 2), np.nan)
    representatives, which = distinct_rows(theta, n)
    order, begins = group_by(which, len(representatives))
    for block in range(0, len(representatives), ROWS_AT_ONCE):
        stop = min(block + ROWS_AT_ONCE, len(representatives))
        rows = theta[representatives[block:stop]]
        x, _ = _inputs(layout.features, rows)
        outputs, slopes = network(weights, layout.sizes, x, np.empty((0, len(rows), x.shape[1])))
        _normalise(outputs, slopes, terms)
        for r in range(stop - block):
            if not supported(layout.support, rows[r]):
                continue
            shift = rows[r, layout.non_decision] if layout.non_decision >= 0 else 0.0
            cumulative = np.cumsum(np.exp(outputs[r, :terms]))
            for i in order[begins[block + r] : begins[block + r + 1]]:
                level = uniforms[i, 0] * cumulative[-1]
                j = min(np.searchsorted(cumulative, level, side="right"), terms - 1)
                mu, lam = math.exp(outputs[r, terms + j]), math.exp(outputs[r, 2 * terms + j])
                trials[i, 0] = shift + draw(mu, lam, normals[i], uniforms[i, 1])
                trials[i, 1] = layout.choices[j // layout.components]
    return trials
