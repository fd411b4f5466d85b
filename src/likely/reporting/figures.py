"""The report's figures, each with what it shows and how to read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from likely import plots
from likely.errors import LikelyError
from likely.estimate_table import POPULATION
from likely.page import WIDE, Picture
from likely.plots.columns import are_times_alone
from likely.plots.conditions import distinct
from likely.plots.marginals import marginals
from likely.plots.typical import typical_row
from likely.regression.workings import without_workings
from likely.reporting.design import ALL, Design, groupings, is_graded
from likely.results.record import DPI, Results, png

SHOWN = 12  # scalars in traces, ranks and priors
PAIRED = 6
GROUPS = 3  # elements from which a variable is a family of effects
MOST_EFFECTS = 6  # caterpillars
WIDEST_GRAPH = 2200  # CSS pixels
LEGIBLE_GRAPH = 1000  # CSS pixels, up to which it is still legible on a page


def scalars(r: Results, labels: list[str]) -> xr.DataTree:
    """Return draws of these scalars as variables, with prior and sampler statistics."""
    tree = {}
    for group in ("posterior", "prior"):
        if group in r.idata.children:
            sizes = r.idata[group].sizes
            shape = (sizes["chain"], sizes["draw"])
            drawn = dict(marginals(r.idata, None, group))
            kept = {n: (("chain", "draw"), drawn[n].reshape(shape)) for n in labels if n in drawn}
            tree[group] = xr.Dataset(kept)
    if "sample_stats" in r.idata.children:
        tree["sample_stats"] = r.idata["sample_stats"].to_dataset()
    return xr.DataTree.from_dict(tree)


def shown_scalars(r: Results, most: int) -> list[str]:
    """Return the scalars to look at: all, or as many as there is room for.

    Effects of groups come last, and of both kinds those with the smallest effective sample sizes
    first.
    """
    labels = [str(n) for n in r.summary.index if n not in doubled(r)]
    if len(labels) <= most:
        return labels
    of_groups = elements(r)
    ess = dict(zip(labels, r.summary["ess_bulk"].to_list(), strict=True))
    chosen = sorted(labels, key=lambda n: (n in of_groups, ess[n]))[:most]
    return [n for n in labels if n in chosen]


def plain_scalars(r: Results, most: int) -> list[str]:
    """Return scalars that are no elements of a family, parameters under their own name first."""
    labels = [str(n) for n in r.summary.index if n not in elements(r) | doubled(r)]
    own = [n for n in labels if n in r.likelihood.declaration.names]
    return (own + [n for n in labels if n not in own])[:most]


def doubled(r: Results) -> set[str]:
    """Return the intercepts of parameters that are there under their own name as well."""
    own = {
        f"{name}_Intercept" for name in r.likelihood.declaration.names if name in r.summary.index
    }
    return own & set(map(str, r.summary.index))


def has_times(r: Results) -> bool:
    """Whether any trial has a time."""
    return bool(np.isfinite(r.data["rt"].to_numpy(dtype=np.float64)).any())


def effects(r: Results, smallest: int = GROUPS) -> list[str]:
    """Return variables that are families of effects, one element a group, this large or larger."""
    posterior = r.idata["posterior"].to_dataset()
    names = r.likelihood.declaration.names
    shown = {name: posterior[name].shape for name in without_workings(posterior.data_vars, names)}
    return [
        name
        for name, shape in shown.items()
        if len(shape) == 3 and smallest <= shape[2] < len(r.data)
    ]


def elements(r: Results, smallest: int = GROUPS) -> set[str]:
    """Return the scalars that are elements of such families."""
    families = effects(r, smallest)
    return {label for label, _ in marginals(r.idata, families)} if families else set()


def response_times(r: Results) -> Picture | None:
    """Draw all trials, if any has a time."""
    if not has_times(r):
        return None
    ax = plots.response_times(r.data, choices=r.likelihood.declaration.choices)
    return _picture(
        ax,
        "Response times of all trials; the area of each choice is its share. A few times that are "
        "much faster or slower than the rest deserve a look: guesses, lapses, wrong units.",
        "Histograms of response times by choice.",
        560,
    )


def graph(r: Results) -> Picture | None:
    """Return the picture of the model's graph, if it was made."""
    if r.graph is None:
        return None
    return Picture(
        r.graph,
        "The model: unknown parameters (ellipses), quantities that follow from them (boxes), and "
        "the trials (shaded). A frame repeats what is in it, as often as its corner says.",
        "Graph of the model's variables.",
        _graph_width(r.graph),
    )


