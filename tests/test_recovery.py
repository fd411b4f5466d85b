"""The recovery benchmark: its posteriors are right, and its figures those of its numbers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytest

import likely as lk

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TRUTH = np.array([0.8, 1.2, 0.45, 0.3])


@pytest.fixture(scope="module")
def benchmark() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("recovery")
    for name in ("recovery", "tempering"):
        sys.modules.pop(name, None)


def test_particles_have_the_moments_of_known_posteriors(benchmark: Any) -> None:
    """Normal ones, of which one is narrow and tilted and one ends where parameters are impossible.

    The last is half a normal distribution: its mean is 0.798 and its sd 0.603 of the whole's.
    """
    roots = np.array([[[0.02, 0.0], [0.06, 0.01]], [[0.05, 0.0], [0.0, 0.05]]])
    centres = np.array([[0.5, -0.2], [0.1, 0.3]])

    def log_likelihood(rows: np.ndarray) -> np.ndarray:
        away = np.einsum("spq,snq->snp", np.linalg.inv(roots), rows - centres[:, None])
        values = -0.5 * (away**2).sum(axis=2)
        values[1, rows[1, :, 0] < centres[1, 0]] = -np.inf
        return values

    ends = np.array([-1.0, -1.0]), np.array([2.0, 1.0])
    found = benchmark.tempered(log_likelihood, *ends, sets=2, particles=200, seed=3)
    assert (found.disagreement < 0.15).all()
    assert len(np.unique(found.draws[0], axis=0)) > 4 * 200  # not the last particles alone
    means, sds = found.draws.mean(axis=1), found.draws.std(axis=1)
    covariance = roots[0] @ roots[0].T
    wanted = np.array([centres[0], centres[1] + [0.05 * 0.798, 0.0]])
    spreads = np.array([np.sqrt(np.diag(covariance)), [0.05 * 0.603, 0.05]])
    assert (np.abs(means - wanted) < 0.15 * spreads).all()
    np.testing.assert_allclose(sds, spreads, rtol=0.1)
    correlation = covariance[0, 1] / np.sqrt(np.prod(np.diag(covariance)))
    assert np.corrcoef(found.draws[0].T)[0, 1] == pytest.approx(correlation, abs=0.01)


def test_posteriors_are_those_of_pymc(benchmark: Any) -> None:
    """Also of data sets of different sizes, the likelihood written in JAX or compiled."""
    ddm, model = lk.load("ddm"), lk.models["ddm"]
    trials = benchmark.simulated(ddm, model, TRUTH, 5)
    assert trials.shape == (benchmark.TRIALS, 2)
    region = benchmark.prior(ddm.declaration)
    assert region.box == {**ddm.box, "t": (0.0, 1.0)}
    posteriors = benchmark.Posteriors(ddm, [trials, trials[:50]])
    rows = region.sets(7, 1)
    table = ddm.density.tabulate(ddm.weights, rows, trials)
    expected = np.stack([table.sum(axis=1), table[:, :50].sum(axis=1)])
    np.testing.assert_allclose(posteriors(np.stack([rows, rows])), expected, rtol=1e-9)

    only = benchmark.Posteriors(ddm, [trials])
    found = benchmark.tempered(only, region.lower, region.upper, sets=1, particles=200, seed=0)
    with pm.Model():
        given = {name: pm.Uniform(name, *ends) for name, ends in region.box.items()}
        ddm("trials", **given, observed=trials)
        idata = pm.sample(tune=400, draws=2000, chains=2, cores=1, random_seed=1, progressbar=False)
    draws = np.stack([idata["posterior"][name].to_numpy().ravel() for name in region.box], axis=1)
    ours = found.draws[0]
    assert (np.abs(ours.mean(axis=0) - draws.mean(axis=0)) < 0.15 * draws.std(axis=0)).all()
    np.testing.assert_allclose(ours.std(axis=0), draws.std(axis=0), rtol=0.1)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_likelihoods_are_sums_over_trials_in_compiled_code_and_in_jax(
    benchmark: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark.jax, "default_backend", lambda: backend)
    monkeypatch.setitem(benchmark.PAIRS, "gpu", 20)
    likelihood, model = lk.load("lognormal_race_2"), lk.models["lognormal_race_2"]
    region = benchmark.prior(model.declaration)
    truth, rows = region.sets(1, 2)[0], region.sets(5, 3)
    trials = benchmark.simulated(likelihood, model, truth, 5)
    table = likelihood.density.tabulate(likelihood.weights, rows, trials)
    found = benchmark.Posteriors(likelihood, [trials])(rows[None])
    np.testing.assert_allclose(found[0], table.sum(axis=1), rtol=1e-9)


def test_few_data_sets_come_back(benchmark: Any) -> None:
    model = lk.models["ddm"]
    found = benchmark.recovery(model, lk.load("ddm"), sets=6, particles=60)
    assert found.truths.shape == found.means.shape == (6, 4)
    correlations = dict(zip(found.names, found.correlations, strict=True))
    assert min(correlations["v"], correlations["t"]) > 0.95
    assert min(correlations["a"], correlations["z"]) > 0.5  # unknown where responses are alike
    lines = benchmark.table(model, found).splitlines()
    assert [line.split()[0] for line in lines] == ["parameter", *model.declaration.names]
    assert benchmark.figure(model, found).axes


def test_coverage_counts_what_lies_inside(benchmark: Any) -> None:
    below = np.array([[0.04, 0.5], [0.06, 0.949], [0.951, 0.96]])
    nothing = np.zeros((3, 2))
    found = benchmark.Recovery(("a", "b"), nothing, nothing, below, np.array([0.1, 0.49, 0.51]))
    assert found.inside.tolist() == [[False, True], [True, True], [False, False]]
    assert found.unsettled == 1


def test_pages_keep_the_lines_of_other_models(benchmark: Any, tmp_path: Path) -> None:
    page = tmp_path / "recovery.md"

    def entry(name: str, outside: int, apart: float) -> str:
        names = lk.models[name].declaration.names
        truths = np.random.default_rng(1).random((benchmark.SETS, len(names)))
        below = np.full(truths.shape, 0.5)
        below[:5, :-1], below[: 5 + outside, -1] = 0.99, 0.99
        distances = np.full(len(truths), apart)
        found = benchmark.Recovery(names, truths, 2.0 * truths, below, distances)
        return str(benchmark.entry(lk.models[name], found))

    benchmark.write_page(page, {"angle": entry("angle", 6, 0.9)})
    first = entry("ddm", 0, 0.1)
    benchmark.write_page(page, {"ddm": first.replace("1.00", "0.50")})
    benchmark.write_page(page, {"ddm": first})
    lines = page.read_text("utf8").splitlines()
    assert lines[0].startswith("# ")
    cells = ", ".join(f"{name} 1.00 (45)" for name in ("v", "a", "z", "t"))
    assert lines[-2] == f"| [ddm](models/ddm.md) | {cells} |"
    assert lines[-1].endswith("t 1.00 (45), theta 1.00 (**39**); 50 unsettled |")
    assert "theta 1.00 (**50**)" in entry("angle", -5, 0.0)
