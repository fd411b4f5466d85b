"""The first-passage mixture in compiled float64: log density, its gradient, and draws.

Parameters come as rows, one for all trials or one a trial. The network is evaluated once for each
distinct row, together with its derivatives, so a trial costs one exponential per component.
Trials are (rt, choice) pairs as `likely.trials` encodes them.

Where decisions end at a finite time, as those between closing boundaries do, the mixture is one of
s / (1 - c s) in place of the decision time s, with a closing rate c of the network's own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.closing import close, relax, stretch
from likely.kernels.inverse_gaussian import draw, log_density_terms, log_survival_terms
from likely.kernels.mixture_draws import pick
from likely.kernels.native import Packed
from likely.kernels.rows import distinct_rows, group_by
from likely.kernels.vectors import exponential
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")
_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

REACH = 2.0  # inputs run from -1 to 1 over the box; beyond -2 and 2 they stand still
SMALLEST = 1e-9  # of what a logarithm is taken
ROWS_AT_ONCE = 512  # distinct rows whose network outputs are held in memory together


class Layout(NamedTuple):
    """What compiled code must know of a mixture besides its weights.

    Args:
        sizes: widths of all layers (int64). A first one larger than the number of features means
            that products of two features are inputs too; a last one larger than three outputs a
            term, that there is a closing rate.
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


def pack(layout: Layout) -> Packed:
    """Return a layout as the entry points below read it."""
    counts = [layout.components, layout.non_decision]
    lengths = [len(layout.sizes), len(layout.features), len(layout.support), len(layout.choices)]
    return Packed(
        np.array([*counts, *lengths, *layout.sizes], dtype=np.int64),
        np.concatenate([layout.features.ravel(), layout.support.ravel(), layout.choices]),
    )


@_compiled
def unpack(whole, real):  # type: ignore[no-untyped-def]
    """Return the layout that was packed."""
    features = 4 * whole[3]
    support = features + 2 * whole[4]
    return Layout(
        whole[6 : 6 + whole[2]],
        real[:features].reshape((whole[3], 4)),
        real[features:support].reshape((whole[4], 2)),
        real[support : support + whole[5]],
        whole[0],
        whole[1],
    )


@_compiled
def scale(features, j):  # type: ignore[no-untyped-def]
    """Return the middle of a feature's box and half its width."""
    low, high = features[j, 1], features[j, 2]
    if features[j, 3] > 0:
        low, high = math.log(low), math.log(high)
    return 0.5 * (low + high), 0.5 * (high - low)


@_compiled
def scaled(value, logarithm, centre, half):  # type: ignore[no-untyped-def]
    """Return a parameter's value on the scale of a feature, on which its box is from -1 to 1."""
    return ((math.log(max(value, SMALLEST)) if logarithm else value) - centre) / half


@_compiled
def inputs(features, rows, x, dx):  # type: ignore[no-untyped-def]
    """Write standardised inputs (rows, m) and their derivatives (rows, p, m), which start at 0."""
    count = features.shape[0]
    for j in range(count):
        column = int(features[j, 0])
        logarithm = features[j, 3] > 0
        centre, half = scale(features, j)
        for i in range(rows.shape[0]):
            value = scaled(rows[i, column], logarithm, centre, half)
            x[i, j] = min(max(value, -REACH), REACH)
            if dx.shape[1] > 0 and abs(value) <= REACH:
                slope = 1.0 / max(rows[i, column], SMALLEST) if logarithm else 1.0
                dx[i, column, j] = slope / half
    if x.shape[1] > count:
        _products(count, x, dx)


@_compiled
def _products(count, x, dx):  # type: ignore[no-untyped-def]
    """Write the products of the first `count` inputs, each with itself and those after it."""
    for i in range(x.shape[0]):
        place = count
        for j in range(count):
            for k in range(j, count):
                x[i, place] = x[i, j] * x[i, k]
                for d in range(dx.shape[1]):
                    dx[i, d, place] = x[i, j] * dx[i, d, k] + x[i, k] * dx[i, d, j]
                place += 1


@_compiled
def _multiply(x, weights, begin, result):  # type: ignore[no-untyped-def]
    """Add to result (n,) the product of x (m,) and the matrix (m, n) that begins at `begin`."""
    n = result.shape[0]
    for k in range(x.shape[0]):
        factor = x[k]
        if factor != 0.0:
            offset = begin + k * n
            for j in range(n):
                result[j] += factor * weights[offset + j]


@_compiled
def _silu(x, dx):  # type: ignore[no-untyped-def]
    """Apply SiLU to x (width,) and its derivative to dx (p, width), in place."""
    for j in range(x.shape[0]):
        gate = 1.0 / (1.0 + math.exp(-x[j]))
        slope = gate * (1.0 + x[j] * (1.0 - gate))
        x[j] *= gate
        for d in range(dx.shape[0]):
            dx[d, j] *= slope


