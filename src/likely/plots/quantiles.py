"""Quantile-probability plots: response times and choices by condition, observed and predicted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from likely.errors import TrialsError
from likely.plots.columns import choice_column, choices_in
from likely.plots.conditions import in_order, places_of, written
from likely.plots.style import (
    INK,
    PALE,
    axes_or_new,
    choice_label,
    house_style,
    scale,
    shade,
)
from likely.trials import missing_column, numeric_column
from likely.typing import FloatArray

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
FEWEST = 5  # response times of which quantiles are worth showing
MARKERS = ("s", "o", "^", "D", "v", "P")


@dataclass(frozen=True)
class _Column:
    """One condition and choice: what is drawn above one another."""

    condition: Hashable
    choice: int
    probability: float
    times: FloatArray


@house_style()
def quantile_probability(
    observed: pd.DataFrame,
    predicted: pd.DataFrame,
    *,
    by: Hashable,
    quantiles: Sequence[float] = QUANTILES,
    ax: Axes | None = None,
) -> Axes:
    """Draw quantiles of response times over the probability of their choice, by condition.

    Filled markers are observed, crosses on lines are predicted; each stack of them is one choice
    in one condition (Ratcliff & Tuerlinckx 2002, Psychonomic Bulletin & Review 9:438). A trial
    with a choice but no time counts in the probability; one with neither counts in the
    denominator. Choices seen fewer than five times in a condition are left out.

    Args:
        observed: columns rt (seconds, NaN = not observed), choice (NaN = none) and `by`.
        predicted: the same columns, drawn from a model or a posterior predictive.
        by: column of conditions, numbers or names.
        quantiles: which quantiles, between 0 and 1.
        ax: axes to draw into; new ones by default.

    Raises:
        TrialsError: columns missing or not numbers.
    """
    ax = axes_or_new(ax, (7.0, 5.0))
    seen, expected = _columns(observed, by, quantiles), _columns(predicted, by, quantiles)
    choices = choices_in(np.array([c.choice for c in seen + expected], dtype=np.float64))
    found = dict.fromkeys((c.condition,) for c in seen + expected)
    conditions = [c for (c,) in in_order(list(found), [places_of(observed[by])])]
    colours = _condition_colours(conditions)
    for choice in choices:
        _draw_predicted(ax, [c for c in expected if c.choice == choice])
    for column in seen:
        marker = MARKERS[choices.index(column.choice) % len(MARKERS)]
        ax.plot(
            np.full(len(quantiles), column.probability), column.times, marker,
            color=colours[column.condition], ms=6.5, mec="white", mew=0.6, zorder=3,
        )  # fmt: skip
    levels = " ".join(f"{q:g}".lstrip("0") for q in quantiles)
    ax.set(xlim=(-0.03, 1.03), xlabel="probability of the choice")
    ax.set_ylabel(f"response time (s), quantiles {levels}")
    _explain(ax, by, conditions, colours, choices)
    return ax


def _columns(trials: pd.DataFrame, by: Hashable, quantiles: Sequence[float]) -> list[_Column]:
    if by not in trials.columns:
        raise TrialsError(missing_column(str(by), trials.columns))
    rt, choice = numeric_column(trials, "rt"), choice_column(trials)
    conditions = trials[by].to_numpy()
    columns = []
    for condition in pd.unique(conditions):
        here = conditions == condition
        for c in choices_in(choice[here]):
            times = rt[here & (choice == c)]
            times = times[np.isfinite(times)]
            if len(times) >= FEWEST:
                share = float(np.mean(choice[here] == c))
                columns.append(_Column(condition, c, share, np.quantile(times, quantiles)))
    return columns


def _draw_predicted(ax: Axes, columns: list[_Column]) -> None:
    """Draw one line a quantile through the conditions of one choice."""
    if not columns:
        return
    columns = sorted(columns, key=lambda c: c.probability)
    x = [c.probability for c in columns]
    times = np.stack([c.times for c in columns])
    ax.plot(x, times, "-", color=PALE, lw=1.0, zorder=1)
    ax.plot(x, times, "x", color=INK, ms=5.5, mew=1.1, zorder=2)


def _condition_colours(conditions: list[Hashable]) -> dict[Hashable, ColorType]:
    """Colour conditions by rank: values such as coherences would bunch at one end."""
    shades = scale(np.arange(max(len(conditions), 1)))
    return {c: shade(shades, i) for i, c in enumerate(conditions)}


def _explain(
    ax: Axes,
    by: Hashable,
    conditions: list[Hashable],
    colours: dict[Hashable, ColorType],
    choices: tuple[int, ...],
) -> None:
    def mark(marker: str, colour: ColorType, label: str) -> Line2D:
        return Line2D([], [], ls="", marker=marker, color=colour, label=label)

    legend = [mark("o", colours[c], written(c)) for c in conditions] if len(conditions) > 1 else []
    if legend:
        legend.append(mark("", INK, ""))
    for i, c in enumerate(choices):
        text = f"observed,\nchoice {choice_label(c, choices)}"
        legend.append(mark(MARKERS[i % len(MARKERS)], INK, text))
    legend.append(Line2D([], [], color=PALE, marker="x", mec=INK, lw=1.0, label="predicted"))
    title = str(by) if len(conditions) > 1 else None
    ax.legend(handles=legend, title=title, loc="upper left", bbox_to_anchor=(1.0, 1.0))
