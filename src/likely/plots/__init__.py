"""Figures of trials, likelihoods and posteriors.

Every function draws into given matplotlib axes, or into axes of a new figure, and returns them;
pyplot is never touched. Save a figure with `axes.figure.savefig(...)`.
"""

from likely.plots.calibration import calibration, coverage
from likely.plots.cartoon import cartoon
from likely.plots.certificate import (
    certificate_by_parameter,
    certificate_errors,
    certificate_shift,
    certificate_summary,
    certificate_transforms,
    network_against_exact,
)
from likely.plots.chains import ranks, trace
from likely.plots.choices import choice_probability, choice_shares
from likely.plots.comparison import comparison
from likely.plots.effects import caterpillar
from likely.plots.estimates import estimates
from likely.plots.graph import model_graph
from likely.plots.learning import prior_posterior
from likely.plots.pairs import pairs
from likely.plots.parameters import parameter_effects
from likely.plots.posterior import posterior
from likely.plots.predictive import predictive
from likely.plots.priors import priors
from likely.plots.psychophysics import chronometric, psychometric
from likely.plots.quantiles import quantile_probability
from likely.plots.recovery import recovery
from likely.plots.response_times import densities, density_over_trials, response_times

__all__ = [
    "calibration",
    "cartoon",
    "caterpillar",
    "certificate_by_parameter",
    "certificate_errors",
    "certificate_shift",
    "certificate_summary",
    "certificate_transforms",
    "choice_probability",
    "choice_shares",
    "chronometric",
    "comparison",
    "coverage",
    "densities",
    "density_over_trials",
    "estimates",
    "model_graph",
    "network_against_exact",
    "pairs",
    "parameter_effects",
    "posterior",
    "priors",
    "predictive",
    "prior_posterior",
    "psychometric",
    "quantile_probability",
    "ranks",
    "recovery",
    "response_times",
    "trace",
]
