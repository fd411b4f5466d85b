"""What a fit estimates: which parameters are fixed, which depend on what, and with which priors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm

from likely.declaration import Declaration, Parameter
from likely.description import Description, described
from likely.errors import ParameterError, unknown
from likely.regression.bambi_model import bambi_model
from likely.regression.ceilings import Ceiling
from likely.regression.family import TrialsFamily
from likely.regression.forewarning import (
    Forewarning,
    forewarn,
    of_late,
    of_lone_groups,
    of_numbers_as_text,
    of_subjects,
    of_unfit,
    of_unobserved,
)
from likely.regression.formulas import (
    INTERCEPT,
    columns_of,
    is_intercept,
    require_independent,
    written_out,
)
from likely.regression.lapses import PROBABILITY, Lapses
from likely.regression.links import Link, link_for
from likely.regression.prior_table import prior_table
from likely.regression.priors import (
    Chosen,
    Given,
    Scale,
    constant_prior,
    for_the_intercept,
    mean_and_sd,
    on_own_scale,
    on_the_link,
    require_all_used,
    require_one,
)
from likely.trials import deadlines, encode, encode_again, numeric_column
from likely.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from likely.likelihood import Likelihood

OBSERVED = "trials"  # what the observed variable is called in PyMC models


@dataclass(frozen=True, eq=False)
class Specification:
    """What a fit estimates; made by `likely.specify`.

    Args:
        likelihood: the likelihood of the trials.
        data: the trials.
        formula: the formula of each parameter that is not fixed.
        fixed: parameters held at a value.
        links: parameter -> the link between it and its formula.
        columns: columns of the data that formulas use, in order of appearance.
        lapses: the share of trials that the likelihood does not describe, if any.
        bambi: the Bambi model, built.
        description: a summary of the trials.
        arguments: further arguments of `likely.fit` that it was made with, such as priors, as far
            as they are not the default.
        forewarned: what was warned of before sampling.
    """

    likelihood: Likelihood
    data: pd.DataFrame
    formula: Mapping[str, str]
    fixed: Mapping[str, float]
    links: Mapping[str, Link]
    columns: tuple[str, ...]
    lapses: Lapses | None
    bambi: bmb.Model
    description: Description
    arguments: Mapping[str, Any] = field(default_factory=dict)
    forewarned: tuple[Forewarning, ...] = ()

    @property
    def model(self) -> pm.Model:
        """The PyMC model; the trials are its variable "trials"."""
        model: pm.Model = self.bambi.backend.model
        return model

    @property
    def parent(self) -> str:
        """The parameter that Bambi's first formula is for."""
        name: str = self.bambi.family.likelihood.parent
        return name

    @property
    def priors(self) -> pd.DataFrame:
        """One row a coefficient: parameter, link, and prior on the scale of the link.

        A parameter that is the same in all trials has its prior on its own scale, and no link.
        """
        return prior_table(self.bambi, self.links)

    @property
    def sampled(self) -> list[str]:
        """Names of the variables worth keeping: all but those with a value for every trial."""
        by_trial = {
            name for name, dims in self.model.named_vars_to_dims.items() if "__obs__" in dims
        }
        free = [*self.model.free_RVs, *self.model.deterministics]
        return [variable.name for variable in free if variable.name not in by_trial]

    @property
    def drawn(self) -> list[str]:
        """Names of the variables of a posterior, with that of the parent if it is one."""
        alone = is_intercept(self.formula[self.parent])
        return [*self.sampled, *([self.parent] if alone else [])]

    def with_parent(self, draws: xr.Dataset) -> xr.Dataset:
        """Return draws with Bambi's parent parameter by name, if it is the same in all trials."""
        name = self.parent
        if not is_intercept(self.formula[name]):
            return draws
        value = draws[f"{name}_Intercept"]
        own = self.links[name].inverse(value.to_numpy())
        return draws.assign({name: value.copy(data=own)})

    def values(self, posterior: Any) -> dict[str, FloatArray]:
        """Return parameters (draws, n trials) at posterior draws.

        Args:
            posterior: a dataset of draws with one chain, as sampling gives.
        """
        import xarray as xr

        tree = xr.DataTree.from_dict({"posterior": posterior})
        found = self.bambi.predict(tree, kind="response_params", inplace=False)["posterior"]
        shape = (posterior.sizes["draw"], len(self.data))
        values = {name: np.full(shape, value) for name, value in self.fixed.items()}
        for name in self.formula:
            drawn = found[name].transpose("chain", "draw", ...).to_numpy()[0]
            values[name] = np.broadcast_to(drawn.reshape(shape[0], -1), shape)
        return values


