"""The zoo as a mapping."""

from __future__ import annotations

import pytest

from likely.errors import ModelError
from likely.zoo import models


def test_a_misspelt_name_is_an_error_of_both_kinds() -> None:
    for kind in (ModelError, KeyError):
        with pytest.raises(kind, match="^unknown model 'dmd'. Did you mean 'ddm'?"):
            models["dmd"]


def test_it_is_a_mapping() -> None:
    assert models.get("typo") is None
    assert models.get("ddm") is models["ddm"]
    assert "typo" not in models
    assert list(models) == list(dict(models))
