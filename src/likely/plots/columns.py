"""Columns of trials, as figures need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from likely.errors import TrialsError
from likely.trials import numeric_column
from likely.typing import FloatArray

ANY = 10**6  # stands for a choice that was not observed, in figures of times alone


def are_times_alone(trials: pd.DataFrame) -> bool:
    """Whether there are times, and not one choice."""
    rt, choice = numeric_column(trials, "rt"), numeric_column(trials, "choice")
    return bool(np.isfinite(rt).any() and np.isnan(choice).all())


def of_any_choice(trials: pd.DataFrame) -> pd.DataFrame:
    """Return trials in which every response is the choice `ANY`."""
    rt = numeric_column(trials, "rt")
    return trials.assign(choice=np.where(np.isfinite(rt), float(ANY), np.nan))


def choices_in(choice: FloatArray) -> tuple[int, ...]:
    """Return the choices that occur, ascending."""
    return tuple(int(c) for c in np.unique(choice[np.isfinite(choice)]))


def choice_column(trials: pd.DataFrame, choices: Sequence[int] | None = None) -> FloatArray:
    """Return the column choice; raise TrialsError if it holds others than `choices`."""
    choice = numeric_column(trials, "choice")
    known = choice[~np.isnan(choice)]
    allowed = choices_in(choice) if choices is None else tuple(choices)
    wrong = known[~np.isin(known, allowed)]
    if len(wrong):
        listed = f"; choices are {', '.join(map(str, allowed))}" if choices is not None else ""
        raise TrialsError(f"column 'choice' holds {wrong[0]:g}, which is no choice{listed}.")
    return choice
