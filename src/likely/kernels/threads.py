"""Trials of one call of a compiled pullback, divided among threads.

The threads are POSIX ones, made anew for each call: that takes up to 0.1 ms, and leaves nothing
behind that a fork of the process, or a call from another thread, could break.
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

LEAST = 10_000  # trials, but for the networks of their rows, that a thread is made for
ROW = 150  # trials that are sorted, or judged, while the network of a row is evaluated
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


class _Shares(NamedTuple):
    """What each of T threads has.

    Args:
        begins: where its trials begin, and where the last ones end, (T + 1,).
        rows: the first of its parameter rows, and how many these are, (T, 2).
        slopes: where those begin in the gradient of all threads, (T,).
    """

    begins: np.ndarray
    rows: np.ndarray
    slopes: np.ndarray


class _Trials(NamedTuple):
    """Trials in the order in which they are judged, and room for what is found.

    Args:
        which: their rows (n,), or nothing (0,).
        own: rows counted from the first of the same thread, or nothing.
        trials: (n, 2).
        cotangents: (n,).
        values: log densities (n,).
        slopes: gradients of all threads (q, p).
    """

    which: np.ndarray
    own: np.ndarray
    trials: FloatArray
    cotangents: FloatArray
    values: FloatArray
    slopes: FloatArray


@_compiled
def _shares(index, rows, n, count):  # type: ignore[no-untyped-def]
    """Divide n trials evenly; each thread has the rows between its trials' first and last one."""
    begins = np.arange(count + 1) * n // count
    spans, slopes = np.zeros((count, 2), dtype=np.int64), np.zeros(count, dtype=np.int64)
    for k in range(count):
        own = index[begins[k] : begins[k + 1]]
        if len(index) > 0:
            spans[k, 0], spans[k, 1] = own.min(), own.max() - own.min() + 1
        elif rows == 1:
            spans[k, 1] = 1
        else:
            spans[k, 0], spans[k, 1] = begins[k], begins[k + 1] - begins[k]
    slopes[1:] = np.cumsum(spans[:-1, 1])
    return _Shares(begins, spans, slopes)


@_compiled
def _write(job, sizes, fixed, theta, ours, shares, k):  # type: ignore[no-untyped-def]
    """Write the arguments of thread k's job, and count in `sizes` what is its own."""
    begin, end = shares.begins[k], shares.begins[k + 1]
    first, rows = shares.rows[k]
    index, slopes = ours.own[begin:end], ours.slopes[shares.slopes[k] :]
    for i in range(len(index)):
        index[i] = ours.which[begin + i] - first
    sizes[_ROWS], sizes[_TRIALS], sizes[_INDEX] = rows, end - begin, len(index)
    sizes[_WANTED] = rows if len(ours.slopes) > 0 else 0
    job[1], job[2], job[3] = fixed[0].ctypes.data, fixed[1].ctypes.data, fixed[2].ctypes.data
    job[4], job[5], job[6] = sizes.ctypes.data, theta[first:].ctypes.data, index.ctypes.data
    job[7], job[8] = ours.trials[begin:].ctypes.data, ours.cotangents[begin:].ctypes.data
    job[9], job[10] = ours.values[begin:].ctypes.data, slopes.ctypes.data


@_compiled
def _add(shares, slopes, gradient):  # type: ignore[no-untyped-def]
    """Add the gradients of all threads to that of all rows."""
    for k in range(len(shares.rows)):
        first, rows = shares.rows[k]
        for r in range(rows):
            for d in range(gradient.shape[1]):
                gradient[first + r, d] += slopes[shares.slopes[k] + r, d]


def divided_caller(
    symbol: str, packed: tuple[np.ndarray, FloatArray], dims: np.ndarray, threads: int, each: int
) -> Any:
    """Return a numba function that calls a pullback on threads.

    Args:
        symbol: of the pullback's entry point (see `likely.kernels.native`).
        packed: what it must know of the density.
        dims: sizes, of which those of rows, trials, indices and wanted rows are still to be known.
        threads: at most as many, at least 2.
        each: trials that a thread has at least, if there is more than one.

    Each thread judges as many trials as any other, as they come, or sorted by row where threads
    would have too many rows in common.
    """
    _make_known()
    pullback, start = _address_of(symbol), _address_of(_START)
    whole, real = packed

    @_compiled
    def judge(weights, theta, ours, shares):  # type: ignore[no-untyped-def]
        count, fixed = len(shares.rows), (weights, whole, real)
        sizes, jobs = np.empty((count, len(dims)), np.int64), np.empty((count, _WORDS), np.int64)
        for k in range(count):
            sizes[k], jobs[k, 0] = dims, pullback()
            _write(jobs[k], sizes[k], fixed, theta, ours, shares, k)
        _run(start(), jobs, (fixed, sizes, theta, ours))

    @numba.njit(nogil=True)
    def divided(weights, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        n, rows, order, found = len(trials), len(theta), index[:0], values
        if n == 0:
            return
        count = max(min(threads, n // each, (n + ROW * rows) // LEAST), 1)
        shares = _shares(index, rows, n, count)
        common = shares.rows[:, 1].sum() - rows
        if len(index) > 0 and ROW * common > n:
            order, _ = group_by(index, rows)
            index, trials, cotangents = index[order], trials[order], cotangents[order]
            shares, found = _shares(index, rows, n, count), np.empty(n)
        alone = len(index) == 0 and rows > 1  # then threads have no row in common
        room = shares.rows[:, 1].sum() if len(gradient) > 0 and not alone else 0
        slopes = gradient if alone else np.zeros((room, theta.shape[1]))
        ours = _Trials(index, np.empty_like(index), trials, cotangents, found, slopes)
        judge(weights, theta, ours, shares)
        for i in range(len(order)):
            values[order[i]] = found[i]
        if room > 0:
            _add(shares, slopes, gradient)

    return divided
