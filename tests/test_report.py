"""Reports: that they hold everything in one file, and say what is wrong in plain words."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from commandline import assert_refused, command
from finished import finished
from handmade import handmade_ddm

from likely.commands.exit_codes import SUCCESS
from likely.errors import LikelyError
from likely.page import Folded, Listing, Notice, Page, Paragraph, Picture, Section, Table, render
from likely.reporting import report, sections
from likely.reporting.checks import Check, check_table, predictive_checks, tallies
from likely.reporting.design import groupings, used_columns
from likely.reporting.diagnostics import diagnose, held_down, unfinished
from likely.reporting.estimates import estimates
from likely.reporting.numbers import heading
from likely.reporting.writing import diagnosis_of
from likely.results import Results, open_fit, save_fit
from likely.results.record import described
from likely.results.source import source
from likely.zoo import models

HEADINGS = [
    "Data", "Model", "Priors", "Diagnostics", "Estimates", "Posterior", "Predictive checks",
    "Likelihood", "How to reproduce",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fits") / "out"
    save_fit(finished(), place)  # type: ignore[arg-type]
    return place


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return open_fit(folder)


class _Outline(HTMLParser):
    """Collect headings, links to elsewhere, and pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.elsewhere: list[str] = []
        self.pictures = 0
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_heading = tag == "h2"
        given = dict(attrs)
        if tag == "img":
            self.pictures += 1
            assert given["alt"]
        for value in (given.get("src"), given.get("href")):
            if value and not value.startswith(("data:", "#")):
                self.elsewhere.append(value)

    def handle_data(self, data: str) -> None:
        if self._in_heading and data.strip():
            self.headings.append(data)


def test_the_command_writes_one_file_that_needs_no_other(folder: Path) -> None:
    outcome = command("report", folder)
    assert outcome.code == SUCCESS, outcome.err
    assert str(folder / "report.html") in outcome.out
    assert "draws diverged" in outcome.err
    assert "warning: Nobody answered. Ask again." in outcome.err
    text = (folder / "report.html").read_text()
    outline = _Outline()
    outline.feed(text)
    assert outline.headings == HEADINGS
    assert outline.elsewhere == []
    assert "url(" not in text
    assert "<script" not in text
    assert outline.pictures >= 12
    for fragment in (
        "v ~ 1 + coherence + (1|subject)", "z = 0.5 (fixed)", "diverged", "Nobody answered.",
        "has no certificate",
        "5.0% of the posterior draws", "lk.fit(", "pymc", "240",
    ):  # fmt: skip
        assert fragment in text, fragment


def test_draws_alone_are_no_fit(results: Results, tmp_path: Path) -> None:
    for call in (report, save_fit):
        with pytest.raises(LikelyError, match="a DataTree is not a fit"):
            call(results.idata, tmp_path / "x")  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_missing_folders_are_refused(tmp_path: Path) -> None:
    assert_refused(command("report", tmp_path / "nowhere"), "is not the folder of a fit")
    assert_refused(command("report", tmp_path), "is not the folder of a fit")


def test_an_interrupted_run_is_reported_without_predictions(results: Results) -> None:
    bare = replace(results, predicted=None, graph=None)
    section = sections.predictions(bare, used_columns(bare.formula, bare.data))
    assert "interrupted" in str(section.items[0])
    assert len(sections.model(bare).items) == len(sections.model(results).items) - 1


def test_estimates_are_in_units_of_their_parameters(results: Results) -> None:
    about, table, folded, picture = estimates(results).items
    assert isinstance(about, Paragraph)
    assert "Effects of groups (subject) are at zero" in about.text
    assert isinstance(table, Table)
    assert table.head == ("parameter", "condition", "mean", "sd", "94% interval")
    assert [row[:2] for row in table.rows][2:4] == [("v (1/s)", "coherence = 0.5"), ("a", "")]
    assert table.rows[-1][3:] == ("fixed", "")
    assert isinstance(folded, Folded)
    (inner,) = folded.items
    assert isinstance(inner, Table)
    assert inner.rows[0][:3] == ("v (1/s)", "ann", "coherence = 0")
    assert isinstance(picture, Picture)
    assert "interrupted" in str(estimates(replace(results, estimates=None)).items[0])


