"""Parameters in their own units, by condition and by group: formulas and links, applied to draws.

A parameter has a row for each condition, with effects of groups at zero, and for each group in each
of its conditions. Conditions are the combinations of covariates that occur in the trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import formulae
import numpy as np
import pandas as pd
from bambi.utils import get_aliased_name

from likely.declaration import Declaration, Parameter
from likely.estimate_table import ABOUT, FIXED, POPULATION, statistics
from likely.regression.formulas import as_written, is_category, is_intercept
from likely.regression.lapses import PROBABILITY
from likely.regression.links import Link, Logit, LogitByTrial
from likely.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from likely.regression.specification import Specification

FEW = 12  # values of a numeric covariate that make conditions; one of more values is at its mean
CHUNK = 4_000_000  # numbers computed at once: what bounds the memory
STACKED, DESIGN = ("chain", "draw"), ("__obs__", "__variables__")


@dataclass(frozen=True)
class Level:
    """What the rows of a parameter are of: the population, or the groups of one factor.

    Args:
        name: "population", or what makes the groups, such as "subject" or "subject:session";
            "population (column)" where it is a column of that name.
        groups: columns that make the groups; none of the population.
        covariates: other columns that the parameter depends on.
        terms: terms of groups whose effects count; those of other factors are at zero, except of
            factors that it contains: for "subject:session" those of "subject", too.
    """

    name: str
    groups: tuple[str, ...]
    covariates: tuple[str, ...]
    terms: frozenset[str]


def estimates(
    specification: Specification, posterior: xr.Dataset, probability: float
) -> pd.DataFrame:
    """Return posterior means, sds and intervals of parameters; see `likely.Fit.estimates`."""
    known = known_parameters(specification.likelihood.declaration)
    numbers = statistics(probability)
    labels = {c: f"{c} (column)" for c in specification.columns if c in (*ABOUT, *numbers)}
    parts = []
    for name in (n for n in known if n in {*specification.fixed, *specification.formula}):
        for level, conditions, draws in _draws(specification, posterior, name):
            about = dict(zip(ABOUT, (name, known[name].unit, level), strict=True))
            rows = conditions.astype(object).rename(columns=labels).assign(**about)
            parts.append(rows.join(_moments(draws, numbers, probability)))
    covariates = [labels.get(c, c) for c in specification.columns]
    found = [part.reindex(columns=[*ABOUT, *covariates, *numbers]) for part in parts]
    return pd.concat(found, ignore_index=True)


def known_parameters(declaration: Declaration) -> dict[str, Parameter]:
    """Return parameters by name, and the probability of lapses unless the model has its own."""
    own = {p.name: p for p in declaration.parameters}
    return {**own, PROBABILITY.name: own.get(PROBABILITY.name, PROBABILITY)}


def levels(formula: str) -> list[Level]:
    """Return what a parameter with this formula has estimates of, the population first."""
    described = formulae.model_description(formula)
    common = {column for term in described.common_terms for column in _columns(term)}
    terms = {str(t.name): (_columns(t.expr), _columns(t.factor)) for t in described.group_terms}
    found = [Level(POPULATION, (), tuple(as_written(common, formula)), frozenset())]
    for factor in dict.fromkeys(frozenset(groups) for _, groups in terms.values()):
        counted = {name for name, (_, groups) in terms.items() if groups <= factor}
        used = common.union(*(terms[name][0] for name in counted)) - factor
        groups = tuple(as_written(factor, formula))
        name = ":".join(groups)
        name = f"{name} (column)" if name in (POPULATION, FIXED) else name
        level = Level(name, groups, tuple(as_written(used, formula)), frozenset(counted))
        found.append(level)
    return found if described.common_terms else found[1:]


def averaged(level: Level, formula: str, data: pd.DataFrame) -> dict[str, float]:
    """Return the mean of each covariate that is a number of many values, which make no conditions.

    One that has a single value in each group, such as a subject's age, keeps that.
    """
    found = {}
    for name in level.covariates:
        column = data[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if not numeric or is_category(formula, name) or column.nunique() <= FEW:
            continue
        if (
            level.groups
            and data.groupby(list(level.groups), observed=True)[name].nunique().eq(1).all()
        ):
            continue
        found[name] = float(column.mean())
    return found


def _columns(term: Any) -> frozenset[str]:
    """Return the columns of a term; formulae lists numbers among a call's arguments as ''."""
    return frozenset(map(str, term.var_names)) - {""}


