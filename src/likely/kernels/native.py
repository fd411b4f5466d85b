"""Entry points of densities as native symbols.

Numba compiles a function's callees again into every caller, seconds each time. Called by symbol,
they are compiled once and kept on disk, and a caller, such as a PyMC model, compiles at once.
Every density has two kernels, and some have a third, of the signature of the second:

    draws(weights, whole, real, theta (1, p) or (n, p), uniforms (n, 2), normals (n,),
          trials (n, 2))
    pullback(weights, whole, real, theta (r, p), index, trials (n, 2), cotangents (n,), values (n,),
             gradient (r, p) or (0, p))

where `whole` and `real` are the numbers that describe the density's form (`Packed`). Draws take
weights as they are, the others prepared ones (`likely.networks.density`). Arrays travel as
pointers; `dims` holds, in order: number of weights, of whole and of real numbers, of parameters, of
parameter rows, and of trials; the length of the index, which may be 0; and rows of the gradient.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import llvmlite.binding
import numba
import numpy as np
from numba import carray, types

from likely.kernels.caching import cached_entry, engine_version
from likely.kernels.rows import shared
from likely.kernels.threads import divided_caller
from likely.typing import FloatArray

NO_INDEX = np.empty(0, dtype=np.int64)  # where there is one row only, or one a trial
FEWEST = 64  # rows, or fewer, that no shortcut is tried for
EACH = 1000  # trials, at least, of a thread where there is a shortcut: each makes its own grid

_FLOATS = types.CPointer(types.float64)
_INTS = types.CPointer(types.int64)
_DRAW_SIGNATURE = types.void(_FLOATS, _INTS, _FLOATS, _INTS, *[_FLOATS] * 4)
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
        pullback: which gives log densities, and derivatives by parameter rows.
        draws: which makes trials of random numbers.
        shortcut: of the pullback's signature, for some trials; it leaves nan at the others. None if
            there is none.
    """

    pullback: Kernel
    draws: Kernel
    shortcut: Kernel | None = None


