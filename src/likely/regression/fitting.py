"""Regression: every parameter of a likelihood a formula over the columns of the trials."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.checks import require_seed
from likely.errors import OutsideBoxWarning, ParameterError
from likely.regression.specification import Specification, specify
from likely.trials import read_trials
from likely.typing import FloatArray

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from likely.likelihood import Likelihood

SAMPLE = {"draws": 1000, "tune": 1000, "chains": 4}


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
        specification: what was estimated and what fixed, with formulas, links and priors.
        seed: the seed of the draws.
    """

    idata: xr.DataTree
    model: pm.Model
    likelihood: Likelihood
    data: pd.DataFrame
    specification: Specification
    seed: int

    def summary(self, probability: float = 0.94) -> pd.DataFrame:
        """Return mean, sd, the interval of this probability, r-hat and effective sample sizes.

        One row a coefficient, and one a parameter that is the same in all trials.
        """
        import arviz as az

        return az.summary(self.idata, ci_prob=probability, ci_kind="eti", round_to="none")

    def coefficients(self) -> dict[str, FloatArray]:
        """Return the posterior draws of each coefficient, (chains * draws,)."""
        posterior = self.idata["posterior"]
        names = self.specification.priors["coefficient"]
        return {n: np.asarray(posterior[n].values, dtype=np.float64).reshape(-1) for n in names}

    def parameters(self, draws: int) -> dict[str, FloatArray]:
        """Return parameters at `draws` evenly spaced posterior draws, each (draws, trials)."""
        coefficients = self.coefficients()
        available = len(next(iter(coefficients.values())))
        if not 1 <= draws <= available:
            raise ParameterError(f"draws is {draws}; it must be from 1 to {available}.")
        chosen = np.linspace(0, available - 1, draws).astype(int)
        return self.specification.values(
            {name: c[chosen] for name, c in coefficients.items()}, len(self.data)
        )

    def predict(self, *, draws: int = 50, seed: int) -> pd.DataFrame:
        """Draw from the posterior predictive distribution.

        Args:
            draws: posterior draws to use, evenly spaced; at most as many as there are.
            seed: any integer from 0 to 2^64 - 1.

        Returns:
            A frame like `data`, repeated for each draw, with rt (seconds) and choice drawn anew;
            a column `draw` tells them apart.
        """
        theta = {name: values.reshape(-1) for name, values in self.parameters(draws).items()}
        drawn = self.likelihood.sample(theta, 1, seed)
        if self.specification.lapses is not None:
            drawn = self.specification.lapses.scatter(drawn, seed)
        repeated = self.data.iloc[np.tile(np.arange(len(self.data)), draws)].reset_index(drop=True)
        return repeated.assign(
            rt=drawn["rt"].to_numpy(),
            choice=drawn["choice"].to_numpy(),
            draw=np.repeat(np.arange(draws), len(self.data)),
        )

    def outside_box(self) -> float:
        """Return the share of posterior draws with any parameter of any trial outside the box."""
        declaration = self.likelihood.declaration
        return self.specification.outside(self.coefficients(), declaration)[0]


def fit(
    data: pd.DataFrame | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Likelihood,
    formula: Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    priors: Mapping[str, tuple[float, float]] | None = None,
    lapse: float = 0.0,
    seed: int,
    **sample: Any,
) -> Fit:
    """Draw from the posterior of a regression on the parameters of a likelihood.

    Parameters that may be anything have an identity link, those on one side of a limit a log link,
    those between two limits a logit link. A non-decision time that is the same in all trials lies
    between 0 and the fastest response time (the median one if there are lapses), by a logit link.

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
        lapse: probability that a trial is a lapse, any choice at any time up to the longest one.
            Without lapses a single early response bounds the non-decision time.
        seed: any integer from 0 to 2^64 - 1.
        sample: arguments of `pymc.sample`, such as draws=1000, tune=1000, chains=4,
            nuts_sampler="numpyro". By default nutpie draws, if it is installed, with a mass matrix
            that learns the strongest correlations (nuts={"adaptation": "low_rank"}).

    Returns:
        The posterior with its model, likelihood, trials, formulas and priors.

    Raises:
        TrialsError: for malformed trials and columns that are missing or incomplete.
        ParameterError: for formulas, fixed values and priors that cannot be.
        FileFormatError: if there is no such likelihood.

        KeyboardInterrupt: if sampling is interrupted; there is no partial result.

    Warns:
        OutsideBoxWarning: with the share of posterior draws outside the box.
    """
    import pymc as pm

    require_seed(seed)
    likelihood = _likelihood(model)
    if not isinstance(data, pd.DataFrame):
        data = read_trials(data)
    specification = specify(
        likelihood.declaration,
        data,
        formula=formula or {},
        fixed={name: _number(name, value) for name, value in (fixed or {}).items()},
        priors=priors or {},
        lapse=lapse,
    )
    with specification.build(likelihood, data) as posterior:
        arguments = _adaptive({**SAMPLE, **sample})
        idata = pm.sample(random_seed=seed, **arguments)
    if idata["posterior"].sizes["draw"] < arguments["draws"]:
        raise KeyboardInterrupt  # some samplers return what they have when interrupted
    result = Fit(idata, posterior, likelihood, data, specification, seed)
    _warn_if_outside(result)
    return result


def _adaptive(sample: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `pymc.sample` with which nutpie, if it is to draw, learns correlations.

    Boundary, drift and non-decision time are correlated in most posteriors; a diagonal mass matrix
    takes two to six times as many steps there.
    """
    if sample.get("nuts_sampler") not in (None, "nutpie") or "step" in sample:
        return sample
    if find_spec("nutpie") is None:
        return sample
    nuts = {"adaptation": "low_rank", **(sample.get("nuts") or {})}
    return {**sample, "nuts_sampler": "nutpie", "nuts": nuts}


def _likelihood(model: str | os.PathLike[str] | Likelihood) -> Likelihood:
    from likely.likelihood import Likelihood, load
    from likely.model import Model

    if isinstance(model, Likelihood):
        return model
    if isinstance(model, str | os.PathLike):
        return load(os.fspath(model))
    if isinstance(model, Model):
        raise ParameterError(
            f"'{model.name}' is a model, not a likelihood; train it first: lk.train(model)."
        )
    raise ParameterError(
        f"model is {model!r}; it must be a likelihood, the name of a shipped one, or a path."
    )


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"parameter '{name}': {value!r} is not a number.") from error


def _warn_if_outside(result: Fit) -> None:
    declaration = result.likelihood.declaration
    share, leaving = result.specification.outside(result.coefficients(), declaration)
    if share > 0:
        box = declaration.box
        limits = ", ".join(f"{name} [{box[name][0]:g}, {box[name][1]:g}]" for name in leaving)
        warnings.warn(
            f"{share:.1%} of posterior draws lie outside the box that likelihood "
            f"'{declaration.name}' was trained on: {limits}. Train one with a wider box.",
            OutsideBoxWarning,
            stacklevel=3,
        )
