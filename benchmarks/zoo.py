"""How accurate is each likelihood that comes with the package?

With an exact density: E|log q - log p|, the expectation under the exact density of the difference
of log densities, at 200 parameter sets spread evenly over the box (aims: median 0.002, 95% 0.01).
Without one: 20 parameter sets of 100,000 simulated trials each; the largest difference between a
choice probability and the share of the choice, beside what chance alone gives, and the distance
from uniform of all probability integral transforms of decision times together (aims: 0.002, and no
more than chance). Choices are judged where all trials are decided within 30 s.

    uv run python benchmarks/zoo.py                # all of them
    uv run python benchmarks/zoo.py ornstein levy
    uv run python benchmarks/zoo.py --folder DIR   # files that are elsewhere
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import likely as lk
from likely.densities.quadrature import refined_quadrature
from likely.errors import ParameterError
from likely.shipped import SHIPPED, SUFFIX
from likely.simulation import decide
from likely.text_table import aligned
from likely.typing import FloatArray

SETS, SIMULATED, DRAWS, SEED = 200, 20, 100_000, 20_000
PATIENCE = 30.0  # seconds after which a trial counts as undecided
UNDECIDED = 1e-4  # share of trials up to which shares of choices are those of all trials
POSSIBLE = -60.0  # log density below which nothing happens


def errors(likelihood: lk.Likelihood, model: lk.Model) -> str:
    """Compare with the exact density; return what to print."""
    rows = model.declaration.shaping_rows(np.random.default_rng(SEED), SETS)
    found, unsolved = [], 0
    for row in rows:
        try:
            found.append(density_error(likelihood, model, row))
        except ParameterError:
            unsolved += 1
    note = f", {unsolved} of {SETS} without a solution" if unsolved else ""
    return (
        f"median {np.median(found):.4f}  95% {np.quantile(found, 0.95):.4f}  "
        f"largest {max(found):.4f}{note}"
    )


def density_error(likelihood: lk.Likelihood, model: lk.Model, row: FloatArray) -> float:
    """Return E_p|log q - log p| at a parameter row."""
    assert model.twin is not None
    passage = model.twin.solve(row)
    times, weights = refined_quadrature(passage)
    exact = passage.log_density(times)
    trials = np.concatenate(
        [np.stack([times, np.full(len(times), float(c))], axis=1) for c in model.choices]
    )
    network = likelihood.logp(row, trials).reshape(len(model.choices), -1).T
    difference = np.where(exact > POSSIBLE, np.abs(network - exact), 0.0)
    return float((weights[:, None] * np.exp(exact) * difference).sum())


def misses(likelihood: lk.Likelihood, model: lk.Model) -> str:
    """Compare with simulations; return what to print."""
    rows = model.declaration.shaping_rows(np.random.default_rng(SEED), SIMULATED)
    times, choices = decide(model, rows, DRAWS, seed=SEED, max_time=PATIENCE)
    times, choices = times.reshape(SIMULATED, DRAWS), choices.reshape(SIMULATED, DRAWS)
    shares = np.stack([(choices == c).mean(axis=1) for c in model.choices], axis=1)
    ended = np.isnan(times).mean(axis=1) < UNDECIDED
    by_choice = np.abs(likelihood.choice_probability(rows) - shares)[ended]
    chance = np.sqrt(shares * (1.0 - shares) / DRAWS)[ended]
    places = []
    for row, drawn in zip(rows, times, strict=True):
        some = np.append(drawn[~np.isnan(drawn)][:: SIMULATED // 2], PATIENCE)
        place = 1.0 - np.exp(likelihood.log_survival(row, some))
        places.append(place[:-1] / place[-1])
    pooled = np.sort(np.concatenate(places))
    distance = np.abs(pooled - (np.arange(len(pooled)) + 0.5) / len(pooled)).max()
    return (
        f"choices at {ended.sum()} sets: largest {by_choice.max():.4f}, root mean square "
        f"{np.sqrt((by_choice**2).mean()):.4f} (chance {np.sqrt((chance**2).mean()):.4f}); "
        f"transforms {distance:.4f} (chance, 95%: {1.36 / np.sqrt(len(pooled)):.4f})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; by default all with a likelihood")
    parser.add_argument("--folder", type=Path, default=SHIPPED, help="where the files are")
    options = parser.parse_args()
    there = [name for name in lk.models if (options.folder / f"{name}{SUFFIX}").is_file()]
    for name in options.names or there:
        likelihood, model = lk.load(options.folder / f"{name}{SUFFIX}"), lk.models[name]
        measure = misses if model.twin is None else errors
        print(aligned([(name.ljust(24), measure(likelihood, model))]), flush=True)


if __name__ == "__main__":
    main()
