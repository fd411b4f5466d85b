"""Compiled code for races of learned accumulators, against the same law in JAX."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erfcx
from scipy.stats import kstest

import likely as lk
from likely.assembly import assembly_of
from likely.kernels import accumulators
from likely.likelihood import Likelihood, Training
from likely.networks.density import Density
from likely.networks.mixture import MixtureDensity
from likely.networks.race import MixtureForm, RaceDensity
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

RECORD = Training("draws", 0, 0, 0, 0.0, "0")
NO_CHOICE = 9.0  # is none of the models' choices


def _race(name: str, *, closing: bool) -> RaceDensity:
    assembly = assembly_of(lk.models[name])
    assert assembly is not None
    declaration = assembly.part.declaration
    part = MixtureDensity.for_model(declaration, (8,), 8, products=True, closing=closing)
    density = assembly.density(part)
    assert isinstance(density, RaceDensity)
    return density


def _with_a_constant(density: RaceDensity) -> RaceDensity:
    """Wire the last parameter of the first accumulator to a number."""
    first, *others = density.wiring
    return replace(density, wiring=((*first[:-1], 0.3), *others))


MADE = {
    "open": lambda: _with_a_constant(_race("race_3", closing=False)),
    "closing": lambda: _race("race_no_z_angle_2", closing=True),
}


@pytest.fixture(params=MADE, scope="module")
def density(request: pytest.FixtureRequest) -> RaceDensity:
    """A race of each kind."""
    return MADE[request.param]()


@pytest.fixture(scope="module")
def weights(density: RaceDensity) -> FloatArray:
    """Arbitrary weights."""
    return 0.3 * np.random.default_rng(3).standard_normal(density.size)


def _rows(density: Density, n: int) -> FloatArray:
    """Return parameter rows (n, p) that begin after 0.2 s."""
    rows = density.declaration.shaping_rows(np.random.default_rng(5), n)
    rows[:, density.declaration.non_decision_column] += 0.2
    return rows


def _trials(density: Density) -> FloatArray:
    """Return trials (n, 2) of every kind, early and late, and impossible ones."""
    choices = [*density.declaration.choices, NO_RESPONSE, CHOICE_UNOBSERVED, np.nan, NO_CHOICE]
    times = [0.2001, 0.21, 0.3, 0.5, 0.9, 2.0, 6.0, 40.0, 0.1, np.inf, TIME_UNOBSERVED, np.nan]
    return np.array([[time, choice] for time in times for choice in choices])


@partial(jax.jit, static_argnums=0)
def _of_law(
    density: RaceDensity, weights: jax.Array, rows: jax.Array, trials: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return log densities (n,) and gradients (n, p) of trials with rows of their own, in JAX."""

    def total(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        values = density.log_density(weights, rows, trials)
        return jnp.where(jnp.isfinite(values), values, 0.0).sum(), values

    gradients, values = jax.grad(total, has_aux=True)(rows)
    return values, gradients


def _assert_same(
    density: RaceDensity, weights: FloatArray, rows: FloatArray, trials: FloatArray
) -> None:
    """Compare with JAX, which compiles once for a number of trials."""
    values, gradients = density.evaluate(weights, rows, trials)
    own = np.broadcast_to(rows, (len(trials), rows.shape[1]))
    with jax.enable_x64(True):
        expected, slopes = map(np.asarray, _of_law(density, weights, own, trials))
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)
    largest = np.abs(slopes).max(axis=1, keepdims=True)
    np.testing.assert_allclose(gradients / (1.0 + largest), slopes / (1.0 + largest), atol=1e-9)


def test_compiled_code_is_the_law(density: RaceDensity, weights: FloatArray) -> None:
    """Values and gradients, of trials that share a row and of trials with rows of their own."""
    assert density.compilable
    trials = _trials(density)
    _assert_same(density, weights, _rows(density, 1), trials)
    own = np.resize(_rows(density, 4), (len(trials), len(density.declaration.names)))
    own[::9, 0] = own[0, 0]  # accumulators alike in rows that are not
    _assert_same(density, weights, own, trials)


