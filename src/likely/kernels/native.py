"""Entry points of densities as native symbols.

Numba compiles a function's callees again into every caller, seconds each time. Called by symbol,
they are compiled once and kept on disk, and a caller, such as a PyMC model, compiles at once.
Every density has two kernels, of the same signature:

    log_likelihood(weights, whole, real, theta, trials (n, 2), values (n,), gradients (n, p))
    draws(weights, whole, real, theta, uniforms (n, 2), normals (n,), trials (n, 2))

where `whole` and `real` are the numbers that describe the density's form (`Packed`). Arrays travel
as pointers; `dims` holds, in order: number of weights, of whole and of real numbers, of parameters,
of parameter rows, of trials, and columns of the last argument.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import llvmlite.binding
import numba
import numpy as np
from numba import carray, types

from likely.kernels.caching import cached_entry, engine_version
from likely.typing import FloatArray

_FLOATS = types.CPointer(types.float64)
_INTS = types.CPointer(types.int64)
_SIGNATURE = types.void(_FLOATS, _INTS, _FLOATS, _INTS, *[_FLOATS] * 4)

Kernel = Any
"""A function compiled by numba, of the signature above."""


class Packed(NamedTuple):
    """What compiled code must know of a density besides its weights, as whole and real numbers."""

    whole: np.ndarray
    real: FloatArray


# Kept as text: numba does not find a closure again on disk.
_ENTRY = """
def entry(weights, whole, real, dims, theta, a, b, c):
    kernel(
        carray(weights, (dims[0],)),
        carray(whole, (dims[1],)),
        carray(real, (dims[2],)),
        carray(theta, (dims[4], dims[3])),
        carray(a, (dims[5], 2)),
        carray(b, (dims[5],)),
        carray(c, (dims[5], dims[6])),
    )
"""


@functools.cache
def _entry(kernel: Kernel) -> Any:
    """Compile an entry point, or load it from disk; kept alive, as the linker points to it."""
    namespace = {"__name__": __name__, "kernel": kernel, "carray": carray}
    exec(_ENTRY, namespace)  # noqa: S102
    return cached_entry(namespace["entry"], _SIGNATURE, _name(kernel))


def _name(kernel: Kernel) -> str:
    function = kernel.py_func
    return f"{function.__module__}.{function.__qualname__}".replace(".", "_")


def _symbol(kernel: Kernel) -> types.ExternalFunction:
    """Make an entry point known to the linker."""
    name = f"{_name(kernel)}_{engine_version():x}"
    llvmlite.binding.add_symbol(name, _entry(kernel).address)
    return types.ExternalFunction(name, _SIGNATURE)


def _call(
    kernel: Kernel, weights: FloatArray, packed: Packed, theta: FloatArray, *rest: FloatArray
) -> None:
    """Call an entry point from Python, without the GIL; `rest` is (n, 2), (n,), (n, k)."""
    if len(theta) not in (1, len(rest[0])):
        raise ValueError(f"{len(theta)} parameter rows do not fit {len(rest[0])} trials.")
    dims = _dims(len(weights), packed, theta.shape[1], rest[-1].shape[1])
    dims[4], dims[5] = len(theta), len(rest[0])
    arrays = (weights, *packed, dims, theta, *rest)
    entry = _entry(kernel).ctypes
    entry(*(a.ctypes.data_as(kind) for a, kind in zip(arrays, entry.argtypes, strict=True)))


def log_densities(
    kernel: Kernel, weights: FloatArray, packed: Packed, theta: FloatArray, trials: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log densities (n,) and gradients (n, p); all arrays float64 and C-contiguous."""
    values, gradients = np.empty(len(trials)), np.empty((len(trials), theta.shape[1]))
    _call(kernel, weights, packed, theta, trials, values, gradients)
    return values, gradients


def draw_trials(
    kernel: Kernel,
    weights: FloatArray,
    packed: Packed,
    theta: FloatArray,
    uniforms: FloatArray,
    normals: FloatArray,
) -> FloatArray:
    """Return trials (n, 2); all arrays float64 and C-contiguous."""
    trials = np.empty((len(normals), 2))
    _call(kernel, weights, packed, theta, uniforms, normals, trials)
    return trials


def _dims(weights: int, packed: Packed, parameters: int, columns: int) -> np.ndarray:
    """Return `dims` with the numbers of rows and of trials still to be filled in."""
    counts = [weights, len(packed.whole), len(packed.real), parameters, 0, 0, columns]
    return np.array(counts, dtype=np.int64)


def log_density_caller(kernel: Kernel, size: int, packed: Packed, parameters: int) -> Any:
    """Return a numba function(weights, theta, trials) -> (log density (n,), gradient (n, p))."""
    call = _symbol(kernel)
    whole, real = packed
    known = _dims(size, packed, parameters, parameters)

    @numba.njit(nogil=True)
    def log_density(weights, theta, trials):  # type: ignore[no-untyped-def]
        n = trials.shape[0]
        if theta.shape[0] != 1 and theta.shape[0] != n:
            raise ValueError("parameter rows do not fit trials.")
        weights, theta = np.ascontiguousarray(weights), np.ascontiguousarray(theta)
        trials = np.ascontiguousarray(trials)
        values, gradients = np.empty(n), np.empty((n, parameters))
        dims = known.copy()
        dims[4], dims[5] = theta.shape[0], n
        call(
            weights.ctypes, whole.ctypes, real.ctypes, dims.ctypes, theta.ctypes,
            trials.ctypes, values.ctypes, gradients.ctypes,
        )  # fmt: skip
        return values, gradients

    return log_density


def draws_caller(kernel: Kernel, size: int, packed: Packed, parameters: int) -> Any:
    """Return a numba function(weights, theta, uniforms, normals) -> trials (n, 2)."""
    call = _symbol(kernel)
    whole, real = packed
    known = _dims(size, packed, parameters, 2)

    @numba.njit(nogil=True)
    def draw(weights, theta, uniforms, normals):  # type: ignore[no-untyped-def]
        n = normals.shape[0]
        if theta.shape[0] != 1 and theta.shape[0] != n:
            raise ValueError("parameter rows do not fit draws.")
        weights, theta = np.ascontiguousarray(weights), np.ascontiguousarray(theta)
        uniforms, normals = np.ascontiguousarray(uniforms), np.ascontiguousarray(normals)
        trials = np.empty((n, 2))
        dims = known.copy()
        dims[4], dims[5] = theta.shape[0], n
        call(
            weights.ctypes, whole.ctypes, real.ctypes, dims.ctypes, theta.ctypes,
            uniforms.ctypes, normals.ctypes, trials.ctypes,
        )  # fmt: skip
        return trials

    return draw