def test_limits_of_non_decision_times_are_told(results: Results) -> None:
    link = "logit, 0 to its group's limit"
    priors = pd.DataFrame([{"parameter": "t", "link": link}])
    formula = {**results.formula, "t": "1 + (1|subject)"}
    about = str(estimates(replace(results, formula=formula, priors=priors)).items[0])
    assert "its fastest response, or the median with lapses" in about


def test_intervals_are_headed_by_their_probability() -> None:
    assert heading(["eti99.5_lb", "eti99.5_ub"]) == "99.5% interval"
    assert heading(["hdi89_lb"]) == "89% interval"
    assert heading([]) == "94% interval"


def test_words_wrap_and_wide_graphs_have_the_screen(results: Results) -> None:
    table, *_ = sections.priors(results).items
    assert isinstance(table, Listing)
    wide = Picture(b"", "", "", 1200)
    text = render(Page("", "", [Section("", [table, wide])], ""))
    assert 'class="words"' in text
    assert '<figure class="strip">' in text


def test_text_from_data_cannot_become_html(results: Results, tmp_path: Path) -> None:
    formula = {"v": "1 + `<script>alert(1)</script>`"}
    evil = replace(results, formula=formula, estimates=None, predicted=None)
    text = report(evil, tmp_path / "evil.html", progress=False).read_text()
    assert "<script>" not in text


def _idata(**statistics: np.ndarray) -> xr.DataTree:
    posterior = xr.Dataset({"t": (("chain", "draw"), np.full((2, 50), 0.3))})
    stats = xr.Dataset({n: (("chain", "draw"), v) for n, v in statistics.items()})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


GOOD = pd.DataFrame({"r_hat": [1.0], "ess_bulk": [900.0], "ess_tail": [800.0]}, index=["t"])
NONE, ALL = np.zeros((2, 50)), np.ones((2, 50))
STUCK = np.linspace(0.0, 10.0, 100).reshape(2, 50)  # an energy that hardly moves


def test_good_draws_are_not_warned_of() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 50))
    found = diagnose(_idata(diverging=NONE, energy=noise, tree_depth=3 + NONE), GOOD)
    assert found.warnings == ()
    assert (found.divergences, found.depth, found.chains) == (0, 3, 2)
    assert found.bfmi is not None
    assert found.bfmi > 1.0


@pytest.mark.parametrize(
    ("statistics", "summary", "outside", "words"),
    [
        ({"diverging": ALL}, GOOD, 0.0, "100 of 100 draws diverged"),
        ({}, GOOD.assign(r_hat=1.2), 0.0, r"r-hat is above 1.01 for t \(1.2\)"),
        ({}, GOOD.assign(r_hat=np.nan), 0.0, r"r-hat is above 1.01 for t \(nan\)"),
        ({}, GOOD.assign(ess_tail=20.0), 0.0, r"effective sample size is below 400 for t \(20\)"),
        ({"energy": STUCK}, GOOD, 0.0, "E-BFMI"),
        ({"maxdepth_reached": ALL, "depth": 10 * ALL}, GOOD, 0.0, r"largest tree depth \(10\)"),
        ({"reached_max_treedepth": ALL}, GOOD, 0.0, "100% of the draws reached"),
        ({}, GOOD, 0.2, "20.0% of the draws have a parameter outside the box"),
    ],
)
def test_what_is_wrong_is_said(
    statistics: dict[str, np.ndarray], summary: pd.DataFrame, outside: float, words: str
) -> None:
    (warning,) = diagnose(_idata(**statistics), summary, outside=outside).warnings
    assert re.search(words, warning.what)
    assert warning.remedy


@pytest.mark.parametrize(("sampler", "advice"), [("nutpie", "tune="), ("pymc", "use nutpie")])
def test_advice_on_deep_trees_is_for_the_sampler_that_drew(sampler: str, advice: str) -> None:
    idata = _idata(maxdepth_reached=ALL, depth=10 * ALL)
    idata["sample_stats"].attrs["inference_library"] = sampler
    (warning,) = diagnose(idata, GOOD).warnings
    assert advice in warning.remedy


def test_one_chain_is_not_trusted() -> None:
    idata = xr.DataTree.from_dict({"posterior": _idata()["posterior"].to_dataset().isel(chain=[0])})
    found = diagnose(idata, GOOD)
    assert [w.what for w in found.warnings] == ["There is one chain only."]
    assert found.sizes == "1 chain of 50"
    assert found.divergences is None


