"""A first-passage density as polynomials in log time, for its integrals.

Panels are split until each is a polynomial to `PRECISION`; integrals are then exact sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from likely.typing import FloatArray

PRECISION = 1e-11  # of a panel's coefficients, as shares of the largest mass
NODES = 12  # in each panel
WIDEST = 1.0  # panel, in log time
HALVINGS = 10  # of a panel, at most
SEARCHED = np.log([1e-24, 1e40])  # seconds; densities like s^-0.5 or s^-1.5 go far
COARSE, FINE = 1.0, 48  # step, then number of points, of the search for where the density is
FAINT = 40.0  # parts where the density of log time is exp(-FAINT) of its largest are left out

_X, _W = np.polynomial.legendre.leggauss(NODES)
_TO_COEFFICIENTS = (
    np.polynomial.legendre.legvander(_X, NODES - 1) * _W[:, None] * (np.arange(NODES) + 0.5)
).T


@dataclass(frozen=True, eq=False)
class Panels:
    """Legendre coefficients of a density of log time, panel by panel.

    Args:
        lower: lower ends of the panels in log time, (P,), ascending and without gaps.
        width: their widths, (P,).
        coefficients: of the density of log time and each choice, (NODES, P, C).
    """

    lower: FloatArray
    width: FloatArray
    coefficients: FloatArray

    @property
    def masses(self) -> FloatArray:
        """Probability in each panel of each choice, (P, C)."""
        return self.width[:, None] * self.coefficients[0]

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,)."""
        return np.asarray(self.masses.sum(axis=0))

    def later(self, times: FloatArray) -> FloatArray:
        """Probability of each choice after each of the times (n,): (n, C)."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(times, 0.0))
        masses = self.masses
        after = np.concatenate([np.cumsum(masses[::-1], axis=0)[::-1], np.zeros_like(masses[:1])])
        which = np.clip(np.searchsorted(self.lower, logs, side="right") - 1, 0, None)
        place = np.clip((logs - self.lower[which]) / self.width[which], 0.0, 1.0)
        antiderivative = np.polynomial.legendre.legint(self.coefficients, lbnd=1.0)[:, which]
        within = np.polynomial.legendre.legval(
            2.0 * place[:, None] - 1.0, antiderivative, tensor=False
        )
        return np.asarray(after[which + 1] - 0.5 * self.width[which, None] * within)


def panels(
    log_density: Callable[[FloatArray], FloatArray], searched: FloatArray = SEARCHED
) -> Panels:
    """Return the panels of a joint density of time and choice.

    Args:
        log_density: function of times (n,) that returns log densities (n, C).
        searched: logs of the earliest and the latest time (2,) at which the density may be.
    """
    lower, width = _range(log_density, searched)
    done: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    largest = 0.0
    for halving in range(HALVINGS + 1):
        coefficients = _coefficients(log_density, lower, width)
        largest = max(largest, float(np.abs(coefficients[0] * width[:, None]).max(initial=0.0)))
        rest = np.abs(coefficients[-2:]).max(axis=(0, 2)) * width
        good = (rest <= PRECISION * largest) | (halving == HALVINGS)
        done.append((lower[good], width[good], coefficients[:, good]))
        half = 0.5 * width[~good]
        lower = np.concatenate([lower[~good], lower[~good] + half])
        width = np.concatenate([half, half])
        if not len(lower):
            break
    lower, width = (np.concatenate([piece[i] for piece in done]) for i in (0, 1))
    order = np.argsort(lower)
    coefficients = np.concatenate([piece[2] for piece in done], axis=1)
    return Panels(lower[order], width[order], np.ascontiguousarray(coefficients[:, order]))


def _range(
    log_density: Callable[[FloatArray], FloatArray], searched: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Lower ends and widths of equal panels that cover where the density is."""
    low, high = searched
    for points in (int((high - low) / COARSE) + 2, FINE):
        grid = np.linspace(low, high, points)
        heights = log_density(np.exp(grid)).max(axis=1) + grid
        seen = np.flatnonzero(heights > heights.max() - FAINT)
        low, high = grid[max(seen[0] - 1, 0)], grid[min(seen[-1] + 1, points - 1)]
    count = max(int(np.ceil((high - low) / WIDEST)), 1)
    edges = np.linspace(low, high, count + 1)
    return edges[:-1], np.diff(edges)


def _coefficients(
    log_density: Callable[[FloatArray], FloatArray], lower: FloatArray, width: FloatArray
) -> FloatArray:
    """Legendre coefficients (NODES, P, C) of the density of log time in each panel."""
    logs = lower[:, None] + 0.5 * width[:, None] * (1.0 + _X)
    values = log_density(np.exp(logs.ravel())) + logs.reshape(-1, 1)
    heights = np.exp(values).reshape(len(lower), NODES, -1)
    return np.tensordot(_TO_COEFFICIENTS, heights, axes=(1, 1))
