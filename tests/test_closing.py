"""Mixtures whose decisions end at a finite time: the same laws as of any other."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import likely as lk
from likely.kernels.closing import LAST
from likely.likelihood import Training
from likely.networks.mixture import MixtureDensity

ROW = np.array([0.8, 1.2, 0.45, 0.3, 0.9])
OTHER = np.array([-2.0, 0.5, 0.6, 0.1, 1.3])


@pytest.fixture(scope="module")
def likelihood() -> lk.Likelihood:
    """Random weights of every kind of input and output, with an end at about a second."""
    density = MixtureDensity.for_model(
        lk.models["angle"].declaration, (12,), 8, products=True, closing=True
    )
    rng = np.random.default_rng(3)
    arrays = {name: 0.3 * rng.standard_normal(shape) for name, shape in density.shapes.items()}
    arrays["dense1/bias"][-1] = 0.5
    training = Training(labels="none", seed=0, steps=0, draws=0, seconds=0.0, version="0")
    return lk.Likelihood(density, density.flatten(arrays), training)


def rate(likelihood: lk.Likelihood, row: np.ndarray) -> float:
    """Closing rate of a row, from the network in JAX."""
    density = likelihood.density
    with jax.enable_x64(True):
        weights = density.unflatten(jnp.asarray(likelihood.weights))
        return float(density.mixture(density.outputs(weights, jnp.asarray(row[None]))).closing[0])


def trials_around(end: float, t: float) -> np.ndarray:
    times = t + end * np.array([0.05, 0.3, 0.7, 0.95, 0.9985, 1 - 0.9 * LAST, 1.0, 1.2, 4.0])
    both = np.concatenate([np.stack([times, np.full(len(times), c)], 1) for c in (-1.0, 1.0)])
    late = np.stack([times, np.full(len(times), np.inf)], axis=1)
    rest = [[-np.inf, 1.0], [np.nan, -1.0], [t + 0.5 * end, -np.inf], [t, np.inf]]
    return np.concatenate([both, late, rest])


@pytest.mark.parametrize("row", [ROW, OTHER])
def test_compiled_and_jax_agree(likelihood: lk.Likelihood, row: np.ndarray) -> None:
    trials = trials_around(1 / rate(likelihood, row), row[3])
    with jax.enable_x64(True):
        weights = jnp.asarray(likelihood.weights)
        expected = likelihood.density.log_density(
            weights, jnp.asarray(np.tile(row, (len(trials), 1))), jnp.asarray(trials)
        )
    np.testing.assert_allclose(likelihood.logp(row, trials), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("row", [ROW, OTHER])
def test_gradients_are_those_of_the_density(likelihood: lk.Likelihood, row: np.ndarray) -> None:
    trials = trials_around(1 / rate(likelihood, row), row[3])
    trials = trials[:-1]  # a deadline at t itself, where survival has a corner
    _, gradients = likelihood.density.evaluate(likelihood.weights, row[None], trials)
    step = 1e-6
    for j in range(len(row)):
        up, down = row.copy(), row.copy()
        up[j] += step
        down[j] -= step
        slope = (likelihood.logp(up, trials) - likelihood.logp(down, trials)) / (2 * step)
        scale = 1.0 + np.abs(slope)
        np.testing.assert_allclose(gradients[:, j] / scale, slope / scale, atol=2e-4)


def test_mass_is_one_and_ends_in_time(likelihood: lk.Likelihood) -> None:
    end = 1 / rate(likelihood, ROW)
    s = np.concatenate([np.geomspace(1e-7, 0.5, 4000)[:-1], 1 - np.geomspace(0.5, LAST, 4000)])
    s *= end
    mass = 0.0
    for choice in (-1.0, 1.0):
        density = np.exp(likelihood.logp(ROW, np.stack([s + ROW[3], np.full(len(s), choice)], 1)))
        mass += np.trapezoid(density, s)
        assert np.isfinite(density).all()
    left = np.exp(likelihood.log_survival(ROW, s[-1:] + ROW[3]))[0]
    assert mass + left == pytest.approx(1.0, abs=1e-5)
    assert left < 1e-6


def test_draws_follow_the_survival_function(likelihood: lk.Likelihood) -> None:
    draws = likelihood.sample(ROW, 4000, seed=1)["rt"].to_numpy()
    uniform = np.exp(likelihood.log_survival(ROW, draws))
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert draws.max() < ROW[3] + 1 / rate(likelihood, ROW)


def test_jax_draws_are_the_compiled_ones(likelihood: lk.Likelihood) -> None:
    rng = np.random.default_rng(0)
    uniforms, normals = rng.random((50, 2)), rng.standard_normal(50)
    compiled = likelihood.density.transform(likelihood.weights, ROW[None], uniforms, normals)
    with jax.enable_x64(True):
        weights, row = jnp.asarray(likelihood.weights), jnp.asarray(ROW[None])
        expected = likelihood.density.draws(weights, row, uniforms, normals)
    np.testing.assert_allclose(compiled, expected, rtol=1e-9)


def test_files_keep_the_end(likelihood: lk.Likelihood, tmp_path: Path) -> None:
    again = lk.load(likelihood.save(tmp_path / "closing.likely"))
    assert again.density == likelihood.density
    trials = trials_around(1.0, 0.3)
    np.testing.assert_allclose(again.logp(ROW, trials), likelihood.logp(ROW, trials), rtol=1e-5)