def _graph_width(graph: bytes) -> int:
    """Return a width in CSS pixels: as drawn, but that of the page if it is hardly wider."""
    width = round(int.from_bytes(graph[16:20], "big") * 96 / DPI)
    return min(width, WIDE - 1 if width <= LEGIBLE_GRAPH else WIDEST_GRAPH)


def cartoon(r: Results) -> Picture | None:
    """Draw how the model decides, if it is one of ours."""
    from likely.zoo import models

    model = models.get(r.likelihood.declaration.name)
    if model is None or model.declaration.names != r.likelihood.declaration.names:
        return None
    row, known, varying = _estimated_row(r)
    theta = dict(zip(r.likelihood.declaration.names, row.tolist(), strict=True))
    try:
        ax = plots.cartoon(model, theta, likelihood=r.likelihood, seed=r.seed)
    except LikelyError:
        return None
    places = [
        (known, "at posterior means or fixed values"),
        (varying, "at means over their conditions"),
        ([n for n in theta if n not in (*known, *varying)], "at typical values"),
    ]
    held = "; ".join(f"{', '.join(names)} {where}" for names, where in places if names)
    return _picture(
        ax,
        "How the model decides: evidence of simulated trials runs to a boundary, and the density "
        f"of response times follows. Drawn with {held}.",
        "Sample paths of evidence between boundaries with densities of response times.",
        680,
    )


def _estimated_row(r: Results) -> tuple[np.ndarray, list[str], list[str]]:
    """Return parameters to draw, and names of those that are estimated: one value, or several."""
    declaration = r.likelihood.declaration
    row = typical_row(declaration)
    known: list[str] = []
    varying: list[str] = []
    posterior = r.idata["posterior"]
    for i, p in enumerate(declaration.parameters):
        value, found = r.fixed.get(p.name), known
        if value is None and p.name in posterior and posterior[p.name].ndim == 2:
            value = float(posterior[p.name].mean())
        if value is None and r.estimates is not None:
            rows = (r.estimates["level"] == POPULATION) & (r.estimates["parameter"] == p.name)
            value, found = float(r.estimates["mean"][rows].mean()), varying
        if value is not None and p.lower <= value <= p.upper:
            row[i] = value
            found.append(p.name)
    return row, known, varying


def priors(r: Results) -> Picture | None:
    """Draw priors and posteriors."""
    if "prior" not in r.idata.children:
        return None
    tree = scalars(r, shown_scalars(r, SHOWN))
    if not len(tree["prior"].data_vars):
        return None
    return _picture(
        plots.prior_posterior(tree),
        "Prior (grey) and posterior (blue), scaled to one height. Where the two are alike, the "
        f"trials have taught nothing.{_chosen(r)}",
        "Densities of priors and posteriors.",
    )


def trace(r: Results) -> Picture:
    """Draw traces."""
    return _picture(
        plots.trace(scalars(r, shown_scalars(r, SHOWN))),
        f"Draws in order, a colour a chain: they should look like noise, all alike.{_chosen(r)}",
        "Traces of the chains.",
    )


def ranks(r: Results) -> Picture | None:
    """Draw ranks, of which one chain has none."""
    if r.idata["posterior"].sizes["chain"] == 1:
        return None
    return _picture(
        plots.ranks(scalars(r, shown_scalars(r, SHOWN))),
        "How far the ranks of each chain's draws are from uniform: lines near 0 mean that chains "
        f"agree; where they do not, points are marked.{_chosen(r)}",
        "Deviations of ranks from uniformity by chain.",
    )


