"""The Wiener model whose drift and start vary from trial to trial, and mixtures of any solutions.

For non-decision times that vary, see `delayed.Delayed`; for all three, `full.FullTwin`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from likely.densities.constant import WienerPassage
from likely.densities.normal import (
    FEW_NODES,
    FEW_WEIGHTS,
    MANY_NODES,
    MANY_WEIGHTS,
    compiled,
    is_flat,
    window,
)
from likely.densities.panels import Panels, panels
from likely.densities.twin import FirstPassage
from likely.densities.wiener import log_density_below
from likely.errors import ParameterError
from likely.typing import FloatArray

SEARCHED = np.log([1e-9, 1e6])  # seconds
LATE = 1e-5  # survival below this is integrated from the time on, for its relative precision
LAGUERRE_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(12)
LAGUERRE_LOG_WEIGHTS = np.log(_WEIGHTS) + LAGUERRE_NODES


@dataclass(frozen=True, eq=False)
class VariableWiener(FirstPassage):
    """First passages of a Wiener process whose drift is normal and whose start is uniform.

    Args:
        v: mean drift per second, finite.
        a: half the boundary separation, positive.
        z: mean relative starting point, strictly between 0 and 1.
        sz: half the range of the start, in units of evidence, as in ssm-simulators: the start is
            uniform within sz of (2z - 1)a, and must stay between the boundaries.
        sv: standard deviation of the drift, at least 0.

    Raises:
        ParameterError: if a parameter is outside the values above.

    Source: Ratcliff and Tuerlinckx (2002), Psychonomic Bulletin & Review 9, 438-481, appendix B.
    The mean over the drift is in closed form: the drift enters the density of an image or of an
    eigenfunction only through exp(-v d - v^2 s/2), with d the distance to the boundary. The mean
    over the start is Gauss and Legendre's, over the starts that matter at the time.
    """

    v: float
    a: float
    z: float
    sz: float = 0.0
    sv: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        if not (math.isfinite(self.v) and 0.0 < self.a < math.inf and 0.0 <= self.sv < math.inf):
            raise ParameterError(
                f"v = {self.v:g}, a = {self.a:g}, sv = {self.sv:g}: they must be finite, a above 0 "
                "and sv at least 0."
            )
        room = 2.0 * self.a * min(self.z, 1.0 - self.z)
        if not 0.0 <= self.sz < room:
            raise ParameterError(
                f"sz = {self.sz:g} must be at least 0 and below {room:g}, the distance from the "
                f"mean start (z = {self.z:g}, a = {self.a:g}) to the nearer boundary."
            )

    @functools.cached_property
    def panels(self) -> Panels:
        """The density as polynomials, for its integrals."""
        return panels(self.log_density, SEARCHED)

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (2,), integrated over time to about 1e-12."""
        return self.panels.probabilities

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, 2)."""
        reach = 0.5 * self.sz / self.a
        low, high = self.z - reach, self.z + reach
        return _densities(times, self.v, 2.0 * self.a, low, high, self.sv)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision yet, (n,)."""
        left = self.panels.later(times).sum(axis=1)
        late = left < LATE
        with np.errstate(divide="ignore"):
            logs = np.log(np.clip(left, 0.0, 1.0))
        if late.any():
            logs[late] = log_integral_from(self, times[late])
        return np.where(times > 0.0, logs, 0.0)


