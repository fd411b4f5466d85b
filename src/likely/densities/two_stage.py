"""Two decisions, of which the first says which is the second: both at once, or one after the other.

A decision among branches, `high`, is followed or accompanied by one within the chosen branch,
`low`. Choices are counted branch by branch: with two choices in each of two branches they are
2 * branch + choice, as in ssm-simulators.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from likely.densities.cumulated import Cumulated
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.typing import FloatArray

_SCANNED = 41  # points at which a convolution is searched for where it is
_POINTS = 96  # of the convolution itself
_FAINT = 36.0  # what is below exp(-_FAINT) of the largest of an integrand is left out
_LEAST = 6.0  # log odds of a share of time, searched at least


@dataclass(frozen=True, eq=False)
class Parallel(FirstPassage):
    """Both decisions start at once, and the later of the two ends the trial.

    Args:
        high: the decision between the branches.
        lows: the decision within each branch, in the order of the choices of `high`; independent
            of it.

    Source: the density f F + F f of the larger of two independent times; Townsend and Ashby (1983),
    The Stochastic Modeling of Elementary Psychological Processes.
    """

    high: FirstPassage
    lows: tuple[FirstPassage, ...]

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,)."""
        return _products(self.high, self.lows)

    @functools.cached_property
    def _cumulated(self) -> tuple[Cumulated, tuple[Cumulated, ...]]:
        return Cumulated(self.high), tuple(Cumulated(low) for low in self.lows)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C)."""
        high, lows = self._cumulated
        density, before = self.high.log_density(times), high.log_before(times)
        columns = []
        for branch, low in enumerate(lows):
            waited = density[:, branch, None] + low.log_before(times)
            longer = before[:, branch, None] + low.passage.log_density(times)
            columns.append(np.logaddexp(waited, longer))
        return np.concatenate(columns, axis=1)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability that one of the two goes on, (n,)."""
        high, lows = self._cumulated
        before, after = high.log_before(times), high.log_after(times)
        terms = [np.broadcast_to(_log_never(self.high, self.lows), times.shape)]
        for branch, low in enumerate(lows):
            with np.errstate(divide="ignore"):
                ever = np.log(low.passage.probabilities.sum())
            low_after = np.logaddexp.reduce(low.log_after(times), axis=1)
            terms += [after[:, branch] + ever, before[:, branch] + low_after]
        logs = np.logaddexp.reduce(np.stack(terms), axis=0)
        return np.where(times > 0.0, np.minimum(logs, 0.0), 0.0)


