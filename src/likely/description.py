"""What a table of trials holds, looked at before anything is fitted to it."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from likely.choice_coding import Coding, observations
from likely.errors import TrialsError, unknown
from likely.text_table import aligned
from likely.trial_files import read_trials
from likely.trials import (
    LONGEST_PLAUSIBLE,
    TWO_BOUNDARIES,
    own_columns,
)
from likely.typing import FloatArray

if TYPE_CHECKING:
    from likely.likelihood import Likelihood

FAST = 0.2  # seconds; hardly anyone sees, decides and moves in less
FAR = 3.0  # interquartile ranges of log time beyond the upper quartile, and a response is slow
SUBJECTS = (  # names of columns of subjects, without spaces, underscores, hyphens and capitals
    "subject", "subj", "subjidx", "participant", "participantid", "subjectid", "subjid", "ppt",
    "pid", "id",
)  # fmt: skip
FEWEST = 10  # trials of which it is said that a choice never occurs
NAMED = 5  # subjects
MOST_CONDITIONS = 8  # values of a column of conditions
OTHER_UNITS = 100.0  # ratio of two subjects' median times that no two people have


@dataclass(frozen=True)
class Description:
    """A summary of trials.

    Args:
        trials: number of trials.
        subjects: column of subjects, and trials of each; None if there is no such column.
        quantiles: of response times in seconds: 0, 5, 50, 95 and 100%; NaN if there are none.
        choices: value of the column of choices -> trials.
        coding: how choices were read, if not as they are.
        missing: what was not observed -> trials.
        fast: responses within 0.2 s.
        slow: responses far beyond the others, three interquartile ranges of log time.
        doubts: what looks wrong, a sentence each.
    """

    trials: int
    subjects: tuple[str, Mapping[Hashable, int]] | None
    quantiles: tuple[float, ...]
    choices: Mapping[Hashable, int]
    coding: Coding | None
    missing: Mapping[str, int]
    fast: int
    slow: int
    doubts: tuple[str, ...]

    def __str__(self) -> str:
        """Return a table of a few lines."""
        rows = [("trials", f"{self.trials:,}")]
        if self.subjects is not None:
            name, counts = self.subjects
            each = sorted(counts.values())
            rows.append((name, f"{len(each)}, of {each[0]:,} to {each[-1]:,} trials"))
        least, early, middle, late, most = self.quantiles
        if not np.isnan(middle):
            rows.append(("rt", f"{least:.3g} to {most:.3g} s, median {middle:.3g} s"))
            rows.append(("", f"90% from {early:.3g} to {late:.3g} s"))
            rows.append(("outliers", f"{self.fast} below {FAST:g} s, {self.slow} slow"))
        if self.choices:
            rows.append(("choice", ", ".join(f"{c}: {n:,}" for c, n in self.choices.items())))
        rows.extend((f"without {what}", f"{n:,}") for what, n in self.missing.items() if n)
        if self.coding is not None:
            how = "stated" if self.coding.stated else "recognised"
            rows.append(("coding", f"{self.coding} ({how})"))
        lines = [aligned(rows), *(f"note: {doubt}" for doubt in self.doubts)]
        return "\n".join(lines)


def describe(
    data: pd.DataFrame | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Likelihood | None = None,
    rt: str | None = "rt",
    choice: str | None = "choice",
    subject: str | None = None,
    coding: Mapping[Hashable, int] | None = None,
) -> Description:
    """Summarise trials before a fit: how many, of whom, what is missing, what looks odd.

    Args:
        data: trials, or the path of a CSV file of them.
        model: a likelihood, the name of a shipped one or the path of a file, whose choices are
            to be recognised; by default two boundaries, -1 and +1.
        rt: column of response times in seconds; None if no times were observed.
        choice: column of choices; None if no choices were observed.
        subject: column of subjects; by default one of that name or a like one, if there is one.
        coding: value of the data -> choice; see `likely.fit`.

    Raises:
        TrialsError: if a column is missing, response times are no numbers, or choices cannot be
            read.
    """
    if not isinstance(data, pd.DataFrame):
        data = read_trials(data, rt=rt, choice=choice)
    frame, times, coded = observations(data, _choices(model), rt=rt, choice=choice, coding=coding)
    return described(frame, times, coded, subject=subject)


def described(
    frame: pd.DataFrame,
    rt: FloatArray,
    coding: Coding | None,
    *,
    subject: str | None = None,
    conditions: Iterable[str] = (),
) -> Description:
    """Summarise trials with a column choice that has been read, and times (n,) in seconds.

    Args:
        frame: the trials.
        rt: their times.
        coding: how choices were read.
        subject: column of subjects, if it is known.
        conditions: columns in whose values some choice may never occur.
    """
    chosen = frame["choice"]
    observed = rt[np.isfinite(rt)]
    fast, slow = _outliers(observed)
    counts = chosen.value_counts().sort_index()
    ends = (0.0, 0.05, 0.5, 0.95, 1.0)
    quantiles = np.quantile(observed, ends) if len(observed) else np.full(len(ends), np.nan)
    subjects = _subjects(frame, subject)
    return Description(
        trials=len(frame),
        subjects=subjects,
        quantiles=tuple(map(float, quantiles)),
        choices={_tidy(value): int(n) for value, n in counts.items()},
        coding=coding,
        missing=_missing(frame, rt),
        fast=fast,
        slow=slow,
        doubts=(
            *_doubts(rt, subjects),
            *_other_units(frame, rt, subjects),
            *_of_one_choice(frame, subjects),
            *_choices_missing(frame, [c for c in conditions if c in frame.columns]),
        ),
    )


def _choices(model: str | os.PathLike[str] | Likelihood | None) -> tuple[int, ...]:
    if model is None:
        return TWO_BOUNDARIES
    from likely.likelihood import likelihood_of

    return likelihood_of(model).declaration.choices


def _outliers(observed: FloatArray) -> tuple[int, int]:
    positive = observed[observed > 0]
    if not len(positive):
        return 0, 0
    lower, upper = np.quantile(np.log(positive), [0.25, 0.75])
    slow = np.log(positive) > upper + FAR * (upper - lower)
    return int((positive < FAST).sum()), int(slow.sum()) if upper > lower else 0


def _missing(frame: pd.DataFrame, rt: FloatArray) -> dict[str, int]:
    no_time, no_choice = np.isnan(rt), frame["choice"].isna().to_numpy()
    return {
        "time": int((no_time & ~no_choice).sum()),
        "choice": int((no_choice & ~no_time).sum()),
        "either": int((no_time & no_choice).sum()),
    }


def subject_named(columns: Iterable[Hashable]) -> str | None:
    """Return the column that is called as columns of subjects are, if there is one."""
    names = {re.sub(r"[\s_-]", "", str(c).lower()): str(c) for c in columns}
    return next((names[s] for s in SUBJECTS if s in names), None)


def _subjects(
    frame: pd.DataFrame, subject: str | None
) -> tuple[str, Mapping[Hashable, int]] | None:
    if subject is not None and subject not in frame.columns:
        raise TrialsError(unknown("column", subject, own_columns(frame)))
    name = subject or subject_named(frame.columns)
    if name is None:
        return None
    counts = frame[name].astype(object).value_counts()
    return name, {key: int(n) for key, n in counts.items()}


def _doubts(rt: FloatArray, subjects: tuple[str, Mapping[Hashable, int]] | None) -> list[str]:
    doubts = []
    finite = rt[np.isfinite(rt)]
    if len(finite) and np.median(finite) > LONGEST_PLAUSIBLE:
        doubts.append(
            f"response times have a median of {np.median(finite):.4g}; if they are in "
            "milliseconds, divide them by 1000."
        )
    impossible = int((finite <= 0).sum() + np.isinf(rt).sum())
    if impossible:
        doubts.append(
            f"{impossible} response times are not positive and finite; write NaN for a time "
            "that was not observed."
        )
    if len(finite) > 1 and np.allclose(finite, np.round(finite)) and np.median(finite) < 50:
        doubts.append("all response times are whole numbers; they should be in seconds.")
    if subjects is not None and len(subjects[1]) > 1:
        name, counts = subjects
        few = [str(s) for s, n in counts.items() if n < 0.2 * np.median(list(counts.values()))]
        if few:
            doubts.append(f"{name} {', '.join(few[:5])} has far fewer trials than others.")
    return doubts


def _other_units(
    frame: pd.DataFrame, rt: FloatArray, subjects: tuple[str, Mapping[Hashable, int]] | None
) -> list[str]:
    """Say which subjects' times are so much longer than others' that their unit must differ."""
    if subjects is None:
        return []
    name = subjects[0]
    medians = pd.Series(rt, index=frame.index).groupby(frame[name].astype(object)).median()
    medians = medians[medians > 0]
    long = medians[medians > OTHER_UNITS * medians.min()] if len(medians) else medians
    if not len(long):
        return []
    who = ", ".join(str(_tidy(subject)) for subject in long.index[:5])
    return [
        f"{name} {who} has response times with a median of {long.iloc[0]:.4g}, others one of "
        f"{medians.min():.3g}; if theirs are in milliseconds, divide them by 1000."
    ]


def _of_one_choice(
    frame: pd.DataFrame, subjects: tuple[str, Mapping[Hashable, int]] | None
) -> Iterator[str]:
    """Say which subjects made one choice only, where others made several."""
    known = frame[frame["choice"].notna()]
    if subjects is None or known["choice"].nunique() < 2:
        return
    grouped = known.groupby(known[subjects[0]].astype(object))["choice"]
    found = grouped.agg(["nunique", "size", "first"])
    found = found[(found["nunique"] == 1) & (found["size"] >= FEWEST)]
    for who, row in found.head(NAMED).iterrows():
        choice, trials = _tidy(row["first"]), f"{int(row['size']):,} trials"
        yield f"{subjects[0]} {_tidy(who)} made choice {choice} in all of {trials}."
    if len(found) > NAMED:
        yield f"so did {len(found) - NAMED} others, one choice each."


def _choices_missing(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[str]:
    """Say which choices never occur in a condition, of columns with few values."""
    known = frame[frame["choice"].notna()]
    every = set(known["choice"])
    for column in columns:
        values = known[column].astype(object)
        if not 1 < values.nunique() <= MOST_CONDITIONS:
            continue
        for value, chosen in known["choice"].groupby(values):
            missing = sorted(every - set(chosen))
            if missing and len(chosen) >= FEWEST:
                never = ", ".join(str(_tidy(choice)) for choice in missing)
                yield f"choice {never} never occurs where {column} is {_tidy(value)}."


def _tidy(value: Hashable) -> Hashable:
    return int(value) if isinstance(value, float) and value.is_integer() else value
