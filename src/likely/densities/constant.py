"""The exact twin of a diffusion with constant drift and constant boundaries: Wiener series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from likely.densities import wiener
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ParameterError
from likely.typing import FloatArray

CHOICES = np.array([-1.0, 1.0])


@dataclass(frozen=True, eq=False)
class WienerPassage(FirstPassage):
    """First passages of evidence that drifts at `v` from (2z - 1)a to a boundary at -a or +a."""

    v: float
    a: float
    z: float

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (2,)."""
        return wiener.choice_probability(CHOICES, self.v, self.a, self.z)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, 2)."""
        return wiener.log_density(times[:, None], CHOICES, self.v, self.a, self.z, 0.0)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision yet, (n,)."""
        return wiener.log_survival(times, self.v, self.a, self.z, 0.0)


@dataclass(frozen=True, eq=False)
class ConstantTwin(ExactTwin):
    """First passages of a diffusion whose drift and boundary depend on parameters alone.

    Args:
        drift: function of a parameter row: drift per second.
        boundary: function of a parameter row: half the boundary separation.
        start: function of a parameter row: relative starting point in (-1, 1).
    """

    drift: Callable[[FloatArray], Any]
    boundary: Callable[[FloatArray], Any]
    start: Callable[[FloatArray], Any]

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row; its error is about 1e-14.

        Raises:
            ParameterError: if the evidence does not start between the boundaries.
        """
        a, z = float(self.boundary(row)), 0.5 * (1.0 + float(self.start(row)))
        if not (a > 0.0 and 0.0 < z < 1.0):
            raise ParameterError(
                f"evidence starts at {2.0 * z - 1.0:g} of a boundary at {a:g}; the one must be in "
                "(-1, 1), the other positive."
            )
        return WienerPassage(float(self.drift(row)), a, z)
