"""The demonstration's page: what was done, why, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from likely.demo import figures
from likely.demo.experiment import MODEL, START, TRUTH
from likely.demo.roads import Road
from likely.demo.tables import cells
from likely.densities import wiener
from likely.likelihood import Likelihood
from likely.page import Code, Page, Paragraph, Picture, Section, Table, render
from likely.simulation import simulate

SIMULATE = """
sign = np.repeat([1.0, -1.0], 500)          # Go, NoGo
truth = dict(v=1.0 * sign, a=1.5, z=0.5, t=0.5)
trials = lk.simulate("ddm", truth, seed=1).assign(sign=sign)
pressed = trials["choice"] == 1
trials["rt"] = trials["rt"].where(pressed)  # no press, no time
"""
PACKAGES = ("likely", "pymc", "jax", "numpy")


@dataclass(frozen=True)
class Results:
    """Everything the page tells of; `seed` is the user's, `seeds` those of the stages."""

    trials: pd.DataFrame
    likelihood: Likelihood
    road: Road
    model: pm.Model
    idata: xr.DataTree
    summary: pd.DataFrame
    seed: int
    seeds: Sequence[int]


def tell(r: Results) -> tuple[dict[str, bytes], str]:
    """Return the figures, name -> PNG, and the page."""
    pictures = {
        "simulated": figures.draw_simulated(r.seeds[3]),
        "likelihood": figures.draw_likelihood(r.likelihood),
        "choice_probability": figures.draw_choice_probability(r.likelihood),
        "network_over_simulation": figures.draw_network_over_simulation(r.likelihood, r.seeds[3]),
        "model_graph": figures.draw_graph(r.model),
        "posterior": figures.draw_posterior(r.idata),
        "experiment": figures.draw_experiment(r.likelihood, r.trials, r.summary["mean"]),
        "overview": figures.draw_overview(r.likelihood, r.idata, r.seeds[3]),
    }
    return pictures, render(_page(r, pictures))


def mean_error(likelihood: Likelihood, seed: int, n: int = 10_000) -> float:
    """Return the mean |log q - log p| of trials at the truth, q the network, p the exact series."""
    theta = {**TRUTH, "z": START}
    trials = simulate("ddm", theta, n, seed=seed, progress=False)
    learnt = likelihood.logp(theta, trials)
    exact = wiener.log_density(trials["rt"], trials["choice"], **theta)
    return float(np.mean(np.abs(learnt - exact)))


def _page(r: Results, pictures: Mapping[str, bytes]) -> Page:
    return Page(
        title="From a simulator to a posterior",
        lead=(
            "A thousand Go/NoGo trials are simulated. A network learns the likelihood from the "
            "simulator alone, becomes a distribution in a PyMC model, and the parameters that "
            "made the trials come back."
        ),
        sections=[
            _experiment(r, pictures),
            _learning(r, pictures),
            _model(pictures),
            _posterior(r, pictures),
        ],
        footer=_footer(r),
    )


def _experiment(r: Results, pictures: Mapping[str, bytes]) -> Section:
    pressed = r.trials["choice"] == 1.0
    go = r.trials["sign"] > 0
    return Section(
        "The experiment",
        [
            Paragraph(
                "In 500 Go trials evidence drifts towards a press at v = 1 per second, in 500 NoGo "
                "trials away from it at \N{MINUS SIGN}1. A trial ends when the evidence, noise of "
                "1/\N{SQUARE ROOT}s added, reaches +a (press) or \N{MINUS SIGN}a (withhold), "
                "a = 1.5, having "
                "started half-way (z = 0.5); t = 0.5 s of every response time is no decision. A "
                "press has a response time, a press withheld has none."
            ),
            Code(SIMULATE),
            Paragraph(
                f"Here {pressed[go].sum()} of 500 Go trials and {pressed[~go].sum()} of 500 NoGo "
                "trials ended in a press."
            ),
            Picture(
                pictures["simulated"],
                f"Simulated response times at three drifts, {figures.DRAWS:,} trials each: presses "
                "(choice +1) above zero, choice \N{MINUS SIGN}1 below. Each area is the share of "
                "the choice, which the last panel shows by itself.",
                "Histograms of response times for drifts of -0.5, 0 and 0.5, and the share of each "
                "choice.",
            ),
        ],
    )


def _learning(r: Results, pictures: Mapping[str, bytes]) -> Section:
    return Section(
        "The likelihood, learnt from simulations",
        [
            Paragraph(r.road.story(r.likelihood)),
            Code(r.road.code(r.seeds[1])),
            Paragraph(
                "The diffusion model is one of the few whose likelihood is known exactly, so the "
                "network can be judged: at the true parameters its log density is off by "
                f"{mean_error(r.likelihood, r.seeds[3]):.4f} per trial on average."
            ),
            Picture(
                pictures["network_over_simulation"],
                f"The network's density (line) over {figures.DRAWS:,} new simulated trials "
                "(histogram), at four sets of parameters.",
                "Curves of the network's density following the histograms of simulated trials.",
            ),
            Picture(
                pictures["likelihood"],
                "The learnt density of response time and choice for 20 drifts from "
                "\N{MINUS SIGN}3 to 3 (colour); choice +1 above zero, \N{MINUS SIGN}1 below.",
                "Forty curves of density over response time, coloured by drift.",
            ),
            Picture(
                pictures["choice_probability"],
                "The learnt probability of a press over drift, for ten relative starting points z "
                "(colour). A withheld press contributes one minus this probability to the "
                "likelihood.",
                "Ten sigmoid curves of choice probability over drift, coloured by starting point.",
            ),
        ],
    )


def _model(pictures: Mapping[str, bytes]) -> Section:
    return Section(
        "The model",
        [
            Paragraph(
                "The likelihood is an ordinary PyMC distribution. Trials without a response time "
                "contribute the probability of their choice; nothing has to be said about them. "
                "NoGo trials differ from Go trials in the sign of v, and in nothing else."
            ),
            Code(MODEL),
            Picture(
                pictures["model_graph"],
                "The model: unknown parameters (ellipses), data (shaded), and the 1,000 trials "
                "they repeat over (frame).",
                "Graph in which v, a, t and the sign of the drift lead to the observed trials.",
                560,
            ),
        ],
    )


def _posterior(r: Results, pictures: Mapping[str, bytes]) -> Section:
    head, *rows = cells(r.summary)
    return Section(
        "The posterior",
        [
            Table(head, rows),
            Picture(
                pictures["posterior"],
                "Marginal posteriors with mean (dot), 94% equal-tailed interval (shaded) and truth "
                "(dashed).",
                "Three posterior densities, each with a dashed line at the true value.",
            ),
            Picture(
                pictures["experiment"],
                "The 1,000 trials (histogram: presses, the only ones with times) and the density "
                "at the posterior mean (line). Below zero: when the decisions to withhold were "
                "made, which nobody observed.",
                "Histograms of press times in Go and NoGo trials with the fitted density.",
            ),
        ],
    )


def _footer(r: Results) -> str:
    versions = ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    return (
        f"Written by likely demo, seed {r.seed}; {versions}. Drift v in 1/s; a is half the "
        "boundary separation (boundaries at \N{MINUS SIGN}a and +a); z is relative; t in "
        "seconds; noise 1/\N{SQUARE ROOT}s."
    )
