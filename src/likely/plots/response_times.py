"""Distributions of response times by choice: of trials, of likelihoods, of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from matplotlib.typing import ColorType
from scipy.integrate import cumulative_trapezoid

from likely.errors import ParameterError
from likely.likelihood import Likelihood
from likely.plots.columns import (
    ANY,
    are_times_alone,
    choice_column,
    choices_in,
    of_any_choice,
)
from likely.plots.style import (
    INK,
    PALE,
    axes_or_new,
    choice_colours,
    choice_label,
    house_style,
    parameter_label,
    scale,
    shade,
    write_at_end,
)
from likely.trials import CHOICE_UNOBSERVED, numeric_column
from likely.typing import FloatArray, Theta

LATE = 0.995  # quantile of the response times at which the time axis ends
LINES = ("-", "--", ":", "-.")
GRID = 800
LONGEST = 60.0  # seconds
ROOM = 0.22  # least height of either side of zero, as a share of the other


@house_style()
def response_times(
    trials: pd.DataFrame,
    *,
    choices: Sequence[int] | None = None,
    bins: int = 60,
    limit: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw histograms of response times, scaled so that each has the area of its choice's share.

    With two choices, that of the first hangs down. Trials without a time or later than the limit
    count in the shares only, as do trials without a choice, unless no choice was observed at all.

    Args:
        trials: columns rt (seconds, NaN = not observed) and choice.
        choices: choices there could be; by default those that occur.
        bins: number of bins.
        limit: end of the time axis in seconds; by default the 99.5% quantile.
        ax: axes to draw into; new ones by default.

    Raises:
        TrialsError: columns missing or not numbers, or choices not among `choices`.
    """
    ax = axes_or_new(ax)
    if are_times_alone(trials):
        trials, choices = of_any_choice(trials), (ANY,)
    rt, choice = numeric_column(trials, "rt"), choice_column(trials, choices)
    choices = choices_in(choice) if choices is None else tuple(choices)
    known = rt[np.isfinite(rt)]
    start = float(known.min()) if len(known) else 0.0
    end = limit or (float(np.quantile(known, LATE)) if len(known) else start + 1.0)
    edges = np.linspace(start, max(end, start + 1e-3), bins + 1)
    colours = choice_colours(choices)
    for c, side in zip(choices, _sides(choices), strict=True):
        counts, _ = np.histogram(rt[choice == c], edges)
        heights = side * counts / (max(len(rt), 1) * np.diff(edges))
        ax.stairs(heights, edges, fill=True, color=colours[c], alpha=0.35, lw=0)
        ax.stairs(heights, edges, color=colours[c], alpha=0.6, lw=0.8)
    shares = {c: float(np.mean(choice == c)) if len(rt) else 0.0 for c in choices}
    _name_choices(ax, choices, shares)
    _finish(ax, choices, edges[-1])
    return ax


