"""The operations of likelihoods in JAX; imported when PyTensor first compiles for JAX."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch.basic import jax_funcify

from likely.networks.foreign import log_density_in_jax, pull_in_jax
from likely.ops import TrialDraws, TrialLogDensity, TrialPullback
from likely.shared_rows import DistinctRows


@jax_funcify.register(TrialLogDensity)
def jax_funcify_trial_log_density(op: TrialLogDensity, **_: Any) -> Any:
    """Translate to JAX."""
    return partial(log_density_in_jax, op.density, threads=op.threads)


@jax_funcify.register(TrialPullback)
def jax_funcify_trial_pullback(op: TrialPullback, **_: Any) -> Any:
    """Translate to JAX."""
    return partial(pull_in_jax, op.density, threads=op.threads)


@jax_funcify.register(TrialDraws)
def jax_funcify_trial_draws(op: TrialDraws, **_: Any) -> Any:
    """Translate to JAX."""

    def draw(
        weights: jax.Array,
        theta: jax.Array,
        uniforms: jax.Array,
        normals: jax.Array,
        index: jax.Array,
    ) -> jax.Array:
        own = theta[index] if len(index) else theta
        return op.density.draws(weights, own, uniforms, normals)

    return draw


@jax_funcify.register(DistinctRows)
def jax_funcify_distinct_rows(op: DistinctRows, **_: Any) -> Any:
    """Translate to JAX."""

    def distinct(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        places = jnp.arange(len(rows))
        return places, places

    return distinct
