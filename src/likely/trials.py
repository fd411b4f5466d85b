"""Trials: what was observed, checked and encoded so that NaN never reaches a likelihood.

PyMC takes NaN in observed data for missing values and imputes them, so each kind of trial has an
encoding of its own, a row (rt, choice) of two floats:

| observed                           | rt                | choice              | contributes    |
|------------------------------------|-------------------|---------------------|----------------|
| time and choice                    | seconds           | choice              | density        |
| choice, time unobserved            | `TIME_UNOBSERVED` | choice              | P(choice)      |
| time, choice unobserved            | seconds           | `CHOICE_UNOBSERVED` | sum of density |
| neither, no response by a deadline | the deadline      | `NO_RESPONSE`       | P(T > rt)      |
| withheld until a deadline          | the deadline      | choice + `SILENT`   | see below      |

A choice without a time is silent, as the decision not to press is in a Go/NoGo task. If such a
trial has a deadline, nothing was seen until then: either that choice was made, at whatever time, or
another would have come too late, P(choice) + P(another, T > deadline); see `likely.silence`.
Without a deadline it contributes P(choice).
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from likely.errors import TrialsError, unknown
from likely.typing import FloatArray

TIME_UNOBSERVED = -math.inf  # in column 0: the choice is known, its time is not
CHOICE_UNOBSERVED = -math.inf  # in column 1: the time is known, the choice is not
NO_RESPONSE = math.inf  # in column 1: nothing happened until the deadline in column 0
SILENT = 2.0**20  # added to a choice in column 1: nothing was seen until the deadline in column 0

ADDED = ("rt", "choice", "deadline")
OWN_COLUMNS = "own columns"  # attribute of a frame whose rt and choice were read from others
LONGEST_PLAUSIBLE = 50.0  # seconds; a larger median means that times are in milliseconds
TWO_BOUNDARIES = (-1, 1)


class TrialOfFile(str):
    """Name of an index that counts the trials of a file from 0, and knows their rows there.

    Indices keep their name while trials are chosen or sorted, and lose it when counted anew.

    Args:
        rows: row of each trial as a spreadsheet counts, which has the header in row 1; None if
            they follow the header without blank rows.
    """

    rows: tuple[int, ...] | None

    def __new__(cls, rows: Sequence[int] | None = None) -> TrialOfFile:
        """Return the name."""
        name = super().__new__(cls, "trial of the file")
        name.rows = None if rows is None else tuple(rows)
        return name

    def __reduce__(self) -> tuple[type[TrialOfFile], tuple[tuple[int, ...] | None]]:
        """Copy and pickle with the rows."""
        return type(self), (self.rows,)

    def row(self, label: Hashable) -> int | None:
        """Return the row of a trial; None if it is none of the file's."""
        if not isinstance(label, int | np.integer) or label < 0:
            return None
        if self.rows is None:
            return int(label) + 2
        return self.rows[label] if label < len(self.rows) else None


Rows = Sequence[Hashable] | pd.Index
Why = Callable[[int], str]


def encode(trials: pd.DataFrame | ArrayLike, choices: Sequence[int]) -> FloatArray:
    """Check trials and encode them without NaN; see the table at the top of this module.

    Args:
        trials: a frame with columns `rt` (seconds, NaN = not observed), `choice` (NaN = not
            observed) and optionally `deadline` (seconds, NaN or infinity = none); or an array
            (n, 2) of rt and choice, which may be encoded already and then comes back unchanged.
        choices: the choices of the model, such as (-1, 1).

    Returns:
        A C-contiguous float64 array (n, 2).

    Raises:
        TrialsError: naming column, row, value and remedy, if columns are missing or not numeric,
            there are no trials, times are not positive and finite or look like milliseconds,
            choices are unknown, NaN has no meaning, or an rt is later than its deadline.
    """
    if isinstance(trials, pd.DataFrame):
        return _encode_frame(trials, choices)
    return _encode_array(trials, choices)


def without_nan(trials: pd.DataFrame, choices: Sequence[int]) -> pd.DataFrame:
    """Return the frame with columns rt and choice encoded; see the top of this module.

    A deadline that is missing is infinite.

    Raises:
        TrialsError: as `encode` does.
    """
    encoded = encode(trials, choices)
    limit = deadlines(trials)
    coded = trials.assign(rt=encoded[:, 0], choice=encoded[:, 1])
    return coded if limit is None else coded.assign(deadline=limit)


