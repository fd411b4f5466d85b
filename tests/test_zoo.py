"""The zoo as a mapping."""

from __future__ import annotations

import pickle

import numpy as np
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


@pytest.mark.parametrize("name", models)
def test_models_pickle_with_their_exact_densities(name: str) -> None:
    model = models[name]
    copy = pickle.loads(pickle.dumps(model))
    row = np.array([p.lower + 0.6 * (min(p.upper, 1.0) - p.lower) for p in model.parameters])
    times = np.array([0.1, 0.5, 2.0])
    here, there = (m.twin.solve(row).log_density(times) for m in (model, copy))
    np.testing.assert_array_equal(here, there)
