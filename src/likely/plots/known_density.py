"""The density of a model that figures can draw: its likelihood's, the exact one, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from likely.errors import ParameterError
from likely.likelihood import Likelihood, load
from likely.model import Model
from likely.shipped import SHIPPED, SUFFIX
from likely.typing import FloatArray
from likely.zoo import models

Values = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class KnownDensity:
    """A density of response time and choice.

    Args:
        label: where it comes from.
        values: function of a parameter row (p,) and response times (n,) that returns (n, C); it
            raises ParameterError where the density cannot be had.
    """

    label: str
    values: Values


def known_density(model: Model, likelihood: Likelihood | None = None) -> KnownDensity | None:
    """Return the density of a likelihood, by default the shipped one, else the exact density.

    Args:
        model: whose density.
        likelihood: one of the model.

    Raises:
        ParameterError: if the likelihood has other parameters or choices than the model.
    """
    likelihood = shipped_likelihood(model) if likelihood is None else likelihood
    if likelihood is not None:
        _require_same(model, likelihood)
        return KnownDensity("likelihood", _of_likelihood(likelihood))
    return KnownDensity("exact density", _of_twin(model)) if model.twin is not None else None


def shipped_likelihood(model: Model) -> Likelihood | None:
    """Return the shipped likelihood of a model of the zoo, if there is one."""
    shipped = (SHIPPED / f"{model.name}{SUFFIX}").is_file()
    return load(model.name) if shipped and models.get(model.name) is model else None


def _of_likelihood(likelihood: Likelihood) -> Values:
    choices = np.array(likelihood.declaration.choices, dtype=np.float64)

    def values(row: FloatArray, rt: FloatArray) -> FloatArray:
        trials = np.stack([np.repeat(rt, len(choices)), np.tile(choices, len(rt))], axis=1)
        return np.exp(likelihood.logp(row, trials)).reshape(-1, len(choices))

    return values


def _of_twin(model: Model) -> Values:
    twin = model.twin
    assert twin is not None

    def values(row: FloatArray, rt: FloatArray) -> FloatArray:
        passage = twin.solve(row)
        times = rt - model.declaration.onset(row[None])[0]
        found = np.zeros((len(rt), len(model.choices)))
        found[times > 0] = np.exp(passage.log_density(times[times > 0]))
        return found

    return values


def _require_same(model: Model, likelihood: Likelihood) -> None:
    mine, theirs = model.declaration, likelihood.declaration
    if (mine.names, mine.choices) != (theirs.names, theirs.choices):
        raise ParameterError(
            f"likelihood '{theirs.name}' has other parameters or choices than model '{mine.name}'; "
            "give one that was trained on the model."
        )
