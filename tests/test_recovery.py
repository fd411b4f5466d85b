"""The recovery benchmark: its posteriors are PyMC's, and its figures those of its numbers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pymc as pm
from scipy.special import logit

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
        idata = pm.sample(tune=400, draws=2000, chains=2, cores=1, random_seed=1, progressbar=False)
    data = benchmark.DataSet.of(ddm, benchmark.NoTwin(), region, trials)
    points, effective = benchmark.nuts(data, logit((TRUTH - region.lower) / region.width), 3)
    assert effective >= benchmark.FEW
    found.append((data.rows(points), benchmark.ENOUGH, False))
    draws = np.stack([idata["posterior"][name].to_numpy().ravel() for name in region.box], axis=1)
    for rows, effective, by_nuts in found:
        assert effective >= benchmark.ENOUGH
        assert not by_nuts
        assert (np.abs(rows.mean(axis=0) - draws.mean(axis=0)) < 0.15 * draws.std(axis=0)).all()
        np.testing.assert_allclose(rows.std(axis=0), draws.std(axis=0), rtol=0.1)


def test_few_data_sets_come_back() -> None:
    model = lk.models["ddm"]
    found = benchmark.recovery(model, lk.load("ddm"), sets=6)
    assert found.truths.shape == found.means.shape == (6, 4)
    correlations = dict(zip(found.names, found.correlations, strict=True))
    assert min(correlations["v"], correlations["t"]) > 0.95
    assert min(correlations["a"], correlations["z"]) > 0.5  # unknown where responses are alike
    lines = benchmark.table(model, found).splitlines()
    assert [line.split()[0] for line in lines] == ["parameter", *model.declaration.names]
    assert benchmark.figure(model, found).axes


def test_coverage_counts_what_lies_inside() -> None:
    below = np.array([[0.04, 0.5], [0.06, 0.949], [0.951, 0.96]])
    found = benchmark.Recovery(
        ("a", "b"), np.zeros((3, 2)), np.zeros((3, 2)), below, np.ones(3), np.ones(3)
    )
    assert found.inside.tolist() == [[False, True], [True, True], [False, False]]


def test_pages_keep_the_lines_of_other_models(tmp_path: Path) -> None:
    page = tmp_path / "recovery.md"
    angle = benchmark.entry(lk.models["angle"], 5 * [0.914], [45, 45, 50, 45, 39], 3)
    benchmark.write_page(page, {"angle": angle})
    first = benchmark.entry(lk.models["ddm"], 4 * [0.5], 4 * [45], 0)
    benchmark.write_page(page, {"ddm": first})
    benchmark.write_page(page, {"ddm": first.replace("0.50", "0.60")})
    lines = page.read_text("utf8").splitlines()
    assert lines[0].startswith("# ")
    cells = ", ".join(f"{name} 0.60 (45)" for name in ("v", "a", "z", "t"))
    assert lines[-2] == f"| [ddm](models/ddm.md) | {cells} |"
    assert lines[-1].endswith("t 0.91 (45), theta 0.91 (**39**); 3 by NUTS |")