@house_style()
def densities(
    likelihood: Likelihood,
    theta: Theta,
    *,
    by: str | None = None,
    times: FloatArray | None = None,
    colour: ColorType | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density of response times and choices, one curve a parameter row and choice.

    With two choices, the first one's curves hang down; with more, each has a line style.

    Args:
        likelihood: what to draw.
        theta: parameters, (m,) rows at most; see `Likelihood.logp`.
        by: parameter that colours the curves; needed if several parameters vary.
        times: response times in seconds; by default up to where 99.5% have responded.
        colour: one colour for all curves.
        ax: axes to draw into; new ones by default.

    Raises:
        ParameterError: parameters that do not fit the likelihood, or several vary and none is `by`.
    """
    ax = axes_or_new(ax)
    declaration = likelihood.declaration
    rows = declaration.rows(theta)
    times = _time_grid(likelihood, rows) if times is None else np.asarray(times, dtype=np.float64)
    choices = declaration.choices
    if colour is None and len(rows) > 1:
        by = by or _varying(declaration.names, rows)
        values = rows[:, declaration.names.index(by)]
        shades = scale(values)
        colours = [[shade(shades, float(v))] * len(choices) for v in values]
        ax.figure.colorbar(shades, ax=ax, label=parameter_label(declaration, by), pad=0.02)
    else:
        own = choice_colours(choices)
        colours = [[own[c] if colour is None else colour for c in choices]] * len(rows)
    for row, row_colours in zip(rows, colours, strict=True):
        _curves(ax, likelihood, row, times, row_colours)
    _name_lines(ax, choices)
    _finish(ax, choices, float(times[-1]))
    return ax


@house_style()
def density_over_trials(
    likelihood: Likelihood,
    theta: Theta,
    trials: pd.DataFrame,
    *,
    bins: int = 60,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density of one parameter row over the histogram of trials.

    Args:
        likelihood: its density is the line.
        theta: one row of parameters.
        trials: columns rt (seconds, NaN = not observed) and choice; the histogram.
        bins: number of bins.
        ax: axes to draw into; new ones by default.
    """
    rows = likelihood.declaration.rows(theta)
    if len(rows) != 1:
        raise ParameterError(f"theta has {len(rows)} rows; one density is drawn over the trials.")
    choices = likelihood.declaration.choices
    end = float(_time_grid(likelihood, rows)[-1])
    ax = response_times(trials, choices=choices, bins=bins, limit=end, ax=ax)
    return densities(likelihood, rows, colour=INK if len(choices) == 2 else None, ax=ax)


def _curves(
    ax: Axes, likelihood: Likelihood, row: FloatArray, times: FloatArray, colours: list[ColorType]
) -> None:
    choices = likelihood.declaration.choices
    lines = LINES if len(choices) > 2 else ("-",)
    for i, (c, side) in enumerate(zip(choices, _sides(choices), strict=True)):
        trials = np.stack([times, np.full(len(times), float(c))], axis=1)
        density = side * np.exp(likelihood.logp(row, trials))
        ax.plot(times, density, lines[i % len(lines)], color=colours[i], lw=1.5)


def _time_grid(likelihood: Likelihood, rows: FloatArray) -> FloatArray:
    """Return times from 0 to where almost all have responded, at every parameter row."""
    grid = np.geomspace(0.05, LONGEST, 400)
    any_choice = np.stack([grid, np.full(len(grid), CHOICE_UNOBSERVED)], axis=1)
    responded = np.ones(len(grid))
    for row in rows:
        mass = cumulative_trapezoid(np.exp(likelihood.logp(row, any_choice)), grid, initial=0.0)
        responded = np.minimum(responded, mass / max(mass[-1], 1e-300))
    over = grid[responded > LATE]
    return np.linspace(0.0, over[0] if len(over) else LONGEST, GRID)


def _varying(names: Sequence[str], rows: FloatArray) -> str:
    varying = [name for name, column in zip(names, rows.T, strict=True) if np.ptp(column) > 0]
    if len(varying) == 1:
        return varying[0]
    raise ParameterError(
        f"parameters {', '.join(varying) or 'none'} vary; say which one colours the curves: by=..."
    )


def _sides(choices: Sequence[int]) -> list[float]:
    """Return the sign of each choice's curves: two choices are drawn on either side of zero."""
    return [-1.0, 1.0] if len(choices) == 2 else [1.0] * len(choices)


def _name_choices(ax: Axes, choices: Sequence[int], shares: dict[int, float]) -> None:
    colours = choice_colours(choices)
    text = {c: f"choice {choice_label(c, choices)}: {shares[c]:.1%}" for c in choices}
    if len(choices) == 2:
        for c in choices:
            write_at_end(ax, text[c], top=c == choices[1], colour=colours[c])
    else:
        ax.legend(handles=[Patch(color=colours[c], alpha=0.5, label=text[c]) for c in choices])


def _name_lines(ax: Axes, choices: Sequence[int]) -> None:
    """Tell which curves are whose choice, unless the histograms below them do."""
    if ax.texts or ax.get_legend() is not None:
        return
    text = {c: f"choice {choice_label(c, choices)}" for c in choices}
    if len(choices) == 2:
        for c in choices:
            write_at_end(ax, text[c], top=c == choices[1])
    else:
        lines = [
            Line2D([], [], color=INK, ls=LINES[i % len(LINES)], label=text[c])
            for i, c in enumerate(choices)
        ]
        ax.legend(handles=lines)


def _finish(ax: Axes, choices: Sequence[int], end: float) -> None:
    """Label axes; where curves hang down, heights have no sign, and both sides room for a label."""
    ax.set_xlabel("response time (s)")
    ax.set_ylabel("density (1/s)")
    ax.set_xlim(0.0, end)
    if len(choices) == 2:
        ax.axhline(0.0, color=PALE, lw=0.8, zorder=0.5)
        bottom, top = ax.get_ylim()
        ax.update_datalim([(0.0, -ROOM * top), (0.0, -ROOM * bottom)])
        ax.autoscale_view(scalex=False)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{abs(y):g}"))
    else:
        ax.set_ylim(bottom=0.0)
