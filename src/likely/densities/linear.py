"""The exact twin of a diffusion with constant drift between boundaries that are straight lines.

With boundaries at plus and minus b(s) = a - k s, evidence in units of b and on the clock
u = s / (a b(s)) is a Wiener process between still boundaries, killed at a rate that does not depend
on where it is. Its density is therefore that of the Wiener process with no drift at u, times

    exp(k (b - a y0^2) / 2 + v (c b - x0) - v^2 s / 2) / (a^(1/2) b^(3/2)),

where c = -1 or 1 is the choice and x0 = a y0 the start. The clock is that of Anderson (1960),
Annals of Mathematical Statistics 31, 165-197, who treats one- and two-sided straight boundaries;
the factors of v are Girsanov's, and those of k follow by inserting the product into the
Fokker-Planck equation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from likely.densities.integrated import IntegratedPassage
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.densities.wiener import log_density_below
from likely.errors import ParameterError
from likely.typing import FloatArray

HORIZON = 1e6  # seconds, to which boundaries that never meet are followed
ERROR = 1e-8  # of integrals over time
RATIO = 1.1  # from one node of the integrals over time to the next
LATEST = 60.0  # on the clock; what is left there is below exp(-60)


@dataclass(frozen=True, eq=False)
class LinearTwin(ExactTwin):
    """First passages at constant drift between boundaries on straight lines.

    Args:
        drift: function of a parameter row: drift per second.
        boundary: function of a parameter row: half the boundary separation at first.
        slope: function of a parameter row: how fast each boundary falls towards the middle, per
            second; negative where boundaries move apart.
        start: function of a parameter row: relative starting point in (-1, 1).
    """

    drift: Callable[[FloatArray], Any]
    boundary: Callable[[FloatArray], Any]
    slope: Callable[[FloatArray], Any]
    start: Callable[[FloatArray], Any]

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row; the density's error is about 1e-13.

        Raises:
            ParameterError: if the evidence does not start between the boundaries.
        """
        return self.solve_from(float(self.start(row)), row, tolerance)

    def solve_from(self, y0: float, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Do the same for evidence that starts at y0, relative to the boundary, in (-1, 1)."""
        v, a, k = (float(f(row)) for f in (self.drift, self.boundary, self.slope))
        if not (a > 0.0 and -1.0 < y0 < 1.0):
            raise ParameterError(
                f"evidence starts at {y0:g} of a boundary at {a:g}; the one must be in (-1, 1), "
                "the other positive."
            )

        def log_density(times: FloatArray) -> FloatArray:
            out = np.empty((len(times), 2))
            _log_densities(np.asarray(times, dtype=np.float64), v, a, k, y0, out)
            return out

        return IntegratedPassage(_nodes(a, k, y0), log_density, decay=1.0, error=ERROR)


def _nodes(a: float, k: float, y0: float) -> FloatArray:
    """Return decision times that resolve the density."""
    first = (1.0 - abs(y0)) ** 2 / 120.0
    if k > 0.0:
        count = math.ceil(math.log(LATEST / first) / math.log(RATIO))
        clock = np.geomspace(first, LATEST, count)
        return clock * a * a / (1.0 + clock * a * k)
    first *= a * a
    count = math.ceil(math.log(HORIZON / first) / math.log(RATIO))
    return np.geomspace(first, HORIZON, count)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _log_densities(times, v, a, k, y0, out):  # type: ignore[no-untyped-def]
    for i in range(times.shape[0]):
        s = times[i]
        b = a - k * s
        if not (s > 0.0 and b > 0.0 and s < math.inf):
            out[i, 0], out[i, 1] = -math.inf, -math.inf
            continue
        common = 0.5 * k * (b - a * y0 * y0) - v * a * y0 - 0.5 * v * v * s
        common -= 0.5 * math.log(a) + 1.5 * math.log(b)
        u = s / (a * b)
        below = log_density_below(u, 0.0, 2.0, 0.5 * (1.0 + y0))
        above = log_density_below(u, 0.0, 2.0, 0.5 * (1.0 - y0))
        out[i, 0], out[i, 1] = below + common - v * b, above + common + v * b
