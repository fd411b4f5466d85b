"""Fits: recovery, prediction, lapses, warnings, files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from handmade import handmade_ddm
from scipy import stats
from scipy.special import expit

from likely.errors import OutsideBoxWarning, ParameterError, RecodedWarning, TrialsError
from likely.regression import Fit, Lapses, fit, specify
from likely.regression.specification import Specification
from likely.trials import encode
from likely.zoo import models

LIKELIHOOD = handmade_ddm()
CHOICES = LIKELIHOOD.declaration.choices
TRUTH = {"v_coherence": 4.0, "a_condition[easy]": math.log(0.6), "a_condition[hard]": math.log(1.2)}
FORMULA = {"v": "0 + coherence", "a": "0 + condition"}


def simulated(n: int, seed: int) -> pd.DataFrame:
    """Return n trials of the handmade likelihood; t = 0.3."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "coherence": rng.choice([0.0, 0.1, 0.25, 0.5], n),
            "condition": rng.choice(["easy", "hard"], n),
        }
    )
    theta = {
        "v": TRUTH["v_coherence"] * data["coherence"],
        "a": np.where(data["condition"] == "easy", 0.6, 1.2),
        "z": 0.5,
        "t": 0.3,
    }
    return pd.concat([data, LIKELIHOOD.sample(theta, 1, seed)], axis=1)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    data = simulated(600, 1)
    data.loc[data.index[:20], "rt"] = np.nan  # choices whose times are unobserved
    return fit(
        data,
        model=LIKELIHOOD,
        formula=FORMULA,
        fixed={"z": 0.5},
        seed=2,
        draws=400,
        tune=400,
        chains=2,
        progressbar=False,
    )


def test_truth_is_recovered(fitted: Fit) -> None:
    summary = fitted.summary(0.99)
    for name, truth in {**TRUTH, "t": 0.3}.items():
        low, high = summary.loc[name].filter(like="eti")
        assert low < truth < high
    assert (summary["r_hat"] < 1.05).all()
    assert fitted.outside_box() == 0.0


def test_predictions_of_bambi_leave_the_summary_as_it_is(fitted: Fit) -> None:
    idata = fitted.idata.copy()
    fitted.bambi.predict(idata, data=fitted.data.head(2), kind="response_params")
    assert "v" in idata["posterior"]
    assert set(replace(fitted, idata=idata).summary().index) == {*TRUTH, "t"}


def test_names_of_the_posterior(fitted: Fit) -> None:
    assert set(fitted.idata["posterior"].data_vars) == {"v_coherence", "a_condition", "t"}
    assert {*TRUTH, "t"} == set(fitted.summary().index)
    assert fitted.specification.formula == {**FORMULA, "t": "1"}
    assert fitted.specification.fixed == {"z": 0.5}
    t = np.asarray(fitted.idata["posterior"]["t"])
    assert (t < fitted.data["rt"].min()).all()


def test_parameters_are_those_of_the_posterior_trial_by_trial(fitted: Fit) -> None:
    parameters = fitted.parameters(800)
    slopes = np.asarray(fitted.idata["posterior"]["v_coherence"]).reshape(-1)
    coherence = fitted.data["coherence"].to_numpy()
    np.testing.assert_allclose(parameters["v"], slopes[:, None] * coherence, rtol=1e-12)
    np.testing.assert_array_equal(parameters["z"], 0.5)
    t = np.asarray(fitted.idata["posterior"]["t"]).reshape(-1)
    np.testing.assert_allclose(parameters["t"], np.repeat(t[:, None], 600, axis=1), rtol=1e-12)


def test_predictions_look_like_the_data(fitted: Fit) -> None:
    predicted = fitted.predict(draws=20, seed=3)
    assert len(predicted) == 20 * 600
    pd.testing.assert_frame_equal(predicted, fitted.predict(draws=20, seed=3))
    observed = fitted.data.groupby("condition")[["rt", "choice"]].mean()
    expected = predicted.groupby("condition")[["rt", "choice"]].mean()
    np.testing.assert_allclose(expected, observed, atol=0.12)
    with pytest.raises(ParameterError, match="from 1 to 800"):
        fitted.predict(draws=801, seed=3)


def test_log_density_is_that_of_the_likelihood(fitted: Fit) -> None:
    point = {"v_coherence": 3.0, "a_condition": np.array([-0.4, 0.1]), "t_interval__": 0.0}
    with fitted.model:
        logp = fitted.model.compile_fn(fitted.model.logp(vars=[fitted.model["trials"]], sum=False))
    data = fitted.data
    theta = {
        "v": 3.0 * data["coherence"],
        "a": np.exp(np.where(data["condition"] == "easy", -0.4, 0.1)),
        "z": 0.5,
        "t": 0.5 * data["rt"].min(),
    }
    expected = LIKELIHOOD.logp(theta, data[["rt", "choice"]])
    np.testing.assert_allclose(logp(point)[0], expected, rtol=1e-9)


