"""The demonstration's figures, each as the bytes of a PNG file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from matplotlib.figure import Figure, SubFigure

from likely import plots
from likely.demo.experiment import GO, NO_GO, PROBABILITY, START, TRUTH
from likely.likelihood import Likelihood
from likely.plots.style import house_style, number
from likely.simulation import simulate

DPI = 150
DRAWS = 20_000  # simulated trials a histogram
DRIFTS = (-0.5, 0.0, 0.5)
SETTINGS = (
    {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.5},
    {"v": 0.0, "a": 1.0, "z": 0.5, "t": 0.3},
    {"v": -0.5, "a": 1.5, "z": 0.7, "t": 0.5},
    {"v": 1.5, "a": 1.0, "z": 0.3, "t": 0.2},
)
FIXED = {"a": 1.5, "z": START, "t": 0.5}


@house_style()
def draw_simulated(seed: int) -> bytes:
    """Draw response times and choices for three drifts."""
    theta = {"v": np.array(DRIFTS), **FIXED}
    trials = simulate("ddm", theta, DRAWS, seed=seed, progress=False)
    trials["v"] = np.repeat(DRIFTS, DRAWS)
    figure = _figure(6.4, 6.0)
    axes = figure.subplots(2, 2)
    limit = float(trials["rt"].quantile(0.99))
    top = 0.0
    for ax, v in zip(axes.flat, DRIFTS, strict=False):
        group = trials[trials["v"] == v]
        plots.response_times(group, choices=(-1, 1), limit=limit, ax=ax)
        ax.set_title(f"drift v = {number(v)}")
        top = max(top, *np.abs(ax.get_ylim()))
    for ax in axes.flat[:3]:
        ax.set_ylim(-top, top)
    plots.choice_shares(trials, by="v", choices=(-1, 1), label="drift v (1/s)", ax=axes[1, 1])
    return _png(figure)


@house_style()
def draw_likelihood(likelihood: Likelihood) -> bytes:
    """Draw the density for 20 drifts."""
    theta = {"v": np.linspace(-3.0, 3.0, 20), **FIXED}
    ax = plots.densities(likelihood, theta, by="v", times=np.linspace(0.0, 5.0, 800))
    return _png(ax.figure)


@house_style()
def draw_choice_probability(likelihood: Likelihood) -> bytes:
    """Draw the probability of a press over drift for ten starting points."""
    theta = {**FIXED, "v": np.linspace(-3.0, 3.0, 121), "z": np.linspace(0.1, 0.9, 10)}
    return _png(plots.choice_probability(likelihood, theta, over="v", by="z").figure)


@house_style()
def draw_network_over_simulation(likelihood: Likelihood, seed: int) -> bytes:
    """Draw the network's density over simulations at four parameter sets."""
    figure = _figure(6.4, 6.0)
    for ax, theta in zip(figure.subplots(2, 2).flat, SETTINGS, strict=True):
        trials = simulate("ddm", theta, DRAWS, seed=seed, progress=False)
        plots.density_over_trials(likelihood, theta, trials, ax=ax)
        ax.set_title(", ".join(f"{name} = {number(x)}" for name, x in theta.items()))
    return _png(figure)


@house_style()
def draw_graph(model: pm.Model) -> bytes:
    """Draw the graph of the PyMC model."""
    return _png(plots.model_graph(model).figure)


@house_style()
def draw_posterior(idata: xr.DataTree) -> bytes:
    """Draw the marginal posteriors with the truth."""
    axes = plots.posterior(idata, names=list(TRUTH), **_posterior_options())
    return _png(axes[0].figure)


@house_style()
def draw_experiment(likelihood: Likelihood, trials: pd.DataFrame, estimates: pd.Series) -> bytes:
    """Draw Go and NoGo trials below the density at the posterior mean."""
    figure = _figure(6.4, 3.2)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, sign, title in zip(axes, (GO, NO_GO), ("Go trials", "NoGo trials"), strict=True):
        theta = {"v": sign * estimates["v"], "a": estimates["a"], "z": START, "t": estimates["t"]}
        plots.density_over_trials(likelihood, theta, trials[trials["sign"] == sign], bins=40, ax=ax)
        ax.set_title(title)
        ax.set_xlim(0.0, 5.0)
    axes[1].set_ylabel("")
    return _png(figure)


@house_style()
def draw_overview(likelihood: Likelihood, idata: xr.DataTree, seed: int) -> bytes:
    """Draw the picture of the README: network over simulation, and the posterior."""
    figure = _figure(8.0, 4.0)
    grid = figure.add_gridspec(len(TRUTH), 2, width_ratios=(1.35, 1.0))
    theta = SETTINGS[0]
    trials = simulate("ddm", theta, DRAWS, seed=seed, progress=False)
    ax = figure.add_subplot(grid[:, 0])
    plots.density_over_trials(likelihood, theta, trials, ax=ax)
    ax.set_title("network (line) over simulated trials")
    axes = [figure.add_subplot(grid[i, 1]) for i in range(len(TRUTH))]
    plots.posterior(idata, names=list(TRUTH), axes=axes, **_posterior_options())
    for each in axes:
        each.set_title("")
    axes[0].set_title("posterior, truth dashed")
    return _png(figure)


def _posterior_options() -> dict[str, Any]:
    return {
        "reference": dict(TRUTH), "probability": PROBABILITY, "units": {"v": "1/s", "t": "s"}
    }  # fmt: skip


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.08)
    return figure


def _png(figure: Figure | SubFigure) -> bytes:
    buffer = io.BytesIO()
    root = figure.get_figure(root=True)
    assert root is not None
    root.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
