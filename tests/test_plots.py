"""Figures: that they show what they should, for any likelihood, and leave no state behind."""

from __future__ import annotations

import io
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch

from likely import plots
from likely.declaration import Declaration, Parameter
from likely.errors import ParameterError, TrialsError
from likely.likelihood import Likelihood, Training
from likely.networks.mixture import MixtureDensity
from likely.page import WIDE
from likely.regression import specify

V = Parameter("v", -3.0, 3.0, unit="1/s", description="drift")
A = Parameter("a", 0.3, 2.5, (0.0, np.inf), description="half the boundary separation")
T = Parameter("t", 0.0, np.inf, (0.0, np.inf), unit="s", description="non-decision time")
THETA = {"v": 0.5, "a": 1.0, "t": 0.3}


def _likelihood(choices: tuple[int, ...]) -> Likelihood:
    """Return an untrained likelihood: any weights make a density."""
    density = MixtureDensity.for_model(Declaration("toy", (V, A, T), choices, "t"), (8,), 8)
    weights = 0.3 * np.random.default_rng(1).standard_normal(density.size)
    return Likelihood(density, weights, Training("nothing", 0, 0, 0, 0.0, "0"))


TWO, THREE = _likelihood((-1, 1)), _likelihood((0, 1, 2))
BOTH = pytest.mark.parametrize("likelihood", [TWO, THREE], ids=["two choices", "three choices"])


@pytest.fixture(autouse=True)
def _no_state() -> Iterator[None]:
    """No function may change matplotlib's settings or go through pyplot."""
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before


@pytest.fixture
def trials() -> pd.DataFrame:
    sample = TWO.sample(THETA, 500, seed=0)
    sample.loc[sample.index[:40], "rt"] = np.nan
    sample.loc[sample.index[:10], "choice"] = np.nan
    return sample


def _saved(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


def test_given_axes_are_drawn_into(trials: pd.DataFrame) -> None:
    ax = Figure().add_subplot()
    assert plots.response_times(trials, ax=ax) is ax


def test_histograms_have_the_area_of_their_choice(trials: pd.DataFrame) -> None:
    known = trials[trials["rt"].notna()]
    ax = plots.response_times(trials, limit=float(known["rt"].max()))
    outlines = [p.get_data() for p in ax.patches]
    areas = [float(np.sum(d.values * np.diff(d.edges))) for d in outlines[::2]]
    shares = [np.sum(known["choice"] == c) / len(trials) for c in (-1.0, 1.0)]
    np.testing.assert_allclose(areas, [-shares[0], shares[1]])
    assert ax.get_xlabel() == "response time (s)"
    _saved(ax)


def test_histograms_of_nothing_but_withheld_responses_are_empty() -> None:
    trials = pd.DataFrame({"rt": [np.nan, np.nan], "choice": [-1.0, -1.0]})
    ax = plots.response_times(trials, choices=(-1, 1))
    assert any("100.0%" in text.get_text() for text in ax.texts)
    _saved(ax)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"choice": [1.0]}, "rt"),
        ({"rt": [1.0]}, "choice"),
        ({"rt": [1.0], "choice": [3.0]}, "holds 3"),
        ({"rt": ["soon"], "choice": [1.0]}, "soon"),
    ],
)
def test_malformed_trials_are_named(wrong: dict[str, list[object]], message: str) -> None:
    with pytest.raises(TrialsError, match=message):
        plots.response_times(pd.DataFrame(wrong), choices=(-1, 1))


@BOTH
def test_densities_are_the_likelihoods_own(likelihood: Likelihood) -> None:
    times = np.linspace(0.0, 3.0, 50)
    ax = plots.densities(likelihood, THETA, times=times)
    choices = likelihood.declaration.choices
    curves = [line for line in ax.lines if len(line.get_xdata()) == len(times)]
    assert len(curves) == len(choices)
    for line, c in zip(curves, choices, strict=True):
        pairs = np.stack([times, np.full(50, float(c))], axis=1)
        expected = np.exp(likelihood.logp(THETA, pairs))
        np.testing.assert_allclose(np.abs(line.get_ydata()), expected)
    _saved(ax)


