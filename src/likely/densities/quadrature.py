"""Nodes and weights for integrals over decision time, placed where a density has its mass."""

from __future__ import annotations

import numpy as np

from likely.densities.twin import FirstPassage
from likely.typing import FloatArray

LEVELS = np.array([1e-8, 1e-5, 1e-3, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
LATE = np.array([1e-3, 1e-5, 1e-8])  # share of what is decided at all that is still undecided
SEARCHED = np.log([1e-7, 1e5])  # seconds
COARSE, FINE = 60, 200  # points of the search for quantiles
POINTS = 12  # nodes in each panel


def quadrature(passage: FirstPassage, points: int = POINTS) -> tuple[FloatArray, FloatArray]:
    """Return decision times (n,) and weights (n,): sum of weights * f(times) is about int f ds.

    Panels between quantiles of the decision time, Gauss and Legendre's rule in log time in each.
    """
    edges = _quantiles(passage)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half = 0.5 * np.diff(edges)[:, None]
    times = np.exp((edges[:-1, None] + half) + half * nodes).ravel()
    return times, (half * weights).ravel() * times


def _quantiles(passage: FirstPassage) -> FloatArray:
    """Return logs of the decision times at which `LEVELS`, then all but `LATE`, are decided."""
    low, high = SEARCHED
    for points in (COARSE, FINE):
        grid = np.linspace(low, high, points)
        left = _undecided(passage, np.exp(grid))
        early = np.searchsorted(-left, -(1.0 - 0.5 * LEVELS[0]))
        late = np.searchsorted(-left, -0.5 * LATE[-1])
        low, high = grid[max(early - 1, 0)], grid[min(late + 1, len(grid) - 1)]
    decided = np.interp(LEVELS, 1.0 - left, grid)
    still = np.interp(np.log(1.0 / LATE), -np.log(np.maximum(left, 1e-300)), grid)
    return np.unique(np.concatenate([decided, still]))


def _undecided(passage: FirstPassage, times: FloatArray) -> FloatArray:
    """Share, of the trials that ever end, which have not ended by each time; non-increasing."""
    never = max(1.0 - float(passage.probabilities.sum()), 0.0)
    left = (np.exp(passage.log_survival(times)) - never) / (1.0 - never)
    return np.minimum.accumulate(np.clip(left, 0.0, 1.0))
