"""Pairs: which parameters the data cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from likely.errors import ParameterError
from likely.plots.marginals import marginals, smooth_density
from likely.plots.style import COLOURS, INK, broken, house_style
from likely.typing import FloatArray

BLUE, RED = COLOURS[1], COLOURS[0]
MOST = 12
POINTS = 2000
LABEL = 15  # characters of a label that stand beside a panel


@house_style()
def pairs(
    idata: Any,
    *,
    names: Sequence[str] | None = None,
    reference: Mapping[str, float] | None = None,
    axes: np.ndarray | Sequence[Sequence[Axes]] | None = None,
) -> np.ndarray:
    """Draw the joint posterior of each pair of parameters, with its correlation; marginals above.

    Divergent draws, if there are any, are red.

    Args:
        idata: what `pm.sample` returns, or its group "posterior" as a dataset.
        names: variables to draw, elements of which make no more than 12 rows; by default all.
        reference: name -> true or published value, drawn as lines.
        axes: a square of axes (k, k) to draw into; by default those of a new figure.

    Returns:
        The axes (k, k); those above the diagonal hold the correlations.

    Raises:
        ParameterError: unknown names, too many parameters, or axes of another shape.
    """
    drawn = dict(marginals(idata, names))
    k = len(drawn)
    if k > MOST:
        raise ParameterError(f"{k} parameters are too many for pairs ({MOST}); choose some: names=")
    grid = _square(k) if axes is None else np.asarray(axes, dtype=object)
    if grid.shape != (k, k):
        raise ParameterError(f"{k} parameters need axes of shape ({k}, {k}), not {grid.shape}.")
    diverging = _diverging(idata, len(next(iter(drawn.values()))))
    for i, (row, y) in enumerate(drawn.items()):
        for j, (column, x) in enumerate(drawn.items()):
            ax = grid[i, j]
            if i == j:
                _marginal(ax, x)
            elif i > j:
                _joint(ax, x, y, diverging)
            else:
                _correlation(ax, x, y)
            if i >= j:
                _reference(ax, reference or {}, column, None if i == j else row)
                _labels(ax, column if i == k - 1 else "", row if j == 0 and i > 0 else "")
    return grid


def _square(k: int) -> np.ndarray:
    side = max(1.35 * k, 3.0)
    figure = Figure(figsize=(side, side), layout="constrained")
    return figure.subplots(k, k, squeeze=False, sharex="col")


def _diverging(idata: Any, n: int) -> np.ndarray:
    if isinstance(idata, xr.Dataset) or "sample_stats" not in idata.children:
        return np.zeros(n, dtype=bool)
    statistics = idata["sample_stats"]
    if "diverging" not in statistics:
        return np.zeros(n, dtype=bool)
    return np.asarray(statistics["diverging"].values, dtype=bool).ravel()


def _marginal(ax: Axes, x: FloatArray) -> None:
    grid, density = smooth_density(x)
    ax.fill_between(grid, density, color=BLUE, alpha=0.25, lw=0)
    ax.plot(grid, density, color=BLUE, lw=1.3)
    ax.set_ylim(bottom=0.0)
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])


def _joint(ax: Axes, x: FloatArray, y: FloatArray, diverging: np.ndarray) -> None:
    shown = np.linspace(0, len(x) - 1, min(POINTS, len(x))).astype(int)
    ax.plot(x[shown], y[shown], ".", color=BLUE, ms=2.0, alpha=0.3, mew=0, rasterized=True)
    ax.plot(x[diverging], y[diverging], ".", color=RED, ms=4.0, mew=0)


def _correlation(ax: Axes, x: FloatArray, y: FloatArray) -> None:
    ax.set_axis_off()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    r = float(np.corrcoef(x, y)[0, 1])
    text = f"{r:.2f}".replace("-", "\N{MINUS SIGN}")
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center",
            fontsize=9 + 5 * abs(r), color=INK, alpha=0.45 + 0.55 * abs(r))  # fmt: skip


def _reference(ax: Axes, reference: Mapping[str, float], x: str, y: str | None) -> None:
    if x in reference:
        ax.axvline(reference[x], color=INK, ls="--", lw=1.0)
    if y is not None and y in reference:
        ax.axhline(reference[y], color=INK, ls="--", lw=1.0)


def _labels(ax: Axes, x: str, y: str) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(3))
    if y or ax.get_yticks().size:
        ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.tick_params(labelsize=8, labelbottom=bool(x), labelleft=bool(y))
    ax.tick_params(axis="x", labelrotation=30)
    ax.set_xlabel(broken(x, LABEL), fontsize=9)
    ax.set_ylabel(broken(y, LABEL), fontsize=9)
