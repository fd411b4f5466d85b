"""Trials of one gradient judged on several threads."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytest

import likely as lk
from likely.errors import ParameterError
from likely.kernels.native import NO_INDEX
from likely.likelihood import Likelihood
from likely.networks.foreign import pull_in_jax
from likely.typing import FloatArray

N = 2507
CASES = ("one row", "an index", "an index of many rows", "rows of their own", "few", "none")


@pytest.fixture(scope="module")
def ddm() -> Likelihood:
    """A shipped likelihood."""
    return lk.load("ddm")


def _case(name: str, rng: np.random.Generator) -> tuple[FloatArray, np.ndarray, FloatArray]:
    """Return rows, index and trials; some of which are impossible or not observed."""
    n = {"one row": 25_000, "an index": 25_000, "few": 2, "none": 0}.get(name, N)
    rows = {"one row": 1, "an index": 3, "an index of many rows": 900}.get(name, max(n, 1))
    index = rng.integers(0, rows, n) if name.startswith("an index") else NO_INDEX
    theta = lk.models["ddm"].declaration.shaping_rows(rng, rows)
    trials = np.stack([rng.gamma(3.0, 0.4, n), rng.choice([-1.0, 1.0], n)], axis=1)
    trials[::50, 0], trials[1::50, 1] = np.nan, np.inf
    return theta, index, trials


@pytest.fixture(scope="module")
def divided(ddm: Likelihood) -> Any:
    """Its pullback on as many threads as trials are worth."""
    return ddm.density.compiled_pullback(16)


@pytest.mark.parametrize("name", CASES)
def test_threads_change_nothing(
    ddm: Likelihood, divided: Any, name: str, rng: np.random.Generator
) -> None:
    density, weights = ddm.density, ddm.density.prepared(ddm.weights)
    theta, index, trials = _case(name, rng)
    cotangents = rng.normal(size=len(trials))
    expected = density.pull(weights, theta, index, trials, cotangents)
    assert len(trials) < 100 or np.isfinite(expected[0]).sum() > 100
    values, gradient = divided(weights, theta, index, trials, cotangents, True)
    np.testing.assert_allclose(values, expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-9)
    alone, none = divided(weights, theta, index, trials, cotangents, False)
    np.testing.assert_array_equal(alone, values)
    assert none.shape == (0, theta.shape[1])


@pytest.mark.slow
def test_models_have_them(ddm: Likelihood, rng: np.random.Generator) -> None:
    theta, index, trials = _case("an index", rng)
    trials = np.nan_to_num(trials, nan=0.7, posinf=1.0)
    found = []
    for threads in (1, 3):
        with pm.Model() as model:
            v = pm.Normal("v", 0.0, 1.0, shape=3)
            ddm.on_threads(threads)("y", v=v[index], a=1.2, z=0.5, t=0.1, observed=trials)
        function = model.logp_dlogp_function(ravel_inputs=True)
        function.set_extra_values({})
        found.append(function(np.array([0.5, 1.0, -1.0])))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-9)


def test_native_code_in_jax_has_them(ddm: Likelihood, rng: np.random.Generator) -> None:
    theta, index, trials = _case("an index of many rows", rng)
    weights, ones = ddm.density.prepared(ddm.weights), np.ones(len(trials))
    with jax.enable_x64(True):
        given = [jnp.asarray(a) for a in (weights, theta, trials, index, ones)]
        expected = pull_in_jax(ddm.density, *given)
        found = pull_in_jax(ddm.density, *given, threads=3)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-9)


def test_special_cases_have_them(rng: np.random.Generator) -> None:
    """Whose pullback is that of the general model."""
    likelihood = lk.load("race_no_bias_2")
    n = 1000
    rows = likelihood.declaration.shaping_rows(rng, n)
    trials = likelihood.sample(rows, 1, seed=4).to_numpy()
    weights, ones = likelihood.density.prepared(likelihood.weights), np.ones(n)
    expected = likelihood.density.pull(weights, rows, NO_INDEX, trials, ones)
    pull = likelihood.density.compiled_pullback(2)
    values, gradient = pull(weights, rows, NO_INDEX, trials, ones, True)
    np.testing.assert_allclose(values, expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-9)


def test_their_number_is_a_number(ddm: Likelihood, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (0, -1, 1.5, "all"):
        with pytest.raises(ParameterError, match="threads is .*; it must be a whole number"):
            ddm.on_threads(wrong)  # type: ignore[arg-type]
    monkeypatch.setattr("likely.likelihood.available", lambda: False)
    assert ddm.on_threads(1).threads == 1
    with pytest.raises(ParameterError, match="POSIX"):
        ddm.on_threads(2)
