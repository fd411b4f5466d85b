"""Comparison: log likelihoods of single trials, and what may be compared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from commandline import assert_refused, command
from finished import Finished, finished
from handmade import handmade_ddm

from likely import compare, plots
from likely.commands.exit_codes import SUCCESS
from likely.comparing import _waic
from likely.errors import DistrustWarning, FileFormatError, LikelyError
from likely.results import save_fit
from likely.results.folder import POINTWISE
from likely.results.pointwise import log_likelihood


@pytest.fixture(autouse=True)
def _no_doubts() -> Iterator[None]:
    """Made-up draws are not from the posterior, and single trials weigh too much."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistrustWarning)
        yield


@pytest.fixture(scope="module")
def good() -> Finished:
    return finished()


@pytest.fixture(scope="module")
def bad(good: Finished) -> Finished:
    """Return a fit with a drift that is too high by two."""
    idata = good.idata.copy(deep=True)
    idata["posterior"]["v_Intercept"] += 2.0
    return replace(good, idata=idata)


@pytest.fixture(scope="module")
def folder(good: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fits") / "good"
    save_fit(good, place)  # type: ignore[arg-type]
    return place


def test_log_likelihoods_are_those_of_each_trial_at_each_draw(good: Finished) -> None:
    found = log_likelihood(good.model, good.idata)["log_likelihood"]["trials"]
    assert found.dims == ("chain", "draw", "trial")
    posterior = good.idata["posterior"]
    for chain, draw in ((0, 0), (1, 31)):
        at = {n: float(posterior[n][chain, draw]) for n in posterior.data_vars if "|" not in str(n)}
        v = at["v_Intercept"] + at["v_coherence"] * good.data["coherence"].to_numpy()
        theta = {"v": v, "a": at["a"], "z": 0.5, "t": at["t"]}
        expected = good.likelihood.logp(theta, good.data[["rt", "choice"]])
        np.testing.assert_allclose(found[chain, draw], expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["one row", "rows shared by index", "group effects"])
def test_parameters_of_any_shape_are_evaluated_together(good: Finished, kind: str) -> None:
    likelihood, data = handmade_ddm(), good.data[["rt", "choice"]]
    group = np.arange(len(data)) % 3
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 0.1, (2, 6) if kind == "one row" else (2, 6, 3))
    with pm.Model() as model:
        if kind == "one row":
            v = pm.Normal("v")
        else:
            effects = pm.Normal("v", shape=3)
            v = effects[group] if kind == "rows shared by index" else (np.eye(3)[group] @ effects)
        t = pm.Uniform("t", 0.0, 0.3)
        likelihood("trials", v=v, a=1.0, z=0.5, t=t, observed=data)
    dims = ("chain", "draw", "group")[: draws.ndim]
    posterior = xr.Dataset({"v": (dims, draws), "t": (("chain", "draw"), np.full((2, 6), 0.2))})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    found = log_likelihood(model, tree, draws=6)["log_likelihood"]["trials"]
    assert found.shape == (2, 3, len(data))
    values = draws[1, 5] if kind == "one row" else draws[1, 5][group]
    expected = likelihood.logp({"v": values, "a": 1.0, "z": 0.5, "t": 0.2}, data)
    np.testing.assert_allclose(found[1, 2], expected, rtol=1e-10)


def test_the_better_model_comes_first(bad: Finished, folder: Path) -> None:
    table = compare({"too high": bad, "right": folder})  # type: ignore[dict-item]
    assert list(table.index) == ["right", "too high"]
    assert table.loc["too high", "elpd_diff"] < -50.0
    assert table["waic"].to_numpy() == pytest.approx(table["elpd"].to_numpy(), abs=3.0)
    ax = plots.comparison(table)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["right", "too high"]


def test_waic_is_mean_density_less_its_variance_over_draws() -> None:
    density = np.array([[[0.5, 0.2]], [[0.5, 0.6]]])
    trials = xr.Dataset({"trials": (("chain", "draw", "trial"), np.log(density))})
    found = _waic(xr.DataTree.from_dict({"log_likelihood": trials}))
    assert found == pytest.approx(np.log(0.5) + np.log(0.4) - 0.5 * np.log(3.0) ** 2)


def test_trials_of_constant_likelihood_do_not_stop_it(good: Finished, folder: Path) -> None:
    slopes = np.zeros((2, 50))
    idata = good.idata.copy(deep=True)
    for name in ("v_Intercept", "v_coherence", "a", "t"):
        value = {"a": 1.0, "t": 0.2}.get(name, 0.3)
        idata["posterior"][name] = idata["posterior"][name].copy(data=slopes + value)
    table = compare({"constant": replace(good, idata=idata), "right": folder})  # type: ignore[dict-item]
    assert np.isfinite(table["elpd"]).all()
    assert abs(table.loc["constant", "p"]) < 0.01


def test_what_cannot_be_compared_is_refused(good: Finished, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LikelyError, match="two fits or more"):
        compare({"one": folder})
    other = replace(good, data=good.data.assign(rt=good.data["rt"] + 0.01))
    with pytest.raises(LikelyError, match="number 1"):
        compare({"a": folder, "b": other})  # type: ignore[dict-item]
    timeless, switched = good.data.copy(), good.data.copy()
    timeless.loc[2, "rt"] = np.nan
    switched.loc[1, "choice"] *= -1
    limits = np.where(np.arange(len(good.data)) == 3, 60.0, np.nan)
    for row, data in enumerate((switched, timeless, good.data.assign(deadline=limits)), 2):
        with pytest.raises(LikelyError, match=f"number {row}\\)"):
            compare({"a": folder, "b": replace(good, data=data)})  # type: ignore[dict-item]
    endless = replace(good, data=good.data.assign(deadline=np.nan))
    assert len(compare({"a": folder, "b": endless})) == 2  # type: ignore[dict-item]
    fewer = replace(good, data=good.data.iloc[:-1])
    with pytest.raises(LikelyError, match="240 trials, 'b' of 239"):
        compare({"a": folder, "b": fewer})  # type: ignore[dict-item]
    for file in folder.iterdir():
        if file.name != POINTWISE:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(FileFormatError, match="there is no log_likelihood.nc"):
        compare({"a": folder, "b": tmp_path})


def test_the_command_writes_table_and_figure(folder: Path, tmp_path: Path) -> None:
    outcome = command("compare", folder, folder, "-o", tmp_path / "out")
    assert_refused(outcome, "given twice")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    outcome = command("compare", folder, copy, "-o", tmp_path / "out")
    assert outcome.code == SUCCESS, outcome.err
    assert "elpd_diff" in outcome.out
    table = pd.read_csv(tmp_path / "out" / "comparison.csv", index_col="model")
    assert set(table.index) == {"good", "copy"}
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
