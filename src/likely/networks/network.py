"""Networks that can be trained on labelled rows: our own layers, or anybody's Flax module."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from likely.errors import ParameterError
from likely.kernels import elementary
from likely.networks.perceptron import Perceptron, weight_shapes

Arrays = Mapping[str, Any]
"""Name -> weight array."""
Activation = Callable[[jax.Array], jax.Array]

ACTIVATIONS: dict[Activation, int] = {
    nn.tanh: elementary.TANH,
    nn.relu: elementary.RELU,
    nn.sigmoid: elementary.SIGMOID,
    nn.silu: elementary.SILU,
    nn.softplus: elementary.SOFTPLUS,
    nn.elu: elementary.ELU,
    nn.gelu: elementary.GELU,
}
"""The activations that compiled code has, too."""


class Network(abc.ABC):
    """A function from inputs (..., inputs) to outputs (..., outputs), with named weights.

    To add a kind, write a frozen, hashable dataclass that defines everything below.
    """

    @abc.abstractmethod
    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the weights for so many inputs."""

    @abc.abstractmethod
    def initial(self, inputs: int, seed: int) -> dict[str, jax.Array]:
        """Return random weights to start training from."""

    @abc.abstractmethod
    def apply(self, arrays: Arrays, x: jax.Array) -> jax.Array:
        """Return outputs (..., outputs) for inputs x (..., inputs)."""

    @abc.abstractmethod
    def specification(self) -> dict[str, Any]:
        """Return what describes the network in a file, for JSON."""


