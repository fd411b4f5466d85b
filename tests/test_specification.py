"""Specifications: links, priors and starting points, and arguments that are refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from handmade import handmade_ddm

import likely as lk
from likely.declaration import Parameter
from likely.errors import LikelyError, ParameterError, TrialsError
from likely.likelihood import Likelihood
from likely.networks.mixture import MixtureDensity
from likely.regression.dimensions import without_commas
from likely.regression.lapses import Lapses
from likely.regression.links import Identity, Link, Log, Logit, LogitByTrial, link_for
from likely.regression.sampler import begins
from likely.regression.specification import Specification, specify
from likely.results.pointwise import log_likelihood

DDM, ANGLE, TWO = lk.load("ddm"), lk.load("angle"), handmade_ddm()
DATA = pd.DataFrame(
    {
        "rt": [0.4, 0.6, 0.8, np.nan],
        "choice": [1, -1, 1, -1],
        "coherence": [0.0, 0.1, 0.5, 0.5],
        "condition": ["a", "b", "a", "b"],
        "number": [1, 1, 2, 2],
        "flag": [True, False, False, True],
        "time": [0.0, 1.0, 2.0, 5.0],
        "twice": [0.0, 2.0, 4.0, 10.0],
        "partial": [1.0, np.nan, 2.0, 3.0],
        "infinite": [1.0, np.inf, 2.0, 3.0],
        "constant": 2.0,
        "two words": [1.0, 2.0, 3.0, 5.0],
        "alike": "all",
        "Intercept": [0.0, 1.0, 2.0, 3.0],
        "day": pd.to_datetime(["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"]),
    }
)


def specified(likelihood: Likelihood = DDM, **arguments: Any) -> Specification:
    given: dict[str, Any] = {"formula": {}, "fixed": {}, "priors": {}, **arguments}
    return specify(likelihood, given.pop("data", DATA), **given)


def prior(specification: Specification, coefficient: str) -> str:
    return specification.priors.set_index("coefficient")["prior"][coefficient]


@pytest.mark.parametrize(
    ("link", "values"),
    [
        (Identity(), [-3.0, 0.0, 7.0]),
        (Log(), [0.01, 1.0, 30.0]),
        (Log(2.0), [2.01, 3.0, 30.0]),
        (Log(2.0, -1.0), [-30.0, 0.0, 1.9]),
        (Logit(), [0.01, 0.5, 0.99]),
        (Logit(-1.5, 1.5), [-1.4, 0.0, 1.4]),
    ],
    ids=str,
)
def test_links_invert_and_agree_with_their_tensors(link: Link, values: list[float]) -> None:
    predictors = np.array([link.forward(value) for value in values])
    np.testing.assert_allclose(link.inverse(predictors), values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        link.inverse_tensor(pt.as_tensor(predictors)).eval(), values, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("support", "link"),
    [
        ((-math.inf, math.inf), Identity()),
        ((0.0, math.inf), Log(0.0)),
        ((-math.inf, 2.0), Log(2.0, -1.0)),
        ((0.0, 1.0), Logit(0.0, 1.0)),
    ],
)
def test_links_follow_the_support(support: tuple[float, float], link: Link) -> None:
    assert link_for(Parameter("p", 0.2, 0.8, support)) == link


def test_every_parameter_starts_somewhere_sensible() -> None:
    for likelihood in (DDM, ANGLE):
        model = specified(likelihood).model
        logp = model.compile_logp(mode="FAST_COMPILE")
        assert np.isfinite(logp(model.initial_point()))


def test_priors_hold_most_of_their_mass_in_the_box() -> None:
    for likelihood in (DDM, ANGLE):
        plan = specified(likelihood)
        names = [n for n in likelihood.declaration.names if n != "v"]
        drawn = pm.draw([plan.model[n] for n in names], 400, random_seed=1, mode="FAST_COMPILE")
        for name, values in zip(names, drawn, strict=True):
            low, high = likelihood.box[name]
            assert np.mean((values < low) | (values > high)) < 0.12
    assert prior(specified(), "v_Intercept") == "Normal(0, 3)"


def _with_t_from(lower: float, upper: float) -> Likelihood:
    """Return a likelihood whose box of the non-decision time ends."""
    known = TWO.declaration
    parameters = [
        replace(p, lower=lower, upper=upper) if p.name == "t" else p for p in known.parameters
    ]
    density = replace(TWO.density, declaration=replace(known, parameters=tuple(parameters)))
    return Likelihood(density, TWO.weights, TWO.training)


def test_a_non_decision_time_may_be_all_that_is_estimated() -> None:
    plan = specified(_with_t_from(0.0, 2.0), fixed={"v": 1.0, "a": 1.0, "z": 0.5})
    assert plan.links["t"] == Logit(0.0, 0.4)
    assert prior(plan, "t_Intercept") == "Normal(0, 1.472)"  # as z's, between 0 and 0.4


def test_a_box_that_begins_after_the_fastest_response_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"'t' cannot be less than 0.45 s, but the fastest"):
        specified(_with_t_from(0.45, 2.0))


def test_categories_keep_their_order() -> None:
    for ordered in (True, False):
        level = pd.Categorical(
            ["low", "mid", "high", "low"], ["low", "mid", "high", "none"], ordered=ordered
        )
        plan = specified(data=DATA.assign(level=level), formula={"v": "1 + level"})
        assert plan.priors["coefficient"].tolist()[1:3] == ["v_level[mid]", "v_level[high]"]


@pytest.mark.parametrize("factor", ["number", "C(number)", "`two words`"])
def test_groups_limit_their_non_decision_times_however_they_are_written(factor: str) -> None:
    plan = specified(formula={"t": f"1 + (1|{factor})"})
    link = plan.links["t"]
    assert isinstance(link, LogitByTrial)
    assert link.upper[0] == 0.4


def test_priors_of_parameters_are_on_their_own_scale() -> None:
    plan = specified(priors={"v": (1, 2), "a": (1, 0.3), "z": (0.5, 0.1), "t": (0.3, 0.05)})
    assert prior(plan, "v_Intercept") == "Normal(1, 2)"
    assert prior(plan, "a") == "TruncatedNormal(1, 0.3, lower=0)"
    assert prior(plan, "z") == "TruncatedNormal(0.5, 0.1, lower=0, upper=1)"
    drawn = pm.draw(plan.model["t"], 2000, random_seed=1, mode="FAST_COMPILE")
    assert drawn.mean() == pytest.approx(0.3, abs=0.01)
    assert drawn.max() < 0.4  # the fastest response
    on_the_link = specified(priors={"a_Intercept": (0, 0.3)})
    assert prior(on_the_link, "a") == "LogNormal(0, 0.3)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"priors": {"t": (0.6, 0.1)}}, "prior of 't': the mean is 0.6.* between 0 and 0.4"),
        ({"priors": {"z": (0.5, 0.1)}, "fixed": {"z": 0.5}}, "'z' is fixed, and has no prior"),
        ({"priors": {"a": (1, 0.1)}, "fixed": {"v": 1.0}}, "needs one of 'a_Intercept'"),
    ],
)
def test_priors_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        specified(**arguments)


def test_priors_of_gaussian_processes_are_given_by_part() -> None:
    term = "v_hsgp(time, m=4, c=1.5)"
    formula = {"v": "hsgp(time, m=4, c=1.5)"}
    given = {f"{term}_sigma": bmb.Prior("HalfNormal", sigma=0.3)}
    plan = specified(formula=formula, priors=given)
    assert prior(plan, f"{term}_sigma") == "HalfNormal(0.3)"
    assert prior(plan, f"{term}_ell").startswith("InverseGamma")
    with pytest.raises(ParameterError, match="give those of '.*_sigma' and '.*_ell'"):
        specified(formula=formula, priors={term: (0, 1)})
    with pytest.raises(ParameterError, match=r"_ell': it must be a bambi.Prior"):
        specified(formula=formula, priors={f"{term}_ell": (0, 1)})


def test_links_and_priors_are_listed() -> None:
    plan = specified(formula={"v": "coherence", "a": "0 + condition"}, fixed={"z": 0.5})
    table = plan.priors.set_index("coefficient")
    assert table.index.tolist() == [
        "v_Intercept", "v_coherence", "a_condition[a]", "a_condition[b]", "t",
    ]  # fmt: skip
    assert table["link"].tolist() == ["identity", "identity", "log", "log", ""]
    assert table["prior"]["t"] == "Uniform(0, 0.4)"
    assert table["prior"]["v_coherence"] == "Normal(0, 6)"  # two sds times the range: half the box
    assert table["prior"]["a_condition[a]"].startswith("Normal(-0.1116, ")
    assert plan.formula == {"v": "coherence", "a": "0 + condition", "t": "1"}
    assert plan.columns == ("coherence", "condition")


def test_priors_can_be_replaced() -> None:
    given = {
        "v_coherence": (10.0, 5.0),
        "a": bmb.Prior("Gamma", mu=1.5, sigma=0.5),
        "z_Intercept": (0.0, 0.3),
        "v_1|condition_sigma": (0.0, 0.7),
    }
    plan = specified(formula={"v": "coherence + (1|condition)"}, priors=given)
    assert prior(plan, "v_coherence") == "Normal(10, 5)"
    assert prior(plan, "a") == "Gamma(1.5, 0.5)"
    assert prior(plan, "z") == "LogitNormal(0, 0.3)"
    assert prior(plan, "v_1|condition_sigma") == "HalfNormal(0.7)"
    one = specified(formula={"a": "0 + condition"}, priors={"a_condition[b]": (0.1, 0.2)})
    assert prior(one, "a_condition[b]") == "Normal(0.1, 0.2)"
    assert prior(one, "a_condition[a]").startswith("Normal(-0.1116")


def test_intercepts_have_wider_priors_where_covariates_are_far_from_zero() -> None:
    data = DATA.assign(age=[60.0, 62.0, 70.0, 64.0])
    near = specified(formula={"v": "age"}, data=DATA.assign(age=[-1.0, 1.0, 0.0, 1.0]))
    assert prior(near, "v_Intercept") == "Normal(0, 3)"
    far = prior(specified(formula={"v": "age"}, data=data), "v_Intercept")
    assert far == f"Normal(0, {np.hypot(3.0, 60 * 3.0 / 10):.4g})"


def test_non_decision_time_stays_below_the_fastest_response() -> None:
    assert specified().links["t"] == Logit(0.0, 0.4)
    assert specified(lapses=Lapses(0.02)).links["t"] == Logit(0.0, 0.6)
    assert specified(formula={"t": "condition"}).links["t"] == Log(0.0)
    by_group = specified(formula={"t": "1 + (1|condition)"}).links["t"]
    assert isinstance(by_group, LogitByTrial)
    np.testing.assert_array_equal(by_group.upper, [0.4, 0.6, 0.4, 0.6])
    assert (by_group.inverse(np.full(4, 20.0)) < by_group.upper).all()
    with pytest.raises(ParameterError, match="limits of the 4 trials that were fitted; .* 3 oth"):
        by_group.inverse(np.zeros(3))
    nobody = specified(formula={"t": "1 + (1|condition)"}, data=DATA.assign(rt=[0.4, np.nan] * 2))
    np.testing.assert_array_equal(nobody.links["t"].upper, 0.4)


@pytest.mark.parametrize(
    ("longest", "expected"), [(2.0, "Uniform(0, 0.4)"), (0.3, "Uniform(0, 0.3)")]
)
def test_non_decision_time_stays_in_a_box_that_ends(longest: float, expected: str) -> None:
    declaration = lk.models["ddm"].with_box(t=(0, longest)).declaration
    density = MixtureDensity.for_model(declaration, ())
    likelihood = Likelihood(density, np.zeros(density.size), DDM.training)
    assert prior(specified(likelihood), "t") == expected


def test_group_effects_are_centred_where_groups_have_many_trials() -> None:
    formula = {"v": "1 + (1|condition)"}
    many = pd.concat([DATA] * 60, ignore_index=True)
    assert "non-centred" in prior(specified(formula=formula), "v_1|condition")
    assert ", centred" in prior(specified(formula=formula, data=many), "v_1|condition")
    assert "non-" in prior(specified(formula=formula, data=many, noncentered=True), "v_1|condition")
    assert ", centred" in prior(specified(formula=formula, noncentered=False), "v_1|condition")


@pytest.mark.parametrize(
    ("formula", "labels"),
    [
        ("coherence", ["v_Intercept", "v_coherence"]),
        ("0 + condition", ["v_condition[a]", "v_condition[b]"]),
        ("C(number)", ["v_Intercept", "v_C(number)[2]"]),
        ("np.sqrt(coherence)", ["v_Intercept", "v_np.sqrt(coherence)"]),
        ("poly(time, 2)", ["v_Intercept", "v_poly(time, 2)[0]", "v_poly(time, 2)[1]"]),
        ("`two words`", ["v_Intercept", "v_two words"]),
        ("offset(coherence)", ["v_Intercept"]),
        ("0 + time + (time|number)",
         ["v_time", "v_1|number", "v_1|number_sigma", "v_time|number", "v_time|number_sigma"]),
        ("0 + I(time / 2)", ["v_I(time | 2)"]),
        ("(1|flag)", ["v_Intercept", "v_1|flag", "v_1|flag_sigma"]),
        ("condition/time", ["v_Intercept", "v_condition[b]", "v_condition:time[a]",
                            "v_condition:time[b]"]),
        ("0 + condition/`two words`", ["v_condition[a]", "v_condition[b]",
                                       "v_condition:two words[a]", "v_condition:two words[b]"]),
        ("condition/I(time / 2) + (time|flag)",
         ["v_Intercept", "v_condition[b]", "v_condition:I(time | 2)[a]",
          "v_condition:I(time | 2)[b]", "v_1|flag", "v_1|flag_sigma", "v_time|flag",
          "v_time|flag_sigma"]),
    ],
)  # fmt: skip
def test_coefficients_are_called_after_parameter_and_column(
    formula: str, labels: list[str]
) -> None:
    plan = specified(formula={"v": formula}, fixed={"a": 1.0, "z": 0.5, "t": 0.1})
    assert plan.priors["coefficient"].tolist() == labels


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("", ParameterError, "is empty"),
        ("0", ParameterError, "has no terms; give the parameter a fixed value"),
        ("coherence +", ParameterError, "cannot be read"),
        ("((", ParameterError, "cannot be read"),
        ("v ~ coherence", ParameterError, "leave out what is left of '~'"),
        ("Coherence", TrialsError, "Did you mean 'coherence'?"),
        ("1 + colour", TrialsError, "unknown column 'colour'"),
        ("(1|subject)", TrialsError, "unknown column 'subject'"),
        ("rt", ParameterError, "'rt' is what the model explains"),
        ("partial", TrialsError, "column 'partial', row 1: nan"),
        ("infinite", TrialsError, "column 'infinite', row 1: inf"),
        ("np.log(coherence)", ParameterError, r"'np.log\(coherence\)' is not finite"),
        ("constant", ParameterError, "'constant' is constant"),
        ("time + twice", ParameterError, r"\(Intercept, time, twice\) are linearly dependent"),
        (
            "os.system(coherence)",
            ParameterError,
            r"'os.system\(coherence\)' of parameter 'v' f.*os",
        ),
        ("encode(coherence)", ParameterError, "fails on these trials: .*encode"),
        ("1|condition", ParameterError, r"stand in parentheses, as in \(1.subject\)"),
        ("coherence ** 2", ParameterError, r"is coherence itself.* written I\(coherence\*\*2\)"),
        ("(1||condition)", ParameterError, "uncorrelated anyway"),
        ("time > 1", ParameterError, r"stand in I\(\)"),
        ("day", ParameterError, "column 'day' holds dates"),
        ("0 + alike", ParameterError, "Column 'alike' has one value only; leave it out"),
        ("(alike|condition)", ParameterError, "Column 'alike' has one value only; leave it out"),
        ("1 + alike", ParameterError, "'alike' has one value only"),
        ("bs(time, df=2)", ParameterError, "'bs.*' of parameter 'v' fails .*: df=2 is too small"),
        ("condition[a]", ParameterError, "'condition.a.' of parameter 'v' fails"),
        ("Intercept", ParameterError, "a column cannot be called 'Intercept'"),
        ("1 + (1|two words)", ParameterError, r"expression. Names .* backticks: `two words`.$"),
    ],
)
def test_unusable_formulas_are_refused_in_one_line(
    formula: str, error: type[LikelyError], message: str
) -> None:
    with np.errstate(divide="ignore"), pytest.raises(error, match=message) as caught:
        specified(formula={"v": formula})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"formula": {"w": "1"}}, ParameterError, "model 'ddm': unknown parameter 'w'"),
        ({"fixed": {"zz": 0.5}}, ParameterError, "Did you mean 'z'?"),
        ({"formula": {"z": "1"}, "fixed": {"z": 0.5}}, ParameterError, "both a formula and"),
        ({"fixed": {"v": 0, "a": 1, "z": 0.5, "t": 0.1}}, ParameterError, "nothing to estimate"),
        ({"fixed": {"z": 1.5}}, ParameterError, "'z' is fixed at 1.5, outside the box"),
        ({"fixed": {"v": math.nan}}, ParameterError, "'v' is fixed at nan"),
        ({"fixed": {"t": 0.5}}, ParameterError, "fixed at 0.5 s, but responses begin at 0.4 s"),
        (
            {"fixed": {"t": 3.0}, "lapses": Lapses(0.1)},
            ParameterError,
            r"fixed at 3 s, but half of the responses come by [\d.]+ s; choose a smaller value",
        ),
        ({"priors": {"w": (0, 1)}}, ParameterError, "unknown coefficient 'w'. .*Known: v_Interc"),
        ({"priors": {"v_Intercept": (0, 0)}}, ParameterError, "sd 0 must be finite.*positive"),
        ({"priors": {"a": (math.nan, 1)}}, ParameterError, "'a': mean nan and sd 1 must be"),
        ({"priors": {"a": 3}}, ParameterError, "'a': 3 is neither mean and sd nor a bambi.Prior"),
        ({"formula": {"t": "0 + coherence"}}, ParameterError, "centred on 1 s, after.*row 0"),
        ({"formula": {"lapse": "1"}}, ParameterError, "unknown parameter 'lapse'"),
    ],
)
def test_impossible_arguments_are_refused(
    arguments: dict[str, Any], error: type[LikelyError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        specified(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probability": 1.5}, "lapse probability is 1.5"),
        ({"probability": math.nan}, "lapse probability is nan"),
        ({"density": 3.0}, "lapse density has no 'logpdf'"),
    ],
)
def test_impossible_lapses_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Lapses(**arguments)


def test_whole_priors_of_group_effects_are_centred_as_asked() -> None:
    whole = bmb.Prior("Normal", mu=0.0, sigma=bmb.Prior("HalfNormal", sigma=0.3))
    formula, priors = {"v": "1 + (1|condition)"}, {"v_1|condition": whole}
    given = {"formula": formula, "priors": priors}
    assert "non-centred" in prior(specified(**given), "v_1|condition")
    assert ", centred" in prior(specified(**given, noncentered=False), "v_1|condition")
    assert whole.noncentered is None


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ({"v": "1 + (1|condition)"}, ("v_1|condition", "v_1|condition_sigma")),
        ({"v": "1 + coherence"}, ("z", "z_Intercept")),
        ({}, ("v", "v_Intercept")),
    ],
)
def test_two_priors_of_one_thing_are_refused(
    formula: dict[str, str], names: tuple[str, str]
) -> None:
    half = bmb.Prior("HalfNormal", sigma=1.0)
    group = bmb.Prior("Normal", mu=0.0, sigma=half)
    first: Any = group if "|" in names[0] else (0.0, 1.0)
    second: Any = half if "|" in names[1] else (0.0, 1.0)
    with pytest.raises(ParameterError, match="not of both"):
        specified(formula=formula, priors={names[0]: first, names[1]: second})


def test_names_of_several_words_are_shown_in_backticks() -> None:
    with pytest.raises(TrialsError, match="take backticks: `two words`"):
        specified(formula={"v": "1 + two words"})


def test_columns_that_appear_twice_are_refused(tmp_path: Path) -> None:
    twice = pd.concat([DATA[["rt", "choice", "time"]], DATA[["time"]]], axis=1)[:3]
    with pytest.raises(TrialsError, match="column 'time' appears more than once"):
        lk.specify(twice, model="ddm", formula={"v": "time"})
    twice.to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(TrialsError, match="column 'time' appears more than once"):
        lk.specify(tmp_path / "twice.csv", model="ddm")


def test_decimal_commas_are_pointed_out() -> None:
    commas = pd.DataFrame({"rt": ["0,51", "0,62"], "choice": [-1, 1]})
    with pytest.raises(TrialsError, match="'0,51' is not a number; write decimals with a point"):
        lk.specify(commas, model="ddm")


def test_dimensions_lose_their_commas_for_a_while() -> None:
    own = "v_bs(x, df=4)_dim"
    with pm.Model(coords={own: [0, 1], "plain": [0, 1, 2]}) as model:
        pm.Normal("v", dims=("plain", own))
    for _ in range(2):
        with without_commas(model) as names:
            ((other, back),) = names.items()
            assert back == own
            assert "," not in other
            assert model.named_vars_to_dims["v"] == ("plain", other)
            assert model.coords[other] == model.coords[own]
        assert model.named_vars_to_dims["v"] == ("plain", own)


@pytest.mark.slow
def test_coefficients_whose_names_have_commas_are_drawn_and_saved() -> None:
    data = TWO.sample({"v": 0.5, "a": 1.0, "z": 0.5, "t": 0.3}, 40, seed=1)
    data = data.assign(time=np.arange(40.0), subject=np.arange(40) % 4)
    formula = {"v": "poly(time, 2) + (poly(time, 2)|subject)"}
    given: dict[str, Any] = {"formula": formula, "fixed": {"z": 0.5}, "seed": 1}
    fit = lk.fit(data, model=TWO, draws=10, tune=10, chains=2, **given)
    posterior = fit.idata["posterior"]
    assert posterior["v_poly(time, 2)"].dims == ("chain", "draw", "v_poly(time, 2)_dim")
    assert "v_poly(time, 2)__expr_dim" in posterior["v_poly(time, 2)|subject"].dims
    assert posterior["v_poly(time, 2)"].coords["v_poly(time, 2)_dim"].to_numpy().tolist() == [0, 1]
    assert fit.predict(draws=2, seed=1).shape[0] == 80
    pointwise = log_likelihood(fit.model, fit.idata)["log_likelihood"]
    assert np.isfinite(pointwise["trials"].to_numpy()).all()


def test_starts_that_fail_say_so_in_one_line() -> None:
    with pytest.raises(ParameterError, match="sampling cannot begin.*initvals"), begins():
        raise RuntimeError("All initialization points failed\n\nCaused by: ...")
    with pytest.raises(RuntimeError, match="else"), begins():
        raise RuntimeError("something else")
