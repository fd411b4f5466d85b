"""The mixture's entry points as native symbols.

Numba compiles a function's callees again into every caller, seconds each time. Called by symbol,
they are compiled once and kept on disk, and a caller, such as a PyMC model, compiles at once.
Arrays travel as pointers; `dims` holds, in order: number of weights, of sizes, of features, of
parameters, of choices, components per choice, column of the non-decision time, number of
parameter rows, number of trials.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from numba import carray, types

from likely.kernels.caching import cached_entry, engine_version
from likely.kernels.mixture import Layout, draws, log_likelihood
from likely.typing import FloatArray

_FLOATS = types.CPointer(types.float64)
_INTS = types.CPointer(types.int64)
_SIGNATURE = types.void(_FLOATS, _INTS, _FLOATS, _FLOATS, _FLOATS, _INTS, *[_FLOATS] * 4)


@numba.njit(inline="always")
def _layout(sizes, features, support, choices, dims):  # type: ignore[no-untyped-def]
    return Layout(
        carray(sizes, (dims[1],)),
        carray(features, (dims[2], 4)),
        carray(support, (dims[3], 2)),
        carray(choices, (dims[4],)),
        dims[5],
        dims[6],
    )


def _log_likelihood(  # type: ignore[no-untyped-def]
    weights, sizes, features, support, choices, dims, theta, trials, values, gradients
):
    log_likelihood(
        carray(weights, (dims[0],)),
        _layout(sizes, features, support, choices, dims),
        carray(theta, (dims[7], dims[3])),
        carray(trials, (dims[8], 2)),
        carray(values, (dims[8],)),
        carray(gradients, (dims[8], dims[3])),
    )


def _draws(  # type: ignore[no-untyped-def]
    weights, sizes, features, support, choices, dims, theta, uniforms, normals, trials
):
    draws(
        carray(weights, (dims[0],)),
        _layout(sizes, features, support, choices, dims),
        carray(theta, (dims[7], dims[3])),
        carray(uniforms, (dims[8], 2)),
        carray(normals, (dims[8],)),
        carray(trials, (dims[8], 2)),
    )


@functools.cache
def _entry(function: Any) -> Any:
    """Compile an entry point, or load it from disk; kept alive, as the linker points to it."""
    return cached_entry(function, _SIGNATURE)


def _symbol(function: Any) -> types.ExternalFunction:
    """Make an entry point known to the linker."""
    name = f"likely{function.__name__}_{engine_version():x}"
    llvmlite.binding.add_symbol(name, _entry(function).address)
    return types.ExternalFunction(name, _SIGNATURE)


def _call(
    function: Any, weights: FloatArray, layout: Layout, theta: FloatArray, *rest: FloatArray
) -> None:
    """Call an entry point from Python, without the GIL; `rest` is (n, ...) each."""
    if len(theta) not in (1, len(rest[0])):
        raise ValueError(f"{len(theta)} parameter rows do not fit {len(rest[0])} trials.")
    dims = _dims(len(weights), layout, len(theta), len(rest[0]))
    arrays = (weights, *layout[:4], dims, theta, *rest)
    entry = _entry(function).ctypes
    entry(*(a.ctypes.data_as(kind) for a, kind in zip(arrays, entry.argtypes, strict=True)))


def log_densities(
    weights: FloatArray, layout: Layout, theta: FloatArray, trials: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log densities (n,) and gradients (n, p); all arrays float64 and C-contiguous."""
    values, gradients = np.empty(len(trials)), np.empty((len(trials), theta.shape[1]))
    _call(_log_likelihood, weights, layout, theta, trials, values, gradients)
    return values, gradients


def draw_trials(
    weights: FloatArray,
    layout: Layout,
    theta: FloatArray,
    uniforms: FloatArray,
    normals: FloatArray,
) -> FloatArray:
    """Return trials (n, 2); all arrays float64 and C-contiguous."""
    trials = np.empty((len(normals), 2))
    _call(_draws, weights, layout, theta, uniforms, normals, trials)
    return trials


def _dims(weights: int, layout: Layout, rows: int, n: int) -> np.ndarray:
    return np.array(
        [
            weights,
            len(layout.sizes),
            len(layout.features),
            len(layout.support),
            len(layout.choices),
            layout.components,
            layout.non_decision,
            rows,
            n,
        ],
        dtype=np.int64,
    )


def log_density_caller(size: int, layout: Layout) -> Any:
    """Return a numba function(weights, theta, trials) -> (log density (n,), gradient (n, p))."""
    call = _symbol(_log_likelihood)
    sizes, features, support, choices = layout[:4]
    known = _dims(size, layout, 0, 0)
    p = len(support)

    @numba.njit(nogil=True)
    def log_density(weights, theta, trials):  # type: ignore[no-untyped-def]
        n = trials.shape[0]
        if theta.shape[0] != 1 and theta.shape[0] != n:
            raise ValueError("parameter rows do not fit trials.")
        weights, theta = np.ascontiguousarray(weights), np.ascontiguousarray(theta)
        trials = np.ascontiguousarray(trials)
        values, gradients = np.empty(n), np.empty((n, p))
        dims = known.copy()
        dims[7], dims[8] = theta.shape[0], n
        call(
            weights.ctypes, sizes.ctypes, features.ctypes, support.ctypes, choices.ctypes,
            dims.ctypes, theta.ctypes, trials.ctypes, values.ctypes, gradients.ctypes,
        )  # fmt: skip
        return values, gradients

    return log_density


def draws_caller(size: int, layout: Layout) -> Any:
    """Return a numba function(weights, theta, uniforms, normals) -> trials (n, 2)."""
    call = _symbol(_draws)
    sizes, features, support, choices = layout[:4]
    known = _dims(size, layout, 0, 0)

    @numba.njit(nogil=True)
    def draw(weights, theta, uniforms, normals):  # type: ignore[no-untyped-def]
        n = normals.shape[0]
        if theta.shape[0] != 1 and theta.shape[0] != n:
            raise ValueError("parameter rows do not fit draws.")
        weights, theta = np.ascontiguousarray(weights), np.ascontiguousarray(theta)
        uniforms, normals = np.ascontiguousarray(uniforms), np.ascontiguousarray(normals)
        trials = np.empty((n, 2))
        dims = known.copy()
        dims[7], dims[8] = theta.shape[0], n
        call(
            weights.ctypes, sizes.ctypes, features.ctypes, support.ctypes, choices.ctypes,
            dims.ctypes, theta.ctypes, uniforms.ctypes, normals.ctypes, trials.ctypes,
        )  # fmt: skip
        return trials

    return draw
