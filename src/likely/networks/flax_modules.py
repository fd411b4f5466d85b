"""Anybody's Flax modules as networks.

Flax takes half a second to import, and only who trains or brings a module needs it: nothing here is
imported where a likelihood is merely loaded and evaluated by compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from likely.errors import ParameterError
from likely.networks.network import Arrays, Network


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
