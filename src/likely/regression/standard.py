"""Trials in the columns that likelihoods know: rt, choice and deadline."""

from __future__ import annotations

import difflib
import numbers
import warnings
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from likely.checks import require_positive
from likely.choice_coding import observations
from likely.description import Description, described
from likely.errors import RecodedWarning, TrialsError
from likely.trials import (
    OWN_COLUMNS,
    numeric_column,
    own_columns,
    require_column,
    require_distinct,
)

if TYPE_CHECKING:
    from likely.likelihood import Likelihood

NEAR = 0.8  # similarity of a name to "deadline" from which it is taken for a misspelling
HERE = str(Path(__file__).parent)  # warnings are of the line that called the package


def standard(
    data: pd.DataFrame,
    likelihood: Likelihood,
    *,
    rt: str | None,
    choice: str | None,
    deadline: str | float | None,
    coding: Mapping[Hashable, int] | None,
    subject: str | None = None,
    conditions: Iterable[str] = (),
) -> tuple[pd.DataFrame, Description]:
    """Return trials with columns rt, choice and perhaps deadline, and their summary.

    Arguments are those of `likely.fit`, and columns of subjects and conditions, if known.

    Warns:
        RecodedWarning: if choices were recognised that are not coded as the model's.
    """
    choices = likelihood.declaration.choices
    require_distinct(data.columns)
    trials, times, coded = observations(data, choices, rt=rt, choice=choice, coding=coding)
    trials = trials.assign(rt=times, choice=numeric_column(trials, "choice"))
    trials.attrs[OWN_COLUMNS] = own_columns(data)
    if rt is None and (deadline is not None or "deadline" in data.columns):
        raise TrialsError(
            "choices without times cannot have a deadline, by which they would be responses "
            "withheld until then; leave it out."
        )
    if rt is not None and deadline is None:
        _require_no_other_deadline(trials)
    if isinstance(deadline, str):
        require_column(data, deadline)
        trials = trials.assign(deadline=numeric_column(data, deadline))
    elif deadline is None and "deadline" in trials.columns:
        trials = trials.assign(deadline=numeric_column(trials, "deadline"))
    elif deadline is not None:
        if not isinstance(deadline, numbers.Real):
            raise TrialsError(
                f"deadline is of type {type(deadline).__name__}; it must be the name of a column, "
                "or one number of seconds for all trials."
            )
        require_positive("deadline", deadline, "seconds")
        trials = trials.assign(deadline=float(deadline))
    if coded is not None and not coded.stated:
        message = f"{coded}; state a coding to be sure."
        warnings.warn(message, RecodedWarning, skip_file_prefixes=(HERE,))
    return trials, described(trials, times, coded, subject=subject, conditions=conditions)


def _require_no_other_deadline(trials: pd.DataFrame) -> None:
    """Refuse trials without times beside a column that is probably that of their deadlines."""
    if "deadline" in trials.columns or trials["rt"].notna().all():
        return
    names = {str(c).strip().casefold(): str(c) for c in trials.columns}
    near = difflib.get_close_matches("deadline", names, n=1, cutoff=NEAR)
    if near:
        name = names[near[0]]
        raise TrialsError(
            f"some trials have no time, and there is a column {name!r}: if these are their "
            f"deadlines, say deadline={name!r} (--deadline {name}); if not, leave it out."
        )
