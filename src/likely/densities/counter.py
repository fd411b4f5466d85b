"""The accumulator of the Poisson race: a counter of events that arrive at a constant rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from likely.densities.accumulator import Accumulator, require_above
from likely.densities.normal import compiled
from likely.typing import FloatArray

_PRECISION = 1e-16


@dataclass(frozen=True, eq=False)
class Counter(Accumulator):
    """A counter that finishes at its `threshold`-th event.

    Args:
        rate: events a second, positive.
        threshold: number of events, positive. Counts are whole; the gamma distribution of the time
            is defined in between too, and that is what is used there.

    Raises:
        ParameterError: if a parameter is outside the values above.

    Source: the gamma distribution of the waiting time; Townsend and Ashby (1983), The Stochastic
    Modeling of Elementary Psychological Processes, chapter 9.
    """

    rate: float
    threshold: float

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        require_above("Counter", "rate", self.rate, 0.0)
        require_above("Counter", "threshold", self.threshold, 0.0)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        return _densities(times, self.rate, self.threshold)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        return _survivals(times, self.rate, self.threshold)


@compiled
def _densities(times: FloatArray, rate: float, threshold: float) -> FloatArray:
    out = np.full(times.size, -np.inf)
    constant = threshold * math.log(rate) - math.lgamma(threshold)
    for i, s in enumerate(times):
        if 0.0 < s < math.inf:
            out[i] = constant + (threshold - 1.0) * math.log(s) - rate * s
    return out


@compiled
def _survivals(times: FloatArray, rate: float, threshold: float) -> FloatArray:
    out = np.zeros(times.size)
    for i, s in enumerate(times):
        x = rate * s
        if x == math.inf:
            out[i] = -math.inf
        elif x > threshold + 1.0:
            out[i] = _log_upper(threshold, x)
        elif x > 0.0:
            out[i] = math.log1p(-math.exp(_log_lower(threshold, x)))
    return out


@compiled
def _log_lower(k: float, x: float) -> float:
    """Log of the regularised lower incomplete gamma function, by its series, for x < k + 1."""
    term = total = 1.0 / k
    n = k
    while term > _PRECISION * total:
        n += 1.0
        term *= x / n
        total += term
    return k * math.log(x) - x - math.lgamma(k) + math.log(total)


@compiled
def _log_upper(k: float, x: float) -> float:
    """Log of the regularised upper incomplete gamma function, for x > k + 1.

    Legendre's continued fraction, evaluated forwards (Lentz 1976, Applied Optics 15, 668-671).
    """
    b = x + 1.0 - k
    d = 1.0 / b
    c, value = math.inf, d
    for n in range(1, 10_000):
        a = -n * (n - k)
        b += 2.0
        d = 1.0 / (b + a * d)
        c = b + a / c
        step = c * d
        value *= step
        if abs(step - 1.0) < _PRECISION * 4.0:
            break
    return k * math.log(x) - x - math.lgamma(k) + math.log(value)
