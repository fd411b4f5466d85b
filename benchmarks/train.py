"""How wrong is a ddm likelihood trained from draws alone? Prints E|log q - log p| over the box.

For 1,000 parameter sets drawn uniformly from the box, the expectation under the exact density
(Navarro & Fuss series) of the absolute difference of log densities, by quadrature over log time.

    uv run python benchmarks/train.py                 # 60 s on the classic box
    uv run python benchmarks/train.py --full-box      # the shipped model's whole box
    uv run python benchmarks/train.py --file FILE     # a likelihood trained before
"""

from __future__ import annotations

import argparse

import numpy as np

import likely as lk
from likely.densities import wiener
from likely.simulation import available_cores

CLASSIC = {"v": (-3.0, 3.0), "a": (0.3, 2.5), "z": (0.1, 0.9)}
TIMES = np.exp(np.linspace(np.log(1e-4), np.log(200.0), 2000))


def box_sample(likelihood: lk.Likelihood, n: int, seed: int) -> np.ndarray:
    """Draw parameter rows uniformly from the box, without non-decision time."""
    limits = np.array([p.box for p in likelihood.declaration.parameters])
    limits[likelihood.declaration.non_decision_column] = 0.0
    return limits[:, 0] + (limits[:, 1] - limits[:, 0]) * np.random.default_rng(seed).random(
        (n, len(limits))
    )


def density_error(likelihood: lk.Likelihood, row: np.ndarray) -> tuple[float, float]:
    """Return E_p|log q - log p| and KL(p, q) at one parameter row."""
    absolute = divergence = 0.0
    for choice in (-1.0, 1.0):
        exact = wiener.log_density(TIMES, choice, *row)
        trials = np.stack([TIMES, np.full(len(TIMES), choice)], axis=1)
        difference = exact - likelihood.logp(row, trials)
        weight = np.exp(exact)
        absolute += np.trapezoid(weight * np.abs(difference), TIMES)
        divergence += np.trapezoid(weight * difference, TIMES)
    return absolute, divergence


def main() -> None:
    """Train, or load, and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full-box", action="store_true")
    parser.add_argument("--file")
    parser.add_argument("--sets", type=int, default=1000)
    options = parser.parse_args()
    if options.file:
        likelihood = lk.load(options.file)
    else:
        model = lk.models["ddm"]
        model = model if options.full_box else model.with_box(**CLASSIC)
        likelihood = lk.train(model, seconds=options.seconds, seed=options.seed, labels="draws")
    rows = box_sample(likelihood, options.sets, seed=20_000)
    errors, divergences = np.array([density_error(likelihood, row) for row in rows]).T
    t = likelihood.training
    print(f"cores {available_cores()}   {t.seconds:.1f} s   {t.steps} steps   {t.draws:.3g} draws")
    print(f"E|dlogp|  median {np.median(errors):.4f}   95% {np.quantile(errors, 0.95):.4f}   "
          f"max {errors.max():.4f}   KL median {np.median(divergences):.1e}")  # fmt: skip
    worst = dict(zip(likelihood.declaration.names, rows[errors.argmax()].round(3), strict=True))
    print(f"worst at {worst}")
    print(f"median <= 0.005: {np.median(errors) <= 0.005}   "
          f"95% <= 0.012: {np.quantile(errors, 0.95) <= 0.012}")  # fmt: skip


if __name__ == "__main__":
    main()
