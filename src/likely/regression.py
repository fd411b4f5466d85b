"""Regression: every parameter of a likelihood a formula over the columns of the trials."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.declaration import Declaration, Parameter
from likely.design import design, intercept_only
from likely.errors import OutsideBoxWarning, ParameterError, unknown
from likely.links import Link, link_for
from likely.predictors import (
    Predictor,
    Prior,
    priors_over_box,
    require_known_priors,
    with_priors,
)
from likely.simulation import require_seed
from likely.trials import NO_RESPONSE, encode, read_trials
from likely.typing import FloatArray

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from likely.likelihood import Likelihood

SAMPLE = {"draws": 1000, "tune": 1000, "chains": 4}
OBSERVED = "trials"  # what the observed variable is called in PyMC models


@dataclass(frozen=True, eq=False)
class Fit:
    """A posterior, and all that led to it.

    Args:
        idata: draws from the posterior, as PyMC returns them. Coefficients are called after their
            parameter and column ("v_Intercept", "v_coherence") and are on the scale of the link;
            a parameter that is the same in all trials is there under its own name as well.
        model: the PyMC model; the trials are its variable "trials".
        likelihood: the likelihood of the trials.
        data: the trials.
        predictors: what depends on the trial, and how, with priors.
        fixed: parameters held at a value.
        seed: the seed of the draws.
    """

    idata: xr.DataTree
    model: pm.Model
    likelihood: Likelihood
    data: pd.DataFrame
    predictors: tuple[Predictor, ...]
    fixed: Mapping[str, float]
    seed: int

    @property
    def formula(self) -> dict[str, str]:
        """The formula of each parameter that is not fixed."""
        return {p.parameter: p.design.formula for p in self.predictors}

    @property
    def priors(self) -> pd.DataFrame:
        """One row a coefficient: parameter, link, and mean and sd of its normal prior."""
        return _prior_table(self.predictors)

    def summary(self, probability: float = 0.94) -> pd.DataFrame:
        """Return mean, sd, the interval of this probability, r-hat and effective sample sizes.

        One row a coefficient, and one a parameter that is the same in all trials.
        """
        import arviz as az

        return az.summary(self.idata, ci_prob=probability, ci_kind="eti", round_to="none")

    def parameters(self, draws: int) -> dict[str, FloatArray]:
        """Return parameters at `draws` evenly spaced posterior draws, each (draws, trials)."""
        n = len(self.data)
        values = {name: np.full((draws, n), value) for name, value in self.fixed.items()}
        for p in self.predictors:
            chosen = _thinned(_coefficients(self.idata, p), draws)
            values[p.parameter] = p.values(chosen)[:, p.design.index]
        return values

    def predict(self, *, draws: int = 50, seed: int) -> pd.DataFrame:
        """Draw from the posterior predictive distribution.

        Args:
            draws: posterior draws to use, evenly spaced; at most as many as there are.
            seed: any integer from 0 to 2^64 - 1.

        Returns:
            A frame like `data`, repeated for each draw, with rt (seconds) and choice drawn anew;
            a column `draw` tells them apart.
        """
        values = self.parameters(draws)
        drawn = self.likelihood.sample({k: v.reshape(-1) for k, v in values.items()}, 1, seed)
        repeated = self.data.iloc[np.tile(np.arange(len(self.data)), draws)].reset_index(drop=True)
        return repeated.assign(
            rt=drawn["rt"].to_numpy(),
            choice=drawn["choice"].to_numpy(),
            draw=np.repeat(np.arange(draws), len(self.data)),
        )

    def outside_box(self) -> float:
        """Return the share of posterior draws with any parameter of any trial outside the box."""
        return _share_outside(self.idata, self.predictors, self.likelihood.declaration)[0]


def fit(
    data: pd.DataFrame | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Likelihood,
    formula: Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    priors: Mapping[str, tuple[float, float]] | None = None,
    seed: int,
    **sample: Any,
) -> Fit:
    """Draw from the posterior of a regression on the parameters of a likelihood.

    Parameters that may be anything have an identity link, those on one side of a limit a log link,
    those between two limits a logit link. A non-decision time that is the same in all trials lies
    between 0 and the fastest response time, by a logit link.

    Args:
        data: trials with columns rt (seconds), choice, perhaps deadline, and covariates; or the
            path of a CSV file of them.
        model: a likelihood, the name of a shipped one, or the path of a file.
        formula: parameter -> the right-hand side of a formula over columns of the data, such as
            "0 + coherence" or "condition * age"; "1", the default, is an intercept only.
        fixed: parameter -> the value it is held at.
        priors: coefficient, such as "v_coherence" -> mean and sd of its normal prior on the scale
            of the link. By default priors are weakly informative over the box of the likelihood;
            they are listed in the result.
        seed: any integer from 0 to 2^64 - 1.
        sample: arguments of `pymc.sample`, such as draws=1000, tune=1000, chains=4,
            nuts_sampler="numpyro".

    Returns:
        The posterior with its model, likelihood, trials, formulas and priors.

    Raises:
        TrialsError: for malformed trials and columns that are missing or incomplete.
        ParameterError: for formulas, fixed values and priors that cannot be.
        FileFormatError: if there is no such likelihood.

    Warns:
        OutsideBoxWarning: with the share of posterior draws outside the box.
    """
    import pymc as pm

    require_seed(seed)
    likelihood = _likelihood(model)
    if not isinstance(data, pd.DataFrame):
        data = read_trials(data)
    constants = {name: _number(name, value) for name, value in (fixed or {}).items()}
    predictors = plan(likelihood.declaration, data, formula or {}, constants, priors or {})
    with build(likelihood, data, predictors, constants) as posterior:
        idata = pm.sample(random_seed=seed, **{**SAMPLE, **sample})
    _warn_outside(idata, predictors, likelihood.declaration)
    return Fit(idata, posterior, likelihood, data, predictors, constants, seed)


def plan(
    declaration: Declaration,
    data: pd.DataFrame,
    formula: Mapping[str, str],
    fixed: Mapping[str, float],
    priors: Mapping[str, tuple[float, float]],
) -> tuple[Predictor, ...]:
    """Check the arguments of `fit` and return a predictor for each parameter that is not fixed."""
    encoded = encode(data, declaration.choices)
    times = encoded[np.isfinite(encoded[:, 0]) & (encoded[:, 1] != NO_RESPONSE), 0]
    fastest = float(times.min()) if len(times) else None
    _require_sensible_names(declaration, formula, fixed)
    for p in declaration.parameters:
        if p.name in fixed:
            _require_possible(
                p, fixed[p.name], fastest if p.name == declaration.non_decision else None
            )
    free = [p for p in declaration.parameters if p.name not in fixed]
    predictors = tuple(
        _predictor(p, data, formula.get(p.name, "1"), fastest, p.name == declaration.non_decision)
        for p in free
    )
    require_known_priors(priors, predictors)
    predictors = tuple(replace(p, priors=with_priors(p.priors, priors)) for p in predictors)
    for predictor in predictors:
        if predictor.parameter == declaration.non_decision:
            _require_start_before_responses(predictor, data)
    return predictors


def build(
    likelihood: Likelihood,
    data: pd.DataFrame,
    predictors: tuple[Predictor, ...],
    fixed: Mapping[str, float],
) -> pm.Model:
    """Return the PyMC model of the trials."""
    import pymc as pm

    columns = [c for c in ("rt", "choice", "deadline") if c in data.columns]
    with pm.Model() as model:
        arguments: dict[str, Any] = {p.parameter: p.tensor() for p in predictors}
        likelihood(OBSERVED, **arguments, **fixed, observed=data[columns])
    return model


def _likelihood(model: str | os.PathLike[str] | Likelihood) -> Likelihood:
    if isinstance(model, str | os.PathLike):
        from likely.likelihood import load

        return load(model if isinstance(model, str) else Path(model))
    return model


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"parameter '{name}': {value!r} is not a number.") from error


def _predictor(
    parameter: Parameter, data: pd.DataFrame, formula: str, fastest: float | None, shift: bool
) -> Predictor:
    matrix = (
        intercept_only(len(data))
        if formula.strip() == "1"
        else design(formula, data, parameter.name)
    )
    bounded = parameter
    if shift and fastest is not None and matrix.intercept_only:
        lower = parameter.support[0] if math.isfinite(parameter.support[0]) else parameter.lower
        bounded = Parameter(parameter.name, lower, fastest, (lower, fastest))
    link: Link = link_for(bounded)
    return Predictor(parameter.name, matrix, link, priors_over_box(bounded, link, matrix, fastest))


def _require_sensible_names(
    declaration: Declaration, formula: Mapping[str, str], fixed: Mapping[str, float]
) -> None:
    for name in (*formula, *fixed):
        if name not in declaration.names:
            message = unknown("parameter", name, declaration.names)
            raise ParameterError(f"model '{declaration.name}': {message}")
    both = sorted(set(formula) & set(fixed))
    if both:
        raise ParameterError(f"parameter '{both[0]}' has both a formula and a fixed value.")
    if len(fixed) == len(declaration.names):
        raise ParameterError("every parameter is fixed; there is nothing to estimate.")


def _require_possible(parameter: Parameter, value: float, fastest: float | None) -> None:
    if not parameter.lower <= value <= parameter.upper or not math.isfinite(value):
        raise ParameterError(
            f"parameter '{parameter.name}' is fixed at {value:g}, outside the box "
            f"[{parameter.lower:g}, {parameter.upper:g}] of the likelihood."
        )
    if fastest is not None and value >= fastest:
        raise ParameterError(
            f"parameter '{parameter.name}' is fixed at {value:g} s, but the fastest response took "
            f"{fastest:g} s; leave faster responses out or choose a smaller value."
        )


def _require_start_before_responses(predictor: Predictor, data: pd.DataFrame) -> None:
    """Refuse a non-decision time that exceeds a response time before sampling has begun."""
    late = np.flatnonzero(
        predictor.start() >= data["rt"].to_numpy(dtype=np.float64, na_value=np.nan)
    )
    if len(late):
        start, rt = predictor.start()[late[0]], data["rt"].iloc[late[0]]
        raise ParameterError(
            f"formula {predictor.design.formula!r} of parameter '{predictor.parameter}': priors "
            f"are centred on {start:.3g} s, after the response at {rt:.3g} s in row "
            f"{data.index[late[0]]}; add an intercept, or give priors."
        )


def _coefficients(idata: xr.DataTree, predictor: Predictor) -> FloatArray:
    """Return the posterior draws of a predictor's coefficients, (draws, k)."""
    posterior = idata["posterior"]
    columns = [np.asarray(posterior[p.coefficient].values).reshape(-1) for p in predictor.priors]
    return np.stack(columns, axis=1)


