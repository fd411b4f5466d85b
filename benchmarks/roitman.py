"""A drift diffusion fit of monkey 1 of Roitman & Shadlen (2002), beside PyDDM's published fit.

Drift proportional to motion coherence, starting point half-way, a 2% uniform lapse, response times
from 0.1 to 1.65 s. Three answers on the same trials: the posterior with the shipped likelihood, the
maximum of the exact likelihood (Navarro & Fuss series), and PyDDM's published parameters, each with
its exact log likelihood.

    uv run python benchmarks/roitman.py [../shared/data/roitman_rts.csv]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

import likely as lk
from likely.choice_coding import code_choices
from likely.densities import wiener
from likely.trial_files import read_trials

LAPSE = 0.02
PYDDM = np.array([11.003, 0.739, 0.318])  # drift per coherence, half-separation, non-decision
DATA = Path("../shared/data/roitman_rts.csv")


def exact_log_likelihood(parameters: np.ndarray, trials: pd.DataFrame, longest: float) -> float:
    """Return the exact log likelihood with lapses uniform over both choices and (0, longest)."""
    slope, a, t = parameters
    density = np.exp(
        wiener.log_density(trials["rt"], trials["choice"], slope * trials["coh"], a, 0.5, t)
    )
    return float(np.log((1.0 - LAPSE) * density + LAPSE / (2.0 * longest)).sum())


def main() -> None:
    """Fit and print."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    raw = read_trials(path, choice="correct", where="monkey == 1 and 0.1 < rt < 1.65")
    trials, _ = code_choices(raw, (-1, 1))
    longest = float(trials["rt"].max())

    fit = lk.fit(
        trials, model="ddm", formula={"v": "0 + coh"}, fixed={"z": 0.5}, lapse=LAPSE, seed=1,
        chains=2, nuts_sampler="nutpie", progressbar=False,
    )  # fmt: skip
    summary = fit.summary().loc[["v_coh", "a", "t"]]
    found = minimize(
        lambda p: -exact_log_likelihood(p, trials, longest), PYDDM, method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-5, "maxiter": 4000},
    )  # fmt: skip

    print(f"{len(trials)} trials, lapse {LAPSE:.0%} uniform up to {longest:g} s\n")
    print(f"{'':34} {'drift/coh':>16} {'a':>16} {'t (s)':>16} {'exact log lik.':>16}")
    mean = summary["mean"].to_numpy()
    shown = [f"{m:.4g} +- {s:.2g}" for m, s in zip(mean, summary["sd"], strict=True)]
    rows = {
        "likely, posterior mean and sd": (shown, mean),
        "maximum of the exact likelihood": ([f"{x:.4g}" for x in found.x], found.x),
        "PyDDM, published": ([f"{x:.4g}" for x in PYDDM], PYDDM),
    }
    for name, (cells, point) in rows.items():
        value = exact_log_likelihood(np.asarray(point), trials, longest)
        print(f"{name:34} {cells[0]:>16} {cells[1]:>16} {cells[2]:>16} {value:>16.1f}")
    shift = np.abs(mean - found.x) / summary["sd"].to_numpy()
    print(f"\nposterior means less the exact maximum, in posterior sds: {shift.round(2)}")


if __name__ == "__main__":
    main()
