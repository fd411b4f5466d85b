"""First passages of any kind after a delay that varies uniformly from trial to trial."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from likely.densities.panels import Panels, panels
from likely.densities.twin import FirstPassage
from likely.densities.variability import VariableWiener
from likely.errors import ParameterError
from likely.typing import FloatArray

TABULATED = 1e-3  # larger masses are differences of the tabulated distribution
PIECES = 4  # of a window of decision times, equal in log time
FAINT = 40.0  # earlier times are left out where the density is exp(-FAINT) of the latest

_X, _W = np.polynomial.legendre.leggauss(14)


@dataclass(frozen=True, eq=False)
class Delayed(FirstPassage):
    """First passages of `passage`, each after a delay uniform from `earliest` to `latest`.

    Non-decision time that varies by st to both sides of its mean is a delay from -st to st: some
    of these times, relative to the mean, are negative.

    Args:
        passage: what is delayed.
        earliest: shortest delay in seconds, negative or not.
        latest: longest delay in seconds, above `earliest`.

    Raises:
        ParameterError: if `latest` is not above `earliest`, or they are not finite.
    """

    passage: FirstPassage
    earliest: float
    latest: float

    def __post_init__(self) -> None:
        """Refuse delays that mean nothing."""
        if not 0.0 < self.latest - self.earliest < np.inf:
            raise ParameterError(
                f"delays from {self.earliest:g} to {self.latest:g} s: the latest must be after the "
                "earliest, and both finite."
            )

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,): that without delay."""
        return self.passage.probabilities

    @functools.cached_property
    def _decisions(self) -> Panels:
        """Integrals of the density without delay."""
        if isinstance(self.passage, VariableWiener):
            return self.passage.panels
        return panels(self.passage.log_density)

    @functools.cached_property
    def _survivors(self) -> Panels | None:
        """Integrals of the survival function without delay, or None if they are infinite."""
        if self.passage.log_survival(np.array([np.inf]))[0] > -np.inf:
            return None
        return panels(lambda times: self.passage.log_survival(times)[:, None])

    @property
    def _first(self) -> float:
        """Decision time before which hardly anything is decided."""
        return float(np.exp(self._decisions.lower[0]))

    @property
    def _length(self) -> float:
        return self.latest - self.earliest

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C): the mass of decisions in a window of time, over its length."""
        after, before = np.maximum(times - self.latest, 0.0), times - self.earliest
        masses = self._decisions.later(after) - self._decisions.later(before)
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(masses, 0.0))
        logs[~(before > 0.0)] = -np.inf
        few = (masses < TABULATED).any(axis=1) & (before > 0.0) & np.isfinite(before)
        if few.any():
            after, before = self._narrowed(after[few], before[few])
            logs[few] = _log_integral(self.passage.log_density, after, before)
        return np.asarray(logs - np.log(self._length))

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision yet, (n,): the mean survival in a window of time."""
        before = times - self.earliest
        after = before - self._length
        logs = np.zeros(times.shape)
        logs[times == np.inf] = self.passage.log_survival(np.array([np.inf]))[0]
        some = (before > self._first) & np.isfinite(times)
        if self._survivors is not None:
            early, late = (np.maximum(s[some], 0.0) for s in (after, before))
            masses = (self._survivors.later(early) - self._survivors.later(late))[:, 0]
            shares = (masses - np.minimum(after[some], 0.0)) / self._length
            with np.errstate(divide="ignore"):
                logs[some] = np.log(np.maximum(shares, 0.0))
            some[some] = shares < TABULATED
        if some.any():
            logs[some] = self._log_mean_survival(after[some], before[some])
        return np.minimum(logs, 0.0)

    def _log_mean_survival(self, after: FloatArray, before: FloatArray) -> FloatArray:
        """Log of the mean survival in windows that end after `_first`, without tables."""
        start = np.clip(self._first, after, before)
        decided = _log_integral(lambda s: self.passage.log_survival(s)[:, None], start, before)
        with np.errstate(divide="ignore"):
            certain = np.log(start - after)
        return np.logaddexp(decided[:, 0], certain) - np.log(self._length)

    def _narrowed(self, after: FloatArray, before: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Leave out the early part of windows, where the density is negligible.

        Early densities rise ever less steeply in log time, so that a line from the end of the
        window lies above them.
        """
        step = 1e-4
        ends = [self.passage.log_density(s) for s in (before * np.exp(-step), before)]
        first = self.passage.log_density(np.array([self._first]))
        with np.errstate(invalid="ignore"):
            slopes = ((ends[1] - ends[0]) / step).min(axis=1)
            risen = (ends[1] - first).min(axis=1)
        rise = np.where(slopes > 0.0, slopes, 0.0) + 1.0
        after = np.maximum(after, before * np.exp(-FAINT / rise))
        return np.where(risen > FAINT, np.maximum(after, self._first), after), before


def _log_integral(
    log_function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Log integrals (n, C), from low to high, of the exponential of a log function of time."""
    last = log_function(high)
    with np.errstate(invalid="ignore"):
        change = np.abs(last - log_function(low)).max(axis=1)
    flat = (change < 4.0) & (high < 1.5 * low)  # false where both are -inf, too
    logs = np.empty_like(last)
    for chosen, pieces in ((flat, 1), (~flat, PIECES)):
        shares = ((np.arange(pieces)[:, None] + 0.5 * (1.0 + _X)) / pieces).ravel()
        reach = np.log(high[chosen] / low[chosen])[:, None]
        times = low[chosen, None] * np.exp(reach * shares)
        values = log_function(times.ravel()).reshape(*times.shape, last.shape[1])
        weights = np.log(np.tile(0.5 * _W / pieces, pieces) * times * reach)
        logs[chosen] = _log_sum(values + weights[:, :, None])
    return logs


def _log_sum(values: FloatArray) -> FloatArray:
    """Log of the sum of exp(values) (n, k, C) over the second axis: (n, C)."""
    largest = values.max(axis=1, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - shift[:, None]).sum(axis=1)) + shift)
