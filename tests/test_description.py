"""Summaries of trials before a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import likely as lk
from likely.errors import TrialsError


def trials() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rt = 0.4 + rng.gamma(2.0, 0.2, 300)
    rt[:3], rt[3], rt[4:6] = 0.1, 90.0, np.nan
    answer = rng.choice(["error", "correct"], 300).astype(object)
    answer[5:8] = None
    subject = np.repeat(["anna", "ben", "cleo"], [150, 145, 5])
    return pd.DataFrame({"seconds": rt, "answer": answer, "Subject": subject})


def test_what_matters_is_counted() -> None:
    result = lk.describe(trials(), rt="seconds", choice="answer")
    assert result.trials == 300
    assert result.subjects is not None
    assert result.subjects[1] == {"anna": 150, "ben": 145, "cleo": 5}
    assert result.missing == {"time": 1, "choice": 2, "either": 1}
    assert (result.fast, result.slow) == (3, 1)
    assert set(result.choices) == {-1, 1}
    text = str(result)
    for fragment in (
        "3, of 5 to 150 trials",
        "answer error was read as -1, correct was read as +1 (recognised)",
        "3 below 0.2 s, 1 slow",
        "Subject cleo has far fewer trials than others.",
    ):
        assert fragment in text


def test_units_and_impossible_times_are_pointed_out() -> None:
    frame = trials().assign(seconds=lambda x: (1000 * x.seconds).round())
    assert "in milliseconds, divide them by 1000" in str(
        lk.describe(frame, rt="seconds", choice="answer")
    )
    frame.loc[0, "seconds"] = -1
    assert "1 response times are not positive" in str(
        lk.describe(frame, rt="seconds", choice="answer")
    )


def test_a_subject_in_milliseconds_is_pointed_out() -> None:
    frame = trials().assign(answer="correct")
    frame.loc[frame["Subject"] == "ben", "seconds"] *= 1000
    text = str(lk.describe(frame, rt="seconds", choice="answer"))
    assert "note: Subject ben has response times with a median of " in text
    assert "if theirs are in milliseconds" in text


def test_one_key_alone_is_pointed_out() -> None:
    frame = trials().rename(columns={"seconds": "rt"})
    assert "made choice" not in str(lk.describe(frame, choice="answer"))
    frame.loc[frame["Subject"] == "ben", "answer"] = "correct"
    text = str(lk.describe(frame, choice="answer"))
    assert "note: Subject ben made choice 1 in all of 145 trials." in text
    assert "cleo made" not in text  # of five trials
    frame = frame.assign(stim=np.arange(300) % 2).dropna()
    frame = frame[~((frame["stim"] == 1) & (frame["answer"] == "error"))]
    with pytest.warns(lk.errors.RecodedWarning):
        plan = lk.specify(
            frame, model="ddm", choice="answer", formula={"v": "1 + stim + (1|Subject)"}, lapse=0.05
        )
    assert "note: choice -1 never occurs where stim is 1." in str(plan.description)


def test_columns_of_subjects_are_known_by_many_names() -> None:
    for name in ("Subject ID", "ppt", "participant-id"):
        found = lk.describe(
            trials().rename(columns={"Subject": name}), rt="seconds", choice="answer"
        )
        assert found.subjects is not None
        assert found.subjects[0] == name
    plain = trials().rename(columns={"Subject": "Who it was", "seconds": "rt"}).dropna()
    assert lk.describe(plain, choice="answer").subjects is None
    formula = {"v": "1 + (1|`Who it was`)"}
    with pytest.warns(lk.errors.RecodedWarning):
        plan = lk.specify(plain, model="ddm", choice="answer", formula=formula, lapse=0.05)
    assert plan.description.subjects is not None
    assert plan.description.subjects[0] == "Who it was"


def test_unknown_columns_are_refused() -> None:
    with pytest.raises(TrialsError, match="unknown column 'rt'"):
        lk.describe(trials(), choice="answer")
    with pytest.raises(TrialsError, match="unknown column 'person'"):
        lk.describe(trials(), rt="seconds", choice="answer", subject="person")
