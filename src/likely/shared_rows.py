"""Which trials share their parameters, read off the expressions that make them.

Most parameters are one value a subject or a condition, spread over trials by an index, or a
regression on columns of data. Trials whose indices and data agree have the same parameters,
whatever the values of random variables, so that each such row needs to be computed only once. That
is told from the graph, once, when a model is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.ops import ViewOp
from pytensor.tensor.basic import Alloc
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
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
        for parameter in parameters:
            _rebuilt(parameter, n, note)
    except _Unknown:
        return None
    codes = np.stack(found, axis=1) if found else np.zeros((n, 1), dtype=np.int64)
    _, first, index = np.unique(codes, axis=0, return_index=True, return_inverse=True)

    def pick(constant: TensorConstant) -> TensorVariable:
        return pt.as_tensor(constant.data[first])

    rebuilt = tuple(_rebuilt(parameter, n, pick) for parameter in parameters)
    return SharedRows(rebuilt, index.ravel().astype(np.int64))


def _rebuilt(variable: TensorVariable, n: int, take: Take) -> TensorVariable:
    """Return an expression with what `take` makes of the constants (n, ...) that it is made of.

    Raises:
        _Unknown: if its rows are not made one by one from rows of constants.
    """
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
            return op(*(_rebuilt(x, n, take) for x in inputs))
        case ViewOp():  # what pm.Deterministic makes
            return _rebuilt(inputs[0], n, take)
        case DimShuffle() if op.new_order[0] == 0:
            return op(_rebuilt(inputs[0], n, take))
        case CAReduce() if op.axis is not None and 0 not in op.axis:
            return op(_rebuilt(inputs[0], n, take))
        case Dot() | Blockwise(core_op=Dot()) if [x.type.ndim for x in inputs] == [2, 2]:
            return op(_rebuilt(inputs[0], n, take), inputs[1])
        case AdvancedSubtensor() if all(i.type.ndim == 1 for i in inputs[1:]):
            if any(isinstance(entry, slice) for entry in op.idx_list):
                raise _Unknown
            return op(inputs[0], *(_rebuilt(i, n, take) for i in inputs[1:]))
        case Subtensor() if op.idx_list[0] == slice(None):
            return op(_rebuilt(inputs[0], n, take), *inputs[1:])
        case Alloc() if inputs[0].type.ndim == 0:
            return inputs[0].dimshuffle("x")
        case Alloc() if inputs[0].type.ndim == 1:
            return _rebuilt(inputs[0], n, take)
        case _:
            raise _Unknown