@dataclass(frozen=True, eq=False)
class Sequential(FirstPassage):
    """The second decision starts when the first is made.

    Args:
        high: the decision between the branches.
        lows: the decision within each branch, in the order of the choices of `high`.

    The density is a convolution. With the log odds of the share of time that the first decision
    takes as the variable, its integrand vanishes with all derivatives at both ends, so that the
    trapezoidal rule converges exponentially (Trefethen and Weideman 2014, SIAM Review 56, 385-458).
    """

    high: FirstPassage
    lows: tuple[FirstPassage, ...]

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,)."""
        return _products(self.high, self.lows)

    @functools.cached_property
    def _earliest(self) -> tuple[float, float]:
        """Times before which hardly any first, or second, decision is made."""
        return _earliest(self.high), min(_earliest(low) for low in self.lows)

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C)."""
        return self._convolved(times, self._joint, self._earliest)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability that the second decision is not made, (n,)."""
        first, _ = self._earliest
        # Up to the end of the time, where the first has just been made, nothing makes it vanish.
        waiting = self._convolved(times, self._unfinished, (first, np.exp(-_FAINT)))[:, 0]
        logs = np.logaddexp(self.high.log_survival(times), waiting)
        logs[times == np.inf] = _log_never(self.high, self.lows)
        return np.where(times > 0.0, np.minimum(logs, 0.0), 0.0)

    def _joint(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Log densities (n, C) of what the first and the second decision take (n,)."""
        high = self.high.log_density(first)
        lows = [low.log_density(second) for low in self.lows]
        return np.concatenate([high[:, i, None] + low for i, low in enumerate(lows)], axis=1)

    def _unfinished(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Log density (n, 1) of the first decision with no second within a time (n,)."""
        high = self.high.log_density(first)
        lows = [low.log_survival(second) for low in self.lows]
        return np.logaddexp.reduce(high + np.stack(lows, axis=1), axis=1)[:, None]

    @staticmethod
    def _convolved(
        times: FloatArray,
        integrand: Callable[[FloatArray, FloatArray], FloatArray],
        earliest: tuple[float, float],
    ) -> FloatArray:
        inside = (times > 0.0) & (times < np.inf)
        found = _log_convolution(times[inside], integrand, earliest)
        out = np.full((len(times), found.shape[1]), -np.inf)
        out[inside] = found
        return out


@dataclass(frozen=True, eq=False)
class ParallelTwin(ExactTwin):
    """The exact density of two decisions at once.

    Args:
        high: function of a parameter row (p,) that returns the decision between branches.
        low: function of a parameter row and a branch, from 0, that returns the decision within it.
        branches: how many there are.

    Plain functions of a module pickle.
    """

    high: Callable[[FloatArray], FirstPassage]
    low: Callable[[FloatArray, int], FirstPassage]
    branches: int = 2

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row; it adds an error of about 1e-7."""
        return Parallel(self.high(row), tuple(self.low(row, i) for i in range(self.branches)))


@dataclass(frozen=True, eq=False)
class SequentialTwin(ExactTwin):
    """The exact density of two decisions, one after the other.

    Args:
        high: function of a parameter row (p,) that returns the decision between branches.
        low: function of a parameter row and a branch, from 0, that returns the decision within it.
        branches: how many there are.

    Plain functions of a module pickle.
    """

    high: Callable[[FloatArray], FirstPassage]
    low: Callable[[FloatArray, int], FirstPassage]
    branches: int = 2

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row; it adds an error of about 1e-8."""
        return Sequential(self.high(row), tuple(self.low(row, i) for i in range(self.branches)))


def _products(high: FirstPassage, lows: Sequence[FirstPassage]) -> FloatArray:
    """Probability of each choice, (C,)."""
    pairs = zip(high.probabilities, lows, strict=True)
    return np.concatenate([branch * low.probabilities for branch, low in pairs])


def _log_never(high: FirstPassage, lows: Sequence[FirstPassage]) -> float:
    """Log probability that one of the decisions is never made."""
    forever = np.array([np.inf])
    with np.errstate(divide="ignore"):
        branches = np.log(high.probabilities)
    terms = [branches[i] + low.log_survival(forever)[0] for i, low in enumerate(lows)]
    return float(np.logaddexp.reduce([high.log_survival(forever)[0], *terms]))


def _earliest(passage: FirstPassage) -> float:
    """Time before which the density of log time is below exp(-_FAINT) of its largest."""
    grid = np.linspace(np.log(1e-9), np.log(1e4), 121)
    heights = passage.log_density(np.exp(grid)).max(axis=1) + grid
    return float(np.exp(grid[max(int(np.argmax(heights > heights.max() - _FAINT)) - 1, 0)]))


def _log_convolution(
    times: FloatArray,
    integrand: Callable[[FloatArray, FloatArray], FloatArray],
    earliest: tuple[float, float],
) -> FloatArray:
    """Log integral (n, C), over r from 0 to s, of exp(integrand(r, s - r))."""
    logs = np.log(times)
    low = -np.maximum(logs - np.log(earliest[0]), _LEAST) - 1.0
    high = np.maximum(logs - np.log(earliest[1]), _LEAST) + 1.0
    values, step = _terms(times, low, high, _SCANNED, integrand)
    largest = values.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        seen = (values > largest - _FAINT).any(axis=2)
    first = np.maximum(seen.argmax(axis=1) - 1, 0)
    last = np.minimum(_SCANNED - seen[:, ::-1].argmax(axis=1), _SCANNED - 1)
    values, step = _terms(times, low + step * first, low + step * last, _POINTS, integrand)
    return np.asarray(np.logaddexp.reduce(values, axis=1) + np.log(step)[:, None])


def _terms(
    times: FloatArray,
    low: FloatArray,
    high: FloatArray,
    points: int,
    integrand: Callable[[FloatArray, FloatArray], FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Log integrands (n, points, C) at equal steps (n,) of log odds from low to high, (n,)."""
    step = (high - low) / (points - 1)
    odds = low[:, None] + step[:, None] * np.arange(points)
    shares = -np.logaddexp(0.0, -odds), -np.logaddexp(0.0, odds)
    first, second = (times[:, None] * np.exp(share) for share in shares)
    values = integrand(first.ravel(), second.ravel()).reshape(*odds.shape, -1)
    return values + (shares[0] + shares[1] + np.log(times)[:, None])[:, :, None], step