@dataclass(frozen=True, eq=False)
class Averaged(FirstPassage):
    """A mixture of solutions: any parameter that varies from trial to trial, by quadrature.

    Args:
        passages: solutions at the nodes of a rule, `uniform_nodes` or `normal_nodes`, say.
        weights: of the nodes, which sum to 1, (K,).
    """

    passages: tuple[FirstPassage, ...]
    weights: FloatArray

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,)."""
        return np.asarray(self.weights @ np.stack([p.probabilities for p in self.passages]))

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C)."""
        logs = np.stack([p.log_density(times) for p in self.passages])
        return _log_mean(logs, self.weights)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision yet, (n,)."""
        logs = np.stack([p.log_survival(times) for p in self.passages])
        return _log_mean(logs, self.weights)


def uniform_nodes(low: float, high: float, count: int = 12) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights, (count,), for means over a uniform distribution."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (1.0 + nodes), 0.5 * weights


def normal_nodes(mean: float, sd: float, count: int = 24) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights, (count,), for means over a normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return mean + sd * nodes, weights / math.sqrt(2.0 * math.pi)


def wiener_passage(v: float, a: float, z: float, sz: float, sv: float) -> FirstPassage:
    """Return the simplest exact solution: the series alone where neither drift nor start varies."""
    varying = VariableWiener(v, a, z, sz, sv)  # also checks the parameters
    return varying if sz > 0.0 or sv > 0.0 else WienerPassage(v, a, z)


def log_integral_from(passage: FirstPassage, times: FloatArray) -> FloatArray:
    """Log probability of a decision after each of the times (n,), late in the tail: (n,).

    Gauss and Laguerre's rule, at the rate at which the density falls there.
    """
    logs = np.full(times.shape, -np.inf)
    here = np.logaddexp.reduce(passage.log_density(times), axis=1)
    ahead = np.logaddexp.reduce(passage.log_density(1.001 * times), axis=1)
    finite = np.isfinite(times) & np.isfinite(here) & np.isfinite(ahead)
    at = times[finite]
    rate = np.maximum(1e3 * (here[finite] - ahead[finite]), 1e-2) / at
    nodes = at[:, None] + LAGUERRE_NODES / rate[:, None]
    densities = np.logaddexp.reduce(passage.log_density(nodes.ravel()), axis=1)
    terms = densities.reshape(nodes.shape) + LAGUERRE_LOG_WEIGHTS
    logs[finite] = np.logaddexp.reduce(terms, axis=1) - np.log(rate)
    return logs


def _log_mean(logs: FloatArray, weights: FloatArray) -> FloatArray:
    """Log of the weighted mean of exp(logs) over the first axis."""
    largest = logs.max(axis=0)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.tensordot(weights, np.exp(logs - shift), axes=1)) + shift)


@compiled
def _densities(
    times: FloatArray, v: float, width: float, low: float, high: float, sv: float
) -> FloatArray:
    """Log density (n, 2) of the two choices, for starts from `low` to `high` widths."""
    out = np.full((times.size, 2), -np.inf)
    for i, s in enumerate(times):
        if 0.0 < s < math.inf:
            out[i, 0] = _log_density_below(s, v, width, low, high, sv)
            out[i, 1] = _log_density_below(s, -v, width, 1.0 - high, 1.0 - low, sv)
    return out


@compiled
def _log_density_below(
    s: float, v: float, width: float, low: float, high: float, sv: float
) -> float:
    """Log density at the lower boundary, averaged over drift and start."""
    if low == high:
        return _log_density_from(s, v, width, low, sv)
    spread = math.sqrt(s * (1.0 + sv * sv * s))
    first, last = (low * width + v * s) / spread, (high * width + v * s) / spread
    left, right, peak = window(first, last)
    # Starts near the other boundary end there instead, which matters over s/width of distance.
    flat = is_flat(left, right, peak) and (high - low) * width * width < 4.0 * s
    nodes, weights = (FEW_NODES, FEW_WEIGHTS) if flat else (MANY_NODES, MANY_WEIGHTS)
    half = 0.5 * (right - left)
    largest, total = -math.inf, 0.0
    for i in range(len(nodes)):
        share = (left - first + half * (1.0 + nodes[i])) / (last - first)
        value = _log_density_from(s, v, width, low + (high - low) * share, sv)
        if value > largest:
            total *= math.exp(largest - value)
            largest = value
        if largest > -math.inf:
            total += weights[i] * math.exp(value - largest)
    if largest == -math.inf:
        return largest
    return largest + math.log(total * half / (last - first))


@compiled
def _log_density_from(s: float, v: float, width: float, start: float, sv: float) -> float:
    """Log density at the lower boundary from one start, averaged over the drift."""
    distance = start * width
    grown = 1.0 + sv * sv * s
    drifts = (sv * distance) ** 2 - 2.0 * v * distance - v * v * s
    still = log_density_below(s, 0.0, width, start)
    return still + 0.5 * drifts / grown - 0.5 * math.log(grown)
