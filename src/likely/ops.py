"""PyTensor operations: log density of trials with its gradient, and draws, on every backend."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.gradient import disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.replace import _vectorize_node
from pytensor.graph.rewriting.basic import GraphRewriter, node_rewriter
from pytensor.graph.traversal import ancestors
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.rewriting.basic import register_specialize
from pytensor.tensor.variable import TensorVariable

from likely.kernels.caching import engine_version
from likely.kernels.native import NO_INDEX
from likely.networks.density import Density
from likely.typing import FloatArray


class TrialLogDensity(Op):
    """Log density of each trial.

    Inputs are weights (prepared), parameter rows (r, p), encoded trials (n, 2), and the row of each
    trial, (n,), or nothing, (0,), where there is one row only or one a trial. The output is (n,).
    """

    __props__ = ("density", "threads")

    def __init__(self, density: Density, threads: int = 1) -> None:
        self.density, self.threads = density, threads

    def make_node(self, weights: Any, theta: Any, trials: Any, index: Any) -> Apply:
        """Build the node."""
        inputs = [*_tensors(weights, theta, trials), pt.as_tensor(index, dtype="int64")]
        _require_columns(self.density, inputs[1])
        return Apply(self, inputs, [pt.tensor(dtype="float64", shape=(inputs[2].type.shape[0],))])

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[tuple[Any, ...]]:
        """Return the shape of the output."""
        return [(shapes[2][0],)]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in compiled code."""
        weights, theta, trials, index = map(np.ascontiguousarray, inputs)
        outputs[0][0] = self.density.pull(weights, theta, index, trials, None)[0]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Weights and index are constants; parameters and trials matter."""
        return [[False], [True], [True], [False]]

    def pullback(
        self, inputs: list[Variable], outputs: list[Variable], cotangents: list[Variable]
    ) -> list[Variable]:
        """Return the derivative by parameter rows."""
        _, by_theta = TrialPullback(self.density, self.threads)(*inputs, cotangents[0])
        undefined = grad_not_implemented(self, 2, inputs[2], "trials are data")
        return [disconnected_type(), by_theta, undefined, disconnected_type()]


class TrialPullback(Op):
    """Log density of each trial, and the derivative by parameter rows, in one pass.

    Inputs are those of `TrialLogDensity` and what the derivative of each trial is multiplied with,
    (n,). Outputs are (n,) and (r, p).
    """

    __props__ = ("density", "threads")

    def __init__(self, density: Density, threads: int = 1) -> None:
        self.density, self.threads = density, threads

    def make_node(
        self, weights: Any, theta: Any, trials: Any, index: Any, cotangents: Any
    ) -> Apply:
        """Build the node."""
        first = TrialLogDensity(self.density, self.threads).make_node(weights, theta, trials, index)
        values, inputs = first.outputs[0], first.inputs
        shape = (inputs[1].type.shape[0], len(self.density.declaration.parameters))
        outputs = [values.type(), pt.tensor(dtype="float64", shape=shape)]
        return Apply(self, [*inputs, *_tensors(cotangents)], outputs)

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[tuple[Any, ...]]:
        """Return the shapes of the outputs."""
        return [(shapes[2][0],), tuple(shapes[1])]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in compiled code."""
        weights, theta, trials, index, cotangents = map(np.ascontiguousarray, inputs)
        results = self.density.pull(weights, theta, index, trials, cotangents)
        for storage, result in zip(outputs, results, strict=True):
            storage[0] = result

    def pullback(
        self, inputs: list[Variable], outputs: list[Variable], cotangents: list[Variable]
    ) -> list[Variable]:
        """Refuse."""
        raise NotImplementedError("second derivatives are not available.")


