"""Recovery: posteriors against the truths that made their data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from likely.plots.conditions import require_columns
from likely.plots.predictive import panel_axes
from likely.plots.style import COLOURS, PALE, house_style
from likely.trials import numeric_column

BLUE, RED = COLOURS[1], COLOURS[0]
NEEDED = ("parameter", "truth", "mean", "lower", "upper")


@house_style()
def recovery(recovered: pd.DataFrame, *, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw posterior means and intervals over the true values, a panel a parameter.

    Intervals that miss the truth are red; the title says how many hold it.

    Args:
        recovered: one row a fit and parameter: parameter, truth, mean, and the lower and upper end
            of an interval.
        axes: axes to draw into, one a parameter in order of appearance; by default those of a new
            figure.

    Raises:
        TrialsError: columns missing or not numbers.
        ParameterError: too few axes.
    """
    require_columns(recovered, NEEDED)
    for name in NEEDED[1:]:
        numeric_column(recovered, name)
    groups = list(recovered.groupby("parameter", sort=False))
    axes = panel_axes(len(groups), axes)
    for ax, (parameter, rows) in zip(axes, groups, strict=True):
        _panel(ax, str(parameter), rows)
    axes[0].set_ylabel("mean and interval")
    return axes


def _panel(ax: Axes, name: str, rows: pd.DataFrame) -> None:
    truth, mean, lower, upper = (rows[c].to_numpy(dtype=np.float64) for c in NEEDED[1:])
    held = (lower <= truth) & (truth <= upper)
    limits = [min(truth.min(), lower.min()), max(truth.max(), upper.max())]
    ax.plot(limits, limits, color=PALE, lw=1.0, zorder=0.5)
    for kept, colour in ((held, BLUE), (~held, RED)):
        ax.vlines(truth[kept], lower[kept], upper[kept], color=colour, lw=1.0, alpha=0.6)
        ax.plot(truth[kept], mean[kept], "o", color=colour, ms=4.0, mew=0)
    ax.set_title(f"{name}: {held.sum()} of {len(held)} hold the truth", fontsize=10)
    ax.set_xlabel(f"true {name}")
    ax.xaxis.set_major_locator(MaxNLocator(5))
