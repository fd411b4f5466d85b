"""Which columns of the trials a report looks at: those that formulas use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST = 8  # conditions; a covariate with more values is cut into quintiles
OBSERVED = ("rt", "choice", "deadline", "draw")
ALL = "condition"


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
    columns = [str(c) for c in data.columns if c not in OBSERVED]
    common: list[str] = []
    groups: list[str] = []
    for text in formula.values():
        bars = re.findall(r"\|([^()|]*)\)", text)
        groups += _names(" ".join(bars), columns)
        common += _names(re.sub(r"\|[^()|]*\)", ")", text), columns)
    grouped = tuple(dict.fromkeys(groups))
    covariates = tuple(c for c in dict.fromkeys(common) if c not in grouped)
    inside = " ".join(re.findall(r"\bC\(([^,)]*)", " ".join(formula.values())))
    categories = set(_names(inside, columns))
    return Design(covariates, grouped, tuple(c for c in covariates if c in categories))


def _names(text: str, columns: list[str]) -> list[str]:
    words = re.findall(r"`([^`]+)`|([^\W\d]\w*)", text)
    return [word for pair in words for word in pair if word in columns]


def condition(design: Design, data: pd.DataFrame, frame: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the column to condition on, and the frame with it.

    The first covariate with few values, or else the first one cut into quintiles; without a
    covariate all trials are one condition.

    Args:
        design: the columns that formulas use.
        data: the trials.
        frame: the trials, or predictions for them.
    """
    few = [c for c in design.covariates if 1 < data[c].nunique() <= MOST]
    if few:
        return few[0], frame
    many = [c for c in design.covariates if pd.api.types.is_numeric_dtype(data[c].dtype)]
    if not many:
        return ALL, frame.assign(**{ALL: "all trials"})
    edges = np.unique(data[many[0]].quantile([0.2, 0.4, 0.6, 0.8]))
    name = f"fifth of {many[0]}"
    return name, frame.assign(**{name: np.searchsorted(edges, frame[many[0]]) + 1})


def is_graded(data: pd.DataFrame, column: str) -> bool:
    """Whether a covariate is a number with more than two values, as a psychometric curve needs."""
    dtype = data[column].dtype
    numeric = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    return bool(numeric and data[column].nunique() > 2)
