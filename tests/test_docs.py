"""Pages with executed code: in step with it, and still running."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from likely import errors

DOCS = Path(__file__).parents[1] / "docs"
SCRIPT = DOCS / "execute.py"
PAGES = sorted((DOCS / "tutorials").glob("*.md"))
OWN, GO_NOGO, HIERARCHICAL = (
    DOCS / "tutorials" / f"{name}.md" for name in ("own_simulator", "go_nogo", "hierarchical")
)
CAVANAGH = Path(__file__).parents[2] / "shared" / "data" / "cavanagh_theta.csv"

_found = importlib.util.spec_from_file_location("execute", SCRIPT)
assert _found is not None
assert _found.loader is not None
pages = importlib.util.module_from_spec(_found)
_found.loader.exec_module(pages)

# What makes the tutorial quick, and useless: pattern -> replacement, each of which must occur.
QUICK = {
    r"sets=3_000": "sets=40",
    r"draws=10_000, points=500": "draws=300, points=50",
    r"(train_(?:lan|cpn|opn)\(data.*)seed=1\)": r"\1seed=1, recipe=lk.Recipe(epochs=1))",
    r", 300\)": ", 10)",
    r"\(300, ": "(10, ",
    r"## The posterior.*": "",
}


def test_the_reference_has_all_errors_and_warnings() -> None:
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    members = re.split(r"\W+", page.partition("members:")[2])
    own = [n for n, c in vars(errors).items() if getattr(c, "__module__", "") == errors.__name__]
    assert {n for n in own if n.endswith(("Error", "Warning"))} <= set(members)


SMALL = """# A page

```python file=sevens.py
SEVEN = 7
```

```python
from sevens import SEVEN
print("x" * 3, SEVEN)
```

Words.

```bash
cat sevens.py
```

```python
from pathlib import Path
Path("dot.png").write_bytes(b"PNG")
```

```py
never_run
```
"""


def run(page: Path, *data: Path) -> subprocess.CompletedProcess[str]:
    """Execute a page in a process of its own, where warnings are errors."""
    command = [sys.executable, "-W", "error", str(SCRIPT), str(page), *map(str, data)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)


def copy(text: str, folder: Path) -> Path:
    page = folder / "page.md"
    page.write_text(text)
    return page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_in_step_with_their_code(page: Path) -> None:
    footer = pages.FOOTER.search(page.read_text())
    assert footer is not None, "never executed"
    assert footer.group(1) == pages.digest(page.read_text()), "code changed: execute the page again"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_show_their_figures_and_no_others(page: Path) -> None:
    linked = set(re.findall(r"!\[[^\]]+\]\((\S+)\)", page.read_text()))
    made = {f"{page.stem}/{path.name}" for path in page.with_suffix("").glob("*")}
    assert linked == made


def test_a_page_gets_its_output_and_figures(tmp_path: Path) -> None:
    page = copy(SMALL, tmp_path)
    assert run(page).returncode == 0
    text = page.read_text()
    assert "3, SEVEN)\n```\n\n```text\nxxx 7\n```\n\nWords." in text
    assert "cat sevens.py\n```\n\n```text\nSEVEN = 7\n```\n" in text
    assert (tmp_path / "page" / "dot.png").read_bytes() == b"PNG"
    assert pages.FOOTER.search(text).group(1) == pages.digest(text)
    assert run(page).returncode == 0
    assert pages.FOOTER.sub("", page.read_text()) == pages.FOOTER.sub("", text)


def test_a_page_reads_the_data_it_is_given(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("rt\n0.5\n")
    page = copy('```python\nprint(open("table.csv").read())\n```\n', tmp_path)
    assert run(page, table).returncode == 0
    assert "```text\nrt\n0.5\n```" in page.read_text()
    assert "page.md table.csv`" in page.read_text()


def test_changes_of_code_or_output_show_and_those_of_words_do_not(tmp_path: Path) -> None:
    page = copy(SMALL, tmp_path)
    run(page)
    text = page.read_text()
    assert pages.digest(text.replace("* 3", "* 4")) != pages.digest(text)
    assert pages.digest(text.replace("xxx", "xxxx")) != pages.digest(text)
    assert pages.digest(text.replace("Words", "Other words")) == pages.digest(text)


def test_a_block_that_fails_leaves_the_page_and_names_its_line(tmp_path: Path) -> None:
    text = SMALL.replace('"x" * 3', "1 / 0")
    page = copy(text, tmp_path)
    failed = run(page)
    assert failed.returncode != 0
    line = 1 + text.splitlines().index("print(1 / 0, SEVEN)")
    assert f'"page.md", line {line}' in failed.stderr
    assert page.read_text() == text


def test_the_tutorial_runs_in_miniature_up_to_the_posterior(tmp_path: Path) -> None:
    text = OWN.read_text()
    for pattern, replacement in QUICK.items():
        text, count = re.subn(pattern, replacement, text, flags=re.S if "##" in pattern else 0)
        assert count, pattern
    done = run(copy(text, tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "page").glob("*.png"))) == 2


@pytest.mark.slow
def test_the_tutorial_says_what_is_so(tmp_path: Path) -> None:
    page = copy(OWN.read_text(), tmp_path)
    done = run(page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    errors = {
        name: float(error)
        for name, error in re.findall(r"^(\w+): mean absolute error ([\d.]+)", text, re.M)
    }
    assert errors["mixture"] < errors["decision_time"] < errors["published"] < 0.04
    for name, truth in (("hit", 9.0), ("miss", 4.5), ("t", 0.3)):
        mean, sd = map(float, re.search(rf"^{name} +([\d.]+) +([\d.]+)", text, re.M).groups())
        assert abs(mean - truth) < 3 * sd


def estimates(text: str, name: str) -> list[tuple[float, float]]:
    """Return mean and sd of a parameter in every table of a page, in order."""
    rows = re.findall(rf"^{re.escape(name)} +(-?[\d.]+) +([\d.]+)", text, re.M)
    return [(float(mean), float(sd)) for mean, sd in rows]


@pytest.mark.slow
def test_withheld_presses_by_a_deadline_tell_the_truth(tmp_path: Path) -> None:
    page = copy(GO_NOGO.read_text(), tmp_path)
    done = run(page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    for name, truth in (("v", 1.0), ("a", 1.5), ("t", 0.5)):
        every_time, _judged, windowed, ignored = estimates(text, name)
        for mean, sd in (every_time, windowed):
            assert abs(mean - truth) < 3 * sd
        assert windowed[1] > every_time[1]
        assert abs(ignored[0] - truth) > 5 * ignored[1]


@pytest.mark.slow
@pytest.mark.skipif(not CAVANAGH.is_file(), reason="the data are not part of the package")
def test_a_falling_boundary_comes_back_from_real_data(tmp_path: Path) -> None:
    page = copy(HIERARCHICAL.read_text(), tmp_path)
    done = run(page, CAVANAGH)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.count("divergences: 0\n") == 2
    assert "can be trusted" in text
    (drift, _), (falling_drift, _), _judged = estimates(text, "v_Intercept")
    assert 0.1 < falling_drift < drift + 0.2 < 0.7
    theta, sd = estimates(text, "theta")[0]
    assert theta > 10 * sd