def encode_again(trials: pd.DataFrame, choices: Sequence[int]) -> FloatArray:
    """Encode a frame, which may be one that `without_nan` returned.

    Raises:
        TrialsError: as `encode` does.
    """
    if {"rt", "choice"} <= set(trials.columns):
        pairs = trials[["rt", "choice"]]
        if all(dtype.kind == "f" for dtype in pairs.dtypes) and _is_coded(pairs.to_numpy()):
            return encode(pairs.to_numpy(), choices)
    return encode(trials, choices)


def _is_coded(pairs: FloatArray) -> bool:
    """Whether any of pairs (n, 2) has a code that data do not have."""
    return bool(np.isinf(pairs).any() or is_withheld(pairs).any())


def any_encoded(trials: pd.DataFrame | ArrayLike, choices: Sequence[int]) -> FloatArray:
    """Encode a frame, checked as data are; or take any numbers (n, 2) of rt and choice unchecked.

    Raises:
        TrialsError: for a frame as `encode` does, or for an array of another shape.
    """
    if isinstance(trials, pd.DataFrame):
        return encode(trials, choices)
    try:
        pairs = np.ascontiguousarray(trials, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TrialsError("trials are neither a frame nor numbers (n, 2).") from error
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise TrialsError(f"trials of shape {pairs.shape} do not fit; expected (n, 2): rt, choice.")
    return pairs


def numeric_column(frame: pd.DataFrame, name: str) -> FloatArray:
    """Return a column as float64 (n,), NaN where it is missing.

    Raises:
        TrialsError: if there is no such column, two of them, or a value that is not a number.
    """
    require_column(frame, name)
    column = frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype.kind in "iufb":
        return np.array(column.to_numpy(dtype=np.float64, na_value=math.nan))
    values = np.empty(len(column))
    for i, value in enumerate(column.array):
        values[i] = _number(value, name, column.index, i)
    return values


def _number(value: object, name: str, rows: pd.Index, i: int) -> float:
    if value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    if isinstance(value, int | float | np.number | np.bool_) and not isinstance(
        value, np.complexfloating | np.timedelta64
    ):
        try:
            return float(value)
        except OverflowError:
            pass
    remedy = "convert it to seconds" if name != "choice" else "recode it as whole numbers"
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d+,\d+\s*", value):
        remedy = "write decimals with a point, not a comma"
    raise TrialsError(
        f"column '{name}', {row_words(rows, i)}: {shown(value)} is not a number; {remedy}."
        f"{counting(rows)}"
    )


def shown(value: object) -> str:
    """Return a value as short text of one line, fit for an error message."""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return _REPR.repr(value).replace("\n", " ")


def row_words(rows: Rows, i: int) -> str:
    """Return which row is meant: that of a spreadsheet for rows of a file, or else its label."""
    row = _row_of_file(rows, i)
    return (
        f"row {shown(rows[i])}" if row is None else f"row {row} of the file (its header is row 1)"
    )


def _row_of_file(rows: Rows, i: int) -> int | None:
    name = rows.name if isinstance(rows, pd.Index) else None
    return name.row(rows[i]) if isinstance(name, TrialOfFile) else None


def counting(rows: Rows) -> str:
    """Say how rows are counted, where `row_words` does not and their labels are only counted."""
    plain = isinstance(rows, range | pd.RangeIndex) and rows.start == 0
    of_file = isinstance(rows, pd.Index) and isinstance(rows.name, TrialOfFile)
    return " Rows are counted from 0." if plain and not of_file else ""


def _encode_frame(frame: pd.DataFrame, choices: Sequence[int]) -> FloatArray:
    rt, choice = numeric_column(frame, "rt"), numeric_column(frame, "choice")
    _require_trials(len(frame))
    deadline = np.full(len(frame), math.nan)
    if "deadline" in frame.columns:
        deadline = numeric_column(frame, "deadline")
    rows = frame.index
    _require_times("rt", rt, rows)
    _require_times("deadline", deadline, rows, unlimited=True)
    _require_choices(choice, choices, rows)
    meaningless = np.isnan(rt) & np.isnan(choice) & ~np.isfinite(deadline)
    _refuse(meaningless, "deadline", rows, lambda i: f"{deadline[i]:.6g}, {_NO_DEADLINE}")
    _require_before(rt, deadline, rows)
    return _code(rt, choice, deadline)


def _code(rt: FloatArray, choice: FloatArray, deadline: FloatArray) -> FloatArray:
    no_time, no_choice = np.isnan(rt), np.isnan(choice)
    neither = no_time & no_choice
    withheld = no_time & ~no_choice & np.isfinite(deadline)
    known = np.where(withheld, choice + SILENT, choice)
    coded = np.empty((len(rt), 2))
    coded[:, 0] = np.where(neither | withheld, deadline, np.where(no_time, TIME_UNOBSERVED, rt))
    coded[:, 1] = np.where(neither, NO_RESPONSE, np.where(no_choice, CHOICE_UNOBSERVED, known))
    return coded


def responded(encoded: FloatArray) -> np.ndarray:
    """Tell which encoded trials (n, 2) have a response time."""
    return np.isfinite(encoded[:, 0]) & (encoded[:, 1] < 0.5 * SILENT)


def is_withheld(encoded: FloatArray) -> np.ndarray:
    """Tell which encoded trials (n, 2) are silent choices until a deadline."""
    return np.isfinite(encoded[:, 1]) & (encoded[:, 1] > 0.5 * SILENT)


def require_timely(encoded: FloatArray, deadline: FloatArray) -> None:
    """Raise TrialsError for a deadline that is no time, or a response after it.

    Args:
        encoded: trials (n, 2).
        deadline: of each (n,), infinite where there is none.
    """
    rows = range(len(encoded))
    _require_times("deadline", deadline, rows, unlimited=True)
    _require_before(np.where(responded(encoded), encoded[:, 0], math.nan), deadline, rows)


def _require_before(rt: FloatArray, deadline: FloatArray, rows: Rows) -> None:
    _refuse(
        rt > deadline,
        "rt",
        rows,
        lambda i: f"{rt[i]:.6g} is later than the deadline, {deadline[i]:.6g}; {_LATE}",
    )


def deadlines(trials: pd.DataFrame) -> FloatArray | None:
    """Return the deadline of each trial (n,), infinite where there is none; None without any."""
    if "deadline" not in trials.columns:
        return None
    given = numeric_column(trials, "deadline")
    return np.where(np.isnan(given), math.inf, given)


def withheld_choice(encoded: FloatArray) -> float | None:
    """Return the one choice of encoded trials (n, 2) that is withheld; None without such a one."""
    codes = np.unique(encoded[is_withheld(encoded), 1])
    return float(codes[0] - SILENT) if len(codes) == 1 else None


def cut_off(drawn: FloatArray, deadline: FloatArray, silent: float | None = None) -> FloatArray:
    """Return drawn trials (n, 2) as they are seen until their deadlines.

    Args:
        drawn: rt and choice.
        deadline: of each (n,), infinite where there is none.
        silent: a choice on which nothing is seen. Late responses, which are not told from it, have
            that choice and no time; without such a choice both are NaN.
    """
    unseen = drawn[:, 0] > deadline
    if silent is not None:
        unseen |= np.isfinite(deadline) & (drawn[:, 1] == silent)
    nothing = [math.nan, math.nan if silent is None else silent]
    return np.where(unseen[:, None], nothing, drawn)


def _encode_array(trials: ArrayLike, choices: Sequence[int]) -> FloatArray:
    try:
        coded = np.array(trials, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise TrialsError(f"trials are not an array of numbers: {shown(trials)}.") from error
    if coded.ndim != 2 or coded.shape[1] != 2:
        raise TrialsError(
            f"trials of shape {coded.shape} do not fit; expected (n, 2): rt and choice."
        )
    _require_trials(len(coded))
    rt, choice = coded[:, 0], coded[:, 1]
    rows = range(len(coded))
    silent, timeless = choice == NO_RESPONSE, rt == TIME_UNOBSERVED
    withheld = np.isin(choice, np.asarray(choices) + SILENT)
    choiceless = np.isnan(choice) | (choice == CHOICE_UNOBSERVED)
    _require_times("rt", np.where(timeless | silent | withheld, math.nan, rt), rows)
    _require_times("deadline", np.where(silent | withheld, rt, math.nan), rows)
    _require_choices(np.where(choiceless | silent | withheld, math.nan, choice), choices, rows)
    meaningless = (np.isnan(rt) | timeless) & choiceless | (silent | withheld) & ~np.isfinite(rt)
    _refuse(meaningless, "rt", rows, lambda i: f"{rt[i]:.6g}, {_NO_DEADLINE}")
    rt[np.isnan(rt)] = TIME_UNOBSERVED
    choice[np.isnan(choice)] = CHOICE_UNOBSERVED
    return coded


def _require_trials(n: int) -> None:
    if n == 0:
        raise TrialsError("there are no trials.")


def _require_times(name: str, times: FloatArray, rows: Rows, *, unlimited: bool = False) -> None:
    """Refuse times that are not positive seconds; NaN passes, and +inf if `unlimited`."""
    wrong = (times <= 0.0) | (np.isinf(times) & ~(unlimited & (times > 0.0)))
    _refuse(wrong, name, rows, lambda i: f"{times[i]:.6g} {_POSITIVE}")
    finite = times[np.isfinite(times)]
    if len(finite) and np.median(finite) > LONGEST_PLAUSIBLE:
        raise TrialsError(
            f"column '{name}' looks like milliseconds (median {np.median(finite):.6g}); times are "
            "in seconds: divide by 1000."
        )


def _require_choices(choice: FloatArray, choices: Sequence[int], rows: Rows) -> None:
    wrong = ~np.isnan(choice) & ~np.isin(choice, choices)
    known = ", ".join(f"{c:+d}" if min(choices) < 0 else str(c) for c in choices)
    advice = f"choices of this model are {known}"
    if tuple(choices) == TWO_BOUNDARIES and set(choice[~np.isnan(choice)]) <= {0.0, 1.0}:
        advice += "; recode 0 as -1, as in trials['choice'] = 2 * trials['choice'] - 1"
    _refuse(wrong, "choice", rows, lambda i: f"{choice[i]:.6g} is unknown; {advice}")


def _refuse(wrong: np.ndarray, column: str, rows: Rows, why: Why) -> None:
    """Raise TrialsError for the first row that is wrong."""
    bad = np.flatnonzero(wrong)
    if len(bad):
        more = f" ({len(bad)} rows in all)" if len(bad) > 1 else ""
        i = int(bad[0])
        about = f"column '{column}', {row_words(rows, i)}"
        raise TrialsError(f"{about}: {why(i)}{more}.{counting(rows)}")


def require_column(frame: pd.DataFrame, name: str) -> None:
    """Raise TrialsError unless the frame has one column of this name."""
    count = sum(c == name for c in frame.columns)
    if count > 1:
        raise TrialsError(f"column '{name}' appears {count} times; keep one.")
    if count == 0:
        raise TrialsError(missing_column(name, own_columns(frame)))


def own_columns(frame: pd.DataFrame) -> list[Hashable]:
    """Return the columns of a frame, without those of ours that were read from others.

    Attributes of frames outlive changes of their columns, so they only say what is not to be told.
    """
    own = frame.attrs.get(OWN_COLUMNS, frame.columns)
    return [c for c in frame.columns if c in own or c not in ADDED]


def require_observed(frame: pd.DataFrame, rt: str | None, choice: str | None) -> None:
    """Raise TrialsError unless the frame has the columns of times and choices that it should.

    Args:
        frame: trials.
        rt: column of response times; None if no times were observed.
        choice: column of choices; None if no choices were observed.
    """
    if rt is None and choice is None:
        raise TrialsError("trials with neither times nor choices tell nothing.")
    if rt == choice:
        raise TrialsError(f"column {rt!r} cannot hold both response times and choices.")
    for name, remedy in ((rt, _CHOICES_ALONE), (choice, _TIMES_ALONE)):
        if name is not None and not (frame.columns == name).any():
            raise TrialsError(f"{missing_column(name, own_columns(frame))} {remedy}")
        if name is not None:
            require_column(frame, name)


def missing_column(name: str, columns: Iterable[Hashable]) -> str:
    """Say that there is no column `name`, which there are, and which may have been meant."""
    names = [str(c) for c in columns]
    same = next((n for n in names if n.strip().casefold() == str(name).strip().casefold()), None)
    if same is None:
        return " ".join(unknown("column", name, names[:_COLUMNS_NAMED]).split())
    return f"unknown column {name!r}. Did you mean {same!r}?"


def require_distinct(columns: Iterable[Hashable]) -> None:
    """Raise TrialsError if two columns have one name."""
    seen: set[Hashable] = set()
    for name in columns:
        if name in seen:
            raise TrialsError(f"column '{name}' appears more than once; keep one.")
        seen.add(name)


def first_line(error: BaseException) -> str:
    """Return what an error says, as one short line."""
    several = len(error.args) > 1 and isinstance(error.args[0], str)  # a message, then a place
    text = " ".join(str(error.args[0] if several else error).split()) or type(error).__name__
    return text if len(text) <= _MESSAGE_LENGTH else text[:_MESSAGE_LENGTH] + "..."


_POSITIVE = "must be positive and finite; use NaN for a time that was not observed"
_LATE = "a response after it counts as none: set rt and choice to NaN"
_NO_DEADLINE = (
    "but neither rt nor choice is known; give the deadline by which there was no response, in a "
    "column 'deadline', or leave the trial out"
)
_CHOICES_ALONE = (
    "Say which it is by rt=... (--rt NAME); where only choices were kept, say rt=None (--no-rt)."
)
_TIMES_ALONE = (
    "Say which it is by choice=... (--choice NAME); where only times were kept, say choice=None "
    "(--no-choice)."
)
_MESSAGE_LENGTH = 200
_COLUMNS_NAMED = 20
_REPR = reprlib.Repr(maxstring=60, maxother=60)
