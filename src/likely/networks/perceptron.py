"""The perceptron beneath every network of ours."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax


class Perceptron(nn.Module):
    """Dense layers, and if wanted a linear map straight from inputs to outputs beside them.

    The linear map carries what is plainly multiplicative in the parameters where inputs contain
    logarithms and outputs are logarithms, so that the layers need only learn the rest.

    Args:
        hidden: widths of the hidden layers.
        outputs: number of outputs.
        activation: what follows each hidden layer.
        skip: whether there is the linear map.
    """

    hidden: tuple[int, ...]
    outputs: int
    activation: Callable[[jax.Array], jax.Array] = nn.silu
    skip: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs (..., outputs) for inputs (..., features)."""
        y = x
        for i, width in enumerate(self.hidden):
            y = self.activation(nn.Dense(width, name=f"dense{i}")(y))
        last = nn.Dense(self.outputs, name=f"dense{len(self.hidden)}")
        if not self.skip:
            return last(y)
        skip = nn.Dense(
            self.outputs, use_bias=False, kernel_init=nn.initializers.zeros_init(), name="skip"
        )
        return last(y) + skip(x)
