"""Probability integral transforms of decision times, and how far from uniform they are.

Where a density is right, its distribution function maps times drawn from it to uniform numbers
(Dawid 1984, Journal of the Royal Statistical Society A 147, 278-292).
"""

from __future__ import annotations

import numpy as np
from scipy.special import kolmogi

from likely.certificates.queries import log_densities
from likely.likelihood import Likelihood
from likely.typing import FloatArray

POINTS = 400  # of the grid of log times
EARLIER = 0.05  # the grid begins at this share of the first draw
CHANCE = 0.05
LEVELS = 51  # at which distributions of transforms are recorded


def transforms(
    likelihood: Likelihood, row: FloatArray, times: FloatArray, chosen: np.ndarray, latest: float
) -> tuple[FloatArray, float]:
    """Return the transforms (n,) of decision times given their choices, and the density's mass.

    Args:
        likelihood: whose density, restricted to decision times up to `latest`, is the reference.
        row: parameters, (p,).
        times: decision times, (n,).
        chosen: indices of choices, (n,).
        latest: decision time in seconds at which the draws were given up.
    """
    logs = np.linspace(np.log(EARLIER * times.min()), np.log(latest), POINTS)
    grid = np.exp(logs)
    log_q, _ = log_densities(likelihood, np.broadcast_to(row, (POINTS, len(row))), grid)
    heights = np.exp(log_q) * grid[:, None]
    panels = 0.5 * np.diff(logs)[:, None] * (heights[1:] + heights[:-1])
    reached = np.concatenate([np.zeros((1, heights.shape[1])), np.cumsum(panels, axis=0)])
    result = np.empty(len(times))
    for c in range(reached.shape[1]):
        mine = chosen == c
        total = max(float(reached[-1, c]), np.finfo(float).tiny)
        result[mine] = np.interp(np.log(times[mine]), logs, reached[:, c] / total)
    return result, float(reached[-1].sum())


def distance(values: FloatArray) -> float:
    """Return Kolmogorov and Smirnov's distance of values (n,) from a uniform distribution."""
    ranked, n = np.sort(values), len(values)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - ranked).max(), (ranked - steps[:-1]).max()))


def band(n: int, tests: int = 1) -> float:
    """Return the distance that n uniform values exceed in any of some tests with chance 5%."""
    return float(kolmogi(-np.expm1(np.log1p(-CHANCE) / tests)) / np.sqrt(n))


def departure(values: FloatArray) -> FloatArray:
    """Return the cumulative distribution of values (n,) less the uniform one, (LEVELS,)."""
    levels = np.linspace(0.0, 1.0, LEVELS)
    return np.searchsorted(np.sort(values), levels, side="right") / len(values) - levels
