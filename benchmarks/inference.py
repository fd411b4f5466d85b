"""From trials to a posterior, beside HSSM in the same run: seconds, and effective draws a second.

    uv run python benchmarks/inference.py conditions [--repeats 3]
    uv run python benchmarks/inference.py cavanagh --data cavanagh_theta.csv

Two models of the drift diffusion: `conditions` has 1,000 trials in two conditions of opposite
drift, and estimates v, a and t; `cavanagh` is the hierarchical model of Cavanagh et al. (2011),
v ~ 1 + stim + (1|subject), a ~ 1 + (1|subject), z, t, on its public data (3,988 trials of 14
subjects). Each package begins in a cold process and samples two chains by NUTS as its users would:
HSSM with its defaults (non-centred group effects, PyMC's sampler), `likely` with centred group
effects and nutpie with a low-rank mass matrix. Priors differ (both are weak). The peer runs in an
environment of its own (`peers/hssm_inference.py`), made before the clock starts. With `--repeats`,
both run so often, in turn, with the same seed: seconds are medians, all else of the first run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

PEER = Path(__file__).parent / "peers" / "hssm_inference.py"
SEED, CHAINS = 1, 2
DRAWS = {"conditions": (500, 1000), "cavanagh": (300, 200)}  # tune, draws


def conditions() -> pd.DataFrame:
    """Return the trials of two conditions."""
    import numpy as np

    import likely as lk

    sign = np.repeat([1.0, -1.0], 500)
    frame = lk.simulate("ddm", {"v": sign, "a": 1.5, "z": 0.5, "t": 0.5}, seed=SEED)
    return pd.DataFrame({"rt": frame["rt"], "response": frame["choice"], "sign": sign})


def cavanagh(path: Path) -> pd.DataFrame:
    """Return the public trials, with responses of -1 and 1."""
    frame = pd.read_csv(path)
    response = frame["response"].where(frame["response"] == 1, -1)
    return frame.assign(response=response)[["rt", "response", "stim", "subj_idx"]]


def model(case: str, trials: pd.DataFrame) -> Any:
    """Return our PyMC model of a case."""
    import pymc as pm
    import pytensor.tensor as pt

    import likely as lk

    ddm = lk.load("ddm")
    observed, fastest = trials[["rt", "response"]].to_numpy(dtype=float), trials["rt"].min()
    with pm.Model() as built:
        if case == "conditions":
            v, a, t = (
                pm.Normal("v", 0, 2),
                pm.Gamma("a", mu=1.5, sigma=0.75),
                pm.Uniform("t", 0.0, fastest),
            )
            ddm("trials", v=v * trials["sign"].to_numpy(), a=a, z=0.5, t=t, observed=observed)
            return built
        stim, kinds = pd.factorize(trials["stim"], sort=True)
        subject, subjects = pd.factorize(trials["subj_idx"])
        effects = [pm.Normal(f"v, {kind}", 0.0, 1.0) for kind in kinds[1:]]
        v = pm.Normal(
            "v of subjects", pm.Normal("v", 1.0, 2.0), pm.HalfNormal("sd of v", 1.0),
            shape=len(subjects),
        )  # fmt: skip
        log_a = pm.Normal(
            "log a of subjects", pm.Normal("log a", 0.0, 0.5), pm.HalfNormal("sd of log a", 0.5),
            shape=len(subjects),
        )  # fmt: skip
        z = pm.Beta("z", 10.0, 10.0)
        t = pm.Uniform("t", 0.0, fastest)
        drift = v[subject] + pt.stack([0.0, *effects])[stim]
        ddm("trials", v=drift, a=pt.exp(log_a)[subject], z=z, t=t, observed=observed)
    return built


def ours(job: dict[str, Any]) -> None:
    """Sample, and write figures."""
    import arviz as az
    import pymc as pm

    trials = pd.read_csv(job["data"])
    built = model(job["case"], trials)
    began = time.perf_counter()
    with built:
        idata = pm.sample(
            job["draws"], tune=job["tune"], chains=job["chains"], random_seed=job["seed"],
            nuts_sampler="nutpie", nuts={"adaptation": "low_rank"}, progressbar=False,
        )  # fmt: skip
    seconds = time.perf_counter() - began
    table = az.summary(idata, round_to="none")
    names = [v.name for v in built.free_RVs if v.ndim == 0]
    result = {
        "sampling": seconds,
        "steps": float(idata["sample_stats"]["n_steps"].mean()),
        "divergences": int(idata["sample_stats"]["diverging"].sum()),
        "mean": {name: float(table.loc[name, "mean"]) for name in names},
        "sd": {name: float(table.loc[name, "sd"]) for name in names},
        "ess": {name: float(table.loc[name, "ess_bulk"]) for name in names},
    }
    Path(job["result"]).write_text(json.dumps(result))


def run(command: list[str], job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a cold process on a job; return its figures and how long all took."""
    path, result = folder / "job.json", folder / "result.json"
    path.write_text(json.dumps({**job, "result": str(result)}))
    began = time.perf_counter()
    subprocess.run([*command, str(path)], check=True, stdout=sys.stderr)
    return {"total": time.perf_counter() - began, **json.loads(result.read_text())}


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the first run, but for medians of the seconds of all."""
    seconds = {name: median(run[name] for run in runs) for name in ("total", "sampling")}
    return {**runs[0], **seconds}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return lines that put the packages side by side."""
    lines = [f"{'':28}" + "".join(f"{name:>20}" for name in found)]

    def line(label: str, form: str, value: Any) -> None:
        lines.append(
            f"{label:28}" + "".join(f"{value(r):{form}}".rjust(20) for r in found.values())
        )

    line("cold process to posterior, s", ".1f", lambda r: r["total"])
    line("of these building, s", ".1f", lambda r: r["total"] - r["sampling"])
    line("leapfrog steps a draw", ".1f", lambda r: r["steps"])
    line("divergences", "d", lambda r: r["divergences"])
    line("smallest ESS", ".0f", lambda r: min(r["ess"].values()))
    line("smallest ESS a second", ".2f", lambda r: min(r["ess"].values()) / r["total"])
    for name in found["likely"]["mean"]:
        line(name, "", lambda r, name=name: f"{r['mean'][name]:.3f} +- {r['sd'][name]:.3f}")
    rates = [min(r["ess"].values()) / r["total"] for r in found.values()]
    if len(rates) == 2:
        totals = [r["total"] for r in found.values()]
        lines.append(
            f"{totals[1] / totals[0]:.1f} times as fast from cold to posterior; "
            f"{rates[0] / rates[1]:.1f} times the effective draws a second"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    if len(sys.argv) == 2 and sys.argv[1].endswith("job.json"):
        ours(json.loads(Path(sys.argv[1]).read_text()))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=tuple(DRAWS))
    parser.add_argument("--data", type=Path, help="cavanagh_theta.csv")
    parser.add_argument("--no-peer", action="store_true", help="leave HSSM out")
    parser.add_argument("--repeats", type=int, default=1, help="how often each runs")
    options = parser.parse_args()
    if options.case == "cavanagh" and options.data is None:
        parser.error("cavanagh needs --data")
    if options.repeats < 1:
        parser.error("--repeats is at least 1")
    tune, draws = DRAWS[options.case]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trials = conditions() if options.case == "conditions" else cavanagh(options.data)
        trials.to_csv(folder / "trials.csv", index=False)
        job = {
            "data": str(folder / "trials.csv"), "case": options.case, "tune": tune, "draws": draws,
            "chains": CHAINS, "seed": SEED,
        }  # fmt: skip
        commands = {"likely": [sys.executable, __file__]}
        if not options.no_peer:
            subprocess.run(["uv", "sync", "--script", str(PEER)], check=True, stdout=sys.stderr)
            commands["HSSM 0.5"] = ["uv", "run", "--no-project", "--script", str(PEER)]
        runs = [
            {name: run(command, job, folder) for name, command in commands.items()}
            for _ in range(options.repeats)
        ]
    found = {name: middle([each[name] for each in runs]) for name in commands}
    print(f"{options.case}: {len(trials)} trials, {CHAINS} chains x ({tune} + {draws})")
    for name in commands:
        print(f"{name}, s: " + ", ".join(f"{each[name]['total']:.1f}" for each in runs))
    print()
    print(table(found))


if __name__ == "__main__":
    main()
