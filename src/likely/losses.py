"""Losses of networks trained on labels: each from outputs and targets, one value a row."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from likely.networks.classic import log_choices

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""function(outputs (n, m), targets (n, m)) -> (n,)"""


def huber(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Squared error up to 1, absolute error beyond (Huber 1964), halved: 0.5 e^2 or |e| - 0.5."""
    return optax.losses.huber_loss(outputs, targets).mean(axis=-1)


def squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Squared error."""
    return jnp.square(outputs - targets).mean(axis=-1)


def cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross-entropy of probabilities with logits.

    Args:
        outputs: logits (n, m - 1) of all outcomes but the first, whose logit is 0.
        targets: probabilities (n, m) of the outcomes. With two, it is the binary cross-entropy.
    """
    return -(targets * log_choices(outputs)).sum(axis=-1)
