"""Compiled densities in JAX: native code on CPUs, JAX's own elsewhere.

On a CPU, JAX calls the compiled pullback as a foreign function of XLA, without Python. Elsewhere,
for numbers that are not float64, and for second derivatives, the density is written in JAX.
"""

from __future__ import annotations

import functools
import itertools
from functools import partial

import jax
import jax.numpy as jnp

from likely.kernels.foreign import handler
from likely.networks.density import Density

_numbers = itertools.count()


def log_density_in_jax(
    density: Density,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
    threads: int = 1,
) -> jax.Array:
    """Return log densities (n,) of trials (n, 2), given prepared weights and rows (r, p).

    The index (n,) has each trial's row, or is of length 0, if there is one row or one a trial.
    Native code divides trials among so many threads at most.
    """
    if not density.compilable or theta.dtype != jnp.float64:
        return written_in_jax(density, weights, theta, trials, index)
    return _log_density(density, threads, weights, theta, trials, index)


def pull_in_jax(
    density: Density,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
    cotangents: jax.Array,
    threads: int = 1,
) -> tuple[jax.Array, jax.Array]:
    """Return log densities (n,) and, given their cotangents (n,), the gradient (r, p)."""
    if not density.compilable or theta.dtype != jnp.float64:
        return _pulled_in_jax(density, weights, theta, trials, index, cotangents)
    return _pulled(density, threads, weights, theta, trials, index, cotangents)


def written_in_jax(
    density: Density, weights: jax.Array, theta: jax.Array, trials: jax.Array, index: jax.Array
) -> jax.Array:
    """Do what `log_density_in_jax` does, in JAX."""
    if len(index):
        return density.log_density_of_rows(weights, theta, index, trials)
    return density.log_density(weights, theta, trials)


def _pulled_in_jax(
    density: Density,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
    cotangents: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Do what `pull_in_jax` does, in JAX."""

    def value(rows: jax.Array) -> jax.Array:
        return written_in_jax(density, weights, rows, trials, index)

    values, pull = jax.vjp(value, theta)
    (by_theta,) = pull(jnp.where(jnp.isfinite(values), cotangents, 0.0))
    return values, by_theta


@functools.cache
def _target(density: Density, threads: int) -> str:
    """Return the name of the foreign function of a density, which XLA is told of once."""
    name = f"likely_pullback_{next(_numbers)}"
    jax.ffi.register_ffi_target(name, handler(density.compiled_pullback(threads)), platform="cpu")
    return name


def _call(
    density: Density, threads: int, rows: int, arguments: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array]:
    """Call the foreign function; the gradient has rows or none.

    It reads what the index says: that this is among the rows is not checked.
    """
    _, theta, index, trials, cotangents = arguments
    n, wanted = len(trials), len(density.declaration.parameters)
    if not (len(index) == n or len(index) == 0 and len(theta) in (1, n)):
        raise ValueError(f"{len(theta)} parameter rows do not fit {n} trials.")
    if theta.shape[1] != wanted:
        raise ValueError(f"rows of {theta.shape[1]} parameters do not fit a model of {wanted}.")
    if cotangents.shape != (n,) or trials.shape != (n, 2):
        raise ValueError(f"trials {trials.shape} are rt and choice, with a cotangent each.")
    kinds = (jnp.float64, jnp.float64, jnp.int64, jnp.float64, jnp.float64)
    arguments = tuple(x.astype(kind) for x, kind in zip(arguments, kinds, strict=True))
    shapes = (
        jax.ShapeDtypeStruct((len(trials),), theta.dtype),
        jax.ShapeDtypeStruct((rows, theta.shape[1]), theta.dtype),
    )
    call = jax.ffi.ffi_call(_target(density, threads), shapes, vmap_method="sequential")
    values, gradient = call(*arguments)
    return values, gradient


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _pulled(
    density: Density,
    threads: int,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
    cotangents: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Do what `pull_in_jax` does."""

    def native(*arguments: jax.Array) -> tuple[jax.Array, jax.Array]:
        weights, theta, trials, index, cotangents = arguments
        return _call(density, threads, len(theta), (weights, theta, index, trials, cotangents))

    written = partial(_pulled_in_jax, density)
    return jax.lax.platform_dependent(
        weights, theta, trials, index, cotangents, cpu=native, default=written
    )


@_pulled.defjvp
def _pulled_jvp(density: Density, threads: int, primals: tuple, tangents: tuple) -> tuple:  # type: ignore[type-arg]
    weights, theta, trials, index, cotangents = primals

    def pulled(rows: jax.Array, weighted: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _pulled_in_jax(density, weights, rows, trials, index, weighted)

    found, push = jax.linearize(pulled, theta, cotangents)
    return found, push(tangents[1], tangents[4])


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _log_density(
    density: Density,
    threads: int,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
) -> jax.Array:
    """Do what `log_density_in_jax` does."""

    def native(*arguments: jax.Array) -> jax.Array:
        weights, theta, trials, index = arguments
        nothing = jnp.zeros(len(trials), theta.dtype)
        return _call(density, threads, 0, (weights, theta, index, trials, nothing))[0]

    written = partial(written_in_jax, density)
    return jax.lax.platform_dependent(weights, theta, trials, index, cpu=native, default=written)


def _forward(
    density: Density,
    threads: int,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Compute value and gradient in one pass, as if the value were summed, which it mostly is."""
    ones = jnp.ones(len(trials), theta.dtype)
    values, gradient = _pulled(density, threads, weights, theta, trials, index, ones)
    return values, (weights, theta, trials, index, gradient)


def _backward(
    density: Density, threads: int, known: tuple[jax.Array, ...], cotangents: jax.Array
) -> tuple[jax.Array | None, ...]:
    weights, theta, trials, index, gradient = known
    if len(cotangents) == 0:
        return None, gradient, None, None

    def weighted() -> jax.Array:
        return _pulled(density, threads, weights, theta, trials, index, cotangents)[1]

    equal = (cotangents == cotangents[0]).all() & jnp.isfinite(cotangents[0])
    by_theta = jax.lax.cond(equal, lambda: cotangents[0] * gradient, weighted)
    return None, by_theta, None, None


_log_density.defvjp(_forward, _backward)
