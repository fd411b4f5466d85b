"""Progress bars: on stderr, on long runs only, whatever becomes of the run."""

from __future__ import annotations

import functools
import time

import pytest

from likely import simulation
from likely.progress import Progress
from likely.simulation import simulate

DDM = {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.5}


def test_a_long_run_shows_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(simulation, "Progress", functools.partial(Progress, delay=0.0))
    simulate("ddm", DDM, 10, seed=0)
    captured = capsys.readouterr()
    assert "simulating ddm" in captured.err
    assert "100%" in captured.err
    assert captured.out == ""
    simulate("ddm", DDM, 10, seed=0, progress=False)
    assert capsys.readouterr().err == ""


def test_a_short_run_shows_nothing(capsys):
    simulate("ddm", DDM, 1000, seed=0)
    assert capsys.readouterr() == ("", "")


def test_the_bar_waits_for_its_delay(capsys):
    with Progress("waiting", 3, delay=0.2) as bar:
        bar.advance(1)
        assert capsys.readouterr().err == ""
        time.sleep(0.25)
        bar.advance(1, "almost")
    shown = capsys.readouterr().err
    assert "waiting" in shown
    assert "67%" in shown
    assert "almost" in shown


def test_the_bar_survives_a_failure_and_too_much_progress(capsys):
    def fail():
        with Progress("[odd] name", 1, delay=0) as bar:
            bar.update(5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "[odd] name" in capsys.readouterr().err
