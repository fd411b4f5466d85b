"""Compiled code for densities made of parts, against the same laws in JAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import kstest

import likely as lk
from likely.kernels.native import NO_INDEX
from likely.likelihood import Likelihood, Training
from likely.networks.assembled import AssembledDensity
from likely.networks.delayed import DelayedDensity
from likely.networks.mixture import MixtureDensity
from likely.networks.normal_delay import NormallyDelayedDensity
from likely.networks.parallel import ParallelDensity
from likely.ops import TrialLogDensity, trial_log_density
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

RECORD = Training("draws", 0, 0, 0, 0.0, "0")
N = 900
NO_CHOICE = 9.0  # is none of the models' choices


def _delayed(name: str, *, closing: bool) -> AssembledDensity:
    declaration = lk.models[name].declaration
    steady = tuple(p for p in declaration.parameters if p.name != "st")
    part = lk.Declaration("steady", steady, declaration.choices, "t")
    mixture = MixtureDensity.for_model(part, (8,), 8, products=True, closing=closing)
    return DelayedDensity(declaration, mixture)


def _parallel(*, closing: bool) -> AssembledDensity:
    declaration = lk.models["ddm"].declaration
    stage = MixtureDensity.for_model(declaration, (8,), 8, closing=closing)
    wiring = (("vh", "a", 0.4, 0.0), ("vl1", "a", 0.5, 0.0), ("vl2", "a", "a", 0.0))
    return ParallelDensity(lk.models["ddm_par2_no_bias"].declaration, stage, wiring)


def _normally_delayed(*, closing: bool) -> AssembledDensity:
    steady = lk.models["ddm"].declaration
    mixture = MixtureDensity.for_model(steady, (8,), 3, products=True, closing=closing)
    return NormallyDelayedDensity(lk.models["ddm_normal_st"].declaration, mixture, "t", "st")


MADE = {
    "delayed": lambda: _delayed("full_ddm", closing=False),
    "delayed, closing": lambda: _delayed("ddm_st", closing=True),
    "parallel": lambda: _parallel(closing=False),
    "parallel, closing": lambda: _parallel(closing=True),
    "normally delayed": lambda: _normally_delayed(closing=False),
    "normally delayed, closing": lambda: _normally_delayed(closing=True),
}
# Half a minute to compile each; `test_assembled` and `test_normal_delay` have others by default.
SLOW = tuple(name for name in MADE if name != "parallel, closing")


@dataclass(frozen=True)
class Case:
    """A density, weights, and trials of every kind at rows of the whole box."""

    density: AssembledDensity
    weights: FloatArray
    rows: FloatArray
    trials: FloatArray
    values: FloatArray
    gradients: FloatArray


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MADE],
    scope="module",
)
def case(request: pytest.FixtureRequest) -> Case:
    """One of each kind, with arbitrary weights, and what JAX says of it."""
    density, rng = MADE[request.param](), np.random.default_rng(3)
    declaration = density.declaration
    weights = 0.4 * rng.standard_normal(density.size)
    rows = declaration.shaping_rows(rng, N)
    rows[:, declaration.names.index("t")] += rng.uniform(0.0, 0.4, N)
    rows[7::50, declaration.names.index("a")] = -1.0  # outside its support
    if "st" in declaration.names:
        column = declaration.names.index("st")
        rows[::6, column] = 10.0 ** rng.uniform(-4.0, -2.0, len(rows[::6]))  # steady delays
        rows[8::50, column] = 1.0 + rows[8::50, declaration.names.index("t")]
    onset = declaration.onset(rows)
    if declaration.non_decision is None:
        onset = rows[:, declaration.names.index("t")] * (rng.random(N) < 0.8)
    trials = _trials(declaration.choices, onset, rng)
    values, gradients = density.evaluate_in_jax(weights, rows, trials)
    late = (trials[:, 1] == NO_RESPONSE) & np.isfinite(values)
    floored = late & (values < -600.0)  # in JAX alone, at log(1e-300)
    floored |= np.isfinite(values) & (values < -1e6)  # exponents' rounding is as large as errors
    trials[floored], values[floored], gradients[floored] = TIME_UNOBSERVED, 0.0, 0.0
    return Case(density, weights, rows, trials, values, gradients)


def _trials(choices: tuple[int, ...], onset: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return trials (n, 2) of every kind, early and late, and impossible ones."""
    s = np.where(rng.random(N) < 0.3, 10.0 ** rng.uniform(-4.0, 2.0, N), rng.gamma(2.0, 0.4, N))
    trials = np.stack([onset + s, rng.choice(choices, N)], axis=1)
    kinds = rng.random(N)
    trials[kinds < 0.25, 1] = CHOICE_UNOBSERVED
    trials[kinds < 0.15, 1] = NO_RESPONSE
    trials[kinds > 0.8, 0] = TIME_UNOBSERVED
    trials[::31, 1], trials[1::37, 0], trials[2::41, 0] = NO_CHOICE, np.inf, np.nan
    trials[3::43, 0], trials[4::47] = onset[3::43] - 0.01, (0.0, NO_RESPONSE)
    return trials