@_compiled
def network(weights, sizes, first, dfirst, outputs, slopes):  # type: ignore[no-untyped-def]
    """Write outputs (rows, m) and derivatives (rows, p, m) of the perceptron at inputs `first`.

    The flat weights hold each layer's kernel and bias in turn, and then the kernel of the linear
    map from inputs to outputs.
    """
    p, layers = dfirst.shape[1], sizes.shape[0] - 1
    widest = 0
    for layer in range(layers + 1):
        widest = max(widest, sizes[layer])
    x, dx = np.empty((layers + 1, widest)), np.empty((layers + 1, p, widest))
    for i in range(first.shape[0]):
        x[0, : sizes[0]] = first[i]
        for d in range(p):
            dx[0, d, : sizes[0]] = dfirst[i, d]
        begin = 0
        for layer in range(layers):
            m, n = sizes[layer], sizes[layer + 1]
            y = x[layer + 1, :n]
            for j in range(n):
                y[j] = weights[begin + m * n + j]
            _multiply(x[layer, :m], weights, begin, y)
            for d in range(p):
                dx[layer + 1, d, :n] = 0.0
                _multiply(dx[layer, d, :m], weights, begin, dx[layer + 1, d, :n])
            if layer < layers - 1:
                _silu(y, dx[layer + 1])
            begin += m * n + n
        n = sizes[layers]
        _multiply(x[0, : sizes[0]], weights, begin, x[layers, :n])
        outputs[i] = x[layers, :n]
        for d in range(p):
            _multiply(dx[0, d, : sizes[0]], weights, begin, dx[layers, d, :n])
            slopes[i, d] = dx[layers, d, :n]


@_reordered
def normalise(outputs, slopes, terms):  # type: ignore[no-untyped-def]
    """Turn the first `terms` outputs, logits, into log weights; adjust their derivatives."""
    for i in range(outputs.shape[0]):
        top = -np.inf
        for j in range(terms):
            top = max(top, outputs[i, j])
        total = 0.0
        for j in range(terms):
            total += exponential(outputs[i, j] - top)
        shift = top + math.log(total)
        for j in range(terms):
            outputs[i, j] -= shift
        for d in range(slopes.shape[1]):
            mean = 0.0
            for j in range(terms):
                mean += exponential(outputs[i, j]) * slopes[i, d, j]
            for j in range(terms):
                slopes[i, d, j] -= mean


@_compiled
def mixtures_at(weights, layout, rows, derivatives):  # type: ignore[no-untyped-def]
    """Return log w, log mu, log lambda of each row, (rows, 3CK), and derivatives (rows, p, 3CK)."""
    count, p = rows.shape[0], rows.shape[1] if derivatives else 0
    x = np.empty((count, layout.sizes[0]))
    dx = np.zeros((count, p, layout.sizes[0]))
    outputs = np.empty((count, layout.sizes[-1]))
    slopes = np.empty((count, p, layout.sizes[-1]))
    inputs(layout.features, rows, x, dx)
    network(weights, layout.sizes, x, dx, outputs, slopes)
    terms = layout.choices.shape[0] * layout.components
    normalise(outputs, slopes, terms)
    if outputs.shape[1] > 3 * terms:
        close(outputs, slopes, 3 * terms)
    return outputs, slopes


@_compiled
def rows_of(theta, representatives, first, stop):  # type: ignore[no-untyped-def]
    """Copy the representatives' rows from `first` to `stop`."""
    rows = np.empty((stop - first, theta.shape[1]))
    for r in range(stop - first):
        for j in range(theta.shape[1]):
            rows[r, j] = theta[representatives[first + r], j]
    return rows


@_compiled
def supported(support, row):  # type: ignore[no-untyped-def]
    """Tell whether every parameter of the row is a number within its support."""
    for j in range(len(row)):
        if not (support[j, 0] <= row[j] <= support[j, 1]):
            return False
    return True


@_compiled
def kind_of(choices, rt, choice):  # type: ignore[no-untyped-def]
    """Return what a trial is, a number.

    That is the place of its choice; after those, the place of a choice whose time was not observed;
    and, last, anything else.
    """
    for c in range(choices.shape[0]):
        if choices[c] == choice:
            return c if rt > -np.inf else choices.shape[0] + c
    return 2 * choices.shape[0]


