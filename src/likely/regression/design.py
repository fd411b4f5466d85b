"""Design matrices of formulas such as "1 + coherence * condition", by the library `formulae`."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import formulae
import numpy as np
import pandas as pd
from formulae.environment import Environment

from likely.errors import ParameterError, TrialsError
from likely.trials import first_line, missing_column
from likely.typing import FloatArray

INTERCEPT = "Intercept"


@dataclass(frozen=True, eq=False)
class Design:
    """The design matrix of one formula, its distinct rows kept once.

    Args:
        formula: the formula.
        labels: names of the k columns, such as "Intercept" or "coherence".
        rows: (m, k), the distinct rows.
        index: (n,), the row of each trial.
        columns: columns of the data that the formula uses, in order of appearance.
    """

    formula: str
    labels: tuple[str, ...]
    rows: FloatArray
    index: np.ndarray
    columns: tuple[str, ...]

    @property
    def intercept_only(self) -> bool:
        """Whether the parameter is the same in all trials."""
        return self.labels == (INTERCEPT,)


def design(formula: str, data: pd.DataFrame, parameter: str) -> Design:
    """Return the design matrix of a formula over the columns of the data.

    Args:
        formula: the right-hand side of a formula, fixed effects only. Functions of `formulae`
            (such as C, center, scale, poly, bs) and of numpy (np.log) may be used.
        data: n trials with any columns.
        parameter: the parameter that the formula is for; used in messages.

    Raises:
        ParameterError: if the formula cannot be read, has a response, group terms or no terms, or
            its columns are linearly dependent in these data.
        TrialsError: if a column is missing, or a value in it is missing or infinite.
    """
    about = f"formula {formula!r} of parameter '{parameter}'"
    columns = _columns(formula, about, data)
    used = data[list(columns)].reset_index(drop=True)
    for name in columns:
        _require_complete(used[name], data.index, about)
    try:
        with np.errstate(all="ignore"):
            matrices = formulae.design_matrices(formula, _with_a_column(used), "error", _NAMES)
    except KeyError as error:
        raise ParameterError(f"{about}: unknown name {error}.") from error
    except Exception as error:  # formulae evaluates calls, which may raise anything
        raise ParameterError(f"{about} fails on these data: {first_line(error)}") from error
    if matrices.common is None:
        raise ParameterError(f"{about} has no terms; give the parameter a fixed value instead.")
    labels = tuple(label for term in matrices.common.terms.values() for label in term.labels)
    matrix = np.asarray(matrices.common.design_matrix, dtype=np.float64).reshape(len(data), -1)
    _require_usable(matrix, labels, data.index, about)
    rows, index = np.unique(matrix, axis=0, return_inverse=True)
    return Design(formula, labels, rows, index.reshape(-1), columns)


def intercept_only(n: int) -> Design:
    """Return the design of a parameter that is the same in all n trials."""
    return Design("1", (INTERCEPT,), np.ones((1, 1)), np.zeros(n, dtype=np.int64), ())


def _columns(formula: str, about: str, data: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns the formula uses, once the formula is known to be one we can use."""
    if not formula.strip():
        raise ParameterError(f"{about} is empty; write '1' for an intercept only.")
    try:
        description = formulae.model_description(formula)
    except Exception as error:
        raise ParameterError(f"{about} cannot be read: {first_line(error)}") from error
    if description.response is not None:
        raise ParameterError(f"{about}: leave out what is left of '~'.")
    if description.group_terms:
        raise ParameterError(
            f"{about}: group terms such as (1|subject) are not supported yet; use fixed effects, "
            "such as C(subject)."
        )
    if any("offset(" in str(term.name).replace(" ", "") for term in description.common_terms):
        raise ParameterError(f"{about}: offset() is not supported.")
    # formulae lists the numbers among a call's arguments as '', a name of nothing.
    names = sorted(description.var_names - {""}, key=lambda name: (formula.find(name), name))
    for name in names:
        if name not in data.columns:
            raise TrialsError(f"{about}: {missing_column(name, data.columns)}")
    return tuple(names)


def _with_a_column(used: pd.DataFrame) -> pd.DataFrame:
    """Return data with at least one column, which formulae needs to count the rows."""
    return used if len(used.columns) else used.assign(_=1.0)


def _require_complete(column: pd.Series[Any], rows: pd.Index, about: str) -> None:
    bad = column.isna().to_numpy()
    if column.dtype.kind in "fc":
        bad = bad | ~np.isfinite(column.to_numpy())
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise TrialsError(
            f"column '{column.name}', row {rows[row]}: {column.iloc[row]} cannot enter {about}; "
            "fill it in or leave the trial out."
        )


def _require_usable(
    matrix: FloatArray, labels: tuple[str, ...], rows: pd.Index, about: str
) -> None:
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        where: Hashable = rows[bad[0, 0]]
        raise ParameterError(f"{about}: '{labels[bad[0, 1]]}' is not finite in row {where}.")
    scale = np.abs(matrix).max(axis=0)
    idle = [label for label, s in zip(labels, scale, strict=True) if s == 0]
    if idle:
        raise ParameterError(f"{about}: '{idle[0]}' is 0 in every trial; leave it out.")
    if np.linalg.matrix_rank(matrix / scale) < len(labels):
        raise ParameterError(
            f"{about}: its columns ({', '.join(labels)}) are linearly dependent in these trials; "
            "leave one out."
        )


_NAMES = Environment([{"np": np}])  # of our own, so that formulas do not see this module's
