"""Fits: recovery, prediction, lapses, warnings, files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from handmade import handmade_ddm

from likely.errors import OutsideBoxWarning, ParameterError
from likely.regression import Fit, fit
from likely.regression.lapses import Lapses
from likely.regression.specification import specify
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


def test_names_of_the_posterior(fitted: Fit) -> None:
    assert set(fitted.idata["posterior"].data_vars) == {*TRUTH, "t_Intercept", "t"}
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
    point = {"v_coherence": 3.0, "a_condition[easy]": -0.4, "a_condition[hard]": 0.1}
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
    np.testing.assert_allclose(logp({**point, "t_Intercept": 0.0})[0], expected, rtol=1e-9)


def test_posteriors_survive_netcdf(fitted: Fit, tmp_path: Path) -> None:
    from likely.results.folder import storable

    path = tmp_path / "posterior.nc"
    storable(fitted.idata).to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as read:
        for name in TRUTH:
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


def test_lapses_are_mixed_in_whatever_was_observed() -> None:
    data = pd.DataFrame(
        {
            "rt": [0.1, 0.5, np.nan, np.nan, 0.7, 2.0],
            "choice": [1, 1, -1, np.nan, np.nan, -1],
            "deadline": [np.nan, np.nan, np.nan, 1.0, np.nan, np.nan],
        }
    )
    fixed = {"a": 1.0, "z": 0.5, "t": 0.3}
    plan = specify(LIKELIHOOD.declaration, data, formula={}, fixed=fixed, priors={}, lapse=0.1)
    model = plan.build(LIKELIHOOD, data)
    (logp,) = model.compile_fn(model.logp(vars=[model["trials"]], sum=False))({"v_Intercept": 0.7})
    uniform = np.log([1 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 1 / 4])  # two choices, 0 to 2 s
    expected = np.logaddexp(
        np.log(0.9) + LIKELIHOOD.logp({"v": 0.7, **fixed}, data), np.log(0.1) + uniform
    )
    np.testing.assert_allclose(logp, expected, rtol=1e-6)
    assert np.isfinite(model.compile_dlogp()({"v_Intercept": 0.7})).all()


def test_lapses_are_drawn_at_any_time_with_any_choice() -> None:
    lapses = Lapses(0.5, 2.0, CHOICES)
    drawn = lapses.scatter(pd.DataFrame({"rt": np.full(4000, 9.0), "choice": 1.0}), seed=1)
    lapsed = drawn[drawn["rt"] != 9.0]
    assert len(lapsed) == pytest.approx(2000, abs=150)
    assert lapsed["rt"].between(0.0, 2.0).all()
    assert lapsed["rt"].mean() == pytest.approx(1.0, abs=0.06)
    assert lapsed["choice"].mean() == pytest.approx(0.0, abs=0.1)


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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"nuts_sampler": "nutpie", "nuts": {"adaptation": "low_rank"}}),
        (
            {"nuts": {"adaptation": "diag", "maxdepth": 8}},
            {"nuts_sampler": "nutpie", "nuts": {"adaptation": "diag", "maxdepth": 8}},
        ),
        ({"nuts_sampler": "pymc"}, {"nuts_sampler": "pymc"}),
        ({"nuts_sampler": "numpyro", "nuts": {}}, {"nuts_sampler": "numpyro", "nuts": {}}),
    ],
)
def test_nutpie_learns_correlations_unless_told_otherwise(
    given: dict[str, object], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}

    def sample(**arguments: object) -> None:
        seen.update(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(pm, "sample", sample)
    with pytest.raises(KeyboardInterrupt):
        fit(simulated(20, 1), model=LIKELIHOOD, fixed={"z": 0.5}, seed=1, **given)
    for name in ("nuts_sampler", "nuts"):
        assert seen.get(name) == expected.get(name)
