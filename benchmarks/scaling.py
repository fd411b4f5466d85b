"""How time and memory grow with trials, subjects and components.

    uv run python benchmarks/scaling.py [--quick]

Value and gradient of the log posterior of drift diffusion models, in PyMC's default backend: with
100 to a million trials of 10 drifts; with 1 to 1,000 subjects of 20 trials each, all with drifts
and boundaries of their own; and with networks of 4 to 16 components a choice (4,000 trials of 42
drifts, weights at random). Then a posterior from a million trials, two chains of 200 + 200 by
nutpie, and 1,000 posterior predictive data sets of 4,000 trials of 42 drifts, both one at a time
and kept by PyMC. Each line is a process of its own: median milliseconds after the first evaluation,
seconds where it says so, and the largest resident memory of the process, of which importing PyMC
and `likely` is the first line.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median
from typing import Any

SEED = 1
CASES: dict[str, list[int]] = {
    "imports": [0],
    "trials": [100, 1_000, 10_000, 100_000, 1_000_000],
    "subjects": [1, 10, 100, 1_000],
    "components": [4, 8, 16],
    "posterior": [1_000_000],
    "lk.predict": [1_000],
    "sample_posterior_predictive": [1_000],
}
QUICK: dict[str, list[int]] = {
    "imports": [0],
    "trials": [100, 10_000],
    "subjects": [1, 100],
    "components": [4, 8],
    "posterior": [20_000],
    "lk.predict": [100],
    "sample_posterior_predictive": [100],
}
NAMES = {
    "imports": "imports alone",
    "trials": "{:,} trials",
    "subjects": "{:,} subjects, 20 trials each",
    "components": "{} components a choice",
    "posterior": "posterior of {:,} trials, imports aside",
    "lk.predict": "lk.predict, {:,} draws of 4,000 trials",
    "sample_posterior_predictive": "sample_posterior_predictive, {:,} draws of 4,000 trials",
}


def model(trials: int, rows: int, *, boundaries: bool = False, likelihood: Any = None) -> Any:
    """Return a model of trials in `rows` conditions, each with a drift (and perhaps boundary)."""
    import numpy as np
    import pymc as pm

    import likely as lk

    ddm = lk.load("ddm") if likelihood is None else likelihood
    which = np.arange(trials) % rows
    theta = {"v": np.linspace(-1.5, 2.0, rows)[which], "a": 1.2, "z": 0.5, "t": 0.3}
    observed = lk.simulate("ddm", theta, seed=SEED)[["rt", "choice"]].to_numpy()
    with pm.Model() as built:
        v = pm.Normal("v", 0.0, 2.0, shape=rows)[which]
        a = pm.Gamma("a", mu=1.5, sigma=0.75, shape=rows if boundaries else ())
        t = pm.Uniform("t", 0.0, float(np.nanmin(observed[:, 0])))
        ddm("trials", v=v, a=a[which] if boundaries else a, z=0.5, t=t, observed=observed)
    return built


def gradient(built: Any) -> float:
    """Return the median milliseconds of value and gradient."""
    import numpy as np

    function = built.logp_dlogp_function(ravel_inputs=True)
    function.set_extra_values({})
    start = built.initial_point()
    point = np.concatenate([np.ravel(start[v.name]) for v in built.value_vars])
    found, until = [], time.perf_counter() + 3.0
    function(point)
    while len(found) < 5 or (len(found) < 200 and time.perf_counter() < until):
        began = time.perf_counter()
        function(point)
        found.append(1e3 * (time.perf_counter() - began))
    return median(found)


def components(count: int) -> float:
    """Time a mixture of so many components a choice, whose weights are drawn at random."""
    import numpy as np

    import likely as lk
    from likely.likelihood import Likelihood
    from likely.networks.mixture import MixtureDensity

    shipped = lk.load("ddm")
    form = shipped.density
    density = MixtureDensity.for_model(
        shipped.declaration, form.hidden, count, products=form.products
    )
    weights = 0.1 * np.random.default_rng(SEED).standard_normal(density.size)
    return gradient(model(4_000, 42, likelihood=Likelihood(density, weights, shipped.training)))


def posterior(trials: int) -> str:
    """Sample, and say how well."""
    import arviz as az
    import pymc as pm

    with model(trials, 10):
        idata = pm.sample(
            200, tune=200, chains=2, random_seed=SEED, nuts_sampler="nutpie",
            nuts={"adaptation": "low_rank"}, progressbar=False,
        )  # fmt: skip
    table = az.summary(idata, round_to="none")
    return f"; smallest ESS {table['ess_bulk'].min():.0f}, largest r-hat {table['r_hat'].max():.3f}"


def predictive(draws: int, kept: bool) -> float:
    """Return seconds for predictive data sets, compiling included, given made-up draws."""
    import numpy as np
    import pymc as pm
    import xarray as xr

    import likely as lk

    built = model(4_000, 42)
    rng = np.random.default_rng(SEED)
    made = {
        "v": (("chain", "draw", "row"), 0.1 * rng.normal(size=(1, draws, 42))),
        "a": (("chain", "draw"), rng.uniform(1.1, 1.3, (1, draws))),
        "t": (("chain", "draw"), rng.uniform(0.28, 0.3, (1, draws))),
    }
    idata = xr.DataTree.from_dict({"posterior": xr.Dataset(made)})
    began = time.perf_counter()
    if kept:
        with built:
            pm.sample_posterior_predictive(idata, random_seed=SEED, progressbar=False)
    else:
        quantiles = [f["rt"].quantile([0.1, 0.5, 0.9]) for f in lk.predict(idata, built, seed=SEED)]
        assert len(quantiles) == draws
    return time.perf_counter() - began


def measure(case: str, size: int) -> str:
    """Do one case, and return its result as text."""
    import pymc  # noqa: F401

    import likely  # noqa: F401

    began = time.perf_counter()
    match case:
        case "imports":
            return ""
        case "trials":
            return f"{gradient(model(size, 10)):.2f} ms"
        case "subjects":
            return f"{gradient(model(20 * size, size, boundaries=True)):.2f} ms"
        case "components":
            return f"{components(size):.2f} ms"
        case "posterior":
            quality = posterior(size)
            return f"{time.perf_counter() - began:.0f} s{quality}"
        case _:
            return f"{predictive(size, case != 'lk.predict'):.1f} s"


def main() -> None:
    """Measure and print, a process for each line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few and small sizes")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        result = measure(options.one[0], int(options.one[1]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux
        print(json.dumps([result, peak]))
        return
    print("| what | time | peak memory, MB |\n|---|---|---|")
    for case, sizes in (QUICK if options.quick else CASES).items():
        for size in sizes:
            command = [sys.executable, __file__, "--one", case, str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            result, peak = json.loads(done.stdout.strip().splitlines()[-1])
            print(f"| {NAMES[case].format(size)} | {result} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
