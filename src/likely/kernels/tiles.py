"""Products of matrices in tiles that stay in registers, on vectors of the width the machine has.

A layer's rows lie abreast: entry (j, l) of an array is input j of row l, so that a vector holds one
input of several rows, and a tile is a sum, over inputs, of a vector times a weight. Compilers keep
no tile of sums in registers of their own accord; here it is written out.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_FEATURES = llvmlite.binding.get_host_cpu_features()
_WIDE, _MIDDLE = _FEATURES.get("avx512f", False), _FEATURES.get("avx", False)

LANES = 8 if _WIDE else 4 if _MIDDLE else 2  # doubles in a vector
TALL = 4 if _MIDDLE and not _WIDE else 8  # outputs of a tile: sums must fit the registers
SHORT = 4
ABREAST = 3  # vectors of a tile
PADDED = 8  # numbers of rows abreast are multiples of it

_DOUBLE, _BYTES = ir.DoubleType(), 8


def _tile(outputs: int, vectors: int) -> Any:
    """Return the function that adds to a tile of that many outputs and vectors of rows."""

    @intrinsic
    def tile(typingctx: Any, x: Any, w: Any, y: Any, count: Any, weights: Any, rows: Any) -> Any:
        """Add to y products of `count` rows of x, each `rows` long, and of w, `weights` long."""

        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            _emit(builder, outputs, vectors, values)
            return context.get_dummy_value()

        return types.void(*[types.uintp] * 3, *[types.intp] * 3), emit

    return tile


def _emit(builder: Any, outputs: int, vectors: int, values: Any) -> None:
    """Write the loop over inputs, in which the tile's sums are variables."""
    word, vector = ir.IntType(64), ir.VectorType(_DOUBLE, LANES)
    count, weights, rows = values[3:]
    x, w, y = (builder.inttoptr(value, _DOUBLE.as_pointer()) for value in values[:3])

    def place(start: Any, row: int, column: int) -> Any:
        shift = builder.add(builder.mul(word(row), rows), word(column * LANES))
        return builder.bitcast(builder.gep(start, [shift]), vector.as_pointer())

    places = [place(y, row, column) for row in range(outputs) for column in range(vectors)]
    begun = [builder.load(p, align=_BYTES) for p in places]
    before, loop = builder.block, builder.append_basic_block("inputs")
    after = builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    step, left, right = builder.phi(word), builder.phi(x.type), builder.phi(w.type)
    sums = [builder.phi(vector) for _ in places]
    entries = [builder.load(place(left, 0, column), align=_BYTES) for column in range(vectors)]
    added = []
    for row in range(outputs):
        weight = _spread(builder, builder.load(builder.gep(right, [word(row)])), vector)
        for column in range(vectors):
            product = builder.fmul(entries[column], weight, flags=("contract",))
            total = builder.fadd(sums[row * vectors + column], product, flags=("contract",))
            added.append(total)
    following = builder.add(step, word(1))
    ends = [following, builder.gep(left, [rows]), builder.gep(right, [weights]), *added]
    starts = [word(0), x, w, *begun]
    for phi, start, end in zip([step, left, right, *sums], starts, ends, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    for where, total in zip(places, added, strict=True):
        builder.store(total, where, align=_BYTES)


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector that holds a value everywhere."""
    anything = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(anything, value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, anything, mask)


def _strip(vectors: int) -> Any:
    """Return the function that adds products for that many vectors of rows, at all outputs."""
    tall, short, flat = _tile(TALL, vectors), _tile(SHORT, vectors), _tile(1, vectors)

    @numba.njit(nogil=True, error_model="numpy")
    def strip(x, w, y, m, n, stride, rows):  # type: ignore[no-untyped-def]
        k = 0
        while k + TALL <= n:
            tall(x, w + k * _BYTES, y + k * rows * _BYTES, m, stride, rows)
            k += TALL
        while k + SHORT <= n:
            short(x, w + k * _BYTES, y + k * rows * _BYTES, m, stride, rows)
            k += SHORT
        while k < n:
            flat(x, w + k * _BYTES, y + k * rows * _BYTES, m, stride, rows)
            k += 1

    return strip


_several, _single = _strip(ABREAST), _strip(1)


@numba.njit(nogil=True, error_model="numpy")
def add_products(x, weights, begin, stride, y):  # type: ignore[no-untyped-def]
    """Add to y (n, B) the product of a matrix (m, n), transposed, and x (m, B).

    Entry (j, k) of the matrix is weights[begin + j * stride + k]. B is a multiple of `PADDED`;
    arrays are contiguous.
    """
    m, rows = x.shape
    if m == 0:
        return
    from_x, from_w, to_y = x.ctypes.data, weights[begin:].ctypes.data, y.ctypes.data
    together = ABREAST * LANES
    whole = rows - rows % together
    for first in range(0, whole, together):
        shift = first * _BYTES
        _several(from_x + shift, from_w, to_y + shift, m, y.shape[0], stride, rows)
    for first in range(whole, rows, LANES):
        shift = first * _BYTES
        _single(from_x + shift, from_w, to_y + shift, m, y.shape[0], stride, rows)
