"""The command line: results, messages of one line, exit codes, and nothing left behind."""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from commandline import assert_refused, command, refuse_to_sample
from handmade import handmade_ddm

import likely
from likely import simulation
from likely.certificates.effort import Effort
from likely.commands.exit_codes import BAD_INPUT, INTERRUPTED, SUCCESS
from likely.errors import RecodedWarning, SamplingInterrupted
from likely.results.folder import COMMAND, FILES

ROITMAN = Path(__file__).parents[2] / "shared" / "data" / "roitman_rts.csv"
THETA = ["--v", "1", "--a", "1.5", "--z", "0.5", "--t", "0.3"]
MODEL_FILE = """
import likely as lk

def drift(v): return v
def boundary(a): return a

box = dict(v=(-1, 1), a=(0.5, 1), t=(0, 2))
mine = lk.Diffusion("mine", parameters=box, drift=drift, boundary=boundary)
clash = lk.Diffusion(
    "clash", parameters=dict(seed=(0, 1), a=(1, 2)), drift=lambda seed: seed, boundary=boundary
)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def likelihood(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade_ddm().save(tmp_path_factory.mktemp("likelihood") / "handmade.likely")


@pytest.fixture
def trials(here: Path) -> Path:
    """Return a file of trials whose choices are 0 and 1."""
    rng = np.random.default_rng(5)
    coherence = rng.choice([0.0, 0.1, 0.25, 0.5], 200)
    theta = {"v": 4 * coherence, "a": 0.8, "z": 0.5, "t": 0.3}
    drawn = handmade_ddm().sample(theta, 1, 6)
    correct = (drawn["choice"] + 1) / 2
    frame = pd.DataFrame({"RT": drawn["rt"], "correct": correct, "coherence": coherence})
    frame.to_csv(here / "trials.csv", index=False)
    return here / "trials.csv"


@pytest.fixture
def no_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pm, "sample", refuse_to_sample)


def test_help_names_every_command() -> None:
    assert command() == command("--help")
    for name in ("models", "simulate", "train", "fit", "demo"):
        assert name in command("--help").out
        assert command(name, "--help").code == SUCCESS
    assert command("--version").out.startswith("likely ")


def test_help_of_a_model_lists_its_parameters() -> None:
    text = command("simulate", "angle", "--help").out
    for name in likely.models["angle"].declaration.names:
        assert f"--{name} FLOAT" in text
    assert "box -6 to 6" in text


def test_models_are_listed_and_shown() -> None:
    listed = command("models").out
    for name, model in likely.models.items():
        assert name in listed
        card = command("models", name).out
        for p in model.parameters:
            assert p.description in card


def test_help_does_not_wait_for_heavy_imports() -> None:
    code = (
        "import sys, likely.cli; likely.cli.run(['--help']); "
        "sys.exit(bool({'jax', 'numba', 'pymc', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_simulated_trials_are_those_of_python(here: Path) -> None:
    outcome = command("simulate", "ddm", *THETA, "-n", "50", "--seed", "3", "-o", "a/b.csv")
    assert outcome.code == SUCCESS
    assert "50 trials in a/b.csv" in outcome.out
    expected = likely.simulate("ddm", {"v": 1, "a": 1.5, "z": 0.5, "t": 0.3}, 50, seed=3)
    pd.testing.assert_frame_equal(pd.read_csv("a/b.csv"), expected)
    printed = command("simulate", *THETA, "ddm", "-n", "50", "--seed=3").out
    assert printed == Path("a/b.csv").read_text()
    assert sorted(p.name for p in Path("a").iterdir()) == ["b.csv"]


def test_negative_values_are_values() -> None:
    theta = ["--v", "-1.5", "--a", "1", "--z", "0.5", "--t", "0"]
    trials = pd.read_csv(io.StringIO(command("simulate", "ddm", *theta, "-n", "200").out))
    assert trials["choice"].mean() < -0.7


def test_models_of_the_users_own(here: Path) -> None:
    (here / "my.py").write_text(MODEL_FILE)
    assert "mine: choices -1 +1" in command("models", "my.py:mine").out
    outcome = command("simulate", "my.py:mine", "--v", "1", "--a", "0.7", "--t", "0", "-n", "5")
    assert outcome.out.startswith("rt,choice\n")
    assert_refused(command("simulate", "my.py:mine", "--vv", "1"), "'--vv'", "--v")
    assert_refused(command("simulate", "my.py:mne", "--v", "1"), "Did you mean 'mine'?")
    assert_refused(command("simulate", "my.py:clash", "--a", "1"), "'seed' has the name of an opt")
    words = ["--v", "1", "--a", "0.7", "--t=0", "-n", "5", "-o", "out.pyx.csv"]
    assert command("simulate", *words, "my.py:mine").code == SUCCESS
    assert Path("out.pyx.csv").read_text() == outcome.out
    assert command("simulate", "-o", "mine.py", "-n5", *THETA, "--", "ddm").code == SUCCESS
    assert "--theta FLOAT" in command("simulate", "--help", "angle").out
    assert_refused(command("models", "my.py"), "say which model in it: my.py:NAME")
    assert_refused(command("models", "your.py:mine"), "no file 'your.py'")
    (here / "bad.py").write_text("1 / 0")
    assert_refused(command("train", "bad.py:mine"), "'bad.py' fails: ZeroDivisionError")
    (here / "worse.py").write_text("def (")
    assert_refused(command("train", "worse.py:mine"), "'worse.py' fails: SyntaxError")


def test_training_certifies_what_it_writes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effort = Effort(
        sets=20, gradients=5, posteriors=2, trials=(100, 1000),
        simulated=5, draws=50, simulates_always=False,
    )  # fmt: skip
    monkeypatch.setattr("likely.certificates.checking.QUICK", effort)
    outcome = command("train", "ddm", "--steps", "20", "--labels", "draws")
    assert outcome.code == SUCCESS
    certificate = likely.load("ddm.likely").certificate
    assert certificate is not None
    assert not certificate.trusted
    assert certificate.verdict in outcome.out


def test_training_writes_a_likelihood(here: Path) -> None:
    (here / "my.py").write_text(MODEL_FILE)
    words = ["train", "my.py:mine", "--steps", "20", "--seed", "1", "-o", "mine.likely"]
    outcome = command(*words, "--no-check")
    assert outcome.code == SUCCESS
    assert "mine.likely" in outcome.out
    assert likely.load("mine.likely").training.steps == 20
    assert likely.load("mine.likely").certificate is None
    assert_refused(command("train", "ddm", "--seconds", "-1"), "seconds")
    assert_refused(command("train", "ddm", "-o", "ddm.bin"), "ends in .likely")


def test_fitting_writes_everything_it_says(trials: Path, likelihood: Path) -> None:
    words = ["--rt", "RT", "--choice", "correct", "--where", "RT < 9", "--v", "0 + coherence"]
    words += ["--z", "0.5", "--lapse", "0.01", "--prior", "v_coherence", "4", "3"]
    words += ["--draws", "60", "--tune", "200", "--chains", "2", "--seed", "7", "-o", "out"]
    outcome = command("fit", trials, "--model", likelihood, *words)
    assert outcome.code == SUCCESS, outcome.err
    assert "correct 0 was read as -1, 1 was read as +1" in outcome.err
    for shown in ("median", "v_coherence", "Normal(4, 3)", "0.01, times uniform up to"):
        assert shown in outcome.err
    assert "Traceback" not in outcome.err
    for name in ("v_coherence", "fixed", "t (s)", "200 trials"):
        assert name in outcome.out
    assert "t_Intercept" not in outcome.out
    assert {p.name for p in Path("out").iterdir()} == {
        *FILES,
        COMMAND,
        "quantiles.png",
        "report.html",
    }
    with xr.open_datatree("out/posterior.nc", engine="h5netcdf") as posterior:
        assert posterior["posterior"]["v_coherence"].shape == (2, 60)
    assert "t" in pd.read_csv("out/summary.csv", index_col="parameter").index
    record = json.loads(Path("out/fit.json").read_text())
    assert record["formula"] == {"v": "0 + coherence", "a": "1", "t": "1"}
    assert record["fixed"] == {"z": 0.5}
    assert record["priors"][0]["prior"] == "Normal(4, 3)"
    assert record["seed"] == 7
    assert Path("out/quantiles.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_folder_that_was_moved_repeats_its_fit(
    here: Path, trials: Path, likelihood: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("likely.reporting.report", lambda results, path: path)  # it takes seconds
    words = ["--v", "0 + coherence", "--z=0.5", "--prior", "v_coherence", "4", "3", "--seed", "7"]
    words += ["--where", "RT < 0.9", "--code", "0=-1", "--code", "1=1", "--deadline", "0.95"]
    words += ["--draws", "40", "--tune", "60", "--chains", "2", f"-m{likelihood}"]
    outcome = command(*FIT, *words)
    assert outcome.code == SUCCESS, outcome.err
    moved = (here / "out").rename(here / "elsewhere")
    trials.unlink()
    *_, change, again = (moved / COMMAND).read_text().splitlines()
    assert change == 'cd "$(dirname "$0")" || exit 1'
    monkeypatch.chdir(moved)
    outcome = command(*shlex.split(again)[1:])
    assert outcome.code == SUCCESS, outcome.err
    first, second = likely.open_fit(moved), likely.open_fit(moved / "again")
    pd.testing.assert_frame_equal(first.data, second.data)
    pd.testing.assert_frame_equal(first.priors, second.priors)
    slopes = [fit.idata["posterior"]["v_coherence"].to_numpy() for fit in (first, second)]
    np.testing.assert_allclose(*slopes, rtol=1e-6)


@pytest.mark.usefixtures("trials")
def test_one_chain_is_not_trusted(likelihood: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likely.reporting.report", lambda results, path: path)  # it takes seconds
    words = ["--z", "0.5", "--draws", "20", "--tune", "50", "--chains", "1"]
    words += ["--target-accept", "0.9"]
    outcome = command(*FIT, f"-m{likelihood}", *words)
    assert outcome.code == SUCCESS, outcome.err
    assert "warning: There is one chain only." in outcome.err
    assert "r-hat" not in outcome.err
    assert logging.getLogger("pymc").level < logging.ERROR


FIT = ["fit", "trials.csv", "--rt", "RT", "--choice", "correct", "-o", "out"]


@pytest.mark.usefixtures("trials", "no_sampling")
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["simulat"], "No such command 'simulat'"),
        (["models", "dmd"], "Did you mean 'ddm'?"),
        (["simulate"], "Missing argument 'MODEL'"),
        (["simulate", "dmd", "--v", "1"], "Did you mean 'ddm'?"),
        (["simulate", "--v", "1"], "unknown model '--v'"),
        (["simulate", "ddm", "--v", "1"], "no value for parameter 'a'"),
        (["simulate", "angle", *THETA, "--teta", "1"], "--theta"),
        (["simulate", "ddm", *THETA, "--v", "fast"], "'fast' is not a valid float"),
        (["simulate", "ddm", *THETA, "--v", "nan"], "parameter 'v' is nan"),
        (["simulate", "ddm", *THETA, "--a", "99"], "outside the box"),
        (["simulate", "ddm", *THETA, "-n", "0"], "n is 0"),
        (["simulate", "ddm", *THETA, "--seed", "-1"], "seed is -1"),
        (["simulate", "ddm", *THETA, "-o", "trials.csv/a.csv"], "trials.csv"),
        (["train"], "Missing argument 'MODEL | STORE.zarr...'"),
        (["fit"], "Missing argument 'TRIALS'"),
        (["fit", "trials.csv", "-o", "out"], "Missing option '-m' / '--model'"),
        (["fit", "trials.csv", "--model"], "'--model' requires an argument"),
        (["fit", "trials.csv", "--model", "ddn", "-o", "out"], "unknown shipped likelihood 'ddn'"),
        (["fit", "trials.csv", "--model", "trials.csv", "-o", "out"], "trials.csv"),
        ([*FIT, "--vv", "1"], "No such option '--vv'"),
        ([*FIT, "--v", "0 + colour"], "'colour'. Known: RT, correct, coherence."),
        ([*FIT, "--v", "coherence +"], "cannot be read"),
        ([*FIT, "--v", "(1|colour)"], "unknown column 'colour'"),
        ([*FIT, "--z", "7"], "'z' is fixed at 7, outside the box"),
        ([*FIT, "--choice", "Correct"], "Did you mean 'correct'?"),
        ([*FIT, "--choice", "coherence"], "column 'choice', row"),
        ([*FIT, "--code", "0"], "--code 0 is not VALUE=CHOICE"),
        ([*FIT, "--code", "0=1"], "holds 1, which the coding does not mention"),
        ([*FIT, "--deadline", "late"], "unknown column 'late'. Known: RT, correct, coherence."),
        ([*FIT, "--deadline", "0"], "deadline is 0.0; it must be a positive number"),
        ([*FIT, "--lapse", "some"], "--lapse is 'some'; it must be a number or 'estimated'"),
        ([*FIT, "--where", "RT >"], "cannot select rows"),
        ([*FIT, "--where", "RT > 99"], "no row of 200"),
        ([*FIT, "--prior", "w", "0", "1"], "unknown coefficient 'w'"),
        ([*FIT, "--lapse", "2"], "lapse probability is 2"),
        ([*FIT, "--draws", "0"], "--draws"),
        ([*FIT, "--sampler", "gibbs"], "'gibbs' is not one of"),
        ([*FIT, "-o", "trials.csv/out"], "'trials.csv/out': Not a directory."),
        (["fit", "trials.csv", "--model=", "-o", "out"], "unknown shipped likelihood ''"),
        (["fit", "trials.csv", "-mdmd", "-o", "out"], "Did you mean 'ddm'?"),
        ([*FIT, "--seed", "x"], "'x' is not a valid integer"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    likelihood: Path, words: list[str], fragment: str
) -> None:
    if words[: len(FIT)] == FIT:
        words = [*words, "--model", str(likelihood)]
    assert_refused(command(*words), fragment)
    assert not Path("out").exists()


def test_interruption_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulation, "simulate", interrupt)
    outcome = command("simulate", "ddm", *THETA)
    assert outcome.code == INTERRUPTED
    assert outcome.err.strip() == "likely: interrupted."


@pytest.mark.usefixtures("trials")
def test_interrupted_sampling_keeps_its_draws(
    likelihood: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def partial(**arguments: Any) -> xr.DataTree:
        values = np.random.default_rng(1).normal(size=(4, 40))
        values[0, 30:], values[1, 2:], values[2] = np.nan, np.nan, np.nan  # as nutpie leaves them
        names = {"v_Intercept": values, "a": 1 + 0.01 * values, "t": 0.2 + 0.01 * values}
        drawn = {name: (("chain", "draw"), value) for name, value in names.items()}
        coords = {"chain": np.arange(4), "draw": np.arange(40)}
        return xr.DataTree.from_dict({"posterior": xr.Dataset(drawn, coords)})

    monkeypatch.setattr(pm, "sample", partial)
    monkeypatch.setattr("likely.reporting.report", lambda results, path: path)  # it takes seconds
    outcome = command(*FIT, "--model", str(likelihood), "--z", "0.5", "--draws", "500")
    assert outcome.code == INTERRUPTED, outcome.err
    assert "warning: Sampling was interrupted: 2 of 4 chains have 30 of 500 draws." in outcome.err
    last = "likely: interrupted; the draws until then are in out, with report.html."
    assert outcome.err.splitlines()[-1] == last
    kept = likely.open_fit("out").idata["posterior"]
    assert kept["t"].shape == (2, 30)
    assert not kept["t"].isnull().any()
    data = pd.read_csv("trials.csv").rename(columns={"RT": "rt", "correct": "choice"})
    with pytest.raises(SamplingInterrupted) as raised, pytest.warns(RecodedWarning):
        likely.fit(data, model=likelihood, fixed={"z": 0.5}, seed=1, draws=500)
    assert raised.value.fit.sample == {"draws": 500, "tune": 1000, "chains": 4}
    assert raised.value.fit.summary().loc["t", "mean"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.usefixtures("trials")
def test_interrupted_sampling_leaves_nothing(
    likelihood: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(**arguments: Any) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    def partial(**arguments: Any) -> xr.DataTree:
        draws = xr.Dataset({"t": (("chain", "draw"), np.empty((2, 0)))})
        return xr.DataTree.from_dict({"posterior": draws})

    for sample in (compiled, partial):
        monkeypatch.setattr(pm, "sample", sample)
        outcome = command(*FIT, "--model", str(likelihood))
        assert outcome.code == INTERRUPTED
        last = "interrupted before there were draws to keep; nothing was written to out."
        assert outcome.err.splitlines()[-1] == f"likely: {last}"
        assert not Path("out").exists()


def test_missing_samplers_are_named(
    trials: Path, likelihood: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(**arguments: Any) -> None:
        raise ImportError("No module named 'numpyro'")

    monkeypatch.setattr(pm, "sample", missing)
    words = [*FIT, "--model", str(likelihood), "--sampler", "numpyro"]
    last = command(*words).err.splitlines()[-1]
    assert "No module named 'numpyro'" in last
    assert "likely's extra 'samplers'" in last


@pytest.mark.skipif(not ROITMAN.exists(), reason="needs the published data")
@pytest.mark.usefixtures("no_sampling", "here")
def test_published_trials_reach_the_sampler(likelihood: Path) -> None:
    where = "monkey == 1 and 0.1 < rt < 1.65"
    words = ["--rt", "rt", "--choice", "correct", "--where", where, "--v", "0 + coh", "--z", "0.5"]
    outcome = command("fit", ROITMAN, "--model", likelihood, *words, "-o", "out")
    assert outcome.code == BAD_INPUT
    assert outcome.err.splitlines()[-1].startswith("likely: sampling failed: no sampling")


def test_output_to_a_closed_pipe_is_no_error() -> None:
    code = "import sys; from likely.cli import main; main()"
    words = ["simulate", "ddm", *THETA, "-n", "20000"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == SUCCESS


@pytest.mark.parametrize("words", [["train", "ddm", "--steps", "1"], ["simulate", "ddm"]])
def test_places_that_cannot_be_written_are_found_out_before_the_work(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    values = ["--v", "1", "--a", "1", "--z", "0.5", "--t", "0"] if words[0] == "simulate" else []
    outcome = command(*words, *values, "-o", str(tmp_path / "file" / "x.likely"))
    assert outcome.code == 2
    assert f"'{tmp_path / 'file'}'" in outcome.err
