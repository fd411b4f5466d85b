"""Compiled code for races of closed forms, against the same law in JAX."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import kstest

import likely as lk
from likely.constraints import compiled, holds
from likely.kernels import gamma, inequalities
from likely.kernels.native import NO_INDEX
from likely.networks.lognormal import Lognormal
from likely.networks.race import AccumulatorForm, RaceDensity
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

NAMES = ("lba3", "racing_diffusion_3", "lognormal_race_3", "poisson_race")
# Half a minute to compile each, and `test_assembled` has their values.
SLOW = ("lognormal_race_3", "poisson_race")
NO_CHOICE = 9.0  # is none of the models' choices
NO_WEIGHTS = np.empty(0)


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NAMES],
    scope="module",
)
def likelihood(request: pytest.FixtureRequest) -> lk.Likelihood:
    """Return one of each form."""
    return lk.load(request.param)


@pytest.fixture(scope="module")
def density(likelihood: lk.Likelihood) -> RaceDensity:
    """Return its density."""
    assert isinstance(likelihood.density, RaceDensity)
    return likelihood.density


def _rows(density: RaceDensity, n: int, seed: int = 5) -> FloatArray:
    """Return parameter rows (n, p) of the whole box that begin after 0.2 s.

    Of starting points' ranges some are nothing, next to nothing, or nearly all there is.
    """
    rng, names = np.random.default_rng(seed), density.declaration.names
    rows = density.declaration.shaping_rows(rng, n)
    if density.declaration.non_decision_column is not None:
        rows[:, density.declaration.non_decision_column] += 0.2
    if "A" in names:
        start, far = names.index("A"), names.index("b")
        kind = np.arange(n) % 8
        rows[kind == 1, start] = 0.0
        rows[kind == 2, start] *= 1e-5
        rows[kind == 3, start] *= 0.03
        rows[kind == 4, start] = (1.0 - 1e-7) * rows[kind == 4, far]
        rows[kind == 5, names.index("v0")] *= 0.01
    return rows


def _trials(density: RaceDensity, n: int, seed: int = 6) -> FloatArray:
    """Return trials (n, 2) of every kind, from early to late, and impossible ones."""
    rng = np.random.default_rng(seed)
    choices = rng.choice(density.declaration.choices, n).astype(float)
    column = density.declaration.non_decision_column
    trials = np.stack([10.0 ** rng.uniform(-4.0, 2.5, n), choices], axis=1)
    trials[:, 0] += 0.0 if column is None else 0.2
    trials[::5, 1] = rng.choice([NO_RESPONSE, CHOICE_UNOBSERVED, np.nan], len(trials[::5]))
    trials[1::17, 0], trials[2::31, 0] = TIME_UNOBSERVED, np.nan
    trials[3::41, 0], trials[4::43, 0], trials[5::47, 1] = (
        0.1 if column else -0.1,
        np.inf,
        NO_CHOICE,
    )
    return trials


def _assert_near(found: FloatArray, expected: FloatArray, slack: float) -> None:
    """Compare derivatives, each beside the largest of its row."""
    largest = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found / (1e-2 + largest), expected / (1e-2 + largest), atol=slack)


def _extreme(density: RaceDensity) -> tuple[FloatArray, FloatArray]:
    """Return rows (24, p) and trials (24, 2) at times beyond all that could happen."""
    rows, column = _rows(density, 24), density.declaration.non_decision_column
    if column is not None:
        rows[:, column] = 0.0
    times = np.resize(np.geomspace(1e-14, 1e6, 12), 24)
    trials = np.stack([times, np.resize(density.declaration.choices, 24)], axis=1)
    trials[::2, 1] = NO_RESPONSE
    return rows, trials


def test_compiled_code_is_the_law(density: RaceDensity) -> None:
    """Values and gradients, over the whole box and tails, for trials of all kinds."""
    assert density.compilable
    rows, trials = _extreme(density)
    rows = np.concatenate([_rows(density, 1000), rows])  # as many as JAX compiles for
    trials = np.concatenate([_trials(density, 1000), trials])
    values, gradients = density.evaluate(NO_WEIGHTS, rows, trials)
    assert np.isfinite(gradients).all()
    expected, slopes = density.evaluate_in_jax(NO_WEIGHTS, rows, trials)
    assert expected[np.isfinite(expected)].min() < -1000.0
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-13)
    _assert_near(gradients, slopes, 1e-7)


def test_derivatives_by_rows_that_trials_share(density: RaceDensity) -> None:
    """By an index, by one row, and by rows of their own; more trials than lie in a block."""
    rows, trials = _rows(density, 24), _trials(density, 900)
    rows[7, 0] = np.nan
    index = np.random.default_rng(2).integers(0, len(rows), len(trials))
    cotangents = np.random.default_rng(3).normal(size=len(trials))
    for theta, which in ((rows, index), (rows[:1], NO_INDEX), (rows[index], NO_INDEX)):
        own = theta[which] if len(which) else theta
        expected, jacobian = density.evaluate(NO_WEIGHTS, own, trials)
        weights = np.where(np.isfinite(expected), cotangents, np.inf)  # which add nothing
        summed = np.zeros_like(theta)
        places = which if len(which) else np.arange(len(trials)) % len(theta)
        np.add.at(summed, places, cotangents[:, None] * jacobian)
        values, gradient = density.pull(NO_WEIGHTS, theta, which, trials, weights)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)
        _assert_near(gradient, summed, 1e-9)
        alone, none = density.pull(NO_WEIGHTS, theta, which, trials, None)
        np.testing.assert_allclose(alone, values, rtol=1e-14)
        assert none.shape == (0, theta.shape[1])


def test_no_trials(density: RaceDensity) -> None:
    values, gradient = density.pull(
        NO_WEIGHTS, _rows(density, 1), NO_INDEX, np.empty((0, 2)), np.empty(0)
    )
    assert values.shape == (0,)
    np.testing.assert_array_equal(gradient, 0.0)


def test_what_is_forbidden_is_impossible(density: RaceDensity) -> None:
    """By a constraint or a support: without a density, a gradient, and draws."""
    row, names = _rows(density, 1), density.declaration.names
    trials = _trials(density, 60)
    row[0, names.index("b") if "b" in names else names.index("t")] = -1.0 if "t" in names else 0.0
    if "A" in names:
        row[0, names.index("b")] = row[0, names.index("A")]
    values, gradients = density.evaluate(NO_WEIGHTS, row, trials)
    assert (values == -np.inf).all()
    assert (gradients == 0.0).all()
    assert np.isnan(density.transform(NO_WEIGHTS, row, np.full((2, 2), 0.5), np.zeros(2))).all()


def test_draws_are_those_of_the_density(likelihood: lk.Likelihood) -> None:
    """Their times have its survival, and their choices its probabilities."""
    assert isinstance(likelihood.density, RaceDensity)
    row = likelihood.declaration.shaping_rows(np.random.default_rng(8), 1)[0]
    trials = likelihood.sample(row, 8000, seed=2)

    def distribution(times: FloatArray) -> FloatArray:
        return -np.expm1(np.asarray(likelihood.log_survival(row, times)))

    assert kstest(trials.rt, distribution).pvalue > 0.01
    probabilities = likelihood.choice_probability(row)[0]
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-8)
    for choice, probability in zip(likelihood.declaration.choices, probabilities, strict=True):
        assert abs((trials.choice == choice).mean() - probability) < 0.017


def test_draws_of_few_events() -> None:
    """A gamma distribution of a shape below 1 is made from one above."""
    state, drawn = np.uint64(5), np.empty(4000)
    for i in range(len(drawn)):
        drawn[i], state = gamma.draw(NO_WEIGHTS, np.array([2.0, 0.4]), np.uint64(state))
    assert kstest(drawn, "gamma", args=(0.4, 0.0, 0.5)).pvalue > 0.01


def test_digamma() -> None:
    x = np.geomspace(1e-3, 1e4, 200)
    found = [gamma.digamma(value) for value in x]
    np.testing.assert_allclose(found, digamma(x), rtol=1e-12, atol=1e-14)


def test_numba_callers_do_what_the_entry_points_do() -> None:
    """For density and draws."""
    density = lk.load("racing_diffusion_2").density
    assert isinstance(density, RaceDensity)
    rows, trials = _rows(density, 1), _trials(density, 100)
    cotangents = np.linspace(0.5, 1.5, len(trials))
    pullback = density.compiled_pullback()
    values, gradient = pullback(NO_WEIGHTS, rows, NO_INDEX, trials, cotangents, True)
    expected, slopes = density.pull(NO_WEIGHTS, rows, NO_INDEX, trials, cotangents)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(gradient, slopes)
    uniforms, normals = np.random.default_rng(1).random((9, 2)), np.zeros(9)
    np.testing.assert_array_equal(
        density.compiled_draws()(NO_WEIGHTS, rows, uniforms, normals),
        density.transform(NO_WEIGHTS, rows, uniforms, normals),
    )


def test_parameters_that_are_numbers() -> None:
    """One accumulator's parameter is no parameter of the model."""
    density = lk.load("lognormal_race_2").density
    assert isinstance(density, RaceDensity)
    (_, scale), second = density.wiring
    held = replace(density, wiring=((-0.7, scale), second))
    rows, trials = _rows(held, 3), _trials(held, 100)
    rows[:, held.declaration.names.index("m0")] = -0.7
    index = np.arange(100) % 3
    values, gradient = held.pull(NO_WEIGHTS, rows, index, trials, np.ones(100))
    expected, slopes = density.pull(NO_WEIGHTS, rows, index, trials, np.ones(100))
    np.testing.assert_allclose(values, expected, rtol=1e-13)
    np.testing.assert_array_equal(gradient[:, 0], 0.0)
    np.testing.assert_allclose(gradient[:, 1:], slopes[:, 1:], rtol=1e-10, atol=1e-12)


