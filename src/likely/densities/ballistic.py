"""The accumulators of the linear ballistic accumulator model (LBA).

Evidence starts at a uniform place, rises in a straight line at a rate that varies from trial to
trial, and finishes at the boundary. What a rate below zero does is a matter of convention: three
are in use, one a class here.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import numpy as np

from likely.densities.accumulator import (
    Accumulator,
    require_above,
    require_finite,
    require_start_range,
)
from likely.densities.normal import compiled, log_cdf, log_mean_ramp, log_sum
from likely.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Ballistic(Accumulator, abc.ABC):
    """A ballistic accumulator; the kinds differ in the distribution of the rate.

    Args:
        drift: mean rate per second (v), before truncation or folding; finite.
        boundary: where it finishes (b), positive.
        start_range: the start is uniform from 0 to this (A), which is below the boundary.
        drift_sd: standard deviation of the rate (sv), before truncation or folding; positive.

    Raises:
        ParameterError: if a parameter is outside the values above.
    """

    drift: float
    boundary: float
    start_range: float
    drift_sd: float

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        what = type(self).__name__
        require_finite(what, "drift", self.drift)
        require_above(what, "boundary", self.boundary, 0.0)
        require_start_range(what, self.start_range, self.boundary)
        require_above(what, "drift_sd", self.drift_sd, 0.0)


@dataclass(frozen=True, eq=False)
class NormalBallistic(Ballistic):
    """As published: the rate is normal, and an accumulator with a rate below 0 never finishes.

    If every rate is below 0 there is no decision, so probabilities sum to less than 1.

    Source: Brown and Heathcote (2008), Cognitive Psychology 57, 153-178, equations 1 and 2.
    """

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        return _densities(times, self.drift, self.boundary, self.start_range, self.drift_sd)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        later = _survivals(times, self.drift, self.boundary, self.start_range, self.drift_sd)
        return np.minimum(np.logaddexp(later, log_cdf(-self.drift / self.drift_sd)), 0.0)


@dataclass(frozen=True, eq=False)
class TruncatedBallistic(Ballistic):
    """The rate is normal given that it is positive, so every accumulator finishes.

    The default of rtdists (posdrift = TRUE). Source: Heathcote and Love (2012), Frontiers in
    Psychology 3, 292.
    """

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        all_ = _densities(times, self.drift, self.boundary, self.start_range, self.drift_sd)
        return all_ - log_cdf(self.drift / self.drift_sd)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        later = _survivals(times, self.drift, self.boundary, self.start_range, self.drift_sd)
        return np.minimum(later - log_cdf(self.drift / self.drift_sd), 0.0)


@dataclass(frozen=True, eq=False)
class FoldedBallistic(Ballistic):
    """The rate is the absolute value of a normal one, as in the simulators of ssm-simulators."""

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        rest = (self.boundary, self.start_range, self.drift_sd)
        return np.logaddexp(
            _densities(times, self.drift, *rest), _densities(times, -self.drift, *rest)
        )

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        rest = (self.boundary, self.start_range, self.drift_sd)
        later = np.logaddexp(
            _survivals(times, self.drift, *rest), _survivals(times, -self.drift, *rest)
        )
        return np.minimum(later, 0.0)


@compiled
def _densities(
    times: FloatArray, drift: float, boundary: float, start_range: float, sd: float
) -> FloatArray:
    """Log density of finishing at each time with a positive rate."""
    out = np.full(times.size, -np.inf)
    near = boundary - start_range
    for i, s in enumerate(times):
        if 0.0 < s < math.inf:
            low, high = (near / s - drift) / sd, (boundary / s - drift) / sd
            if low < 1e150:
                ramp = log_mean_ramp(low, high, near, boundary)
                out[i] = ramp - 2.0 * math.log(s) - math.log(sd)
    return out


@compiled
def _survivals(
    times: FloatArray, drift: float, boundary: float, start_range: float, sd: float
) -> FloatArray:
    """Log probability of a positive rate that has not finished by each time.

    The rate, y standard deviations from its mean, is between 0 and what the nearest start needs;
    or it is enough for some starts but not for all, a share that falls linearly in y.
    """
    out = np.full(times.size, log_cdf(drift / sd))
    zero = -drift / sd
    near = boundary - start_range
    for i, s in enumerate(times):
        if s == math.inf:
            out[i] = -math.inf
        elif s > 0.0:
            low, high = (near / s - drift) / sd, (boundary / s - drift) / sd
            if low < 1e150:
                slow = math.log(near / (s * sd)) + log_mean_ramp(zero, low, 1.0, 1.0)
                out[i] = slow
                if start_range > 0.0:
                    some = math.log(start_range / (s * sd)) + log_mean_ramp(low, high, 1.0, 0.0)
                    out[i] = log_sum(slow, some)
    return out
