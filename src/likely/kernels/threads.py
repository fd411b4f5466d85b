"""Trials of one call of a compiled pullback, divided among threads.

The threads are POSIX ones, made anew for each call: that takes some 20 microseconds each, and
leaves nothing behind that a fork of the process, or a call from another thread, could break.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, NamedTuple

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from likely.kernels.caching import cached_entry
from likely.kernels.rows import group_by
from likely.typing import FloatArray

LEAST = 500  # trials that a thread is made for
_ARGUMENTS = 10  # pointers that a pullback takes
_WORDS = 1 + _ARGUMENTS  # of a job
_ROWS, _TRIALS, _INDEX, _WANTED = 4, 5, 6, 7  # places in `dims` (see `likely.kernels.native`)

_WORD = ir.IntType(64)
_START, _CREATE, _JOIN = "likely_start_thread", "likely_create_thread", "likely_join_thread"
_create = types.ExternalFunction(_CREATE, types.int32(*[types.intp] * 4))
_join = types.ExternalFunction(_JOIN, types.int32(types.intp, types.intp))

_compiled = numba.njit(nogil=True, error_model="numpy")


def available() -> bool:
    """Tell whether the system has POSIX threads."""
    return _library() is not None


@functools.cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "pthread_create") else None


@intrinsic
def _invoke(typingctx: Any, job: Any) -> Any:
    """Call what a job, given by its address, says: a function's address, and its arguments."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        words = builder.inttoptr(values[0], _WORD.as_pointer())
        places = [ir.Constant(_WORD, k) for k in range(_WORDS)]
        address, *arguments = (builder.load(builder.gep(words, [k])) for k in places)
        kind = ir.FunctionType(ir.VoidType(), [_WORD] * _ARGUMENTS)
        builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)
        return context.get_dummy_value()

    return types.void(types.intp), emit


def _start(job):  # type: ignore[no-untyped-def]
    _invoke(job)
    return 0


@functools.cache
def _make_known() -> Any:
    """Make what threads take known to the linker; return what must be kept alive."""
    library = _library()
    for name, function in ((_CREATE, library.pthread_create), (_JOIN, library.pthread_join)):
        llvmlite.binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    entry = cached_entry(_start, types.intp(types.intp), _START)
    llvmlite.binding.add_symbol(_START, entry.address)
    return entry


