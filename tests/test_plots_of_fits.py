"""Figures of fits: that they show the data and the draws they are given, in the axes given."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from likely import plots
from likely.errors import ParameterError, TrialsError
from likely.plots.conditions import distinct
from likely.plots.style import broken

LEVELS = (0.0, 0.2, 0.5)


@pytest.fixture(autouse=True)
def _no_state() -> Iterator[None]:
    """No function may change matplotlib's settings or leave figures behind in pyplot."""
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    import matplotlib.pyplot as plt

    assert not plt.get_fignums()


def _trials(n: int, seed: int, choices: tuple[float, ...] = (-1.0, 1.0)) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    coherence = rng.choice(LEVELS, n)
    last = rng.random(n) < 0.5 + 0.9 * coherence
    choice = np.where(last, choices[-1], rng.choice(choices[:-1], n))
    rt = 0.3 + rng.gamma(2.0, 0.4 - 0.4 * coherence)
    cue = rng.choice(["left", "right"], n)
    age = rng.uniform(20, 80, n)
    return pd.DataFrame(
        {"rt": rt, "choice": choice, "coherence": coherence, "cue": cue, "age": age}
    )


DATA = _trials(600, 1)
PREDICTED = pd.concat([_trials(600, 10 + d).assign(draw=d) for d in range(8)], ignore_index=True)


@pytest.fixture(scope="module")
def idata() -> xr.DataTree:
    rng = np.random.default_rng(2)
    shape = (2, 100)
    a = 1.0 + 0.1 * rng.standard_normal(shape)
    posterior = xr.Dataset(
        {
            "a": (("chain", "draw"), a),
            "t": (("chain", "draw"), 0.3 - 0.1 * a),
            "v_subject": (
                ("chain", "draw", "subject"),
                rng.standard_normal((*shape, 3)) * 0.1 + [0.5, -0.5, 0.0],
            ),
        },
        coords={"subject": ["ann", "bob", "cy"], "chain": [0, 1], "draw": np.arange(100)},
    )
    prior = xr.Dataset({"a": (("chain", "draw"), rng.lognormal(size=(1, 300)))})
    diverging = np.zeros(shape, dtype=bool)
    diverging[0, :5] = True
    statistics = xr.Dataset({"diverging": (("chain", "draw"), diverging)})
    return xr.DataTree.from_dict(
        {"posterior": posterior, "prior": prior, "sample_stats": statistics}
    )


def _save(ax: Axes) -> None:
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.savefig(io.BytesIO(), format="png", dpi=30)


def test_predictive_histograms_have_the_area_of_their_choice() -> None:
    longest = max(DATA["rt"].max(), PREDICTED["rt"].max())
    axes = plots.predictive(DATA, PREDICTED, by="coherence", limit=float(longest))
    assert [ax.get_title().split(" (n")[0] for ax in axes] == [f"coherence = {c:g}" for c in LEVELS]
    for ax, level in zip(axes, LEVELS, strict=True):
        here = DATA[DATA["coherence"] == level]
        areas = [float(np.sum(p.get_data().values * np.diff(p.get_data().edges)))
                 for p in ax.patches]  # fmt: skip
        share = float((here["choice"] == 1.0).mean())
        np.testing.assert_allclose(areas, [share - 1.0, share], atol=1e-9)
    _save(axes[0])


def test_predictive_takes_any_columns_choices_and_axes() -> None:
    figure = Figure()
    given = [figure.add_subplot(2, 2, i + 1) for i in range(4)]
    assert plots.predictive(DATA, PREDICTED, by=["cue"], axes=given) == given[:2]
    assert len(plots.predictive(DATA, PREDICTED, by=["cue", "coherence"])) == 6
    three, drawn = _trials(200, 3, (0.0, 1.0, 2.0)), _trials(200, 4, (0.0, 1.0, 2.0))
    (ax,) = plots.predictive(three, drawn)
    assert ax.get_ylim()[0] == 0.0
    silent = DATA.assign(rt=np.nan)
    _save(plots.predictive(silent, PREDICTED)[0])


