"""MAP, Laplace, ADVI and Pathfinder beside NUTS: seconds, and how far from its posterior.

    uv run --with pymc-extras==0.12.1 python benchmarks/approximations.py conditions
    uv run --with pymc-extras==0.12.1 python benchmarks/approximations.py cavanagh \
        --data cavanagh_theta.csv

The models are those of `inference.py`. Seconds include compilation. Errors are over parameters that
are one number each, in standard deviations of NUTS's posterior (4 chains of 1,000 draws): the
largest difference of means, and the largest and smallest ratio of standard deviations.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pymc_extras as pmx
from inference import cavanagh, conditions, model

SEED, STEPS, DRAWS = 1, 20_000, 1000


def nuts() -> Any:
    """Draw with NUTS."""
    return pm.sample(
        DRAWS, tune=500, chains=4, random_seed=SEED, nuts_sampler="nutpie", progressbar=False,
        nuts={"adaptation": "low_rank"},
    )  # fmt: skip


def advi() -> Any:
    """Fit independent normal distributions."""
    return _fitted("advi")


def full_rank() -> Any:
    """Fit a normal distribution with all covariances."""
    return _fitted("fullrank_advi")


def _fitted(kind: str) -> Any:
    """Fit by PyMC's variational inference."""
    found = pm.fit(
        STEPS, method=kind, random_seed=SEED, progressbar=False,
        obj_optimizer=pm.adam(learning_rate=0.01),
    )  # fmt: skip
    return found.sample(DRAWS)


def laplace() -> Any:
    """Fit a normal distribution to the mode, with the optimiser's inverse Hessian."""
    return pmx.fit_laplace(
        optimize_method="BFGS", random_seed=SEED, progressbar=False, draws=DRAWS,
        use_hess=False, use_hessp=False,
    )  # fmt: skip


def pathfinder() -> Any:
    """Draw along the optimiser's paths."""
    return pmx.fit_pathfinder(num_draws=DRAWS, random_seed=SEED, progressbar=False)


def mode() -> Any:
    """Find the mode."""
    return pm.find_MAP(progressbar=False)


METHODS: dict[str, Callable[[], Any]] = {
    "NUTS": nuts, "MAP": mode, "Laplace": laplace, "Pathfinder": pathfinder, "ADVI": advi,
    "ADVI, full rank": full_rank,
}  # fmt: skip


def draws(found: Any, names: list[str]) -> np.ndarray:
    """Return draws (n, parameters) of a posterior, or the one point (1, parameters) of a mode."""
    if isinstance(found, dict):
        return np.array([[float(found[name]) for name in names]])
    return np.stack([np.ravel(found["posterior"][name].to_numpy()) for name in names], axis=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=("conditions", "cavanagh"))
    parser.add_argument("--only", nargs="+", choices=tuple(METHODS), help="besides NUTS")
    parser.add_argument("--data", type=Path, help="cavanagh_theta.csv")
    options = parser.parse_args()
    trials = conditions() if options.case == "conditions" else cavanagh(options.data)
    reference = None
    print(f"{'':18}{'seconds':>9}{'means off':>11}{'sd ratio':>16}")
    wanted = ["NUTS", *(options.only or list(METHODS)[1:])]
    for name, method in ((name, METHODS[name]) for name in wanted):
        built = model(options.case, trials)
        names = [v.name for v in built.free_RVs if v.ndim == 0]
        began = time.perf_counter()
        try:
            with built:
                found = method()
        except Exception as error:  # what a method cannot do is a result
            print(f"{name:18}failed: {type(error).__name__}: {str(error)[:200]}", flush=True)
            continue
        seconds = time.perf_counter() - began
        drawn = draws(found, names)
        if reference is None:
            reference = drawn
        off = np.abs(drawn.mean(axis=0) - reference.mean(axis=0)) / reference.std(axis=0)
        line = f"{name:18}{seconds:9.1f}{off.max():11.2f}"
        if len(drawn) > 1:
            ratios = drawn.std(axis=0) / reference.std(axis=0)
            line += f"{f'{ratios.min():.2f} to {ratios.max():.2f}':>16}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
