"""The perceptron for many rows at once, forwards and backwards.

Rows lie abreast (see `likely.kernels.tiles`): an array of widths and rows, (m, B), has B a multiple
of `PADDED`, and what lies beyond the rows is padding. Forwards takes the layers' kernels as they
are, backwards takes them transposed, which `transposed` prepares once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from likely.kernels.tiles import PADDED, add_products
from likely.kernels.vectors import exponential
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")
_contracted = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})


def transposed(weights: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Return flat weights with the kernels transposed; `sizes` are the widths of all layers.

    The flat weights hold each layer's kernel and bias in turn, and then the kernel of the linear
    map from inputs to outputs.
    """
    result, begin = np.array(weights), 0
    shapes = [*zip(sizes[:-1], sizes[1:], strict=True), (sizes[0], sizes[-1])]
    for m, n in shapes:
        end = begin + m * n
        result[begin:end] = weights[begin:end].reshape(m, n).T.ravel()
        begin = end + n
    return result


@_compiled
def padded(rows):  # type: ignore[no-untyped-def]
    """Return how many rows lie abreast where there are that many."""
    return -(-rows // PADDED) * PADDED


@_compiled
def abreast(rows):  # type: ignore[no-untyped-def]
    """Return rows (r, m) abreast, (m, B); the first stands where there are none."""
    result = np.empty((rows.shape[1], padded(rows.shape[0])))
    for j in range(result.shape[0]):
        for i in range(result.shape[1]):
            result[j, i] = rows[i if i < rows.shape[0] else 0, j]
    return result


@_contracted
def _silu(x, slopes):  # type: ignore[no-untyped-def]
    """Apply SiLU to x (n,) in place, and write its derivatives (n,)."""
    for j in range(x.shape[0]):
        gate = 1.0 / (1.0 + exponential(-x[j]))
        slopes[j] = gate * (1.0 + x[j] * (1.0 - gate))
        x[j] *= gate


@_compiled
def everything(sizes):  # type: ignore[no-untyped-def]
    """Return the range of all outputs."""
    return np.array([[0, sizes[-1]]])


@_compiled
def forward(weights, sizes, x, slopes, wanted, outputs):  # type: ignore[no-untyped-def]
    """Write outputs (m, B) at inputs x (k, B), those in the ranges `wanted` (q, 2).

    `slopes` (B * hidden widths in all,) takes the activations' derivatives, which `backward` needs.
    """
    rows, layers = x.shape[1], sizes.shape[0] - 1
    inputs, begin, place = x, 0, 0
    for layer in range(layers - 1):
        m, n = sizes[layer], sizes[layer + 1]
        y = np.empty((n, rows))
        for k in range(n):
            y[k] = weights[begin + m * n + k]
        add_products(x, weights, begin, n, y)
        _silu(y.ravel(), slopes[place : place + n * rows])
        place += n * rows
        begin += m * n + n
        x = y
    m, n = sizes[layers - 1], sizes[layers]
    for q in range(wanted.shape[0]):
        first, last = wanted[q]
        y = outputs[first:last]
        for k in range(first, last):
            outputs[k] = weights[begin + m * n + k]
        add_products(x, weights, begin + first, n, y)
        add_products(inputs, weights, begin + m * n + n + first, n, y)


@_compiled
def backward(turned, sizes, slopes, wanted, by_outputs, by_inputs):  # type: ignore[no-untyped-def]
    """Add to by_inputs (k, B) the derivatives by inputs, given those by outputs (m, B).

    Derivatives by outputs outside the ranges `wanted` (q, 2) are 0, whatever is written there.
    """
    rows, layers = by_outputs.shape[1], sizes.shape[0] - 1
    begin, place = 0, 0
    for layer in range(layers - 1):
        begin += (sizes[layer] + 1) * sizes[layer + 1]
        place += rows * sizes[layer + 1]
    m, n = sizes[layers - 1], sizes[layers]
    dx = np.zeros((m, rows)) if layers > 1 else by_inputs
    for q in range(wanted.shape[0]):
        first, last = wanted[q]
        dy = by_outputs[first:last]
        skip = begin + m * n + n
        add_products(dy, turned, skip + first * sizes[0], sizes[0], by_inputs)
        add_products(dy, turned, begin + first * m, m, dx)
    for layer in range(layers - 2, -1, -1):
        m, n = sizes[layer], sizes[layer + 1]
        begin -= (m + 1) * n
        place -= rows * n
        _scale(dx.ravel(), slopes[place : place + rows * n])
        dy = dx
        dx = np.zeros((m, rows)) if layer > 0 else by_inputs
        add_products(dy, turned, begin, m, dx)


@_compiled
def along(weights, sizes, slopes, directions, results):  # type: ignore[no-untyped-def]
    """Add to results (q, m, B) how outputs change along directions (q, k, B) of the inputs.

    `slopes` are those that `forward` left.
    """
    rows, layers = directions.shape[2], sizes.shape[0] - 1
    for d in range(directions.shape[0]):
        x, begin, place = directions[d], 0, 0
        for layer in range(layers):
            m, n = sizes[layer], sizes[layer + 1]
            y = results[d] if layer == layers - 1 else np.zeros((n, rows))
            add_products(x, weights, begin, n, y)
            if layer < layers - 1:
                _scale(y.ravel(), slopes[place : place + n * rows])
                place += n * rows
            begin += m * n + n
            x = y
        add_products(directions[d], weights, begin, sizes[layers], results[d])


@_compiled
def _scale(x, factors):  # type: ignore[no-untyped-def]
    """Multiply x (n,) by factors (n,)."""
    for j in range(x.shape[0]):
        x[j] *= factors[j]
