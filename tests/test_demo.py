"""The demonstration: its results, its files, and what happens when it cannot go on."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from likely.demo import Classic, Demo, Fresh, Shipped, experiment, run, stages
from likely.errors import ParameterError
from likely.page import Code, Page, Paragraph, Picture, Section, Table, render

FIGURES = {
    "choice_probability",
    "experiment",
    "likelihood",
    "model_graph",
    "network_over_simulation",
    "overview",
    "posterior",
    "simulated",
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Return a run with the shipped likelihood."""
    return run(
        tmp_path_factory.mktemp("demo") / "new" / "folder", road=Shipped(), draws=100, seed=3
    )


def test_the_truth_comes_back(demo: Demo) -> None:
    assert list(demo.summary.index) == ["v", "a", "t"]
    errors = (demo.summary["mean"] - demo.summary["truth"]).abs()
    assert (errors < 3 * demo.summary["sd"]).all()
    assert (demo.summary["lower"] < demo.summary["mean"]).all()
    assert (demo.summary["mean"] < demo.summary["upper"]).all()
    assert (demo.summary["r_hat"] < 1.1).all()


@pytest.mark.filterwarnings("ignore:only")  # two seconds are few
def test_a_likelihood_is_trained_in_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "build_model", _interrupt)  # what follows is tested above
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, road=Fresh(2), seed=3)
    assert "training a likelihood from simulations, 2 s" in capsys.readouterr().err


@pytest.mark.slow
def test_the_classic_road_makes_the_same_page(tmp_path: Path) -> None:
    road = Classic(sets=300, draws=500, points=100, epochs=2)
    demo = run(tmp_path, road=road, draws=50, seed=3, progress=False)
    assert {path.name for path in demo.files} == {f"{f}.png" for f in FIGURES} | {"index.html"}
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "300 parameter sets were drawn and 500 trials of each" in page
    assert len(list(tmp_path.glob("training-*.zarr"))) == 1
    assert len(list(tmp_path.glob("*.checkpoint"))) == 2
    assert np.isfinite(demo.summary["mean"]).all()


def test_trials_are_500_go_and_500_no_go_and_only_presses_have_times(demo: Demo) -> None:
    assert demo.trials["sign"].value_counts().to_dict() == {1.0: 500, -1.0: 500}
    assert (demo.trials["rt"].notna() == (demo.trials["choice"] == 1.0)).all()


def test_every_figure_and_the_page_are_written_and_nothing_else(demo: Demo) -> None:
    folder = demo.files[0].parent
    assert {p.name for p in folder.iterdir()} == {f"{f}.png" for f in FIGURES} | {"index.html"}
    assert set(folder.iterdir()) == set(demo.files)
    for name in FIGURES:
        assert (folder / f"{name}.png").read_bytes().startswith(PNG)


def test_the_picture_for_the_readme_is_small(demo: Demo) -> None:
    overview = demo.files[0].parent / "overview.png"
    assert overview.stat().st_size < 200_000


def test_the_page_needs_no_other_file(demo: Demo) -> None:
    html = (demo.files[0].parent / "index.html").read_text(encoding="utf-8")
    seen = _read(html)
    assert len(seen.sources) == 7
    assert all(source.startswith("data:image/png;base64,") for source in seen.sources)
    assert not re.search(r'(href|src)="(?!data:)', html)
    assert "url(" not in html
    assert 'name="viewport"' in html
    assert all(seen.alternatives)


def test_the_table_goes_to_stdout_and_progress_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, road=Shipped(), draws=20, seed=1)
    out, err = capsys.readouterr()
    head, *rows = [line.split() for line in out.strip().splitlines()[:4]]
    assert head == ["parameter", "truth", "mean", "sd", "94%", "interval", "r-hat", "ESS"]
    assert [row[0] for row in rows] == ["v", "a", "t"]
    assert str(tmp_path / "index.html") in out
    assert re.findall(r"\[(\d)/5\]", err) == list("12345")


def test_a_run_can_be_silent_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "simulate_experiment", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, road=Shipped(), progress=False)
    assert capsys.readouterr().err == ""


def test_an_output_that_is_a_file_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "simulate_experiment", _interrupt)
    path = tmp_path / "taken"
    path.write_text("mine")
    for folder in (path, path / "below"):
        with pytest.raises(NotADirectoryError):
            run(folder, road=Shipped())
    assert path.read_text() == "mine"


def test_an_interrupted_run_leaves_earlier_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("earlier")
    monkeypatch.setattr(experiment, "sample", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, road=Shipped())
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text() == "earlier"


@pytest.mark.parametrize("chain", [0, experiment.CHAINS - 1])
def test_an_interrupt_while_sampling_is_not_swallowed(
    chain: int, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = experiment._Watch.__call__

    def interrupting(self: experiment._Watch, trace: object, draw: object) -> None:
        if draw.chain == chain and self.done == chain * 20 + 5:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        count(self, trace, draw)

    monkeypatch.setattr(experiment._Watch, "__call__", interrupting)
    model = experiment.build_model(demo.likelihood, demo.trials)
    with pytest.raises(KeyboardInterrupt):
        experiment.sample(model, draws=10, seed=0, progress=False)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"seed": 2**64}, {"seed": 1.5}, {"draws": 1}, {"road": Fresh(-1)}]
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        run(tmp_path, **wrong)


def test_the_table_lines_up() -> None:
    columns = ["truth", "mean", "sd", "lower", "upper", "r_hat", "ess"]
    summary = pd.DataFrame([[1.0, -1.01, 0.1, -1.2, 10.8, 1.0, 900.4]], ["v"], columns)
    head, row = stages.table(summary).splitlines()
    assert len(head) == len(row)
    assert row.split() == ["v", "1", "-1.010", "0.100", "-1.200", "to", "10.800", "1.000", "900"]


def test_pages_escape_what_they_show() -> None:
    evil = '<script>alert("x")</script>'
    items = [Paragraph(evil), Code(evil), Table([evil], [[evil]]), Picture(PNG, evil, evil)]
    html = render(Page(evil, evil, [Section(evil, items)], evil))
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 11


def test_only_known_items_go_on_a_page() -> None:
    with pytest.raises(TypeError, match="int"):
        render(Page("", "", [Section("", [1])], ""))  # type: ignore[list-item]


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.alternatives: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            given = dict(attrs)
            self.sources.append(given["src"] or "")
            self.alternatives.append(given["alt"] or "")


def _read(html: str) -> _Seen:
    seen = _Seen()
    seen.feed(html)
    return seen


def test_seeds_of_the_stages_differ() -> None:
    seeds = stages._seeds(0)
    assert len(set(seeds)) == 4
    assert np.all(np.array(seeds) < 2**32)