def test_posteriors_survive_netcdf(fitted: Fit, tmp_path: Path) -> None:
    from likely.results.folder import storable

    path = tmp_path / "posterior.nc"
    storable(fitted.idata).to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as read:
        for name in ("v_coherence", "a_condition"):
            np.testing.assert_array_equal(
                read["posterior"][name].values, fitted.idata["posterior"][name].values
            )


def test_draws_outside_the_box_are_warned_of() -> None:
    data = simulated(40, 4)
    with pytest.warns(OutsideBoxWarning, match=r"100.0% of posterior draws.*v \[-6, 6\]"):
        result = fit(
            data,
            model=LIKELIHOOD,
            formula={"v": "0 + coherence"},
            fixed={"z": 0.5, "a": 1.0, "t": 0.1},
            priors={"v_coherence": (40.0, 0.001)},
            seed=2,
            draws=20,
            tune=20,
            chains=2,
            progressbar=False,
            compute_convergence_checks=False,
        )
    assert result.outside_box() == 1.0


def test_what_is_no_likelihood_is_refused() -> None:
    data = simulated(5, 1)
    with pytest.raises(ParameterError, match=r"'ddm' is a model, not a .* lk\.train\(model\)"):
        fit(data, model=models["ddm"], seed=1)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="model is 3; it must be a likelihood"):
        fit(data, model=3, seed=1)  # type: ignore[arg-type]


OBSERVED = pd.DataFrame(
    {
        "rt": [0.1, 0.5, np.nan, np.nan, 0.7, 2.0],
        "choice": [1, 1, -1, np.nan, np.nan, -1],
        "deadline": [np.nan, np.nan, np.nan, 1.0, np.nan, np.nan],
    }
)
FIXED = {"a": 1.0, "z": 0.5, "t": 0.3}


def pointwise(specification: Specification, point: dict[str, Any]) -> np.ndarray:
    """Return the log density of each trial, and see to it that gradients are finite."""
    model = specification.model
    logp = model.logp(vars=[model["trials"]], sum=False)
    (density,) = model.compile_fn(logp, mode="FAST_COMPILE")(point)
    assert np.isfinite(model.compile_dlogp(mode="FAST_COMPILE")(point)).all()
    return density


@pytest.mark.parametrize(
    ("lapse", "share", "density"),
    [
        # two choices, uniform up to the longest time, 2 s
        (0.1, 0.1, [1 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 1 / 4]),
        (
            Lapses(density=stats.expon(scale=0.5)),
            0.5,
            [np.exp(-0.2), np.exp(-1), 1 / 2, np.exp(-2), 2 * np.exp(-1.4), np.exp(-4)],
        ),
    ],
    ids=["uniform", "estimated, exponential"],
)
def test_lapses_are_mixed_in_whatever_was_observed(
    lapse: float | Lapses, share: float, density: list[float]
) -> None:
    plan = specify(OBSERVED, model=LIKELIHOOD, fixed=FIXED, lapse=lapse)
    point = {"v_Intercept": 0.7} | ({"lapse_logodds__": 0.0} if share == 0.5 else {})
    expected = np.logaddexp(
        np.log1p(-share) + LIKELIHOOD.logp({"v": 0.7, **FIXED}, OBSERVED),
        np.log(share * np.array(density)),
    )
    np.testing.assert_allclose(pointwise(plan, point), expected, rtol=1e-6)


def test_lapses_may_depend_on_covariates() -> None:
    data = OBSERVED.assign(tired=[0, 1, 0, 1, 0, 1])
    formula = {"lapse": "1 + tired"}
    plan = specify(data, model=LIKELIHOOD, formula=formula, fixed=FIXED, lapse=Lapses())
    point = {"v": 0.7, "lapse_Intercept": -2.0, "lapse_tired": 1.0}
    p = expit(np.array([-2.0, -1.0] * 3))
    density = np.log([1 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 1 / 4])
    expected = np.logaddexp(
        np.log1p(-p) + LIKELIHOOD.logp({"v": 0.7, **FIXED}, OBSERVED), np.log(p) + density
    )
    np.testing.assert_allclose(pointwise(plan, point), expected, rtol=1e-6)


