"""Choices as data have them, read as those of a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from likely.choice_coding import code_choices
from likely.errors import TrialsError

BOTH, RACE = (-1, 1), (0, 1, 2)
NAN = math.nan


def frame(choice: Any) -> pd.DataFrame:
    return pd.DataFrame({"rt": 0.5, "choice": choice})


@pytest.mark.parametrize(
    ("choice", "choices", "expected"),
    [
        ([0, 1, 1], BOTH, [-1, 1, 1]),
        ([0.0, NAN, 1.0], BOTH, [-1, NAN, 1]),
        ([False, True, True], BOTH, [-1, 1, 1]),
        ([True, True, True], BOTH, [1, 1, 1]),
        ([0, 0, 0], BOTH, [-1, -1, -1]),
        ([1, 2, 2], BOTH, [-1, 1, 1]),
        (["error", "Correct ", "correct"], BOTH, [-1, 1, 1]),
        (["left", None, "right"], BOTH, [-1, NAN, 1]),
        (["-1", "1", "+1"], BOTH, [-1, 1, 1]),
        (pd.Categorical(["no", "yes", "no"]), BOTH, [-1, 1, -1]),
        ([1, 2, 3], RACE, [0, 1, 2]),
        (["0", "2", "1"], RACE, [0, 2, 1]),
    ],
)
def test_common_codings_are_recognised(
    choice: Any, choices: tuple[int, ...], expected: list[float]
) -> None:
    coded, coding = code_choices(frame(choice), choices)
    np.testing.assert_array_equal(coded["choice"].astype(float), expected)
    assert coding is not None
    assert not coding.stated
    assert "was read as" in str(coding)


@pytest.mark.parametrize(
    ("choice", "choices"), [([-1, 1], BOTH), ([1, 1], BOTH), ([0, 2], BOTH), ([0, 1], RACE)]
)
def test_other_choices_are_left_alone(choice: list[int], choices: tuple[int, ...]) -> None:
    coded, coding = code_choices(frame(choice), choices)
    assert coded["choice"].tolist() == choice
    assert coding is None


def test_codings_are_stated_of_any_column() -> None:
    trials = pd.DataFrame({"key": ["f", "j", None], "choice": 9})
    coded, coding = code_choices(trials, BOTH, coding={"j": -1, "f": 1}, column="key")
    np.testing.assert_array_equal(coded["choice"], [1, -1, NAN])
    assert str(coding) == "key j was read as -1, f was read as +1"
    coded, _ = code_choices(frame([7.0, 8.0]), BOTH, coding={"7": 1, "8": -1})
    assert coded["choice"].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("choice", "coding", "message"),
    [
        (["cat", "dog"], None, "holds cat, dog; say which choice each is.*--code cat=-1"),
        (["cat", "dog"], {"cat": 1}, "holds 'dog', which the coding does not mention"),
        (["cat", "dog"], {"cat": 1, "dog": 0}, "dog is coded as choice 0, but choices .* -1, 1"),
        (["left", "up"], None, "holds left, up"),
    ],
)
def test_unknown_values_are_refused(choice: list[str], coding: Any, message: str) -> None:
    with pytest.raises(TrialsError, match=message):
        code_choices(frame(choice), BOTH, coding=coding)
    with pytest.raises(TrialsError, match="unknown column 'Choice'. Did you mean 'choice'"):
        code_choices(frame(choice), BOTH, column="Choice")


@pytest.mark.parametrize(
    ("values", "stray", "choices", "others"),
    [
        ([0, 1], 2, BOTH, "0, 1"), ([-1, 1], 9, BOTH, "-1, 1"), ([1, 2], 0, BOTH, "1, 2"),
        (["error", "correct"], "NR", BOTH, "error, correct"), ([0, 1, 2], 3, (0, 1, 2), "0, 1, 2"),
    ],
)  # fmt: skip
def test_a_stray_value_is_named_with_its_row(
    values: list[Any], stray: Any, choices: tuple[int, ...], others: str
) -> None:
    """Not the others, which are understood."""
    trials = frame([*values * 10, stray, *values])
    message = f"row {10 * len(values)}: {stray!r} is no choice; .* trials have {others}\\."
    with pytest.raises(TrialsError, match=message):
        code_choices(trials, choices)
