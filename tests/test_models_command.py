"""`likely models`: the table, the card and the page of a model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import assert_refused, command

import likely as lk
from likely.errors import FileFormatError
from likely.shipped.headers import shipped_certificate

MINE = """
import likely as lk

mine = lk.Simulator(  # vectorized: nothing is to be compiled
    "mine",
    parameters={"p": (0.1, 0.9), "scale": (0.1, 2), "t": (0, 1)},
    choices=(-1, 1),
    simulate=lambda rng, p, scale, t: (
        t + rng.exponential(scale), 1 - 2 * (rng.random(len(p)) < p)
    ),
    vectorized=True,
    non_decision="t",
)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(MINE)
    return tmp_path


def test_the_table_has_a_line_a_model_below_its_family() -> None:
    lines = command("models").out.splitlines()
    assert lines[0].split() == ["model", "choices", "likelihood", "parameters"]
    assert max(len(line) for line in lines) <= 140
    for name, model in lk.models.items():
        (line,) = (line for line in lines if re.match(rf"{name}  ", line))
        assert line.endswith(" ".join(model.declaration.names))
    families = [line for line in lines if line.endswith(":")]
    assert len(families) == len(set(families)) > 1
    assert lines.index("ddm" + lines[lines.index(families[0]) + 1][3:]) > 0


def test_grades_in_the_table_are_those_of_certificates() -> None:
    certificate = shipped_certificate("ddm")
    assert certificate == lk.load("ddm").certificate
    assert certificate is not None
    assert certificate.exact is not None
    expected = f"{certificate.grade.words} {certificate.exact.log_density.median:.1g}"
    assert re.search(rf"^ddm .* {expected} ", command("models").out, re.M)


def test_the_card_of_a_model() -> None:
    text = command("models", "angle").out
    for part in ("v          -6    6        1/s   drift", "angle of collapse", "endless", "Source"):
        assert part in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_page_of_a_model_of_the_users_own(here: Path) -> None:
    outcome = command("models", "my.py:mine", "-o", "pages")
    assert outcome.code == 0
    assert "mine: choices -1 +1; likelihood to be trained" in outcome.out
    assert "mine.md" in outcome.err
    page = (here / "pages" / "mine.md").read_text()
    assert "![" in page
    for name in ("p", "scale", "t"):
        assert f"| {name} |" in page
    assert (here / "pages" / "mine.png").stat().st_size > 10_000


def test_what_makes_no_page_is_refused_in_a_line(here: Path) -> None:
    (here / "file").write_text("")
    assert_refused(command("models", "-o", "pages"), "name the model")
    assert_refused(command("models", "ddm", "-o", "file/pages"), "file")
    assert not (here / "pages").exists()


def test_the_table_reads_no_weights_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, json, likely.cli; likely.cli.run(['models']); "
        "print(json.dumps(sorted({'jax', 'pymc', 'pytensor', 'matplotlib'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_models_without_a_shipped_likelihood_are_told_from_misspelt_ones() -> None:
    with pytest.raises(FileFormatError, match="no likelihood of 'conflict_ds_angle' is shipped.*"):
        lk.load("conflict_ds_angle")
    with pytest.raises(FileFormatError, match=r"train\('conflict_ds_angle', labels=\"exact\"\)"):
        lk.load("conflict_ds_angle")
    with pytest.raises(FileFormatError, match="unknown shipped .* Did you mean 'conflict_ds'"):
        lk.load("conflict_ds_angel")
