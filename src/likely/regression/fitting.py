"""Regression: every parameter of a likelihood a formula over the columns of the trials."""

from __future__ import annotations

import os
import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.checks import require_seed
from likely.errors import (
    OutsideBoxWarning,
    ParameterError,
    SamplingInterrupted,
)
from likely.regression.dimensions import renamed, without_commas
from likely.regression.drawing import drawn_trials
from likely.regression.lapses import PROBABILITY, Lapses
from likely.regression.partial_draws import common_draws, in_numpy
from likely.regression.sampler import adaptive, begins, begun
from likely.regression.standard import HERE, standard
from likely.regression.workings import without_workings
from likely.trial_files import read_trials
from likely.trials import deadlines, encode, withheld_choice
from likely.typing import FloatArray

if TYPE_CHECKING:
    import bambi as bmb
    import pymc as pm
    import xarray as xr

    from likely.likelihood import Likelihood
    from likely.regression.priors import Given
    from likely.regression.specification import Specification

SAMPLE = {"draws": 1000, "tune": 1000, "chains": 4}
LOOKED_AT = 2_500_000
FEWEST = 10  # draws of a chain that are worth keeping when sampling is interrupted


@dataclass(frozen=True, eq=False)
class Fit:
    """A posterior, and all that led to it.

    Args:
        idata: draws from the posterior, as PyMC returns them. Coefficients are called after their
            parameter and column ("v_Intercept", "v_coherence", "v_1|subject") and are on the scale
            of the link; a parameter that is the same in all trials is there under its own name.
        likelihood: the likelihood of the trials.
        data: the trials.
        specification: what was estimated and what fixed, with formulas, links and priors.
        seed: the seed of the draws.
        sample: arguments of the sampler as they were given, and draws, tune and chains.
    """

    idata: xr.DataTree
    likelihood: Likelihood
    data: pd.DataFrame
    specification: Specification
    seed: int
    sample: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> pm.Model:
        """The PyMC model; the trials are its variable "trials"."""
        return self.specification.model

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What `likely.fit` was called with besides formulas, fixed values and `sample`."""
        return self.specification.arguments

    @property
    def bambi(self) -> bmb.Model:
        """The Bambi model, for `predict` on new data, `bambi.interpret` and the like."""
        return self.specification.bambi

    def summary(self, probability: float = 0.94) -> pd.DataFrame:
        """Return mean, sd, the interval of this probability, r-hat and effective sample sizes.

        One row a coefficient, and one a parameter that is the same in all trials.
        """
        import arviz as az

        names = (*self.likelihood.declaration.names, PROBABILITY.name)
        own = self.specification.drawn  # Bambi's predictions add to the draws
        drawn = [v for v in self.idata["posterior"].data_vars if v in own]
        shown = without_workings(drawn, names)
        return az.summary(
            self.idata, var_names=shown, ci_prob=probability, ci_kind="eti", round_to="none"
        )

    def estimates(self, probability: float = 0.94) -> pd.DataFrame:
        """Return every parameter in its own unit: mean, sd and the interval of this probability.

        One row a condition, a combination of covariates that occurs, with effects of groups at
        zero (level "population"), and one a group in each of its conditions (level "subject", or
        what the groups are). Columns of covariates and groups say which; they are empty where the
        parameter does not depend on them. A covariate that is a number of more than twelve values
        is at its mean over trials, or at the group's own value where each has one only. In rows
        of groups, effects of other factors are zero, except of factors that it contains: for level
        "a:b" those of a and of b count. Where a non-decision time lies below a limit of each
        group's own (its fastest response, or the median with lapses or a variable non-decision
        time), that of the population is the mean of groups without effects of their own.
        """
        from likely.regression.estimates import estimates

        return estimates(self.specification, self.idata["posterior"].to_dataset(), probability)

    def parameters(self, draws: int) -> dict[str, FloatArray]:
        """Return parameters at `draws` evenly spaced posterior draws, each (draws, trials)."""
        posterior = self.idata["posterior"].to_dataset()
        available = posterior.sizes["chain"] * posterior.sizes["draw"]
        if not 1 <= draws <= available:
            raise ParameterError(f"draws is {draws}; it must be from 1 to {available}.")
        chosen = np.linspace(0, available - 1, draws).astype(int)
        return self.specification.values(_thinned(posterior, chosen))

    def predict(self, *, draws: int = 50, seed: int) -> pd.DataFrame:
        """Draw from the posterior predictive distribution.

        Args:
            draws: posterior draws to use, evenly spaced; at most as many as there are.
            seed: any integer from 0 to 2^64 - 1.

        Returns:
            A frame like `data`, repeated for each draw, with rt (seconds) and choice drawn anew,
            both NaN where a deadline passed before a response; a column `draw` tells them apart.
            Where the data have a choice that is withheld until a deadline, so have these, in place
            of late responses.
        """
        theta = {name: values.reshape(-1) for name, values in self.parameters(draws).items()}
        deadline = deadlines(self.data)
        late = None if deadline is None else np.tile(deadline, draws)
        silent = withheld_choice(encode(self.data, self.likelihood.declaration.choices))
        lapses = self.specification.lapses
        drawn = drawn_trials(self.likelihood, lapses, theta, late, seed, silent)
        repeated = self.data.iloc[np.tile(np.arange(len(self.data)), draws)].reset_index(drop=True)
        return repeated.assign(
            rt=drawn[:, 0], choice=drawn[:, 1], draw=np.repeat(np.arange(draws), len(self.data))
        )

    def outside_box(self) -> float:
        """Return the share of posterior draws with any parameter of any trial outside the box.

        Of many draws, as many are looked at as make some ten million parameters.
        """
        return self._outside()[0]

    def _outside(self) -> tuple[float, list[str]]:
        sizes = self.idata["posterior"].sizes
        affordable = max(1, LOOKED_AT // len(self.data))
        values = self.parameters(min(sizes["chain"] * sizes["draw"], affordable))
        beyond = {}
        for name, (lower, upper) in self.likelihood.declaration.box.items():
            if name in self.specification.formula:
                beyond[name] = ((values[name] < lower) | (values[name] > upper)).any(axis=1)
        if not beyond:
            return 0.0, []
        share = float(np.mean(np.any(list(beyond.values()), axis=0)))
        return share, [name for name, outside in beyond.items() if outside.any()]


def specify(
    data: pd.DataFrame | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Likelihood,
    formula: Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    priors: Given | None = None,
    lapse: float | Lapses = 0.0,
    noncentered: bool | None = None,
    rt: str | None = "rt",
    choice: str | None = "choice",
    deadline: str | float | None = None,
    coding: Mapping[Hashable, int] | None = None,
) -> Specification:
    """Return what `likely.fit` would estimate, without drawing: links, priors and models.

    Print its `priors`, plot them with `likely.plots.priors`, or take its `model`, a PyMC model, or
    `bambi`, a Bambi one. Arguments are those of `likely.fit`.
    """
    from likely.likelihood import likelihood_of
    from likely.regression.formulas import mentioned, subject_column
    from likely.regression.specification import specify as build

    for what, given in (("formula", formula), ("fixed", fixed), ("priors", priors)):
        if given is not None and not isinstance(given, Mapping):
            raise ParameterError(f"{what} is {given!r}; it must be a dictionary.")
    for name, text in (formula or {}).items():
        if not isinstance(text, str):
            raise ParameterError(f"formula of parameter '{name}' is {text!r}; it must be text.")
    likelihood = likelihood_of(model)
    if not isinstance(data, pd.DataFrame):
        data = read_trials(data, rt=rt, choice=choice)
    formulas = list((formula or {}).values())
    subject = subject_column(formulas, data)
    trials, description = standard(
        data, likelihood, rt=rt, choice=choice, deadline=deadline, coding=coding,
        subject=subject,
        conditions=[c for c in mentioned(formulas, data) if c != subject],
    )  # fmt: skip
    specification = build(
        likelihood,
        trials,
        description=description,
        formula=formula or {},
        fixed={name: _number(name, value) for name, value in (fixed or {}).items()},
        priors=priors or {},
        lapses=_lapses(lapse),
        noncentered=noncentered,
    )
    stated: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "priors": (priors, (None, {})),
        "lapse": (lapse, (0.0,)),
        "noncentered": (noncentered, (None,)),
        "rt": (rt, ("rt",)),
        "choice": (choice, ("choice",)),
        "deadline": (deadline, (None,)),
        "coding": (coding, (None, {})),
    }
    if choice == "choice":  # as they are kept, choices are coded already
        stated.pop("coding")
    told = {n: value for n, (value, defaults) in stated.items() if value not in defaults}
    return replace(specification, arguments=told)


def fit(
    data: pd.DataFrame | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Likelihood,
    formula: Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    priors: Given | None = None,
    lapse: float | Lapses = 0.0,
    noncentered: bool | None = None,
    rt: str | None = "rt",
    choice: str | None = "choice",
    deadline: str | float | None = None,
    coding: Mapping[Hashable, int] | None = None,
    seed: int,
    **sample: Any,
) -> Fit:
    """Draw from the posterior of a regression on the parameters of a likelihood.

    Formulas are Bambi's. Parameters that may be anything have an identity link, those on one side
    of a limit a log link, those between two limits a logit link. A non-decision time that is the
    same in all trials lies between 0 and the fastest response time, one that varies by groups alone
    ("1 + (1|subject)") below its group's, by a logit link (median times if there are lapses).

    Args:
        data: trials with columns rt (seconds), choice, perhaps deadline, and covariates; or the
            path of a CSV file of them.
        model: a likelihood, the name of a shipped one, or the path of a file.
        formula: parameter -> the right-hand side of a formula over columns of the data, such as
            "0 + coherence", "condition * age + (1|subject)" or "1 + bs(trial, df=4)"; "1", the
            default, is an intercept only.
        fixed: parameter -> the value it is held at.
        priors: name of a coefficient ("v_coherence", "v_1|subject_sigma") or of a parameter that
            is the same in all trials ("z") -> a bambi.Prior, or mean and sd of a normal prior: of a
            coefficient on the scale of the link, of a parameter on its own scale, within its
            limits. By default priors are weakly informative over the box of the likelihood; they
            are listed in the result.
        lapse: probability that a trial is a lapse, any choice at any time up to the longest one;
            or Lapses, with a probability to be estimated or times of another density. Without
            lapses a single early response bounds the non-decision time.
        noncentered: True for group effects that are unit normals times their sd, False for
            centred ones. By default effects of groups with 100 trials or more are centred.
        rt: column of response times in seconds; NaN where a time was not observed. None if no
            times were observed, but choices alone.
        choice: column of choices; NaN where a choice was not observed. None if no choices were
            observed, but times alone.
        deadline: column of deadlines, or the deadline of all trials, in seconds; by default the
            column `deadline`, if there is one. A trial without rt and choice had no response by
            then.
        coding: value of the column of choices -> choice, such as {"left": -1, "right": 1}. By
            default 0 and 1, error and correct and the like are recognised, with a warning that
            says how they were read.
        seed: any integer from 0 to 2^64 - 1.
        sample: arguments of `pymc.sample`, such as draws=1000, tune=1000, chains=4,
            nuts_sampler="numpyro". By default nutpie draws, if it is installed, with a mass matrix
            that learns the strongest correlations (nuts={"adaptation": "low_rank"}). Chains begin
            near the parameters that suit all trials together best, unless given `initvals`.

    Returns:
        The posterior with all that led to it.

    Raises:
        TrialsError: for malformed trials and columns that are missing or incomplete.
        ParameterError: for formulas, values and priors that cannot be.
        FileFormatError: if there is no such likelihood.
        SamplingInterrupted: on Ctrl-C after some draws; it is a KeyboardInterrupt whose `fit` holds
            them.

    Warns:
        AmbiguousWarning: if values of a column that a formula takes for categories are numbers,
            written as text.
        OutsideBoxWarning: with the share of posterior draws outside the box.
        RecodedWarning: if choices were recognised that are not coded as the model's.
        SubjectsWarning: if there is a column of subjects that no formula uses, or one takes their
            numbers for quantities.
        UninformedWarning: if a non-decision time, or both drift and boundary, are to be estimated
            from choices alone, the side of a drift from times alone, effects of groups from one
            group, or hardly any trial, of all or of a subject or condition, has a response.
    """
    require_seed(seed)
    specification = specify(
        data,
        model=model,
        formula=formula,
        fixed=fixed,
        priors=priors,
        lapse=lapse,
        noncentered=noncentered,
        rt=rt,
        choice=choice,
        deadline=deadline,
        coding=coding,
    )
    return draw(specification, seed=seed, **sample)


def draw(specification: Specification, *, seed: int, **sample: Any) -> Fit:
    """Draw from the posterior of what was specified; arguments are those of `likely.fit`.

    Raises:
        SamplingInterrupted: a KeyboardInterrupt that holds a fit of the draws until then, if there
            are at least ten of a chain; chains that had hardly begun are left out.
    """
    import pymc as pm

    require_seed(seed)
    seed = int(seed)
    sample = {**SAMPLE, **{name: value for name, value in sample.items() if value is not None}}
    arguments = begun(adaptive(sample), specification, seed)
    with specification.model, without_commas(specification.model) as names, begins():
        drawn = pm.sample(random_seed=seed, var_names=specification.sampled, **arguments)
    idata = renamed(in_numpy(drawn), names)
    chains, draws = arguments["chains"], arguments["draws"]
    idata = common_draws(idata)
    found = idata["posterior"].sizes
    if found["draw"] < min(draws, FEWEST):
        raise KeyboardInterrupt
    named = specification.with_parent(idata["posterior"].to_dataset())
    idata["posterior"] = type(idata)(named)
    result = Fit(idata, specification.likelihood, specification.data, specification, seed, sample)
    if found["chain"] < chains or found["draw"] < draws:  # what samplers return on Ctrl-C
        raise SamplingInterrupted(result)
    _warn_if_outside(result)
    return result


def _thinned(posterior: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    """Return these draws, counted through all chains, as one chain."""
    import xarray as xr

    chain, place = np.divmod(chosen, posterior.sizes["draw"])
    index = {"chain": xr.DataArray(chain, dims="draw"), "draw": xr.DataArray(place, dims="draw")}
    one = posterior.isel(index).drop_vars(["chain", "draw"], errors="ignore")
    return one.expand_dims(chain=[0]).assign_coords(draw=np.arange(len(chosen)))


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"parameter '{name}': {value!r} is not a number.") from error


def _lapses(lapse: float | Lapses) -> Lapses | None:
    """Return the lapses asked for; None if their probability is 0."""
    if isinstance(lapse, Lapses):
        return lapse
    probability = _number("lapse", lapse)
    return None if probability == 0 else Lapses(probability)


def _warn_if_outside(result: Fit) -> None:
    declaration = result.likelihood.declaration
    share, leaving = result._outside()
    if share > 0:
        box = declaration.box
        limits = ", ".join(f"{name} [{box[name][0]:g}, {box[name][1]:g}]" for name in leaving)
        warnings.warn(
            f"{share:.1%} of posterior draws lie outside the box that likelihood "
            f"'{declaration.name}' was trained on: {limits}. Train one with a wider box.",
            OutsideBoxWarning,
            skip_file_prefixes=(HERE,),
        )