def pairs(r: Results) -> Picture | None:
    """Draw pairs of parameters."""
    labels = plain_scalars(r, PAIRED)
    if len(labels) < 2:
        return None
    return _picture(
        plots.pairs(scalars(r, labels)),
        "Joint posterior of pairs, with correlations. A narrow ridge means that the trials tell "
        "the sum or ratio of two parameters better than either. Divergent draws are red.",
        "Scatter plots of pairs of parameters.",
    )


def caterpillars(r: Results) -> list[Picture]:
    """Draw the effects of groups."""
    return [
        _picture(
            plots.caterpillar(r.idata, name),
            f"{name}, in ascending order: mean, 50% interval (thick) and 94% interval (thin), on "
            "the scale of the link.",
            f"Intervals of the elements of {name}.",
            560,
        )
        for name in effects(r)[:MOST_EFFECTS]
    ]


def of_groups(estimates: pd.DataFrame, parameter: str, level: str) -> Picture:
    """Draw estimates of one parameter for all groups, in its own unit."""
    return _picture(
        plots.estimates(estimates, parameter, level=level),
        f"{parameter} of every {level}, in ascending order: posterior means with 94% intervals, in "
        "the parameter's own unit. Dashed: the population's means.",
        f"Intervals of {parameter} by {level}.",
        560,
    )


def predictive(r: Results, design: Design) -> list[Picture]:
    """Draw data against predictions."""
    if r.predicted is None:
        return []
    pictures = _of_times(r, design, r.predicted) if has_times(r) else []
    for covariate in design.covariates[:2]:
        pictures += _functions(r, design, covariate, r.predicted)
    return pictures


def _of_times(r: Results, design: Design, drawn: pd.DataFrame) -> list[Picture]:
    """Draw response times against predictions."""
    first = groupings(design, r.data)[0]
    by, observed, predicted = first.name, first.of(r.data), first.of(drawn)
    pictures = [
        _picture(
            plots.predictive(observed, predicted, by=None if by == ALL else by,
                             choices=r.likelihood.declaration.choices),
            "Response times by choice: observed (filled) and predicted (line, with a band that "
            "holds 94% of predictive draws).",
            "Histograms of observed response times under predicted densities.",
        ),
    ]  # fmt: skip
    if not are_times_alone(r.data):
        pictures.append(
            _picture(
                plots.quantile_probability(observed, predicted, by=by),
                "Quantiles of response times over the probability of the choice, by condition: "
                "observed (filled) and predicted (crosses).",
                "Quantile-probability plot.",
                640,
            )
        )
    return pictures


def _functions(
    r: Results, design: Design, covariate: str, predicted: pd.DataFrame
) -> list[Picture]:
    """Draw psychometric and chronometric functions of one covariate."""
    data = r.data
    if covariate in design.categories or not is_graded(data, covariate):
        if data[covariate].nunique() > SHOWN:
            return []
        data = data.assign(**{covariate: _categories(data[covariate])})
        predicted = predicted.assign(**{covariate: _categories(predicted[covariate])})
    if are_times_alone(r.data):
        return []
    drawn: list[tuple[Callable[..., Any], str]] = [
        (plots.psychometric, f"Share of the choice over {covariate}"),
    ]
    if has_times(r):
        drawn.append((plots.chronometric, f"Median response time over {covariate}"))
    return [
        _picture(
            plot(data, predicted, x=covariate),
            f"{title}: observed (points with 94% intervals) and predicted (band that holds 94% of "
            "predictive draws).",
            f"{title}.",
            520,
        )
        for plot, title in drawn
    ]


def _categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as categories, in the order of their values rather than of their names."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    found = pd.Series(pd.Categorical(column), index=column.index)
    return found.cat.rename_categories(distinct(found.cat.categories.tolist()))


def _chosen(r: Results) -> str:
    if len(r.summary) <= SHOWN:
        return ""
    return (
        f" Shown are {SHOWN} of {len(r.summary)}: effects of groups last, and otherwise those with "
        "the smallest effective sample sizes."
    )


def _picture(drawn: Any, caption: str, alternative: str, width: int = 720) -> Picture:
    ax = np.ravel(np.asarray(drawn, dtype=object))[0]
    return Picture(png(ax.figure), caption, alternative, width)
