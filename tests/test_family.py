"""A likelihood as a Bambi family: models, splines, processes, predictions and comparisons."""

from __future__ import annotations

from typing import Any

import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from handmade import handmade_ddm

from likely.errors import ParameterError, TrialsError
from likely.regression import Fit, Lapses, specify
from likely.shared_rows import shared_rows
from likely.trials import without_nan

LIKELIHOOD = handmade_ddm()
RNG = np.random.default_rng(1)
N = 60
X = np.linspace(-1.0, 1.0, N // 4).repeat(4)
DATA = pd.DataFrame(
    {
        "rt": RNG.uniform(0.4, 1.5, N),
        "choice": RNG.choice([-1, 1], N),
        "x": X,
        "kind": pd.Categorical(np.tile(["easy", "hard"], N // 2)),
        "subject": np.arange(N) % 4,
    }
)


def family_model(formula: bmb.Formula | str, **arguments: Any) -> bmb.Model:
    family = LIKELIHOOD.family(DATA, **arguments)
    model = bmb.Model(formula, DATA, family=family)
    model.build()
    return model


def logp_at_the_start(model: Any) -> float:
    return float(model.compile_logp(mode="FAST_COMPILE")(model.initial_point()))


def prior_draws(model: bmb.Model) -> xr.DataTree:
    """Return draws from the prior in the place of a posterior."""
    drawn = model.prior_predictive(draws=6, random_seed=1)["prior"].to_dataset()
    by_trial = [n for n in drawn.data_vars if "__obs__" in drawn[n].dims]
    return xr.DataTree.from_dict({"posterior": drawn.drop_vars(by_trial).drop_dims(
        [d for d in ("__obs__",) if d in drawn.dims], errors="ignore")})  # fmt: skip


def test_models_work_by_themselves() -> None:
    formula = bmb.Formula("c(rt, choice) ~ x * kind + (1|subject)", "a ~ kind")
    model = family_model(formula)
    assert np.isfinite(logp_at_the_start(model.backend.model))
    assert model.family.link["a"].name == "log"
    assert model.family.link["t"].name.startswith("logit on (0, 0.4")
    draws = prior_draws(model)
    model.predict(draws, kind="response", random_seed=1)
    predicted = draws["posterior_predictive"]["c(rt, choice)"]
    assert predicted.dims == ("chain", "draw", "__obs__", "response")
    assert set(np.unique(predicted.sel(response="choice"))) <= {-1.0, 1.0}
    model.compute_log_likelihood(draws)
    values = {n: np.asarray(draws["posterior"][n])[0, 0] for n in LIKELIHOOD.declaration.names}
    expected = LIKELIHOOD.logp(values, DATA[["rt", "choice"]])
    found = draws["log_likelihood"]["c(rt, choice)"][0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    model.predict(draws, data=DATA.iloc[:7], kind="response", random_seed=1)
    assert draws["posterior_predictive"].sizes["__obs__"] == 7


def test_a_family_finds_the_fastest_response_by_itself() -> None:
    family = LIKELIHOOD.family()
    for trials in (DATA, DATA.assign(rt=DATA["rt"] + 0.3)):
        model = bmb.Model("c(rt, choice) ~ x", trials, family=family)
        model.build()
        t = pm.draw(model.backend.model["t"], 500, random_seed=1)
        fastest = trials["rt"].min()
        assert 0.9 * fastest < t.max() < fastest
        assert np.isfinite(logp_at_the_start(model.backend.model))
    untimed = DATA.assign(rt=-np.inf)
    bmb.Model("c(rt, choice) ~ x", untimed, family=family).build()


def test_any_parameter_may_be_the_first() -> None:
    model = family_model("c(rt, choice) ~ kind", parent="a")
    assert np.isfinite(logp_at_the_start(model.backend.model))
    assert {"v", "z", "t"} == set(model.marginal_parameters)
    with pytest.raises(ParameterError, match="model 'ddm': unknown parameter 'A'. Did you mean"):
        LIKELIHOOD.family(parent="A")


def test_lapses_are_a_parameter_of_the_family() -> None:
    model = family_model("c(rt, choice) ~ x", lapses=Lapses())
    assert "lapse" in model.marginal_parameters
    draws = prior_draws(model)
    model.compute_log_likelihood(draws)
    model.predict(draws, kind="response", random_seed=1)
    assert np.isfinite(draws["log_likelihood"]["c(rt, choice)"]).all()


def test_unobserved_times_are_coded_before_bambi_sees_them() -> None:
    data = DATA.assign(deadline=2.0)
    data.loc[0, ["rt", "deadline"]], data.loc[1, ["rt", "choice"]] = np.nan, np.nan
    coded = without_nan(data, (-1, 1))
    model = bmb.Model("c(rt, choice) ~ x", coded, family=LIKELIHOOD.family(data))
    model.build()
    np.testing.assert_array_equal(model.response_term.data[:2, 0], [-np.inf, 2.0])
    assert np.isfinite(logp_at_the_start(model.backend.model))
    links = [LIKELIHOOD.family(frame).link["t"].name for frame in (data, coded)]
    assert links[0] == links[1]
    assert links[0].startswith("logit on (0, ")
    bad = bmb.Model("rt ~ x", DATA, family=LIKELIHOOD.family())
    with pytest.raises(TrialsError, match=r"write c\(rt, choice\)"):
        bad.build()


@pytest.mark.parametrize(
    ("formula", "rows"),
    [
        ("1 + kind + (1|subject)", 4),
        ("0 + kind:x + (1|subject) + (0 + kind|subject)", 60),
        ("x + (x|subject)", 60),
        ("x", 15),
        ("bs(x, df=4)", 15),
        ("poly(x, 2)", 15),
        ("hsgp(x, m=4, c=1.5)", 15),
        ("hsgp(x, m=4, c=1.5, by=kind)", 60),
        ("offset(x) + kind", 30),
    ],
)  # fmt: skip
def test_trials_with_the_same_covariates_are_found(formula: str, rows: int) -> None:
    fixed = {"a": 1.0, "z": 0.5, "t": 0.1}
    for noncentered in (False, True):
        model = specify(
            DATA, model=LIKELIHOOD, formula={"v": formula}, fixed=fixed, noncentered=noncentered
        ).model
        shared = shared_rows([model["v"]], N)
        assert shared is not None
        assert len(np.unique(shared.which)) == rows


def test_shared_rows_leave_densities_alone() -> None:
    plan = specify(DATA, model=LIKELIHOOD, formula={"v": "kind + (1|subject)", "a": "(1|subject)"})
    (density,) = plan.model.logp(vars=[plan.model["trials"]], sum=False)
    at = {"v_1|subject": [0.5, -0.5, 1.0, 0.0], "a_1|subject": [0.1, -0.1, 0.2, 0.3]}
    point = {**plan.model.initial_point(), **{f"{n}_offset": np.array(x) for n, x in at.items()}}
    found = plan.model.compile_fn(density, mode="FAST_COMPILE")(point)
    effect = {name: np.array(x)[DATA["subject"]] for name, x in at.items()}
    sigma = {n: np.exp(point[f"{n}_sigma_log__"]) for n in at}
    log_a = point["a_Intercept"] + effect["a_1|subject"] * sigma["a_1|subject"]
    drift = point["v_Intercept"] + effect["v_1|subject"] * sigma["v_1|subject"]
    theta = {"v": drift, "a": np.exp(log_a), "z": 0.5, "t": 0.5 * DATA["rt"].min()}
    np.testing.assert_allclose(found, LIKELIHOOD.logp(theta, DATA), rtol=1e-9)


def test_models_are_the_same_in_every_process() -> None:
    plan = specify(DATA, model=LIKELIHOOD, formula={"z": "1 + kind"})
    assert [v.name for v in plan.model.free_RVs] == ["v", "a", "t", "z_Intercept", "z_kind"]


def test_fits_predict_by_trial() -> None:
    formula = {"v": "kind + (1|subject)", "t": "1 + (1|subject)"}
    plan = specify(DATA, model=LIKELIHOOD, formula=formula, fixed={"a": 1.0, "z": 0.5})
    drawn = plan.bambi.prior_predictive(draws=6, var_names=plan.sampled, random_seed=1)["prior"]
    result = Fit(
        xr.DataTree.from_dict({"posterior": drawn.to_dataset()}), LIKELIHOOD, DATA, plan, 1
    )
    draws = result.idata["posterior"]
    parameters = result.parameters(3)
    effect = np.asarray(draws["v_1|subject"])[0][:, DATA["subject"]]
    hard = np.asarray(draws["v_kind"])[0] * (DATA["kind"] == "hard").to_numpy()
    v = np.asarray(draws["v_Intercept"])[0][:, None] + hard + effect
    np.testing.assert_allclose(parameters["v"], v[[0, 2, 5]])
    assert (parameters["t"] < DATA.groupby("subject")["rt"].transform("min").to_numpy()).all()
    predicted = result.predict(draws=3, seed=2)
    assert predicted["draw"].tolist() == [i for i in range(3) for _ in range(N)]
    assert predicted.columns.tolist() == [*DATA.columns, "draw"]


def test_bambi_interprets_fits() -> None:
    model = specify(DATA, model=LIKELIHOOD, formula={"v": "kind"}).bambi
    table = bmb.interpret.predictions(model, prior_draws(model), conditional="kind")
    assert len(table.summary) == 2
