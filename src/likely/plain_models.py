"""PyMC models whose free variables are what they are called, not transformed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymc as pm
from pymc.model.transform.conditioning import remove_value_transforms


def untransformed(model: pm.Model) -> pm.Model:
    """Return a copy of a model without transforms and without a place where sampling begins."""
    with _without_initial_values(model):
        return remove_value_transforms(model)


@contextmanager
def _without_initial_values(model: pm.Model) -> Iterator[None]:
    """Hide where sampling begins, with which PyMC refuses to copy a model."""
    initial = dict(model.rvs_to_initial_values)
    model.rvs_to_initial_values.update(dict.fromkeys(initial))
    try:
        yield
    finally:
        model.rvs_to_initial_values.update(initial)
