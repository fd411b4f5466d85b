"""Psychometric and chronometric functions: choices and response times over a covariate."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType
from scipy import stats

from likely.errors import ParameterError, unknown
from likely.plots.columns import choice_column, choices_in
from likely.plots.conditions import By, by_draw, columns_of, conditions, require_columns, within
from likely.plots.conditions import named as condition_name
from likely.plots.style import (
    COLOURS,
    INK,
    PALE,
    axes_or_new,
    choice_colours,
    choice_label,
    house_style,
)
from likely.trials import numeric_column
from likely.typing import FloatArray

LEVELS = 12  # distinct values from which a covariate is cut into bins
BINS = 8
MOST = len(COLOURS)
FEWEST = 5  # response times of which a median is worth showing
BAND = 0.94
DODGE = 0.75  # of the distance of two categories, over which their curves are spread

Statistic = Callable[[pd.DataFrame], float]
Interval = Callable[[pd.DataFrame], tuple[float, float]]


@house_style()
def psychometric(
    data: pd.DataFrame,
    predicted: pd.DataFrame | None = None,
    *,
    x: Hashable,
    by: By = None,
    choice: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of a choice over a covariate: observed as points, predicted as a band.

    Bars are 94% intervals of the share (Jeffreys); bands hold 94% of predictive draws. A covariate
    with more than 12 values is cut into eight bins of as many trials each. Trials without a choice
    count in the denominator.

    Args:
        data: columns choice (NaN = none), `x` and those of `by`.
        predicted: the same columns and `draw`, from a posterior predictive distribution.
        x: column on the horizontal axis: numbers, or categories.
        by: column, or several, that tell curves apart; at most seven conditions.
        choice: whose share; by default the largest.
        ax: axes to draw into; new ones by default.

    Raises:
        TrialsError: columns missing or not numbers.
        ParameterError: a choice that does not occur, or too many conditions.
    """
    choices = choices_in(choice_column(data))
    choice = choices[-1] if choice is None and choices else choice
    if choice not in choices:
        raise ParameterError(unknown("choice", choice, choices))

    def chosen(trials: pd.DataFrame) -> np.ndarray:
        return (trials["choice"] == choice).to_numpy(dtype=bool, na_value=False)

    def share(trials: pd.DataFrame) -> float:
        return float(chosen(trials).mean()) if len(trials) else np.nan

    def interval(trials: pd.DataFrame) -> tuple[float, float]:
        hits, n = int(chosen(trials).sum()), len(trials)
        tails = [0.5 * (1.0 - BAND), 0.5 * (1.0 + BAND)]
        low, high = stats.beta.ppf(tails, hits + 0.5, n - hits + 0.5)
        return float(low), float(high)

    ax = axes_or_new(ax)
    curves = _curves(data, columns_of(by), INK)
    _draw(ax, data, predicted, x, curves, share, interval)
    ax.axhline(0.5, color=PALE, lw=0.8, zorder=0.5)
    ax.set(ylim=(-0.02, 1.02), ylabel=f"share of choice {choice_label(choice, choices)}")
    return ax


