"""Caterpillars: the effects of a grouping factor, one interval a group, in ascending order."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from likely.errors import ParameterError
from likely.plots.marginals import marginals
from likely.plots.style import COLOURS, INK, PALE, axes_or_new, house_style

BLUE = COLOURS[1]
INNER = 0.5  # probability of the thick bar
SMALL = 40  # groups from which labels are written smaller
MOST_LABELS = 80


@house_style()
def caterpillar(
    idata: Any,
    name: str,
    *,
    probability: float = 0.94,
    reference: float | None = 0.0,
    ordered: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the posterior of each element of a variable: mean, 50% and 94% intervals, ascending.

    Args:
        idata: what `pm.sample` returns, or its group "posterior" as a dataset.
        name: a variable with one dimension or more besides chain and draw, such as the effects of
            subjects; elements are called by their coordinates.
        probability: of the thin bar, above 0.5 and below 1; the thick bar has 50%.
        reference: where a dashed line is drawn; None for no line.
        ordered: whether by posterior mean; otherwise in the order of the coordinates.
        ax: axes to draw into; new ones, as tall as the groups need, by default.

    Raises:
        ParameterError: an unknown variable, or one that is a single number.
    """
    if not INNER < probability < 1.0:
        raise ParameterError(f"probability is {probability!r}; it must be between 0.5 and 1.")
    drawn = {_element(label, name): d for label, d in marginals(idata, [name])}
    if list(drawn) == [name]:
        raise ParameterError(f"'{name}' is a single number; a caterpillar shows a variable's "
                             "elements, such as effects of subjects.")  # fmt: skip
    labels = sorted(drawn, key=lambda n: float(drawn[n].mean())) if ordered else list(drawn)[::-1]
    ax = axes_or_new(ax, (5.6, min(1.2 + 0.24 * len(labels), 14.0)))
    y = np.arange(len(labels))
    values = np.stack([drawn[n] for n in labels])
    for share, width in ((probability, 1.2), (INNER, 3.5)):
        low, high = np.quantile(values, [0.5 - 0.5 * share, 0.5 + 0.5 * share], axis=1)
        ax.hlines(y, low, high, color=BLUE, lw=width)
    ax.plot(values.mean(axis=1), y, "o", color="white", mec=BLUE, ms=4.5, zorder=3)
    if reference is not None:
        ax.axvline(reference, color=INK, ls="--", lw=1.0, zorder=0.5)
    if len(labels) <= MOST_LABELS:
        ax.set_yticks(y, labels, fontsize=10 if len(labels) < SMALL else 7)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(labels)} groups")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-0.7, len(labels) - 0.3)
    ax.grid(axis="x", color=PALE, lw=0.4, alpha=0.5)
    ax.set_xlabel(f"{name}  ({INNER:.0%} and {probability:.0%} intervals)")
    return ax


def _element(label: str, name: str) -> str:
    """Return the coordinates of an element: left, of v[left]."""
    return label.removeprefix(name).removeprefix("[").removesuffix("]") or label
