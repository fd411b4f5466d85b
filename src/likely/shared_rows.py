"""Which trials share their parameters, read off the expressions that make them.

Most parameters are one value a subject or a condition, spread over trials by an index, or a
regression on columns of data. Trials whose indices and data agree have the same parameters,
whatever the values of random variables, so that each such row needs to be computed only once. That
is told from the graph, once, when a model is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.ops import ViewOp
from pytensor.tensor.basic import Alloc, MakeVector
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.type import integer_dtypes
from pytensor.tensor.variable import TensorConstant, TensorVariable

Take = Callable[[TensorConstant], TensorVariable]
"""Returns what stands for a constant whose first axis is that of trials."""


class SharedRows(NamedTuple):
    """Parameters of each distinct row, and the row of each trial.

    Args:
        parameters: one tensor a parameter, of shape (r,) or (1,).
        which: the row of each trial, (n,).
    """

    parameters: tuple[TensorVariable, ...]
    which: NDArray[np.int64]


class _Unknown(Exception):
    """An expression does not tell which trials share it."""


def shared_rows(parameters: Sequence[TensorVariable], n: int) -> SharedRows | None:
    """Find the distinct rows of parameters that are spread over n trials.

    Args:
        parameters: one tensor a parameter, of shape (), (1,) or (n,).
        n: number of trials.

    Returns:
        The rows; or None if they are not told by indices and data that are constants.
    """
    found: list[NDArray[np.int64]] = []

    def note(constant: TensorConstant) -> TensorVariable:
        _, codes = np.unique(constant.data, axis=0, return_inverse=True)
        found.append(codes.ravel())
        return constant

    try:
        _rebuilt(parameters, n, note)
    except (_Unknown, RecursionError):
        return None
    codes = np.stack(found, axis=1) if found else np.zeros((n, 1), dtype=np.int64)
    _, first, which = np.unique(codes, axis=0, return_index=True, return_inverse=True)

    def pick(constant: TensorConstant) -> TensorVariable:
        return pt.as_tensor(constant.data[first])

    return SharedRows(_rebuilt(parameters, n, pick), which.ravel().astype(np.int64))


def parameter_rows(parameters: Sequence[TensorVariable], batch: Sequence[Any]) -> TensorVariable:
    """Stack parameters as rows: (1, p) if all are single values, else one row per batch element."""
    if all(all(p.type.broadcastable) for p in parameters):
        return pt.stack([p.reshape(()) for p in parameters])[None, :]
    columns = [pt.broadcast_to(p, tuple(batch)).ravel() for p in parameters]
    return pt.stack(columns, axis=1)


def _rebuilt(
    parameters: Sequence[TensorVariable], n: int, take: Take
) -> tuple[TensorVariable, ...]:
    """Return expressions with what `take` makes of the constants (n, ...) that they are made of.

    Raises:
        _Unknown: if their rows are not made one by one from rows of constants.
    """
    made: dict[TensorVariable, TensorVariable] = {}

    def rebuild(variable: TensorVariable) -> TensorVariable:
        if variable not in made:
            made[variable] = build(variable)
        return made[variable]

    def build(variable: TensorVariable) -> TensorVariable:
        if variable.type.ndim == 0 or variable.type.broadcastable[0]:
            return variable
        if isinstance(variable, TensorConstant):
            if variable.data.shape[0] != n:
                raise _Unknown
            return take(variable)
        if variable.owner is None:
            raise _Unknown
        op, inputs = variable.owner.op, variable.owner.inputs
        match op:
            case Elemwise():
                return op(*map(rebuild, inputs))
            case ViewOp():  # what pm.Deterministic makes
                return op(rebuild(inputs[0]))
            case DimShuffle() if op.new_order[0] == 0:
                return op(rebuild(inputs[0]))
            case CAReduce() if op.axis is not None and 0 not in op.axis:
                return op(rebuild(inputs[0]))
            case Dot() | Blockwise(core_op=Dot()) if [x.type.ndim for x in inputs] == [2, 2]:
                return op(rebuild(inputs[0]), inputs[1])
            case AdvancedSubtensor() if _picks_rows(op, inputs[1:]):
                return op(inputs[0], *map(rebuild, inputs[1:]))
            case Subtensor() if op.idx_list and op.idx_list[0] == slice(None):
                return op(rebuild(inputs[0]), *inputs[1:])
            case MakeVector() if len(inputs) == n:  # an index of stacked scalars, spelt out
                scalars = list(dict.fromkeys(inputs))
                places = {scalar: i for i, scalar in enumerate(scalars)}
                rows = take(pt.constant(np.array([places[scalar] for scalar in inputs])))
                return op(*scalars)[rows]
            case Alloc() if variable.type.shape == (n,):
                value = inputs[0]
                return value.dimshuffle("x") if value.type.ndim == 0 else rebuild(value)
            case _:
                raise _Unknown

    return tuple(map(rebuild, parameters))


def _picks_rows(op: AdvancedSubtensor, indices: Sequence[TensorVariable]) -> bool:
    """Tell whether indexing takes an element or a row for each trial."""
    whole = not any(isinstance(entry, slice) for entry in op.idx_list)
    return whole and all(i.type.ndim == 1 and i.type.dtype in integer_dtypes for i in indices)