def test_what_would_underflow_does_not(density: RaceDensity, weights: FloatArray) -> None:
    """Log densities far below the smallest number, where sums are made from logarithms."""
    rows = _rows(density, 1)
    t = rows[0, density.declaration.non_decision_column]
    late = 2.0 if density.form.mixture.closing else 1e4  # type: ignore[attr-defined]
    trials = np.array([[t + 1e-4, density.declaration.choices[-1]], [t + late, NO_RESPONSE]])
    _assert_same(density, weights, rows, np.concatenate([trials, _trials(density)[2:]]))
    values, _ = density.evaluate(weights, rows, trials)
    assert (values < -1000.0).all()


def test_what_has_no_support_is_impossible(density: RaceDensity, weights: FloatArray) -> None:
    """Without a gradient, and without draws."""
    row = _rows(density, 1)
    row[0, density.declaration.non_decision_column] = -0.1
    values, gradients = density.evaluate(weights, row, _trials(density))
    assert (values == -np.inf).all()
    assert (gradients == 0.0).all()
    drawn = density.transform(weights, row, np.full((2, 2), 0.5), np.zeros(2))
    assert np.isnan(drawn).all()


def test_draws_are_those_of_the_density(density: RaceDensity, weights: FloatArray) -> None:
    """Their times have its survival, and their choices its probabilities."""
    likelihood = Likelihood(density, weights, RECORD)
    row = _rows(density, 1)[0]
    trials = likelihood.sample(row, 8000, seed=2)

    def distribution(times: FloatArray) -> FloatArray:
        return 1.0 - np.exp(np.asarray(likelihood.log_survival(row, times)))

    assert kstest(trials.rt, distribution).pvalue > 0.01
    probabilities = likelihood.choice_probability(row)[0]
    for choice, probability in zip(density.declaration.choices, probabilities, strict=True):
        assert abs((trials.choice == choice).mean() - probability) < 0.017


def test_numba_callers_do_what_the_entry_points_do(
    density: RaceDensity, weights: FloatArray
) -> None:
    """For density and draws."""
    rows, trials = _rows(density, 1), _trials(density)
    index, cotangents = np.empty(0, dtype=np.int64), np.linspace(0.5, 1.5, len(trials))
    prepared, pullback = density.prepared(weights), density.compiled_pullback()
    values, gradient = pullback(prepared, rows, index, trials, cotangents, True)
    expected, slopes = density.pull(prepared, rows, index, trials, cotangents)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(gradient, slopes)
    uniforms, normals = np.random.default_rng(1).random((9, 2)), np.zeros(9)
    np.testing.assert_array_equal(
        density.compiled_draws()(weights, rows, uniforms, normals),
        density.transform(weights, rows, uniforms, normals),
    )


def _alike(density: RaceDensity) -> FloatArray:
    """Return rows (5, p): two that differ in t, one of like accumulators, one without support."""
    rows, names = _rows(density, 5), list(density.declaration.names)
    rows[1] = rows[0]
    rows[1, names.index("t")] += 0.05
    for name in names:
        if name[-1].isdigit():
            rows[2, names.index(name)] = rows[2, names.index(f"{name[:-1]}1")]
    rows[4, names.index("a")] = np.nan
    return rows


def _assert_pulled(
    density: RaceDensity,
    weights: FloatArray,
    rows: FloatArray,
    index: np.ndarray,
    trials: FloatArray,
) -> None:
    """Compare with rows of their own, which `_assert_same` compares with JAX."""
    own = rows[index] if len(index) else rows
    expected, jacobian = density.evaluate(weights, own, trials)
    cotangents = np.random.default_rng(1).normal(size=len(trials))
    cotangents[::5] = 0.0
    summed = np.zeros_like(rows)
    which = index if len(index) else np.arange(len(trials)) % len(rows)
    np.add.at(summed, which, cotangents[:, None] * jacobian)
    cotangents[~np.isfinite(expected)] = np.inf  # which add nothing
    prepared = density.prepared(weights)
    values, gradient = density.pull(prepared, rows, index, trials, cotangents)
    np.testing.assert_allclose(values, expected, rtol=1e-11, atol=1e-11)
    largest = 1.0 + np.abs(summed).max(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient / largest, summed / largest, atol=1e-9)
    alone, none = density.pull(prepared, rows, index, trials, None)
    np.testing.assert_array_equal(alone, values)
    assert none.shape == (0, rows.shape[1])