def _draws(
    specification: Specification, posterior: xr.Dataset, name: str
) -> Iterator[tuple[str, pd.DataFrame, Iterator[FloatArray]]]:
    """Yield levels of a parameter, their m rows, and values at draws, blocks of (draws, rows)."""
    alone = pd.DataFrame(index=[0])
    if name in specification.fixed:
        yield FIXED, alone, iter([np.full((1, 1), specification.fixed[name])])
    elif is_intercept(specification.formula[name]):
        yield POPULATION, alone, iter([posterior[name].to_numpy().reshape(-1, 1)])
    else:
        for level in levels(specification.formula[name]):
            rows, like = _rows(specification, name, level)
            kept = rows[[*level.groups, *level.covariates]]
            yield level.name, kept, _values(specification, posterior, name, level, rows, like)


def _rows(specification: Specification, name: str, level: Level) -> tuple[pd.DataFrame, np.ndarray]:
    """Return all covariates of the rows of a level, and the place of a trial like each."""
    data: pd.DataFrame = specification.bambi.data
    means = averaged(level, specification.formula[name], data)
    all_rows = data.assign(**means)
    columns = [*level.groups, *level.covariates]
    if not columns:
        return all_rows.head(1), np.array([0])
    distinct = all_rows[columns].drop_duplicates().sort_values(columns)
    like = distinct.index.to_numpy()  # which counts from 0
    return all_rows.iloc[like].reset_index(drop=True), like


def _values(
    specification: Specification,
    posterior: xr.Dataset,
    name: str,
    level: Level,
    rows: pd.DataFrame,
    like: np.ndarray,
) -> Iterator[FloatArray]:
    """Yield values of a parameter, (draws, rows), in blocks of rows."""
    component = specification.bambi.conditional_parameters[name]
    effects = _without_others(posterior, component, level)
    step = max(1, CHUNK // (posterior.sizes["chain"] * posterior.sizes["draw"]))
    for start in range(0, len(rows), step):
        block = rows.iloc[start : start + step].reset_index(drop=True)
        link = _link(specification, name, level, like[start : start + step])
        predictor = _predictor(component, effects, block, level)
        ordered = predictor.transpose("chain", "draw", DESIGN[0]).to_numpy()
        yield link.inverse(ordered.reshape(-1, len(block)))


def _without_others(posterior: xr.Dataset, component: Any, level: Level) -> xr.Dataset:
    """Return draws in which effects of other factors' groups are zero."""
    terms = component.group_specific_terms
    others = [get_aliased_name(term) for key, term in terms.items() if key not in level.terms]
    return posterior.assign({name: 0.0 * posterior[name] for name in others})


def _predictor(component: Any, draws: xr.Dataset, rows: pd.DataFrame, level: Level) -> Any:
    """Return the linear predictor of a parameter, (chain, draw, rows) in some order."""
    predictor: Any = 0.0
    if component.design.common:
        predictor = component.predict_common(draws, rows, False, STACKED, DESIGN, {})
    if level.groups:
        predictor = predictor + component.predict_group_specific(
            posterior=draws, data=rows, in_sample=False, to_stack_dims=STACKED,
            design_matrix_dims=DESIGN, sample_new_groups=False, random_seed=None,
        )  # fmt: skip
    return predictor


def _link(specification: Specification, name: str, level: Level, like: np.ndarray) -> Link:
    """Return the link of these rows.

    Below a limit of each group's own, the population has the mean of the groups' limits: its value
    is then the mean of groups without effects of their own.
    """
    link = specification.links[name]
    if not isinstance(link, LogitByTrial):
        return link
    if level.groups:
        return LogitByTrial(link.lower, link.upper[like])
    (group,) = levels(specification.formula[name])[-1].groups
    first = ~specification.data[group].duplicated().to_numpy()
    return Logit(link.lower, float(link.upper[first].mean()))


def _moments(
    blocks: Iterator[FloatArray], numbers: Sequence[str], probability: float
) -> pd.DataFrame:
    """Return mean, sd and interval of each row of blocks (draws, rows)."""
    tail = 0.5 * (1.0 - probability)
    found = []
    for values in blocks:
        ends = np.quantile(values, [tail, 1.0 - tail], axis=0)
        sd = values.std(axis=0, ddof=min(1, len(values) - 1))
        found.append(np.column_stack([values.mean(axis=0), sd, *ends]))
    return pd.DataFrame(np.concatenate(found), columns=list(numbers))
