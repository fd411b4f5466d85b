"""Dense layers in compiled float64: values for many rows at once, and derivatives by the inputs.

Arrays are (features, rows), so that the compiler vectorises over rows. Small products made here
are faster than those of a threaded BLAS, whose threads wait for each other where chains already
keep all cores busy.
"""

from __future__ import annotations

import numba

from likely.kernels.elementary import activate

_compiled = numba.njit(nogil=True, error_model="numpy")


@numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _multiply(kernel, x, y):  # type: ignore[no-untyped-def]
    """Write to y (m, n) the product of the transposed kernel (k, m) and x (k, n).

    Two rows of y and four of x at a time: each loaded number is used more than once.
    """
    inputs, n = x.shape
    outputs = y.shape[0]
    y[:] = 0.0
    j = 0
    while j + 2 <= outputs:
        k = 0
        while k + 4 <= inputs:
            a, b, c, d = kernel[k, j], kernel[k + 1, j], kernel[k + 2, j], kernel[k + 3, j]
            e, f = kernel[k, j + 1], kernel[k + 1, j + 1]
            g, h = kernel[k + 2, j + 1], kernel[k + 3, j + 1]
            for i in range(n):
                p, q, r, s = x[k, i], x[k + 1, i], x[k + 2, i], x[k + 3, i]
                y[j, i] += (a * p + b * q) + (c * r + d * s)
                y[j + 1, i] += (e * p + f * q) + (g * r + h * s)
            k += 4
        while k < inputs:
            _add(kernel[k, j], x[k], y[j])
            _add(kernel[k, j + 1], x[k], y[j + 1])
            k += 1
        j += 2
    if j < outputs:
        for k in range(inputs):
            _add(kernel[k, j], x[k], y[j])


@numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _add(factor, x, y):  # type: ignore[no-untyped-def]
    """Add a multiple of x (n,) to y (n,)."""
    for i in range(len(x)):
        y[i] += factor * x[i]


@_compiled
def forward(weights, sizes, kind, x, values, slopes, bits):  # type: ignore[no-untyped-def]
    """Return outputs (m, n) of dense layers for inputs x (sizes[0], n).

    The flat weights hold each layer's kernel and bias in turn. Hidden activations and their
    derivatives stay in the rows of `values` and `slopes`, each (layers, widest * n or more).
    """
    n, begin, layers = x.shape[1], 0, len(sizes) - 1
    for layer in range(layers):
        rows, columns = sizes[layer], sizes[layer + 1]
        kernel = weights[begin : begin + rows * columns].reshape((rows, columns))
        bias = weights[begin + rows * columns : begin + (rows + 1) * columns]
        flat = values[layer, : columns * n]
        y = flat.reshape((columns, n))
        _multiply(kernel, x, y)
        for j in range(columns):
            for i in range(n):
                y[j, i] += bias[j]
        if layer < layers - 1:
            activate(kind, flat, slopes[layer, : columns * n], bits[: columns * n])
        x = y
        begin += (rows + 1) * columns
    return x


@_compiled
def backward(weights, sizes, cotangent, slopes, spare):  # type: ignore[no-untyped-def]
    """Return derivatives by the inputs (sizes[0], n) from those by the outputs (m, n).

    To be called after `forward`, with the slopes that it left; `spare` is like `slopes`.
    """
    n, begin = cotangent.shape[1], 0
    for layer in range(len(sizes) - 1):
        begin += (sizes[layer] + 1) * sizes[layer + 1]
    for layer in range(len(sizes) - 2, -1, -1):
        rows, columns = sizes[layer], sizes[layer + 1]
        begin -= (rows + 1) * columns
        kernel = weights[begin : begin + rows * columns].reshape((rows, columns))
        flat = spare[layer, : rows * n]
        earlier = flat.reshape((rows, n))
        _multiply(kernel.T, cotangent, earlier)
        if layer > 0:
            for i in range(rows * n):
                flat[i] *= slopes[layer - 1, i]
        cotangent = earlier
    return cotangent
