"""What late responses are worth: posteriors of data sets of which 30% of trials miss a deadline.

Simulates a drift diffusion with a deadline at the 70% quantile of its response times, and estimates
drift, boundary, start and non-decision time three times: with late trials as what they are, no
response by the deadline; without them, as is often done; and from the same trials had there been no
deadline. Prints, over repetitions, the mean error of posterior means with its standard error, their
root mean squared error, and how many 90% intervals hold the truth.

    uv run python benchmarks/deadline.py [--repetitions 40]
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd
import pymc as pm

import likely as lk
from likely.quiet import quiet_sampling
from likely.text_table import aligned

TRUTH = {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}
TRIALS, LATE, INTERVAL = 600, 0.3, 0.9
SAMPLE = {"tune": 500, "draws": 500, "chains": 2, "progressbar": False, "nuts_sampler": "nutpie"}


def deadline() -> float:
    """Return the time in seconds by which all but `LATE` of many responses have been given."""
    return float(lk.simulate("ddm", TRUTH, 200_000, seed=10**6)["rt"].quantile(1.0 - LATE))


def treatments(trials: pd.DataFrame, limit: float) -> dict[str, pd.DataFrame]:
    """Return the trials as they may be analysed."""
    late = trials["rt"] > limit
    silent = trials.assign(deadline=limit)
    silent.loc[late, ["rt", "choice"]] = np.nan
    return {"no response": silent, "left out": trials[~late], "no deadline": trials}


def posterior(likelihood: lk.Likelihood, trials: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """Return draws of each parameter under weak priors."""
    with pm.Model():
        parameters = {
            "v": pm.Normal("v", 0.0, 2.0),
            "a": pm.Gamma("a", mu=1.5, sigma=0.75),
            "z": pm.Beta("z", 5.0, 5.0),
            "t": pm.Uniform("t", 0.0, trials["rt"].min()),
        }
        likelihood("trials", **parameters, observed=trials)
        idata = pm.sample(random_seed=seed, **SAMPLE)
    return {name: idata["posterior"][name].to_numpy().ravel() for name in TRUTH}


def row(treatment: str, name: str, draws: list[np.ndarray]) -> tuple[str, ...]:
    """Return a line of the table from the draws of one parameter in all repetitions."""
    errors = np.array([d.mean() for d in draws]) - TRUTH[name]
    tails = 0.5 * (1.0 - INTERVAL)
    ends = np.array([np.quantile(d, [tails, 1.0 - tails]) for d in draws])
    inside = int(((ends[:, 0] <= TRUTH[name]) & (TRUTH[name] <= ends[:, 1])).sum())
    standard = errors.std(ddof=1) / np.sqrt(len(errors))
    return (
        treatment, name, f"{errors.mean():+.3f} +- {standard:.3f}",
        f"{np.sqrt(np.mean(errors**2)):.3f}", f"{inside} of {len(draws)}",
    )  # fmt: skip


def main() -> None:
    """Repeat, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=40)
    options = parser.parse_args()
    likelihood, limit = lk.load("ddm"), deadline()
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for seed in range(options.repetitions):
        trials = lk.simulate("ddm", TRUTH, TRIALS, seed=seed)[["rt", "choice"]]
        for treatment, frame in treatments(trials, limit).items():
            with quiet_sampling():
                found.setdefault(treatment, []).append(posterior(likelihood, frame, seed))
        print(f"repetition {seed + 1} of {options.repetitions}", file=sys.stderr, flush=True)
    rows = [("late trials", "", "mean error", "rms error", f"{INTERVAL:.0%} intervals")]
    for treatment, draws in found.items():
        rows += [row(treatment, name, [d[name] for d in draws]) for name in TRUTH]
    print(f"{options.repetitions} times {TRIALS} trials, deadline {limit:.3f} s\n")
    print(aligned(rows))


if __name__ == "__main__":
    main()
