"""Predictive checks: distributions of response times, observed and predicted, by condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from matplotlib.typing import ColorType

from likely.errors import ParameterError
from likely.plots.columns import (
    ANY,
    are_times_alone,
    choice_column,
    choices_in,
    of_any_choice,
)
from likely.plots.conditions import By, by_draw, columns_of, conditions, named, within
from likely.plots.style import INK, PALE, TITLE, broken, choice_colours, choice_label, house_style
from likely.trials import numeric_column
from likely.typing import FloatArray

LATE = 0.99  # quantile of the response times at which the time axis ends
MOST = 24
COLUMNS = 3
PROBABILITY = 0.94


@house_style()
def predictive(
    data: pd.DataFrame,
    predicted: pd.DataFrame,
    *,
    by: By = None,
    choices: Sequence[int] | None = None,
    bins: int = 30,
    limit: float | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw observed response times as histograms and predicted ones as lines, a panel a condition.

    Each area is the share of its choice; where no choice was observed, of all responses. With two
    choices, that of the first hangs down. The band
    around a line holds 94% of the predictive draws: the histogram should mostly stay within it.

    Args:
        data: columns rt (seconds, NaN = not observed), choice (NaN = none) and those of `by`.
        predicted: the same columns, from a posterior predictive distribution, with a column `draw`
            that tells draws apart; without it there are lines and no bands.
        by: column of conditions, or several of them; by default one panel holds all trials.
        choices: choices there could be; by default those that occur.
        bins: number of bins.
        limit: end of the time axis in seconds; by default the 99% quantile.
        axes: axes to draw into, one a condition; by default those of a new figure.

    Raises:
        TrialsError: columns missing or not numbers, or choices not among `choices`.
        ParameterError: more than 24 conditions, or too few axes.
    """
    if are_times_alone(data):
        data, predicted, choices = of_any_choice(data), of_any_choice(predicted), (ANY,)
    names = columns_of(by)
    panels = conditions(data, names, MOST)
    conditions(predicted, names, len(predicted) + 1)
    if choices is None:
        choices = choices_in(np.append(choice_column(data), choice_column(predicted)))
    edges = _edges(data, predicted, bins, limit)
    axes = panel_axes(len(panels), axes)
    for ax, condition in zip(axes, panels, strict=True):
        observed = within(data, names, condition)
        _observed(ax, observed, edges, choices)
        _predicted(ax, within(predicted, names, condition), edges, choices)
        title = f"{named(names, condition)} (n = {len(observed):,})"
        ax.set_title(broken(title, TITLE) if names else f"{len(observed):,} trials", fontsize=10)
        _finish(ax, edges, two=len(choices) == 2)
    _same_heights(axes)
    _explain(axes[0], choices)
    return axes


def panel_axes(n: int, axes: Sequence[Axes] | Axes | None, columns: int = COLUMNS) -> list[Axes]:
    """Return the first n of the axes, or those of a new figure.

    Raises:
        ParameterError: if there are too few.
    """
    if isinstance(axes, Axes):
        axes = [axes]
    if axes is None:
        columns = min(columns, n)
        rows = -(-n // columns)
        size = (2.6 * columns, 2.2 * rows) if columns > 1 else (6.4, 4.2)
        figure = Figure(figsize=size, layout="constrained")
        return [figure.add_subplot(rows, columns, i + 1) for i in range(n)]
    if len(axes) < n:
        raise ParameterError(f"{n} panels need as many axes, not {len(axes)}.")
    return list(axes[:n])


def _edges(
    data: pd.DataFrame, predicted: pd.DataFrame, bins: int, limit: float | None
) -> FloatArray:
    rt = numeric_column(data, "rt")
    known = rt[np.isfinite(rt)]
    if not len(known):
        drawn = numeric_column(predicted, "rt")
        known = drawn[np.isfinite(drawn)]
    start = float(known.min()) if len(known) else 0.0
    end = limit or (float(np.quantile(known, LATE)) if len(known) else start + 1.0)
    return np.linspace(start, max(end, start + 1e-3), bins + 1)


def _heights(trials: pd.DataFrame, choice: int, edges: FloatArray) -> FloatArray:
    """Return the density of times of one choice in each bin; its area is the choice's share."""
    rt = numeric_column(trials, "rt")
    counts, _ = np.histogram(rt[choice_column(trials) == choice], edges)
    return counts / (max(len(trials), 1) * np.diff(edges))


def _sides(choices: Sequence[int]) -> dict[int, float]:
    return dict(zip(choices, (-1.0, 1.0) if len(choices) == 2 else [1.0] * len(choices),
                    strict=True))  # fmt: skip


def _observed(ax: Axes, trials: pd.DataFrame, edges: FloatArray, choices: Sequence[int]) -> None:
    colours = choice_colours(choices)
    for choice, side in _sides(choices).items():
        heights = side * _heights(trials, choice, edges)
        ax.stairs(heights, edges, fill=True, color=colours[choice], alpha=0.35, lw=0)


def _predicted(ax: Axes, trials: pd.DataFrame, edges: FloatArray, choices: Sequence[int]) -> None:
    colours = choice_colours(choices)
    middles = 0.5 * (edges[1:] + edges[:-1])
    tail = 0.5 * (1.0 - PROBABILITY)
    for choice, side in _sides(choices).items():
        drawn = np.array([_heights(each, choice, edges) for each in by_draw(trials)])
        if not len(drawn):
            continue
        if len(drawn) > 1:
            low, high = side * np.quantile(drawn, [tail, 1.0 - tail], axis=0)
            ax.fill_between(middles, low, high, color=colours[choice], alpha=0.22, lw=0)
        colour: ColorType = colours[choice] if len(choices) > 2 else INK
        ax.plot(middles, side * drawn.mean(axis=0), color=colour, lw=1.3)


def _finish(ax: Axes, edges: FloatArray, *, two: bool) -> None:
    ax.set(xlabel="response time (s)", ylabel="density (1/s)")
    ax.set_xlim(max(0.0, 2 * edges[0] - edges[1] - 0.1 * (edges[-1] - edges[0])), edges[-1])
    if two:
        ax.axhline(0.0, color=PALE, lw=0.8, zorder=0.5)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{abs(y):g}"))
    else:
        ax.set_ylim(bottom=0.0)
    ax.label_outer()


def _same_heights(axes: list[Axes]) -> None:
    """Give panels one scale, so that areas compare."""
    low = min(ax.get_ylim()[0] for ax in axes)
    high = max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(low, high)


def _explain(ax: Axes, choices: Sequence[int]) -> None:
    colours = choice_colours(choices)
    ordered = reversed(choices) if len(choices) == 2 else iter(choices)
    handles: list[Patch | Line2D] = [
        Patch(color=colours[c], alpha=0.45, label=f"choice {choice_label(c, choices)}")
        for c in ordered
    ]
    handles.append(Line2D([], [], color=INK, lw=1.3, label="predicted"))
    ax.legend(handles=handles, loc="upper right", fontsize=8.5, handlelength=1.2,
              borderaxespad=0.1)  # fmt: skip
