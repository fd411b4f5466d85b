"""lk.predict: data sets drawn one at a time, and the graphs that draws are made by."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

import likely as lk
from likely.errors import ModelError, ParameterError
from likely.ops import TrialDraws

CONDITION = np.arange(600) % 3
SUBJECT = np.arange(600) // 150


@pytest.fixture(scope="module")
def model() -> pm.Model:
    """Drifts are stacked scalars picked by a constant index, which PyTensor would spell out."""
    ddm = lk.load("ddm")
    theta = {"v": np.array([0.0, 1.0, 2.0])[CONDITION], "a": 1.2, "z": 0.5, "t": 0.3}
    trials = ddm.sample(theta, 1, seed=1)
    trials["deadline"] = np.where(CONDITION == 0, 1.5, np.nan)
    trials.loc[trials.rt > trials.deadline, ["rt", "choice"]] = np.nan
    with pm.Model() as built:
        v = pt.stack([pm.Normal(f"v{k}", 0.0, 2.0) for k in range(3)])[CONDITION]
        a = pm.Gamma("a", mu=1.2, sigma=0.1, shape=4)[SUBJECT]
        ddm("trials", v=v, a=a, z=0.5, t=0.3, observed=trials)
    return built


@pytest.fixture(scope="module")
def idata() -> xr.DataTree:
    rng = np.random.default_rng(2)
    posterior = {
        f"v{k}": (("chain", "draw"), k + 0.01 * rng.normal(size=(2, 10))) for k in range(3)
    }
    a = 1.2 + 0.01 * rng.normal(size=(2, 10, 4))
    dataset = xr.Dataset({**posterior, "a": (("chain", "draw", "subject"), a)})
    return xr.DataTree.from_dict({"posterior": dataset})


def test_predictions_follow_the_parameters(model: pm.Model, idata: xr.DataTree) -> None:
    frames = list(lk.predict(idata, model, seed=3))
    assert len(frames) == 20
    choice = np.stack([frame["choice"] for frame in frames])
    rt = np.stack([frame["rt"] for frame in frames])
    ddm = lk.load("ddm")
    for condition in (1, 2):
        expected = ddm.choice_probability({"v": condition, "a": 1.2, "z": 0.5, "t": 0.3})[0, 1]
        found = (choice[:, condition == CONDITION] == 1).mean()
        assert found == pytest.approx(expected, abs=0.02)
    assert np.nanmax(rt[:, CONDITION == 0]) <= 1.5
    assert np.isnan(rt[:, CONDITION == 0]).any()
    assert not np.isnan(rt[:, CONDITION > 0]).any()


def test_a_seed_and_evenly_spaced_draws(model: pm.Model, idata: xr.DataTree) -> None:
    first = list(lk.predict(idata, model, draws=3, seed=4))
    again = list(lk.predict(idata, model, draws=3, seed=4))
    assert len(first) == 3
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not first[0].equals(first[1])


def test_draws_share_parameter_rows(model: pm.Model) -> None:
    function = pm.compile([], model["trials"], random_seed=1, mode="FAST_COMPILE")
    nodes = function.maker.fgraph.apply_nodes
    (draws,) = (node for node in nodes if isinstance(node.op, TrialDraws))
    assert draws.inputs[4].type.shape == (600,)
    assert max(len(node.inputs) for node in nodes) < 20


def test_what_cannot_be_predicted(model: pm.Model, idata: xr.DataTree) -> None:
    with pytest.raises(ParameterError, match="the posterior has 20"):
        lk.predict(idata, model, draws=21, seed=0)
    with pytest.raises(ModelError, match="Did you mean 'trials'"):
        lk.predict(idata, model, name="trial", seed=0)
    without = xr.DataTree.from_dict({"posterior": idata["posterior"].to_dataset()[["v0", "a"]]})
    with pytest.raises(ParameterError, match="no variable 'v1'"):
        lk.predict(without, model, seed=0)
    with pytest.raises(ParameterError, match="no group 'posterior'"):
        lk.predict(xr.DataTree(), model, seed=0)
    with pm.Model() as empty:
        pm.Normal("x")
    with pytest.raises(ModelError, match="no variable of the model holds"):
        lk.predict(idata, empty, seed=0)
