"""How fast does a mixture learn from exact densities, and how fast from draws?

Trains anew for each length of time and prints E|log q - log p| over the box, the expectation under
the exact density of the difference of log densities, at 1,000 parameter sets.

    uv run python benchmarks/learning.py                            # ddm and angle, about 10 min
    uv run python benchmarks/learning.py angle --seconds 600 --labels exact   # the long run
    uv run python benchmarks/learning.py angle --file FILE          # a likelihood trained before
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import likely as lk
from likely.densities.quadrature import quadrature
from likely.simulation import available_cores

SECONDS = (10.0, 30.0, 100.0)
TEST_SEED = 20_000


def box_sample(likelihood: lk.Likelihood, n: int) -> np.ndarray:
    """Draw parameter rows uniformly from the box, without non-decision time."""
    limits = np.array([p.box for p in likelihood.declaration.parameters])
    limits[likelihood.declaration.non_decision_column] = 0.0
    rng = np.random.default_rng(TEST_SEED)
    return limits[:, 0] + (limits[:, 1] - limits[:, 0]) * rng.random((n, len(limits)))


def density_error(likelihood: lk.Likelihood, model: lk.Model, row: np.ndarray) -> float:
    """Return E_p|log q - log p| at a parameter row."""
    passage = model.twin.solve(row)
    times, weights = quadrature(passage)
    exact, total = passage.log_density(times), 0.0
    for c, choice in enumerate(model.choices):
        trials = np.stack([times, np.full(len(times), float(choice))], axis=1)
        difference = np.abs(likelihood.logp(row, trials) - exact[:, c])
        total += float((weights * np.exp(exact[:, c]) * difference).sum())
    return total


def errors(likelihood: lk.Likelihood, sets: int) -> np.ndarray:
    """Return the errors at parameter sets spread over the box, (sets,)."""
    model = lk.models[likelihood.declaration.name]
    return np.array([density_error(likelihood, model, r) for r in box_sample(likelihood, sets)])


def line(likelihood: lk.Likelihood, sets: int) -> str:
    """Measure a likelihood; return what to print of it."""
    found, t = errors(likelihood, sets), likelihood.training
    return (
        f"{likelihood.declaration.name:6} {t.labels:6} {t.seconds:6.0f} s {t.steps:7,} steps  "
        f"median {np.median(found):.4f}  95% {np.quantile(found, 0.95):.4f}  max {found.max():.4f}"
    )


def main() -> None:
    """Train, or load, and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["ddm", "angle"])
    parser.add_argument("--seconds", type=float, nargs="+", default=SECONDS)
    parser.add_argument("--labels", nargs="+", default=["draws", "exact"])
    parser.add_argument("--hidden", type=int, nargs="+", default=[96, 96, 96])
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--file")
    parser.add_argument("--figure", type=Path, help="draw the learning curves into a PNG")
    options = parser.parse_args()
    print(f"{available_cores()} cores, {options.sets} parameter sets")
    if options.file:
        print(line(lk.load(options.file), options.sets))
        return
    figure, panels = plt.subplots(1, len(options.models), sharey=True, squeeze=False)
    for name, axes in zip(options.models, panels[0], strict=True):
        for labels in options.labels:
            medians = []
            for seconds in options.seconds:
                likelihood = lk.train(
                    name, seconds=seconds, labels=labels, hidden=tuple(options.hidden),
                    components=options.components, progress=False,
                )  # fmt: skip
                print(line(likelihood, options.sets), flush=True)
                medians.append(np.median(errors(likelihood, options.sets)))
            axes.loglog(options.seconds, medians, marker="o", label=f"from {labels}")
        axes.set(title=name, xlabel="seconds of training")
    panels[0, 0].set_ylabel("median E|log q - log p|")
    panels[0, 0].legend()
    if options.figure:
        figure.set_size_inches(4 * len(options.models), 3.2)
        figure.tight_layout()
        figure.savefig(options.figure, dpi=150)


if __name__ == "__main__":
    main()
