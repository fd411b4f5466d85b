"""What a certificate records: errors over parameter sets, as small frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

DIGITS = 4  # significant ones, in files
HIGH = 0.95


def rounded(value: float) -> float:
    """Return a finite number with `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def rounded_row(values: ArrayLike) -> tuple[float, ...]:
    """Return numbers (n,) with `DIGITS` significant digits each."""
    return tuple(rounded(float(v)) for v in np.asarray(values))


@dataclass(frozen=True)
class Spread:
    """An error over parameter sets: median, 95% quantile and largest."""

    median: float
    high: float
    largest: float

    @classmethod
    def of(cls, values: ArrayLike) -> Spread:
        """Return the spread of finite values (n,)."""
        median, high, largest = np.quantile(np.asarray(values), (0.5, HIGH, 1.0))
        return cls(rounded(median), rounded(high), rounded(largest))


@dataclass(frozen=True)
class Place:
    """A parameter set and the error E|log q - log p| at it."""

    parameters: dict[str, float]
    error: float


@dataclass(frozen=True)
class Quarters:
    """Median error in each quarter of a parameter's box, from its lower end."""

    parameter: str
    medians: tuple[float, ...]


@dataclass(frozen=True)
class AgainstExact:
    """Errors of a likelihood's density q against the exact density p, over parameter sets.

    Args:
        sets: parameter sets compared.
        unsolved: sets left out because the exact density could not be had there.
        log_density: mean of |log q - log p| under p.
        divergence: Kullback-Leibler divergence KL(p, q) in nats.
        pointwise: largest |log q - log p| where p is above 1e-7.
        choice: largest error of a choice's probability; None if q knows none.
        survival: largest error of the survival probability; None if q knows none.
        mass: |integral of q over all times and choices - 1|.
        early_mass: integral of q before the non-decision time; None without one.
        gradient: mean under p of the length of the error of the gradient by the parameters that
            shape the density, each in units of its box's width.
        slope: mean under p of the error of the derivative of log q by log decision time; None
            without a non-decision time.
        worst: the sets with the largest errors of the log density.
        quarters: where in the box errors are.
        theta: the sets, (sets, p).
        errors: error of the log density at each set.
    """

    sets: int
    unsolved: int
    log_density: Spread
    divergence: Spread
    pointwise: Spread
    choice: Spread | None
    survival: Spread | None
    mass: Spread
    early_mass: Spread | None
    gradient: Spread
    slope: Spread | None
    worst: tuple[Place, ...]
    quarters: tuple[Quarters, ...]
    theta: tuple[tuple[float, ...], ...]
    errors: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse sets and errors that do not belong together."""
        if not len(self.theta) == len(self.errors) == self.sets > 0:
            raise ValueError("theta and errors must have a row a set")


@dataclass(frozen=True)
class Shift:
    """Posterior means under q less those under p, in posterior standard deviations.

    Args:
        trials: trials in each data set.
        median: of the largest |shift| over parameters, over data sets.
        high: its 90% quantile.
        largest: the largest of all.
        by_parameter: median |shift| of each parameter.
        at_least: data sets whose shift is a lower bound: the posteriors hardly overlap.
        values: largest |shift| over parameters of each data set.
    """

    trials: int
    median: float
    high: float
    largest: float
    by_parameter: dict[str, float]
    at_least: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Reach:
    """Trials at which the bias reaches a fifth of a posterior standard deviation.

    Args:
        trials: how many.
        extrapolated: whether beyond the data sets tried; then by the law that a bias, in posterior
            standard deviations, grows like the square root of the number of trials.
    """

    trials: int
    extrapolated: bool

    def __str__(self) -> str:
        """Return the number, and whether it is extrapolated."""
        return f"{self.trials:,}{' (extrapolated)' if self.extrapolated else ''}"


@dataclass(frozen=True)
class PosteriorShift:
    """Shifts at several numbers of trials, and how many trials a likelihood is good for.

    Args:
        sets: true parameter sets, each with one data set of every size.
        shifts: one record a number of trials, ascending.
        reach: trials at which the median data set's bias reaches a fifth of a posterior SD.
        reach_high: the same for the 90% quantile of the data sets.
    """

    sets: int
    shifts: tuple[Shift, ...]
    reach: Reach
    reach_high: Reach

    def __post_init__(self) -> None:
        """Refuse a record of nothing."""
        if not self.shifts or any(len(s.values) != self.sets for s in self.shifts):
            raise ValueError("shifts must have a value a set")


@dataclass(frozen=True)
class AgainstDraws:
    """A likelihood's density q against fresh draws from the simulator.

    Args:
        sets: parameter sets simulated.
        draws: trials at each.
        score: mean of log q over all draws, in nats.
        score_error: its standard error.
        behind: how far the mean of log q of a set falls behind that of a kernel density of as many
            other draws, in nats; negative where q is ahead.
        distance: per set, Kolmogorov and Smirnov's distance of the probability integral transform
            of the decision time, given the choice, from a uniform distribution.
        band: distance that chance exceeds in one set of all in 5% of certificates.
        outside: sets beyond the band.
        pooled: the distance of all sets' transforms together.
        pooled_band: distance that chance exceeds in 5% of certificates.
        transform: cumulative distribution of all transforms, less the uniform one, at equally
            spaced levels from 0 to 1.
        choice: largest difference of choice probability and share; None if q knows none.
        choice_z: root mean square of the shares' z-scores; 1 by chance.
        choice_z_band: what chance exceeds in 5% of certificates.
        classifier: area under the ROC curve of a classifier that tells draws of q from the
            simulator's; 0.5 if it cannot.
        classifier_band: distance from 0.5 that chance exceeds in 5% of certificates.
        mass: per set, |integral of q over decision times up to 20 s, less the share of draws by
            then|, beyond two standard errors of that share; None in certificates of versions that
            did not measure it.
    """

    sets: int
    draws: int
    score: float
    score_error: float
    behind: Spread
    distance: Spread
    band: float
    outside: int
    pooled: float
    pooled_band: float
    transform: tuple[float, ...]
    choice: Spread | None
    choice_z: float | None
    choice_z_band: float | None
    classifier: float
    classifier_band: float
    mass: Spread | None = None

    def __post_init__(self) -> None:
        """Refuse a record of nothing."""
        if len(self.transform) < 2:
            raise ValueError("the transform needs levels")


def places(
    names: Sequence[str], theta: np.ndarray, errors: np.ndarray, count: int
) -> tuple[Place, ...]:
    """Return the sets with the largest errors, the worst first."""
    order = np.argsort(-errors)[:count]
    return tuple(
        Place(dict(zip(names, rounded_row(theta[i]), strict=True)), rounded(errors[i]))
        for i in order
    )


def quarters(
    name: str, values: np.ndarray, errors: np.ndarray, limits: tuple[float, float]
) -> Quarters:
    """Return the median error in each quarter of a parameter's box; 0 where there is no set."""
    low, high = limits
    quarter = np.clip(((values - low) / (high - low) * 4).astype(int), 0, 3)
    inside = [errors[quarter == k] for k in range(4)]
    return Quarters(name, rounded_row([np.median(e) if len(e) else 0.0 for e in inside]))
