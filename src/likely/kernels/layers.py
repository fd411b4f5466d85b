"""Dense layers in compiled float64: values for many rows at once, and derivatives by the inputs."""

from __future__ import annotations

import numba
import numpy as np

from likely.kernels.elementary import activate

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def forward(weights, sizes, kind, x, values, slopes, bits):  # type: ignore[no-untyped-def]
    """Return outputs (n, m) of dense layers for inputs x (n, sizes[0]), n at most the workspace's.

    The flat weights hold each layer's kernel and bias in turn. Hidden activations and their
    derivatives stay in the rows of `values` and `slopes`, each (layers, n * widest).
    """
    n, begin, layers = x.shape[0], 0, len(sizes) - 1
    for layer in range(layers):
        rows, columns = sizes[layer], sizes[layer + 1]
        kernel = weights[begin : begin + rows * columns].reshape((rows, columns))
        bias = weights[begin + rows * columns : begin + (rows + 1) * columns]
        flat = values[layer, : n * columns]
        y = flat.reshape((n, columns))
        np.dot(x, kernel, y)
        for i in range(n):
            for j in range(columns):
                y[i, j] += bias[j]
        if layer < layers - 1:
            activate(kind, flat, slopes[layer, : n * columns], bits[: n * columns])
        x = y
        begin += (rows + 1) * columns
    return x


@_compiled
def backward(weights, sizes, cotangent, slopes, spare):  # type: ignore[no-untyped-def]
    """Return derivatives by the inputs (n, sizes[0]) from those by the outputs (n, m).

    To be called after `forward`, with the slopes that it left; `spare` is like `slopes`.
    """
    n, begin = cotangent.shape[0], 0
    for layer in range(len(sizes) - 1):
        begin += (sizes[layer] + 1) * sizes[layer + 1]
    for layer in range(len(sizes) - 2, -1, -1):
        rows, columns = sizes[layer], sizes[layer + 1]
        begin -= (rows + 1) * columns
        kernel = weights[begin : begin + rows * columns].reshape((rows, columns))
        flat = spare[layer, : n * rows]
        earlier = flat.reshape((n, rows))
        np.dot(cotangent, kernel.T, earlier)
        if layer > 0:
            for i in range(n * rows):
                flat[i] *= slopes[layer - 1, i]
        cotangent = earlier
    return cotangent
