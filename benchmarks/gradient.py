"""Milliseconds a gradient of the log posterior takes, beside HSSM in the same run.

    uv run python benchmarks/gradient.py [--model ddm] [--trials 4000]
    uv run python benchmarks/gradient.py --threads 1 2 [--without-peer]
    uv run python benchmarks/gradient.py --alone race_3 lba3 ddm_st

Three models of the same trials. In one the drift is that of one of 42 conditions, so that 42 rows
of parameters are distinct; in another it is a regression on a continuous covariate, so that all
are; in the last the boundary depends on a second covariate as well. What is left of boundary, start
and non-decision time is estimated too. Both packages evaluate value and gradient
with PyMC's default backend and with JAX; the peer, whose network has the published layers, runs in
an environment of its own (`peers/hssm_gradient.py`). Medians.

With `--threads`, ours divides trials among so many threads; without, it has one. The peer's JAX
uses all cores, its default backend one.

With `--alone`, what compiled code takes of the likelihoods named, without PyMC and without a peer:
value and gradient of trials of 42 rows of parameters from the box, and of as many rows as trials;
and the value alone of 500 trials of one row.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm

import likely as lk
from likely.certificates.region import Region
from likely.kernels.native import NO_INDEX

PEER = Path(__file__).parent / "peers" / "hssm_gradient.py"
CONDITIONS, REPEATS, SEED = 42, 200, 0
MOVED = 0.5  # of the point from the start, where the covariate has no effect
CASES = {
    "42 rows": {"v": "v ~ 0 + condition"},
    "all distinct": {"v": "v ~ 1 + x"},
    "two covariates": {"v": "v ~ 1 + x", "a": "a ~ 1 + y"},
}
MODES = ("default", "JAX")


def trials(n: int) -> pd.DataFrame:
    """Return trials of the drift diffusion model, their condition and a covariate."""
    rng = np.random.default_rng(SEED)
    condition = rng.integers(0, CONDITIONS, n)
    drifts = np.linspace(-2.0, 2.0, CONDITIONS)[condition]
    theta = np.column_stack([drifts, np.full(n, 1.2), np.full(n, 0.5), np.full(n, 0.3)])
    frame = lk.simulate("ddm", theta, 1, seed=SEED)[["rt", "choice"]]
    frame = frame.assign(condition=condition, x=rng.normal(size=n))
    return frame.assign(y=rng.normal(size=n))


def ours(data: pd.DataFrame, case: str, name: str, threads: int = 1) -> pm.Model:
    """Return our model of a case."""
    likelihood = lk.load(name).on_threads(threads)
    with pm.Model() as model:
        if case == "42 rows":
            v = pm.Normal("v", 0.0, 2.0, shape=CONDITIONS)[data["condition"].to_numpy()]
        else:
            v = pm.Normal("b0", 0.0, 2.0) + pm.Normal("b1", 0.0, 2.0) * data["x"].to_numpy()
        a, t = pm.Gamma("a", mu=1.5, sigma=0.75), pm.Uniform("t", 0.0, 0.3)
        if case == "two covariates":
            a = a * pm.math.exp(pm.Normal("a1", 0.0, 0.1) * data["y"].to_numpy())
        rest = {n: 0.0 for n in likelihood.declaration.names if n not in ("v", "a", "z", "t")}
        z = pm.Beta("z", 5.0, 5.0)
        likelihood("trials", v=v, a=a, z=z, t=t, **rest, observed=data[["rt", "choice"]])
    return model


def seconds(model: pm.Model, mode: str) -> list[float]:
    """Time value and gradient, after the first, which compiles."""
    chosen = None if mode == "default" else mode
    function = model.logp_dlogp_function(ravel_inputs=True, mode=chosen)
    function.set_extra_values({})
    start = model.initial_point()
    point = MOVED + np.concatenate([np.ravel(start[v.name]) for v in model.value_vars])
    found = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        np.asarray(function(point)[1])  # waits for JAX
        found.append(time.perf_counter() - began)
    return found[1:]


def alone(name: str, n: int) -> list[list[float]]:
    """Time a likelihood without PyMC: 42 rows, one a trial, and the value of 500 of one row."""
    likelihood, rng = lk.load(name), np.random.default_rng(SEED)
    weights = likelihood.density.prepared(likelihood.weights)
    rows = Region.of(likelihood.declaration, None).truths(n, SEED)
    found = []
    for own, index, judged in (
        (rows[:CONDITIONS], rng.integers(0, CONDITIONS, n), n),
        (rows, NO_INDEX, n),
        (rows[:1], NO_INDEX, 500),
    ):
        each = own[index] if len(index) else np.broadcast_to(own, (judged, own.shape[1]))
        data = likelihood.sample(each, 1, seed=SEED).to_numpy()
        cotangents = np.ones(judged) if judged == n else None
        times = []
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            likelihood.density.pull(weights, own, index, data, cotangents)
            times.append(time.perf_counter() - began)
        found.append(times[1:])
    return found


def theirs(data: pd.DataFrame, formulas: dict[str, str]) -> dict[str, list[float]]:
    """Time the peer on the same trials."""
    named = data.rename(columns={"choice": "response"}).astype({"response": int})
    named["condition"] = "c" + named["condition"].astype(str)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trials.csv"
        named.to_csv(path, index=False)
        job = Path(folder) / "job.json"
        given: dict[str, Any] = {
            "data": str(path),
            "formulas": formulas,
            "repeats": REPEATS,
            "moved": MOVED,
        }
        job.write_text(json.dumps(given))
        command = ["uv", "run", "--quiet", "--no-project", "--script", str(PEER), str(job)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="ddm", help="a shipped likelihood with v, a, z and t")
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="of ours")
    parser.add_argument("--without-peer", action="store_true", help="ours alone")
    parser.add_argument("--alone", nargs="+", default=[], help="likelihoods, without the peer")
    options = parser.parse_args()
    for name in options.alone:
        shared, own, single = (1e3 * median(times) for times in alone(name, options.trials))
        print(
            f"{name}, {options.trials} trials, value and gradient: {shared:.2f} ms of "
            f"{CONDITIONS} rows, {own:.1f} ms all distinct; value of 500 trials of one row "
            f"{single:.2f} ms",
            flush=True,
        )
    if options.alone:
        return
    data = trials(options.trials)
    for case, formulas in CASES.items():
        peer = {} if options.without_peer else theirs(data, formulas)
        for mode, threads in itertools.product(MODES, options.threads):
            mine = 1e3 * median(seconds(ours(data, case, options.model, threads), mode))
            about = f"{options.trials} trials, {case}, {mode} backend, threads: {threads}"
            print(f"{about}: likely {mine:.3f} ms{_beside(peer.get(mode), mine)}", flush=True)


def _beside(peer: list[float] | None, mine: float) -> str:
    """Say what the peer took, if it was measured, and how many times that is what ours did."""
    if peer is None:
        return ""
    other = 1e3 * median(peer)
    return f", HSSM {other:.2f} ms: {other / mine:.1f} times"


if __name__ == "__main__":
    main()
