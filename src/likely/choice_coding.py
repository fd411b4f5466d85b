"""Choices as data have them, read as those of a model: 0 and 1, correct and error, left and right.

A coding is stated, value by value, or recognised, and then says what it was taken for.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from likely.errors import TrialsError
from likely.trials import (
    TWO_BOUNDARIES,
    counting,
    numeric_column,
    require_column,
    require_observed,
    row_words,
    shown,
)
from likely.typing import FloatArray

PAIRS = (  # what is read as -1, and as +1
    ("0", "1"),
    ("1", "2"),
    ("error", "correct"),
    ("incorrect", "correct"),
    ("wrong", "right"),
    ("false", "true"),
    ("left", "right"),
    ("l", "r"),
    ("lower", "upper"),
    ("no", "yes"),
    ("n", "y"),
    ("no-go", "go"),
    ("nogo", "go"),
    ("new", "old"),
)

RARE = 0.1  # share of trials below which values are strays, if the others are understood


@dataclass(frozen=True)
class Coding:
    """How values of a column were read as choices.

    Args:
        column: the column.
        values: each value of the data -> the choice it was read as.
        stated: whether it was stated, rather than recognised.
    """

    column: str
    values: Mapping[Hashable, int]
    stated: bool

    def __str__(self) -> str:
        """Say what was read as what."""
        sign = "+" if min(self.values.values(), default=0) < 0 else ""
        changes = (
            f"{_plain(value)} was read as {choice:{sign}d}" for value, choice in self.values.items()
        )
        return f"{self.column} {', '.join(changes)}"


def code_choices(
    trials: pd.DataFrame,
    choices: Sequence[int],
    *,
    coding: Mapping[Hashable, int] | None = None,
    column: str = "choice",
) -> tuple[pd.DataFrame, Coding | None]:
    """Return trials whose column `choice` holds choices of the model, and how it was read.

    Args:
        trials: a frame with a column of choices; missing values stay missing.
        choices: the choices of the model.
        coding: value of the data -> choice, such as {"left": -1, "right": 1}; None to recognise
            0 and 1, 1 and 2, False and True, and pairs of words such as error and correct, where
            the model has two boundaries; or 1 to n where it has choices 0 to n - 1.
        column: the column to read.

    Returns:
        The frame, and the coding; None if the column holds choices of the model already.

    Raises:
        TrialsError: if the column is missing, a value has no choice in the coding, or the coding
            names no choice of the model.
    """
    require_column(trials, column)
    given = trials[column].astype(object)
    present = list(dict.fromkeys(given[given.notna()]))
    stated = coding is not None
    if coding is None:
        _require_no_strays(given[given.notna()], choices, column)
        coding = _recognised(present, choices, column)
    if coding is None:
        return trials.assign(choice=trials[column]), None
    _require_choices(coding, choices)
    read = {value: _read(value, coding, column) for value in present}
    numbers = np.array([math.nan if pd.isna(x) else float(read[x]) for x in given])
    order = sorted(read, key=lambda value: read[value])
    return trials.assign(choice=numbers), Coding(column, {v: read[v] for v in order}, stated)


def observations(
    trials: pd.DataFrame,
    choices: Sequence[int],
    *,
    rt: str | None,
    choice: str | None,
    coding: Mapping[Hashable, int] | None,
) -> tuple[pd.DataFrame, FloatArray, Coding | None]:
    """Return trials with their choices read, their times (n,), and how choices were read.

    Args:
        trials: a frame with these columns.
        choices: the choices of the model.
        rt: column of response times; None if no times were observed, which are NaN then.
        choice: column of choices; None if no choices were observed, which are NaN then.
        coding: as `code_choices` takes it.

    Raises:
        TrialsError: as `code_choices` does, or if times are no numbers.
    """
    require_observed(trials, rt, choice)
    times = np.full(len(trials), math.nan) if rt is None else numeric_column(trials, rt)
    if choice is None:
        return trials.assign(choice=math.nan), times, None
    coded, how = code_choices(trials, choices, coding=coding, column=choice)
    return coded, times, how


def _require_no_strays(given: pd.Series[Any], choices: Sequence[int], column: str) -> None:
    """Raise TrialsError for values that hardly any trial has, where the others are understood."""
    signed = {f"{c:+d}": str(c) for c in choices}
    words = given.map(_plain).str.lower().replace(signed)
    present = set(words)
    own = tuple(str(c) for c in choices)
    two = tuple(choices) == TWO_BOUNDARIES
    understood = [own, *PAIRS] if two else [own, tuple(str(c + 1) for c in choices)]
    if any(present <= set(values) for values in understood):
        return
    for values in understood:
        strange = ~words.isin(values)
        if strange.sum() < RARE * len(words) and len(present & set(values)) > 1:
            place = int(np.argmax(strange.to_numpy()))
            others = ", ".join(v for v in values if v in present)
            raise TrialsError(
                f"column '{column}', {row_words(given.index, place)}: {shown(given.iloc[place])} "
                f"is no choice; {len(words) - strange.sum():,} of {len(words):,} trials have "
                f"{others}. Leave such trials out, or say which choice each value is by a coding."
                f"{counting(given.index)}"
            )


def _recognised(
    present: Sequence[Hashable], choices: Sequence[int], column: str
) -> dict[Hashable, int] | None:
    """Return what the values that are present stand for; None if for themselves."""
    if not present:
        return None
    words = {_plain(value) for value in present}
    numbers = {str(c) for c in choices} | {f"{c:+d}" for c in choices}
    if words <= numbers and all(not isinstance(x, str | bool | np.bool_) for x in present):
        return None
    if words <= numbers and not words & {"True", "False"}:
        return {value: int(float(str(value))) for value in present}
    if tuple(choices) == TWO_BOUNDARIES:
        low = {word.lower() for word in words}
        for lower, upper in PAIRS:
            if low <= {lower, upper} and (lower in low or low != {"1"}):
                return {v: -1 if _plain(v).lower() == lower else 1 for v in present}
    elif words == {str(c + 1) for c in choices} and choices[0] == 0:
        return {value: int(float(str(value))) - 1 for value in present}
    if any(isinstance(value, str) for value in present):
        values = ", ".join(sorted(words)[:8])
        raise TrialsError(
            f"column '{column}' holds {values}; say which choice each is, as in "
            f"coding={{{sorted(words)[0]!r}: {choices[0]}, ...}} or --code "
            f"{sorted(words)[0]}={choices[0]}."
        )
    return None  # numbers that are no choices are refused, with their row, where trials are checked


def _require_choices(coding: Mapping[Hashable, int], choices: Sequence[int]) -> None:
    for value, choice in coding.items():
        if choice not in choices:
            known = ", ".join(str(c) for c in choices)
            raise TrialsError(
                f"{_plain(value)} is coded as choice {choice}, but choices of this model are "
                f"{known}."
            )


def _read(value: Hashable, coding: Mapping[Hashable, int], column: str) -> int:
    """Return the choice of a value, looked up as it is or as a word."""
    if value in coding:
        return int(coding[value])
    by_word = {_plain(key): choice for key, choice in coding.items()}
    if _plain(value) not in by_word:
        raise TrialsError(
            f"column '{column}' holds {shown(value)}, which the coding does not mention; it has "
            f"{', '.join(by_word)}."
        )
    return int(by_word[_plain(value)])


def _plain(value: Hashable) -> str:
    """Return a value as a word: 1.0 as 1, True as True, text without spaces around it."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
