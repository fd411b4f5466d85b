"""Do parameters come back? Correlation of truth and posterior mean, and coverage, for every model.

For each model with a shipped likelihood: 50 parameter sets from its box (non-decision times below
1 s), 500 trials each from the simulator, and the posterior of each data set with a flat prior over
the same box.
Prints, for each parameter, the correlation over data sets of the truth with the posterior mean, and
in how many the 90% interval holds the truth (by chance 45 of 50, give or take 2). Parameters known
to be hard to recover, as the model's page says, are marked.

    uv run python benchmarks/recovery.py              # every shipped model, up to a minute each
    uv run python benchmarks/recovery.py ddm angle
    uv run python benchmarks/recovery.py ddm --figure recovery    # recovery/ddm.png
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import likely as lk
from likely.certificates.posteriors import DataSet, network_draws
from likely.certificates.queries import answers_omissions
from likely.certificates.region import Region
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import LikelyError
from likely.plots.style import COLOURS, INK, PALE, house_style
from likely.shipped.headers import is_shipped
from likely.simulation import available_cores
from likely.text_table import aligned
from likely.trials import NO_RESPONSE
from likely.typing import FloatArray

SETS, TRIALS, SEED = 50, 500, 0
INTERVAL = 0.9
ROUNDS = (300, 300, 300, 300, *6 * (600,), *12 * (1200,))  # draws of importance sampling
ENOUGH = 1000  # effective draws at which no more rounds follow
FEW = 300  # effective draws below which a posterior counts as poorly known
LONGEST_SHIFT = 1.0  # seconds: upper end of a non-decision time's box that has none
PATIENCE = 100.0  # seconds after which a trial counts as an omission
WRONG = 5  # data sets too few or too many inside their intervals, of 50: under 3% by chance


class NoTwin(ExactTwin):
    """Stands in for the exact density, which plays no part here."""

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Refuse."""
        raise NotImplementedError


@dataclass(frozen=True)
class Recovery:
    """What came back.

    Args:
        names: parameters.
        truths: (sets, p).
        means: of posteriors, (sets, p).
        below: posterior probability of less than the truth, (sets, p).
        effective: how many draws without weights each posterior's are worth, (sets,).
    """

    names: tuple[str, ...]
    truths: FloatArray
    means: FloatArray
    below: FloatArray
    effective: FloatArray

    @property
    def inside(self) -> np.ndarray:
        """Whether central 90% intervals hold the truth, (sets, p)."""
        return np.abs(self.below - 0.5) <= 0.5 * INTERVAL

    @property
    def correlations(self) -> list[float]:
        """Correlation of truth and posterior mean, for each parameter."""
        pairs = zip(self.truths.T, self.means.T, strict=True)
        return [float(np.corrcoef(truth, mean)[0, 1]) for truth, mean in pairs]


def prior(declaration: lk.Declaration) -> Region:
    """Return the box that truths come from and that the prior is flat over.

    They are one and the same, for only then do 90% of the intervals hold the truth.
    """
    ends = {p.name: p.box for p in declaration.parameters if not math.isfinite(p.upper)}
    endless = {name: (lower, lower + LONGEST_SHIFT) for name, (lower, _) in ends.items()}
    return Region.of(declaration, endless)


def simulated(
    likelihood: lk.Likelihood, model: lk.Model, truth: FloatArray, seed: int
) -> FloatArray:
    """Return encoded trials (n, 2) of one truth (p,)."""
    trials = lk.simulate(model, truth[None], TRIALS, seed=seed, max_time=PATIENCE)
    late = trials["rt"].isna()
    trials["rt"] = trials["rt"].fillna(PATIENCE + model.declaration.onset(truth[None])[0])
    trials["choice"] = trials["choice"].fillna(NO_RESPONSE)
    known = trials if answers_omissions(likelihood) else trials[~late]
    return np.ascontiguousarray(known[["rt", "choice"]].to_numpy())