@BOTH
def test_densities_are_coloured_by_what_varies(likelihood: Likelihood) -> None:
    ax = plots.densities(likelihood, {**THETA, "v": np.linspace(-2, 2, 5)})
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert [other.get_ylabel() for other in figure.axes if other is not ax] == ["drift v (1/s)"]
    _saved(ax)


def test_densities_say_when_it_is_unclear_what_colours_them() -> None:
    both = {**THETA, "v": [0.0, 1.0], "a": [1.0, 2.0]}
    with pytest.raises(ParameterError, match="v, a vary"):
        plots.densities(TWO, both)
    assert plots.densities(TWO, both, by="a")


@BOTH
def test_a_density_over_trials_has_both(likelihood: Likelihood) -> None:
    ax = plots.density_over_trials(likelihood, THETA, likelihood.sample(THETA, 200, seed=0))
    assert len(ax.patches) == 2 * len(likelihood.declaration.choices)
    assert len(ax.lines) >= len(likelihood.declaration.choices)
    _saved(ax)


def test_a_density_over_trials_is_of_one_parameter_row(trials: pd.DataFrame) -> None:
    with pytest.raises(ParameterError, match="2 rows"):
        plots.density_over_trials(TWO, {**THETA, "v": [0.0, 1.0]}, trials)


@BOTH
def test_choice_probabilities_are_the_likelihoods_own(likelihood: Likelihood) -> None:
    theta = {**THETA, "v": np.linspace(-2, 2, 7), "a": [0.5, 1.0, 2.0]}
    choices = likelihood.declaration.choices
    ax = plots.choice_probability(likelihood, theta, over="v", by="a", choice=choices[0])
    curves = [line for line in ax.lines if len(line.get_xdata()) == 7]
    assert len(curves) == 3
    for line, a in zip(curves, theta["a"], strict=True):
        expected = likelihood.choice_probability({**theta, "a": a})[:, 0]
        np.testing.assert_allclose(line.get_ydata(), expected)
    _saved(ax)


@pytest.mark.parametrize(
    "wrong", [{"over": "drift"}, {"over": "v", "by": "z"}, {"over": "v", "choice": 0}]
)
def test_choice_probability_refuses_what_is_not_there(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match="unknown"):
        plots.choice_probability(TWO, {**THETA, "v": [0.0, 1.0]}, **wrong)  # type: ignore[arg-type]


def test_shares_are_those_of_the_trials() -> None:
    trials = pd.DataFrame({"choice": [1.0, 1, -1, np.nan], "side": ["l", "l", "l", "r"]})
    ax = plots.choice_shares(trials, by="side", choices=(-1, 1))
    heights = [[bar.get_height() for bar in group] for group in ax.containers]
    np.testing.assert_allclose(heights, [[2 / 3, 0], [1 / 3, 0]])
    with pytest.raises(TrialsError, match="eye"):
        plots.choice_shares(trials, by="eye")
    _saved(ax)


@pytest.mark.parametrize("conditions", [[0.0, 0.1, 0.5], ["easy", "hard", "none"], [1, "a", None]])
def test_quantiles_stand_over_the_probability_of_their_choice(conditions: list[object]) -> None:
    frames = [TWO.sample(THETA, 300, seed=i).assign(c=[c] * 300) for i, c in enumerate(conditions)]
    data = pd.concat(frames, ignore_index=True)
    ax = plots.quantile_probability(data, data, by="c")
    observed = [line for line in ax.lines if line.get_marker() in ("s", "o")]
    assert len(observed) == 6
    first = frames[0][frames[0]["choice"] == -1.0]
    np.testing.assert_allclose(observed[0].get_xdata(), len(first) / 300)
    np.testing.assert_allclose(
        observed[0].get_ydata(), np.quantile(first["rt"], [0.1, 0.3, 0.5, 0.7, 0.9])
    )
    _saved(ax)


