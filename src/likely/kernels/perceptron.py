"""The perceptron for many rows at once, forwards and backwards.

Layers are products of matrices. Each is written as dot products along rows of both factors, in
tiles of three by four that keep the processor's multipliers busy. Forwards that takes the layers'
kernels transposed, which `transposed` prepares once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from likely.kernels.vectors import exponential
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")
_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


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


@_reordered
def _add_products(x, kernel, result):  # type: ignore[no-untyped-def]
    """Add to result (rows, n) the product of x (rows, m) and the transpose of kernel (n, m)."""
    rows, m = x.shape
    n = kernel.shape[0]
    tiled_rows, tiled_columns = rows - rows % 3, n - n % 4
    for r in range(0, tiled_rows, 3):
        a, b, c = x[r], x[r + 1], x[r + 2]
        for k in range(0, tiled_columns, 4):
            d, e, f, g = kernel[k], kernel[k + 1], kernel[k + 2], kernel[k + 3]
            ad, ae, af, ag = 0.0, 0.0, 0.0, 0.0
            bd, be, bf, bg = 0.0, 0.0, 0.0, 0.0
            cd, ce, cf, cg = 0.0, 0.0, 0.0, 0.0
            for j in range(m):
                ad += a[j] * d[j]
                ae += a[j] * e[j]
                af += a[j] * f[j]
                ag += a[j] * g[j]
                bd += b[j] * d[j]
                be += b[j] * e[j]
                bf += b[j] * f[j]
                bg += b[j] * g[j]
                cd += c[j] * d[j]
                ce += c[j] * e[j]
                cf += c[j] * f[j]
                cg += c[j] * g[j]
            result[r, k] += ad
            result[r, k + 1] += ae
            result[r, k + 2] += af
            result[r, k + 3] += ag
            result[r + 1, k] += bd
            result[r + 1, k + 1] += be
            result[r + 1, k + 2] += bf
            result[r + 1, k + 3] += bg
            result[r + 2, k] += cd
            result[r + 2, k + 1] += ce
            result[r + 2, k + 2] += cf
            result[r + 2, k + 3] += cg
    for r in range(rows):
        for k in range(tiled_columns if r < tiled_rows else 0, n):
            total = 0.0
            for j in range(m):
                total += x[r, j] * kernel[k, j]
            result[r, k] += total


@_compiled
def _silu(x, slopes):  # type: ignore[no-untyped-def]
    """Apply SiLU to x (n,) in place, and write its derivatives (n,)."""
    for j in range(x.shape[0]):
        gate = 1.0 / (1.0 + exponential(-x[j]))
        slopes[j] = gate * (1.0 + x[j] * (1.0 - gate))
        x[j] *= gate


@_compiled
def forward(turned, sizes, inputs, slopes, outputs):  # type: ignore[no-untyped-def]
    """Write outputs (rows, m) at inputs (rows, k).

    `turned` are the transposed weights; `slopes` (rows * hidden widths in all,) takes the
    activations' derivatives, which `backward` needs.
    """
    rows, layers = inputs.shape[0], sizes.shape[0] - 1
    x, begin, place = inputs, 0, 0
    for layer in range(layers):
        m, n = sizes[layer], sizes[layer + 1]
        bias = turned[begin + m * n : begin + m * n + n]
        y = outputs if layer == layers - 1 else np.empty((rows, n))
        for i in range(rows):
            y[i] = bias
        _add_products(x, turned[begin : begin + m * n].reshape((n, m)), y)
        if layer < layers - 1:
            _silu(y.ravel(), slopes[place : place + rows * n])
            place += rows * n
        begin += m * n + n
        x = y
    m, n = sizes[0], sizes[layers]
    _add_products(inputs, turned[begin : begin + m * n].reshape((n, m)), outputs)


@_compiled
def backward(weights, sizes, slopes, by_outputs, by_inputs):  # type: ignore[no-untyped-def]
    """Add to by_inputs (rows, k) the derivatives by inputs, given those by outputs (rows, m)."""
    rows, layers = by_outputs.shape[0], sizes.shape[0] - 1
    begin, place = 0, 0
    for layer in range(layers):
        begin += (sizes[layer] + 1) * sizes[layer + 1]
        place += rows * sizes[layer + 1]
    place -= rows * sizes[layers]
    m, n = sizes[0], sizes[layers]
    _add_products(by_outputs, weights[begin : begin + m * n].reshape((m, n)), by_inputs)
    dy = by_outputs
    for layer in range(layers - 1, -1, -1):
        m, n = sizes[layer], sizes[layer + 1]
        begin -= (m + 1) * n
        kernel = weights[begin : begin + m * n].reshape((m, n))
        if layer == 0:
            _add_products(dy, kernel, by_inputs)
        else:
            dx = np.zeros((rows, m))
            _add_products(dy, kernel, dx)
            place -= rows * m
            flat = dx.ravel()
            for j in range(rows * m):
                flat[j] *= slopes[place + j]
            dy = dx


@_compiled
def along(turned, sizes, slopes, directions, results):  # type: ignore[no-untyped-def]
    """Add to results (q, rows, m) how outputs change along directions (q, rows, k) of the inputs.

    `slopes` are those that `forward` left.
    """
    rows, layers = directions.shape[1], sizes.shape[0] - 1
    for d in range(directions.shape[0]):
        x, begin, place = directions[d], 0, 0
        for layer in range(layers):
            m, n = sizes[layer], sizes[layer + 1]
            y = results[d] if layer == layers - 1 else np.zeros((rows, n))
            _add_products(x, turned[begin : begin + m * n].reshape((n, m)), y)
            if layer < layers - 1:
                flat = y.ravel()
                for j in range(rows * n):
                    flat[j] *= slopes[place + j]
                place += rows * n
            begin += m * n + n
            x = y
        m, n = sizes[0], sizes[layers]
        _add_products(directions[d], turned[begin : begin + m * n].reshape((n, m)), results[d])
