"""Compiled densities that JAX calls as native code, against the same written in JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import likely as lk
from likely.networks.foreign import log_density_in_jax, pull_in_jax, written_in_jax

Total = Callable[[jax.Array], jax.Array]


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    """Have JAX compute in float64, as PyMC does."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, ...]:
    """Return prepared weights, rows, trials and the row of each."""
    likelihood, rng, n = lk.load("ddm"), np.random.default_rng(3), 90
    rows = likelihood.declaration.shaping_rows(rng, 7)
    rows[:, 3] = rng.uniform(0.1, 0.3, 7)
    index = rng.integers(0, 7, n)
    trials = likelihood.sample(rows[index], 1, seed=3).to_numpy()
    return likelihood.density.prepared(likelihood.weights), rows, trials, index


def _totals(known: tuple[np.ndarray, ...], weights: np.ndarray) -> tuple[Total, Total]:
    """Return weighted sums of log densities by parameter rows, native and written in JAX."""
    prepared, _, trials, index = map(jnp.asarray, known)
    density = lk.load("ddm").density

    def total(log_density: Callable[..., jax.Array], rows: jax.Array) -> jax.Array:
        return weights @ log_density(density, prepared, rows, trials, index)

    return partial(total, log_density_in_jax), partial(total, written_in_jax)


@pytest.mark.parametrize("equal", [True, False])
def test_values_and_gradients_agree(known: tuple[np.ndarray, ...], equal: bool) -> None:
    n = len(known[2])
    weights = np.full(n, 2.0) if equal else np.random.default_rng(4).normal(size=n)
    native, written = _totals(known, weights)
    rows = jnp.asarray(known[1])
    value, gradient = jax.jit(jax.value_and_grad(native))(rows)
    expected, slopes = jax.jit(jax.value_and_grad(written))(rows)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(native(rows), expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-9)


def test_chains_may_run_abreast(known: tuple[np.ndarray, ...]) -> None:
    native, written = _totals(known, np.linspace(0.5, 1.0, len(known[2])))
    chains = jnp.asarray(known[1]) * jnp.array([0.99, 1.0, 1.01])[:, None, None]
    found, expected = (jax.vmap(jax.grad(f))(chains) for f in (native, written))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_there_are_second_derivatives(known: tuple[np.ndarray, ...]) -> None:
    native, written = _totals(known, np.ones(len(known[2])))
    rows = jnp.asarray(known[1])
    found, expected = (jax.hessian(f)(rows) for f in (native, written))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_other_kinds_of_numbers_are_converted(known: tuple[np.ndarray, ...]) -> None:
    prepared, rows, trials, index = map(jnp.asarray, known)
    density = lk.load("ddm").density
    expected = log_density_in_jax(density, prepared, rows, trials.astype(jnp.float32), index)
    found = jax.jit(partial(log_density_in_jax, density))(
        prepared, rows, trials.astype(jnp.float32), index.astype(jnp.int32)
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(
        found, log_density_in_jax(density, prepared, rows, trials, index), rtol=1e-3, atol=1e-3
    )


def test_arguments_that_do_not_fit_are_refused(known: tuple[np.ndarray, ...]) -> None:
    prepared, rows, trials, index = map(jnp.asarray, known)
    density, ones = lk.load("ddm").density, jnp.ones(len(trials))
    with pytest.raises(ValueError, match="7 parameter rows do not fit 90 trials"):
        log_density_in_jax(density, prepared, rows, trials, index[:0])
    with pytest.raises(ValueError, match="7 parameter rows do not fit 90 trials"):
        pull_in_jax(density, prepared, rows, trials, index[:5], ones)
    with pytest.raises(ValueError, match=r"trials \(90, 2\) are rt and choice"):
        pull_in_jax(density, prepared, rows, trials, index, ones[:5])
    with pytest.raises(ValueError, match="rows of 3 parameters do not fit a model of 4"):
        pull_in_jax(density, prepared, rows[:, 1:], trials, index, ones)


def test_nothing_calls_back_into_python(known: tuple[np.ndarray, ...]) -> None:
    native, _ = _totals(known, np.ones(len(known[2])))
    text = jax.jit(jax.grad(native)).lower(jnp.asarray(known[1])).compile().as_text()
    assert "likely_pullback" in text
    assert "callback" not in text


@pytest.mark.slow
def test_other_numbers_are_left_to_jax(known: tuple[np.ndarray, ...]) -> None:
    """Those in single precision."""
    density, n = lk.load("ddm").density, len(known[2])
    prepared, rows, trials, index = (
        jnp.asarray(a, "float32" if a.dtype == float else a.dtype) for a in known
    )
    values, gradient = pull_in_jax(density, prepared, rows, trials, index, jnp.ones(n, "float32"))
    assert values.dtype == gradient.dtype == jnp.float32
    exact, expected = pull_in_jax(
        density, *(jnp.asarray(a) for a in known), jnp.ones(n)
    )  # fmt: skip
    np.testing.assert_allclose(values, exact, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-2, atol=1e-2)
