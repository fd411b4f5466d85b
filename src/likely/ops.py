"""PyTensor operations: log density of trials with its gradient, and draws, on every backend."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.link.jax.dispatch.basic import jax_funcify
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.rewriting.basic import register_specialize
from pytensor.tensor.variable import TensorVariable

from likely.kernels.caching import engine_version
from likely.networks.density import Density


class TrialLogDensity(Op):
    """Log density of each trial, and on request its derivative by the trial's parameters.

    Inputs are the flat weights, parameter rows (1, p) or (n, p), and encoded trials (n, 2).
    Outputs are (n,) and, with the gradient, (n, p): as a trial depends on its own parameters only,
    that is the whole Jacobian, and value and gradient come from one pass.
    """

    __props__ = ("density", "with_gradient")

    def __init__(self, density: Density, with_gradient: bool = False) -> None:
        self.density = density
        self.with_gradient = with_gradient

    def make_node(self, weights: Any, theta: Any, trials: Any) -> Apply:
        """Build the node; the number of parameters must fit."""
        inputs = _tensors(weights, theta, trials)
        n = inputs[2].type.shape[0]
        p = len(self.density.declaration.parameters)
        outputs = [pt.tensor(dtype="float64", shape=(n,))]
        if self.with_gradient:
            outputs.append(pt.tensor(dtype="float64", shape=(n, p)))
        return Apply(self, inputs, outputs)

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[tuple[Any, ...]]:
        """Return the shapes of the outputs."""
        n, p = shapes[2][0], shapes[1][1]
        return [(n,), (n, p)][: len(node.outputs)]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in compiled code."""
        results = self.density.evaluate(*map(np.ascontiguousarray, inputs))
        for storage, result in zip(outputs, results, strict=False):
            storage[0] = result

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Weights are constants; parameters and trials matter to every output."""
        return [[False] * len(node.outputs)] + [[True] * len(node.outputs)] * 2

    def pullback(
        self, inputs: list[Variable], outputs: list[Variable], cotangents: list[Variable]
    ) -> list[Variable]:
        """Multiply the cotangent of each trial with its row of the Jacobian."""
        if self.with_gradient:
            raise NotImplementedError("second derivatives are not available.")
        weights, theta, trials = inputs
        _, jacobian = TrialLogDensity(self.density, with_gradient=True)(weights, theta, trials)
        by_theta = cotangents[0][:, None] * jacobian
        if theta.type.shape[0] == 1:
            by_theta = by_theta.sum(axis=0, keepdims=True)
        undefined = grad_not_implemented(self, 2, trials, "trials are data")
        return [disconnected_type(), by_theta, undefined]


class TrialDraws(Op):
    """Trials (n, 2) from weights, parameter rows, uniforms (n, 2) and normals (n,)."""

    __props__ = ("density",)

    def __init__(self, density: Density) -> None:
        self.density = density

    def make_node(self, weights: Any, theta: Any, uniforms: Any, normals: Any) -> Apply:
        """Build the node."""
        inputs = _tensors(weights, theta, uniforms, normals)
        n = inputs[3].type.shape[0]
        return Apply(self, inputs, [pt.tensor(dtype="float64", shape=(n, 2))])

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[tuple[Any, ...]]:
        """Return the shape of the output."""
        return [(shapes[3][0], 2)]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in compiled code."""
        outputs[0][0] = self.density.transform(*map(np.ascontiguousarray, inputs))


def trial_log_density(density: Density, weights: Any, theta: Any, trials: Any) -> TensorVariable:
    """Return the log density of each trial, (n,), in PyTensor."""
    if density.compilable:
        return TrialLogDensity(density)(weights, theta, trials)
    return pytensor.wrap_jax(density.log_density)(*_tensors(weights, theta, trials))


def trial_draws(
    density: Density, weights: Any, theta: Any, uniforms: Any, normals: Any
) -> TensorVariable:
    """Return trials (n, 2) from uniforms (n, 2) and normals (n,), in PyTensor."""
    if density.compilable:
        return TrialDraws(density)(weights, theta, uniforms, normals)
    return pytensor.wrap_jax(density.draws)(*_tensors(weights, theta, uniforms, normals))


def _tensors(*inputs: Any) -> list[TensorVariable]:
    return [pt.as_tensor(x, dtype="float64") for x in inputs]


@register_specialize
@node_rewriter([TrialLogDensity])
def share_pass_with_gradient(fgraph: Any, node: Apply) -> list[Variable] | None:
    """Take the value from the pass that computes the gradient, where there is one."""
    if node.op.with_gradient:
        return None
    for client, _ in fgraph.clients[node.inputs[1]]:
        same_op = isinstance(client.op, TrialLogDensity) and client.op.density == node.op.density
        if same_op and client.op.with_gradient and client.inputs == node.inputs:
            return [client.outputs[0]]
    return None


@register_funcify_default_op_cache_key(TrialLogDensity)
def numba_funcify_trial_log_density(op: TrialLogDensity, **_: Any) -> tuple[Any, int]:
    """Compile for PyMC's default backend."""
    kernel = op.density.compiled_log_density()

    @numba_njit
    def value(weights, theta, trials):  # type: ignore[no-untyped-def]
        return kernel(weights, theta, trials)[0]

    return (kernel if op.with_gradient else value), engine_version()


@register_funcify_default_op_cache_key(TrialDraws)
def numba_funcify_trial_draws(op: TrialDraws, **_: Any) -> tuple[Any, int]:
    """Compile for PyMC's default backend."""
    return op.density.compiled_draws(), engine_version()


@jax_funcify.register(TrialLogDensity)
def jax_funcify_trial_log_density(op: TrialLogDensity, **_: Any) -> Any:
    """Translate to JAX."""
    if not op.with_gradient:
        return op.density.log_density

    def value_and_gradient(
        weights: jax.Array, theta: jax.Array, trials: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        def value(rows: jax.Array) -> jax.Array:
            return op.density.log_density(weights, rows, trials)

        tangents = [jnp.zeros_like(theta).at[:, j].set(1.0) for j in range(theta.shape[1])]
        pushed = [jax.jvp(value, (theta,), (tangent,)) for tangent in tangents]
        return pushed[0][0], jnp.stack([derivative for _, derivative in pushed], axis=1)

    return value_and_gradient


@jax_funcify.register(TrialDraws)
def jax_funcify_trial_draws(op: TrialDraws, **_: Any) -> Any:
    """Translate to JAX."""
    return op.density.draws
