"""How exact likelihoods are that interpolate between networks' answers, where one parameter varies.

    uv run python benchmarks/interpolation.py [NAME ...] [--sets 10]

Where a regression moves one parameter alone, `likely.kernels.along` evaluates the network on a grid
and not at every trial. For each shipped mixture, each parameter that enters its network and random
values of the others, this compares log densities and derivatives of 8,000 trials, over whose rows
that parameter runs through its box, with those that the network gives at every trial.
"""

from __future__ import annotations

import argparse

import numpy as np

import likely as lk
from likely.kernels.native import NO_INDEX
from likely.networks.mixture import MixtureDensity

TRIALS, SEED = 8000, 0


def errors(likelihood: lk.Likelihood, sets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return absolute errors of log densities, and of derivatives times half the box's width."""
    rng = np.random.default_rng(SEED)
    density = likelihood.density
    assert isinstance(density, MixtureDensity)
    prepared, found, slopes = density.prepared(likelihood.weights), [], []
    limits = np.array([[low, min(high, 1.0)] if name == "t" else [low, high]
                       for name, (low, high) in likelihood.box.items()])  # fmt: skip
    for column in density.declaration.shaping:
        for _ in range(sets):
            rows = np.tile(rng.uniform(*limits.T), (TRIALS, 1))
            rows[:, column] = rng.uniform(*limits[column], TRIALS)
            trials = likelihood.sample(rows, 1, seed=int(rng.integers(1000))).to_numpy().copy("C")
            values, gradient = density.pull(prepared, rows, NO_INDEX, trials, np.ones(TRIALS))
            exact, expected = density.evaluate(likelihood.weights, rows, trials)
            known = np.isfinite(exact)
            found.append(np.abs(values - exact)[known])
            scaled = np.abs(gradient - expected)[known] * np.ptp(limits, axis=1) / 2.0
            slopes.append(scaled.max(axis=1))
    return np.concatenate(found), np.concatenate(slopes)


def main() -> None:
    """Print a line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sets", type=int, default=10)
    given = parser.parse_args()
    names = given.names or [n for n in lk.models if _is_mixture(n)]
    print(f"{'':22}{'log density':>30}{'derivatives':>30}")
    print(f"{'model':22}" + f"{'median':>10}{'99.9%':>10}{'most':>10}" * 2)
    for name in names:
        found = errors(lk.load(name), given.sets)
        numbers = [q for e in found for q in (*np.quantile(e, [0.5, 0.999]), e.max())]
        print(f"{name:22}" + "".join(f"{q:10.1e}" for q in numbers), flush=True)


def _is_mixture(name: str) -> bool:
    """Tell whether a model has a shipped likelihood that is one mixture."""
    try:
        density = lk.load(name).density
    except lk.LikelyError:
        return False
    return isinstance(density, MixtureDensity) and density.compilable


if __name__ == "__main__":
    main()
