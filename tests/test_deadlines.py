"""Deadlines: withheld responses, and predictive draws that come too late."""

from __future__ import annotations

import math
from dataclasses import replace

import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats

import likely as lk
from likely.errors import ParameterError, TrialsError
from likely.regression import Fit
from likely.regression.ceilings import Ceiling
from likely.results.pointwise import log_likelihood
from likely.silence import silence
from likely.trials import encode, without_nan

THETA = {"v": 0.8, "a": 1.2, "z": 0.45, "t": 0.3}
DEADLINES = (0.31, 0.6, 1.0, 2.5, 10.0)


@pytest.fixture(scope="module")
def ddm() -> lk.Likelihood:
    return lk.load("ddm")


def withheld(choice: float) -> pd.DataFrame:
    return pd.DataFrame({"rt": np.nan, "choice": choice, "deadline": DEADLINES})


def by_quadrature(likelihood: lk.Likelihood, theta: dict[str, float], choice: int) -> np.ndarray:
    """Return 1 - P(another choice by the deadline), by a fine trapezoidal rule."""
    found = []
    for deadline in DEADLINES:
        times = np.linspace(theta["t"], deadline, 20_001)[1:]
        trials = np.column_stack([times, np.full(len(times), -choice)])
        density = np.exp(likelihood.logp(theta, trials))
        found.append(1.0 - np.trapezoid(np.r_[0.0, density], np.r_[theta["t"], times]))
    return np.array(found)


@pytest.mark.parametrize("choice", [-1, 1])
@pytest.mark.parametrize(
    "theta",
    [THETA, dict(THETA, v=-3.0, a=0.5), dict(THETA, v=0.1, a=2.5), dict(THETA, a=0.3, v=0.0)],
)
def test_a_withheld_response_was_silent_or_late(
    ddm: lk.Likelihood, theta: dict[str, float], choice: int
) -> None:
    found = np.exp(ddm.logp(theta, withheld(choice)))
    np.testing.assert_allclose(found, by_quadrature(ddm, theta, choice), atol=2e-5)


def test_outcomes_of_go_nogo_sum_to_one(ddm: lk.Likelihood) -> None:
    times = np.linspace(0.3, 1.0, 5_001)[1:]
    presses = np.exp(ddm.logp(THETA, np.column_stack([times, np.ones(len(times))])))
    (silent,) = np.exp(ddm.logp(THETA, withheld(-1).iloc[[2]]))
    assert np.trapezoid(presses, times) + silent == pytest.approx(1.0, abs=1e-5)


def test_far_deadlines_say_what_none_say(ddm: lk.Likelihood) -> None:
    trial = pd.DataFrame({"rt": [np.nan], "choice": [-1.0], "deadline": [45.0]})
    without = trial.assign(deadline=np.inf)
    np.testing.assert_allclose(ddm.logp(THETA, trial), ddm.logp(THETA, without), atol=1e-12)


def test_the_exact_density_agrees(ddm: lk.Likelihood) -> None:
    trials = pd.concat([withheld(-1), withheld(1)], ignore_index=True)
    np.testing.assert_allclose(ddm.logp(THETA, trials), lk.exact("ddm", THETA, trials), atol=0.003)


def test_races_have_silent_choices_too() -> None:
    race = lk.load("race_3")
    theta = dict(zip(race.declaration.names, (1.0, 0.5, 0.2, 1.5, 0.2, 0.2, 0.2, 0.2), strict=True))
    trial = pd.DataFrame({"rt": [np.nan], "choice": [1.0], "deadline": [1.2]})
    drawn = race.sample(theta, 200_000, seed=1)
    share = ((drawn.choice == 1) | (drawn.rt > 1.2)).mean()
    assert np.exp(race.logp(theta, trial)[0]) == pytest.approx(share, abs=0.004)


