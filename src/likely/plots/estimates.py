"""Parameters of groups in their own units: an interval a group and condition, ascending."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.typing import ColorType

from likely.errors import ParameterError, unknown
from likely.estimate_table import FIXED, POPULATION, covariates
from likely.plots.conditions import distinct, written
from likely.plots.effects import MOST_LABELS, SMALL
from likely.plots.style import COLOURS, INK, PALE, axes_or_new, house_style, scale, shade

SPREAD = 0.5  # of a group's space that its conditions take
MOST = 8  # values of a covariate; one of more values, such as age, makes no conditions here
MOST_NAMED = 12  # conditions in a legend


@house_style()
def estimates(
    table: pd.DataFrame, parameter: str, *, level: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw estimates of groups in the parameter's unit: mean and interval, by condition.

    Groups ascend by their mean over conditions; dashed lines are means of the population.

    Args:
        table: what `Fit.estimates` returns.
        parameter: whose estimates.
        level: what the groups are, such as "subject"; by default the first of the parameter.
        ax: axes to draw into; new ones, as tall as the groups need, by default.

    Raises:
        ParameterError: an unknown parameter or level, or a parameter that has no groups.
    """
    of_parameter, level = _chosen(table, parameter, level)
    rows = of_parameter[of_parameter["level"] == level]
    groups = group_columns(table, level)
    by = _conditions(rows, groups)
    labels = pd.Series(group_labels(rows, groups), index=rows.index)
    order = list(rows["mean"].groupby(labels).mean().sort_values().index)
    every = list(dict.fromkeys(rows[by].itertuples(index=False, name=None)))
    ax = axes_or_new(ax, _size(len(order), len(every)))
    where = dict(zip(order, range(len(order)), strict=True))
    offsets = np.linspace(0.5, -0.5, len(every)) * SPREAD if len(every) > 1 else np.zeros(1)
    for each, colour, offset in zip(every, _colours(len(every)), offsets, strict=True):
        here = _within(rows, by, each)
        y = np.array([where[label] for label in labels[here.index]]) + offset
        lower, upper = (here.filter(regex=rf"^eti[\d.]+_{end}$").iloc[:, 0] for end in ("lb", "ub"))
        ax.hlines(y, lower, upper, color=colour, lw=1.4)
        label = ", ".join(map(written, each))
        ax.plot(here["mean"], y, "o", color="white", mec=colour, ms=4.5, zorder=3, label=label)
        _draw_population(ax, of_parameter, by, each, colour if by else INK)
    _finish(ax, rows, order)
    if by and len(every) <= MOST_NAMED:
        ax.legend(title=", ".join(by), loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _size(groups: int, conditions: int) -> tuple[float, float]:
    """Return width and height of a figure in inches."""
    each = 0.24 if conditions == 1 else 0.2 + 0.05 * conditions
    return 5.6 if conditions == 1 else 6.4, min(1.2 + each * groups, 14.0)


def _conditions(rows: pd.DataFrame, groups: Sequence[str]) -> list[str]:
    """Return covariates of several values, but few enough for a colour each."""
    columns = [c for c in condition_columns(rows) if c not in groups]
    return [c for c in columns if 1 < rows[c].nunique() <= MOST]


def group_columns(table: pd.DataFrame, level: str) -> list[str]:
    """Return the columns that tell the groups of a level apart; none of the population."""
    if level in (POPULATION, FIXED):
        return []
    parts = {level, level.removesuffix(" (column)"), *level.split(":")}
    return [c for c in covariates([*table.columns]) if c.removesuffix(" (column)") in parts]


def condition_columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns of covariates and groups that these rows of estimates have values of."""
    return [c for c in covariates([*rows.columns]) if rows[c].notna().any()]


def group_labels(rows: pd.DataFrame, groups: Sequence[str]) -> list[str]:
    """Return what each row's group is called."""
    if not groups:
        return [""] * len(rows)
    columns = [distinct(rows[group].tolist()) for group in groups]
    return [", ".join(values) for values in zip(*columns, strict=True)]


def _chosen(table: pd.DataFrame, parameter: str, level: str | None) -> tuple[pd.DataFrame, str]:
    """Return the rows of a parameter, and the level to draw."""
    if parameter not in set(table["parameter"]):
        raise ParameterError(unknown("parameter", parameter, table["parameter"].unique()))
    rows = table[table["parameter"] == parameter]
    levels = [str(n) for n in rows["level"].unique() if group_columns(table, str(n))]
    if not levels:
        raise ParameterError(f"parameter '{parameter}' does not vary by groups.")
    if level is not None and level not in levels:
        raise ParameterError(unknown(f"level of parameter '{parameter}'", level, levels))
    return rows, level or levels[0]


def _within(rows: pd.DataFrame, by: Sequence[str], condition: Sequence[Hashable]) -> pd.DataFrame:
    here = np.ones(len(rows), dtype=bool)
    for name, value in zip(by, condition, strict=True):
        here &= (rows[name] == value).to_numpy(dtype=bool)
    return rows[here]


def _colours(n: int) -> list[ColorType]:
    """Return colours of n conditions; of many, from dark to light."""
    if n == 1:
        return [COLOURS[1]]
    shades = scale([0.0, n - 1.0])
    return list(COLOURS[:n]) if n <= len(COLOURS) else [shade(shades, i) for i in range(n)]


def _draw_population(
    ax: Axes,
    rows: pd.DataFrame,
    by: Sequence[str],
    condition: Sequence[Hashable],
    colour: ColorType,
) -> None:
    """Draw the population's mean in a condition, if it is one of its own."""
    population = rows[rows["level"] == POPULATION]
    if set(_conditions(population, ())) == set(by):
        for mean in _within(population, by, condition)["mean"]:
            ax.axvline(mean, color=colour, ls="--", lw=1.0, alpha=0.7, zorder=0.5)


def _finish(ax: Axes, rows: pd.DataFrame, order: Sequence[str]) -> None:
    if len(order) <= MOST_LABELS:
        ax.set_yticks(range(len(order)), order, fontsize=10 if len(order) < SMALL else 7)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(order)} groups")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-0.7, len(order) - 0.3)
    ax.grid(axis="x", color=PALE, lw=0.4, alpha=0.5)
    name, unit = rows["parameter"].iloc[0], rows["unit"].iloc[0]
    (interval,) = rows.filter(regex=r"^eti[\d.]+_lb$").columns
    percent = interval.removeprefix("eti").removesuffix("_lb")
    ax.set_xlabel(f"{name}{f' in {unit}' if unit else ''}  ({percent}% intervals)")
