"""Inequalities between parameters, and what declarations make of them."""

import numpy as np
import pytest

from likely.constraints import holds, names_in
from likely.declaration import Declaration, Parameter
from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.errors import ModelError, ParameterError

START_RANGE = Parameter("A", 0.0, 1.0, (0.0, np.inf))
BOUNDARY = Parameter("b", 0.2, 1.0, (0.0, np.inf))
SHIFT = Parameter("t", 0.25, np.inf, (0.0, np.inf))
HALF_RANGE = Parameter("st", 0.0, 0.25, (0.0, np.inf))
BELOW = Declaration("below", (START_RANGE, BOUNDARY), constraints=("A < b",))
SPREAD = Declaration("spread", (BOUNDARY, SHIFT, HALF_RANGE), non_decision="t", spread="st")


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("A < b", [True, False, False]),
        ("A <= b", [True, True, False]),
        ("2 * A - 1 < -b / 2 + abs(A - b)", [True, False, False]),
    ],
)
def test_inequalities_hold_row_by_row(constraint: str, expected: list[bool]) -> None:
    """Numbers, names, arithmetic and abs."""
    values = {"A": np.array([0.1, 0.5, 0.9]), "b": np.array([0.5, 0.5, 0.5])}
    assert holds(constraint, values).tolist() == expected
    assert names_in(constraint) == {"A", "b"}


@pytest.mark.parametrize(
    "text",
    ["", "A", "A < b < 1", "A = b", "A > b", "A ** 2 < b", "f(A) < b", "__import__('os') < 1",
     "A < 'b'", "A <", "(" * 300 + "A < b", "A.real < b", "abs(A, b) < 1", "[A] < b"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    """One sentence, and nothing is run."""
    with pytest.raises(ModelError, match="no inequality"):
        holds(text, {"A": 1.0, "b": 2.0})


def test_rows_that_break_a_constraint_are_never_drawn() -> None:
    """What is drawn for training and certificates is allowed, and spread over what is."""
    rows = BELOW.shaping_rows(np.random.default_rng(1), 4000)
    assert (rows[:, 0] < rows[:, 1]).all()
    assert rows[:, 0].max() > 0.9
    assert 0.2 < rows[:, 1].min() < 0.25


def test_rows_that_break_a_constraint_are_refused() -> None:
    """The sentence names the inequality, the row and the values."""
    with pytest.raises(ParameterError, match=r"'below' needs A < b, but row 1 has A = 0.9, b = 0"):
        BELOW.require_inside_box(np.array([[0.1, 0.5], [0.9, 0.5]]))


@pytest.mark.parametrize(
    ("constraint", "message"), [("c < b", "unknown parameter 'c'"), ("b < A - 1", "hardly any")]
)
def test_constraints_must_make_sense(constraint: str, message: str) -> None:
    """Unknown names, and boxes without an allowed place."""
    with pytest.raises(ModelError, match=message):
        Declaration("wrong", (START_RANGE, BOUNDARY), constraints=(constraint,))


def test_responses_begin_before_the_mean_non_decision_time() -> None:
    """With a spread, the onset is the earliest non-decision time."""
    rows = np.array([[0.5, 0.5, 0.1], [0.5, 0.3, 0.0]])
    np.testing.assert_allclose(SPREAD.onset(rows), [0.4, 0.3])
    np.testing.assert_allclose(SPREAD.onset(SPREAD.from_onset(rows)), 0.0)
    drawn = SPREAD.shaping_rows(np.random.default_rng(0), 100)
    np.testing.assert_allclose(drawn[:, 1], drawn[:, 2])


@pytest.mark.parametrize("spread", ["t", "sz"])
def test_a_spread_is_a_parameter_beside_the_non_decision_time(spread: str) -> None:
    """Not the non-decision time itself, and nothing unknown."""
    with pytest.raises(ModelError, match="the spread"):
        Declaration("wrong", (BOUNDARY, SHIFT, HALF_RANGE), non_decision="t", spread=spread)


@pytest.mark.parametrize("declaration", [BELOW, SPREAD])
def test_files_keep_constraints_and_spread(declaration: Declaration) -> None:
    """A round trip through JSON gives the declaration again."""
    assert declaration_from_json(declaration_to_json(declaration)) == declaration
