"""Conditions: the groups of trials that a figure shows beside each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from likely.errors import ParameterError, TrialsError
from likely.plots.style import number
from likely.trials import missing_column

By = Hashable | Sequence[Hashable] | None


def columns_of(by: By) -> list[Hashable]:
    """Return `by` as a list of columns: none, one, or several."""
    if by is None:
        return []
    return list(by) if isinstance(by, list | tuple) else [by]


def require_columns(trials: pd.DataFrame, by: Sequence[Hashable]) -> None:
    """Raise TrialsError unless the trials have these columns."""
    for name in by:
        if name not in trials.columns:
            raise TrialsError(missing_column(str(name), trials.columns))


def conditions(
    trials: pd.DataFrame, by: Sequence[Hashable], most: int
) -> list[tuple[Hashable, ...]]:
    """Return the combinations of values of these columns that occur, in order.

    Raises:
        TrialsError: if a column is missing.
        ParameterError: if there are more than `most`.
    """
    require_columns(trials, by)
    if not by:
        return [()]
    found = trials[list(by)].dropna().drop_duplicates()
    if len(found) > most:
        named = ", ".join(map(str, by))
        raise ParameterError(
            f"by={named} makes {len(found)} conditions, too many to draw ({most}); cut a covariate "
            "into a few levels first, for example with pandas.qcut."
        )
    order = [places_of(trials[name]) for name in by]
    rows = list(found.itertuples(index=False, name=None))
    return in_order(rows, order)


def within(
    trials: pd.DataFrame, by: Sequence[Hashable], condition: Sequence[Hashable]
) -> pd.DataFrame:
    """Return the trials of one condition."""
    here = np.ones(len(trials), dtype=bool)
    for name, value in zip(by, condition, strict=True):
        here &= (trials[name] == value).to_numpy(dtype=bool, na_value=False)
    return trials[here]


def named(by: Sequence[Hashable], condition: Sequence[Hashable]) -> str:
    """Return the condition in words: "coherence = 0.1, cue = left"."""
    return ", ".join(
        f"{name} = {written(value)}" for name, value in zip(by, condition, strict=True)
    )


def written(value: Hashable) -> str:
    """Return a value as it is written."""
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)


def distinct(values: Sequence[Hashable]) -> list[str]:
    """Return values as they are written, with more digits if some would be written alike."""
    words = [written(value) for value in values]
    if len(set(words)) == len(set(values)):
        return words
    return [f"{v:.15g}" if isinstance(v, float | np.floating) else str(v) for v in values]


def by_draw(predicted: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the predicted trials of each draw; all of them at once without a column `draw`."""
    if "draw" not in predicted.columns:
        yield predicted
        return
    for _, drawn in predicted.groupby("draw", sort=True):
        yield drawn


def places_of(column: pd.Series[Any]) -> Mapping[Hashable, int]:
    """Return category -> its place, if the column has categories."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return {}
    return {category: i for i, category in enumerate(column.dtype.categories)}


def in_order(
    rows: list[tuple[Hashable, ...]], order: Sequence[Mapping[Hashable, int]]
) -> list[tuple[Hashable, ...]]:
    """Return conditions in order of categories or values; as they are where these have none."""

    def key(row: tuple[Hashable, ...]) -> Any:
        return [places.get(value, value) for value, places in zip(row, order, strict=True)]

    try:
        return sorted(rows, key=key)
    except TypeError:
        return rows
