"""No traceback ever: whatever is in a file or on the command line, one line says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from commandline import assert_refused, command, refuse_to_sample
from handmade import handmade_ddm
from hypothesis import given, settings
from hypothesis import strategies as st

from likely.commands.exit_codes import BAD_INPUT, SUCCESS

NAMES = st.sampled_from(["rt", "choice", "RT", "deadline", "coh", "a b", "", "1", "@x", "_", "é"])
CELLS = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-inf", "0", "1", "-1", "0.5", "0.7", "500", "1e400", "True"]
    ),
    st.sampled_from(
        ["left", '"', "'", "1,5", "\n", "2026-01-01", "0x1f", "None", "-0.0", "9" * 40]
    ),
    st.floats(0.2, 2.0).map(str),
    st.text(max_size=4),
)
TABLES = st.builds(
    lambda header, rows: "\n".join(",".join(row) for row in [header, *rows]),
    st.one_of(
        st.lists(NAMES, max_size=4),
        st.just(["rt", "choice"]),
        st.just(["rt", "choice", "coh", "deadline"]),
    ),
    st.lists(st.lists(CELLS, max_size=4), max_size=5),
)
PLAUSIBLE = st.builds(
    lambda columns: pd.DataFrame(columns).to_csv(index=False),
    st.fixed_dictionaries(
        {
            "rt": st.lists(
                st.sampled_from([0.3, 0.5, 0.9, np.nan, -1.0, 412.0]), min_size=3, max_size=3
            ),
            "choice": st.lists(st.sampled_from([0, 1, -1, np.nan, 2]), min_size=3, max_size=3),
            "coh": st.lists(st.sampled_from([0.0, 0.1, np.nan, "x"]), min_size=3, max_size=3),
            "deadline": st.lists(st.sampled_from([1.0, 2.0, np.nan, 0.4]), min_size=3, max_size=3),
        }
    ),
)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    TABLES.map(lambda t: t.encode("utf-8", "surrogatepass")),
    PLAUSIBLE.map(str.encode),
)
OPTIONS = st.lists(
    st.sampled_from(
        [
            ("--v", "0 + coh"), ("--v", "coh"), ("--v", "1"), ("--v", "(1|coh)"), ("--v", "nan"),
            ("--v", "np.log(coh)"), ("--v", ""), ("--a", "C(coh)"), ("--t", "coh"), ("--t", "9"),
            ("--z", "0.5"), ("--rt", "RT"), ("--rt", "choice"), ("--choice", "coh"), ("--rt", ""),
            ("--where", "rt > 0"), ("--where", "rt"), ("--where", "("), ("--where", ""),
            ("--lapse", "0.02"), ("--lapse", "nan"), ("--seed", "-1"), ("--w", "1"), ("-x",),
        ]
    ),
    max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def quiet_folder(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Path]]:
    """Give a folder to write malformed files to, and a likelihood, with sampling cut short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pm, "sample", refuse_to_sample)
        folder = tmp_path_factory.mktemp("malformed")
        patch.chdir(folder)
        yield folder, handmade_ddm().save(folder / "handmade.likely")


@settings(derandomize=True, deadline=None, max_examples=250)
@given(content=CONTENTS, options=OPTIONS)
def test_no_file_gives_a_traceback(
    quiet_folder: tuple[Path, Path], content: bytes, options: list[tuple[str, ...]]
) -> None:
    folder, likelihood = quiet_folder
    path = folder / "trials.csv"
    path.write_bytes(content)
    words = [word for option in options for word in option]
    outcome = command("fit", path, "--model", likelihood, *words, "-o", folder / "out")
    if outcome.err.splitlines()[-1] == "likely: sampling failed: no sampling in this test":
        assert outcome.code == BAD_INPUT  # nothing was wrong, and trials and priors were shown
        assert "Traceback" not in outcome.err
    else:
        assert_refused(outcome)


COMMANDS = st.sampled_from(["simulate", "models", "fit", "train", "likely", "-q", ""])
WORDS = st.sampled_from(
    [
        "ddm", "angle", "dmd", "--v", "--a", "--seed", "-n", "--model", "-m", "--model=ddm",
        "--v=1", "--rt", "-q", "--", "-", "", "1", "-1", "nan", "x.py:y", ".py", ":",
        "\n", "é", "--prior",
    ]
)  # fmt: skip


@pytest.mark.usefixtures("quiet_folder")
@settings(derandomize=True, deadline=None, max_examples=150)
@given(first=COMMANDS, others=st.lists(WORDS, max_size=6))
def test_no_words_give_a_traceback(first: str, others: list[str]) -> None:
    words = [first, *others, "--seconds", "soon"] if first == "train" else [first, *others]
    outcome = command(*words)
    if outcome.code != SUCCESS:
        assert_refused(outcome)
