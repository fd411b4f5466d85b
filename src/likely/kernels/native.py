"""Entry points of densities as native symbols.

Numba compiles a function's callees again into every caller, seconds each time. Called by symbol,
they are compiled once and kept on disk, and a caller, such as a PyMC model, compiles at once.
Every density has two kernels of the same signature, and some have a third, or a fourth like it:

    log_likelihood(weights, whole, real, theta, trials (n, 2), values (n,), gradients (n, p))
    draws(weights, whole, real, theta, uniforms (n, 2), normals (n,), trials (n, 2))
    pullback(weights, whole, real, theta (r, p), index, trials (n, 2), cotangents (n,), values (n,),
             gradient (r, p) or (0, p))

where `whole` and `real` are the numbers that describe the density's form (`Packed`). Arrays travel
as pointers; `dims` holds, in order: number of weights, of whole and of real numbers, of parameters,
of parameter rows, of trials, and columns of the last argument; for the last kernel the length of
the index, which may be 0, and rows of the gradient in place of columns.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import llvmlite.binding
import numba
import numpy as np
from numba import carray, types

from likely.kernels.caching import cached_entry, engine_version
from likely.kernels.rows import contract, few_rows, shared
from likely.kernels.threads import divided_caller
from likely.typing import FloatArray

NO_INDEX = np.empty(0, dtype=np.int64)  # where there is one row only, or one a trial
FEWEST = 64  # rows, or fewer, that no shortcut is tried for

_FLOATS = types.CPointer(types.float64)
_INTS = types.CPointer(types.int64)
_SIGNATURE = types.void(_FLOATS, _INTS, _FLOATS, _INTS, *[_FLOATS] * 4)
_PULL_SIGNATURE = types.void(_FLOATS, _INTS, _FLOATS, _INTS, _FLOATS, _INTS, *[_FLOATS] * 4)

Kernel = Any
"""A function compiled by numba, of a signature above."""


class Packed(NamedTuple):
    """What compiled code must know of a density besides its weights, as whole and real numbers."""

    whole: np.ndarray
    real: FloatArray


class Kernels(NamedTuple):
    """The loops of a density's compiled code.

    Args:
        log_likelihood: which gives the derivatives of each trial by its own parameters.
        draws: which makes trials of random numbers.
        pullback: which gives derivatives by parameter rows at once; None if there is none.
        shortcut: of the pullback's signature, for some trials; it leaves nan at the others. None if
            there is none.
    """

    log_likelihood: Kernel
    draws: Kernel
    pullback: Kernel | None = None
    shortcut: Kernel | None = None


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
_PULL_ENTRY = """
def entry(weights, whole, real, dims, theta, index, trials, cotangents, values, gradient):
    kernel(
        carray(weights, (dims[0],)),
        carray(whole, (dims[1],)),
        carray(real, (dims[2],)),
        carray(theta, (dims[4], dims[3])),
        carray(index, (dims[6],)),
        carray(trials, (dims[5], 2)),
        carray(cotangents, (dims[5],)),
        carray(values, (dims[5],)),
        carray(gradient, (dims[7], dims[3])),
    )
"""


@functools.cache
def _entry(kernel: Kernel, source: str = _ENTRY, signature: Any = _SIGNATURE) -> Any:
    """Compile an entry point, or load it from disk; kept alive, as the linker points to it."""
    namespace = {"__name__": __name__, "kernel": kernel, "carray": carray}
    exec(source, namespace)  # noqa: S102
    return cached_entry(namespace["entry"], signature, _name(kernel))


def _pull_entry(kernel: Kernel) -> Any:
    return _entry(kernel, _PULL_ENTRY, _PULL_SIGNATURE)


def _name(kernel: Kernel) -> str:
    function = kernel.py_func
    return f"{function.__module__}.{function.__qualname__}".replace(".", "_")


def _symbol(kernel: Kernel, entry: Any) -> str:
    """Make an entry point known to the linker; return its name there."""
    name = f"{_name(kernel)}_{engine_version():x}"
    llvmlite.binding.add_symbol(name, entry.address)
    return name


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


def pull(
    kernels: Kernels,
    weights: FloatArray,
    packed: Packed,
    theta: FloatArray,
    index: np.ndarray,
    trials: FloatArray,
    cotangents: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Return log densities (n,) and the gradient (r, p); without cotangents one of no rows.

    All arrays are contiguous, index int64 and the others float64.
    """
    rows, n, p = len(theta), len(trials), theta.shape[1]
    if not (len(index) == n or len(index) == 0 and rows in (1, n)):
        raise ValueError(f"{rows} parameter rows do not fit {n} trials.")
    if len(index) and not (0 <= index.min() and index.max() < rows):
        raise ValueError(f"an index leaves the {rows} parameter rows.")
    wanted = rows if cotangents is not None else 0
    weighted = np.zeros(n) if cotangents is None else cotangents
    gradient = np.zeros((wanted, p))
    few = few_rows(theta, index, n)
    if few and not wanted:
        (theta, index), few = shared(theta, n), False
    if kernels.pullback is None or few:
        own = theta[index] if len(index) else theta
        values, jacobian = log_densities(kernels.log_likelihood, weights, packed, own, trials)
        if wanted:
            contract(values, jacobian, index, weighted, gradient)
        return values, gradient
    values = np.empty(n)
    fill = functools.partial(_call_pull, kernels.pullback, packed)
    if kernels.shortcut is not None and len(theta) > FEWEST:
        fill = _shortened(functools.partial(_call_pull, kernels.shortcut, packed), fill)
    fill(weights, theta, index, trials, weighted, values, gradient)
    return values, gradient


