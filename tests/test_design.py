"""Design matrices: what formulas mean, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from likely.errors import LikelyError, ParameterError, TrialsError
from likely.regression.design import design

DATA = pd.DataFrame(
    {
        "coherence": [0.0, 0.1, 0.1, 0.4],
        "condition": ["a", "b", "a", "b"],
        "subject": [1, 1, 2, 2],
        "partial": [1.0, np.nan, 2.0, 3.0],
        "infinite": [1.0, np.inf, 2.0, 3.0],
        "constant": 2.0,
        "zero": 0.0,
        "two words": [1.0, 2.0, 3.0, 5.0],
    },
    index=[3, 5, 7, 9],
)


@pytest.mark.parametrize(
    ("formula", "labels"),
    [
        ("1", ["Intercept"]),
        ("0 + coherence", ["coherence"]),
        ("coherence", ["Intercept", "coherence"]),
        ("0 + condition", ["condition[a]", "condition[b]"]),
        ("condition + coherence", ["Intercept", "condition[b]", "coherence"]),
        ("C(subject)", ["Intercept", "C(subject)[2]"]),
        ("np.sqrt(coherence)", ["Intercept", "np.sqrt(coherence)"]),
        ("scale(coherence)", ["Intercept", "scale(coherence)"]),
        ("poly(coherence, 2)", ["Intercept", "poly(coherence, 2)[0]", "poly(coherence, 2)[1]"]),
        ("`two words`", ["Intercept", "two words"]),
    ],
)
def test_columns_are_labelled(formula: str, labels: list[str]) -> None:
    assert list(design(formula, DATA, "v").labels) == labels


def test_distinct_rows_are_kept_once_and_give_the_matrix_back() -> None:
    d = design("condition * coherence", DATA, "v")
    b, c = (DATA["condition"] == "b").astype(float), DATA["coherence"]
    expected = np.stack([np.ones(4), b, c, b * c], axis=1)
    order = [d.labels.index(n) for n in ("Intercept", "condition[b]", "coherence")]
    np.testing.assert_array_equal(d.rows[d.index][:, [*order, 3]], expected)
    assert len(design("coherence", DATA, "v").rows) == 3
    assert d.columns == ("condition", "coherence")


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("", ParameterError, "is empty"),
        ("0", ParameterError, "has no terms; give the parameter a fixed value"),
        ("coherence +", ParameterError, "cannot be read"),
        ("coherence > 0.1", ParameterError, "cannot be read"),
        ("((", ParameterError, "cannot be read"),
        ("v ~ coherence", ParameterError, "leave out what is left of '~'"),
        ("(1|subject)", ParameterError, "group terms such as .* not supported yet"),
        ("coherence + (coherence|subject)", ParameterError, "group terms"),
        ("offset(coherence)", ParameterError, r"offset\(\) is not supported"),
        ("Coherence", TrialsError, "Did you mean 'coherence'?"),
        ("1 + colour", TrialsError, "unknown column 'colour'"),
        ("partial", TrialsError, "column 'partial', row 5: nan"),
        ("infinite", TrialsError, "column 'infinite', row 5: inf"),
        ("np.log(coherence)", ParameterError, "not finite in row 3"),
        ("constant", ParameterError, r"\(Intercept, constant\) are linearly dependent"),
        ("zero", ParameterError, "'zero' is 0 in every trial"),
        ("os.system(coherence)", ParameterError, "unknown name 'os'"),
        ("design(coherence)", ParameterError, "unknown name 'design'"),
    ],
)
def test_unusable_formulas_are_refused_in_one_line(
    formula: str, error: type[LikelyError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        design(formula, DATA, "v")
    assert "\n" not in str(caught.value)
