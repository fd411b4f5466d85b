"""Estimates in natural units: formulas and links at conditions and groups, as trials have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from handmade import handmade_ddm
from scipy.special import expit

from likely.declaration import Declaration, Parameter
from likely.plots.estimates import group_columns
from likely.regression import Fit, Lapses, specify
from likely.regression.estimates import known_parameters, levels

LIKELIHOOD = handmade_ddm()
N = 120


def trials() -> pd.DataFrame:
    """Return trials of four subjects in two sessions, with covariates of every kind."""
    rng = np.random.default_rng(4)
    subject = np.arange(N) % 4
    return pd.DataFrame(
        {
            "rt": 0.4 + 0.05 * subject + rng.gamma(2.0, 0.3, N),
            "choice": rng.choice([-1.0, 1.0], N),
            "subject": np.array(["ann", "bob", "cy", "dee"])[subject],
            "code": 10 * subject,
            "session": rng.integers(1, 3, N),
            "age": 20.0 + subject,
            "stim": rng.choice(["LL", "WL"], N),
            "coherence": rng.choice([0.0, 0.25, 0.5], N),
            "theta": rng.standard_normal(N),
            "day": np.arange(N) % 10,
            "speed": rng.random(N) < 0.5,
            "mean": rng.choice(["low", "high"], N),
        }
    )


def drawn(formula: dict[str, str], data: pd.DataFrame | None = None, **more: Any) -> Fit:
    """Return a "fit" whose posterior is its prior, which is quickly drawn."""
    data = trials() if data is None else data
    if not any("subject" in text for text in formula.values()):
        data = data.drop(columns="subject")  # else pooled subjects are warned of
    plan = specify(data, model=LIKELIHOOD, formula=formula, **more)
    with plan.model:
        prior = pm.sample_prior_predictive(40, var_names=plan.sampled, random_seed=3)["prior"]
    posterior = plan.with_parent(prior.to_dataset())
    return Fit(xr.DataTree.from_dict({"posterior": posterior}), LIKELIHOOD, data, plan, 1)


@pytest.mark.parametrize(
    "formula",
    [
        {"v": "1 + stim + (1|subject)", "a": "1 + (1|subject)"},
        {"v": "0 + coherence:stim + (coherence|subject)", "t": "1 + (1|subject)"},
        {"v": "1 + (0 + stim|subject)", "z": "1 + speed"},
        {"v": "1 + C(day) + (1|subject)", "a": "1 + coherence * speed"},
        {"v": "1 + (1|subject/session)"},
        {"a": "1 + scale(age) + (1|code)", "v": "0 + (1|code)"},
        {"v": "1 + np.log(age) + (1|subject:session)"},
        {"v": "1 + offset(coherence) + stim"},
    ],
)
def test_estimates_of_groups_are_parameters_of_their_trials(formula: dict[str, str]) -> None:
    fit = drawn(formula)
    table, values = fit.estimates(), fit.parameters(40)
    for name in formula:
        of = table[table["parameter"] == name]
        rows = of[of["level"] == of["level"].iloc[-1]]
        used = [c for c in fit.specification.columns if rows[c].notna().any()]
        assert len(rows) == len(fit.data[used].drop_duplicates())
        for _, row in rows.iterrows():
            alike = (fit.data[used] == row[used]).all(axis=1).to_numpy()
            here = values[name][:, alike]
            np.testing.assert_allclose(here, here[:, :1].repeat(alike.sum(), axis=1))
            np.testing.assert_allclose(row["mean"], here[:, 0].mean())
            np.testing.assert_allclose(row["sd"], here[:, 0].std(ddof=1))
            np.testing.assert_allclose(row["eti94_lb"], np.quantile(here[:, 0], 0.03))


def test_covariates_called_as_statistics_keep_columns_of_their_own() -> None:
    table = drawn({"v": "1 + mean"}).estimates()
    assert table["mean (column)"].tolist()[:2] == ["high", "low"]
    assert np.isfinite(table["mean"]).all()


def test_groups_called_as_levels_are_told_from_these() -> None:
    data = trials().rename(columns={"stim": "population", "subject": "fixed"})
    fit = drawn({"v": "1 + (1|population)", "a": "1 + (1|fixed)"}, data.assign(subject="ann"))
    table = fit.estimates()
    groups = ["population (column)"] * 2, ["fixed (column)"] * 4
    assert table["level"].tolist()[:8] == ["population", *groups[0], "population", *groups[1]]
    assert group_columns(table, "population (column)") == ["population"]
    assert group_columns(table, "population") == []


def test_a_parameter_of_the_model_called_lapse_is_its_own() -> None:
    own = Parameter("lapse", 0.1, 1.0, unit="s")
    assert known_parameters(Declaration("m", (own,), (-1, 1)))["lapse"] is own
    assert list(known_parameters(LIKELIHOOD.declaration))[-1] == "lapse"


def test_the_population_has_no_effects_of_groups() -> None:
    fit = drawn({"v": "1 + stim + (stim|subject)", "a": "1 + (1|subject)"}, fixed={"z": 0.5})
    posterior, table = fit.idata["posterior"], fit.estimates(0.5)
    table = table[table["level"] != "subject"].set_index(["parameter", "stim"])
    intercept = posterior["v_Intercept"].to_numpy()
    both = intercept + posterior["v_stim"].to_numpy()[..., 0]
    np.testing.assert_allclose(table.loc[("v", "LL"), "mean"], intercept.mean())
    np.testing.assert_allclose(table.loc[("v", "WL"), "mean"], both.mean())
    a = np.exp(posterior["a_Intercept"].to_numpy())
    np.testing.assert_allclose(table.loc["a", "eti50_ub"], np.quantile(a, 0.75))
    np.testing.assert_allclose(table.loc["t", "mean"], posterior["t"].to_numpy().mean())
    assert table.loc["z", ["level", "mean", "sd"]].to_numpy().tolist() == [["fixed", 0.5, 0.0]]
    assert table["unit"].to_dict()[("t", np.nan)] == "s"


def test_effects_of_other_factors_are_zero() -> None:
    fit = drawn({"v": "1 + (1|subject) + (1|stim)"})
    posterior, table = fit.idata["posterior"], fit.estimates()
    assert table["level"].tolist()[:7] == ["population", *["subject"] * 4, *["stim"] * 2]
    effect = posterior["v_1|stim"].to_numpy()[..., 1] + posterior["v_Intercept"].to_numpy()
    np.testing.assert_allclose(table["mean"][6], effect.mean())


def test_numbers_of_many_values_are_at_their_mean() -> None:
    fit = drawn({"v": "1 + theta * stim + (1|subject)", "a": "1 + age + (1|subject)"})
    table, posterior = fit.estimates(), fit.idata["posterior"]
    v = table[(table["parameter"] == "v") & (table["level"] == "population")]
    mean = fit.data["theta"].mean()
    np.testing.assert_allclose(v["theta"].astype(float), mean)
    expected = posterior["v_Intercept"] + mean * posterior["v_theta"]
    np.testing.assert_allclose(v["mean"].iloc[0], expected.to_numpy().mean())
    years = [20.0 + i for i in range(30)]
    many = pd.concat([fit.data.assign(age=y, subject=f"s{y}") for y in years], ignore_index=True)
    table = drawn({"a": "1 + age + (1|subject)"}, many).estimates()
    a = table[table["parameter"] == "a"]
    assert a[a["level"] == "population"]["age"].tolist() == [np.mean(years)]
    assert a[a["level"] == "subject"]["age"].tolist() == years


def test_smooth_terms_and_lapses_have_estimates() -> None:
    fit = drawn({"v": "1 + bs(theta, df=4)", "a": "1 + hsgp(theta, m=4, c=1.5)"}, lapse=Lapses())
    table = fit.estimates()
    assert table["parameter"].tolist() == ["v", "a", "z", "t", "lapse"]
    assert np.isfinite(table[["mean", "sd"]].to_numpy()).all()


def test_a_ceiling_of_each_group_is_averaged_for_the_population() -> None:
    fit = drawn({"t": "1 + (1|subject)"})
    table = fit.estimates().set_index("parameter").loc["t"]
    assert table["level"].tolist() == ["population", *["subject"] * 4]
    ceilings = fit.data.groupby("subject")["rt"].min()
    share = expit(fit.idata["posterior"]["t_Intercept"].to_numpy())
    np.testing.assert_allclose(table["mean"].iloc[0], ceilings.mean() * share.mean())


def test_blocks_of_rows_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = drawn({"v": "1 + stim + (1|subject)", "t": "1 + (1|subject)"})
    whole = fit.estimates()
    monkeypatch.setattr("likely.regression.estimates.CHUNK", 100)
    pd.testing.assert_frame_equal(whole, fit.estimates())


def test_levels_are_told_from_formulas() -> None:
    population, subject, both = levels("1 + stim + (coherence|subject) + (1|subject:session)")
    assert (population.name, population.groups, population.covariates) == (
        "population",
        (),
        ("stim",),
    )
    assert (subject.groups, subject.covariates) == (("subject",), ("stim", "coherence"))
    assert (both.name, both.groups) == ("subject:session", ("subject", "session"))
    assert both.terms == {"1|subject", "coherence|subject", "1|subject:session"}
