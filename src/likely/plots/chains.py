"""Traces and ranks of chains, by ArviZ, in axes of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from likely.plots.marginals import marginals
from likely.plots.predictive import panel_axes
from likely.plots.style import COLOURS, TITLE, broken, house_style

COLUMNS = 3
SPREAD = COLOURS[:6]  # of chains


@house_style()
def trace(
    idata: Any, *, names: Sequence[str] | None = None, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw the draws of each chain in order, as `arviz.plot_trace` does; divergences are ticks.

    Chains that have converged lie on each other and look like noise.

    Args:
        idata: what `pm.sample` returns.
        names: variables to draw; by default all. One with dimensions gives one plot an element.
        axes: axes to draw into, one an element; by default those of a new figure.

    Raises:
        ParameterError: unknown names, or too few axes.
    """
    from arviz_plots import plot_trace

    visuals = {"title": False, "trace": {"width": 0.5, "alpha": 0.8}}
    axes = _drawn(plot_trace, idata, names, axes, visuals)
    for ax in axes:
        ax.set_xlabel("draw")
    return axes


@house_style()
def ranks(
    idata: Any, *, names: Sequence[str] | None = None, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw how far the ranks of each chain's draws are from uniform, as `arviz.plot_rank` does.

    Of chains that agree, lines stay close to 0; where they do not, points are marked
    (Säilynoja et al. 2022, Statistics and Computing 32:32).

    Args:
        idata: what `pm.sample` returns.
        names: variables to draw; by default all. One with dimensions gives one plot an element.
        axes: axes to draw into, one an element; by default those of a new figure.

    Raises:
        ParameterError: unknown names, or too few axes.
    """
    from arviz_plots import plot_rank

    visuals = {"title": False, "xlabel": False, "remove_axis": False}
    axes = _drawn(plot_rank, idata, names, axes, visuals)
    for ax in axes:
        ax.set_xlabel("fractional rank")
    return axes


def _drawn(
    plot: Callable[..., Any],
    idata: Any,
    names: Sequence[str] | None,
    axes: Sequence[Axes] | None,
    visuals: dict[str, Any],
) -> list[Axes]:
    """Let ArviZ draw each scalar into axes of ours."""
    from arviz_plots.plot_collection import PlotCollection

    scalars = _scalars(idata, names)
    labels = [str(name) for name in scalars.data_vars]
    axes = panel_axes(len(labels), axes, COLUMNS)
    targets = xr.Dataset({f"s{i}": ((), _boxed(ax)) for i, ax in enumerate(axes)})
    figure = xr.Dataset({"figure": ((), _boxed(axes[0].get_figure(root=True)))})
    plain = scalars.rename({label: f"s{i}" for i, label in enumerate(labels)})
    chains = plain.sizes["chain"]
    collection = PlotCollection(
        plain,
        xr.DataTree.from_dict({"/": figure, "plot": targets}),
        aes={"color": ["chain"], "overlay": ["chain"]},
        color=[SPREAD[i % len(SPREAD)] for i in range(chains)],
        overlay=[None] * chains,
        backend="matplotlib",
    )
    tree = xr.DataTree.from_dict({"posterior": plain})
    if not isinstance(idata, xr.Dataset) and "sample_stats" in idata.children:
        statistics = idata["sample_stats"].to_dataset()
        tree["sample_stats"] = xr.DataTree(statistics.assign_coords(plain.coords))
    plot(tree, plot_collection=collection, visuals=visuals)
    for ax, label in zip(axes, labels, strict=True):
        ax.set_title(broken(label, TITLE), fontsize=10)
        ax.tick_params(labelsize=8)
    return axes


def _scalars(idata: Any, names: Sequence[str] | None) -> xr.Dataset:
    """Return every scalar as a variable (chain, draw) of its own."""
    posterior = idata if isinstance(idata, xr.Dataset) else idata["posterior"].to_dataset()
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    coordinates = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    values = {
        label: (("chain", "draw"), _by_chain(drawn, shape))
        for label, drawn in marginals(idata, names)
    }
    return xr.Dataset(values, coords=coordinates)


def _by_chain(drawn: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return drawn.reshape(shape)


def _boxed(value: Any) -> np.ndarray:
    box = np.empty((), dtype=object)
    box[()] = value
    return box