def test_psychometric_shows_shares_and_their_intervals() -> None:
    ax = plots.psychometric(DATA, PREDICTED, x="coherence")
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    expected = DATA.groupby("coherence")["choice"].apply(lambda c: np.mean(c == 1.0))
    np.testing.assert_allclose(points.get_ydata(), expected)
    np.testing.assert_allclose(points.get_xdata(), LEVELS)
    lower = plots.psychometric(DATA, x="coherence", choice=-1)
    (points,) = [line for line in lower.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points.get_ydata(), 1.0 - expected)
    _save(ax)


def test_chronometric_shows_medians_by_choice_or_condition() -> None:
    ax = plots.chronometric(DATA, PREDICTED, x="coherence")
    points = [line for line in ax.lines if line.get_marker() == "o"]
    for line, choice in zip(points, (-1.0, 1.0), strict=True):
        here = DATA[DATA["choice"] == choice]
        np.testing.assert_allclose(line.get_ydata(), here.groupby("coherence")["rt"].median())
    by_cue = plots.chronometric(DATA, PREDICTED, x="coherence", by="cue")
    legend = by_cue.get_legend()
    assert legend is not None
    assert "cue = left" in [text.get_text() for text in legend.get_texts()]
    _save(ax)


def test_covariates_are_cut_and_categories_named() -> None:
    ax = plots.psychometric(DATA, PREDICTED, x="age")
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert len(points.get_xdata()) == 8
    ax = plots.chronometric(DATA, PREDICTED, x="cue")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["left", "right"]
    _save(ax)


def test_bins_of_a_covariate_hold_its_trials_where_values_are_tied() -> None:
    rng = np.random.default_rng(1)
    x = np.where(rng.random(2000) < 0.3, 0.0, rng.random(2000))
    data = pd.DataFrame({"rt": 1.0, "choice": np.where(x == 0.0, 1, -1), "x": x})
    ax = plots.psychometric(data, x="x")
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    places, shares = points.get_data()
    edges = np.quantile(x, np.arange(3, 8) / 8)  # the first two are 0 as well, as is the lowest
    bins = np.split(np.sort(x), np.searchsorted(np.sort(x), edges))
    np.testing.assert_allclose(places, [each.mean() for each in bins])
    np.testing.assert_allclose(shares, [(each == 0.0).mean() for each in bins])


def test_trials_without_a_choice_count_whatever_holds_them() -> None:
    choice = pd.array([1] * 5 + [-1] + [None] * 4, "Int64")
    for column in (choice, choice.to_numpy(dtype=float, na_value=np.nan)):
        ax = plots.psychometric(pd.DataFrame({"choice": column, "x": 1.0}), x="x")
        (points,) = [line for line in ax.lines if line.get_marker() == "o"]
        assert points.get_ydata().tolist() == [0.5]


def test_titles_are_broken_between_words() -> None:
    assert broken("v_Intercept", 30) == "v_Intercept"
    assert broken("instruction = accuracy stress (n = 300)", 30) == (
        "instruction = accuracy stress\n(n = 300)"
    )
    assert broken("v_instruction:difficulty", 15) == "v_instruction:\ndifficulty"


def test_one_panel_may_be_given_by_itself() -> None:
    data, predicted = DATA[DATA["cue"] == "left"], PREDICTED[PREDICTED["cue"] == "left"]
    ax = plots.predictive(data, predicted)[0]
    assert plots.predictive(data, predicted, axes=ax) == [ax]


