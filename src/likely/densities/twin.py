"""What an exact density offers: the distribution of first passages at a parameter row.

To add a kind of exact density, define a `FirstPassage`, and an `ExactTwin` that makes one for each
parameter row.
"""

from __future__ import annotations

import abc

from likely.typing import FloatArray

TOLERANCE = 1e-4  # of E|log p - log p'|, p' the solution at twice the resolution


class FirstPassage(abc.ABC):
    """The distribution of decision time and choice at one parameter row.

    Decision times are response times less the non-decision time. Choices are counted in the order
    of the model's declaration.
    """

    @property
    @abc.abstractmethod
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,). They sum to less than 1 if some never decide."""

    @abc.abstractmethod
    def log_density(self, times: FloatArray) -> FloatArray:
        """Log of the joint density of decision times (n,) and each choice: (n, C).

        -inf where there is none; never NaN, whatever the times.
        """

    @abc.abstractmethod
    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision by each of the times (n,): (n,)."""


class ExactTwin(abc.ABC):
    """The exact density of a model, at any parameters of its support."""

    @abc.abstractmethod
    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution of first passages at a parameter row (p,).

        Args:
            row: parameters in the order of the model's declaration; the non-decision time is
                ignored.
            tolerance: largest error of the log density, averaged over the density. Series and
                closed forms are far better than it.

        Raises:
            ParameterError: if the density cannot be had at these parameters.
        """
