"""Networks that can be trained on labelled rows: our own layers.

Those that are anybody's Flax modules are in `likely.networks.flax_modules`.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from likely.errors import ParameterError
from likely.kernels import elementary
from likely.networks.shapes import weight_shapes

if TYPE_CHECKING:
    from likely.networks.flax_modules import LinenNetwork
    from likely.networks.perceptron import Perceptron

Arrays = Mapping[str, Any]
"""Name -> weight array."""
Activation = Callable[[jax.Array], jax.Array]

ACTIVATIONS: dict[Activation, int] = {
    jnp.tanh: elementary.TANH,
    jax.nn.relu: elementary.RELU,
    jax.nn.sigmoid: elementary.SIGMOID,
    jax.nn.silu: elementary.SILU,
    jax.nn.softplus: elementary.SOFTPLUS,
    jax.nn.elu: elementary.ELU,
    jax.nn.gelu: elementary.GELU,
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
    activation: Activation = jnp.tanh

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
        from likely.networks.perceptron import Perceptron

        return Perceptron(self.hidden, self.outputs, self.activation, skip=False)

    def sizes(self, inputs: int) -> tuple[int, ...]:
        """Return the widths of all layers, inputs and outputs included."""
        return (inputs, *self.hidden, self.outputs)

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the weights."""
        return weight_shapes(self.sizes(inputs), skip=False)

    def initial(self, inputs: int, seed: int) -> dict[str, jax.Array]:
        """Return Flax's default initial weights."""
        arrays = self._in_flax.initial(inputs, seed)
        return {name: arrays[name] for name in self.shapes(inputs)}

    def apply(self, arrays: Arrays, x: jax.Array) -> jax.Array:
        """Return outputs (..., outputs)."""
        return self._in_flax.apply(arrays, x)

    @property
    def _in_flax(self) -> LinenNetwork:
        from likely.networks.flax_modules import LinenNetwork

        return LinenNetwork(self.module)


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
