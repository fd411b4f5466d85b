"""Compiled pullbacks as foreign functions of XLA, which JAX calls as native code.

XLA hands over a call frame; its layout is that of `xla/ffi/api/c_api.h`, version 0.5 of the
interface, in words of eight bytes. XLA supports each version for at least a year, and a handler
says which one it is of.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numba
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

VERSION = 5 << 32  # minor, and 0 for major, as two 32-bit numbers
_METADATA = 1  # the extension by which XLA asks for the version
_EXTENSION, _ARGUMENTS, _RESULTS = 1, 9, 14  # places in a call frame
_DATA, _SIZES = 3, 5  # in a buffer

_Words = types.CPointer(types.int64)
_Floats = types.CPointer(types.float64)


def _pointer(kind: Any) -> Any:
    """Return the function that makes an address a pointer."""

    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word = ir.IntType(64) if kind is _Words else ir.DoubleType()
            return builder.inttoptr(values[0], word.as_pointer())

        return kind(types.int64), emit

    return pointer


_to_words, _to_floats = _pointer(_Words), _pointer(_Floats)


@numba.njit
def _buffer(frame, place, k):  # type: ignore[no-untyped-def]
    """Return the address of the data of argument or result k, and its sizes."""
    buffers = carray(_to_words(frame[place]), (k + 1,))
    buffer = carray(_to_words(buffers[k]), (6,))
    return buffer[_DATA], _to_words(buffer[_SIZES])


@numba.njit
def _vector(frame, place, k):  # type: ignore[no-untyped-def]
    data, sizes = _buffer(frame, place, k)
    return carray(_to_floats(data), (carray(sizes, (1,))[0],))


@numba.njit
def _matrix(frame, place, k):  # type: ignore[no-untyped-def]
    data, sizes = _buffer(frame, place, k)
    shape = carray(sizes, (2,))
    return carray(_to_floats(data), (shape[0], shape[1]))


@numba.njit
def _whole(frame, place, k):  # type: ignore[no-untyped-def]
    data, sizes = _buffer(frame, place, k)
    return carray(_to_words(data), (carray(sizes, (1,))[0],))


@numba.njit
def _answers_version(frame):  # type: ignore[no-untyped-def]
    """Tell XLA the version, if that is what it asks for."""
    if frame[_EXTENSION] == 0:
        return False
    extension = carray(_to_words(frame[_EXTENSION]), (4,))
    if extension[1] & 0xFFFFFFFF != _METADATA:
        return False
    metadata = carray(_to_words(extension[3]), (5,))
    metadata[3] = VERSION  # of its second member, the sizes before it
    metadata[4] &= ~0xFFFFFFFF  # no traits
    return True


def handler(pullback: Any) -> Any:
    """Return a capsule with a foreign function that calls a pullback.

    Args:
        pullback: numba function(weights, theta, index, trials, cotangents, wanted) that returns
            log densities (n,) and the gradient (r, p).

    Arguments of the foreign function are the first five of these; results are those of the
    pullback, of which the gradient is wanted if it has rows.
    """

    def handle(address):  # type: ignore[no-untyped-def]
        frame = carray(address, (22,))
        if _answers_version(frame):
            return 0
        weights, theta = _vector(frame, _ARGUMENTS, 0), _matrix(frame, _ARGUMENTS, 1)
        index, trials = _whole(frame, _ARGUMENTS, 2), _matrix(frame, _ARGUMENTS, 3)
        cotangents = _vector(frame, _ARGUMENTS, 4)
        values, gradient = _vector(frame, _RESULTS, 0), _matrix(frame, _RESULTS, 1)
        found, slopes = pullback(weights, theta, index, trials, cotangents, len(gradient) > 0)
        values[:] = found
        gradient[:] = slopes
        return 0

    entry = numba.cfunc(types.int64(_Words))(handle)
    _KEPT.append(entry)
    return _capsule(entry.address)


_KEPT: list[Any] = []  # XLA points to them as long as the process lives


@functools.cache
def _new_capsule() -> Any:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = (
        ctypes.py_object,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p),
    )
    return new


def _capsule(address: int) -> Any:
    return _new_capsule()(address, None, None)