def test_an_early_response_that_holds_t_down_is_noticed() -> None:
    data = pd.DataFrame({"rt": [0.31, 0.9]})
    declaration = handmade_ddm().declaration
    (warning,) = held_down(_idata(), declaration, data, lapses=False)
    assert "just below the fastest response (0.310 s)" in warning.what
    assert not held_down(_idata(), declaration, data, lapses=True)
    assert not held_down(_idata(), declaration, data + 1.0, lapses=False)
    without = replace(declaration, parameters=declaration.parameters[:-1], non_decision=None)
    assert not held_down(_idata(), without, data, lapses=False)
    varying = models["ddm_st"].declaration
    assert varying.non_decision == "t"
    assert not held_down(_idata(), varying, data, lapses=False)


def test_a_covariate_whose_name_mentions_lapses_makes_none(results: Results) -> None:
    idata = _idata()
    idata["posterior"] = xr.DataTree(
        idata["posterior"].to_dataset().assign(v_time_elapsed=idata["posterior"]["t"])
    )
    early = replace(
        results, idata=idata, data=results.data.assign(rt=results.data["rt"].clip(0.301))
    )
    early.data.loc[0, "rt"] = 0.301
    warned = [w.what for w in diagnosis_of(early).warnings]
    assert any("just below the fastest response" in w for w in warned)


def test_missing_draws_are_noticed_whoever_set_their_number() -> None:
    sample = {"draws": np.int64(80), "chains": np.int64(2), "initvals": {"a": np.ones(2)}}
    fit = replace(finished(), sample=sample | {"step": object()})
    kept = described(fit, None)["request"].sample  # type: ignore[arg-type]
    assert kept == {"draws": 80, "chains": 2, "initvals": {"a": [1.0, 1.0]}, "step": "..."}
    assert source(kept).endswith("'step': ...}")
    (warning,) = unfinished(fit.idata, kept)
    assert "2 of 2 chains have 50 of 80 draws" in warning.what


def test_columns_of_formulas_are_found() -> None:
    data = pd.DataFrame(columns=["rt", "choice", "coherence", "my cue", "subject", "co", "dbs"])
    formula = {"v": "0 + center(coherence):`my cue` + (1 + dbs|subject)", "a": "1 + (1 | subject)"}
    design = used_columns(formula, data)
    assert design.covariates == ("coherence", "my cue", "dbs")
    assert design.groups == ("subject",)
    numbered = data.rename(columns={"subject": "subj (id)"})
    for factor in ("C(dbs)", "`subj (id)`"):
        design = used_columns({"v": f"C(co, Treatment(0)) + (1|{factor})"}, numbered)
        assert (design.covariates, design.categories) == (("co",), ("co",))
        assert design.groups == ("dbs" if factor == "C(dbs)" else "subj (id)",)


def test_a_covariate_of_many_values_is_cut_into_fifths() -> None:
    data = pd.DataFrame({"rt": 1.0, "choice": 1.0, "age": np.arange(100.0)})
    design = used_columns({"v": "age"}, data)
    (way,) = groupings(design, data)
    assert way.name == "fifth of age"
    assert way.of(data)[way.name].value_counts().tolist() == [20] * 5
    (way,) = groupings(used_columns({"v": "1"}, data), data)
    assert way.of(data)[way.name].nunique() == 1


def test_trials_are_looked_at_by_every_covariate() -> None:
    data = pd.DataFrame({"rt": 1.0, "choice": 1.0, "age": np.arange(100.0)})
    data = data.assign(cue=["left", "right"] * 50, theta=data["age"] ** 2, word=data.index.map(str))
    design = used_columns({"v": "age + word", "a": "cue + theta"}, data)
    ways = groupings(design, data)
    assert [way.name for way in ways] == ["cue", "fifth of age", "fifth of theta"]
    rng = np.random.default_rng(1)
    data["rt"] = 0.3 + rng.gamma(2.0, 0.2, 100)
    predicted = pd.concat([data.assign(draw=d) for d in range(30)])
    predicted.loc[predicted["theta"] > 6400.0, "rt"] += 1.0
    checks = [
        check
        for way in ways
        for check in predictive_checks(way.of(data), way.of(predicted), way.name, (-1, 1))
    ]
    outside = {(c.by, c.condition) for c in checks if c.outside}
    assert ("fifth of theta", 5) in outside
    assert not [by for by, condition in outside if by == "fifth of theta" and condition != 5]
    words = [row[0] for row in check_table(checks, (-1, 1))]
    assert {"cue = left", "fifth of theta = 5"} <= set(words)