@pytest.mark.parametrize("shared", [True, False])
def test_pymc_agrees_in_value_and_gradient(ddm: lk.Likelihood, shared: bool) -> None:
    trials = pd.concat([withheld(-1), withheld(-1), withheld(1)], ignore_index=True)
    trials.loc[0, ["rt", "choice"]] = [0.7, 1.0]
    trials.loc[0, "deadline"] = 1.0
    x = np.linspace(0.1, 1.0, len(trials)) if not shared else np.ones(len(trials))
    parameters = pt.dvector("parameters")
    v, a, z, t = (parameters[i] for i in range(4))
    drift = v * x if shared else v * pytensor.shared(x)
    variable = ddm.dist(v=drift, a=a, z=z, t=t)
    total = pm.logp(variable, encode(trials, (-1, 1))).sum()
    outputs = [total, pytensor.grad(total, parameters)]
    function = pytensor.function([parameters], outputs, mode="FAST_COMPILE")
    point = np.array([0.8, 1.2, 0.45, 0.3])
    value, gradient = function(point)
    expected = ddm.logp({"v": 0.8 * x, "a": 1.2, "z": 0.45, "t": 0.3}, trials)
    assert value == pytest.approx(expected.sum(), abs=1e-10)
    for i in range(4):
        h = 1e-6 * np.eye(4)[i]
        slope = (function(point + h)[0] - function(point - h)[0]) / 2e-6
        assert gradient[i] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_equal_ones_are_computed_once() -> None:
    trials = encode(pd.concat([withheld(-1)] * 20), (-1, 1))
    found = silence(trials, (-1, 1), np.zeros(len(trials)))
    assert found is not None
    assert len(found.trials) == len(trials) + len(DEADLINES) * len(found.log_weights)


def observed(ddm: lk.Likelihood) -> pd.DataFrame:
    trials = ddm.sample(THETA, 300, seed=2)
    trials["deadline"] = np.where(np.arange(300) < 200, 1.0, np.nan)
    trials.loc[trials.rt > trials.deadline, ["rt", "choice"]] = np.nan
    return trials


def test_predictive_draws_end_at_deadlines(ddm: lk.Likelihood) -> None:
    trials = observed(ddm)
    with pm.Model():
        v = pm.Normal("v", 0.8, 0.01)
        ddm("trials", v=v, a=1.2, z=0.45, t=0.3, observed=trials)
        prior = pm.sample_prior_predictive(200, random_seed=3)
    drawn = prior["prior_predictive"]["trials"].to_numpy()[0]
    silent = np.isnan(drawn)
    assert (silent[..., 0] == silent[..., 1]).all()
    assert not silent[:, 200:].any()
    assert np.nanmax(drawn[:, :200, 0]) <= 1.0
    expected = np.exp(ddm.log_survival(THETA, 1.0)[0])
    assert silent[:, :200, 0].mean() == pytest.approx(expected, abs=0.01)


def test_draws_past_the_deadline_have_a_density(ddm: lk.Likelihood) -> None:
    variable = ddm.dist(**THETA, deadline=0.7, size=50)
    drawn = pm.draw(variable, random_seed=4)
    assert np.isnan(drawn).any()
    late = ddm.log_survival(THETA, 0.7)[0]
    density = pm.logp(variable, drawn).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(density[np.isnan(drawn[:, 0])], late)
    timed = ~np.isnan(drawn[:, 0])
    np.testing.assert_allclose(density[timed], ddm.logp(THETA, drawn[timed]))


def test_deadlines_are_given_once(ddm: lk.Likelihood) -> None:
    with pm.Model(), pytest.raises(ParameterError, match="deadlines, in a column"):
        ddm("trials", **THETA, deadline=1.0, observed=observed(ddm))
    with pm.Model(), pytest.raises(ParameterError, match="positive seconds"):
        ddm("trials", **THETA, deadline=-1.0)


def test_trials_are_copied_where_they_are_not_contiguous(ddm: lk.Likelihood) -> None:
    trials = ddm.sample(THETA, 40, seed=5).to_numpy(copy=True)
    theta = np.tile([list(THETA.values())], (40, 1))
    expected, _ = ddm.density.evaluate(ddm.weights, theta, trials)
    found, gradient = ddm.density.evaluate(
        ddm.weights, np.asfortranarray(theta), np.asfortranarray(trials)
    )
    np.testing.assert_array_equal(found, expected)
    pulled, _ = ddm.density.pull(
        ddm.density.prepared(ddm.weights), np.asfortranarray(theta), np.arange(40),
        np.asfortranarray(trials), None,
    )  # fmt: skip
    np.testing.assert_allclose(pulled, expected, rtol=1e-12)
    assert gradient.shape == (40, 4)


