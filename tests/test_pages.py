"""The handbook: figures, cards and pages of models, of every kind of model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from certified import handwritten
from handmade import handmade_ddm
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

import likely as lk
from likely.densities import wiener
from likely.errors import ParameterError
from likely.handbook import card, families, standing
from likely.handbook.page import index, markdown, write_page
from likely.handbook.standing import verdict_in_short
from likely.paths import sample_paths, stable
from likely.plots.known_density import known_density
from likely.plots.typical import rows_of_levels, typical_row

ZOO = pytest.mark.parametrize("model", lk.models.values(), ids=list(lk.models))
THETA = {"v": 0.8, "a": 1.0, "z": 0.4, "t": 0.3}
ROW = np.array([0.8, 1.0, 0.4, 0.3])


def coin(
    rng: np.random.Generator, p: np.ndarray, scale: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return t + rng.exponential(scale), (rng.random(len(p)) < p).astype(int)


RIVALS = lk.models["lca_3"]
COIN = lk.Simulator(
    "coin",
    parameters={"p": (0.1, 0.9), "scale": (0.05, 1.0), "t": (0.0, 1.0)},
    choices=(0, 1),
    simulate=coin,
    vectorized=True,
    non_decision="t",
    constraints=("p < 2 * scale",),
)
SHOWN = ["ddm", "ddm_sdv", "levy_angle", "race_no_bias_angle_2", "lca_3", "lba2", "ddm_seq2"]
SLOW = ("lba2", "levy_angle", "race_no_bias_angle_2")  # half a minute to compile each


def _drawn(figure: Figure) -> None:
    figure.canvas.draw()


def _histograms(ax: Axes) -> list[StepPatch]:
    return [patch for patch in ax.patches if isinstance(patch, StepPatch) and patch.get_fill()]


def _size(patch: StepPatch) -> float:
    values, edges, base = patch.get_data()
    return float(np.sum(np.abs(values - base) * np.diff(edges)))


@ZOO
def test_every_model_is_shown_inside_its_box(model: lk.Model) -> None:
    row = typical_row(model.declaration)
    model.declaration.require_inside_box(row[None])
    assert model.declaration.allowed(row[None]).all()
    for column, name in enumerate(model.declaration.names):
        rows = rows_of_levels(model.declaration, row, name)
        model.declaration.require_inside_box(rows)
        assert len(rows) >= 2
        assert (np.diff(rows[:, column]) > 0).all()
        assert np.unique(np.delete(rows, column, axis=1), axis=0).shape[0] == 1


@ZOO
def test_every_model_has_a_card_and_a_page(model: lk.Model) -> None:
    text, page = card(model), markdown(model)
    assert model.about is not None
    for p in model.parameters:
        assert re.search(rf"^{p.name} .*{re.escape(p.description)}", text, re.M)
        assert re.search(rf"^\| {p.name} \|.*{re.escape(p.description)}", page, re.M)
    for part in (*model.about.equations, *model.declaration.constraints):
        assert part in text
        assert part in page
    for said in (model.about.purpose, model.about.source, *model.about.hard.values()):
        assert " ".join(said.split()) in " ".join(text.split())
        assert said in page
    assert f"]({model.name}.png)" in page


def test_the_index_links_every_page_once() -> None:
    links = re.findall(r"\[(\w+)\]\((\w+)\.md\)", index(lk.models))
    assert sorted(links) == sorted((name, name) for name in lk.models)


def test_families_are_modules_of_the_zoo() -> None:
    grouped = families(lk.models)
    assert sorted(m.name for members in grouped.values() for m in members) == sorted(lk.models)
    assert "Models of your own" not in grouped
    assert list(families({"coin": COIN})) == ["Models of your own"]
    angle = next(f for f, members in grouped.items() if lk.models["angle"] in members)
    assert "collapse" in angle
    assert lk.models["ddm"] not in grouped[angle]


def test_standings_tell_shipped_exact_and_neither() -> None:
    ddm = lk.models["ddm"]
    certificate = lk.load("ddm").certificate
    assert certificate is not None
    assert standing(ddm).short.startswith(certificate.grade.words)
    assert verdict_in_short(certificate) in standing(ddm).sentences
    assert standing(ddm.with_box(v=(-1, 1))).short == "exact density"  # not what was trained on
    assert standing(COIN).short == "to be trained"


def test_the_short_verdict_has_the_numbers_of_the_certificate() -> None:
    text = verdict_in_short(handwritten(handmade_ddm()))
    for number in ("0.002", "0.008", "1,000 trials", "0.05", "0.1)"):
        assert number in text


def test_a_model_that_says_nothing_of_itself_has_a_page(tmp_path: Path) -> None:
    path = write_page(COIN, tmp_path / "new")
    assert sorted(p.name for p in path.parent.iterdir()) == ["coin.md", "coin.png"]
    assert (path.parent / "coin.png").read_bytes().startswith(b"\x89PNG")
    assert "p < 2 * scale" in path.read_text()
    assert "coin: choices 0 1" in card(COIN)


def test_every_kind_of_model_is_shown() -> None:
    assert {type(lk.models[name]) for name in SHOWN} == {type(m) for m in lk.models.values()}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(m, marks=pytest.mark.slow if m.name in SLOW else ())
        for m in (*(lk.models[n] for n in SHOWN), COIN)
    ],
    ids=lambda m: m.name,
)
def test_figures_show_every_kind_of_model(model: lk.Model) -> None:
    ax = lk.plots.cartoon(model, n=2000)
    _drawn(ax.figure)
    assert ax.get_xlabel() == "response time (s)"
    effects = lk.plots.parameter_effects(model, n=2000)
    _drawn(effects)
    shown = [ax.get_title(loc="left") for ax in effects.axes if ax.get_visible()]
    assert [re.split(r"\W", title)[0] for title in shown] == list(model.declaration.names)


def test_histograms_of_a_cartoon_have_the_areas_of_choices() -> None:
    given = Figure().add_subplot()
    ax = lk.plots.cartoon("ddm", {**THETA, "v": 3.0}, n=4000, seed=1, ax=given)
    assert ax is given
    lower, upper = (_size(patch) for patch in _histograms(ax))
    share = wiener.choice_probability(1.0, 3.0, 1.0, 0.4)
    assert abs(upper / (lower + upper) - share) < 0.02


def test_the_density_over_the_histograms_is_the_one_given() -> None:
    wrong = handmade_ddm()
    drawn = {}
    for name, likelihood in (("shipped", None), ("given", wrong)):
        ax = lk.plots.cartoon("ddm", THETA, likelihood=likelihood, n=2000, paths=1)
        drawn[name] = max(ax.lines, key=lambda line: float(np.max(line.get_ydata()))).get_ydata()
    assert not np.allclose(drawn["shipped"], drawn["given"])
    with pytest.raises(ParameterError, match="other parameters or choices"):
        lk.plots.cartoon(RIVALS, likelihood=wrong)
    with pytest.raises(ParameterError, match="2 rows"):
        lk.plots.cartoon("ddm", {**THETA, "v": [0.0, 1.0]})
    with pytest.raises(ParameterError, match="2 rows"):
        lk.plots.parameter_effects("ddm", {**THETA, "v": [0.0, 1.0]})


def test_known_densities_are_those_of_response_times() -> None:
    rt = np.array([0.1, 0.3, 0.4, 0.9, 2.0])
    v, a, z, t = ROW
    exact = np.stack(
        [np.exp(wiener.log_density(rt, np.full(5, c), v, a, z, t)) for c in (-1.0, 1.0)], axis=1
    )
    model = lk.models["ddm"]
    by_network, by_twin = known_density(model), known_density(model.with_box(v=(-1, 1)))
    assert by_network is not None
    assert by_twin is not None
    np.testing.assert_allclose(by_twin.values(ROW, rt), exact, rtol=1e-9)
    np.testing.assert_allclose(by_network.values(ROW, rt), exact, rtol=0.05)
    assert known_density(COIN) is None


def test_paths_between_boundaries_choose_as_often_as_they_should() -> None:
    paths = sample_paths(lk.models["ddm"], ROW, 8.0, 400, 3)
    assert paths is not None
    decided = paths.choices >= 0
    assert decided.mean() > 0.97
    share = wiener.choice_probability(1.0, *ROW[:3])
    assert abs((paths.choices[decided] == 1).mean() - share) < 0.08
    assert (np.nanmax(np.abs(paths.evidence), axis=(1, 2)) <= 1.0).all()
    assert np.allclose(paths.evidence[:, 0, 0], -0.2)
    last = [path[np.isfinite(path)][-1] for path in paths.evidence[decided, 0]]
    np.testing.assert_allclose(last, 2.0 * paths.choices[decided] - 1.0)


def test_paths_follow_boundaries_that_move() -> None:
    row = np.array([0.0, 1.0, 0.5, 0.2, 0.8])
    paths = sample_paths(lk.models["angle"], row, 2.0, 50, 1)
    assert paths is not None
    expected = np.maximum(1.0 - paths.times * np.tan(0.8), 0.0)
    np.testing.assert_allclose(paths.boundary[0], expected, atol=1e-12)
    assert (paths.choices >= 0).all()
    assert (np.isnan(paths.evidence) | (np.abs(paths.evidence) <= expected)).all()


def test_paths_of_a_race_end_with_its_winner() -> None:
    row = np.array([2.5, 0.5, 0.0, 1.5, 0.0, 0.0, 0.0, 0.2, 0.5, 0.2])
    paths = sample_paths(RIVALS, row, 4.0, 100, 2)
    simulated = lk.simulate(RIVALS, row, 20_000, seed=1)["choice"]
    assert paths is not None
    assert abs((paths.choices == 0).mean() - (simulated == 0).mean()) < 0.1
    for evidence, winner in zip(paths.evidence, paths.choices, strict=True):
        known = np.isfinite(evidence[0])
        assert (evidence[:, known] >= 0.0).all()
        assert evidence[winner, known][-1] == 1.5
        assert (evidence[:, known][:, :-1] < 1.5).all()


def test_paths_with_variable_trials_begin_late_and_drift_apart() -> None:
    model = lk.models["full_ddm"]
    theta = {"v": 1.0, "a": 1.0, "z": 0.5, "t": 0.5, "sz": 0.3, "sv": 2.0, "st": 0.2}
    row = model.declaration.rows(theta)[0]
    paths = sample_paths(model, row, 6.0, 300, 4)
    assert paths is not None
    firsts = [int(np.flatnonzero(np.isfinite(e[0]))[0]) for e in paths.evidence]
    starts = [e[0, first] for e, first in zip(paths.evidence, firsts, strict=True)]
    begins = paths.times[firsts]
    assert begins.min() < 0.03
    assert 0.37 < begins.max() <= 0.4
    assert 0.25 < np.ptp(starts)
    simulated = lk.simulate(model, row, 20_000, seed=1)["choice"].to_numpy()
    decided = paths.choices >= 0
    assert abs((paths.choices[decided] == 1).mean() - (simulated == 1).mean()) < 0.09


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
def test_stable_noise_has_its_characteristic_function(alpha: float) -> None:
    noise = stable(alpha, (200_000,), np.random.default_rng(1))
    for k in (0.3, 1.0, 2.0):
        assert abs(np.cos(k * noise).mean() - np.exp(-(k**alpha))) < 0.006


def test_a_simulator_has_no_paths() -> None:
    assert sample_paths(COIN, np.array([0.5, 0.5, 0.2]), 1.0, 3, 0) is None
