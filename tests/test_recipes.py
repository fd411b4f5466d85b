"""How the likelihoods that are shipped are made, but for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import likely as lk
from likely.shipped.headers import is_shipped
from likely.shipped.recipes import RECIPES, ClosedForm, From, Recipe


def _made_at_once(recipe: Recipe) -> bool:
    return isinstance(recipe, ClosedForm) or isinstance(recipe, From) and is_shipped(recipe.other)


@pytest.mark.parametrize("name", [n for n, recipe in RECIPES.items() if _made_at_once(recipe)])
def test_what_is_written_is_what_was_made(name: str, tmp_path: Path) -> None:
    """Form and weights: a likelihood made from another keeps the box that this was trained on."""
    made = RECIPES[name].likelihood(lk.models[name])
    read = lk.load(made.save(tmp_path / f"{name}.likely"))
    assert read.density == made.density
    np.testing.assert_array_equal(read.weights, made.weights)


def test_every_recipe_is_of_a_model() -> None:
    assert set(RECIPES) <= set(lk.models)