def _assert_near(got: FloatArray, expected: FloatArray, rtol: float) -> None:
    """Compare rows of gradients by their largest entry."""
    scale = 1.0 + np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=rtol)


def test_compiled_code_is_the_law(case: Case) -> None:
    assert case.density.compilable
    values, gradients = case.density.evaluate(case.weights, case.rows, case.trials)
    np.testing.assert_allclose(values, case.values, rtol=1e-9, atol=1e-9)
    assert np.isfinite(case.values).sum() > 600
    assert np.isneginf(case.values).sum() > 50
    _assert_near(gradients, case.gradients, 1e-7)


def test_derivatives_by_rows_are_sums_over_trials(case: Case) -> None:
    """With an index, with one row for all, and with one a trial; whatever impossible ones weigh."""
    density, prepared = case.density, case.density.prepared(case.weights)
    rng = np.random.default_rng(4)
    cotangents = np.where(np.isfinite(case.values), rng.normal(size=N), np.inf)
    values, gradient = density.pull(prepared, case.rows, NO_INDEX, case.trials, cotangents)
    np.testing.assert_allclose(values, case.values, rtol=1e-9, atol=1e-9)
    weighted = np.where(np.isfinite(case.values), cotangents, 0.0)[:, None] * case.gradients
    _assert_near(gradient, weighted, 1e-7)
    for rows, index in ((case.rows[:150], rng.integers(0, 150, N)), (case.rows[1:2], NO_INDEX)):
        own = rows[index] if len(index) else rows
        expected, jacobian = density.evaluate(case.weights, own, case.trials)
        ones = np.where(np.isfinite(expected), 1.0, np.inf)
        summed = np.zeros_like(rows)
        np.add.at(summed, index if len(index) else np.zeros(N, dtype=int), jacobian)
        values, gradient = density.pull(prepared, rows, index, case.trials, ones)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)
        _assert_near(gradient, summed, 1e-7)
        alone, none = density.pull(prepared, rows, index, case.trials, None)
        np.testing.assert_array_equal(alone, values)
        assert none.shape == (0, rows.shape[1])


def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    density, step = case.density, 1e-6
    if isinstance(density, NormallyDelayedDensity) and density.mixture.closing:
        pytest.skip("nodes are few for what happens where decisions end, and move with parameters")
    seen = np.isfinite(case.values) & (np.abs(case.values) < 20.0)
    rows, trials, gradients = case.rows[seen], case.trials[seen], case.gradients[seen]
    for column in range(rows.shape[1]):
        around = []
        for sign in (-1.0, 1.0):
            moved = rows.copy()
            moved[:, column] += sign * step
            around.append(density.evaluate(case.weights, moved, trials)[0])
        with np.errstate(invalid="ignore"):
            slopes = (around[1] - around[0]) / (2.0 * step)
        error = np.abs(slopes - gradients[:, column]) / (1.0 + np.abs(gradients[:, column]))
        assert np.nanquantile(error, 0.95) < 1e-5  # the others are near a kink, or a narrow window


def test_draws_follow_the_density(case: Case) -> None:
    """Choices and times; and what is impossible is not drawn."""
    made = Likelihood(case.density, case.weights, RECORD)
    row = case.rows[1]
    uniforms, normals = np.random.default_rng(5).random((4000, 2)), np.zeros(4000)
    drawn = case.density.transform(case.weights, row[None], uniforms, normals)
    shares = [(drawn[:, 1] == choice).mean() for choice in case.density.declaration.choices]
    np.testing.assert_allclose(shares, made.choice_probability(row)[0], atol=0.04)
    later = np.exp(made.log_survival(row, np.sort(drawn[:, 0])))
    assert kstest(later, "uniform").pvalue > 1e-3
    assert np.isnan(case.density.transform(case.weights, case.rows[7:8], uniforms, normals)).all()


def test_models_have_the_compiled_code(case: Case) -> None:
    """The node of PyTensor, whose values on every backend `test_likelihood` compares."""
    weights, rows, trials = case.weights, case.rows, case.trials
    node = trial_log_density(case.density, weights, rows, trials).owner
    assert node is not None
    assert isinstance(node.op, TrialLogDensity)
    found = [[None]]
    node.op.perform(node, [i.data for i in node.inputs], found)
    np.testing.assert_allclose(found[0][0], case.values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [1e-5, 1e-4, 1e-2])
def test_narrow_windows_are_densities(width: float) -> None:
    """Of the mixture, in the middle of the window, but for what its curvature adds."""
    density = _delayed("ddm_st", closing=False)
    assert isinstance(density, DelayedDensity)
    weights = 0.4 * np.random.default_rng(3).standard_normal(density.size)
    s = np.geomspace(0.05, 10.0, 40)
    trials = np.stack([0.3 + s, np.resize([-1.0, 1.0], 40)], axis=1)
    row = np.array([[1.0, 1.2, 0.4, 0.3]])
    steady = density.mixture.evaluate(weights, row, trials)[0]
    narrow = np.array([[1.0, 1.2, 0.4, 0.3, 0.5 * width]])
    got = density.evaluate(weights, narrow, trials)[0]
    np.testing.assert_allclose(got, steady, rtol=0, atol=1e-8 + 1e4 * width**2)