def posterior(
    likelihood: lk.Likelihood, region: Region, trials: FloatArray, truth: FloatArray, seed: int
) -> tuple[FloatArray, float]:
    """Draw parameter rows (n, p) from the posterior with a flat prior over the region.

    Also tells how many draws they are worth.
    """
    data = DataSet.of(likelihood, NoTwin(), region, trials)
    rng = np.random.default_rng(seed)
    drawn = network_draws(data, truth, ROUNDS, ENOUGH, rng)
    return data.rows(drawn.resampled(ENOUGH, rng)), drawn.effective


def recovery(model: lk.Model, likelihood: lk.Likelihood, sets: int = SETS) -> Recovery:
    """Simulate data sets of many truths and sample their posteriors."""
    region = prior(model.declaration)
    truths = region.sets(sets, SEED)
    data = [simulated(likelihood, model, truth, SEED + i) for i, truth in enumerate(truths)]

    def sample(index: int) -> tuple[FloatArray, float]:
        return posterior(likelihood, region, data[index], truths[index], SEED + index)

    with ThreadPoolExecutor(available_cores()) as pool:
        found = list(pool.map(sample, range(len(truths))))
    draws = [rows for rows, _ in found]
    means = np.stack([rows.mean(axis=0) for rows in draws])
    below = np.stack(
        [(rows < truth).mean(axis=0) for rows, truth in zip(draws, truths, strict=True)]
    )
    worth = np.array([effective for _, effective in found])
    return Recovery(model.declaration.names, truths, means, below, worth)


def table(model: lk.Model, found: Recovery) -> str:
    """Return a line a parameter."""
    hard = model.about.hard if model.about is not None else {}
    sets = len(found.truths)
    rows = [("parameter", "correlation", f"inside, of {sets}", "")]
    expected = INTERVAL * sets
    for name, correlation, inside in zip(
        found.names, found.correlations, found.inside.sum(axis=0), strict=True
    ):
        remarks = ["hard to recover"] if name in hard else []
        if abs(inside - expected) > WRONG * math.sqrt(sets / SETS):
            remarks.append("coverage is off")
        rows.append((name, f"{correlation:.3f}", str(inside), ", ".join(remarks)))
    return aligned(rows)


@house_style()
def figure(model: lk.Model, found: Recovery) -> Figure:
    """Draw posterior means over truths, a panel a parameter."""
    names = found.names
    columns = min(len(names), 5)
    lines = -(-len(names) // columns)
    drawn = Figure(figsize=(2.6 * columns, 2.6 * lines), layout="constrained")
    axes = np.ravel(drawn.subplots(lines, columns, squeeze=False))
    for i, (ax, name) in enumerate(zip(axes, names, strict=False)):
        truth, mean, inside = found.truths[:, i], found.means[:, i], found.inside[:, i]
        ends = [min(truth.min(), mean.min()), max(truth.max(), mean.max())]
        ax.plot(ends, ends, color=PALE, lw=1)
        ax.plot(truth[inside], mean[inside], "o", color=COLOURS[1], ms=3.5)
        ax.plot(truth[~inside], mean[~inside], "o", color=COLOURS[0], ms=3.5)
        ax.set_title(f"{name}   r = {found.correlations[i]:.2f}", loc="left", fontsize=10)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    drawn.supxlabel("truth", fontsize=10)
    drawn.supylabel("posterior mean", fontsize=10)
    drawn.suptitle(f"{model.name}: orange where the 90% interval misses", fontsize=11, color=INK)
    return drawn


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; by default all with a likelihood")
    parser.add_argument("--sets", type=int, default=SETS)
    parser.add_argument("--figure", type=Path, help="folder for a scatter plot of each model")
    options = parser.parse_args()
    for name in options.names or [name for name in lk.models if is_shipped(name)]:
        began = time.monotonic()
        try:
            found = recovery(lk.models[name], lk.load(name), options.sets)
        except LikelyError as error:
            print(f"{name}: {error}\n", flush=True)
            continue
        seconds = time.monotonic() - began
        print(
            f"{name}: {len(found.truths)} data sets of {TRIALS} trials in {seconds:.0f} s, "
            f"{(found.effective < FEW).sum()} with fewer than {FEW} effective draws"
        )
        print(f"{table(lk.models[name], found)}\n", flush=True)
        if options.figure is not None:
            options.figure.mkdir(parents=True, exist_ok=True)
            figure(lk.models[name], found).savefig(options.figure / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
