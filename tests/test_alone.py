"""Choices without times, times without choices: densities, fits, summaries and reports."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import bambi as bmb
import numpy as np
import pandas as pd
import pytest
from certified import handwritten
from commandline import assert_refused, command
from finished import finished

import likely as lk
from likely.errors import (
    AmbiguousWarning,
    DistrustWarning,
    ParameterError,
    SubjectsWarning,
    TrialsError,
    UninformedWarning,
)
from likely.page import Picture
from likely.regression.specification import Specification
from likely.reporting import sections
from likely.reporting.checks import predictive_checks
from likely.reporting.design import used_columns
from likely.results.record import Results, results_of
from likely.trial_files import read_trials

THETA = {"v": 1.0, "a": 1.2, "z": 0.45, "t": 0.3}
HELD = {name: THETA[name] for name in ("a", "z", "t")}
TRIALS = pd.DataFrame({"rt": [0.5, 0.7, 1.5], "choice": [1, -1, 1], "age": [20, 30, 40]})


@pytest.fixture(scope="module")
def ddm() -> lk.Likelihood:
    return lk.load("ddm")


def log_density(plan: Specification, **point: float) -> np.ndarray:
    logp = plan.model.logp(vars=[plan.model["trials"]], sum=False)
    (density,) = plan.model.compile_fn(logp, mode="FAST_COMPILE")(point)
    return density


def test_choices_alone_contribute_their_probability(ddm: lk.Likelihood) -> None:
    plan = lk.specify(TRIALS[["choice"]], model=ddm, rt=None, fixed=HELD)
    low, high = np.log(ddm.choice_probability(THETA)[0])
    np.testing.assert_allclose(log_density(plan, v_Intercept=1.0), [high, low, high], rtol=1e-7)
    assert plan.arguments == {"rt": None}
    assert plan.data["rt"].isna().all()


def test_times_alone_contribute_the_sum_over_choices(ddm: lk.Likelihood) -> None:
    plan = lk.specify(TRIALS[["rt"]], model=ddm, choice=None, fixed=HELD)
    each = [ddm.logp(THETA, TRIALS.assign(choice=c)) for c in (-1, 1)]
    expected = np.logaddexp(*each)
    np.testing.assert_allclose(log_density(plan, v_Intercept=1.0), expected, rtol=1e-7)
    assert plan.data["choice"].isna().all()


@pytest.mark.parametrize("given", [0.4, 0.1])
def test_a_column_is_not_looked_at_where_none_is_said(ddm: lk.Likelihood, given: float) -> None:
    odd = TRIALS.assign(rt="n/a", choice=[1, -1, 1])
    nothing, ridge = "choices tell nothing of 't'.*--t 0.3", "their product: .* ridge.*--a 1"
    with (
        pytest.warns(UninformedWarning, match=nothing),
        pytest.warns(UninformedWarning, match=ridge),
    ):
        plan = lk.specify(odd, model=ddm, rt=None, lapse=given)
    assert "Uniform" not in plan.priors.set_index("coefficient")["prior"]["t"]


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (TRIALS, {"rt": None, "choice": None}, "neither times nor choices"),
        (TRIALS, {"rt": None, "deadline": 2.0}, "cannot have a deadline"),
        (TRIALS.assign(deadline=2.0), {"rt": None}, "cannot have a deadline"),
        (TRIALS[["choice"]], {}, r"only choices were kept, say rt=None \(--no-rt\)"),
        (TRIALS[["rt"]], {}, r"only times were kept, say choice=None \(--no-choice\)"),
        (TRIALS, {"deadline": [2.0] * 3}, "deadline is of type list; it must be the name"),
        (TRIALS.assign(rt=math.nan, Deadline=2.0), {}, "there is a column 'Deadline'"),
        (TRIALS.assign(rt=math.nan, dead_line=2.0), {}, "say deadline='dead_line'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    ddm: lk.Likelihood, data: pd.DataFrame, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrialsError, match=message):
        lk.specify(data, model=ddm, **arguments)


def test_trials_without_any_response_are_warned_of(ddm: lk.Likelihood) -> None:
    silent = TRIALS.assign(rt=math.nan, choice=math.nan)
    with pytest.warns(UninformedWarning, match="no trial has a response"):
        lk.specify(silent, model=ddm, deadline=1.0)


def late(share: float, **columns: Any) -> pd.DataFrame:
    """Return 100 trials, of which this share had no response."""
    trials = pd.concat([TRIALS] * 40, ignore_index=True)[:100].assign(**columns)
    trials.loc[: round(100 * share) - 1, ["rt", "choice"]] = math.nan
    return trials


def test_trials_that_are_nearly_all_late_are_warned_of(ddm: lk.Likelihood) -> None:
    with pytest.warns(UninformedWarning, match="95 of 100 trials have no response.*deadline"):
        plan = lk.specify(late(0.95), model=ddm, deadline=2.0)
    ((what, remedy, kind),) = plan.forewarned
    assert "tell little more than that responses come late." in what
    assert "Check the deadline, which is in seconds" in remedy
    assert kind is UninformedWarning
    assert lk.specify(late(0.5), model=ddm, deadline=2.0).forewarned == ()


def test_likelihoods_that_should_not_be_used_are_warned_of(ddm: lk.Likelihood) -> None:
    certificate = replace(handwritten(ddm), exact=None)
    assert certificate.draws is not None
    plan = lk.specify(TRIALS, model=ddm.certified(certificate))
    assert plan.forewarned == ()
    awful = replace(certificate, draws=replace(certificate.draws, choice_z=5.0))
    with pytest.warns(DistrustWarning, match="likelihood of 'ddm' should not be used"):
        plan = lk.specify(TRIALS, model=ddm.certified(awful))
    assert [each.kind for each in plan.forewarned] == [DistrustWarning]


def test_subjects_and_conditions_whose_trials_are_late_are_named(ddm: lk.Likelihood) -> None:
    formula = {"v": "1 + hard + (1|subject)"}
    subject, hard = np.repeat(["s1", "s2", "s3"], [25, 25, 50]), np.repeat([1, 0], [25, 75])
    trials = late(0.5, subject=subject, hard=hard)
    with (
        pytest.warns(UninformedWarning, match="^hard 1: 90% or more of the trials have no resp"),
        pytest.warns(UninformedWarning, match="^subject s1, s2: .* leans on its prior"),
    ):
        lk.specify(trials, model=ddm, formula=formula, deadline=2.0)
    few = late(0.05, subject=subject, hard=hard)
    lk.specify(few, model=ddm, formula=formula, deadline=2.0)  # warnings are errors


def test_what_is_refused_is_not_warned_of(ddm: lk.Likelihood) -> None:
    with pytest.raises(TrialsError, match="unknown column 'coh'"):  # warnings are errors, too
        lk.specify(TRIALS[["rt"]], model=ddm, choice=None, formula={"v": "0 + coh"})


def test_times_alone_are_warned_of_where_drifts_have_a_mirror(ddm: lk.Likelihood) -> None:
    with pytest.warns(UninformedWarning, match="do not tell which accumulator"):
        lk.specify(TRIALS[["rt"]], model="lognormal_race_2", choice=None)
    with pytest.warns(UninformedWarning, match="v and -v"):
        lk.specify(TRIALS[["rt"]], model=ddm, choice=None)
    one_side = {"v": bmb.Prior("HalfNormal", sigma=3)}
    lk.specify(TRIALS[["rt"]], model=ddm, choice=None, priors=one_side)


def test_effects_of_one_group_are_warned_of(ddm: lk.Likelihood) -> None:
    alone = "has effects of subject, of which there is one only.*Leave .1.subject. out"
    with pytest.warns(UninformedWarning, match=alone):
        lk.specify(TRIALS.assign(subject="s1"), model=ddm, formula={"v": "1 + (1|subject)"})


def test_subjects_that_are_pooled_or_slopes_are_warned_of(ddm: lk.Likelihood) -> None:
    trials = pd.concat([TRIALS] * 30, ignore_index=True).assign(subject=np.arange(90) % 3 + 1)
    with pytest.warns(SubjectsWarning, match="'subject' has 3 values, and no formula uses it"):
        lk.specify(trials, model=ddm)
    with pytest.warns(SubjectsWarning, match="'1 . subject' of parameter 'v' takes the numbers"):
        lk.specify(trials, model=ddm, formula={"v": "1 + subject"})
    for formula in ("1 + (1|subject)", "1 + C(subject)"):
        lk.specify(trials, model=ddm, formula={"v": formula})
    lk.specify(trials.assign(subject=1), model=ddm)


def test_subjects_that_do_not_occur_do_not_count(ddm: lk.Likelihood) -> None:
    trials = pd.concat([TRIALS] * 30, ignore_index=True)
    subject = pd.Categorical(np.arange(90) % 2, [0, 1, 2, 3, 4])
    with pytest.warns(SubjectsWarning, match="'subject' has 2 values, and no formula uses it"):
        lk.specify(trials.assign(subject=subject), model=ddm)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formula": {"v": 1}}, "formula of parameter 'v' is 1; it must be text"),
        ({"formula": "v ~ 1"}, "formula is 'v ~ 1'; it must be a dictionary"),
        ({"fixed": 0.5}, "fixed is 0.5; it must be a dictionary"),
        ({"priors": [1]}, "it must be a dictionary"),
    ],
)
def test_arguments_of_other_kinds_are_refused(
    ddm: lk.Likelihood, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        lk.specify(TRIALS, model=ddm, **arguments)


def test_numbers_of_any_type_become_floats(ddm: lk.Likelihood) -> None:
    strange = TRIALS.assign(choice=TRIALS["choice"].astype(object), deadline=pd.array([9, 9, 9]))
    kept = lk.specify(strange, model=ddm).data
    assert [kept[c].dtype for c in ("rt", "choice", "deadline")] == [np.float64] * 3


def test_numbers_that_are_text_are_warned_of(
    ddm: lk.Likelihood, recwarn: pytest.WarningsRecorder
) -> None:
    trials = pd.concat([TRIALS] * 30, ignore_index=True)
    level = pd.Series(np.arange(90) % 3)
    trials = trials.assign(
        level=level, comma=(level / 2).astype(str).str.replace(".", ","), name=level.map(str) + "a"
    )
    trials["dirty"] = trials["level"].astype(str).replace("2", "2%")
    trials["code"] = trials["level"].astype(str)
    for formula in ("level", "C(comma)", "(1|comma)", "name", "1 + (1|dirty)", "code"):
        lk.specify(trials, model=ddm, formula={"v": formula})
    assert not recwarn.list
    with pytest.warns(AmbiguousWarning, match="'comma' is text.*numbers, such as '0,0': formulas"):
        lk.specify(trials, model=ddm, formula={"a": "1 + comma"})
    with pytest.warns(AmbiguousWarning, match="such as '0', but for '2%': .*, write C.dirty.") as w:
        lk.specify(trials, model=ddm, formula={"v": "dirty", "a": "dirty"})
    assert len(w) == 1


def test_subjects_are_those_called_so_rather_than_the_first_groups(ddm: lk.Likelihood) -> None:
    trials = pd.concat([TRIALS] * 30, ignore_index=True)
    trials = trials.assign(session=np.arange(90) % 2, subject=np.arange(90) // 2 % 3)
    with pytest.warns(SubjectsWarning, match="'subject' has 3 values, and no formula uses it"):
        plan = lk.specify(trials, model=ddm, formula={"v": "1 + (1|session)"})
    assert plan.description.subjects is not None
    assert plan.description.subjects[0] == "subject"
    for formula in ("1 + (1|session) + (1|subject)", "1 + (1|session) + (1|subject:session)"):
        plan = lk.specify(trials, model=ddm, formula={"v": formula})
        assert plan.description.subjects is not None
        assert plan.description.subjects[0] == "subject"
    numbered = trials.drop(columns="subject").assign(id=np.arange(90))
    plan = lk.specify(numbered, model=ddm, formula={"v": "1 + (1|session)"})
    assert plan.description.subjects is not None
    assert plan.description.subjects[0] == "session"


def test_subjects_may_be_told_apart_by_another_column(ddm: lk.Likelihood) -> None:
    trials = pd.concat([TRIALS] * 30, ignore_index=True).assign(code=np.arange(90) % 3)
    trials = trials.assign(subject=np.array(["ann", "bob", "cy"])[trials["code"]])
    for formula in ("0 + C(code)", "1 + (1|code)"):
        lk.specify(trials, model=ddm, formula={"v": formula})
    with pytest.warns(SubjectsWarning, match="no formula uses it"):
        lk.specify(trials, model=ddm, formula={"v": "1 + code"})


def test_a_group_of_one_value_cannot_be_compared(ddm: lk.Likelihood) -> None:
    with pytest.raises(ParameterError, match="one value only"):
        lk.specify(TRIALS.assign(group="a"), model=ddm, formula={"v": "group"})


def test_the_first_parameter_has_its_prior_by_name(ddm: lk.Likelihood) -> None:
    positive = bmb.Prior("HalfNormal", sigma=2.0)
    plan = lk.specify(TRIALS, model=ddm, priors={"v": positive})
    assert plan.priors.set_index("coefficient")["prior"]["v_Intercept"] == "HalfNormal(2)"
    with pytest.raises(ParameterError, match=r"one of 'a_Intercept', on the scale of its link"):
        lk.specify(TRIALS, model=ddm, fixed={"v": 1.0}, priors={"a": positive})


def test_files_may_lack_either_column(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    TRIALS[["choice", "age"]].to_csv(path, index=False)
    trials = read_trials(path, rt=None)
    assert trials["rt"].isna().all()
    assert trials["choice"].tolist() == [1, -1, 1]
    assert "without time  3" in str(lk.describe(path, rt=None))
    words = ["fit", str(path), "--model", "ddm", "-o", str(tmp_path / "out")]
    assert_refused(command(*words), "say rt=None (--no-rt)")
    assert_refused(command(*words, "--no-rt", "--no-choice"), "neither times nor choices")
    TRIALS[["rt"]].to_csv(path, index=False)
    table = str(lk.describe(path, choice=None))
    assert "without choice  3" in table
    assert "choice  " not in table.replace("without choice", "")


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(finished())  # type: ignore[arg-type]


def pictures(r: Results) -> list[str]:
    design = used_columns(r.formula, r.data)
    items = [*sections.data(r, design).items, *sections.predictions(r, design).items]
    return [item.alternative for item in items if isinstance(item, Picture)]


def test_reports_of_choices_alone_show_no_times(results: Results) -> None:
    untimed = replace(results, data=results.data.assign(rt=math.nan))
    assert pictures(untimed) == ["Share of the choice over coherence."]


def test_reports_of_times_alone_show_no_choices(results: Results) -> None:
    unchosen = replace(results, data=results.data.assign(choice=math.nan))
    assert [text.split()[0] for text in pictures(unchosen)] == ["Histograms", "Histograms"]
    assert results.predicted is not None
    checks = predictive_checks(unchosen.data, results.predicted, "coherence", (-1, 1))
    assert {c.measure for c in checks} == {"median rt"}


def test_the_share_of_omissions_is_checked(results: Results) -> None:
    data, predicted = results.data, results.predicted
    assert predicted is not None
    data, predicted = (
        trials.assign(**trials[["rt", "choice"]].where(trials["rt"] <= 1.0))
        for trials in (data, predicted)
    )
    checks = predictive_checks(data, predicted, "coherence", (-1, 1))
    omitted = [c for c in checks if c.measure == "no response"]
    assert len(omitted) == 3
    assert all(0.0 < c.lower <= c.upper for c in omitted)