def test_lapses_are_drawn_at_any_time_with_any_choice() -> None:
    lapses = Lapses(0.5, stats.uniform(0.0, 2.0))
    drawn = pd.DataFrame({"rt": np.full(4000, 9.0), "choice": 1.0})
    drawn = lapses.scatter(drawn, CHOICES, seed=1)
    lapsed = drawn[drawn["rt"] != 9.0]
    assert len(lapsed) == pytest.approx(2000, abs=150)
    assert lapsed["rt"].between(0.0, 2.0).all()
    assert lapsed["rt"].mean() == pytest.approx(1.0, abs=0.06)
    assert lapsed["choice"].mean() == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(
    ("density", "words"),
    [
        (stats.uniform(0, 5), "uniform up to 5 s"),
        (stats.uniform(loc=0, scale=5), "uniform up to 5 s"),
        (stats.uniform(0.1, 5), "uniform from 0.1 to 5.1 s"),
        (stats.expon(scale=0.5), "expon"),
        (stats.gamma(2, scale=0.5), "gamma"),
    ],
)
def test_lapses_are_described_however_their_density_was_given(density: Any, words: str) -> None:
    assert str(Lapses(0.05, density)) == f"0.05, times {words}"


def test_columns_may_have_any_name_and_choices_any_coding() -> None:
    data = simulated(30, 5)
    said = data["choice"].map({-1: "error", 1: "correct"})
    other = pd.DataFrame({"RT": data["rt"], "answer": said, "limit": 9.0})
    names = {"rt": "RT", "choice": "answer"}
    with pytest.warns(RecodedWarning, match="answer error was read as -1, correct was read as"):
        plan = specify(other, model=LIKELIHOOD, fixed=FIXED, deadline="limit", **names)
    np.testing.assert_array_equal(plan.data[["rt", "choice"]], data[["rt", "choice"]])
    assert (plan.data["deadline"] == 9.0).all()
    other.loc[3, ["RT", "answer"]] = np.nan
    coding = {"error": 1, "correct": -1}
    plan = specify(other, model=LIKELIHOOD, fixed=FIXED, deadline=5.0, coding=coding, **names)
    observed = plan.model.rvs_to_values[plan.model["trials"]].data
    assert observed[3].tolist() == [5.0, np.inf]
    assert observed[0].tolist() == [data["rt"][0], -data["choice"][0]]
    with pytest.raises(TrialsError, match="unknown column 'answr'"):
        specify(other, model=LIKELIHOOD, rt="RT", choice="answr")


def test_models_are_found_by_path(tmp_path: Path) -> None:
    path = LIKELIHOOD.save(tmp_path / "mine.likely")
    data = simulated(40, 5)
    data[["rt", "choice"]].to_csv(tmp_path / "trials.csv", index=False)
    result = fit(
        tmp_path / "trials.csv",
        model=path,
        fixed={"z": 0.5, "a": 1.0, "t": 0.1},
        seed=1,
        draws=20,
        tune=20,
        chains=2,
        progressbar=False,
        compute_convergence_checks=False,
    )
    observed = result.model.rvs_to_values[result.model["trials"]].data
    np.testing.assert_array_equal(observed, encode(data[["rt", "choice"]], CHOICES))
    assert isinstance(result.model, pm.Model)


def given_to_sample(monkeypatch: pytest.MonkeyPatch, **given: Any) -> dict[str, Any]:
    """Return the arguments with which `fit` would have PyMC sample."""
    seen: dict[str, Any] = {}

    def sample(**arguments: object) -> None:
        seen.update(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(pm, "sample", sample)
    with pytest.raises(KeyboardInterrupt):
        fit(simulated(20, 1), model=LIKELIHOOD, fixed={"z": 0.5}, seed=1, **given)
    return seen


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"nuts_sampler": "nutpie", "nuts": {"adaptation": "low_rank"}}),
        (
            {"nuts": {"adaptation": "diag", "maxdepth": 8}},
            {"nuts_sampler": "nutpie", "nuts": {"adaptation": "diag", "maxdepth": 8}},
        ),
        ({"nuts_sampler": "pymc"}, {"nuts_sampler": "pymc"}),
        (
            {"nuts_sampler": "numpyro", "nuts": {}},
            {"nuts_sampler": "numpyro", "nuts": {"jitter": False}},
        ),
    ],
)
def test_nutpie_learns_correlations_unless_told_otherwise(
    given: dict[str, object], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = given_to_sample(monkeypatch, **given)
    for name in ("nuts_sampler", "nuts"):
        assert seen.get(name) == expected.get(name)
    assert set(seen["initvals"]) == {"v_Intercept", "a", "t"}  # where chains begin, unmoved


def test_blackjax_draws_without_the_package_of_its_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likely.regression.sampler.find_spec", lambda name: None)
    seen = given_to_sample(monkeypatch, nuts_sampler="blackjax")
    assert seen["progressbar"] is False
    assert "progressbar" not in given_to_sample(monkeypatch, nuts_sampler="numpyro")


def test_chains_begin_where_they_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then samplers move them as they are used to."""
    seen = given_to_sample(monkeypatch, initvals={"a": 1.0})
    assert seen["initvals"] == {"a": 1.0}
    assert "compile_kwargs" not in seen