WITHHELD = pd.DataFrame(
    {
        "rt": [0.5, np.nan, np.nan, np.nan, 0.9],
        "choice": [1.0, -1.0, 1.0, np.nan, -1.0],
        "deadline": [1.0, 1.0, 0.8, 0.8, np.nan],
    }
)
UNIFORM = lk.Lapses(0.2, stats.uniform(0.0, 2.0))


def test_lapses_may_be_withheld_too(rng: np.random.Generator) -> None:
    found = np.exp(UNIFORM.log_density(encode(WITHHELD, (-1, 1)), 2))
    np.testing.assert_allclose(found, [0.25, 0.5 + 0.25, 0.5 + 0.3, 0.6, 0.25])
    drawn = lk.Lapses(density=stats.gamma(2.0, scale=0.5)).draw((1, 2, 3), rng, (400_000,))
    share = ((drawn[:, 1] == 2) | (drawn[:, 0] > 1.2)).mean()
    trial = pd.DataFrame({"rt": [np.nan], "choice": [2], "deadline": [1.2]})
    lapses = lk.Lapses(density=stats.gamma(2.0, scale=0.5))
    (density,) = lapses.log_density(encode(trial, (1, 2, 3)), 3)
    assert np.exp(density) == pytest.approx(share, abs=0.003)


def test_fits_know_deadlines_and_lapses(ddm: lk.Likelihood) -> None:
    fixed = {name: value for name, value in THETA.items() if name != "v"}
    plan = lk.specify(WITHHELD, model=ddm, fixed=fixed, lapse=UNIFORM)
    logp = plan.model.logp(vars=[plan.model["trials"]], sum=False)
    (density,) = plan.model.compile_fn(logp, mode="FAST_COMPILE")({"v_Intercept": 0.8})
    lapses = np.log([0.25, 0.75, 0.8, 0.6, 0.25])
    expected = np.logaddexp(np.log(0.8) + ddm.logp(THETA, WITHHELD), np.log(0.2) + lapses)
    np.testing.assert_allclose(density, expected, rtol=1e-7)
    one = xr.Dataset({"v_Intercept": (("chain", "draw"), [[0.8]])}, {"chain": [0], "draw": [0]})
    tree = xr.DataTree.from_dict({"posterior": one})
    plan.bambi.compute_log_likelihood(tree)
    np.testing.assert_allclose(tree["log_likelihood"]["trials"][0, 0], expected, rtol=1e-7)
    for_comparisons = log_likelihood(plan.model, tree, progress=False)["log_likelihood"]
    np.testing.assert_allclose(for_comparisons["trials"][0, 0], expected, rtol=1e-7)


@pytest.mark.parametrize("lapse", [0.0, UNIFORM])
def test_fits_draw_nothing_after_deadlines(ddm: lk.Likelihood, lapse: float | lk.Lapses) -> None:
    trials = pd.concat([WITHHELD] * 200, ignore_index=True)
    fixed = {name: value for name, value in THETA.items() if name != "v"}
    plan = lk.specify(trials, model=ddm, fixed=fixed, lapse=lapse)
    draws = xr.Dataset(
        {"v_Intercept": (("chain", "draw"), np.full((1, 4), 0.8))},
        {"chain": [0], "draw": np.arange(4)},
    )
    tree = xr.DataTree.from_dict({"posterior": draws})
    by_bambi = plan.bambi.predict(tree, kind="response", inplace=False, random_seed=1)
    again = plan.bambi.predict(tree, data=WITHHELD, kind="response", inplace=False, random_seed=1)
    by_fit = Fit(tree, ddm, trials, plan, 1).predict(draws=4, seed=2)
    with plan.model:
        by_pymc = pm.sample_posterior_predictive(tree, random_seed=3, progressbar=False)
    late = np.exp(ddm.log_survival(THETA, 0.8)[0])
    expected = late if not lapse else 0.8 * late + 0.2 * 0.6
    limits = trials["deadline"].to_numpy()
    for drawn in (
        by_bambi["posterior_predictive"]["trials"].to_numpy()[0],
        by_fit[["rt", "choice"]].to_numpy().reshape(4, -1, 2),
        by_pymc["posterior_predictive"]["trials"].to_numpy()[0],
    ):
        silent = np.isnan(drawn)
        assert (silent[..., 0] == silent[..., 1]).all()
        assert not (drawn[..., 0] > limits).any()
        assert not silent[:, np.isnan(limits)].any()
        assert silent[:, limits == 0.8, 0].mean() == pytest.approx(expected, abs=0.045)
    rt = again["posterior_predictive"]["trials"][..., 0].to_numpy()
    assert not (rt > WITHHELD["deadline"].to_numpy()).any()
    assert by_fit["deadline"].tolist()[:4] == [1.0, 1.0, 0.8, 0.8]


