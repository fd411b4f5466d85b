"""Trials: encoding, refusals that name column, row, value and remedy, and files."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likely.choice_coding import code_choices
from likely.errors import TrialsError
from likely.trial_files import read_trials
from likely.trials import (
    CHOICE_UNOBSERVED,
    NO_RESPONSE,
    SILENT,
    TIME_UNOBSERVED,
    encode,
    require_column,
)

NAN = math.nan
BOTH = (-1, 1)
ROITMAN = Path(__file__).parents[2] / "shared" / "data" / "roitman_rts.csv"


def frame(rt: Any, choice: Any, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"rt": rt, "choice": choice, **columns})


def test_every_kind_of_trial_has_its_encoding() -> None:
    trials = frame([0.5, NAN, NAN, NAN, 0.7], [1, -1, NAN, -1, NAN], deadline=[2, NAN, 2, 2, NAN])
    expected = [
        [0.5, 1],
        [TIME_UNOBSERVED, -1],
        [2.0, NO_RESPONSE],
        [2.0, SILENT - 1],
        [0.7, CHOICE_UNOBSERVED],
    ]
    coded = encode(trials, BOTH)
    np.testing.assert_array_equal(coded, expected)
    assert coded.dtype == np.float64
    assert coded.flags.c_contiguous


@pytest.mark.parametrize(
    "trials",
    [
        frame([1, 2], [0, 2]),
        frame(pd.array([1, 2], dtype="Int64"), pd.array([0.0, 2.0], dtype="Float64")),
        frame(np.array([1, 2], dtype=np.float32), pd.Categorical([0, 2])),
        frame([1, 2], pd.Series([0, 2], dtype=object)),
        [[1, 0], [2, 2]],
        np.asfortranarray([[1.0, 0.0], [2.0, 2.0]]),
    ],
)
def test_numbers_of_any_type_are_numbers(trials: Any) -> None:
    coded = encode(trials, (0, 1, 2))
    np.testing.assert_array_equal(coded, [[1.0, 0.0], [2.0, 2.0]])
    assert coded.flags.c_contiguous


def test_missing_values_of_any_kind_are_not_observed() -> None:
    rt = pd.Series([0.5, None, pd.NA], dtype=object)
    coded = encode(frame(rt, [1, 1, -1]), BOTH)
    np.testing.assert_array_equal(coded[:, 0], [0.5, TIME_UNOBSERVED, TIME_UNOBSERVED])


def test_arrays_encode_nan_as_frames_do() -> None:
    np.testing.assert_array_equal(
        encode([[NAN, 1], [0.4, NAN]], BOTH), [[TIME_UNOBSERVED, 1], [0.4, CHOICE_UNOBSERVED]]
    )


def test_encoding_leaves_its_argument_alone() -> None:
    given_array = np.array([[NAN, 1.0], [0.4, NAN]])
    before = given_array.copy()
    encode(given_array, BOTH)
    np.testing.assert_array_equal(given_array, before)


@st.composite
def valid_trials(draw: st.DrawFn) -> pd.DataFrame:
    times = st.one_of(st.just(NAN), st.floats(0.05, 3.0))
    rows = draw(st.lists(st.tuples(times, st.sampled_from([-1.0, 1.0, NAN])), min_size=1))
    rt, choice = map(list, zip(*rows, strict=True))
    return frame(rt, choice, deadline=draw(st.sampled_from([3.0, 3.5])))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(valid_trials())
def test_encoding_is_idempotent_and_free_of_nan(trials: pd.DataFrame) -> None:
    coded = encode(trials, BOTH)
    assert not np.isnan(coded).any()
    np.testing.assert_array_equal(encode(coded, BOTH), coded)


REFUSED = {
    "no rt": (pd.DataFrame({"choice": [1]}), "unknown column 'rt'"),
    "case": (pd.DataFrame({"RT": [1.0], "choice": [1]}), "Did you mean 'RT'?"),
    "space": (pd.DataFrame({" rt": [1.0], "choice": [1]}), "Did you mean ' rt'?"),
    "close": (pd.DataFrame({"rt": [1.0], "choices": [1]}), "Did you mean 'choices'?"),
    "twice": (pd.DataFrame([[1, 1, 1]], columns=["rt", "rt", "choice"]), "appears 2 times"),
    "text": (frame([0.5, 0.4], ["left", "right"]), "'choice', row 0: 'left' is not a number"),
    "text rt": (frame([0.5, "a\nb"], [1, 1]), r"'rt', row 1: 'a\\nb' is not a number; convert"),
    "durations": (frame(pd.to_timedelta([1], unit="s"), [1]), "'rt', row 0: .* is not a number"),
    "huge": (frame([10**400], [1]), "'rt', row 0: .* is not a number"),
    "empty": (frame([], []), "no trials"),
    "negative": (frame([0.5, -0.1], [1, 1]), "'rt', row 1: -0.1 must be positive"),
    "zero": (frame([0.0], [1]), "'rt', row 0: 0 must be positive"),
    "infinite": (frame([0.5, math.inf], [1, 1]), "'rt', row 1: inf must be positive and finite"),
    "milliseconds": (frame([412, 650, 530], [1, 1, 1]), "milliseconds .*530.* divide by 1000"),
    "unknown choice": (frame([0.5, 0.6], [1, 2]), r"'choice', row 1: 2 is unknown; .*-1, \+1"),
    "0 and 1": (frame([0.5, 0.6], [1, 0]), "'choice', row 1: 0 is unknown.*recode 0 as -1"),
    "meaningless": (frame([NAN], [NAN]), "'deadline', row 0: nan.*column 'deadline'"),
    "no deadline": (frame([NAN, 0.5], [NAN, 1], deadline=[NAN, 1]), "'deadline', row 0"),
    "never": (frame([NAN], [NAN], deadline=[math.inf]), "'deadline', row 0: inf"),
    "bad deadline": (frame([0.5], [1], deadline=[-1]), "'deadline', row 0: -1 must be positive"),
    "deadline in ms": (frame([0.5], [1], deadline=[2000]), "'deadline' looks like milliseconds"),
    "late": (frame([0.5, 2.5], [1, 1], deadline=2), "'rt', row 1: 2.5 is later than the deadline"),
    "several": (frame([-1, 1, -2], [1, 1, 1]), r"row 0: -1 .*\(2 rows in all\)"),
    "shape": ([1.0, 2.0], r"shape \(2,\) do not fit; expected \(n, 2\)"),
    "ragged": ([[1.0], [2.0, 3.0]], "not an array of numbers"),
    "words": ([["a", "b"]], "not an array of numbers"),
    "array without meaning": ([[NAN, NAN]], "'rt', row 0: nan, but neither rt nor choice"),
    "array, never": ([[math.inf, 1]], "'rt', row 0: inf must be positive"),
    "array, no deadline": ([[NAN, NO_RESPONSE]], "'rt', row 0: nan"),
    "array, negative deadline": ([[-1.0, NO_RESPONSE]], "'deadline', row 0: -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_malformed_trials_are_refused_in_one_line(case: str) -> None:
    trials, message = REFUSED[case]
    with pytest.raises(TrialsError, match=message) as caught:
        encode(trials, BOTH)
    assert "\n" not in str(caught.value)


def test_rows_are_named_by_the_labels_of_the_frame() -> None:
    trials = frame([0.5, -1.0], [1, 1]).set_index(pd.Index(["first", "second"]))
    with pytest.raises(TrialsError, match="row 'second'"):
        encode(trials, BOTH)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_keep_their_covariates(tmp_path: Path, separator: str, mark: str) -> None:
    lines = ["RT,correct,coherence", "0.5,1,0.1", "0.7,0,0.2", "0.9,,0.3"]
    content = mark + "\n".join(lines).replace(",", separator)
    trials = read_trials(written(tmp_path / "a.csv", content), rt="RT", choice="correct")
    assert list(trials.columns) == ["RT", "correct", "coherence", "rt", "choice"]
    np.testing.assert_array_equal(trials["choice"], [1, 0, NAN])


def test_rows_are_chosen_in_the_words_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "RT,choice,who\n0.5,1,a\n0.7,1,b\n2.5,1,b\n")
    trials = read_trials(path, rt="RT", where="who == 'b' and 0.1 < RT < 2")
    assert trials["rt"].tolist() == [0.7]
    assert trials.index.tolist() == [1]


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("rt,choice\n0.5,1\n-1,1\n", 3),
        ("\nrt,choice\n0.5,1\n\n  \n-1,1\n", 6),
        ('rt,choice,note\n0.5,1,"two\n\nlines"\n-1,1,\n', 3),
    ],
)
def test_rows_of_files_are_named_as_a_spreadsheet_counts_them(
    tmp_path: Path, content: str, row: int
) -> None:
    trials = read_trials(written(tmp_path / "a.csv", content))
    expected = rf"'rt', row {row} of the file \(its header is row 1\): -1 must be positive"
    with pytest.raises(TrialsError, match=expected):
        encode(trials, BOTH)
    expected = r"'rt', row 1: -1 must be positive.*\. Rows are counted from 0\."
    with pytest.raises(TrialsError, match=expected):
        encode(trials.reset_index(drop=True), BOTH)


def test_rows_of_files_take_columns_and_are_known_when_chosen(tmp_path: Path) -> None:
    content = "rt,choice\n0.5,1\n\n0.6,1\n-1,1\n"
    trials = read_trials(written(tmp_path / "a.csv", content))
    assert trials.assign(x=pd.Series([1, 2, 3]))["x"].tolist() == [1, 2, 3]
    for changed in (
        trials.iloc[::-1],
        trials[trials["rt"] != 0.5],
        pickle.loads(pickle.dumps(trials)),
    ):
        with pytest.raises(TrialsError, match="row 5 of the file"):
            encode(changed, BOTH)


def test_the_named_column_wins_over_one_that_has_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "rt,decision,choice\n500,0.5,1\n")
    expected = {"rt": [0.5], "decision": [0.5], "choice": [1]}
    assert read_trials(path, rt="decision").to_dict("list") == expected


def test_columns_that_are_suggested_are_those_of_the_frame(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "RT,correct,theta\n0.5,1,0\n")
    trials = read_trials(path, rt="RT", choice="correct")
    changed = trials.drop(columns="theta").assign(side=1)
    with pytest.raises(TrialsError, match="Known: RT, correct, side"):
        require_column(changed, "theta")


TABLE = "rt,choice,note\n0.5,1,a\n0.6,-1,b\n"
UNREADABLE: dict[str, tuple[str | bytes, dict[str, str], str]] = {
    "empty": ("", {}, "is empty"),
    "blank": (" \n\n", {}, "is empty"),
    "binary": (b"\x89PNG\r\n\x00\x00", {}, "is a binary file"),
    "latin": ("rt,choice\n0.5,\xe9".encode("latin-1"), {}, "is not UTF-8"),
    "header only": ("rt,choice\n", {}, "no rows"),
    "ragged": ("rt,choice\n1,1,1,1\n2,1\n", {}, "not a readable table"),
    "quote": ('rt,choice\n"1,1\n', {}, "not a readable table"),
    "misnamed": (TABLE, {"rt": "RT"}, "Did you mean 'rt'?"),
    "unknown": (TABLE, {"choice": "response"}, "Known: rt, choice, note"),
    "the same": (TABLE, {"rt": "choice"}, "both"),
    "syntax": (TABLE, {"where": "rt >"}, "cannot select rows by 'rt >'"),
    "no column": (TABLE, {"where": "RTT > 1"}, "'RTT' is not defined"),
    "no condition": (TABLE, {"where": "rt + 1"}, "not true or false for each row."),
    "assignment": (TABLE, {"where": "rt = 1"}, "To compare, write ==, as in 'rt == 1'."),
    "assignments": (TABLE, {"where": "rt=1 and choice>=0"}, "as in 'rt==1 and choice>=0'."),
    "scalar": (TABLE, {"where": "1 == 1"}, "not true or false"),
    "our names": (TABLE, {"where": "@pd.compat"}, "cannot select"),
    "types": (TABLE, {"where": "note > 1"}, "cannot select"),
    "nobody": (TABLE, {"where": "rt > 2"}, "no row of 2 satisfies 'rt > 2'"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_files_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    content, options, message = UNREADABLE[case]
    path = written(tmp_path / "a.csv", content)
    with pytest.raises(TrialsError) as caught:
        read_trials(path, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialsError, match="cannot read .*No such file"):
        read_trials(tmp_path / "none.csv")
    with pytest.raises(TrialsError, match="cannot read .*directory"):
        read_trials(tmp_path)


@pytest.mark.skipif(not ROITMAN.exists(), reason="needs the published data")
def test_published_trials_are_read() -> None:
    where = "monkey == 1 and 0.1 < rt < 1.65"
    trials, coding = code_choices(read_trials(ROITMAN, choice="correct", where=where), BOTH)
    assert encode(trials, BOTH).shape == (2611, 2)
    assert coding is not None
    assert coding.values == {0: -1, 1: 1}
