"""Run the command line inside the test's own process."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymc as pm

from likely.cli import run
from likely.commands.exit_codes import BAD_INPUT


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


def command(*words: str | Path) -> Outcome:
    """Run `likely` with these words."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run([str(word) for word in words])
    return Outcome(code, out.getvalue(), err.getvalue())


def assert_refused(outcome: Outcome, *fragments: str) -> None:
    """Require exit code 2 and one line on stderr that holds the fragments."""
    assert outcome.code == BAD_INPUT, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("likely: ")
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    for fragment in fragments:
        assert fragment in outcome.err


def refuse_to_sample(**arguments: Any) -> None:
    """Stand in for pm.sample."""
    raise pm.exceptions.SamplingError("no sampling\nin this test")
