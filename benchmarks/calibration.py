"""Is the whole path calibrated? Prior, simulation, likelihood, NUTS, and the ranks of the truth.

Draws parameters from the prior, simulates trials with `lk.simulate`, samples the posterior with
NUTS (nutpie, compiled once, given new trials in every replication), and ranks the true parameters,
and the log likelihood at them, among posterior draws. Prints a verdict and a table, and saves a
figure of ECDF differences and of the coverage of central intervals, both with the bands of chance.

    uv run python benchmarks/calibration.py [--model angle] [--quick] [--figure FILE]
    uv run python benchmarks/calibration.py --classic     # LAN and CPN, trained first
    uv run python benchmarks/calibration.py --file mine.likely
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pymc as pm
from matplotlib.figure import Figure

import likely as lk
from likely.calibration import Calibration, Draws
from likely.demo.roads import Classic, Workplace
from likely.plots.style import house_style
from likely.trials import encode

PRIORS = {"v": (-2.5, 2.5), "a": (0.6, 1.8), "z": (0.3, 0.7), "t": (0.1, 0.5), "theta": (0.0, 0.8)}
MAX_TIME = 100.0  # seconds: no trial is undecided
EARLY = 0.105  # where chains start in t: before any response


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    replications: int
    trials: int
    tune: int = 300
    draws: int = 300


FULL, QUICK = Scale(200, 300), Scale(40, 200)


class Experiment:
    """One posterior, compiled once, for the trials of any replication."""

    def __init__(self, likelihood: lk.Likelihood, scale: Scale) -> None:
        self.likelihood, self.scale = likelihood, scale
        self.names = likelihood.declaration.names
        start = np.tile([1.0, 1.0], (scale.trials, 1))
        with pm.Model() as model:
            trials = pm.Data("observed", start)
            free = {name: pm.Uniform(name, *PRIORS[name]) for name in self.names}
            likelihood.potential("trials", observed=trials, **free)
        jittered = {free[name] for name in self.names if name != "t"}
        self.compiled = nutpie.compile_pymc_model(
            model, initial_points={"t": EARLY}, jitter_rvs=jittered
        )

    def prior(self, seed: int) -> Draws:
        """Draw true parameters, uniform between the limits of `PRIORS`."""
        rng = np.random.default_rng(seed)
        return {name: rng.uniform(*PRIORS[name], self.scale.replications) for name in self.names}

    def simulate(self, parameters: dict[str, float], seed: int) -> np.ndarray:
        """Simulate encoded trials."""
        model = lk.models[self.likelihood.declaration.name]
        trials = lk.simulate(model, parameters, self.scale.trials, seed=seed, max_time=MAX_TIME)
        return encode(trials, model.choices)

    def sample(self, trials: np.ndarray, seed: int) -> Draws:
        """Sample two chains with NUTS."""
        idata: Any = nutpie.sample(
            self.compiled.with_data(observed=trials),
            tune=self.scale.tune,
            draws=self.scale.draws,
            chains=2,
            seed=seed,
            progress_bar=False,
            save_warmup=False,
        )
        return {name: idata["posterior"][name].to_numpy().ravel() for name in self.names}

    def log_likelihood(self, trials: np.ndarray, parameters: Draws) -> Draws:
        """Return the log likelihood of the trials, by the network, at each of m parameters."""
        rows = np.stack([parameters[name] for name in self.names], axis=1)
        total = [self.likelihood.logp(row, trials).sum() for row in rows]
        return {"log likelihood": np.array(total)}


def classic(quick: bool) -> lk.Likelihood:
    """Train a LAN and a CPN of the ddm on the classic box, as `likely demo --classic` does."""
    road = Classic(sets=1_000, epochs=5) if quick else Classic()
    with tempfile.TemporaryDirectory() as folder:
        return road.likelihood(Workplace(Path(folder), 0, True, nullcontext))


def figure_of(result: Calibration, path: Path) -> None:
    """Save ranks above coverage."""
    n = len(result.ranks.columns)
    figure = Figure(figsize=(1.2 + 1.9 * n, 5.8), layout="constrained")
    with house_style():
        axes = figure.subplots(2, n, sharey="row")
    lk.plots.calibration(result, axes=list(axes[0]))
    lk.plots.coverage(result, axes=list(axes[1]))
    figure.savefig(path, dpi=150)


def main() -> None:
    """Calibrate, say, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ddm", help="a shipped likelihood")
    parser.add_argument("--file", help="a likelihood file instead")
    parser.add_argument("--classic", action="store_true", help="train a LAN with CPN instead")
    parser.add_argument("--quick", action="store_true", help="40 replications")
    parser.add_argument("--save", type=Path, help="where to keep the likelihood that was trained")
    parser.add_argument("--replications", type=int)
    parser.add_argument("--trials", type=int, help="in each replication")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, default=Path("calibration.png"))
    options = parser.parse_args()
    likelihood = (
        classic(options.quick) if options.classic else lk.load(options.file or options.model)
    )
    if options.save is not None:
        likelihood.save(options.save)
    given = {k: getattr(options, k) for k in ("replications", "trials") if getattr(options, k)}
    scale = replace(QUICK if options.quick else FULL, **given)
    began = time.monotonic()
    experiment = Experiment(likelihood, scale)
    compiled = time.monotonic() - began
    result = lk.calibrate(
        experiment.prior(options.seed),
        experiment.simulate,
        experiment.sample,
        quantities=experiment.log_likelihood,
        seed=options.seed,
    )
    print(f"{likelihood!r}\n{scale}\n{result}")
    print(f"{time.monotonic() - began:.0f} s in all, {compiled:.0f} s of it compiling")
    figure_of(result, options.figure)
    print(f"figure: {options.figure}")


if __name__ == "__main__":
    main()
