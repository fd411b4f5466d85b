"""How often each choice is made: over a parameter of a likelihood, and in trials."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from likely.errors import ParameterError, TrialsError, unknown
from likely.likelihood import Likelihood
from likely.plots.columns import choice_column, choices_in
from likely.plots.style import (
    INK,
    PALE,
    axes_or_new,
    choice_colours,
    choice_label,
    house_style,
    number,
    parameter_label,
    scale,
    shade,
)
from likely.trials import missing_column
from likely.typing import FloatArray


@house_style()
def choice_probability(
    likelihood: Likelihood,
    theta: Mapping[str, Any],
    *,
    over: str,
    by: str | None = None,
    choice: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability of a choice over one parameter, one curve for each value of another.

    Args:
        likelihood: what to draw.
        theta: name -> scalar; (m,) values for `over`, and (k,) values for `by`.
        over: parameter on the horizontal axis.
        by: parameter that colours the curves.
        choice: whose probability; by default the last of the model's choices.
        ax: axes to draw into; new ones by default.

    Raises:
        ParameterError: names unknown or missing, or a choice the model does not have.
    """
    ax = axes_or_new(ax)
    declaration = likelihood.declaration
    declaration.require_names({**dict.fromkeys([over, *([by] if by else [])]), **theta})
    choice = declaration.choices[-1] if choice is None else choice
    if choice not in declaration.choices:
        raise ParameterError(unknown("choice", choice, declaration.choices))
    column = declaration.choices.index(choice)
    grid = np.sort(np.atleast_1d(np.asarray(theta[over], dtype=np.float64)))

    def curve(**held: float) -> FloatArray:
        return likelihood.choice_probability({**theta, over: grid, **held})[:, column]

    ax.axhline(0.5, color=PALE, lw=0.8, zorder=0.5)
    if by is None:
        ax.plot(grid, curve(), color=choice_colours(declaration.choices)[choice])
    else:
        values = np.atleast_1d(np.asarray(theta[by], dtype=np.float64))
        shades = scale(values)
        for value in values:
            ax.plot(grid, curve(**{by: float(value)}), color=shade(shades, float(value)))
        ax.figure.colorbar(shades, ax=ax, label=parameter_label(declaration, by), pad=0.02)
    ax.set(xlim=(grid[0], grid[-1]) if len(grid) > 1 else None, ylim=(-0.02, 1.02))
    ax.set_xlabel(parameter_label(declaration, over))
    ax.set_ylabel(f"probability of choice {choice_label(choice, declaration.choices)}")
    return ax


@house_style()
def choice_shares(
    trials: pd.DataFrame,
    *,
    by: Hashable,
    choices: Sequence[int] | None = None,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of each choice in each condition, as bars that add up to one.

    Trials without a choice count in the denominator, so that bars of such data stop short of one.

    Args:
        trials: column choice (NaN = none) and the column `by`.
        by: column of conditions.
        choices: choices there could be; by default those that occur.
        label: what to write below the conditions; the column's name by default.
        ax: axes to draw into; new ones by default.

    Raises:
        TrialsError: columns missing, or choices not among `choices`.
    """
    ax = axes_or_new(ax)
    if by not in trials.columns:
        raise TrialsError(missing_column(str(by), trials.columns))
    choice = choice_column(trials, choices)
    choices = choices_in(choice) if choices is None else tuple(choices)
    groups = pd.Series(choice).groupby(trials[by].to_numpy())
    conditions = list(groups.groups)
    colours = choice_colours(choices)
    below = np.zeros(len(conditions))
    for c in reversed(choices):
        share = np.array([np.mean(groups.get_group(k) == c) for k in conditions])
        bars = ax.bar(
            np.arange(len(conditions)), share, 0.7, below,
            color=colours[c], alpha=0.45, label=f"choice {choice_label(c, choices)}",
        )  # fmt: skip
        shown = [f"{s:.1%}" if s > 0.04 else "" for s in share]
        ax.bar_label(bars, shown, label_type="center", color=INK, fontsize=10)
        below += share
    names = [number(k) if isinstance(k, int | float) else str(k) for k in conditions]
    ax.set_xticks(range(len(conditions)), names)
    ax.set(xlabel=str(by) if label is None else label, ylabel="share of trials", ylim=(0, 1))
    ax.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(choices), 4),
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
    return ax