def _ordinary(density: RaceDensity, n: int) -> FloatArray:
    """Return trials (n, 2) with a time and a choice, some of them too early."""
    rng = np.random.default_rng(7)
    choices = rng.choice(density.declaration.choices, n).astype(float)
    return np.stack([0.15 + rng.gamma(1.5, 0.4, n), choices], axis=1)


def test_derivatives_by_rows_that_trials_share(density: RaceDensity, weights: FloatArray) -> None:
    """Of trials of every kind, at rows that share accumulators or have no support."""
    trials = np.concatenate([_ordinary(density, 300), _trials(density)])
    rows = _alike(density)
    index = np.random.default_rng(2).integers(0, len(rows), len(trials))
    _assert_pulled(density, weights, rows, index, trials)
    _assert_pulled(density, weights, np.tile(rows, (40, 1)), index + 5 * (index % 40), trials)


def test_derivatives_by_one_row_and_by_rows_of_their_own(
    density: RaceDensity, weights: FloatArray
) -> None:
    """More of either than lie in a tile or a block, and none at all."""
    index = np.empty(0, dtype=np.int64)
    trials = np.concatenate([_trials(density), _ordinary(density, 150)])
    trials = trials[trials[:, 0] != 40.0]  # derivatives so far out hang on the network's last bits
    _assert_pulled(density, weights, _rows(density, 1), index, trials)
    _assert_pulled(density, weights, _rows(density, len(trials)), index, trials)
    values, gradient = density.pull(
        density.prepared(weights), _rows(density, 1), index, trials[:0], np.empty(0)
    )
    assert values.shape == (0,)
    np.testing.assert_array_equal(gradient, 0.0)


def test_derivatives_far_out(density: RaceDensity, weights: FloatArray) -> None:
    """From the times of which no sum underflows to those of which all do, each on its own."""
    closing = density.form.mixture.closing  # type: ignore[attr-defined]
    times = np.concatenate(
        [np.geomspace(1e-5, 0.1, 40), np.geomspace(1.0, 3.0 if closing else 3e3)]
    )
    rows, index = _rows(density, 1), np.empty(0, dtype=np.int64)
    t = rows[0, density.declaration.non_decision_column]
    for choice in density.declaration.choices:
        trials = np.stack([t + times, np.full(len(times), choice)], axis=1)
        expected, slopes = density.evaluate_in_jax(weights, rows, trials)
        assert expected.min() < -1000.0
        assert (expected > -100.0).any()
        values, gradients = density.evaluate(weights, rows, trials)
        np.testing.assert_allclose(values, expected, rtol=1e-11, atol=1e-11)
        largest = 1.0 + np.abs(slopes).max(axis=1, keepdims=True)
        np.testing.assert_allclose(gradients / largest, slopes / largest, atol=1e-9)
        _assert_pulled(density, weights, rows, index, trials)


def test_scaled_tails() -> None:
    """The table of R(y) = exp(y^2 / 2) P(Z > y)."""
    y = np.concatenate([np.linspace(0.0, 50.0, 2001), np.geomspace(50.0, 1e8, 100)])
    found = [accumulators.scaled_tail(value) for value in y]
    np.testing.assert_allclose(found, 0.5 * erfcx(y * np.sqrt(0.5)), rtol=3e-15)
    assert accumulators.scaled_tail(np.inf) == 0.0


def test_other_races_run_in_jax() -> None:
    """Those of learned accumulators with constraints."""
    learned = _race("race_no_bias_3", closing=False)
    assert isinstance(learned.form, MixtureForm)
    held = replace(learned, declaration=replace(learned.declaration, constraints=("z < a",)))
    assert learned.compilable
    assert not held.compilable
