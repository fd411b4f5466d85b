"""Simulation-based calibration: how far ranks and coverage stray, with the bands of chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from likely.calibration import Band, Calibration, band
from likely.errors import ParameterError
from likely.plots.style import COLOURS, INK, SHADE, house_style
from likely.typing import FloatArray

BLUE, RED = COLOURS[1], COLOURS[0]


@house_style()
def calibration(result: Calibration, *, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw the share of true values below each posterior quantile, less the quantile.

    The line of a calibrated posterior stays within the band, all quantities' at once with a
    probability of 95%. A line that rises and then falls means true values below the posterior; one
    that rises on the right and falls on the left, posteriors that are too wide.

    Args:
        result: what `likely.calibrate` returned.
        axes: axes to draw into, one a quantity; by default those of a new figure.

    Raises:
        ParameterError: if there are too few axes.
    """
    expected = band(result.draws + 1, len(result.ranks), 1.0 - result.level)
    axes = _row_of_axes(result, axes)
    for ax, quantity in zip(axes, result.ranks.columns, strict=False):
        _deviation(ax, result.shares(quantity), expected)
        ax.set(title=quantity, xlabel="posterior quantile")
    axes[0].set_ylabel("share below less quantile\n(shaded: 95% band)")
    return axes


@house_style()
def coverage(result: Calibration, *, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw how often central posterior intervals hold the truth, less their probability.

    A line below the band means intervals that are too narrow: overconfidence.

    Args:
        result: what `likely.calibrate` returned.
        axes: axes to draw into, one a quantity; by default those of a new figure.

    Raises:
        ParameterError: if there are too few axes.
    """
    expected = band((result.draws + 1) // 2, len(result.ranks), 1.0 - result.level)
    axes = _row_of_axes(result, axes)
    for ax, quantity in zip(axes, result.ranks.columns, strict=False):
        _deviation(ax, result.folded_shares(quantity), expected)
        ax.set(title=quantity, xlabel="probability of interval")
    axes[0].set_ylabel("coverage less probability\n(shaded: 95% band)")
    return axes


def _deviation(ax: Axes, shares: FloatArray, expected: Band) -> None:
    """Draw shares less levels, and the band; in red if the line leaves it."""
    levels = np.concatenate([[0.0], expected.levels, [1.0]])
    lower, upper, line = (
        np.concatenate([[0.0], part - expected.levels, [0.0]])
        for part in (expected.lower, expected.upper, shares)
    )
    strays = bool((line < lower - 1e-12).any() or (line > upper + 1e-12).any())
    ax.fill_between(levels, lower, upper, color=SHADE, lw=0)
    ax.axhline(0.0, color=INK, lw=0.8, zorder=1.5)
    ax.plot(levels, line, color=RED if strays else BLUE)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xticks([0.0, 0.5, 1.0])
    ax.set_xlim(0.0, 1.0)


def _row_of_axes(result: Calibration, axes: Sequence[Axes] | None) -> list[Axes]:
    n = len(result.ranks.columns)
    if axes is None:
        figure = Figure(figsize=(1.2 + 1.9 * n, 2.8), layout="constrained")
        return list(np.ravel(figure.subplots(1, n, sharey=True)))
    if len(axes) < n:
        raise ParameterError(f"{n} quantities need as many axes, not {len(axes)}.")
    return list(axes[:n])