def _thinned(draws: FloatArray, count: int) -> FloatArray:
    if not 1 <= count <= len(draws):
        raise ParameterError(f"draws is {count}; there are {len(draws)}.")
    return draws[np.linspace(0, len(draws) - 1, count).astype(int)]


def _share_outside(
    idata: xr.DataTree, predictors: tuple[Predictor, ...], declaration: Declaration
) -> tuple[float, list[str]]:
    """Return the share of draws outside the box and the parameters that leave it."""
    box = declaration.box
    outside: Any = False
    leaving = []
    for p in predictors:
        lower, upper = box[p.parameter]
        values = p.values(_coefficients(idata, p))
        beyond = ((values < lower) | (values > upper)).any(axis=1)
        outside = outside | beyond
        if beyond.any():
            leaving.append(p.parameter)
    return float(np.mean(outside)), leaving


def _warn_outside(
    idata: xr.DataTree, predictors: tuple[Predictor, ...], declaration: Declaration
) -> None:
    share, leaving = _share_outside(idata, predictors, declaration)
    if share > 0:
        limits = ", ".join(
            f"{n} [{declaration.box[n][0]:g}, {declaration.box[n][1]:g}]" for n in leaving
        )
        warnings.warn(
            f"{share:.1%} of posterior draws lie outside the box that likelihood "
            f"'{declaration.name}' was trained on: {limits}. Train one with a wider box.",
            OutsideBoxWarning,
            stacklevel=3,
        )


def _prior_table(predictors: tuple[Predictor, ...]) -> pd.DataFrame:
    def row(p: Predictor, prior: Prior) -> dict[str, object]:
        return {
            "coefficient": prior.coefficient,
            "parameter": p.parameter,
            "link": str(p.link),
            "distribution": "Normal",
            "mean": prior.mean,
            "sd": prior.sd,
        }

    return pd.DataFrame([row(p, prior) for p in predictors for prior in p.priors])
