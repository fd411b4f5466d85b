"""`likely generate`: what Python makes, and what it refuses."""

from __future__ import annotations

import itertools
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from commandline import assert_refused, command
from generating import tree

import likely as lk
from likely.commands.exit_codes import INTERRUPTED, SUCCESS
from likely.dataset import shards
from likely.labels import Labelling

LIMITS = ["--box", "t", "0", "0.5"]
FEW = ["--sets", "3", "--draws", "100", "--points", "20", "--seed", "5"]


def test_the_command_makes_what_python_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shares = ["--uniform", "0.2", "--impossible", "0.3", "--deadlines", "2", "--max-time", "5"]
    few = [*LIMITS, *FEW, *shares, "--sets-a-shard", "2", "--workers", "1"]
    outcome = command("generate", "ddm", *few, "-o", "set.zarr")
    assert outcome.code == SUCCESS, outcome
    head, row = (line.split() for line in outcome.out.splitlines())
    assert row[:4] == ["ddm", "3", "3", "60"]
    assert row[-2] == "set.zarr"
    assert head[-1] == "MB"
    lk.generate(
        lk.models["ddm"].with_box(t=(0, 0.5)), "python.zarr", sets=3, seed=5, sets_a_shard=2,
        labelling=Labelling(100, 20, 0.2, 0.3, 2, 5.0), progress=False,
    )  # fmt: skip
    assert tree(tmp_path / "set.zarr") == tree(tmp_path / "python.zarr")
    again = command("generate", "ddm", *few, "-o", "set.zarr")
    assert again.out.splitlines()[1].split()[2] == "0"


def test_the_command_refuses_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a")
    ddm = ["generate", "ddm", *LIMITS]
    for words, fragment in (
        (["generate", "ddm", "--box", "t", "2", "1", "-o", "a"], "below its upper end"),
        (["generate", "dmd", "-o", "a"], "Did you mean 'ddm'?"),
        (["generate", "ddm", "--box", "q", "0", "1", "-o", "a"], "unknown parameter 'q'"),
        ([*ddm, "--draws", "0", "-o", "a"], "draws is 0"),
        ([*ddm, "--uniform", "0.9", "--impossible", "0.2", "-o", "a"], "must not exceed 1"),
        ([*ddm, "-o", "file"], "is a file"),
        ([*ddm, *FEW, "-o", "file/set.zarr"], "file/set.zarr': Not a directory"),
        ([*ddm, "--seed", "-1", "-o", "a"], "seed is -1"),
        ([*ddm], "-o"),
    ):
        assert_refused(command(*words), fragment)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def interrupted(*arguments: Any, **given: Any) -> Any:
        if next(calls) == 0:  # once: a second Ctrl-C would cut the sentence off
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)
        raise AssertionError

    monkeypatch.setattr(shards, "labelled_sets", interrupted)
    outcome = command("generate", "ddm", *LIMITS, *FEW, "-o", tmp_path / "set.zarr")
    assert outcome.code == INTERRUPTED
    assert "0 of 3 shards are kept" in outcome.err
    assert "go on from there" in outcome.err
