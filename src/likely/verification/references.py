"""Densities that a network is judged by: the exact one, or one trained near the posterior.

To add a kind of reference, define a `Reference`.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from likely.declaration import Declaration, Parameter
from likely.likelihood import Likelihood
from likely.model import Model
from likely.reference import log_density, require_twin, undelayed
from likely.training import train
from likely.typing import Box, FloatArray
from likely.verification.sites import Answer

MARGIN = 0.25  # of the draws' range, on either side
NARROWEST = 0.02  # of the box: a parameter that is the same in all draws needs some width


class Reference(abc.ABC):
    """A density that is taken to be right."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """Say what it is, in the words of a sentence's object."""

    @abc.abstractmethod
    def log_density(self, answer: Answer, trials: FloatArray) -> FloatArray:
        """Return the log density (n,) of encoded trials (n, 2) at an answer's parameters."""


@dataclass(frozen=True, eq=False)
class ExactReference(Reference):
    """The exact density of a model.

    Args:
        model: a model with an exact twin.
        tolerance: of solutions that are refined until they reach one.
    """

    model: Model
    tolerance: float

    def __str__(self) -> str:
        """Name the model."""
        return f"the exact density of '{self.model.name}'"

    def log_density(self, answer: Answer, trials: FloatArray) -> FloatArray:
        """Solve once for every distinct row; rows that differ in delay only share a solution."""
        declaration, twin = self.model.declaration, require_twin(self.model)
        problem = undelayed(declaration, answer.rows, answer.which, trials)
        values = np.empty(len(trials))
        for index, row in enumerate(problem.rows):
            chosen = problem.which == index
            passage = twin.solve(row, self.tolerance)
            values[chosen] = log_density(declaration, passage, row, problem.trials[chosen])
        return values


@dataclass(frozen=True, eq=False)
class LocalReference(Reference):
    """A likelihood trained on simulations of the small region in which the posterior lies.

    Args:
        likelihood: the likelihood.
    """

    likelihood: Likelihood

    def __str__(self) -> str:
        """Name the model and say how long it was trained."""
        training = self.likelihood.training
        return (
            f"a likelihood of '{self.likelihood.declaration.name}' trained near the posterior for "
            f"{training.seconds:.0f} s on {training.draws:,} simulated trials (it has an error of "
            "its own, the smaller the longer it is trained)"
        )

    def log_density(self, answer: Answer, trials: FloatArray) -> FloatArray:
        """Evaluate the network."""
        rows = answer.rows if len(answer.rows) == 1 else answer.rows[answer.which]
        return self.likelihood.logp(rows, trials)


def train_near(
    model: Model, answers: Sequence[Answer], *, seconds: float, seed: int, progress: bool
) -> LocalReference:
    """Train a likelihood on the region of an answer's parameters, and a margin around it."""
    rows = np.concatenate([answer.rows for answer in answers])
    region = region_of(model.declaration, rows)
    near = model.with_box(**region)
    return LocalReference(train(near, seconds=seconds, seed=seed, progress=progress))


def region_of(declaration: Declaration, rows: FloatArray) -> Box:
    """Return the box around parameter rows (n, p), without a non-decision time's."""
    region = {}
    for index in declaration.shaping:
        parameter = declaration.parameters[index]
        low, high = float(rows[:, index].min()), float(rows[:, index].max())
        width = max(high - low, NARROWEST * (parameter.upper - parameter.lower))
        region[parameter.name] = _within_support(parameter, low, high, MARGIN * width)
    return region


def _within_support(
    parameter: Parameter, low: float, high: float, margin: float
) -> tuple[float, float]:
    """Widen an interval, at most half the way to the ends of the support."""
    least, most = parameter.support
    return max(low - margin, 0.5 * (low + least)), min(high + margin, 0.5 * (high + most))
