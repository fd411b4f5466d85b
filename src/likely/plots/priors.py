"""Priors of a regression, before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from likely.checks import require_count, require_seed
from likely.errors import ParameterError
from likely.plots.style import COLOURS, INK, house_style
from likely.typing import FloatArray

if TYPE_CHECKING:
    from likely.regression.specification import Specification

BLUE, GREY = COLOURS[1], "0.5"
COLUMNS = 4
CENTRAL = (0.005, 0.995)  # quantiles between which a prior is drawn
TRIALS = 50  # at which a parameter that varies over trials is drawn


class _Panel(NamedTuple):
    title: str
    label: str
    draws: FloatArray
    box: tuple[float, float] | None


@house_style()
def priors(
    specification: Specification,
    *,
    draws: int = 2000,
    seed: int = 0,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw what priors say of each parameter over all trials, and of each coefficient.

    Parameters (filled) are on their own scale, with the box of the likelihood between dashed lines;
    coefficients (outlined) are on the scale of the link.

    Args:
        specification: what `likely.specify` returns, or `likely.fit(...).specification`.
        draws: from the prior.
        seed: any integer from 0 to 2^64 - 1.
        axes: axes to draw into, one a parameter and coefficient; by default those of a new figure.

    Raises:
        ParameterError: if there are too few axes.
    """
    require_count("draws", draws)
    require_seed(seed)
    panels = list(_panels(specification, draws, seed))
    axes = _grid(len(panels)) if axes is None else list(axes)
    if len(axes) < len(panels):
        raise ParameterError(f"{len(panels)} priors need as many axes, not {len(axes)}.")
    for ax, panel in zip(axes, panels, strict=False):
        _draw(ax, panel)
    return list(axes[: len(panels)])


def _panels(specification: Specification, draws: int, seed: int) -> Iterator[_Panel]:
    table = specification.priors.set_index("coefficient")
    groups = {term for term in table.index if "|" in term and not term.endswith("_sigma")}
    coefficients = [c for c in table.index if c not in groups]
    sampled = _sampled(specification, coefficients, draws, seed)
    boxes = specification.likelihood.box
    units = {p.name: p.unit for p in specification.likelihood.declaration.parameters}
    for name in specification.formula:
        values = sampled[name]
        constant = table["prior"].get(name, "over trials")
        written = f"{name} ({units[name]})" if units.get(name) else name
        yield _Panel(str(constant), written, values.ravel(), boxes.get(name, (0.0, 1.0)))
        for label in coefficients:
            if table["parameter"][label] == name and label != name:
                yield _Panel(table["prior"][label], label, sampled[label], None)


def _sampled(
    specification: Specification, coefficients: Sequence[str], draws: int, seed: int
) -> dict[str, FloatArray]:
    """Return prior draws of coefficients (draws,) and of parameters (draws, some trials)."""
    import pymc as pm

    model = specification.model
    own = {name: model[name] for name in specification.formula}
    bases = {label: _base(label, model.named_vars) for label in coefficients}
    variables = {**own, **{base: model[base] for base in bases.values()}}
    found = pm.draw(list(variables.values()), draws, random_seed=seed, mode="FAST_COMPILE")
    values = {n: np.asarray(v, dtype=float) for n, v in zip(variables, found, strict=True)}
    sampled = {}
    for label, base in bases.items():
        array = values[base].reshape(draws, -1)
        siblings = [one for one, of in bases.items() if of == base]
        sampled[label] = array[:, siblings.index(label)]
    for name in own:
        array = values[name].reshape(draws, -1)
        sampled[name] = array[:, :: max(1, array.shape[1] // TRIALS)]
    return sampled


def _base(label: str, known: dict[str, object]) -> str:
    """Return the variable a coefficient belongs to: v_condition of v_condition[easy]."""
    return label if label in known else label.rpartition("[")[0]


def _grid(n: int) -> list[Axes]:
    columns = min(n, COLUMNS)
    rows = -(-n // columns)
    figure = Figure(figsize=(2.6 * columns, 1.9 * rows), layout="constrained")
    return [figure.add_subplot(rows, columns, i + 1) for i in range(n)]


def _draw(ax: Axes, panel: _Panel) -> None:
    low, high = np.quantile(panel.draws, CENTRAL)
    shape, edges = np.histogram(panel.draws, bins=30, range=(low, high), density=True)
    filled, colour = panel.box is not None, INK if panel.box is None else BLUE
    ax.stairs(shape, edges, fill=filled, color=colour, alpha=0.5 if filled else 1.0, lw=1.2)
    for end in panel.box or ():
        if low <= end <= high:
            ax.axvline(end, color=GREY, ls="--", lw=1.0)
    ax.set_xlim(low, high)
    ax.set_yticks([])
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel(panel.label)
    ax.set_title(panel.title, fontsize="small")
