"""Draws share parameter rows too: a rewrite of PyTensor graphs, made before any other.

Otherwise PyTensor spells out what is indexed by constants, as `stack([a, b])[condition]` is: a
thousand trials become a thousand scalars, which take minutes and gigabytes to compile.
"""

from __future__ import annotations

from typing import Any

from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.tensor.basic import Alloc, Join
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorVariable

from likely.ops import TrialDraws
from likely.shared_rows import parameter_rows, shared_rows


@node_rewriter([TrialDraws])
def share_rows_of_draws(fgraph: Any, node: Apply) -> list[Variable] | None:
    """Give draws distinct rows of parameters, and an index, where these are told by the graph."""
    weights, theta, uniforms, normals, index = node.inputs
    if index.type.shape != (0,) or theta.type.shape[0] == 1:
        return None
    parameters = _parameters(theta)
    lengths = {p.type.shape[0] for p in parameters if p.type.ndim} - {1}
    n = lengths.pop() if len(lengths) == 1 else None
    shared = None if not n else shared_rows(parameters, n)
    if shared is None:
        return None
    rows = parameter_rows(shared.parameters, (shared.number,))
    if rows.type.shape[0] == 1:
        return [node.op(weights, rows, uniforms, normals)]
    return [node.op(weights, rows, uniforms, normals, shared.which)]


def _parameters(theta: TensorVariable) -> list[TensorVariable]:
    """Return the vectors or numbers that `parameter_rows` made rows (n, p) of; [] if it did not."""
    match theta.owner:
        case Apply(op=Join(), inputs=[*columns]):
            spread = [_spread(column) for column in columns]
            return [p for p in spread if p is not None] if None not in spread else []
        case _:
            return []


def _spread(column: TensorVariable) -> TensorVariable | None:
    """Return what was spread over trials to a column (n, 1)."""
    match column.owner:
        case Apply(op=DimShuffle(), inputs=[TensorVariable(owner=Apply(op=Alloc()) as spread)]):
            value, *sizes = spread.inputs
            return value if len(sizes) == 1 else None
        case _:
            return None


optdb.register(
    "share_rows_of_draws", dfs_rewriter(share_rows_of_draws), "fast_run", "fast_compile",
    position=-0.005,
)  # fmt: skip