def test_inequalities_are_judged_as_they_read() -> None:
    names = ("a", "b", "c")
    texts = ("a < b", "abs(a - b) <= 2 * c", "-a / (b + 1.5) < c - 0.25", "a <= a")
    rows = np.random.default_rng(4).normal(size=(200, 3))
    rows[::9, 0], rows[::7, 1] = rows[::9, 1], np.nan
    stack = np.empty(40)
    for some in ((), texts[:1], texts[1:2], texts[2:], texts):
        program = compiled(some, names)
        for row in rows:
            values = dict(zip(names, row, strict=True))
            wanted = all(holds(text, values) for text in some)
            assert inequalities.hold(program, row, stack) == wanted


@dataclass(frozen=True)
class _Own(AccumulatorForm):
    """A user's form, which has nothing compiled."""

    like: Lognormal = Lognormal()
    shapes = {}  # noqa: RUF012

    def specification(self) -> dict[str, Any]:
        return {"kind": "own"}

    def state(self, arrays: Any, theta: jax.Array) -> jax.Array:
        return self.like.state(arrays, theta)

    def log_density(self, state: jax.Array, s: jax.Array) -> jax.Array:
        return self.like.log_density(state, s)

    def log_survival(self, state: jax.Array, s: jax.Array) -> jax.Array:
        return self.like.log_survival(state, s)

    def draws(self, state: jax.Array, key: jax.Array) -> jax.Array:
        return self.like.draws(state, key)


def test_forms_without_compiled_functions_run_in_jax() -> None:
    density = lk.load("lognormal_race_2").density
    assert isinstance(density, RaceDensity)
    own = replace(density, form=_Own())
    assert not own.compilable
    assert own.prepared(NO_WEIGHTS) is NO_WEIGHTS
    rows, trials = _rows(density, 8), np.stack([np.linspace(0.3, 2.0, 8), np.arange(8) % 2], axis=1)
    values, gradients = own.evaluate(NO_WEIGHTS, rows, trials)
    expected, slopes = density.evaluate(NO_WEIGHTS, rows, trials)
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    _assert_near(gradients, slopes, 1e-9)
    drawn = own.transform(NO_WEIGHTS, rows[:1], np.full((3, 2), 0.3), np.zeros(3))
    assert np.isfinite(drawn).all()
