"""Racing diffusions (Tillman, Van Zandt and Logan 2020): nothing keeps evidence above 0."""

from __future__ import annotations

import math

import numba

from likely.about import About
from likely.declaration import Parameter
from likely.densities.race import RaceTwin
from likely.densities.wald import Wald
from likely.simulators import Simulator
from likely.typing import FloatArray
from likely.zoo.diffusion import NON_DECISION, POSITIVE
from likely.zoo.earliest import earliest

START_RANGE = Parameter("A", 0.0, 1.0, POSITIVE, description="starts are uniform from 0 to A")
BOUNDARY = Parameter("b", 0.5, 3.0, POSITIVE, description="boundary")


@numba.njit(error_model="numpy")
def _passage(rng, distance, v):  # type: ignore[no-untyped-def]
    """Draw when a diffusion with drift v first reaches a distance; inf if it never does.

    The smaller root of Michael, Schucany and Haas (1976, The American Statistician 30, 88-90),
    written so that a drift of 0 is no exception.
    """
    if v < 0.0:
        if rng.random() >= math.exp(2.0 * v * distance):
            return math.inf
        v = -v
    half = 0.5 * rng.standard_normal() ** 2 / distance
    smaller = distance / (v + half + math.sqrt(half * (half + 2.0 * v)))
    if rng.random() * (1.0 + smaller * v / distance) <= 1.0:
        return smaller
    return (distance / v) ** 2 / smaller


@numba.njit(error_model="numpy")
def _finish(rng, v, A, b):  # type: ignore[no-untyped-def]  # noqa: N803
    """Draw when an accumulator finishes."""
    return _passage(rng, b - A * rng.random(), v)


def two(rng, v0, v1, A, b, t):  # type: ignore[no-untyped-def]  # noqa: N803
    """Simulate a trial of two accumulators."""
    time, winner = earliest((_finish(rng, v0, A, b), _finish(rng, v1, A, b)))
    return t + time, winner


def three(rng, v0, v1, v2, A, b, t):  # type: ignore[no-untyped-def]  # noqa: N803
    """Simulate a trial of three accumulators."""
    first, second = _finish(rng, v0, A, b), _finish(rng, v1, A, b)
    time, winner = earliest((first, second, _finish(rng, v2, A, b)))
    return t + time, winner


def four(rng, v0, v1, v2, v3, A, b, t):  # type: ignore[no-untyped-def]  # noqa: N803
    """Simulate a trial of four accumulators."""
    first, second = _finish(rng, v0, A, b), _finish(rng, v1, A, b)
    third, fourth = _finish(rng, v2, A, b), _finish(rng, v3, A, b)
    time, winner = earliest((first, second, third, fourth))
    return t + time, winner


def diffusions(row: FloatArray) -> list[Wald]:
    """Return the accumulators at a parameter row."""
    start_range, boundary = row[-3], row[-2]
    return [Wald(v, boundary, start_range) for v in row[:-3]]


def _racing_diffusion(count: int, simulate) -> Simulator:  # type: ignore[no-untyped-def]
    drifts = {
        f"v{i}": Parameter(f"v{i}", 0.0, 4.0, unit="1/s", description=f"drift of accumulator {i}")
        for i in range(count)
    }
    return Simulator(
        f"racing_diffusion_{count}",
        parameters={**drifts, "A": START_RANGE, "b": BOUNDARY, "t": NON_DECISION},
        choices=tuple(range(count)),
        simulate=simulate,
        non_decision="t",
        twin=RaceTwin(diffusions),
        constraints=("A < b",),
        about=About(
            purpose=f"Decisions between {count} options, each with a diffusion of its own towards "
            "one boundary, from a start that varies; alone, it also models simple detection.",
            equations=(
                "dx_i = v_i ds + dW_i",
                "x_i(0) ~ Uniform(0, A)",
                "choice i if x_i is the first to reach b; rt = t + s",
            ),
            source="Tillman, Van Zandt and Logan (2020), Psychonomic Bulletin & Review 27, 911-936",
        ),
    )


RACING_DIFFUSIONS = (
    _racing_diffusion(2, two),
    _racing_diffusion(3, three),
    _racing_diffusion(4, four),
)