def test_quantiles_leave_out_times_that_were_not_observed() -> None:
    data = TWO.sample(THETA, 300, seed=0).assign(c=0)
    data["rt"] = data["rt"].where(data["choice"] == 1.0)
    data.loc[data.index[:3], ["rt", "choice"]] = np.nan
    ax = plots.quantile_probability(data, data, by="c")
    (only,) = [line for line in ax.lines if line.get_marker() in ("s", "o", "^")]
    np.testing.assert_allclose(only.get_xdata(), np.mean(data["choice"] == 1.0))
    _saved(ax)


def test_quantiles_of_nothing_are_an_empty_plot() -> None:
    nothing = pd.DataFrame({"rt": [np.nan], "choice": [np.nan], "c": [0]})
    _saved(plots.quantile_probability(nothing, nothing, by="c"))
    with pytest.raises(TrialsError, match="coh"):
        plots.quantile_probability(nothing, nothing, by="coh")


def test_posteriors_have_a_plot_a_scalar(rng: np.random.Generator) -> None:
    dims = ("chain", "draw")
    posterior = xr.Dataset(
        {
            "v": ((*dims, "side"), rng.normal(size=(2, 50, 2))),
            "a": (dims, rng.gamma(2.0, size=(2, 50))),
            "fixed": (dims, np.ones((2, 50))),
        },
        {"side": ["left", "right"]},
    )
    axes = plots.posterior(posterior, reference={"v[left]": 0.5, "a": 2}, units={"a": "s"})
    labels = [ax.get_xlabel() for ax in axes]
    assert labels == ["v[left]", "v[right]", "a (s)", "fixed"]
    assert [len([x for x in ax.lines if x.get_linestyle() == "--"]) for ax in axes] == [1, 0, 1, 0]
    assert len(plots.posterior(xr.DataTree.from_dict({"posterior": posterior}), names=["a"])) == 1
    _saved(axes[0])


@pytest.mark.parametrize(
    "wrong",
    [{"names": ["b"]}, {"reference": {"b": 1.0}}, {"axes": []}, {"probability": 1.0}],
)
def test_posteriors_refuse_what_is_not_there(wrong: dict[str, object]) -> None:
    posterior = xr.Dataset({"a": (("chain", "draw"), [[1.0, 2.0]])})
    with pytest.raises(ParameterError):
        plots.posterior(posterior, **wrong)  # type: ignore[arg-type]


def test_posteriors_refuse_draws_that_are_not_finite() -> None:
    posterior = xr.Dataset({"a": (("chain", "draw"), [[1.0, np.nan]])})
    with pytest.raises(ParameterError, match="not finite"):
        plots.posterior(posterior)


def test_the_graph_has_every_variable_plate_and_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no program may be needed
    with pm.Model(coords={"subject": ["a", "b"], "trial": range(4)}) as model:
        mu, sd = pm.Normal("mu"), pm.HalfNormal("sd")
        offset = pm.Normal("offset", dims="subject")
        v = pm.Deterministic("v", mu + sd * offset, dims="subject")
        who = pm.Data("who", [0, 1, 0, 1], dims="trial")
        a, t = pm.Gamma("a", 2, 1), pm.HalfNormal("t", 0.1)
        observed = pd.DataFrame({"rt": [1.0, 2, 1, np.nan], "choice": [1.0, -1, 1, 1]})
        TWO("trials", v=v[who], a=a, t=t, observed=observed, dims="trial")
    ax = plots.model_graph(model)
    ellipses = [p for p in ax.patches if isinstance(p, Ellipse)]
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    written = [text.get_text() for text in ax.texts]
    assert (len(ellipses), len(arrows), len(boxes)) == (6, 7, 4)
    assert {"mu", "sd", "offset", "v", "who", "a", "t", "trials"} <= set(written)
    assert {"subject (2)", "trial (4)", "~ toy", "deterministic", "data"} <= set(written)
    _saved(ax)


