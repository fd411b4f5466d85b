"""Does the founding Go/NoGo example come back? Counts how often 94% intervals hold the truth.

Simulates the experiment with seeds 0, 1, 2, ... (500 Go trials with drift v, 500 NoGo trials with
drift -v, withheld presses without a time), samples the posterior with the shipped ddm likelihood,
and prints each repetition's intervals and, for each parameter, in how many the truth lay inside.

With a deadline, presses that come later are withheld as well.

    uv run python benchmarks/go_nogo.py [--deadline 1.5]
"""

from __future__ import annotations

import argparse
import time

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm

import likely as lk

TRUTH = {"v": 1.0, "a": 1.5, "t": 0.5}
SIGN = np.repeat([1.0, -1.0], 500)


def experiment(seed: int, deadline: float) -> pd.DataFrame:
    """Simulate trials, of which those without a press by the deadline in seconds have no time."""
    theta = {"v": TRUTH["v"] * SIGN, "a": TRUTH["a"], "z": 0.5, "t": TRUTH["t"]}
    trials = lk.simulate("ddm", theta, seed=seed).assign(deadline=deadline)
    silent = (trials.choice == -1) | (trials.rt > deadline)
    trials.loc[silent, ["rt", "choice"]] = [np.nan, -1.0]
    return trials


def posterior(likelihood: lk.Likelihood, trials: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """Return the draws of v, a and t."""
    with pm.Model():
        v = pm.Normal("v", 0.0, 2.0)
        a = pm.Gamma("a", mu=1.5, sigma=0.75)
        t = pm.HalfNormal("t", 0.5)
        likelihood("trials", v=v * SIGN, a=a, z=0.5, t=t, observed=trials)
        idata = pm.sample(tune=500, draws=1000, chains=2, random_seed=seed, progressbar=False)
    return {name: idata["posterior"][name].to_numpy().ravel() for name in TRUTH}


def main() -> None:
    """Repeat and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--deadline", type=float, default=np.inf, help="seconds; none by default")
    options = parser.parse_args()
    likelihood = lk.load("ddm")
    inside = dict.fromkeys([*TRUTH, "all three"], 0)
    began = time.monotonic()
    for seed in range(options.repetitions):
        draws = posterior(likelihood, experiment(seed, options.deadline), seed)
        hits, line = [], []
        for name, truth in TRUTH.items():
            low, high = az.hdi(draws[name], prob=0.94)
            hits.append(bool(low <= truth <= high))
            inside[name] += hits[-1]
            line.append(f"{name} [{low:.3f}, {high:.3f}]{'' if hits[-1] else ' *'}")
        inside["all three"] += all(hits)
        print(f"seed {seed:2}   {'   '.join(line)}", flush=True)
    print(f"\n{options.repetitions} repetitions in {time.monotonic() - began:.0f} s")
    for name, count in inside.items():
        print(f"truth of {name} inside its 94% interval: {count} of {options.repetitions}")


if __name__ == "__main__":
    main()
