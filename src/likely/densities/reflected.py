"""A diffusion that reflects at 0 and finishes at one boundary, as the races of ssm-simulators do.

Late times are a sum over eigenfunctions, early ones the first reflections:

- With p the variable of the Laplace transform of the finishing time, g = sqrt(v^2 + 2p) and
  h(x) = cosh(g x) + (v/g) sinh(g x), the transform is exp(v (a - x0)) h(x0)/h(a), which solves
  u''/2 + v u' = p u with u'(0) = 0 and u(a) = 1 (Cox and Miller, 1965, The Theory of Stochastic
  Processes, section 5.7). Its poles are at g = i k with k cos(k a) + v sin(k a) = 0, and at a real
  g where v a < -1: the drift then holds evidence at 0, and finishing takes very long.
- With r = (g - v)/(g + v), the same is exp(v (a - x0)) exp(-g (a - x0)) times
  (1 + r exp(-2 g x0))/(1 + r exp(-2 g a)), whose first terms have inverses of normal tails.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from likely.densities.accumulator import Accumulator, require_above, require_finite
from likely.densities.normal import HALF_LOG_2PI, compiled, log_cdf, mills, mills_slope
from likely.errors import ParameterError
from likely.typing import FloatArray

_LATE = 0.06  # eigenfunctions from here on, in units of boundary^2; there both have 12 digits
_TERMS = 14


@dataclass(frozen=True, eq=False)
class Reflected(Accumulator):
    """Evidence that drifts, with noise of 1 per sqrt(second), and cannot fall below 0.

    Args:
        drift: drift per second, finite.
        boundary: where it finishes, positive.
        start: where it starts, from 0 to below the boundary.

    Raises:
        ParameterError: if a parameter is outside the values above.
    """

    drift: float
    boundary: float
    start: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        require_finite("Reflected", "drift", self.drift)
        require_above("Reflected", "boundary", self.boundary, 0.0)
        if not 0.0 <= self.start < self.boundary:
            raise ParameterError(
                f"Reflected: start is {self.start!r}; it must be at least 0 and below the boundary "
                f"{self.boundary:g}."
            )

    @functools.cached_property
    def _modes(self) -> tuple[FloatArray, FloatArray]:
        """Rates (K,) of the eigenfunctions, per boundary^2, and their weights (K,)."""
        return _eigenfunctions(self.drift * self.boundary, self.start / self.boundary)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        scale = self.boundary**2
        logs = _densities(
            times / scale, self.drift * self.boundary, self.start / self.boundary, *self._modes
        )
        return logs - math.log(scale)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        return _survivals(
            times / self.boundary**2,
            self.drift * self.boundary,
            self.start / self.boundary,
            *self._modes,
        )


@compiled
def _eigenfunctions(drift: float, start: float) -> tuple[FloatArray, FloatArray]:
    """Rates and weights, for a boundary at 1: f(s) = exp(drift (1 - start)) sum w exp(-rate s)."""
    rates, weights = np.empty(_TERMS), np.empty(_TERMS)
    for n in range(_TERMS):
        if n == 0 and drift < -1.0:
            k = _real_root(drift)
            rates[n] = 0.5 * (k / math.sinh(k)) ** 2
            weights[n] = _real_weight(k, start)
        else:
            k = _wave_root(drift, n)
            rates[n] = 0.5 * (drift * drift + k * k)
            weights[n] = _wave_weight(k, start)
    return rates, weights


@compiled
def _real_root(drift: float) -> float:
    """Return k > 0 with k = -drift tanh(k), by bisection."""
    low, high = 0.0, -drift
    for _ in range(64):
        k = 0.5 * (low + high)
        if k + drift * math.tanh(k) < 0.0:
            low = k
        else:
            high = k
    return 0.5 * (low + high)


@compiled
def _wave_root(drift: float, n: int) -> float:
    """Return k in (n pi, (n + 1) pi) with k cos(k) + drift sin(k) = 0, by bisection."""
    low, high = n * math.pi, (n + 1) * math.pi
    for _ in range(64):
        k = 0.5 * (low + high)
        if k - math.atan(drift / k) < (n + 0.5) * math.pi:
            low = k
        else:
            high = k
    return 0.5 * (low + high)


@compiled
def _real_weight(k: float, start: float) -> float:
    """k^2 sinh(k (1 - start))/(sinh(k) cosh(k) - k)."""
    square = k * k
    if square < 0.01:
        rest = 1.0 + square * (0.2 + square * (2.0 / 105.0 + square / 945.0))
        return 1.5 * math.sinh(k * (1.0 - start)) / (k * rest) if k > 0.0 else 1.5 * (1.0 - start)
    rise = -math.expm1(-2.0 * k * (1.0 - start))
    fall = -math.expm1(-4.0 * k) - 4.0 * k * math.exp(-2.0 * k)
    return 2.0 * square * math.exp(-k * (1.0 + start)) * rise / fall


@compiled
def _wave_weight(k: float, start: float) -> float:
    """k^2 sin(k (1 - start))/(k - sin(k) cos(k))."""
    square = k * k
    if square < 0.01:
        rest = 1.0 - square * (0.2 - square * (2.0 / 105.0 - square / 945.0))
        return 1.5 * math.sin(k * (1.0 - start)) / (k * rest) if k > 0.0 else 1.5 * (1.0 - start)
    return square * math.sin(k * (1.0 - start)) / (k - 0.5 * math.sin(2.0 * k))


@compiled
def _densities(
    times: FloatArray, drift: float, start: float, rates: FloatArray, weights: FloatArray
) -> FloatArray:
    out = np.full(times.size, -np.inf)
    for i, s in enumerate(times):
        if 0.0 < s < math.inf:
            if s > _LATE:
                out[i] = _late(s, drift, start, rates, weights)
            else:
                out[i] = _log_early_density(s, drift, start)
    return out


@compiled
def _survivals(
    times: FloatArray, drift: float, start: float, rates: FloatArray, weights: FloatArray
) -> FloatArray:
    out = np.zeros(times.size)
    for i, s in enumerate(times):
        if s == math.inf:
            out[i] = -math.inf
        elif s > _LATE:
            out[i] = min(_late(s, drift, start, rates, weights / rates), 0.0)
        elif s > 0.0:
            out[i] = math.log(max(1.0 - _early_cdf(s, drift, start), 0.0))
    return out


@compiled
def _late(s: float, drift: float, start: float, rates: FloatArray, weights: FloatArray) -> float:
    """Log of the sum over eigenfunctions."""
    total = 0.0
    for n in range(_TERMS):
        total += weights[n] * math.exp(-(rates[n] - rates[0]) * s)
    return drift * (1.0 - start) - rates[0] * s + math.log(max(total, 0.0))


@compiled
def _log_early_density(s: float, drift: float, start: float) -> float:
    direct = 1.0 - start
    first = _reflection(s, drift, 1.0 + start, direct)
    total = direct + first - _reflection(s, drift, 3.0 - start, direct)
    exponent = (direct / s - drift) * (direct - drift * s)
    return math.log(max(total, 0.0)) - 1.5 * math.log(s) - HALF_LOG_2PI - 0.5 * exponent


@compiled
def _reflection(s: float, drift: float, distance: float, direct: float) -> float:
    """Inverse transform of r exp(-g distance), over that of exp(-g direct)/direct."""
    root = math.sqrt(s)
    share = math.exp(0.5 * (direct - distance) * (direct + distance) / s)
    y = max((distance + drift * s) / root, -37.0)
    return share * (distance - 2.0 * drift * (s * mills_slope(y) + distance * root * mills(y)))


@compiled
def _early_cdf(s: float, drift: float, start: float) -> float:
    direct = 1.0 - start
    root = math.sqrt(s)
    first = math.exp(log_cdf((drift * s - direct) / root))
    density = math.exp(-0.5 * (direct / s - drift) * (direct - drift * s) - HALF_LOG_2PI)
    first += density * mills(max((drift * s + direct) / root, -37.0))
    return first + density * (
        _reflected_cdf(s, drift, 1.0 + start, direct)
        - _reflected_cdf(s, drift, 3.0 - start, direct)
    )


@compiled
def _reflected_cdf(s: float, drift: float, distance: float, direct: float) -> float:
    """Integral of the reflection up to s, over that of the direct passage's last factor."""
    root = math.sqrt(s)
    share = math.exp(0.5 * (direct - distance) * (direct + distance) / s)
    y = max((distance + drift * s) / root, -37.0)
    return 2.0 * share * (mills(y) - drift * root * mills_slope(y))
