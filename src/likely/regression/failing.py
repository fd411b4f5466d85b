"""Which formula fails on the trials, and why, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import formulae
import numpy as np

from likely.errors import ParameterError
from likely.trials import first_line

if TYPE_CHECKING:
    import bambi
    import pandas as pd


def failure(
    formula: bambi.Formula, parent: str, trials: pd.DataFrame, error: Exception
) -> ParameterError:
    """Return an error that names the formula that fails, if one fails by itself.

    Args:
        formula: all formulas of a Bambi model.
        parent: the parameter that the first is for.
        trials: their data.
        error: what Bambi raised.
    """
    texts = dict(_right_hand_sides(formula, parent))
    for name, text in texts.items():
        try:
            formulae.design_matrices(text, trials, extra_namespace={"np": np})
        except Exception as own:
            texts, error = {name: text}, own
            break
    each = (f"{text!r} of parameter '{name}'" for name, text in texts.items())
    about = f"formula {' or '.join(each)} fails on these trials"
    return ParameterError(f"{about}: {_reason(error)}.{_hint(' '.join(texts.values()), trials)}")


def _right_hand_sides(formula: bambi.Formula, parent: str) -> Iterator[tuple[str, str]]:
    for text in (formula.main, *formula.additionals):
        left, _, right = text.partition("~")
        yield parent if text is formula.main else left.strip(), right.strip()


def _reason(error: Exception) -> str:
    reason = f"unknown name {error}" if isinstance(error, KeyError) else first_line(error)
    return reason.rstrip(".!")


def _hint(text: str, trials: pd.DataFrame) -> str:
    """Say which column of the formula has one value, of which most failures come."""
    for column in map(str, trials.columns):
        if trials[column].nunique() == 1 and re.search(rf"\b{re.escape(column)}\b", text):
            return f" Column '{column}' has one value only; leave it out."
    return ""
