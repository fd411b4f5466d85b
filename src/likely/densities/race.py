"""Races: independent accumulators, of which the first to finish decides."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from likely.densities.accumulator import Accumulator
from likely.densities.panels import panels
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ParameterError
from likely.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Race(FirstPassage):
    """First passages of a race: choice i is made at s if i finishes then and no other has before.

    Args:
        accumulators: in the order of the choices; any number of them.

    Source: the density f_i(s) prod_{j != i} S_j(s) of independent races; Townsend and Ashby (1983).
    """

    accumulators: tuple[Accumulator, ...]

    @functools.cached_property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,), integrated over time to about 1e-12."""
        return panels(self.log_density).probabilities

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C)."""
        densities = self._each([a.log_density(times) for a in self.accumulators])
        survivals = self._each([a.log_survival(times) for a in self.accumulators])
        # The sum over the others is of those before and those after: no infinity is taken away.
        none = np.zeros_like(survivals[:, :1])
        before = np.concatenate([none, np.cumsum(survivals[:, :-1], axis=1)], axis=1)
        after = np.concatenate([np.cumsum(survivals[:, :0:-1], axis=1)[:, ::-1], none], axis=1)
        return densities + before + after

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability that nobody has finished, (n,)."""
        return self._each([a.log_survival(times) for a in self.accumulators]).sum(axis=1)

    @staticmethod
    def _each(columns: list[FloatArray]) -> FloatArray:
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class RaceTwin(ExactTwin):
    """The exact density of a race.

    Declare a model with it as the `twin` of a `likely.Simulator` whose choices are in the order of
    the accumulators:

        def simulate(rng, v0, v1, a, t):
            first = rng.wald(a / v0, a * a)
            second = rng.wald(a / v1, a * a)
            return min(first, second) + t, int(second < first)

        def accumulators(row):
            v0, v1, a, _ = row
            return [Wald(v0, a), Wald(v1, a)]

        likely.Simulator(
            "race",
            parameters={"v0": (0.5, 4.0), "v1": (0.5, 4.0), "a": (0.5, 3.0), "t": (0.0, 2.0)},
            choices=(0, 1),
            simulate=simulate,
            non_decision="t",
            twin=RaceTwin(accumulators),
        )

    Args:
        accumulators: function of a parameter row (p,) that returns its accumulators, in the order
            of the model's choices; a plain function of a module pickles.
    """

    accumulators: Callable[[FloatArray], Sequence[Accumulator]]

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row; its error is about 1e-12.

        Raises:
            ParameterError: if there are no accumulators, or one refuses its parameters.
        """
        members = tuple(self.accumulators(row))
        if not members:
            raise ParameterError("a race needs at least one accumulator; this row gives none.")
        return Race(members)