def specify(
    likelihood: Likelihood,
    data: pd.DataFrame,
    *,
    formula: Mapping[str, str],
    fixed: Mapping[str, float],
    priors: Given,
    lapses: Lapses | None = None,
    noncentered: bool | None = None,
    description: Description | None = None,
) -> Specification:
    """Check what `likely.fit` is asked for, choose links and priors, and build the models.

    Args:
        likelihood: the likelihood.
        data: the trials.
        formula: parameter -> formula; an intercept only for the others.
        fixed: parameter -> value.
        priors: coefficient -> prior, in place of the default.
        lapses: trials that the likelihood does not describe; None for none.
        noncentered: whether group effects are scaled unit normals; None to decide by the trials.
        description: a summary of the trials, if there is one already.

    Raises:
        TrialsError: for malformed trials and columns that are missing or incomplete.
        ParameterError: for formulas, values and priors that cannot be.
    """
    declaration = likelihood.declaration
    encoded = encode(data, declaration.choices)
    parameters = _parameters(declaration, lapses)
    _require_sensible_names(declaration, parameters, formula, fixed)
    lapses = None if lapses is None else lapses.over(encoded)
    ceiling = Ceiling.observed(declaration, encoded, lapses is not None)
    for p in parameters:
        if p.name in fixed:
            _require_possible(p, fixed[p.name], ceiling)
    formulas = {p.name: formula.get(p.name, INTERCEPT) for p in parameters if p.name not in fixed}
    used = [c for name, text in formulas.items() for c in columns_of(text, data, name)]
    columns = tuple(dict.fromkeys(used))
    given = tuple(priors)
    links = {p.name: ceiling.link(p, formulas.get(p.name, INTERCEPT), data) for p in parameters}
    estimated = [p for p in parameters if p.name in formulas]
    constants = {p.name: constant_prior(p, links[p.name], ceiling) for p in parameters} | dict(
        fixed
    )
    parent = _parent(formulas)
    if is_intercept(formulas[parent]):
        priors = for_the_intercept(priors, parent, links[parent])
    unused = set(priors)
    constants |= _given_constants(formulas, links, priors, unused)
    family = TrialsFamily(likelihood, links, {}, parent, lapses)
    model = _bambi(data, columns, encoded, formulas, family, constants)
    _set_priors(model, estimated, links, ceiling, noncentered, priors, unused)
    subjects = None if description is None else description.subjects
    subject = None if subjects is None else subjects[0]
    if description is None:
        description = described(data, numeric_column(data, "rt"), None)
    specification = Specification(
        likelihood, data, formulas, dict(fixed), links, columns, lapses, model, description
    )
    require_all_used(unused, specification.priors["coefficient"].tolist(), fixed)
    _require_early_start(specification, ceiling)
    found = of_unfit(likelihood)
    found += of_unobserved(declaration, formulas, fixed, given, encoded)
    found += of_late(encoded, data, columns, subject)
    found += of_lone_groups(formulas, data)
    found += of_numbers_as_text(formulas, columns, data)
    found += [] if subject is None else of_subjects(subject, formulas, columns, data)
    forewarn(found)  # when nothing is left to refuse
    model.build()
    return replace(specification, forewarned=tuple(found))


def family_of(
    likelihood: Likelihood,
    trials: pd.DataFrame | None,
    parent: str | None,
    lapses: Lapses | None,
) -> TrialsFamily:
    """Return the family of a likelihood; see `Likelihood.family`."""
    declaration = likelihood.declaration
    parameters = _parameters(declaration, lapses)
    ceiling = Ceiling(declaration.non_decision, np.empty(0), True)
    links = {p.name: link_for(p) for p in parameters}
    if trials is not None:
        encoded = encode_again(trials, declaration.choices)
        lapses = None if lapses is None else lapses.over(encoded)
        ceiling = Ceiling.observed(declaration, encoded, lapses is not None)
        links = {p.name: ceiling.link(p, INTERCEPT, trials) for p in parameters}
    if parent is not None and parent not in declaration.names:
        message = unknown("parameter", parent, declaration.names)
        raise ParameterError(f"model '{declaration.name}': {message}")
    priors = {p.name: constant_prior(p, links[p.name], ceiling) for p in parameters}
    first = parent or declaration.names[0]
    return TrialsFamily(likelihood, links, priors, first, lapses, unseen=trials is None)


def _parameters(declaration: Declaration, lapses: Lapses | None) -> tuple[Parameter, ...]:
    """Return the parameters of a model, with that of lapses if their share is estimated."""
    if lapses is None or not lapses.estimated:
        return declaration.parameters
    if PROBABILITY.name in declaration.names:
        raise ParameterError(
            f"model '{declaration.name}' has a parameter '{PROBABILITY.name}' of its own; the "
            "probability of lapses cannot be estimated beside it."
        )
    return (*declaration.parameters, PROBABILITY)


def _parent(formulas: Mapping[str, str]) -> str:
    """Return the parameter that Bambi's first formula is for, which cannot be a constant."""
    return next((n for n, text in formulas.items() if not is_intercept(text)), next(iter(formulas)))


