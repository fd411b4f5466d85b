"""The first-passage mixture in compiled float64: its layout, its network, and draws.

Parameters come as rows, one for all trials or one a trial; draws evaluate the network once for each
distinct row. `likely.kernels.pullback` has the log density and its derivatives. Trials are (rt,
choice) pairs as `likely.trials` encodes them.

Where decisions end at a finite time, as those between closing boundaries do, the mixture is one of
s / (1 - c s) in place of the decision time s, with a closing rate c of the network's own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.closing import close, relax
from likely.kernels.inverse_gaussian import draw
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
def _silu(x):  # type: ignore[no-untyped-def]
    """Apply SiLU to x (width,) in place."""
    for j in range(x.shape[0]):
        x[j] *= 1.0 / (1.0 + math.exp(-x[j]))


@_compiled
def _network(weights, sizes, first, outputs):  # type: ignore[no-untyped-def]
    """Write outputs (rows, m) of the perceptron at inputs `first` (rows, k).

    The flat weights hold each layer's kernel and bias in turn, and then the kernel of the linear
    map from inputs to outputs. `likely.kernels.perceptron` does the same for many rows abreast.
    """
    layers = sizes.shape[0] - 1
    for i in range(first.shape[0]):
        x, begin = first[i], 0
        for layer in range(layers):
            m, n = sizes[layer], sizes[layer + 1]
            y = weights[begin + m * n : begin + m * n + n].copy()
            _multiply(x, weights, begin, y)
            if layer < layers - 1:
                _silu(y)
            x = y
            begin += m * n + n
        _multiply(first[i], weights, begin, x)
        outputs[i] = x


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
def mixtures_at(weights, layout, rows):  # type: ignore[no-untyped-def]
    """Return log w, log mu, log lambda, and the closing rate, if any, of each row, (rows, m)."""
    x, none = np.empty((rows.shape[0], layout.sizes[0])), np.empty((rows.shape[0], 0, 0))
    outputs = np.empty((rows.shape[0], layout.sizes[-1]))
    inputs(layout.features, rows, x, none)
    _network(weights, layout.sizes, x, outputs)
    terms = layout.choices.shape[0] * layout.components
    normalise(outputs, none, terms)
    if outputs.shape[1] > 3 * terms:
        close(outputs, none, 3 * terms)
    return outputs


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
        outputs = mixtures_at(weights, layout, rows)
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
def mixture_draws(weights, whole, real, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
    """Do `draws` for a packed layout."""
    draws(weights, unpack(whole, real), theta, uniforms, normals, trials)
