"""A diffusion that reflects at 0 and finishes at a boundary on a straight line.

The density is that for a boundary that stands still, on a clock of its own and times a ratio that
`returning` solves for; later than where almost nothing is left, it decays as the slowest
eigenfunction does for the boundary of the moment.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from likely.densities.accumulator import Accumulator, require_above, require_finite
from likely.densities.normal import compiled, log_sum, mills_slope
from likely.densities.reflected import _real_root, _wave_root
from likely.densities.returning import (
    Still,
    Windows,
    interpolated,
    log_exit,
    log_factor,
    still,
    windows,
)
from likely.errors import ParameterError
from likely.typing import FloatArray

_RULE = np.polynomial.legendre.leggauss(12)
_PLACES, _SHARES = 0.5 * (1.0 + _RULE[0]), 0.5 * _RULE[1]
_STEP = 1e-4  # relative, of differences over time


class Solution(NamedTuple):
    """All that densities and survival are computed from.

    Args:
        v, a, k, x0: drift, boundary at first, how fast it falls, start.
        process: the same with constant drift between still boundaries.
        ratio: of the wanted density to that of the process.
        later: log probability of finishing after the beginning of each window and after the last
            one's end, (windows + 1,).
        never: log probability of never finishing.
    """

    v: float
    a: float
    k: float
    x0: float
    process: Still
    ratio: Windows
    later: FloatArray
    never: float


@dataclass(frozen=True, eq=False)
class MovingReflected(Accumulator):
    """Evidence that drifts, with noise of 1 per sqrt(second), reflects at 0 and finishes at a line.

    The boundary is at boundary - slope * s after s seconds; where it falls, all have finished when
    it meets 0. With slope 0 this is `reflected.Reflected`.

    Args:
        drift: drift per second, finite.
        boundary: where it finishes at first, positive.
        slope: how fast the boundary falls, per second, finite; negative where it rises.
        start: where it starts, from 0 to below the boundary.

    Raises:
        ParameterError: if a parameter is outside the values above.

    Source: an integral equation that `returning` derives from Cox and Miller (1965), The Theory of
    Stochastic Processes, section 5.7, and Anderson (1960), Annals of Mathematical Statistics 31.
    """

    drift: float
    boundary: float
    slope: float
    start: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        require_finite("MovingReflected", "drift", self.drift)
        require_above("MovingReflected", "boundary", self.boundary, 0.0)
        require_finite("MovingReflected", "slope", self.slope)
        if not 0.0 <= self.start < self.boundary:
            raise ParameterError(
                f"MovingReflected: start is {self.start!r}; it must be at least 0 and below the "
                f"boundary {self.boundary:g}."
            )

    @functools.cached_property
    def _solution(self) -> Solution:
        return solution(
            float(self.drift), float(self.boundary), float(self.slope), float(self.start)
        )

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density (n,)."""
        return np.asarray(_densities(np.asarray(times, dtype=np.float64), self._solution))

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished, (n,)."""
        return np.asarray(_survivals(np.asarray(times, dtype=np.float64), self._solution))


@compiled
def solution(v: float, a: float, k: float, x0: float) -> Solution:
    """Solve for the density, and integrate it window by window, from the last."""
    process = still(v, a, k, x0)
    ratio = windows(v, a, k, x0, process)
    count = ratio.logs.shape[0]
    later = np.full(count + 1, -math.inf)
    draft = Solution(v, a, k, x0, process, ratio, later, -math.inf)
    masses = np.empty(count)
    for j in range(count):
        masses[j] = _mass(ratio.edges[j], ratio.edges[j + 1], draft)
    later[count] = _log_rest(ratio.edges[count] ** 2, draft)
    for j in range(count - 1, -1, -1):
        later[j] = log_sum(later[j + 1], math.log(masses[j]))
    never = -math.inf
    if k < 0.0 and v + k < 0.0:
        never = math.log(max(-math.expm1(later[0]), 1e-300)) if later[0] < 0.0 else -math.inf
    return Solution(v, a, k, x0, process, ratio, later, never)


@compiled
def _densities(times: FloatArray, solved: Solution) -> FloatArray:
    out = np.full(times.shape[0], -np.inf)
    for i, s in enumerate(times):
        b = solved.a - solved.k * s
        if 0.0 < s < math.inf and b > 0.0:
            log_p = _log_density(s / (solved.a * b), solved)
            # Long after, a rising boundary is as far as it ever gets, on the clock: all digits go.
            out[i] = log_p if math.isfinite(log_p) else -math.inf
    return out


@compiled
def _log_density(u: float, solved: Solution) -> float:
    """Log density of time, at u on the clock."""
    v, a, k, x0, process, ratio, _, _ = solved
    edges = ratio.edges
    last = edges.shape[0] - 1
    q = math.sqrt(u)
    if q <= edges[last]:
        j = _window(q, edges)
        logs = interpolated(ratio.logs[j], edges[j], edges[j + 1], q) + log_exit(u, process)
    else:
        end = edges[last] * edges[last]
        logs = interpolated(ratio.logs[last - 1], edges[last - 1], edges[last], edges[last])
        if k < 0.0:
            logs += log_exit(u, process)
        else:
            logs += log_exit(end, process) - 0.5 * process.drift**2 * (u - end)
            logs -= _decayed(end, u, v * a, k * a)
    return logs + log_factor(u, v, a, k, x0, process)


@compiled
def _window(q: float, edges: FloatArray) -> int:
    j = int(np.searchsorted(edges, q, side="right")) - 1
    return min(max(j, 0), edges.shape[0] - 2)


@compiled
def _decayed(begin: float, end: float, c: float, k: float) -> float:
    """Integral of the slowest rate of decay, without drift, where w_y = c / (1 + k u) w at 0."""
    low, high = math.log1p(k * begin), math.log1p(k * end)
    if k * end < 1e-8:
        return (end - begin) * _slowest(c)
    total = 0.0
    for i in range(_PLACES.shape[0]):
        grown = math.exp(low + (high - low) * _PLACES[i])
        total += _SHARES[i] * grown * _slowest(c / grown)
    return total * (high - low) / k


@compiled
def _slowest(c: float) -> float:
    if c < -1.0:
        return -0.5 * _real_root(c) ** 2
    return 0.5 * _wave_root(c, 0) ** 2


@compiled
def _mass(low: float, high: float, solved: Solution) -> float:
    """Probability between square roots of the clock."""
    total = 0.0
    for i in range(_PLACES.shape[0]):
        q = low + (high - low) * _PLACES[i]
        b = solved.a / (1.0 + solved.k * solved.a * q * q)
        total += _SHARES[i] * 2.0 * q * b * b * math.exp(_log_density(q * q, solved))
    return total * (high - low)


@compiled
def _log_rest(u: float, solved: Solution) -> float:
    """Log probability of finishing after u, where hardly anything does.

    Where the boundary does not rise the density of u falls exponentially. Where it rises that of
    time falls like s^(-3/2) exp(-(v + k)^2 s / 2), as that of passages to a line does, or, where
    drift holds evidence at 0, exponentially, as the boundary moves away.
    """
    a, k = solved.a, solved.k
    b = a / (1.0 + k * a * u)
    here = _log_density(u, solved)
    if k >= 0.0:
        ahead = u * (1.0 + _STEP)
        fallen = here - _log_density(ahead, solved) + 2.0 * math.log((1.0 + k * a * ahead) * b / a)
        return here + 2.0 * math.log(b) - math.log(max(fallen / (u * _STEP), 0.1))
    s = u * a * b
    ahead = s * (1.0 + _STEP)
    fallen = here - _log_density(ahead / (a * (a - k * ahead)), solved)
    steepness = fallen / _STEP
    if solved.v < 0.0:
        return here + math.log(s / max(steepness, 0.1))
    exponent = steepness - 1.5 if steepness > 3.0 else 0.5 * (solved.v + k) ** 2 * s
    return here + math.log(2.0 * s * mills_slope(math.sqrt(2.0 * exponent)))


@compiled
def _survivals(times: FloatArray, solved: Solution) -> FloatArray:
    out = np.zeros(times.shape[0])
    for i, s in enumerate(times):
        if s == math.inf:
            out[i] = solved.never
        elif s > 0.0:
            b = solved.a - solved.k * s
            tail = _log_later(s / (solved.a * b), solved) if b > 0.0 else -math.inf
            out[i] = min(log_sum(solved.never, tail), 0.0)
    return out


@compiled
def _log_later(u: float, solved: Solution) -> float:
    """Log probability of finishing after u."""
    edges, later = solved.ratio.edges, solved.later
    last = edges.shape[0] - 1
    q = math.sqrt(u)
    if q >= edges[last]:
        return _log_rest(u, solved)
    j = _window(q, edges)
    if later[j + 1] > math.log(0.5):
        before = -math.expm1(later[j]) + _mass(edges[j], q, solved)
        return math.log1p(-before) if before < 1.0 else later[j]
    rest = _mass(q, edges[j + 1], solved)
    return log_sum(later[j + 1], math.log(rest)) if rest > 0.0 else later[j + 1]