@_compiled
def span_of(layout, rt, choice):  # type: ignore[no-untyped-def]
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
def trial(layout, outputs, slopes, s, span, gradient, work):  # type: ignore[no-untyped-def]
    """Return the log density of one trial; write its derivative by the parameters to `gradient`."""
    first, last, role = span
    terms = len(layout.choices) * layout.components
    for d in range(gradient.shape[0]):
        gradient[d] = 0.0
    if role == 0 and last - first == terms or role < 0 and s <= 0.0:
        return 0.0
    if last == first or role > 0 and not 0.0 < s < np.inf:
        return -np.inf
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
            value, by_mu, by_lambda, by_s = log_density_terms(u, log_u, log_mu, log_lambda)
        elif role < 0:
            value, by_mu, by_lambda, by_s = log_survival_terms(u, log_u, log_mu, log_lambda)
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
    by_u = 0.0
    for j in range(first, last):
        share = work[0, j] / total
        if share == 0.0:  # its derivatives may not be numbers
            continue
        for d in range(len(gradient)):
            gradient[d] += share * (
                slopes[d, j]
                + work[1, j] * slopes[d, terms + j]
                + work[2, j] * slopes[d, 2 * terms + j]
            )
        by_u += share * work[3, j]
    if closing and role != 0:
        by_rate = by_u * u_by_rate + slope_by_rate
        for d in range(len(gradient)):
            gradient[d] += by_rate * slopes[d, 3 * terms]
    if layout.non_decision >= 0 and role != 0:
        gradient[layout.non_decision] -= by_u * u_by_s + slope_by_s
    return best + math.log(total) + log_slope


@_compiled
def log_likelihood(weights, layout, theta, trials, values, gradients):  # type: ignore[no-untyped-def]
    """Write the log density of each trial, (n,), and its derivative by its parameters, (n, p).

    theta is (1, p) or (n, p), trials (n, 2). Where the density is 0 the derivative is 0 too.
    """
    n = trials.shape[0]
    representatives, which = distinct_rows(theta, n)
    order, begins = group_by(which, representatives.shape[0])
    work = np.empty((4, layout.choices.shape[0] * layout.components))
    for block in range(0, representatives.shape[0], ROWS_AT_ONCE):
        stop = min(block + ROWS_AT_ONCE, representatives.shape[0])
        rows = rows_of(theta, representatives, block, stop)
        outputs, slopes = mixtures_at(weights, layout, rows, True)
        for r in range(stop - block):
            inside = supported(layout.support, rows[r])
            shift = rows[r, layout.non_decision] if layout.non_decision >= 0 else 0.0
            for k in range(begins[block + r], begins[block + r + 1]):
                i = order[k]
                if inside:
                    span = span_of(layout, trials[i, 0], trials[i, 1])
                    s = trials[i, 0] - shift
                    values[i] = trial(layout, outputs[r], slopes[r], s, span, gradients[i], work)
                else:
                    values[i] = -np.inf
                    for d in range(theta.shape[1]):
                        gradients[i, d] = 0.0


@_compiled
def draws(weights, layout, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
    """Turn uniforms (n, 2) and normals (n,) into trials (n, 2); theta is (1, p) or (n, p).

    Parameters outside their support give (nan, nan).
    """
    terms = layout.choices.shape[0] * layout.components
    representatives, which = distinct_rows(theta, normals.shape[0])
    order, begins = group_by(which, representatives.shape[0])
    for block in range(0, representatives.shape[0], ROWS_AT_ONCE):
        stop = min(block + ROWS_AT_ONCE, representatives.shape[0])
        rows = rows_of(theta, representatives, block, stop)
        outputs, _ = mixtures_at(weights, layout, rows, False)
        for r in range(stop - block):
            inside = supported(layout.support, rows[r])
            shift = rows[r, layout.non_decision] if layout.non_decision >= 0 else 0.0
            for k in range(begins[block + r], begins[block + r + 1]):
                i = order[k]
                j = pick(outputs[r], terms, uniforms[i, 0])
                mu, lam = math.exp(outputs[r, terms + j]), math.exp(outputs[r, 2 * terms + j])
                s = draw(mu, lam, normals[i], uniforms[i, 1])
                if outputs.shape[1] > 3 * terms:
                    s = relax(s, outputs[r, 3 * terms])
                trials[i, 0] = shift + s if inside else np.nan
                trials[i, 1] = layout.choices[j // layout.components] if inside else np.nan


@_compiled
def mixture_log_likelihood(weights, whole, real, theta, trials, values, gradients):  # type: ignore[no-untyped-def]
    """Do `log_likelihood` for a packed layout."""
    log_likelihood(weights, unpack(whole, real), theta, trials, values, gradients)


@_compiled
def mixture_draws(weights, whole, real, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
    """Do `draws` for a packed layout."""
    draws(weights, unpack(whole, real), theta, uniforms, normals, trials)
