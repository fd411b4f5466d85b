"""Which trials share their parameters, read off the expressions that make them.

Most parameters are one value a subject or a condition, spread over trials by an index, or a
regression on columns of data. Trials whose indices and data agree have the same parameters,
whatever the values of random variables, so that each such row needs to be computed only once. That
is told from the graph, once, when a model is built; or, of data that may be replaced (`pm.Data`),
at each evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.ops import ViewOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.basic import Alloc, MakeVector
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.type import integer_dtypes
from pytensor.tensor.variable import TensorConstant, TensorVariable

from likely.kernels.caching import engine_version
from likely.kernels.rows import distinct_rows

Take = Callable[[TensorVariable], TensorVariable]
"""Returns what stands for data, constants or shared, whose first axis is that of trials."""


class SharedRows(NamedTuple):
    """Parameters of each distinct row, and the row of each trial.

    Args:
        parameters: one tensor a parameter, of shape (r,) or (1,).
        which: the row of each trial, (n,); a tensor if data that may be replaced tell it.
        number: of rows, r.
    """

    parameters: tuple[TensorVariable, ...]
    which: NDArray[np.int64] | TensorVariable
    number: int | TensorVariable


class DistinctRows(Op):
    """The place of a representative of each distinct row of an array (n, k), and which each has.

    Outputs are (r,) and (n,). In JAX, where shapes may not depend on values, each is its own.
    """

    __props__ = ()

    def make_node(self, rows: TensorVariable) -> Apply:
        """Build the node."""
        n = rows.type.shape[0]
        outputs = [pt.tensor(dtype="int64", shape=(None,)), pt.tensor(dtype="int64", shape=(n,))]
        return Apply(self, [pt.as_tensor(rows, dtype="float64")], outputs)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in compiled code."""
        found = distinct_rows(np.ascontiguousarray(inputs[0]), len(inputs[0]))
        outputs[0][0], outputs[1][0] = found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Places of rows are no function of what is in them that has derivatives."""
        return [[False, False]]


@register_funcify_default_op_cache_key(DistinctRows)
def numba_funcify_distinct_rows(op: DistinctRows, **_: Any) -> tuple[Any, int]:
    """Compile for PyMC's default backend."""

    @numba_njit
    def distinct(rows):  # type: ignore[no-untyped-def]
        return distinct_rows(np.ascontiguousarray(rows), rows.shape[0])

    return distinct, engine_version()


class _Unknown(Exception):
    """An expression does not tell which trials share it."""


def shared_rows(
    parameters: Sequence[TensorVariable], n: int, *, replaceable: bool = True
) -> SharedRows | None:
    """Find the distinct rows of parameters that are spread over n trials.

    Args:
        parameters: one tensor a parameter, of shape (), (1,) or (n,).
        n: number of trials.
        replaceable: whether data that may be replaced can tell, too. The number of rows is not
            known then before they are evaluated, which densities that run in JAX alone need.

    Returns:
        The rows; or None if they are not told by indices and data.
    """
    found: list[TensorVariable] = []

    def note(data: TensorVariable) -> TensorVariable:
        found.append(data)
        return data

    try:
        _rebuilt(parameters, n, note)
    except (_Unknown, RecursionError):
        return None
    constant = [data for data in found if isinstance(data, TensorConstant)]
    if len(constant) < len(found):
        return _told_when_evaluated(parameters, n, found) if replaceable else None
    return _told_now(parameters, n, constant)


def _told_now(
    parameters: Sequence[TensorVariable], n: int, found: Sequence[TensorConstant]
) -> SharedRows:
    """Return rows of parameters that constants tell."""
    each = [np.unique(x.data, axis=0, return_inverse=True)[1].ravel() for x in found]
    codes = np.stack(each, axis=1) if each else np.zeros((n, 1), dtype=np.int64)
    _, first, which = np.unique(codes, axis=0, return_index=True, return_inverse=True)

    def pick(data: TensorVariable) -> TensorVariable:
        return pt.as_tensor(data.data[first])

    rebuilt = _rebuilt(parameters, n, pick)
    return SharedRows(rebuilt, which.ravel().astype(np.int64), len(first))


def _told_when_evaluated(
    parameters: Sequence[TensorVariable], n: int, found: Sequence[TensorVariable]
) -> SharedRows:
    """Return rows of parameters that data tell which may be replaced."""
    each = [pt.specify_shape(x, (n, *[None] * (x.ndim - 1))) for x in dict.fromkeys(found)]
    columns = [pt.cast(data, "float64").reshape((n, -1)) for data in each]
    first, which = DistinctRows()(pt.concatenate(columns, axis=1))
    rebuilt = _rebuilt(parameters, n, lambda data: data[first])
    return SharedRows(rebuilt, which, first.shape[0])


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
        if isinstance(variable, SharedVariable):
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
