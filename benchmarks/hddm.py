"""The boundary of Cavanagh et al. (2011) beside what HDDM's documentation has published.

    uv run python benchmarks/hddm.py cavanagh_theta.csv

HDDM's first model has neither effects of the stimulus nor a bias, and drift, boundary and
non-decision time differ by subject. Its documentation gives the posterior twice: of version 0.5,
and of later ones, in which by default 5% of the trials are outliers with a density of 0.1 for
either response. Prints mean and standard deviation of the boundary's mean and sd over subjects, in
HDDM's units: the distance of both boundaries, twice ours. A minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import uniform

import likely as lk
from likely.text_table import aligned

SEED, TUNE, DRAWS, CHAINS = 1, 500, 1000, 2
BY_SUBJECT = "1 + (1|subj_idx)"
PUBLISHED = {
    "all trials are decisions": ("2.058 ± 0.103", "0.379 ± 0.090"),
    "5% are outliers": ("1.975 ± 0.094", "0.338 ± 0.077"),
}
LAPSES = {"all trials are decisions": 0.0, "5% are outliers": lk.Lapses(0.05, uniform(0, 5))}


def boundary(file: Path, lapse: float | lk.Lapses) -> tuple[str, str, int]:
    """Return mean and sd over subjects, each with its posterior sd, and the divergences.

    They are those of the lognormal distribution that a normal log a implies.
    """
    formula = dict.fromkeys(("v", "a", "t"), BY_SUBJECT)
    fit = lk.fit(
        file, model="ddm", choice="response", coding={0: -1, 1: 1}, formula=formula,
        fixed={"z": 0.5}, lapse=lapse, seed=SEED, tune=TUNE, draws=DRAWS, chains=CHAINS,
    )  # fmt: skip
    drawn = fit.idata["posterior"].dataset
    middle, spread = (drawn[n].to_numpy().ravel() for n in ("a_Intercept", "a_1|subj_idx_sigma"))
    mean = 2.0 * np.exp(middle + 0.5 * spread**2)
    sd = mean * np.sqrt(np.expm1(spread**2))
    divergent = int(fit.idata["sample_stats"].dataset["diverging"].sum())
    return *(f"{x.mean():.3f} ± {x.std():.3f}" for x in (mean, sd)), divergent


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="cavanagh_theta.csv, as HDDM comes with it")
    file = parser.parse_args().file
    lines = [("boundary", "mean: HDDM", "likely", "sd: HDDM", "likely", "divergences")]
    for name, (mean, sd) in PUBLISHED.items():
        ours, our_sd, divergent = boundary(file, LAPSES[name])
        lines.append((name, mean, ours, sd, our_sd, str(divergent)))
    print(aligned(lines))


if __name__ == "__main__":
    main()
