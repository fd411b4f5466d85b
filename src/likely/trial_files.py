"""Files of trials: text, with a header line, of comma-, semicolon- or tab-separated values."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import warnings
from pathlib import Path

import pandas as pd

from likely.errors import TrialsError
from likely.trials import OWN_COLUMNS, TrialOfFile, first_line, require_distinct, require_observed

ASSIGNMENT = re.compile(r"(?<![=<>!])=(?!=)")  # outside of text, which seldom has one


def read_trials(
    path: str | os.PathLike[str],
    *,
    rt: str | None = "rt",
    choice: str | None = "choice",
    where: str | None = None,
) -> pd.DataFrame:
    """Read trials from a text file of comma-, semicolon- or tab-separated values.

    Args:
        path: a UTF-8 file with a header line.
        rt: name of the column of response times; it is `rt`, too, in the frame returned. None if
            no times were observed.
        choice: name of the column of choices; it is `choice`, too, in the frame returned. None if
            no choices were observed.
        where: an expression that says which rows to keep, in the column names of the file, such
            as "monkey == 1 and 0.1 < rt < 1.65" (pandas' query language).

    Returns:
        A frame with `rt`, `choice` and every column of the file under its own name, unless that is
        one of the two; row labels count the trials of the file from 0, and messages name its rows
        as a spreadsheet does.

    Raises:
        TrialsError: if the file cannot be read, a column is missing, or the expression fails or
            leaves no rows.
    """
    frame = _read_csv(Path(path))
    require_observed(frame, rt, choice)
    if where is not None:
        frame = _keep(frame, where)
    if not len(frame):
        raise TrialsError(f"{os.fspath(path)!r} has a header but no rows.")
    times = math.nan if rt is None else frame[rt]
    chosen = math.nan if choice is None else frame[choice]
    trials = frame.assign(rt=times, choice=chosen)
    trials.attrs[OWN_COLUMNS] = [str(c) for c in frame.columns]
    return trials


def _read_csv(path: Path) -> pd.DataFrame:
    text = _read_text(path)
    header = text.lstrip().partition("\n")[0]
    separator = next((s for s in ",\t;" if s in header), ",")
    require_distinct(next(csv.reader([header], delimiter=separator)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(io.StringIO(text), sep=separator, index_col=False, low_memory=False)
            return frame.rename_axis(index=_trial_of_file(text, separator, len(frame)))
    except (ValueError, OverflowError, pd.errors.ParserWarning, csv.Error) as error:
        raise TrialsError(f"{str(path)!r} is not a readable table: {first_line(error)}") from error


def _trial_of_file(text: str, separator: str, n: int) -> TrialOfFile:
    """Return the name of an index of n trials, which knows their rows if some are blank."""
    if not re.search(r"\n[ \t\r]*\n|^\s*\n", text):
        return TrialOfFile()
    records = csv.reader(io.StringIO(text), delimiter=separator)
    filled = [
        i for i, cells in enumerate(records, 1) if any(map(str.strip, cells)) or len(cells) > 1
    ]
    return TrialOfFile(filled[1:] if len(filled) == n + 1 else None)


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise TrialsError(f"cannot read {str(path)!r}: {reason}.") from error
    if b"\0" in content:
        raise TrialsError(f"{str(path)!r} is a binary file; expected a text file (CSV, UTF-8).")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrialsError(
            f"{str(path)!r} is not UTF-8 text (byte {error.start}); save it as CSV, UTF-8."
        ) from error
    if not text.strip():
        raise TrialsError(f"{str(path)!r} is empty.")
    return text


def _keep(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the rows for which the expression holds."""
    hint = ""
    if ASSIGNMENT.search(where):
        hint = f" To compare, write ==, as in {ASSIGNMENT.sub('==', where)!r}."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # No variables from our own scope: only columns may be named.
            mask = frame.eval(where, local_dict={}, global_dict={})
    except Exception as error:  # pandas raises nearly anything for a malformed expression
        raise TrialsError(f"cannot select rows by {where!r}: {first_line(error)}.{hint}") from error
    if not (isinstance(mask, pd.Series) and pd.api.types.is_bool_dtype(mask.dtype)):
        reason = "it is not true or false for each row."
        raise TrialsError(f"cannot select rows by {where!r}: {reason}{hint}")
    kept = frame[mask.fillna(False).astype(bool)]
    if not len(kept):
        raise TrialsError(f"no row of {len(frame)} satisfies {where!r}.")
    return kept