def test_plates_of_a_graph_do_not_overlap() -> None:
    data = TWO.sample(THETA, 40, seed=1).assign(x=np.arange(40), s=np.arange(40) % 4)
    formula = {"v": "1 + x + (x|s)", "a": "1 + (1|s)", "t": "1 + (1|s)"}
    ax = plots.model_graph(specify(data, model=TWO, formula=formula).model)
    plates = [p.get_bbox() for p in ax.patches if isinstance(p, FancyBboxPatch)]
    plates = [p for p in plates if p.height > 1.0]
    assert len(plates) > 1
    for i, one in enumerate(plates):
        assert not any(one.overlaps(other) for other in plates[i + 1 :])
    assert "s (4)" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(
    "formula",
    [{"v": "0 + x"}, {"v": "1 + x + (x|s)"}, {"v": "0 + x", "a": "1 + (1|s)"}, {"a": "(x|s)"}],
    ids=str,
)
def test_plates_of_a_graph_hold_whole_nodes_or_nothing_of_them(formula: dict[str, str]) -> None:
    data = TWO.sample(THETA, 40, seed=1).assign(x=np.arange(40), s=np.arange(40) % 4)
    ax = plots.model_graph(specify(data, model=TWO, formula=formula).model)
    shapes = [p.get_bbox() for p in ax.patches if isinstance(p, FancyBboxPatch)]
    nodes = [p.get_extents().transformed(ax.transData.inverted()) for p in ax.patches
             if isinstance(p, Ellipse)]  # fmt: skip
    for plate in (shape for shape in shapes if shape.height > 1.0):
        for node in nodes:
            corners = [plate.contains(*corner) for corner in node.corners()]
            assert all(corners) or not plate.overlaps(node)


def test_group_effects_are_normal_in_graphs_however_they_are_drawn() -> None:
    data = TWO.sample(THETA, 40, seed=1).assign(s=np.arange(40) % 4)
    drawn = []
    for centred in (True, False):
        plan = specify(data, model=TWO, formula={"v": "1 + (1|s)"}, noncentered=not centred)
        ax = plots.model_graph(plan.model)
        drawn.append(sorted(text.get_text() for text in ax.texts))
    assert drawn[0] == drawn[1]
    assert "v_1|s" in drawn[0]


def test_graphs_of_more_formulas_are_longer_but_not_wider() -> None:
    data = TWO.sample(THETA, 40, seed=1).assign(x=np.arange(40), s=np.arange(40) % 4)
    rich = "1 + x + (x|s)"
    sizes = []
    for formula in ({"v": rich}, {"v": rich, "a": rich, "t": rich}):
        plan = specify(data, model=TWO, formula=formula)
        sizes.append(plots.model_graph(plan.model).figure.get_size_inches())
    assert sizes[1][0] == sizes[0][0]
    assert sizes[1][0] * 96 < WIDE  # CSS pixels; a wider figure scrolls on a phone
    assert sizes[1][1] > sizes[0][1]


def test_graphs_need_no_dimensions_nor_variables() -> None:
    with pm.Model() as model:
        pm.MvNormal("x", np.zeros(2), np.eye(2), shape=(3, 2))
    assert "3" in [text.get_text() for text in plots.model_graph(model).texts]
    _saved(plots.model_graph(pm.Model()))


def test_priors_are_drawn_before_anything_is_fitted() -> None:
    trials = TWO.sample(THETA, 40, seed=1).assign(x=np.arange(40), s=np.arange(40) % 4)
    formula = {"v": "1 + x", "a": "1 + (1|s)"}
    plan = specify(trials, model=TWO, formula=formula)
    drawn = plots.priors(plan, draws=100)
    labels = [ax.get_xlabel() for ax in drawn]
    assert labels == ["v (1/s)", "v_Intercept", "v_x", "a", "a_Intercept", "a_1|s_sigma", "t (s)"]
    assert drawn[1].get_title() == plan.priors["prior"][0]
    assert all(ax.patches for ax in drawn)
    with pytest.raises(ParameterError, match="7 priors need as many axes, not 2"):
        plots.priors(plan, draws=10, axes=drawn[:2])