def test_values_that_are_nearly_alike_are_told_apart() -> None:
    assert distinct([0.5, 2.0, "ann"]) == ["0.5", "2", "ann"]
    assert distinct([1234567.0, 1234568.0]) == ["1234567", "1234568"]
    assert distinct([0.12345678, 0.12345679]) == ["0.12345678", "0.12345679"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.predictive(DATA, PREDICTED, by="Cue"), TrialsError, "Did you mean 'cue'"),
        (lambda: plots.predictive(DATA, PREDICTED, by="age"), ParameterError, "pandas.qcut"),
        (lambda: plots.predictive(DATA, PREDICTED[["rt", "choice"]], by="cue"), TrialsError, "cue"),
        (lambda: plots.predictive(DATA, PREDICTED, axes=[]), ParameterError, "1 panels need"),
        (lambda: plots.psychometric(DATA, x="coh"), TrialsError, "coh"),
        (lambda: plots.psychometric(DATA, x="age", choice=3), ParameterError, "unknown choice '3'"),
        (lambda: plots.chronometric(DATA, PREDICTED, x="cue", by="age"), ParameterError, "age"),
        (lambda: plots.recovery(DATA), TrialsError, "parameter"),
    ],
)
def test_what_cannot_be_drawn_is_named(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_caterpillars_ascend(idata: xr.DataTree) -> None:
    ax = plots.caterpillar(idata, "v_subject")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["bob", "cy", "ann"]
    (means,) = [line for line in ax.lines if line.get_marker() == "o"]
    expected = np.sort(idata["posterior"]["v_subject"].mean(("chain", "draw")))
    np.testing.assert_allclose(means.get_xdata(), expected)
    with pytest.raises(ParameterError, match="single number"):
        plots.caterpillar(idata, "a")
    _save(ax)


def test_estimates_of_groups_ascend_in_their_unit() -> None:
    rows = [("v", "1/s", "population", "LL", None), ("v", "1/s", "population", "WL", None)]
    rows += [("v", "1/s", "subject", c, s) for s in ("ann", "bob", "cy") for c in ("LL", "WL")]
    rows += [("t", "s", "population", None, None)]
    columns = ["parameter", "unit", "level", "stim", "subject"]
    mean = np.array([0.5, 1.5, 1.0, 2.0, 0.0, 1.0, 0.5, 1.5, 0.3])
    numbers = {"mean": mean, "sd": 0.1, "eti94_lb": mean - 0.2, "eti94_ub": mean + 0.2}
    table = pd.DataFrame(rows, columns=columns).assign(**numbers)
    ax = plots.estimates(table, "v")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["bob", "cy", "ann"]
    points = [line.get_xdata() for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.sort(points[0]), [0.0, 0.5, 1.0])
    dashed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == [0.5, 1.5]
    assert ax.get_xlabel() == "v in 1/s  (94% intervals)"
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["LL", "WL"]
    _save(ax)
    with pytest.raises(ParameterError, match="'t' does not vary by groups"):
        plots.estimates(table, "t")
    with pytest.raises(ParameterError, match="unknown level of parameter 'v' 'item'"):
        plots.estimates(table, "v", level="item")
    with pytest.raises(ParameterError, match="unknown parameter 'x'"):
        plots.estimates(table, "x")


def test_pairs_write_correlations_and_show_divergences(idata: xr.DataTree) -> None:
    grid = plots.pairs(idata, names=["a", "t"], reference={"a": 1.0})
    assert grid.shape == (2, 2)
    assert grid[0, 1].texts[0].get_text() == "\N{MINUS SIGN}1.00"
    assert len(grid[1, 0].lines[1].get_xdata()) == 5
    _save(grid[0, 0])
    with pytest.raises(ParameterError, match="axes of shape"):
        plots.pairs(idata, names=["a", "t"], axes=[[Figure().add_subplot()]])


def test_chains_are_drawn_by_arviz_into_given_axes(idata: xr.DataTree) -> None:
    figure = Figure()
    given = [figure.add_subplot(1, 4, i + 1) for i in range(4)]
    axes = plots.trace(idata, names=["a", "v_subject"], axes=given)
    assert axes == given
    assert axes[1].get_title() == "v_subject[ann]"
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), idata["posterior"]["a"][0])
    (ax,) = plots.ranks(idata, names=["a"])
    assert ax.get_title() == "a"
    _save(ax)


def test_priors_stand_beside_posteriors(idata: xr.DataTree) -> None:
    (ax,) = plots.prior_posterior(idata)
    assert ax.get_title() == "a"
    assert len(ax.lines) == 2
    with pytest.raises(ParameterError, match=r"no draws from the prior: .*lk.open_fit\(folder\)"):
        plots.prior_posterior(xr.DataTree.from_dict({"posterior": idata["posterior"].to_dataset()}))
    _save(ax)


def test_recovery_counts_intervals_that_hold_the_truth() -> None:
    rows = pd.DataFrame(
        {"parameter": "v", "truth": [1.0, 2.0], "mean": [1.1, 3.0], "lower": [0.9, 2.5],
         "upper": [1.3, 3.5]}
    )  # fmt: skip
    (ax,) = plots.recovery(rows)
    assert ax.get_title() == "v: 1 of 2 hold the truth"
    _save(ax)