def _bambi(
    data: pd.DataFrame,
    columns: Sequence[str],
    encoded: FloatArray,
    formulas: Mapping[str, str],
    family: TrialsFamily,
    constants: Mapping[str, Any],
) -> bmb.Model:
    """Return the Bambi model, with names of coefficients that begin with their parameter's."""
    parent = family.likelihood.parent
    plain = {name: written_out(text) for name, text in formulas.items()}
    others = [
        f"{n} ~ {text}" for n, text in plain.items() if n != parent and not is_intercept(text)
    ]
    limit = deadlines(data)
    response = "c(rt, choice)" if limit is None else "c(rt, choice, deadline)"
    formula = bmb.Formula(f"{response} ~ {plain[parent]}", *others)
    named = {name.split(" ~ ")[0] for name in others} | {parent}
    priors = {name: prior for name, prior in constants.items() if name not in named}
    # Bambi refuses missing values, of which encoded trials have none.
    observed = {"rt": encoded[:, 0], "choice": encoded[:, 1]}
    observed |= {} if limit is None else {"deadline": limit}
    trials = _plain(data[list(columns)]).assign(**observed)
    model = bambi_model(formula, trials, family, priors)
    for term in model.parameters[parent].terms.values():
        term.prefix = parent
    model.response_term.alias = OBSERVED
    for component in model.conditional_parameters.values():
        require_independent(component)
        for term in component.terms.values():
            if "/" in term.name:  # which PyMC and netCDF keep for themselves
                term.alias = term.name.replace("/", "|")
    return model


def _plain(covariates: pd.DataFrame) -> pd.DataFrame:
    """Return covariates numbered from 0, with words of any type as categories.

    Categories that are given keep their order, of which the first is the reference; formulae would
    sort those that are not ordered.
    """
    categories = {}
    for name in covariates.columns:
        column = covariates[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            categories[name] = column.cat.remove_unused_categories().cat.as_ordered()
        elif column.dtype.kind == "O":
            categories[name] = column.astype(object).astype("category")
    return covariates.assign(**categories).reset_index(drop=True)


def _set_priors(
    model: bmb.Model,
    parameters: Sequence[Parameter],
    links: Mapping[str, Link],
    ceiling: Ceiling,
    noncentered: bool | None,
    given: Given,
    unused: set[str],
) -> None:
    chosen = {}
    for p in parameters:
        if p.name in model.conditional_parameters:
            component = model.parameters[p.name]
            scale = Scale.over(p, links[p.name], ceiling)
            chosen[p.name] = Chosen(component, scale, noncentered, given, unused).priors()
    model.set_priors(priors=chosen)


def _given_constants(
    formulas: Mapping[str, str], links: Mapping[str, Link], given: Given, unused: set[str]
) -> dict[str, bmb.Prior]:
    """Return priors given for parameters that are the same in all trials."""
    found: dict[str, bmb.Prior] = {}
    for name in (
        n for n, text in formulas.items() if is_intercept(text) and n != _parent(formulas)
    ):
        require_one(given, name, f"{name}_Intercept")
        for label in (name, f"{name}_Intercept"):
            if label in given:
                unused.discard(label)
                prior = given[label]
                if not isinstance(prior, bmb.Prior):
                    given_by = mean_and_sd(label, prior)
                    if label == name:
                        prior = on_own_scale(name, links[name], *given_by)
                    else:
                        prior = on_the_link(links[name], *given_by)
                found[name] = prior
    return found


def _require_sensible_names(
    declaration: Declaration,
    parameters: Sequence[Parameter],
    formula: Mapping[str, str],
    fixed: Mapping[str, float],
) -> None:
    names = [p.name for p in parameters]
    for name in (*formula, *fixed):
        if name not in names:
            message = unknown("parameter", name, names)
            raise ParameterError(f"model '{declaration.name}': {message}")
    both = sorted(set(formula) & set(fixed))
    if both:
        raise ParameterError(f"parameter '{both[0]}' has both a formula and a fixed value.")
    if len(fixed) == len(names):
        raise ParameterError("every parameter is fixed; there is nothing to estimate.")


def _require_possible(parameter: Parameter, value: float, ceiling: Ceiling) -> None:
    if not (math.isfinite(value) and parameter.lower <= value <= parameter.upper):
        raise ParameterError(
            f"parameter '{parameter.name}' is fixed at {value:g}, outside the box "
            f"[{parameter.lower:g}, {parameter.upper:g}] of the likelihood."
        )
    ceiling.require_later(parameter.name, value)


def _require_early_start(specification: Specification, ceiling: Ceiling) -> None:
    """Refuse a non-decision time that exceeds a response time before sampling has begun."""
    name = ceiling.parameter
    component = specification.bambi.conditional_parameters.get(name)
    if name is None or component is None:
        return
    predictor = np.zeros(len(specification.data))
    terms = dict(component.common_terms)
    if component.intercept_term is not None:
        terms["Intercept"] = component.intercept_term
    for term in terms.values():
        mean = term.prior.args.get("mu")
        if isinstance(mean, np.ndarray):
            predictor += np.reshape(term.data, (len(predictor), -1)) @ np.atleast_1d(mean)
    start = specification.links[name].inverse(predictor)
    rows = specification.data.index
    ceiling.require_early(name, start, rows, specification.formula[name])
