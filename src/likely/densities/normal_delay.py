"""First passages after a delay that is normal from trial to trial, without the part below 0."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from likely.densities.normal import HALF_LOG_2PI
from likely.densities.panels import panels
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.densities.variability import wiener_passage
from likely.errors import ParameterError
from likely.typing import FloatArray

SHORTEST = 1e-6  # seconds: a smaller standard deviation is one of that
DROP = 120.0  # decision times are followed until their delays are exp(-DROP) of the likeliest
REACH = 18.0  # standard deviations by which delays may exceed their mean, for fast decays
EARLIER = 0.25  # of the time before which hardly anything is decided: where integrals begin
SPAN = 4.0  # log time that an integral covers at least, where that is later than it ends
AT_ONCE = 2048  # times, which bounds memory

_X, _W = np.polynomial.legendre.leggauss(80)


@dataclass(frozen=True, eq=False)
class NormallyDelayed(FirstPassage):
    """First passages of `passage`, each after a delay.

    Delays are normal, given that they are positive. Integrals over decision times are Gauss and
    Legendre's rule in a variable that is the logarithm of time below the standard deviation of the
    delay, and linear above: there, densities and the normal curve are equally smooth.

    Args:
        passage: what is delayed.
        mean: of the normal distribution, in seconds, at least 0; that of the delays is larger where
            there is much below 0.
        sd: its standard deviation in seconds, at least 0.

    Raises:
        ParameterError: if mean or sd is negative or not finite.
    """

    passage: FirstPassage
    mean: float
    sd: float

    def __post_init__(self) -> None:
        """Refuse delays that mean nothing."""
        if not (0.0 <= self.mean < np.inf and 0.0 <= self.sd < np.inf):
            raise ParameterError(
                f"delays of mean {self.mean:g} s and standard deviation {self.sd:g} s: both must "
                "be at least 0, and finite."
            )

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,): that without delay."""
        return self.passage.probabilities

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C)."""
        logs = np.full((len(times), len(self.probabilities)), -np.inf)
        some = np.flatnonzero((times > 0.0) & np.isfinite(times))
        for part in _parts(some):
            logs[part], _ = self._integrals(self.passage.log_density, times[part])
        return logs

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision yet, (n,)."""
        logs = np.where(times > 0.0, self.passage.log_survival(np.full(1, np.inf))[0], 0.0)
        some = np.flatnonzero((times > 0.0) & np.isfinite(times))
        for part in _parts(some):
            decided, waiting = self._integrals(
                lambda s: self.passage.log_survival(s)[:, None], times[part]
            )
            logs[part] = np.minimum(np.logaddexp(decided[:, 0], waiting), 0.0)
        return logs

    @functools.cached_property
    def _first(self) -> float:
        """Decision time before which there is nothing to integrate."""
        return EARLIER * float(np.exp(panels(self.passage.log_density).lower[0]))

    @property
    def _sd(self) -> float:
        return max(self.sd, SHORTEST)

    def _integrals(
        self, log_function: Callable[[FloatArray], FloatArray], times: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Integrate exp(log_function) of decision times over the delays that end at times (n,).

        Returns:
            Logs of the integrals (n, C), and log probabilities (n,) of a delay so long that the
            decision time would be earlier than those integrated over.
        """
        sd = self._sd
        rest = (times - self.mean) / sd  # decision times, in sd, after the mean delay
        early, late = self._window(times, rest)
        first, last = (x + np.log(-np.expm1(-x)) for x in (early, late))
        half = 0.5 * (last - first)[:, None]
        w = first[:, None] + half * (1.0 + _X)
        x = np.logaddexp(0.0, w)
        whole = HALF_LOG_2PI + log_ndtr(self.mean / sd)
        weights = np.log(half * _W) - np.logaddexp(0.0, -w) - 0.5 * (rest[:, None] - x) ** 2
        values = log_function((sd * x).ravel()).reshape(*x.shape, -1) + weights[:, :, None]
        waiting = log_ndtr(early - rest) - log_ndtr(self.mean / sd)
        return np.logaddexp.reduce(values, axis=1) - whole, waiting

    def _window(self, times: FloatArray, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the first and last decision times that matter, in standard deviations, (n,)."""
        before = np.minimum(rest, 0.0)
        # The zero of (x - rest)^2 - before^2 - 2 DROP, without cancellation.
        late = np.maximum(rest, 0.0) + 2.0 * DROP / (np.sqrt(before**2 + 2.0 * DROP) - before)
        late = np.minimum(late, times / self._sd)
        first = np.minimum(self._first / self._sd, late * np.exp(-SPAN))
        return np.maximum(first, rest - REACH), late


def _parts(indices: np.ndarray) -> list[np.ndarray]:
    """Cut indices into parts of at most `AT_ONCE`."""
    return [indices[i : i + AT_ONCE] for i in range(0, len(indices), AT_ONCE)]


@dataclass(frozen=True)
class NormalDelayTwin(ExactTwin):
    """The exact density of Wiener first passages after a normal delay.

    Parameter rows are drift, half the boundary separation, relative start, and mean and standard
    deviation of the delay, whatever they are called.
    """

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> NormallyDelayed:
        """Return the distribution at a parameter row (5,); its error is about 1e-8.

        Raises:
            ParameterError: if a parameter is outside its support.
        """
        v, a, z, mean, sd = (float(value) for value in row)
        return NormallyDelayed(wiener_passage(v, a, z, 0.0, 0.0), mean, sd)
