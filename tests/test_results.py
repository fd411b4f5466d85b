"""Folders of fits: everything comes back, nothing that was finished is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from finished import Finished, finished
from handmade import handmade_ddm
from scipy import stats

import likely as lk
from likely.errors import FileFormatError
from likely.regression import Fit
from likely.reporting.figures import effects
from likely.results import Request, Results, open_fit, save_fit
from likely.results.columns import column_types, read_columns
from likely.results.folder import (
    COMMAND,
    ESTIMATES,
    FILES,
    GRAPH,
    LIKELIHOOD,
    POSTERIOR,
    PREDICTED,
    REPORT,
    SCRIPT,
    SUMMARY,
    TRIALS,
    _read_estimates,
    _read_summary,
)
from likely.results.record import described
from likely.results.reproduce import script
from likely.results.source import source

REQUEST = Request("likely fit trials.csv -o out", "trials.csv", "rt < 9", {"draws": 50})


@pytest.fixture(scope="module")
def fit() -> Finished:
    return finished()


@pytest.fixture(scope="module")
def saved(fit: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("fits") / "out"
    return folder, save_fit(fit, folder, request=REQUEST)  # type: ignore[arg-type]


def test_what_is_saved_comes_back(fit: Finished, saved: tuple[Path, Results]) -> None:
    folder, written = saved
    assert {p.name for p in folder.iterdir()} == {*FILES, COMMAND}
    read = open_fit(folder)
    assert written.predicted is not None
    assert read.predicted is not None
    pd.testing.assert_frame_equal(read.data, fit.data)
    pd.testing.assert_frame_equal(read.predicted, written.predicted, check_dtype=False)
    pd.testing.assert_frame_equal(read.summary, written.summary, check_names=False)
    pd.testing.assert_frame_equal(read.priors, fit.specification.priors)
    for group in ("posterior", "prior", "sample_stats"):
        xr.testing.assert_equal(read.idata[group].to_dataset(), written.idata[group].to_dataset())
    assert written.estimates is not None
    assert read.estimates is not None
    pd.testing.assert_frame_equal(read.estimates, written.estimates, check_dtype=False)
    assert read.likelihood.digest == fit.likelihood.digest
    assert read.formula == fit.specification.formula
    assert (read.fixed, read.seed, read.outside) == ({"z": 0.5}, 3, 0.05)
    assert read.request == written.request
    assert read.request.command == REQUEST.command
    assert read.graph == written.graph
    assert repr(read).startswith("<Results: ddm, v ~ 1 + coherence + (1|subject), a ~ 1, t ~ 1; ")
    assert len(repr(read)) < 200


def test_the_exact_command_is_kept(saved: tuple[Path, Results]) -> None:
    folder, _ = saved
    assert REQUEST.command is not None
    assert REQUEST.command in (folder / COMMAND).read_text().splitlines()


def test_without_a_command_there_is_python_that_says_everything(
    fit: Finished, tmp_path: Path
) -> None:
    save_fit(fit, tmp_path, request=Request(sample={"draws": 50}))  # type: ignore[arg-type]
    text = (tmp_path / SCRIPT).read_text()
    compile(text, "reproduce.py", "exec")
    for part in ("'v': '1 + coherence + (1|subject)'", "fixed={'z': 0.5}", "seed=3", "draws=50"):
        assert part in text
    assert "priors={'v_coherence': (0.1, 1.0)}" in text


def test_an_interrupted_run_keeps_what_was_finished(
    fit: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("likely.results.folder.with_prior", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_fit(fit, tmp_path)  # type: ignore[arg-type]
    read = open_fit(tmp_path)
    assert read.estimates is not None
    assert read.predicted is None
    assert read.graph is None
    np.testing.assert_array_equal(
        read.idata["posterior"]["a"].values, fit.idata["posterior"]["a"].values
    )
    assert "v_coherence" in read.summary.index
    assert not list(tmp_path.glob(".*"))


def test_an_interrupted_run_mixes_no_files_of_an_earlier_one(
    fit: Finished, saved: tuple[Path, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = saved
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / REPORT).write_text("of the earlier one")
    monkeypatch.setattr(
        "likely.results.folder.predictions", lambda fit: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        save_fit(fit, tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / PREDICTED).exists()
    assert not (tmp_path / GRAPH).exists()
    assert not (tmp_path / REPORT).exists()


def test_a_fit_that_cannot_be_described_replaces_no_other(
    fit: Finished, saved: tuple[Path, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = saved
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    monkeypatch.setattr("likely.results.folder.described", lambda fit, request: {}["lapses"])
    with pytest.raises(KeyError):
        save_fit(fit, tmp_path)  # type: ignore[arg-type]
    assert {p.name for p in tmp_path.iterdir()} == set(FILES)


def test_coefficients_of_columns_with_any_name_are_shown(
    saved: tuple[Path, Results], tmp_path: Path
) -> None:
    """Only what Bambi and priors add on the way to a coefficient is left out."""
    draws = np.random.default_rng(1).standard_normal((2, 20))
    grouped = np.random.default_rng(2).standard_normal((2, 20, 3))
    scalars = ("v_stim", "v_stim_link", "v_stim_offset", "v_to_link", "theta", "theta_link")
    groups = ("v_1|sess_offset", "v_1|who", "v_1|who_offset")
    idata = az.from_dict(
        {"posterior": dict.fromkeys(scalars, draws) | dict.fromkeys(groups, grouped)}
    )
    kept = {*scalars[:-1], "v_1|sess_offset", "v_1|who"}
    likelihood = SimpleNamespace(declaration=SimpleNamespace(names=("v", "theta")))
    specification = SimpleNamespace(drawn=[*scalars, *groups])
    found = Fit(idata, likelihood, None, specification, 1).summary()  # type: ignore[arg-type]
    assert {name.split("[")[0] for name in found.index} == kept
    remade = _read_summary(tmp_path, idata, ("v", "theta"))
    pd.testing.assert_frame_equal(remade, found)
    results = replace(saved[1], idata=idata, summary=found)
    assert set(effects(results, smallest=2)) == {"v_1|sess_offset", "v_1|who"}


def _without_columns(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "columns": None}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "fit.json").unlink(), "is not the folder of a fit"),
        (lambda f: (f / "fit.json").write_text("{"), "is damaged"),
        (lambda f: (f / "fit.json").write_text('{"format": 99}'), "format 99 cannot be read"),
        (lambda f: (f / "fit.json").write_text('{"format": 1}'), "there is no 'columns'"),
        (lambda f: _without_columns(f / "fit.json"), "fit.json is damaged"),
        (lambda f: (f / POSTERIOR).unlink(), "interrupted before there were draws"),
        (lambda f: (f / POSTERIOR).write_bytes(b"?"), "posterior.nc is damaged"),
        (lambda f: (f / LIKELIHOOD).unlink(), "there is no file"),
        (lambda f: (f / TRIALS).write_text("rt,choice\n1,1\n"), "has columns"),
        (lambda f: (f / TRIALS).write_bytes(b""), "trials.csv is damaged"),
        (lambda f: (f / SUMMARY).write_bytes(b""), "summary.csv is damaged"),
        (lambda f: (f / SUMMARY).write_text("mean\n1,2,3\n1\n"), "summary.csv is damaged"),
        (lambda f: (f / ESTIMATES).write_text("mean\nx\n"), "estimates.csv is damaged"),
        (lambda f: (f / SUMMARY).write_bytes(b"\xff\xfe\xff"), "summary.csv is damaged"),
        (lambda f: (f / PREDICTED).write_bytes(b"?"), "predicted.nc is damaged"),
        (
            lambda f: (f / PREDICTED).write_bytes((f / PREDICTED).read_bytes()[:5000]),
            "predicted.nc is damaged",
        ),
        (
            lambda f: (f / PREDICTED).write_bytes((f / POSTERIOR).read_bytes()),
            "predicted.nc is damaged",
        ),
    ],
)
def test_damaged_folders_are_refused(
    damage: object, message: str, saved: tuple[Path, Results], tmp_path: Path
) -> None:
    folder, _ = saved
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(FileFormatError, match=message):
        open_fit(tmp_path)


def test_a_missing_summary_is_made_again(saved: tuple[Path, Results], tmp_path: Path) -> None:
    folder, written = saved
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / SUMMARY).unlink()
    pd.testing.assert_frame_equal(open_fit(tmp_path).summary, written.summary, check_names=False)


def test_estimates_come_back_whatever_columns_are_called(tmp_path: Path) -> None:
    words = ["", "low", "high"]
    data = pd.DataFrame({"mean": words, "sd": words, "x (column)": words, "age": [1, 2, 3]})
    about = {"parameter": "v", "unit": "", "level": "population"}
    covariates = {"mean (column)": words, "x (column)": words, "age": [1.0, 2.0, 3.0]}
    numbers = {"mean": 0.5, "sd": 0.1, "eti94_lb": 0.3, "eti94_ub": 0.7}
    rows = pd.DataFrame({**covariates, **about}).assign(**numbers)
    alone = pd.DataFrame([{**about, **numbers, "parameter": "a"}])
    order = [*about, *covariates, *numbers]
    written = pd.concat([rows, alone], ignore_index=True)[order]
    written.to_csv(tmp_path / ESTIMATES, index=False)
    read = _read_estimates(tmp_path / ESTIMATES, data)
    assert read is not None
    pd.testing.assert_frame_equal(read, written, check_dtype=False)


def test_columns_keep_their_types(tmp_path: Path) -> None:
    data = pd.DataFrame(
        {
            "rt": [0.1 + 0.2, np.nan, 1e-7],
            "subject": ["01", "2", None],
            "level": pd.Categorical(["lo", None, "hi"], ["lo", "mid", "hi"], ordered=True),
            "dose": pd.Categorical([1.5, 2.0, 1.5]),
            "go": [True, False, True],
            "seen": pd.array([True, None, False], dtype="boolean"),
            "n": [1, 2, 3],
        }
    )
    path = tmp_path / "data.csv"
    data.to_csv(path, index=False)
    types = json.loads(json.dumps(column_types(data)))
    pd.testing.assert_frame_equal(read_columns(path, types), data)


def test_calls_are_repeated_from_their_source() -> None:
    priors = {
        "v_coherence": bmb.Prior("StudentT", nu=4, mu=0.0, sigma=2.5),
        "v_1|subject_sigma": bmb.Prior("HalfNormal", noncentered=True, sigma=np.array([0.5, 1.0])),
        "a": (1.0, 0.5),
    }
    coding = {"left": -1, 3: 1, None: 1}
    given = {"priors": priors, "coding": coding, "deadline": np.float64(2.0), "noncentered": False}
    for name, value in given.items():
        again = eval(source(value), {"bmb": bmb, "np": np})
        assert repr(again) == repr(value).replace("np.float64(2.0)", "2.0"), name
    lapses = lk.Lapses(0.05, stats.gamma(2, scale=0.5))
    again = eval(source(lapses), {"lk": lk, "stats": stats})
    assert again.probability == 0.05
    assert again.density.logpdf(0.7) == lapses.density.logpdf(0.7)
    assert source(lk.Lapses()) == "lk.Lapses()"
    known = {"formula": {}, "fixed": {}, "seed": 1}
    request = Request(arguments={"lapse": source(lk.Lapses(density=Strange()))})
    assert "# ... stands for" in script(known | {"request": request})


def test_codings_of_what_is_kept_are_not_told() -> None:
    """A column choice is kept as it was read, and would be read a second time."""
    trials = pd.DataFrame({"rt": np.linspace(0.4, 1.0, 40), "choice": [-1, 1] * 20})
    plan = lk.specify(trials, model=handmade_ddm(), coding={-1: 1, 1: -1}, lapse=0.1)
    assert plan.data["choice"].tolist() == [1, -1] * 20
    assert plan.arguments == {"lapse": 0.1}


def test_what_python_called_is_called_again(tmp_path: Path) -> None:
    trials = pd.DataFrame(
        {"RT": np.linspace(0.4, 1.0, 40), "side": ["left", "right"] * 20, "limit": 2.0}
    )
    trials.loc[0, ["RT", "side"]] = np.nan
    priors = {"v_Intercept": bmb.Prior("Normal", mu=0.5, sigma=1.0)}
    arguments = {
        "priors": priors, "lapse": lk.Lapses(0.1), "rt": "RT", "choice": "side",
        "deadline": "limit", "coding": {"left": 1, "right": -1},
    }  # fmt: skip
    fixed = {"a": 1.0, "z": 0.5}
    plan = lk.specify(trials, model=handmade_ddm(), fixed=fixed, **arguments)
    assert plan.arguments == arguments
    sampler = {"draws": 20, "tune": 20, "chains": 2, "nuts_sampler": "pymc", "progressbar": False}
    drawn = {name: (("chain", "draw"), np.full((2, 20), 0.3)) for name in plan.sampled}
    idata = xr.DataTree.from_dict({"posterior": xr.Dataset(drawn)})
    fit = Fit(idata, plan.likelihood, plan.data, plan, 4, sampler)
    text = script(described(fit, None))
    calls = []
    module = SimpleNamespace(
        open_fit=lambda folder: fit, fit=lambda data, **given: calls.append((data, given)),
        save_fit=lambda *given: None, Lapses=lk.Lapses,
    )  # fmt: skip
    lines = "\n".join(line for line in text.splitlines() if "import likely" not in line)
    exec(lines, {"lk": module})
    ((data, given),) = calls
    assert data is fit.data
    expected = arguments | {"fixed": fixed, "seed": 4} | sampler
    del expected["progressbar"]
    found = {name: given[name] for name in expected}
    assert found == expected
    again = {n: v for n, v in given.items() if n not in ("model", "seed", *sampler)}
    plan_again = lk.specify(data, model=handmade_ddm(), **again)
    pd.testing.assert_frame_equal(plan_again.data, plan.data)
    pd.testing.assert_frame_equal(plan_again.priors, plan.priors)


class Strange:
    """A density that is none of scipy.stats."""

    logpdf = logsf = ppf = staticmethod(np.asarray)
