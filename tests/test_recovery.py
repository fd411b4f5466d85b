"""The recovery benchmark: its posteriors are PyMC's, and its figures those of its numbers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pymc as pm

import likely as lk

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "recovery.py"
_found = importlib.util.spec_from_file_location("recovery", SCRIPT)
assert _found is not None
assert _found.loader is not None
benchmark = importlib.util.module_from_spec(_found)
sys.modules["recovery"] = benchmark  # dataclasses look their module up
_found.loader.exec_module(benchmark)

TRUTH = np.array([0.8, 1.2, 0.45, 0.3])


def test_posteriors_are_those_of_pymc() -> None:
    ddm, model = lk.load("ddm"), lk.models["ddm"]
    trials = benchmark.simulated(ddm, model, TRUTH, 5)
    assert trials.shape == (benchmark.TRIALS, 2)
    region = benchmark.prior(ddm.declaration)
    assert region.box == {**ddm.box, "t": (0.0, 1.0)}
    found = [benchmark.posterior(ddm, region, trials, TRUTH, seed) for seed in range(3)]
    with pm.Model():
        given = {name: pm.Uniform(name, *ends) for name, ends in region.box.items()}
        ddm("trials", **given, observed=trials)
        idata = pm.sample(tune=400, draws=400, chains=2, cores=1, random_seed=1, progressbar=False)
    draws = np.stack([idata["posterior"][name].to_numpy().ravel() for name in region.box], axis=1)
    for rows, effective in found:
        assert effective >= benchmark.ENOUGH
        assert (np.abs(rows.mean(axis=0) - draws.mean(axis=0)) < 0.15 * draws.std(axis=0)).all()
        np.testing.assert_allclose(rows.std(axis=0), draws.std(axis=0), rtol=0.1)


def test_few_data_sets_come_back() -> None:
    model = lk.models["ddm"]
    found = benchmark.recovery(model, lk.load("ddm"), sets=6)
    assert found.truths.shape == found.means.shape == (6, 4)
    assert min(found.correlations) > 0.8
    lines = benchmark.table(model, found).splitlines()
    assert [line.split()[0] for line in lines] == ["parameter", *model.declaration.names]
    assert benchmark.figure(model, found).axes


def test_coverage_counts_what_lies_inside() -> None:
    below = np.array([[0.04, 0.5], [0.06, 0.949], [0.951, 0.96]])
    found = benchmark.Recovery(("a", "b"), np.zeros((3, 2)), np.zeros((3, 2)), below, np.ones(3))
    assert found.inside.tolist() == [[False, True], [True, True], [False, False]]