@house_style()
def chronometric(
    data: pd.DataFrame,
    predicted: pd.DataFrame | None = None,
    *,
    x: Hashable,
    by: By = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the median response time over a covariate: observed as points, predicted as a band.

    One curve a choice, unless `by` says otherwise. Bars are 94% intervals of the median, from the
    order of the times; bands hold 94% of predictive draws. A covariate with more than 12 values is
    cut into eight bins of as many trials each. Medians of fewer than five times are left out.

    Args:
        data: columns rt (seconds, NaN = not observed), choice, `x` and those of `by`.
        predicted: the same columns and `draw`, from a posterior predictive distribution.
        x: column on the horizontal axis: numbers, or categories.
        by: column, or several, that tell curves apart, in place of the choice; at most seven
            conditions.
        ax: axes to draw into; new ones by default.

    Raises:
        TrialsError: columns missing or not numbers.
        ParameterError: too many conditions.
    """
    numeric_column(data, "rt")
    columns = columns_of(by)
    if columns:
        curves = _curves(data, columns, INK)
    else:
        choices = choices_in(choice_column(data))
        colours = choice_colours(choices)
        curves = [
            _Curve(("choice",), (float(c),), f"choice {choice_label(c, choices)}", colours[c])
            for c in choices
        ]
    ax = axes_or_new(ax)
    _draw(ax, data, predicted, x, curves, _median, _median_interval)
    ax.set_ylabel("median response time (s)")
    return ax


@dataclass(frozen=True)
class _Curve:
    """The trials of one curve, and how it is drawn."""

    by: tuple[Hashable, ...]
    condition: tuple[Hashable, ...]
    label: str
    colour: ColorType

    def trials(self, frame: pd.DataFrame) -> pd.DataFrame:
        return within(frame, self.by, self.condition)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where trials stand on the horizontal axis.

    Args:
        x: the column.
        positions: one a level, (k,).
        labels: of categories; empty for numbers.
        levels: values at the positions, or, if the column was cut, where the bins begin.
        cut: whether it was.
        width: of a category's band.
    """

    x: Hashable
    positions: FloatArray
    labels: tuple[str, ...]
    levels: Any
    cut: bool
    width: float = 0.36

    def beside(self, curve: int, curves: int) -> _Places:
        """Return places at which several curves of categories stand beside each other."""
        if not self.labels:
            return self
        shift = DODGE * (curve - 0.5 * (curves - 1)) / curves
        width = self.width if curves == 1 else 0.85 * DODGE / curves
        return replace(self, positions=self.positions + shift, width=width)

    def index(self, trials: pd.DataFrame) -> np.ndarray:
        """Return the level of each trial, -1 for none."""
        if self.cut:
            values = numeric_column(trials, str(self.x))
            bins = np.searchsorted(self.levels, values, "right") - 1
            return np.where(np.isfinite(values), bins, -1)
        return pd.Index(self.levels).get_indexer(pd.Index(trials[self.x]))


def _places(data: pd.DataFrame, x: Hashable) -> _Places:
    require_columns(data, [x])
    column = data[x].dropna()
    levels = [level for (level,) in conditions(data, [x], len(column))]
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == bool:
        labels = tuple(map(str, levels))
        return _Places(x, np.arange(len(levels), dtype=np.float64), labels, levels, False)
    if len(levels) <= LEVELS:
        values = np.sort(np.asarray(levels, dtype=np.float64))
        return _Places(x, values, (), values, False)
    values = column.to_numpy(dtype=np.float64)
    begins = np.unique([-np.inf, *np.quantile(values, np.arange(1, BINS) / BINS)])
    # Where many values are the same, a bin may be empty.
    occupied, bins = np.unique(np.searchsorted(begins, values, "right") - 1, return_inverse=True)
    middles = np.bincount(bins, values) / np.bincount(bins)
    return _Places(x, middles, (), np.array([-np.inf, *begins[occupied[1:]]]), True)


def _curves(data: pd.DataFrame, by: Sequence[Hashable], alone: ColorType) -> list[_Curve]:
    found = conditions(data, by, MOST)
    if not by:
        return [_Curve((), (), "", alone)]
    return [_Curve(tuple(by), c, condition_name(by, c), COLOURS[i]) for i, c in enumerate(found)]


def _draw(
    ax: Axes,
    data: pd.DataFrame,
    predicted: pd.DataFrame | None,
    x: Hashable,
    curves: Sequence[_Curve],
    statistic: Statistic,
    interval: Interval,
) -> None:
    all_places = _places(data, x)
    for i, curve in enumerate(curves):
        places = all_places.beside(i, len(curves))
        if predicted is not None:
            require_columns(predicted, [x, *curve.by])
            _band(ax, places, curve, predicted, statistic)
        _points(ax, places, curve, data, statistic, interval, joined=predicted is None)
    ax.set_xlabel(str(x))
    if all_places.labels:
        ax.set_xticks(all_places.positions, all_places.labels)
        ax.set_xlim(-0.5, len(all_places.labels) - 0.5)
    _explain(ax, curves, predicted is not None)


def _by_level(places: _Places, trials: pd.DataFrame) -> list[pd.DataFrame]:
    index = places.index(trials)
    return [trials[index == i] for i in range(len(places.positions))]


def _band(
    ax: Axes, places: _Places, curve: _Curve, predicted: pd.DataFrame, statistic: Statistic
) -> None:
    drawn = np.array(
        [
            [statistic(level) for level in _by_level(places, curve.trials(each))]
            for each in by_draw(predicted)
        ]
    )
    seen = np.isfinite(drawn).mean(axis=0) > 0.5  # levels of which most draws have enough trials
    if not seen.any():
        return
    position, drawn = places.positions[seen], drawn[:, seen]
    tails = [0.5 * (1.0 - BAND), 0.5 * (1.0 + BAND)]
    low, high = np.nanquantile(drawn, tails, axis=0)
    if places.labels:
        width = 0.5 * places.width
        for p, lower, upper in zip(position, low, high, strict=True):
            ax.fill_between([p - width, p + width], lower, upper, color=curve.colour, alpha=0.25,
                            lw=0)  # fmt: skip
        ax.hlines(np.nanmean(drawn, axis=0), position - width, position + width,
                  color=curve.colour, lw=1.2)  # fmt: skip
        return
    ax.fill_between(position, low, high, color=curve.colour, alpha=0.25, lw=0)
    ax.plot(position, np.nanmean(drawn, axis=0), color=curve.colour, lw=1.2)


def _points(
    ax: Axes, places: _Places, curve: _Curve, data: pd.DataFrame, statistic: Statistic,
    interval: Interval, *, joined: bool,
) -> None:  # fmt: skip
    groups = _by_level(places, curve.trials(data))
    values = np.array([statistic(group) for group in groups])
    kept = np.flatnonzero(np.isfinite(values))
    if not len(kept):
        return
    bars = np.array([interval(groups[i]) for i in kept])
    position = places.positions[kept]
    ax.vlines(position, bars[:, 0], bars[:, 1], color=curve.colour, lw=1.1, alpha=0.8)
    line = "-" if joined and not places.labels else ""
    ax.plot(position, values[kept], "o", ls=line, lw=1.0, color=curve.colour, ms=5.5,
            mec="white", mew=0.6, zorder=3)  # fmt: skip


def _known_times(trials: pd.DataFrame) -> FloatArray:
    rt = trials["rt"].to_numpy(dtype=np.float64, na_value=np.nan)
    return rt[np.isfinite(rt)]


def _median(trials: pd.DataFrame) -> float:
    rt = _known_times(trials)
    return float(np.median(rt)) if len(rt) >= FEWEST else np.nan


def _median_interval(trials: pd.DataFrame) -> tuple[float, float]:
    """Return the order statistics between which the median lies with a probability of 94%."""
    rt = np.sort(_known_times(trials))
    low = int(max(stats.binom.ppf(0.5 * (1.0 - BAND), len(rt), 0.5), 0))
    return float(rt[low]), float(rt[len(rt) - 1 - low])


def _explain(ax: Axes, curves: Sequence[_Curve], predicted: bool) -> None:
    handles = [
        Line2D([], [], ls="", marker="o", color=curve.colour, label=curve.label)
        for curve in curves
        if curve.label and curve.colour in {line.get_color() for line in ax.lines}
    ]
    if predicted:
        observed = Line2D([], [], ls="", marker="o", color=INK, label="observed")
        band = Line2D([], [], color=INK, lw=5, alpha=0.3, label="predicted")
        handles += [observed, band]
    if handles:
        ax.legend(handles=handles, fontsize=9)
