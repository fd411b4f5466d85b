"""Nodes and weights for integrals over decision time, placed where a density has its mass."""

from __future__ import annotations

import functools

import numpy as np

from likely.densities.twin import FirstPassage
from likely.errors import ParameterError
from likely.typing import FloatArray

# Shares decided, then undecided, of all that ever decide, at which panels meet.
DECIDED = np.array([1e-8, 1e-5, 1e-3, 0.02, 0.1, 0.25, 0.5])
UNDECIDED = np.array([0.25, 0.1, 0.02, 1e-3, 1e-5, 1e-8])
PANELS = len(DECIDED) + len(UNDECIDED) - 1  # fewer where two of these are at the same time
SEARCHED = np.linspace(np.log(1e-6), np.log(1e5), 40)  # log seconds
FINE = 200  # points between which quantiles are interpolated
POINTS = 12  # nodes in each panel
MISSED = 1e-7  # share by which a panel may be wrong before it is halved
HALVINGS = 12
RAREST = 1e-9  # share of decisions below which survival has no digits to place panels by


def quadrature(passage: FirstPassage, points: int = POINTS) -> tuple[FloatArray, FloatArray]:
    """Return decision times (n,) and weights (n,): sum of weights * f(times) is about int f ds.

    Panels between quantiles of the decision time, Gauss and Legendre's rule in log time in each.
    Only times between 1e-6 and 1e5 seconds are covered.

    Raises:
        ParameterError: if hardly anything is ever decided.
    """
    times, weights = _panels(_quantiles(passage), points)
    return times.ravel(), weights.ravel()


def refined_quadrature(
    passage: FirstPassage, points: int = POINTS
) -> tuple[FloatArray, FloatArray]:
    """Do the same with as many panels as it takes: for densities that are smooth in parts only.

    Panels that do not hold as much of the density as their halves do, as where drift jumps, are
    halved.
    """
    edges = _quantiles(passage)
    begins, ends = edges[:-1], edges[1:]
    held = _held(passage, begins, ends, points)
    for _ in range(HALVINGS):
        if len(begins) == 0:
            break
        middles = 0.5 * (begins + ends)
        early = _held(passage, begins, middles, points)
        late = _held(passage, middles, ends, points)
        wrong = np.abs(early + late - held) > MISSED
        edges = np.append(edges, middles[wrong])
        begins, ends = (
            np.append(begins[wrong], middles[wrong]),
            np.append(middles[wrong], ends[wrong]),
        )
        held = np.append(early[wrong], late[wrong])
    times, weights = _panels(np.sort(edges), points)
    return times.ravel(), weights.ravel()


def _panels(edges: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
    """Return times and weights, (panels, points), in panels that meet at logs of times."""
    return _between(edges[:-1], edges[1:], points)


def _between(begins: FloatArray, ends: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = _rule(points)
    half = 0.5 * (ends - begins)[:, None]
    times = np.exp((begins[:, None] + half) + half * nodes)
    return times, half * weights * times


def _held(passage: FirstPassage, begins: FloatArray, ends: FloatArray, points: int) -> FloatArray:
    """Integrate the density over panels."""
    times, weights = _between(begins, ends, points)
    densities = np.exp(passage.log_density(times.ravel())).sum(axis=1).reshape(times.shape)
    return np.asarray((densities * weights).sum(axis=1))


@functools.cache
def _rule(points: int) -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(points)


def _quantiles(passage: FirstPassage) -> FloatArray:
    """Return logs of the decision times at which panels meet.

    Survival, which is monotone, brackets them however narrow the density; the density, which is
    cheaper, does the rest.
    """
    left = np.exp(passage.log_survival(np.exp(SEARCHED)))
    never = left[-1]
    if not never < 1.0 - RAREST:
        raise ParameterError(
            f"hardly anything is ever decided at these parameters (a share of {1.0 - never:.1g}): "
            "there is no density to integrate."
        )
    left = (left - never) / max(1.0 - never, 1e-300)
    low = SEARCHED[max(int(np.argmax(left < 1.0 - 0.5 * DECIDED[0])) - 1, 0)]
    high = SEARCHED[int(np.argmax(left < 0.5 * UNDECIDED[-1]))]
    grid = np.linspace(low, high, FINE)
    density = np.exp(passage.log_density(np.exp(grid)) + grid[:, None]).sum(axis=1)
    steps = 0.5 * (density[1:] + density[:-1])
    tiny = 1e-300
    early = np.log(np.append(tiny, steps.cumsum() + tiny) / (steps.sum() + tiny))
    late = np.log(np.append(steps[::-1].cumsum()[::-1] + tiny, tiny) / (steps.sum() + tiny))
    return np.unique(
        np.concatenate(
            [
                np.interp(np.log(DECIDED), early, grid),
                np.interp(-np.log(UNDECIDED), -late, grid),
            ]
        )
    )
