"""Compiled code of special cases: that of the general model, between a gather and a scatter."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def gather(theta, columns, fixed):  # type: ignore[no-untyped-def]
    """Return the general model's rows (r, m) at rows (r, p) of the special case.

    `columns` (m,) holds the special case's parameter of each of the general model's, or -1 where
    that is fixed at a value of `fixed` (m,).
    """
    rows = np.empty((theta.shape[0], columns.shape[0]))
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            rows[i, j] = theta[i, columns[j]] if columns[j] >= 0 else fixed[j]
    return rows


@_compiled
def scatter(slopes, columns, parameters):  # type: ignore[no-untyped-def]
    """Return derivatives by the special case's parameters, (r, p), of the general one's (r, m)."""
    gradient = np.zeros((slopes.shape[0], parameters))
    for i in range(slopes.shape[0]):
        for j in range(columns.shape[0]):
            if columns[j] >= 0:
                gradient[i, columns[j]] += slopes[i, j]
    return gradient


def pullback_caller(general: Any, columns: np.ndarray, fixed: FloatArray, parameters: int) -> Any:
    """Return a numba function(weights, theta (r, p), index, trials, cotangents (n,), wanted)."""

    @numba.njit(nogil=True)
    def pullback(weights, theta, index, trials, cotangents, wanted):  # type: ignore[no-untyped-def]
        rows = gather(theta, columns, fixed)
        values, slopes = general(weights, rows, index, trials, cotangents, wanted)
        return values, scatter(slopes, columns, parameters)

    return pullback


def draws_caller(general: Any, columns: np.ndarray, fixed: FloatArray) -> Any:
    """Return a numba function(weights, theta, uniforms, normals) -> trials (n, 2)."""

    @numba.njit(nogil=True)
    def draw(weights, theta, uniforms, normals):  # type: ignore[no-untyped-def]
        return general(weights, gather(theta, columns, fixed), uniforms, normals)

    return draw