def test_predictions_withhold_what_the_trials_do(ddm: lk.Likelihood) -> None:
    """A late press cannot be told from the decision not to press: both are the silent choice."""
    trials = pd.DataFrame({"rt": [0.5, np.nan], "choice": [1.0, -1.0], "deadline": 0.8})
    trials = pd.concat([trials] * 400, ignore_index=True)
    fixed = {name: value for name, value in THETA.items() if name != "v"}
    plan = lk.specify(trials, model=ddm, fixed=fixed)
    draws = xr.Dataset(
        {"v_Intercept": (("chain", "draw"), np.full((1, 4), 0.8))},
        {"chain": [0], "draw": np.arange(4)},
    )
    tree = xr.DataTree.from_dict({"posterior": draws})
    drawn = Fit(tree, ddm, trials, plan, 1).predict(draws=4, seed=2)
    assert drawn["choice"].notna().all()
    assert (drawn["rt"].isna() == (drawn["choice"] == -1)).all()
    withheld = pd.DataFrame({"rt": [np.nan], "choice": [-1.0], "deadline": [0.8]})
    expected = float(np.exp(ddm.logp({**THETA, "v": 0.8}, withheld)[0]))
    assert (drawn["choice"] == -1).mean() == pytest.approx(expected, abs=0.03)


def test_bambi_takes_deadlines_as_a_third_column(ddm: lk.Likelihood) -> None:
    coded = without_nan(WITHHELD, (-1, 1))
    assert coded["deadline"].tolist() == [1.0, 1.0, 0.8, 0.8, np.inf]
    family = ddm.family(WITHHELD)
    model = bmb.Model("c(rt, choice, deadline) ~ 1", coded, family=family)
    np.testing.assert_array_equal(model.response_term.data[:, :2], encode(WITHHELD, (-1, 1)))
    late = coded.assign(deadline=[0.4, 1.0, 0.8, 0.8, np.inf])
    with pytest.raises(TrialsError, match="row 0: 0.5 is later than the deadline, 0.4"):
        bmb.Model("c(rt, choice, deadline) ~ 1", late, family=family).build()


def test_deadlines_are_no_response_times(ddm: lk.Likelihood) -> None:
    trials = WITHHELD.assign(rt=[0.9, np.nan, np.nan, np.nan, 1.1], deadline=[2, 2, 0.4, 0.4, 2])
    ceiling = Ceiling.observed(ddm.declaration, encode(trials, (-1, 1)), lapses=False)
    assert ceiling.overall == 0.9


@pytest.mark.parametrize(
    ("lapses", "words"),
    [
        (False, "the fastest response took 0.4 s"),
        (True, "half of the responses took 0.5 s or less"),
    ],
)
def test_limits_that_responses_come_before_are_said(
    lapses: bool, words: str, ddm: lk.Likelihood
) -> None:
    trials = pd.DataFrame({"rt": [0.4, 0.5, 0.6], "choice": 1.0})
    ceiling = Ceiling.observed(ddm.declaration, encode(trials, (-1, 1)), lapses=lapses)
    (parameter,) = (p for p in ddm.declaration.parameters if p.name == "t")
    with pytest.raises(ParameterError, match=f"less than 0.7 s, but {words}; leave"):
        ceiling.bounded(
            replace(parameter, lower=0.7, support=(0.7, math.inf)), ceiling.overall or 0.0
        )
