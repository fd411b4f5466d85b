"""Which columns of the trials a report looks at: those that formulas use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import formulae
import numpy as np
import pandas as pd

from likely.regression.formulas import as_written, is_category

MOST = 8  # conditions; a covariate with more values is cut into quintiles
OBSERVED = ("rt", "choice", "deadline", "draw")
WAYS = 4  # to look at trials
ALL = "all trials"  # no column that a formula uses, as it is no name without backticks


@dataclass(frozen=True)
class Design:
    """Columns that formulas use, in order of appearance.

    Args:
        covariates: those that are not groups.
        groups: those right of a bar, such as subject in (1|subject).
        categories: covariates that formulas take for categories, such as day in C(day).
    """

    covariates: tuple[str, ...]
    groups: tuple[str, ...]
    categories: tuple[str, ...] = ()


def used_columns(formula: Mapping[str, str], data: pd.DataFrame) -> Design:
    """Return the columns of the data that appear in the formulas."""
    common: list[str] = []
    groups: list[str] = []
    categories: set[str] = set()
    for text in formula.values():
        described = formulae.model_description(text)
        grouped = [_columns(term.factor, text, data) for term in described.group_terms]
        groups += [name for names in grouped for name in names]
        inner = [term.expr for term in described.group_terms]
        for term in (*described.common_terms, *inner):
            names = _columns(term, text, data)
            common += names
            categories |= {name for name in names if is_category(str(term.name), name)}
    covariates = [c for c in dict.fromkeys(common) if c not in groups]
    return Design(
        tuple(covariates),
        tuple(dict.fromkeys(groups)),
        tuple(c for c in covariates if c in categories),
    )


def _columns(term: Any, text: str, data: pd.DataFrame) -> list[str]:
    """Return the columns that a term has, as they come in the formula's text."""
    names = {str(name) for name in getattr(term, "var_names", ())} & set(map(str, data.columns))
    return as_written(names - set(OBSERVED), text)


@dataclass(frozen=True)
class Grouping:
    """A way to sort trials into conditions.

    Args:
        name: of the column that has a trial's condition.
        source: the column that it is made of; None if all trials are one condition.
        edges: where that one is cut into fifths; empty if it is taken as it is.
    """

    name: str
    source: str | None = None
    edges: tuple[float, ...] = ()

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return trials, or predictions for them, with the column of conditions."""
        if self.source is None:
            return frame.assign(**{self.name: ALL})
        if self.name == self.source:
            return frame
        return frame.assign(**{self.name: np.searchsorted(self.edges, frame[self.source]) + 1})


def groupings(design: Design, data: pd.DataFrame) -> list[Grouping]:
    """Return the ways to look at trials, `WAYS` of them at most.

    By each covariate with few values, in the order of the formulas, then by each other number, cut
    into fifths; without a covariate all trials are one condition.

    Args:
        design: the columns that formulas use.
        data: the trials.
    """
    few = [c for c in design.covariates if 1 < data[c].nunique() <= MOST]
    found = [Grouping(name, name) for name in few]
    for name in design.covariates:
        if data[name].nunique() > MOST and pd.api.types.is_numeric_dtype(data[name].dtype):
            edges = np.unique(data[name].quantile([0.2, 0.4, 0.6, 0.8]))
            found.append(Grouping(f"fifth of {name}", name, tuple(edges.tolist())))
    return found[:WAYS] or [Grouping(ALL)]


def is_graded(data: pd.DataFrame, column: str) -> bool:
    """Whether a covariate is a number with more than two values, as a psychometric curve needs."""
    dtype = data[column].dtype
    numeric = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    return bool(numeric and data[column].nunique() > 2)