def _address_of(symbol: str) -> Any:
    """Return the compiled function that returns the address of a symbol."""

    @intrinsic
    def address(typingctx: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(ir.VoidType(), [])
            function = cgutils.get_or_insert_function(builder.module, kind, symbol)
            return builder.ptrtoint(function, _WORD)

        return types.intp(), emit

    @numba.njit(nogil=True)
    def found():  # type: ignore[no-untyped-def]
        return address()

    return found


@_compiled
def _run(start, jobs, kept):  # type: ignore[no-untyped-def]
    """Run jobs (T, words), each on a thread but for the first; `kept` lives until they are done.

    Where the system has no more threads to give, the calling one does the work.
    """
    count = len(jobs)
    threads, made = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    for k in range(1, count):
        made[k] = _create(threads[k:].ctypes.data, 0, start, jobs[k].ctypes.data) == 0
    _invoke(jobs[0].ctypes.data)
    for k in range(1, count):
        if made[k]:
            _join(threads[k], 0)
        else:
            _invoke(jobs[k].ctypes.data)
    return len(kept)


class _Sorted(NamedTuple):
    """Trials sorted by parameter row, and room for what is found.

    Args:
        order: which trials these are (n,).
        which: their rows (n,).
        own: rows counted from the first of the same thread (n,), or nothing where no index is.
        trials: (n, 2).
        cotangents: (n,).
        values: log densities (n,).
        slopes: the gradient (r + threads, p), in which threads that share a row have one each.
    """

    order: np.ndarray
    which: np.ndarray
    own: np.ndarray
    trials: FloatArray
    cotangents: FloatArray
    values: FloatArray
    slopes: FloatArray


@_compiled
def _sort(rows, index, trials, cotangents, room):  # type: ignore[no-untyped-def]
    """Return trials sorted by row, with so much room for the gradient."""
    n = len(trials)
    order, which = np.arange(n), np.zeros(n, dtype=np.int64)
    if len(index) > 0:
        order, _ = group_by(index, rows)
        which = index[order]
    elif rows > 1:
        which = order
    return _Sorted(
        order, which, np.empty(len(index), dtype=np.int64), trials[order], cotangents[order],
        np.empty(n), np.zeros(room),
    )  # fmt: skip


@_compiled
def _span(ours, k, count):  # type: ignore[no-untyped-def]
    """Return the trials of thread k, and their first and last row."""
    n = len(ours.which)
    first, last = k * n // count, (k + 1) * n // count
    return first, last, ours.which[first], ours.which[last - 1]


@_compiled
def _write(job, sizes, fixed, theta, ours, span, k, wanted):  # type: ignore[no-untyped-def]
    """Write the arguments of thread k's job, and count in `sizes` what is its own."""
    begin, end, first, last = span
    index, rows = ours.own[begin:end], last + 1 - first
    for i in range(len(index)):
        index[i] = ours.which[begin + i] - first
    sizes[_ROWS], sizes[_TRIALS], sizes[_INDEX] = rows, end - begin, len(index)
    sizes[_WANTED] = rows if wanted else 0
    job[1], job[2], job[3] = fixed[0].ctypes.data, fixed[1].ctypes.data, fixed[2].ctypes.data
    job[4], job[5], job[6] = sizes.ctypes.data, theta[first:].ctypes.data, index.ctypes.data
    job[7], job[8] = ours.trials[begin:].ctypes.data, ours.cotangents[begin:].ctypes.data
    job[9], job[10] = ours.values[begin:].ctypes.data, ours.slopes[first + k :].ctypes.data


@_compiled
def _gather(ours, count, values, gradient):  # type: ignore[no-untyped-def]
    """Write log densities and add derivatives where the caller has them."""
    for i in range(len(values)):
        values[ours.order[i]] = ours.values[i]
    if len(gradient) == 0:
        return
    for k in range(count):
        _, _, first, last = _span(ours, k, count)
        for r in range(first, last + 1):
            for d in range(gradient.shape[1]):
                gradient[r, d] += ours.slopes[r + k, d]


def divided_caller(
    symbol: str, packed: tuple[np.ndarray, FloatArray], dims: np.ndarray, threads: int
) -> Any:
    """Return a numba function that calls a pullback on threads.

    Args:
        symbol: of the pullback's entry point (see `likely.kernels.native`).
        packed: what it must know of the density.
        dims: sizes, of which those of rows, trials, indices and wanted rows are still to be known.
        threads: at most as many, at least 2.

    Each thread judges as many trials as any other, sorted by row.
    """
    _make_known()
    pullback, start = _address_of(symbol), _address_of(_START)
    whole, real = packed

    @numba.njit(nogil=True)
    def divided(weights, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        n, wanted = len(trials), len(gradient) > 0
        if n == 0:
            return
        count = max(min(threads, n // LEAST), 1)
        room = (len(theta) + count if wanted else 0, theta.shape[1])
        ours = _sort(len(theta), index, trials, cotangents, room)
        sizes, jobs = np.empty((count, len(dims)), np.int64), np.empty((count, _WORDS), np.int64)
        fixed = (weights, whole, real)
        for k in range(count):
            sizes[k] = dims
            jobs[k, 0] = pullback()
            _write(jobs[k], sizes[k], fixed, theta, ours, _span(ours, k, count), k, wanted)
        _run(start(), jobs, (fixed, sizes, theta, ours))
        _gather(ours, count, values, gradient)

    return divided
