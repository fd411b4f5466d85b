"""Trials in the columns that likelihoods know: rt, choice and deadline."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from likely.checks import require_positive
from likely.choice_coding import observations
from likely.description import Description, described
from likely.errors import RecodedWarning, TrialsError
from likely.trials import numeric_column, require_column

if TYPE_CHECKING:
    from likely.likelihood import Likelihood

HERE = str(Path(__file__).parent)  # warnings are of the line that called the package


def standard(
    data: pd.DataFrame,
    likelihood: Likelihood,
    *,
    rt: str | None,
    choice: str | None,
    deadline: str | float | None,
    coding: Mapping[Hashable, int] | None,
) -> tuple[pd.DataFrame, Description]:
    """Return trials with columns rt, choice and perhaps deadline, and their summary.

    Arguments are those of `likely.fit`.

    Warns:
        RecodedWarning: if choices were recognised that are not coded as the model's.
    """
    choices = likelihood.declaration.choices
    trials, times, coded = observations(data, choices, rt=rt, choice=choice, coding=coding)
    trials = trials.assign(rt=times)
    if rt is None and (deadline is not None or "deadline" in data.columns):
        raise TrialsError(
            "choices without times cannot have a deadline, by which they would be responses "
            "withheld until then; leave it out."
        )
    if isinstance(deadline, str):
        require_column(data, deadline)
        trials = trials.assign(deadline=numeric_column(data, deadline))
    elif deadline is not None:
        require_positive("deadline", deadline, "seconds")
        trials = trials.assign(deadline=float(deadline))
    if coded is not None and not coded.stated:
        message = f"{coded}; state a coding to be sure."
        warnings.warn(message, RecodedWarning, skip_file_prefixes=(HERE,))
    return trials, described(trials, times, coded)
