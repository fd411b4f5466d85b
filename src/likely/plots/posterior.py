"""Marginal posteriors, with reference values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from likely.errors import ParameterError, unknown
from likely.plots.marginals import marginals, smooth_density
from likely.plots.style import COLOURS, INK, house_style
from likely.typing import FloatArray

BLUE = COLOURS[1]


@house_style()
def posterior(
    idata: Any,
    *,
    names: Sequence[str] | None = None,
    reference: Mapping[str, float] | None = None,
    probability: float = 0.94,
    units: Mapping[str, str] | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the marginal posterior of each parameter: density, mean and equal-tailed interval.

    Args:
        idata: what `pm.sample` returns, or its group "posterior" as a dataset.
        names: variables to draw; by default all. One with dimensions gives one plot an element,
            called by its coordinates, as v[left].
        reference: name -> true or published value, drawn as a dashed line.
        probability: of the interval, between 0 and 1.
        units: name -> unit.
        axes: axes to draw into, one a parameter; by default those of a new figure.

    Raises:
        ParameterError: unknown names, draws that are not finite, or too few axes.
    """
    if not 0.0 < probability < 1.0:
        raise ParameterError(f"probability is {probability!r}; it must be between 0 and 1.")
    drawn = dict(marginals(idata, names))
    for name in reference or {}:
        if name not in drawn:
            raise ParameterError(unknown("reference parameter", name, drawn))
    axes = _row_of_axes(len(drawn)) if axes is None else list(axes)
    if len(axes) < len(drawn):
        raise ParameterError(f"{len(drawn)} parameters need as many axes, not {len(axes)}.")
    for ax, (name, draws) in zip(axes, drawn.items(), strict=False):
        _marginal(ax, draws, (reference or {}).get(name), probability)
        unit = f" ({units[name]})" if units and units.get(name) else ""
        ax.set_xlabel(f"{name}{unit}")
    return list(axes[: len(drawn)])


def _row_of_axes(n: int) -> list[Axes]:
    columns = min(max(n, 1), 3)
    rows = -(-max(n, 1) // columns)
    figure = Figure(figsize=(2.15 * max(columns, 2), 2.6 * rows), layout="constrained")
    return [figure.add_subplot(rows, columns, i + 1) for i in range(n)]


def _marginal(ax: Axes, draws: FloatArray, reference: float | None, probability: float) -> None:
    tail = 0.5 * (1.0 - probability)
    lower, upper = np.quantile(draws, [tail, 1.0 - tail])
    x, density = smooth_density(draws)
    inside = (x >= lower) & (x <= upper)
    ax.fill_between(x[inside], density[inside], color=BLUE, alpha=0.25, lw=0)
    ax.plot(x, density, color=BLUE)
    mean = float(draws.mean())
    ax.plot(mean, 0.0, "o", color=BLUE, ms=6, clip_on=False, zorder=3)
    written = [_number(x, draws) for x in (mean, lower, upper)]
    title = f"mean {written[0]}\n{probability:.0%} in [{written[1]}, {written[2]}]"
    if reference is not None:
        ax.axvline(reference, color=INK, ls="--", lw=1.5)
        ax.annotate(
            f"{reference:g}", (reference, 1.0), (4, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", color=INK,
        )  # fmt: skip
    ax.set_title(title, fontsize=10)
    ax.set_yticks([])
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.set_ylim(0.0, 1.35 * float(density.max()))
    ax.spines["left"].set_visible(False)


def _number(value: float, draws: FloatArray) -> str:
    """Write a value to a hundredth of the spread of the draws, or three digits."""
    spread = float(draws.std())
    decimals = int(np.clip(1 - np.floor(np.log10(spread)), 0, 6)) if spread > 0 else 3
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
