"""Code on pages that show no output: calls that exist and, in the slow tests, all of it run."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import likely as lk

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([DOCS / "index.md", *DOCS.glob("how_to/*.md"), *DOCS.glob("coming_from/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)  # marked `py`: not ours, or not to run
CODE = {page: "\n".join(BLOCK.findall(page.read_text())) for page in PAGES}
RUN = [page for page in PAGES if CODE[page]]

# What makes pages quick, and useless: pattern -> replacement.
QUICK = {
    r"draws=1000, tune=1000, chains=4": "draws=60, tune=60, chains=2, progressbar=False",
    r"pm\.sample\(": "pm.sample(draws=15, tune=15, chains=2, progressbar=False, ",
    r"draws=50": "draws=5",
    r"lk\.verify\((\w+)": r"lk.verify(\1, draws=1000",
    r"seconds=60": "steps=60",
    r"sets=10_000": "sets=40",
    r"points=1_000": "points=50, draws=300",
    r"epochs=20": "epochs=1",
}
QUICKEST = DOCS / "coming_from" / "hddm.md"


def identify(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the table of trials that pages read."""
    subjects, stimuli = np.repeat(range(4), 60), np.tile(["LL", "WL", "WW"], 80)
    drift = np.where(stimuli == "WL", 1.0, 0.4)
    trials = lk.simulate("ddm", dict(v=drift, a=1.0, z=0.5, t=0.3), seed=1)
    trials["response"] = (trials.pop("choice") > 0).astype(int)
    trials.assign(subj_idx=subjects, stim=stimuli).to_csv(tmp_path / "trials.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(page: Path) -> None:
    code = CODE[page]
    for pattern, replacement in QUICK.items():
        code = re.sub(pattern, replacement, code)
    exec(compile(code, identify(page), "exec"), {"__name__": "__main__"})


def calls(code: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield calls of public functions, and their names."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if re.fullmatch(r"lk(\.\w+)+", name):
                yield name.removeprefix("lk."), node


@pytest.mark.parametrize("page", RUN, ids=identify)
def test_calls_on_pages_exist_and_take_what_they_are_given(page: Path) -> None:
    for name, call in calls(CODE[page]):
        function = lk
        for part in name.split("."):
            function = getattr(function, part)
        keywords = {k.arg: None for k in call.keywords if k.arg is not None}
        inspect.signature(function).bind_partial(*[None] * len(call.args), **keywords)


def test_a_page_runs(desk: Path) -> None:
    run(QUICKEST)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # so few draws and steps are warned of
@pytest.mark.parametrize("page", [page for page in RUN if page != QUICKEST], ids=identify)
def test_every_page_runs(page: Path, desk: Path) -> None:
    run(page)


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(page.read_text() for page in REFERENCE.glob("*.md"))
    documented = {path.split(".")[-1] for path in re.findall(r"^::: (\S+)", text, re.M)}
    headings = set(re.findall(r"likely\.(\w+)", " ".join(re.findall(r"^## .*", text, re.M))))
    names = (set(lk.__all__) - {"plots"}) | set(lk.plots.__all__)
    missing = names - documented - headings
    assert not missing, f"add `::: likely.MODULE.NAME` to a page of docs/reference: {missing}"
    listed = set(re.findall(r"`(\w+)`", (REFERENCE / "index.md").read_text()))
    assert set(lk.__all__) <= listed, "docs/reference/index.md lists all names"


def test_every_documented_path_is_there() -> None:
    for page in REFERENCE.glob("*.md"):
        for path in re.findall(r"^::: (\S+)", page.read_text(), re.M):
            module, _, name = path.rpartition(".")
            found = __import__(module, fromlist=[name])
            assert hasattr(found, name), f"{page.name}: {path}"