@dataclass(frozen=True)
class Layers(Network):
    """Dense layers with an activation between them.

    Args:
        hidden: widths of the hidden layers.
        outputs: number of outputs.
        activation: one of flax.linen's tanh, relu, sigmoid, silu, softplus, elu, gelu; for another
            one, write a module.

    Raises:
        ParameterError: if a width is not a whole number of at least 1, or the activation is
            another.
    """

    hidden: tuple[int, ...] = (100, 100, 100)
    outputs: int = 1
    activation: Activation = nn.tanh

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for width in (*self.hidden, self.outputs):
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise ParameterError(
                    f"a layer is {width!r} wide; it must be a whole number, at least 1."
                )
        if self.activation not in ACTIVATIONS:
            known = ", ".join(f.__name__ for f in ACTIVATIONS)
            raise ParameterError(
                f"activation {getattr(self.activation, '__name__', self.activation)!r} is none of "
                f"flax.linen's {known}; for another one, give a Flax module as the network."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the activation by name: Flax's functions go by others in their own modules."""
        return Layers.from_specification, (self.specification(),)

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Layers:
        """Build the layers that `specification` describes."""
        by_name = {function.__name__: function for function in ACTIVATIONS}
        hidden = tuple(int(width) for width in specification["hidden"])
        outputs = int(specification["outputs"])
        return cls(hidden, outputs, by_name[specification["activation"]])

    def specification(self) -> dict[str, Any]:
        """Return widths and activation."""
        hidden, name = list(self.hidden), self.activation.__name__
        return {"hidden": hidden, "outputs": self.outputs, "activation": name}

    @property
    def module(self) -> Perceptron:
        """The layers in Flax."""
        return Perceptron(self.hidden, self.outputs, self.activation, skip=False)

    def sizes(self, inputs: int) -> tuple[int, ...]:
        """Return the widths of all layers, inputs and outputs included."""
        return (inputs, *self.hidden, self.outputs)

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the weights."""
        return weight_shapes(self.sizes(inputs), skip=False)

    def initial(self, inputs: int, seed: int) -> dict[str, jax.Array]:
        """Return Flax's default initial weights."""
        arrays = LinenNetwork(self.module).initial(inputs, seed)
        return {name: arrays[name] for name in self.shapes(inputs)}

    def apply(self, arrays: Arrays, x: jax.Array) -> jax.Array:
        """Return outputs (..., outputs)."""
        return LinenNetwork(self.module).apply(arrays, x)


@dataclass(frozen=True, eq=False)
class LinenNetwork(Network):
    """A module of flax.linen whose only variables are parameters.

    Two of them are equal only if they are the same object: modules with lists cannot be compared.
    """

    module: nn.Module

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the weights, without computing any."""
        tree = jax.eval_shape(self._variables, jax.random.key(0), jnp.zeros((1, inputs)))
        other = sorted(set(tree) - {"params"})
        if other:
            raise ParameterError(
                f"module {type(self.module).__name__} has variables {other} besides its "
                "parameters; a likelihood needs a plain function of inputs and parameters."
            )
        named = flatten_dict(tree.get("params", {}), sep="/")
        return {name: tuple(leaf.shape) for name, leaf in sorted(named.items())}

    def _variables(self, key: jax.Array, x: jax.Array) -> Any:
        return self.module.init(key, x)

    def initial(self, inputs: int, seed: int) -> dict[str, jax.Array]:
        """Return the module's own initial weights."""
        words = np.random.SeedSequence(seed).generate_state(2, np.uint32)
        key = jax.random.wrap_key_data(jnp.asarray(words))
        variables = self._variables(key, jnp.zeros((1, inputs)))
        return dict(sorted(flatten_dict(variables.get("params", {}), sep="/").items()))

    def apply(self, arrays: Arrays, x: jax.Array) -> jax.Array:
        """Return the module's outputs."""
        return self.module.apply({"params": unflatten_dict(dict(arrays), sep="/")}, x)

    def specification(self) -> dict[str, Any]:
        """Return the module's representation; its code cannot be stored."""
        return {"module": repr(self.module)}


@dataclass(frozen=True, eq=False)
class NnxNetwork(Network):
    """A module of flax.nnx whose only state is parameters; training starts from its own weights.

    Two of them are equal only if they are the same object, as modules are.
    """

    module: nnx.Module

    def _parts(self) -> tuple[Any, dict[str, Any]]:
        graph, state, rest = nnx.split(self.module, nnx.Param, ...)
        if jax.tree.leaves(rest):
            raise ParameterError(
                f"module {type(self.module).__name__} has state besides its parameters; a "
                "likelihood needs a plain function of inputs and parameters."
            )
        named = {"/".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(state)}
        return (graph, state, rest), {name: leaf[...] for name, leaf in named.items()}

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the weights."""
        return {name: tuple(array.shape) for name, array in self._parts()[1].items()}

    def initial(self, inputs: int, seed: int) -> dict[str, jax.Array]:
        """Return the weights that the module was made with."""
        return self._parts()[1]

    def apply(self, arrays: Arrays, x: jax.Array) -> jax.Array:
        """Return the module's outputs."""
        (graph, state, rest), _ = self._parts()
        leaves = [arrays["/".join(map(str, path))] for path, _ in nnx.to_flat_state(state)]
        replaced = jax.tree.unflatten(jax.tree.structure(state), leaves)
        return nnx.merge(graph, replaced, rest)(x)

    def specification(self) -> dict[str, Any]:
        """Return the name of the module's class; its code cannot be stored."""
        return {"module": type(self.module).__name__}


def as_network(given: Network | nn.Module | nnx.Module) -> Network:
    """Return a network for what the user gave.

    Raises:
        ParameterError: if it is neither a network nor a Flax module.
    """
    if isinstance(given, Network):
        return given
    if isinstance(given, nn.Module):
        return LinenNetwork(given)
    if isinstance(given, nnx.Module):
        return NnxNetwork(given)
    raise ParameterError(f"{given!r} is neither a network nor a Flax module.")


def require_outputs(network: Network, inputs: int, outputs: int) -> None:
    """Raise ParameterError unless the network maps (n, inputs) to (n, outputs)."""
    shapes = network.shapes(inputs)
    arrays = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    x = jax.ShapeDtypeStruct((2, inputs), jnp.float32)
    try:
        got = jax.eval_shape(network.apply, arrays, x).shape
    except Exception as error:  # a user's module may fail in any way, or return something else
        raise ParameterError(f"the network cannot take inputs (n, {inputs}): {error}") from error
    if got != (2, outputs):
        wanted = f"(n, {outputs}) for inputs (n, {inputs})"
        raise ParameterError(f"the network returns {got} for inputs (2, {inputs}), not {wanted}.")