def _shortened(shortcut: Any, by_rows: Any) -> Any:
    """Return a function of the arguments of both that does by rows what the shortcut leaves.

    It is plain Python that numba compiles where both are compiled.
    """

    def fill(weights, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        shortcut(weights, theta, index, trials, cotangents, values, gradient)
        left = np.flatnonzero(np.isnan(values))
        if len(left) == len(values):
            by_rows(weights, theta, index, trials, cotangents, values, gradient)
            return
        which = index[left] if len(index) > 0 else left
        found = np.empty(len(left))
        own = np.zeros((min(len(left), len(gradient)), theta.shape[1]))
        by_rows(weights, theta[which], index[:0], trials[left], cotangents[left], found, own)
        for k in range(len(left)):
            values[left[k]] = found[k]
        for k in range(len(own)):
            for d in range(theta.shape[1]):
                gradient[which[k], d] += own[k, d]

    return fill


def _call_pull(
    kernel: Kernel,
    packed: Packed,
    weights: FloatArray,
    theta: FloatArray,
    index: np.ndarray,
    *rest: FloatArray,
) -> None:
    """Call a pullback; `rest` is trials, cotangents, values and gradient."""
    dims = _pull_dims(len(weights), packed, theta.shape[1])
    dims[4:] = len(theta), len(rest[0]), len(index), len(rest[-1])
    arrays = (weights, *packed, dims, theta, index, *rest)
    entry = _pull_entry(kernel).ctypes
    entry(*(a.ctypes.data_as(kind) for a, kind in zip(arrays, entry.argtypes, strict=True)))


def _pull_dims(weights: int, packed: Packed, parameters: int) -> np.ndarray:
    """Return `dims` with the numbers of rows, trials, indices and wanted rows to be filled in."""
    counts = [weights, len(packed.whole), len(packed.real), parameters, 0, 0, 0, 0]
    return np.array(counts, dtype=np.int64)


def pullback_caller(
    kernels: Kernels, size: int, packed: Packed, parameters: int, threads: int = 1
) -> Any:
    """Return a numba function(weights, theta (r, p), index, trials, cotangents (n,), wanted).

    It returns log densities (n,) and the gradient (r, p), which has no rows unless it is wanted.
    Trials are divided among threads, unless parameters come one row a trial of which few differ.
    """
    by_trials = _by_trials_caller(kernels.log_likelihood, size, packed, parameters)
    by_rows: Any = None
    if kernels.pullback is not None:
        by_rows = _by_rows_caller(kernels.pullback, size, packed, parameters, threads)
    if kernels.shortcut is None:
        shortened = by_rows
    else:
        by_shortcut = _by_rows_caller(kernels.shortcut, size, packed, parameters, threads)
        shortened = numba.njit(nogil=True)(_shortened(by_shortcut, by_rows))

    @numba.njit(nogil=True)
    def pullback(weights, theta, index, trials, cotangents, wanted):  # type: ignore[no-untyped-def]
        n, rows = trials.shape[0], theta.shape[0]
        if index.shape[0] != n and (index.shape[0] != 0 or rows != 1 and rows != n):
            raise ValueError("parameter rows do not fit trials.")
        weights, theta = np.ascontiguousarray(weights), np.ascontiguousarray(theta)
        trials, index = np.ascontiguousarray(trials), np.ascontiguousarray(index)
        gradient = np.zeros((rows if wanted else 0, parameters))
        few = few_rows(theta, index, n)
        if few and not wanted:
            theta, index = shared(theta, n)
            few = False
        if by_rows is None or few:
            own = theta[index] if index.shape[0] > 0 else theta
            values, jacobian = by_trials(weights, own, trials)
            if wanted:
                contract(values, jacobian, index, cotangents, gradient)
        else:
            values = np.empty(n)
            weighted = np.ascontiguousarray(cotangents)
            if theta.shape[0] > FEWEST:
                shortened(weights, theta, index, trials, weighted, values, gradient)
            else:
                by_rows(weights, theta, index, trials, weighted, values, gradient)
        return values, gradient

    return pullback


def _by_rows_caller(
    kernel: Kernel, size: int, packed: Packed, parameters: int, threads: int
) -> Any:
    """Return a numba function that calls a pullback."""
    symbol, known = _symbol(kernel, _pull_entry(kernel)), _pull_dims(size, packed, parameters)
    if threads > 1:
        return divided_caller(symbol, packed, known, threads)
    call, (whole, real) = types.ExternalFunction(symbol, _PULL_SIGNATURE), packed

    @numba.njit(nogil=True)
    def by_rows(weights, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        dims = known.copy()
        dims[4], dims[5] = theta.shape[0], trials.shape[0]
        dims[6], dims[7] = index.shape[0], gradient.shape[0]
        call(
            weights.ctypes, whole.ctypes, real.ctypes, dims.ctypes, theta.ctypes, index.ctypes,
            trials.ctypes, cotangents.ctypes, values.ctypes, gradient.ctypes,
        )  # fmt: skip

    return by_rows


def _by_trials_caller(kernel: Kernel, size: int, packed: Packed, parameters: int) -> Any:
    """Return a numba function(weights, theta, trials) -> (log density (n,), gradient (n, p))."""
    call = types.ExternalFunction(_symbol(kernel, _entry(kernel)), _SIGNATURE)
    whole, real = packed
    known = _dims(size, packed, parameters, parameters)

    @numba.njit(nogil=True)
    def log_density(weights, theta, trials):  # type: ignore[no-untyped-def]
        n = trials.shape[0]
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
    call = types.ExternalFunction(_symbol(kernel, _entry(kernel)), _SIGNATURE)
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
