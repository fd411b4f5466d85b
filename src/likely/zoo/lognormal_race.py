"""Lognormal races (Heathcote and Love 2012; Rouder and others 2015)."""

from __future__ import annotations

import math

import numba

from likely.about import About
from likely.declaration import Parameter
from likely.densities.lognormal import Lognormal
from likely.densities.race import RaceTwin
from likely.simulators import Simulator
from likely.typing import FloatArray
from likely.zoo.diffusion import NON_DECISION, POSITIVE
from likely.zoo.earliest import earliest

SIGMA = Parameter(
    "sigma", 0.1, 2.0, POSITIVE, description="standard deviation of the logs of finishing times"
)


@numba.njit
def _finish(rng, m, sigma):  # type: ignore[no-untyped-def]
    """Draw when an accumulator finishes."""
    return math.exp(m + sigma * rng.standard_normal())


def two(rng, m0, m1, sigma, t):  # type: ignore[no-untyped-def]
    """Simulate a trial of two accumulators."""
    time, winner = earliest((_finish(rng, m0, sigma), _finish(rng, m1, sigma)))
    return t + time, winner


def three(rng, m0, m1, m2, sigma, t):  # type: ignore[no-untyped-def]
    """Simulate a trial of three accumulators."""
    first, second = _finish(rng, m0, sigma), _finish(rng, m1, sigma)
    time, winner = earliest((first, second, _finish(rng, m2, sigma)))
    return t + time, winner


def four(rng, m0, m1, m2, m3, sigma, t):  # type: ignore[no-untyped-def]
    """Simulate a trial of four accumulators."""
    first, second = _finish(rng, m0, sigma), _finish(rng, m1, sigma)
    third, fourth = _finish(rng, m2, sigma), _finish(rng, m3, sigma)
    time, winner = earliest((first, second, third, fourth))
    return t + time, winner


def lognormals(row: FloatArray) -> list[Lognormal]:
    """Return the accumulators at a parameter row."""
    return [Lognormal(m, row[-2]) for m in row[:-2]]


def _lognormal_race(count: int, simulate) -> Simulator:  # type: ignore[no-untyped-def]
    means = {
        f"m{i}": Parameter(
            f"m{i}", -3.0, 2.0, description=f"mean log finishing time of accumulator {i}"
        )
        for i in range(count)
    }
    return Simulator(
        f"lognormal_race_{count}",
        parameters={**means, "sigma": SIGMA, "t": NON_DECISION},
        choices=tuple(range(count)),
        simulate=simulate,
        non_decision="t",
        twin=RaceTwin(lognormals),
        about=About(
            purpose=f"Decisions between {count} options as a race of lognormal times: a model to "
            "measure with, simple enough for large hierarchies, that tells speed from shift.",
            equations=(
                "log T_i ~ Normal(m_i, sigma), T_i in seconds",
                "choice i if T_i is the smallest; rt = t + T_i",
            ),
            source="Heathcote and Love (2012), Frontiers in Psychology 3, 292; Rouder, Province, "
            "Morey, Gomez and Heathcote (2015), Psychometrika 80, 491-513",
        ),
    )


LOGNORMAL_RACES = (_lognormal_race(2, two), _lognormal_race(3, three), _lognormal_race(4, four))
