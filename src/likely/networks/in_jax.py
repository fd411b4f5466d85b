"""Densities given by a law in JAX: what they share.

A density's law at a parameter row (see `likely.networks.law`) may take a network, and thousands of
trials may share a row: laws are made once for each distinct row, and so are their derivatives.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from likely.kernels.rows import distinct_rows
from likely.networks.density import Density
from likely.networks.later import jax, jitted, jnp
from likely.networks.law import Law, all_observed, coded_log_density, onset, supported
from likely.typing import FloatArray

AT_ONCE = 8192  # trials evaluated at once, which bounds memory
SIZES = (8, 128, 1024, AT_ONCE)  # numbers of rows and trials that fewer are rounded up to


class WrittenInJax(Density):
    """A density with a law, and what that says of trials, in JAX."""

    @abc.abstractmethod
    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> Law:
        """Return the law at parameter rows (n, p), given named weights."""

    def evaluate_in_jax(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities (n,) and gradients (n, p) of trials at rows (1, p) or (n, p)."""
        parts = []
        for begin in range(0, max(len(trials), 1), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            rows = theta if len(theta) == 1 else theta[part]
            parts.append(_part(self, weights, rows, trials[part]))
        values, gradients = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(gradients)

    def log_density(self, weights: jax.Array, theta: jax.Array, trials: jax.Array) -> jax.Array:
        """Log density of each trial, (n,)."""
        begins, law = _law(self, weights, theta)
        value = coded_log_density(self.declaration, law, begins, trials)
        return jnp.where(supported(self.declaration, theta), value, -jnp.inf)

    def log_density_of_rows(
        self, weights: jax.Array, theta: jax.Array, index: jax.Array, trials: jax.Array
    ) -> jax.Array:
        """Log density of each trial, (n,), at row theta[index]."""
        made = (*_law(self, weights, theta), supported(self.declaration, theta))
        begins, law, possible = jax.tree.map(lambda leaf: leaf[index], made)
        value = coded_log_density(self.declaration, law, begins, trials)
        return jnp.where(possible, value, -jnp.inf)

    def draws(
        self, weights: jax.Array, theta: jax.Array, uniforms: jax.Array, normals: jax.Array
    ) -> jax.Array:
        """Trials (n, 2); all their randomness comes from the bits of the first uniform."""
        n = len(normals)
        theta = jnp.broadcast_to(theta, (n, theta.shape[1]))
        begins, law = _law(self, weights, theta)
        if n == 0:
            return jnp.zeros((0, 2), theta.dtype)
        s, index = law.draws(_key(uniforms[0]))
        choice = jnp.asarray(self.declaration.choices, s.dtype)[index]
        trials = jnp.stack([s + begins, choice], axis=1)
        return jnp.where(supported(self.declaration, theta)[:, None], trials, jnp.nan)


def _law(density: WrittenInJax, weights: jax.Array, theta: jax.Array) -> tuple[jax.Array, Law]:
    """Return where responses begin, and the law of decision times, at parameter rows."""
    return onset(density.declaration, theta), density.law(density.unflatten(weights), theta)


def _key(uniforms: jax.Array) -> jax.Array:
    """Return a key of random numbers made from two uniforms."""
    words = (uniforms * 2.0**32).astype(jnp.uint32)
    return jax.random.wrap_key_data(words, impl="threefry2x32")


def _part(
    density: WrittenInJax, weights: FloatArray, theta: FloatArray, trials: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Evaluate at most `AT_ONCE` trials; sizes are rounded up, so that few are compiled."""
    n = len(trials)
    if n == 0:
        return np.empty(0), np.empty((0, theta.shape[1]))
    first, which = distinct_rows(np.ascontiguousarray(theta), n)
    rows = theta[_padded(first, SIZES)]
    with jax.enable_x64(True):
        values, gradients = _value_and_gradient(
            density,
            weights,
            rows,
            _padded(which, SIZES[1:]),
            trials[_padded(np.arange(n), SIZES[1:])],
            all_observed(trials),
        )
        return np.array(values)[:n], np.array(gradients)[:n]


def tabulate_in_jax(
    density: Density, weights: FloatArray, theta: FloatArray, trials: FloatArray
) -> FloatArray:
    """Do what `Density.tabulate` does.

    Pairs are evaluated `AT_ONCE`, so that few trials at many rows cost no more than many at few.
    """
    n, pairs = len(trials), len(theta) * len(trials)
    found = np.empty(pairs)
    with jax.enable_x64(True):
        for begin in range(0, pairs, AT_ONCE):
            row, trial = np.divmod(np.arange(begin, min(begin + AT_ONCE, pairs)), n)
            places = np.arange(row[0], row[-1] + 1)
            values = _values(
                density, weights, theta[_padded(places, SIZES)], _padded(row - row[0], SIZES[-1:]),
                trials[_padded(trial, SIZES[-1:])],
            )  # fmt: skip
            found[begin : begin + AT_ONCE] = np.array(values)[: len(row)]
    return found.reshape(len(theta), n)


@jitted(0)
def _values(
    density: Density, weights: jax.Array, rows: jax.Array, index: jax.Array, trials: jax.Array
) -> jax.Array:
    return density.log_density_of_rows(weights, rows, index, trials)


def _padded(indices: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Repeat the first of some indices until there are as many as the next size."""
    size = next(size for size in sizes if size >= len(indices))
    return np.concatenate([indices, np.full(size - len(indices), indices[0])])


@jitted(0, 5)
def _value_and_gradient(
    density: WrittenInJax,
    weights: jax.Array,
    rows: jax.Array,
    which: jax.Array,
    trials: jax.Array,
    observed: bool,
) -> tuple[jax.Array, jax.Array]:
    """Return log densities (n,) and gradients (n, p), each trial's by its own parameters.

    That is the derivative by what the law is made of, of each trial, times the derivative of that
    by the parameters, of each row.
    """

    def made(rows: jax.Array) -> list[jax.Array]:
        return jax.tree.leaves(_law(density, weights, rows))

    structure = jax.tree.structure(jax.eval_shape(partial(_law, density), weights, rows))

    def values(leaves: list[jax.Array]) -> jax.Array:
        begins, law = jax.tree.unflatten(structure, leaves)
        return coded_log_density(density.declaration, law, begins, trials, observed)

    leaves = made(rows)
    found, pull = jax.vjp(values, [leaf[which] for leaf in leaves])
    by_leaves = pull(jnp.where(jnp.isfinite(found), 1.0, 0.0))[0]
    tangents = jnp.eye(rows.shape[1])

    def along(tangent: jax.Array) -> list[jax.Array]:
        return jax.jvp(made, (rows,), (jnp.broadcast_to(tangent, rows.shape),))[1]

    by_rows = jax.vmap(along)(tangents)
    gradient = sum(
        jnp.einsum("nm,pnm->np", _flat(by, 1), _flat(rate, 2)[:, which])
        for by, rate in zip(by_leaves, by_rows, strict=True)
    )
    possible = supported(density.declaration, rows)[which]
    return jnp.where(possible, found, -jnp.inf), jnp.where(possible[:, None], gradient, 0.0)


def _flat(array: jax.Array, kept: int) -> jax.Array:
    """Join all dimensions but the first ones."""
    return array.reshape(*array.shape[:kept], -1)


def draw_in_jax(
    density: Density,
    weights: FloatArray,
    theta: FloatArray,
    uniforms: FloatArray,
    normals: FloatArray,
) -> FloatArray:
    """Return trials (n, 2) from uniforms (n, 2) and standard normals (n,)."""
    with jax.enable_x64(True):
        return np.array(_draws(density, weights, theta, uniforms, normals))


@jitted(0)
def _draws(
    density: Density, weights: jax.Array, theta: jax.Array, uniforms: jax.Array, normals: jax.Array
) -> jax.Array:
    return density.draws(weights, theta, uniforms, normals)