class TrialDraws(Op):
    """Trials (n, 2) from weights as they are, parameter rows, uniforms (n, 2) and normals (n,).

    The index is that of `TrialLogDensity`.
    """

    __props__ = ("density",)

    def __init__(self, density: Density) -> None:
        self.density = density

    def make_node(
        self, weights: Any, theta: Any, uniforms: Any, normals: Any, index: Any = NO_INDEX
    ) -> Apply:
        """Build the node."""
        inputs = [*_tensors(weights, theta, uniforms, normals), pt.as_tensor(index, dtype="int64")]
        _require_columns(self.density, inputs[1])
        n = inputs[3].type.shape[0]
        return Apply(self, inputs, [pt.tensor(dtype="float64", shape=(n, 2))])

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[tuple[Any, ...]]:
        """Return the shape of the output."""
        return [(shapes[3][0], 2)]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in compiled code."""
        weights, theta, uniforms, normals, index = map(np.ascontiguousarray, inputs)
        own = theta[index] if len(index) else theta
        outputs[0][0] = self.density.transform(weights, own, uniforms, normals)


def trial_log_density(
    density: Density,
    weights: FloatArray,
    theta: Any,
    trials: Any,
    index: Any = NO_INDEX,
    threads: int = 1,
) -> TensorVariable:
    """Return the log density of each trial, (n,), in PyTensor; see `TrialLogDensity`.

    Compiled code divides trials among so many threads at most; JAX's own code has threads itself.
    """
    if density.compilable:
        return TrialLogDensity(density, threads)(density.prepared(weights), theta, trials, index)
    if len(index):
        rows, known = _tensors(theta, trials)
        return _wrapped(density.log_density_of_rows)(
            *_tensors(weights), rows, pt.as_tensor(index), known
        )
    return _wrapped(density.log_density)(*_tensors(weights, theta, trials))


def trial_draws(
    density: Density, weights: Any, theta: Any, uniforms: Any, normals: Any
) -> TensorVariable:
    """Return trials (n, 2) from uniforms (n, 2) and normals (n,), in PyTensor."""
    if density.compilable:
        return TrialDraws(density)(weights, theta, uniforms, normals)
    return _wrapped(density.draws)(*_tensors(weights, theta, uniforms, normals))


def _wrapped(function: Callable[..., Any]) -> Callable[..., TensorVariable]:
    """Return a function of JAX as one of PyTensor."""
    # It makes JAX calculate in float64; without it, wrapped functions are of float32.
    importlib.import_module("pytensor.link.jax.dispatch")
    wrapped: Callable[..., TensorVariable] = pytensor.wrap_jax(function)
    return wrapped


def _tensors(*inputs: Any) -> list[TensorVariable]:
    return [pt.as_tensor(x, dtype="float64") for x in inputs]


def _require_columns(density: Density, theta: TensorVariable) -> None:
    """Refuse rows of which compiled code would read past the end."""
    columns, wanted = theta.type.shape[1], len(density.declaration.parameters)
    if columns not in (None, wanted):
        raise ValueError(f"rows of {columns} parameters do not fit a model of {wanted}.")


@_vectorize_node.register(TrialLogDensity)
def vectorize_trial_log_density(
    op: TrialLogDensity,
    node: Apply,
    weights: TensorVariable,
    theta: TensorVariable,
    trials: TensorVariable,
    index: TensorVariable,
) -> Apply:
    """Evaluate batches of parameter rows (..., r, p) of the same trials in one call of the kernel.

    That is how log likelihoods of many posterior draws are made. Outputs are (..., n).
    """
    if weights.ndim > 1 or trials.ndim > 2 or index.ndim > 1:
        raise NotImplementedError("only parameters can be batched, not trials or weights.")
    batch, (rows, p), n = tuple(theta.shape)[:-2], tuple(theta.shape)[-2:], trials.shape[0]
    size = pt.prod(pt.stack(batch))
    one_each = pt.switch(pt.eq(rows, 1), 0, pt.arange(n))
    row = one_each if node.inputs[3].type.shape == (0,) else index
    rows_of_all = (pt.arange(size)[:, None] * rows + row[None, :]).ravel()
    repeated = pt.broadcast_to(trials[None], (size, n, 2)).reshape((size * n, 2))
    values = op(weights, theta.reshape((size * rows, p)), repeated, rows_of_all)
    shaped: Apply = values.reshape((*batch, n)).owner
    return shaped


@register_specialize
@node_rewriter([TrialLogDensity])
def share_pass_with_gradient(fgraph: Any, node: Apply) -> list[Variable] | None:
    """Take the value from the pass that computes the gradient, where there is one.

    Not where cotangents are made from the value itself, as in mixtures with lapses.
    """
    for client, _ in fgraph.clients[node.inputs[1]]:
        op = client.op
        if not (isinstance(op, TrialPullback) and op.density == node.op.density):
            continue
        if client.inputs[:4] == node.inputs and not _depends(client.inputs[4], node):
            return [client.outputs[0]]
    return None


def _depends(variable: Variable, node: Apply) -> bool:
    return any(ancestor.owner is node for ancestor in ancestors([variable]))


@register_funcify_default_op_cache_key(TrialLogDensity)
def numba_funcify_trial_log_density(op: TrialLogDensity, **_: Any) -> tuple[Any, int]:
    """Compile for PyMC's default backend."""
    kernel = op.density.compiled_pullback(op.threads)

    @numba_njit
    def value(weights, theta, trials, index):  # type: ignore[no-untyped-def]
        return kernel(weights, theta, index, trials, np.zeros(trials.shape[0]), False)[0]

    return value, engine_version()


@register_funcify_default_op_cache_key(TrialPullback)
def numba_funcify_trial_pullback(op: TrialPullback, **_: Any) -> tuple[Any, int]:
    """Compile for PyMC's default backend."""
    kernel = op.density.compiled_pullback(op.threads)

    @numba_njit
    def value_and_gradient(weights, theta, trials, index, cotangents):  # type: ignore[no-untyped-def]
        return kernel(weights, theta, index, trials, cotangents, True)

    return value_and_gradient, engine_version()


@register_funcify_default_op_cache_key(TrialDraws)
def numba_funcify_trial_draws(op: TrialDraws, **_: Any) -> tuple[Any, int]:
    """Compile for PyMC's default backend."""
    kernel = op.density.compiled_draws()

    @numba_njit
    def draw(weights, theta, uniforms, normals, index):  # type: ignore[no-untyped-def]
        own = theta[index] if len(index) > 0 else theta
        return kernel(weights, own, uniforms, normals)

    return draw, engine_version()


class _LoadTranslations(GraphRewriter):
    """Changes nothing, but has JAX told of these operations when a graph is made ready for it."""

    def apply(self, fgraph: Any) -> None:
        """Import what only JAX needs."""
        importlib.import_module("likely.ops_in_jax")


optdb.register("load_likely_in_jax", _LoadTranslations(), "jax", position=0)
