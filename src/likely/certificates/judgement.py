"""Thresholds: which errors make a likelihood accurate, usable with care, or not to be used."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from likely.certificates.measures import AgainstDraws, AgainstExact, PosteriorShift, Shift

JUDGED_AT = 1000  # trials whose posterior shift is judged


class Grade(enum.IntEnum):
    """What a likelihood is good for."""

    UNFIT = 0
    USABLE = 1
    ACCURATE = 2

    @property
    def words(self) -> str:
        """The grade in words."""
        return ("do not use", "usable with care", "accurate")[self]


@dataclass(frozen=True)
class Judgement:
    """One measure against its thresholds.

    Args:
        measure: what was measured, in words.
        value: the measured value.
        accurate: largest value of an accurate likelihood.
        usable: largest value of one that is usable with care.
    """

    measure: str
    value: float
    accurate: float
    usable: float

    @property
    def trusted(self) -> bool:
        """Whether an accurate likelihood may have this value."""
        return self.value <= self.accurate

    @property
    def grade(self) -> Grade:
        """What the likelihood is good for by this measure alone."""
        if self.trusted:
            return Grade.ACCURATE
        return Grade.USABLE if self.value <= self.usable else Grade.UNFIT


def of_exact(found: AgainstExact) -> tuple[Judgement, ...]:
    """Judge errors against the exact density."""
    given = [
        Judgement("log density, median", found.log_density.median, 0.005, 0.05),
        Judgement("log density, 95%", found.log_density.high, 0.02, 0.2),
        Judgement("divergence, 95%", found.divergence.high, 0.001, 0.02),
        Judgement("single points, 95%", found.pointwise.high, 5.0, 10.0),
        Judgement("mass, 95%", found.mass.high, 0.001, 0.02),
        Judgement("gradient, median", found.gradient.median, 0.2, 1.0),
    ]
    unsolved = found.unsolved / (found.sets + found.unsolved)
    # Quantiles and medians mean little if more sets than they leave out are missing.
    given.append(Judgement("sets without an exact density, share", unsolved, 0.05, 0.5))
    if found.choice is not None:
        given.append(Judgement("choice probability, 95%", found.choice.high, 0.01, 0.03))
    if found.survival is not None:
        given.append(Judgement("survival, 95%", found.survival.high, 0.01, 0.03))
    if found.early_mass is not None:
        given.append(Judgement("mass before t, largest", found.early_mass.largest, 1e-6, 0.001))
    if found.slope is not None:
        given.append(Judgement("slope in log time, median", found.slope.median, 0.05, 0.3))
    return tuple(given)


def of_shift(found: PosteriorShift) -> tuple[Judgement, ...]:
    """Judge the posterior shift at 1,000 trials: its 90% quantile and its median over data sets.

    A bias of a fifth of a posterior standard deviation leaves a 95% interval a coverage of 94.5%;
    one of a half, 92%.
    """
    shift = judged_shift(found)
    n = f"{shift.trials:,}"
    return (
        Judgement(f"posterior shift at {n} trials, 90%", shift.high, 0.2, 1.5),
        Judgement(f"posterior shift at {n} trials, median", shift.median, 0.1, 0.5),
        # Where posteriors hardly overlap, shifts are lower bounds, and quantiles of them too.
        Judgement(f"hardly overlapping posteriors at {n} trials, share",
                  shift.at_least / len(shift.values), 0.1, 0.5),
    )  # fmt: skip


def judged_shift(found: PosteriorShift) -> Shift:
    """Return the shift at the number of trials that is judged, or the nearest to it."""
    return min(found.shifts, key=lambda shift: (abs(shift.trials - JUDGED_AT), shift.trials))


def of_draws(found: AgainstDraws) -> tuple[Judgement, ...]:
    """Judge errors against fresh draws, beyond what chance explains."""
    band = found.pooled_band
    furthest = found.distance.largest if found.outside else 0.0  # none is beyond its own band
    given = [
        Judgement("log score behind draws, median", found.behind.median, 0.005, 0.05),
        Judgement("times' transforms, pooled", found.pooled, 0.005 + band, 0.03 + band),
        Judgement("times' transforms, one set", furthest,
                  0.01 + found.band, 0.08 + found.band),
        Judgement("classifier, area beyond 0.5", max(found.classifier - 0.5, 0.0),
                  0.01 + found.classifier_band, 0.05 + found.classifier_band),
    ]  # fmt: skip
    if found.mass is not None:
        given.append(Judgement("mass beside draws, 95%", found.mass.high, 0.005, 0.03))
    if found.choice_z is not None and found.choice_z_band is not None:
        limit = found.choice_z_band
        given.append(Judgement("choice z-scores", found.choice_z, 1.2 * limit, 3.0 * limit))
    return tuple(given)