# Kept as text: numba does not find a closure again on disk.
_DRAW_ENTRY = """
def entry(weights, whole, real, dims, theta, uniforms, normals, trials):
    kernel(
        carray(weights, (dims[0],)),
        carray(whole, (dims[1],)),
        carray(real, (dims[2],)),
        carray(theta, (dims[4], dims[3])),
        carray(uniforms, (dims[5], 2)),
        carray(normals, (dims[5],)),
        carray(trials, (dims[5], 2)),
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
def _entry(kernel: Kernel, source: str, signature: Any) -> Any:
    """Compile an entry point, or load it from disk; kept alive, as the linker points to it."""
    namespace = {"__name__": __name__, "kernel": kernel, "carray": carray}
    exec(source, namespace)  # noqa: S102
    return cached_entry(namespace["entry"], signature, _name(kernel))


def _draw_entry(kernel: Kernel) -> Any:
    return _entry(kernel, _DRAW_ENTRY, _DRAW_SIGNATURE)


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


def _dims(weights: int, packed: Packed, parameters: int) -> np.ndarray:
    """Return `dims` with the numbers of rows, trials, indices and wanted rows to be filled in."""
    counts = [weights, len(packed.whole), len(packed.real), parameters, 0, 0, 0, 0]
    return np.array(counts, dtype=np.int64)


def _call(entry: Any, *arrays: np.ndarray) -> None:
    """Call an entry point from Python, without the GIL."""
    function = entry.ctypes
    function(*(a.ctypes.data_as(kind) for a, kind in zip(arrays, function.argtypes, strict=True)))


def draw_trials(
    kernel: Kernel,
    weights: FloatArray,
    packed: Packed,
    theta: FloatArray,
    uniforms: FloatArray,
    normals: FloatArray,
) -> FloatArray:
    """Return trials (n, 2); all arrays float64 and C-contiguous."""
    if len(theta) not in (1, len(normals)):
        raise ValueError(f"{len(theta)} parameter rows do not fit {len(normals)} draws.")
    trials, dims = np.empty((len(normals), 2)), _dims(len(weights), packed, theta.shape[1])
    dims[4], dims[5] = len(theta), len(normals)
    _call(_draw_entry(kernel), weights, *packed, dims, theta, uniforms, normals, trials)
    return trials


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
    rows, n = len(theta), len(trials)
    if not (len(index) == n or len(index) == 0 and rows in (1, n)):
        raise ValueError(f"{rows} parameter rows do not fit {n} trials.")
    if len(index) and not (0 <= index.min() and index.max() < rows):
        raise ValueError(f"an index leaves the {rows} parameter rows.")
    by_rows = functools.partial(_call_pull, kernels.pullback, packed)
    quickest = by_rows
    if kernels.shortcut is not None:
        quickest = _shortened(functools.partial(_call_pull, kernels.shortcut, packed), by_rows)
    wanted = cotangents is not None
    weighted = cotangents if wanted else np.zeros(n)
    return _puller(by_rows, quickest)(weights, theta, index, trials, weighted, wanted)


def _puller(by_rows: Any, quickest: Any) -> Any:
    """Return a function(weights, theta, index, trials, cotangents, wanted).

    It returns log densities and the gradient, which has no rows unless it is wanted. `quickest` is
    a function of the same arguments as `by_rows`, for many rows. All of this is plain Python that
    numba compiles where both are compiled.
    """

    def pulled(weights, theta, index, trials, cotangents, wanted):  # type: ignore[no-untyped-def]
        values = np.empty(len(trials))
        gradient = np.zeros((len(theta) if wanted else 0, theta.shape[1]))
        if not wanted and len(index) == 0 and len(theta) > 1:
            theta, index = shared(theta)
        if len(theta) > FEWEST:
            quickest(weights, theta, index, trials, cotangents, values, gradient)
        else:
            by_rows(weights, theta, index, trials, cotangents, values, gradient)
        return values, gradient

    return pulled


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
        few = len(left) < len(theta)  # then each of them gets a row of its own
        rows, places = (theta[which], index[:0]) if few else (theta, which)
        found = np.empty(len(left))
        own = np.zeros((len(rows) if len(gradient) > 0 else 0, theta.shape[1]))
        by_rows(weights, rows, places, trials[left], cotangents[left], found, own)
        for k in range(len(left)):
            values[left[k]] = found[k]
        for k in range(len(own)):
            row = which[k] if few else k
            for d in range(theta.shape[1]):
                gradient[row, d] += own[k, d]

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
    dims = _dims(len(weights), packed, theta.shape[1])
    dims[4:] = len(theta), len(rest[0]), len(index), len(rest[-1])
    _call(_pull_entry(kernel), weights, *packed, dims, theta, index, *rest)


def pullback_caller(
    kernels: Kernels, size: int, packed: Packed, parameters: int, threads: int = 1
) -> Any:
    """Return a numba function(weights, theta (r, p), index, trials, cotangents (n,), wanted).

    It returns log densities (n,) and the gradient (r, p), which has no rows unless it is wanted.
    Trials are divided among threads.
    """
    by_rows = _pull_caller(kernels.pullback, size, packed, parameters, threads)
    quickest = by_rows
    if kernels.shortcut is not None:
        by_shortcut = _pull_caller(kernels.shortcut, size, packed, parameters, threads, EACH)
        quickest = numba.njit(nogil=True)(_shortened(by_shortcut, by_rows))
    pull = numba.njit(nogil=True)(_puller(by_rows, quickest))

    @numba.njit(nogil=True)
    def pullback(weights, theta, index, trials, cotangents, wanted):  # type: ignore[no-untyped-def]
        n, rows = trials.shape[0], theta.shape[0]
        if index.shape[0] != n and (index.shape[0] != 0 or rows != 1 and rows != n):
            raise ValueError("parameter rows do not fit trials.")
        if theta.shape[1] != parameters:
            raise ValueError("rows have more or fewer parameters than the model.")
        if cotangents.shape[0] != n or trials.shape[1] != 2:
            raise ValueError("trials are rt and choice, with a cotangent each.")
        weights, theta = np.ascontiguousarray(weights), np.ascontiguousarray(theta)
        trials, index = np.ascontiguousarray(trials), np.ascontiguousarray(index)
        return pull(weights, theta, index, trials, np.ascontiguousarray(cotangents), wanted)

    return pullback


def _pull_caller(
    kernel: Kernel, size: int, packed: Packed, parameters: int, threads: int, each: int = 1
) -> Any:
    """Return a numba function that calls a pullback, with so many trials on each thread or more."""
    symbol, known = _symbol(kernel, _pull_entry(kernel)), _dims(size, packed, parameters)
    if threads > 1:
        return divided_caller(symbol, packed, known, threads, each)
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


def draws_caller(kernel: Kernel, size: int, packed: Packed, parameters: int) -> Any:
    """Return a numba function(weights, theta, uniforms, normals) -> trials (n, 2)."""
    symbol, known = _symbol(kernel, _draw_entry(kernel)), _dims(size, packed, parameters)
    call, (whole, real) = types.ExternalFunction(symbol, _DRAW_SIGNATURE), packed

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
