"""Derivatives by rows that trials share, against those of rows of their own, and against JAX."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors

import likely as lk
from likely.kernels.native import NO_INDEX
from likely.networks.mixture import MixtureDensity
from likely.ops import TrialLogDensity
from likely.trials import NO_RESPONSE
from likely.typing import FloatArray

ROWS, TRIALS = 11, 700
CHOICE_ONLY, UNKNOWN = -np.inf, -np.inf


def _data(likelihood: lk.Likelihood, seed: int) -> tuple[FloatArray, np.ndarray, FloatArray]:
    """Return rows, the row of each trial, and trials of every kind."""
    rng, declaration = np.random.default_rng(seed), likelihood.declaration
    rows = declaration.shaping_rows(rng, ROWS)
    rows[:, declaration.non_decision_column] = rng.uniform(0.1, 0.4, ROWS)
    rows[4, declaration.names.index("a")] = -1.0  # no density
    index = rng.integers(0, ROWS, TRIALS)
    choices = rng.choice(declaration.choices, TRIALS).astype(float)
    trials = np.stack([rng.gamma(2.0, 0.3, TRIALS) + 0.1, choices], axis=1)
    trials[::7, 0] = CHOICE_ONLY
    trials[1::11, 1] = UNKNOWN
    trials[2::13, 1] = NO_RESPONSE
    trials[3::17] = 1.5, NO_RESPONSE
    return rows, index, trials


@pytest.fixture(scope="module", params=["ddm", "angle"])
def likelihood(request: pytest.FixtureRequest) -> lk.Likelihood:
    """Return one without and one with a closing rate."""
    return lk.load(request.param)


def test_each_trial_at_its_own_row_is_as_in_jax(likelihood: lk.Likelihood) -> None:
    density, weights = likelihood.density, likelihood.weights
    rows, index, trials = _data(likelihood, 1)
    values, gradients = density.evaluate(weights, rows[index], trials)
    expected, slopes = density.evaluate_in_jax(weights, rows[index], trials)
    assert np.isneginf(values[index == 4]).all()
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-8, atol=1e-8)


def test_any_trials_at_indexed_rows(likelihood: lk.Likelihood) -> None:
    density, weights = likelihood.density, likelihood.weights
    rows, index, trials = _data(likelihood, 1)
    cotangents = np.random.default_rng(2).random(TRIALS)
    values, gradient = density.pull(density.prepared(weights), rows, index, trials, cotangents)
    expected, jacobian = density.evaluate(weights, rows[index], trials)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
    summed = np.zeros_like(rows)
    np.add.at(summed, index, cotangents[:, None] * jacobian)
    np.testing.assert_allclose(gradient, summed, rtol=1e-9, atol=1e-9)


def test_one_row_for_all_and_one_row_a_trial(likelihood: lk.Likelihood) -> None:
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    rows, index, trials = _data(likelihood, 3)
    ones, compiled = np.ones(TRIALS), density.compiled_pullback()
    distinct = rows[index] * np.linspace(1.0, 1.0001, TRIALS)[:, None]
    for theta in (rows[:1], distinct, rows[index]):  # few distinct rows are shared for values
        values, gradient = density.pull(prepared, theta, NO_INDEX, trials, ones)
        expected, jacobian = density.evaluate(likelihood.weights, theta, trials)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
        if len(theta) == 1:
            jacobian = jacobian.sum(axis=0, keepdims=True)
        np.testing.assert_allclose(gradient, jacobian, rtol=1e-8, atol=1e-8)
        alone, none = density.pull(prepared, theta, NO_INDEX, trials, None)
        np.testing.assert_allclose(alone, values, rtol=1e-12, atol=1e-12)
        assert none.shape == (0, theta.shape[1])
        for wanted, expected in ((True, (values, gradient)), (False, (alone, none))):
            found = compiled(prepared, theta, NO_INDEX, trials, ones, wanted)
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("name", ["v", "a", "t"])
def test_one_parameter_varies_over_many_rows(likelihood: lk.Likelihood, name: str) -> None:
    """Where the network is evaluated on a grid, but for trials of other kinds."""
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    n, rng = 4000, np.random.default_rng(6)
    column = density.declaration.names.index(name)
    theta = np.tile(density.declaration.shaping_rows(rng, 1), (n, 1))
    theta[:, density.declaration.non_decision_column] = 0.2
    low, high = {"v": (-2.0, 2.0), "a": (0.8, 1.6), "t": (0.1, 0.3)}[name]
    theta[:, column] = rng.uniform(low, high, n)
    trials = likelihood.sample(theta, 1, seed=1).to_numpy().copy(order="C")
    trials[:40] = _data(likelihood, 5)[2][:40]
    trials[40:43, 0] = -1.0, 0.0, np.inf
    shared = rng.integers(0, n, n)
    cotangents = rng.normal(size=n)
    for index in (NO_INDEX, shared):
        own = theta[index] if len(index) else theta
        expected, jacobian = density.evaluate(likelihood.weights, own, trials)
        summed = np.zeros_like(theta)
        np.add.at(summed, index if len(index) else slice(None), cotangents[:, None] * jacobian)
        values, gradient = density.pull(prepared, theta, index, trials, cotangents)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(gradient, summed, rtol=1e-4, atol=1e-4)
        assert not np.array_equal(values, expected)
        alone, none = density.pull(prepared, theta, index, trials, None)
        np.testing.assert_array_equal(alone, values)
        assert none.shape == (0, theta.shape[1])


def test_more_trials_without_a_time_than_rows(likelihood: lk.Likelihood) -> None:
    """One parameter varies over many rows, which trials that the grid leaves share."""
    if "theta" in likelihood.declaration.names:
        pytest.skip("one likelihood is enough")
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    rng, n, rows = np.random.default_rng(7), 4000, 201
    theta = np.tile(density.declaration.shaping_rows(rng, 1), (rows, 1))
    theta[:, density.declaration.names.index("v")] = np.linspace(-0.5, 0.5, rows)
    index, cotangents = rng.integers(0, rows, n), rng.normal(size=n)
    trials = likelihood.sample(theta[index], 1, seed=1).to_numpy().copy(order="C")
    for withheld in (150, 1500):
        trials[:withheld, 0] = CHOICE_ONLY
        expected, jacobian = density.evaluate(likelihood.weights, theta[index], trials)
        summed = np.zeros_like(theta)
        np.add.at(summed, index, cotangents[:, None] * jacobian)
        for pull in (density.pull, density.compiled_pullback(3)):
            wanted = () if pull == density.pull else (True,)
            values, gradient = pull(prepared, theta, index, trials, cotangents, *wanted)
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
            np.testing.assert_allclose(gradient, summed, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("sharing", [0, 1, 5])
def test_two_parameters_vary_over_many_rows(likelihood: lk.Likelihood, sharing: int) -> None:
    """One trial a row, about one, or several; with rows and trials that have no density."""
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    n, rng = 331, np.random.default_rng(9)
    theta = density.declaration.shaping_rows(rng, n if sharing < 5 else n // 5)
    theta[:, density.declaration.non_decision_column] = rng.uniform(0.1, 0.3, len(theta))
    theta[3, 1], theta[5, 0] = -1.0, np.nan
    index = rng.integers(0, len(theta), n) if sharing else NO_INDEX
    own = theta[index] if sharing else theta
    sound = np.where(np.isnan(own) | (own < 0.0), 0.5, own)
    trials = likelihood.sample(sound, 1, seed=1).to_numpy().copy(order="C")
    trials[:40] = _data(likelihood, 5)[2][:40]
    trials[40:43, 0] = -1.0, 0.0, np.inf
    cotangents = np.where(trials[:, 0] > 0.0, rng.normal(size=n), np.inf)
    cotangents[np.isneginf(trials[:, 0])] = 1.0
    expected, jacobian = density.evaluate(likelihood.weights, own, trials)
    weighted = np.where(np.isfinite(expected), cotangents, 0.0)
    summed = np.zeros_like(theta)
    np.add.at(summed, index if sharing else slice(None), weighted[:, None] * jacobian)
    values, gradient = density.pull(prepared, theta, index, trials, cotangents)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, summed, rtol=1e-9, atol=1e-9)
    alone, _ = density.pull(prepared, theta, index, trials, None)
    np.testing.assert_array_equal(alone, values)


def test_one_parameter_varies_beyond_what_the_network_has_seen(
    likelihood: lk.Likelihood,
) -> None:
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    rng = np.random.default_rng(6)
    theta = np.tile(density.declaration.shaping_rows(rng, 1), (4000, 1))
    trials = np.stack([rng.gamma(2.0, 0.5, 4000) + theta[0, 3], np.ones(4000)], axis=1)
    for column, value in ((0, 30.0), (0, np.nan), (0, -np.inf), (1, -1.0)):
        theta[:, column] += np.linspace(0.0, 1e-3, 4000)
        odd = theta.copy()
        odd[7, column] = value
        values, gradient = density.pull(prepared, odd, NO_INDEX, trials, np.ones(4000))
        expected, jacobian = density.evaluate(likelihood.weights, odd, trials)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(gradient, jacobian, rtol=1e-8, atol=1e-8)
        theta[:, column] = theta[0, column]


def test_times_at_the_edges_of_what_is_possible(likelihood: lk.Likelihood) -> None:
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    row = likelihood.declaration.shaping_rows(np.random.default_rng(4), 1)
    times = np.array([-1.0, 0.0, 1e-120, 1e-12, 1e-3, 1e3, 1e120, np.inf])
    trials = np.stack([times, np.ones(len(times))], axis=1)
    values, gradient = density.pull(prepared, row, NO_INDEX, trials, np.ones(len(times)))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(values[[0, 1, 2, 6, 7]], -np.inf)  # 1e-90 to 1e90 s count
    expected = density.evaluate_in_jax(likelihood.weights, row, trials)[0]
    np.testing.assert_allclose(values[3:6], expected[3:6], rtol=1e-9)


@pytest.mark.parametrize(
    ("choices", "components", "products", "closing", "delayed"),
    [
        ((0,), 3, True, True, True),
        ((0, 1, 2), 3, False, False, False),
        ((0, 1, 2, 3), 8, True, True, True),
    ],
)
def test_other_forms(
    choices: tuple[int, ...], components: int, products: bool, closing: bool, delayed: bool
) -> None:
    """Of other numbers of choices and terms, with and without a non-decision time."""
    names = ("v", "a", "t") if delayed else ("v", "a")
    parameters = tuple(lk.Parameter(name, 0.2, 2.0) for name in names)
    declaration = lk.Declaration("random", parameters, choices, "t" if delayed else None)
    density = MixtureDensity.for_model(
        declaration, (7, 5), components, products=products, closing=closing
    )
    rng = np.random.default_rng(7)
    weights = 0.3 * rng.standard_normal(density.size)
    rows, index = rng.uniform(0.2, 0.6, (5, len(names))), rng.integers(0, 5, 60)
    trials = np.stack([rng.gamma(2.0, 0.5, 60) + 0.3, rng.choice(choices, 60)], axis=1)
    trials[::9, 0], trials[4::9, 1] = CHOICE_ONLY, NO_RESPONSE
    values, gradient = density.pull(density.prepared(weights), rows, index, trials, np.ones(60))
    expected, jacobian = density.evaluate_in_jax(weights, rows[index], trials)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
    summed = np.zeros_like(rows)
    np.add.at(summed, index, jacobian)
    np.testing.assert_allclose(gradient, summed, rtol=1e-9, atol=1e-9)


def test_what_is_impossible_spoils_nothing_else(likelihood: lk.Likelihood) -> None:
    """Neither an infinite cotangent, on either road, nor a parameter that is no number."""
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    row = likelihood.declaration.rows({**_middle(likelihood), "t": 0.3})
    trials = np.stack([np.linspace(0.2, 1.0, 8), np.ones(8)], axis=1)  # the first is too early
    cotangents = np.where(trials[:, 0] < 0.3, np.inf, 1.0)
    found = [
        density.pull(prepared, theta, index, trials, cotangents)[1].sum(axis=0)
        for theta, index in (
            (row, NO_INDEX),
            (np.repeat(row, 8, axis=0), NO_INDEX),
            (np.repeat(row, 2, axis=0), np.arange(8) % 2),
        )
    ]
    assert np.isfinite(found).all()
    for gradient in found[1:]:
        np.testing.assert_allclose(gradient, found[0], rtol=1e-9)
    broken = row.copy()
    broken[0, 0] = np.nan
    np.testing.assert_array_equal(
        density.pull(prepared, broken, NO_INDEX, trials, np.ones(8))[1], 0.0
    )


def _middle(likelihood: lk.Likelihood) -> dict[str, float]:
    return {p.name: 0.5 * (p.lower + min(p.upper, 2.0)) for p in likelihood.declaration.parameters}


def test_arguments_that_do_not_fit_are_refused(likelihood: lk.Likelihood) -> None:
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    rows, index, trials = _data(likelihood, 8)
    with pytest.raises(ValueError, match="weights are not prepared"):
        density.pull(likelihood.weights, rows, index, trials, None)
    with pytest.raises(ValueError, match="an index leaves the 11 parameter rows"):
        density.pull(prepared, rows, index + 1, trials, None)
    with pytest.raises(ValueError, match="11 parameter rows do not fit 700 trials"):
        density.pull(prepared, rows, NO_INDEX, trials, None)
    narrow = np.ascontiguousarray(rows[:, 1:])
    with pytest.raises(ValueError, match="more or fewer parameters"):
        density.compiled_pullback()(prepared, narrow, index, trials, np.ones(TRIALS), True)
    with pytest.raises(ValueError, match="with a cotangent each"):
        density.compiled_pullback()(prepared, rows, index, trials, np.ones(5), True)


def test_without_cotangents_there_is_no_gradient(likelihood: lk.Likelihood) -> None:
    density, prepared = likelihood.density, likelihood.density.prepared(likelihood.weights)
    rows, index, trials = _data(likelihood, 5)
    values, gradient = density.pull(prepared, rows, index, trials, None)
    assert gradient.shape == (0, rows.shape[1])
    np.testing.assert_array_equal(
        values, density.pull(prepared, rows, index, trials, np.ones(TRIALS))[0]
    )


def test_a_model_with_shared_rows_is_the_same_without(likelihood: lk.Likelihood) -> None:
    """By logp, gradient and pointwise, on both backends, with lapses, which weigh the trials."""
    if "theta" in likelihood.declaration.names:
        pytest.skip("one likelihood is enough")
    rng = np.random.default_rng(6)
    group = rng.integers(0, 4, 300)
    trials = lk.simulate("ddm", dict(v=1.0, a=1.2, z=0.5, t=0.2), 300, seed=6)
    found = []
    for index in (group, None):
        with pm.Model() as model:
            v = pm.Normal("v", 0, 2, shape=4)
            a = pm.Gamma("a", mu=1.5, sigma=0.5)
            which = pt.cumsum(np.diff(group, prepend=0)) if index is None else index
            density = pm.logp(likelihood.dist(v=v[which], a=a, z=0.5, t=0.1), trials.to_numpy())
            pm.Potential("mixed", pm.math.log(0.9 * pm.math.exp(density) + 0.01).sum())
        point = {"v": np.array([0.5, 1.0, -1.0, 2.0]), "a_log__": np.array(0.2)}
        (node,) = {
            variable.owner
            for variable in ancestors([model.logp()])
            if variable.owner is not None and isinstance(variable.owner.op, TrialLogDensity)
        }
        rows, known = node.inputs[1].type.shape[0], node.inputs[3].type.shape[0]
        assert (rows, known) == ((300, 0) if index is None else (4, 300))
        found.append((model.compile_logp()(point), model.compile_dlogp()(point)))
        if index is not None:
            compiled = model.compile_logp(mode="JAX"), model.compile_dlogp(mode="JAX")
            found.append(tuple(function(point) for function in compiled))
    for value, gradient in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-9)
        np.testing.assert_allclose(gradient, found[0][1], rtol=1e-6)
