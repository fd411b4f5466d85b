"""The accumulator of the lognormal race."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from likely.densities.accumulator import Accumulator, require_above, require_finite
from likely.densities.normal import HALF_LOG_2PI, compiled, log_cdf
from likely.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Lognormal(Accumulator):
    """An accumulator whose log finishing time is normal.

    Args:
        location: mean of the log of the time in seconds.
        scale: standard deviation of the log time, positive.

    Raises:
        ParameterError: if a parameter is outside the values above.

    Source: Heathcote and Love (2012), Frontiers in Psychology 3, 292.
    """

    location: float
    scale: float

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        require_finite("Lognormal", "location", self.location)
        require_above("Lognormal", "scale", self.scale, 0.0)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        return _densities(times, self.location, self.scale)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        return _survivals(times, self.location, self.scale)


@compiled
def _densities(times: FloatArray, location: float, scale: float) -> FloatArray:
    out = np.full(times.size, -np.inf)
    for i, s in enumerate(times):
        if 0.0 < s < math.inf:
            y = (math.log(s) - location) / scale
            out[i] = -0.5 * y * y - HALF_LOG_2PI - math.log(s * scale)
    return out


@compiled
def _survivals(times: FloatArray, location: float, scale: float) -> FloatArray:
    out = np.zeros(times.size)
    for i, s in enumerate(times):
        if s > 0.0:
            out[i] = log_cdf((location - math.log(s)) / scale)
    return out