def test_each_way_to_look_at_trials_is_judged_by_itself() -> None:
    def checks(by: str, count: int, outside: int) -> list[Check]:
        observed = [0.9] * outside + [0.5] * (count - outside)
        return [Check(by, "here", 1, "share", value, 0.4, 0.6) for value in observed]

    (alone,) = tallies(checks("cue", 10, 4))
    assert (alone.outside, alone.checks, alone.most, alone.excess) == (4, 10, 2, 2)
    assert alone.expected == pytest.approx(0.6)
    found = tallies([*checks("age", 10, 0), *checks("cue", 10, 4), *checks("size", 50, 6)])
    assert [(each.by, each.excess) for each in found] == [("age", -2), ("cue", 2), ("size", 0)]


def test_a_covariate_may_be_called_condition() -> None:
    data = pd.DataFrame({"rt": 1.0, "choice": [1.0, -1.0], "condition": ["easy", "hard"]})
    (way,) = groupings(used_columns({"v": "condition"}, data), data)
    checks = [Check(way.name, "easy", 1, "share", 0.5, 0.4, 0.6)]
    assert check_table(checks, (-1, 1))[1][0] == "condition = easy"
    (way,) = groupings(used_columns({"v": "1"}, data), data)
    checks = [Check(way.name, value, 1, "share", 0.5, 0.4, 0.6) for value in way.of(data)[way.name]]
    assert {row[0] for row in check_table(checks, (-1, 1))[1:]} == {"all trials"}


def test_checks_find_a_model_that_is_wrong() -> None:
    rng = np.random.default_rng(1)

    def trials(n: int, rt: float) -> pd.DataFrame:
        return pd.DataFrame(
            {"rt": rt + rng.gamma(2.0, 0.2, n), "choice": rng.choice([-1.0, 1.0], n), "c": "all"}
        )

    predicted = pd.concat([trials(300, 0.3).assign(draw=d) for d in range(30)])
    right = predictive_checks(trials(300, 0.3), predicted, "c", (-1, 1))
    wrong = predictive_checks(trials(300, 0.5), predicted, "c", (-1, 1))
    assert [c.measure for c in right] == ["share", "median rt", "median rt"]
    assert not any(c.outside for c in right)
    assert [c.outside for c in wrong if c.measure == "median rt"] == [True, True]


def test_trials_without_a_choice_tell_nothing_of_its_share() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"rt": 0.3 + rng.gamma(2.0, 0.2, 300), "choice": 1.0, "c": "all"})
    predicted = pd.concat([data.assign(draw=d) for d in range(30)])
    data.loc[::2, "choice"] = np.nan
    (share,) = (c for c in predictive_checks(data, predicted, "c", (-1, 1)) if c.measure == "share")
    assert (share.observed, share.outside) == (1.0, False)
    predicted.loc[::2, "choice"] = -1.0  # of trials whose choice is unknown
    (share,) = (c for c in predictive_checks(data, predicted, "c", (-1, 1)) if c.measure == "share")
    assert (share.lower, share.upper) == (1.0, 1.0)


def test_a_report_that_checks_nothing_says_so(results: Results) -> None:
    assert results.predicted is not None
    data = results.data.head(8).assign(choice=np.nan)
    few = replace(results, data=data, predicted=results.predicted.groupby("draw").head(8))
    section = sections.predictions(few, used_columns({}, data))
    (notice,) = (item for item in section.items if isinstance(item, Notice))
    assert notice.text == "Nothing was checked."
    assert not notice.good


def test_certificates_are_quoted(results: Results) -> None:
    fake = SimpleNamespace(
        declaration=results.likelihood.declaration,
        certificate=None,
        training=replace(results.likelihood.training, labels="exact", sets=9000),
        digest="0123456789abcdef",
    )
    section = sections.certificate(replace(results, likelihood=fake))  # type: ignore[arg-type]
    assert "9,000 exact densities" in str(section.items)
    assert "0123456789ab" in str(section.items)
