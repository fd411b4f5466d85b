"""Priors against posteriors: what the data have taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from likely.errors import ParameterError
from likely.plots.marginals import marginals, smooth_density
from likely.plots.predictive import panel_axes
from likely.plots.style import COLOURS, INK, PALE, TITLE, broken, house_style

BLUE = COLOURS[1]
WIDEST = 0.98  # probability of the prior that is shown
COLUMNS = 3
LOWEST = 0.02  # of the height of the panel: a posterior that is a spike hides the prior


@house_style()
def prior_posterior(
    idata: Any, *, names: Sequence[str] | None = None, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw the prior (grey) of each parameter, and its posterior (blue), scaled to one height.

    Without a group "posterior" priors stand alone. A posterior that is as wide as its prior has
    learnt nothing from the data; one at the prior's edge was held back by it.

    Args:
        idata: groups "prior", as `pm.sample_prior_predictive` makes it, and "posterior".
        names: variables to draw; by default all of the prior's.
        axes: axes to draw into, one a scalar; by default those of a new figure.

    Raises:
        ParameterError: no such group, unknown names, or too few axes.
    """
    if "prior" not in getattr(idata, "children", ()):
        raise ParameterError(
            "there are no draws from the prior: those of a fit are in its folder "
            "(lk.open_fit(folder).idata), those of a PyMC model come from "
            "pymc.sample_prior_predictive."
        )
    priors = dict(marginals(idata, names, "prior"))
    known = "posterior" in idata.children
    posteriors = dict(marginals(idata, names, "posterior")) if known else {}
    axes = panel_axes(len(priors), axes, COLUMNS)
    for ax, (name, drawn) in zip(axes, priors.items(), strict=True):
        _curve(ax, drawn, PALE)
        shown = np.quantile(drawn, [0.5 * (1 - WIDEST), 0.5 * (1 + WIDEST)])
        if name in posteriors:
            _curve(ax, posteriors[name], BLUE)
            shown = np.append(shown, posteriors[name])
        if np.ptp(shown) > 0:
            ax.set_xlim(shown.min(), shown.max())
        ax.set_yticks([])
        ax.set_ylim(bottom=0.0)
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.tick_params(labelsize=8)
        ax.set_title(broken(name, TITLE), fontsize=10)
    handles = [Line2D([], [], color=PALE, label="prior")]
    handles += [Line2D([], [], color=BLUE, label="posterior")] if known else []
    axes[0].legend(handles=handles, fontsize=8.5, handlelength=1.0, labelcolor=INK)
    return axes


def _curve(ax: Axes, drawn: np.ndarray, colour: str) -> None:
    x, density = smooth_density(drawn)
    density = density / density.max()
    ax.fill_between(x, density, color=colour, alpha=0.25, lw=0)
    ax.plot(x, density, color=colour, lw=1.4)
