"""Starting points that vary from trial to trial, for any diffusion that can be solved from any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from likely.densities.quadrature import refined_quadrature
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.densities.variability import Averaged, uniform_nodes
from likely.errors import ParameterError
from likely.typing import FloatArray

COUNTS = (8, 16, 32, 64)  # starts, tried in turn


class AnyStart(Protocol):
    """A twin that can be solved from any start: `FokkerPlanckTwin`, `LinearTwin`."""

    @property
    def start(self) -> Callable[[FloatArray], Any]:
        """Function of a parameter row: relative starting point in (-1, 1)."""

    def solve_from(self, y0: float, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution for evidence that starts at y0, relative to the boundary."""


@dataclass(frozen=True, eq=False)
class UniformStart(ExactTwin):
    """First passages of evidence whose start is uniform around that of another twin.

    For starts of any other distribution, average solutions of `solve_from` with
    `variability.Averaged`.

    Args:
        twin: the twin for evidence that starts at a known point.
        half_range: function of a parameter row: half the range of the start, relative to the
            boundary at first, as the start is; at least 0.
    """

    twin: AnyStart
    half_range: Callable[[FloatArray], Any]

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row (p,), from as many starts as it takes.

        Raises:
            ParameterError: if a start is not between the boundaries, or the twin has no solution.
        """
        middle, half = float(self.twin.start(row)), float(self.half_range(row))
        if not (half >= 0.0 and -1.0 < middle - half <= middle + half < 1.0):
            raise ParameterError(
                f"evidence starts within {half:g} of {middle:g} boundaries; the range must be at "
                "least 0 and in (-1, 1)."
            )
        if half == 0.0:
            return self.twin.solve_from(middle, row, tolerance)
        before, error = self._averaged(middle, half, COUNTS[0], row, tolerance), np.inf
        for count in COUNTS[1:]:
            passage = self._averaged(middle, half, count, row, tolerance)
            error = _difference(passage, before)
            if error < tolerance:
                return passage
            before = passage
        raise ParameterError(
            f"the mean over starts is known to {error:.1g} only, not to {tolerance:g}."
        )

    def _averaged(
        self, middle: float, half: float, count: int, row: FloatArray, tolerance: float
    ) -> FirstPassage:
        starts, weights = uniform_nodes(middle - half, middle + half, count)
        passages = (self.twin.solve_from(float(y0), row, tolerance) for y0 in starts)
        return Averaged(tuple(passages), weights)


def _difference(one: FirstPassage, other: FirstPassage) -> float:
    """Return the difference of two log densities, averaged over the first of them."""
    times, weights = refined_quadrature(one)
    logs, others = one.log_density(times), other.log_density(times)
    seen = np.isfinite(logs) & np.isfinite(others)
    differences = np.abs(np.where(seen, logs, 0.0) - np.where(seen, others, 0.0))
    return float((np.exp(logs) * differences * weights[:, None]).sum())
