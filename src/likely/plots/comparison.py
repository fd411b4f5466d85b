"""Comparisons of models by how well they predict."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from likely.plots.conditions import require_columns
from likely.plots.style import COLOURS, INK, PALE, axes_or_new, house_style

BLUE = COLOURS[1]


@house_style()
def comparison(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how far each model's expected log predictive density is below the best one's.

    As `arviz.plot_compare`, in axes of yours: the best model on top, bars of one standard error of
    the difference.

    Args:
        table: what `likely.compare` or `arviz.compare` returned.
        ax: axes to draw into; new ones by default.

    Raises:
        TrialsError: if a column of such a table is missing.
    """
    require_columns(table, ["elpd_diff", "dse"])
    ax = axes_or_new(ax, (6.4, 1.2 + 0.5 * len(table)))
    y = np.arange(len(table))[::-1]
    difference, error = (table[c].to_numpy(dtype=np.float64) for c in ("elpd_diff", "dse"))
    ax.axvline(0.0, color=PALE, lw=1.0, zorder=0.5)
    ax.hlines(y, difference - error, difference + error, color=BLUE, lw=1.6)
    ax.plot(difference, y, "o", color="white", mec=BLUE, ms=6.5, zorder=3)
    ax.set_yticks(y, [str(name) for name in table.index], color=INK)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("difference of elpd from the best model (right: better)")
    return ax
