"""How each parameter moves the distribution of response times and choices."""

from __future__ import annotations

import contextlib
import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.typing import ColorType

from likely.errors import ParameterError
from likely.likelihood import Likelihood
from likely.model import Model
from likely.plots.known_density import KnownDensity, known_density
from likely.plots.style import (
    INK,
    PALE,
    choice_label,
    house_style,
    number,
    scale,
    shade,
)
from likely.plots.typical import rows_of_levels, typical_row
from likely.simulation import simulate
from likely.typing import FloatArray, Theta
from likely.zoo import resolve

LATE = 0.95  # quantile of the response times of typical parameters at which time axes end
COLUMNS = 4
WIDTH, HEIGHT, PER_CHOICE = 3.1, 2.3, 0.55  # inches of a panel; more height for each third choice
GRID = 400
TITLE = 42  # characters of a line of a panel's title
FAINT = 0.004  # of the tallest density, below which it would only hide base lines
BINS = 50
FILL = 0.92  # of the distance between the base lines of choices


@house_style()
def parameter_effects(
    model: Model | str,
    theta: Theta | None = None,
    *,
    likelihood: Likelihood | None = None,
    n: int = 20_000,
    seed: int = 0,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw the density of each choice at a low, a middle and a high value of each parameter.

    A panel a parameter, the others as given. With two choices, that of the first hangs down; with
    more, they stand above each other. Densities are those of the likelihood; without one, exact;
    without an exact one, histograms of simulated trials.

    Args:
        model: a model, or the name of one in `likely.models`.
        theta: one row of parameters; by default a typical one.
        likelihood: whose density is drawn; by default the shipped one.
        n: number of simulated trials in each histogram.
        seed: any integer from 0 to 2^64 - 1.
        figure: what to draw into; a new figure by default.

    Raises:
        ParameterError: parameters that do not fit the model, more than one row of them, or a
            likelihood of other parameters.
    """
    model = resolve(model)
    declaration = model.declaration
    rows = typical_row(declaration)[None] if theta is None else declaration.rows(theta)
    if len(rows) != 1:
        raise ParameterError(f"theta has {len(rows)} rows; one is varied.")
    rt = simulate(model, rows, n, seed=seed)["rt"].dropna()
    end = 1.4 * float(rt.quantile(LATE)) if len(rt) else 1.0
    density = known_density(model, likelihood)
    columns, lines = panels(model)
    if figure is None:
        figure = Figure(figsize=effects_size(model), layout="constrained")
    axes = np.ravel(figure.subplots(lines, columns, squeeze=False))
    for ax, name in zip(axes, declaration.names, strict=False):
        values = rows_of_levels(declaration, rows[0], name)
        _panel(ax, model, density, values, name, end, n, seed)
    for ax in axes[len(declaration.names) :]:
        ax.set_visible(False)
    for ax in axes[max(len(declaration.names) - columns, 0) : len(declaration.names)]:
        ax.set_xlabel("response time (s)")
    return figure


def panels(model: Model) -> tuple[int, int]:
    """Return how many columns and lines of panels a model's parameters take."""
    count = len(model.parameters)
    lines = math.ceil(count / COLUMNS)
    return math.ceil(count / lines), lines


def effects_size(model: Model) -> tuple[float, float]:
    """Return width and height in inches of a figure of all parameters."""
    columns, lines = panels(model)
    return WIDTH * columns, lines * (HEIGHT + PER_CHOICE * max(len(model.choices) - 2, 0))


def _panel(
    ax: Axes, model: Model, density: KnownDensity | None, rows: FloatArray, name: str, end: float,
    n: int, seed: int,
) -> None:  # fmt: skip
    """Draw the densities at rows (m, p) that differ in one parameter."""
    column = model.declaration.names.index(name)
    shades = scale(np.arange(len(rows)))  # by rank: values may be spaced by their logarithms
    times = np.linspace(0.0, end, GRID)
    found = [_values(model, density, row, times, n, seed) for row in rows]
    step = max((float(v.max(initial=0.0)) for v in found), default=0.0) / FILL or 1.0
    two = len(model.choices) == 2
    places = (
        [(-1.0, 0.0), (1.0, 0.0)] if two else [(1.0, k * step) for k in range(len(model.choices))]
    )
    for rank, (row, values) in enumerate(zip(rows, found, strict=True)):
        label, colour = number(float(f"{row[column]:.2g}")), shade(shades, float(rank))
        values = np.where(values > FAINT * step, values, np.nan)
        _curves(ax, times, values, places, colour, label)
    _finish(ax, model, places, step, end)
    parameter = model.parameters[column]
    unit = f" ({parameter.unit})" if parameter.unit else ""
    title = textwrap.fill(f"{name}: {parameter.description}{unit}".rstrip(": "), TITLE)
    ax.set_title(title, loc="left", fontsize=10)


def _curves(
    ax: Axes, times: FloatArray, values: FloatArray, places: list[tuple[float, float]],
    colour: ColorType, label: str,
) -> None:  # fmt: skip
    for k, (sign, base) in enumerate(places):
        named = label if k == 0 else None
        ax.plot(times, base + sign * values[:, k], color=colour, lw=1.6, label=named)


def _values(
    model: Model,
    density: KnownDensity | None,
    row: FloatArray,
    times: FloatArray,
    n: int,
    seed: int,
) -> FloatArray:
    """Return the density (k, C) at response times (k,): known, or a histogram's."""
    if density is not None:
        with contextlib.suppress(ParameterError):  # the exact density cannot be had everywhere
            return density.values(row, times)
    trials = simulate(model, row, n, seed=seed)
    edges = np.linspace(0.0, times[-1], BINS + 1)
    bins = np.minimum((times / edges[1]).astype(int), BINS - 1)
    counts = [np.histogram(trials["rt"][trials["choice"] == c], edges)[0] for c in model.choices]
    return np.stack(counts, axis=1)[bins] / (n * edges[1])


def _finish(
    ax: Axes, model: Model, places: list[tuple[float, float]], step: float, end: float
) -> None:
    """Draw base lines, name choices, and tell the values of the parameter."""
    for _, base in places:
        ax.axhline(base, color=PALE, lw=0.7, zorder=0.5)
    two = len(places) == 2
    ax.set(xlim=(0.0, end), yticks=[])
    ax.set_ylim((-1.05 * step, 1.1 * step) if two else (-0.04 * step, (len(places) + 0.02) * step))
    ax.spines["left"].set_visible(False)
    for choice, (sign, base) in zip(model.choices, places, strict=True):
        y = base + sign * (0.93 * step if two else 0.62 * step)
        ax.text(0.01 * end, y, choice_label(choice, model.choices), color=INK, fontsize=9,
                va="center", weight="bold")  # fmt: skip
    ax.legend(loc="upper right", handlelength=1.0, fontsize=9, labelspacing=0.25, borderpad=0.1)
