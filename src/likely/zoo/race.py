"""Races of diffusions that cannot fall below 0 (Usher, Olami and McClelland 2002).

Names and order of parameters are those of ssm-simulators. By the start: `race_n` has one for each
accumulator, `race_no_bias_n` one for all, `race_no_z_n` starts at 0.
"""

from __future__ import annotations

import math

from likely.about import About
from likely.declaration import Parameter
from likely.densities.moving import MovingReflected
from likely.races import Race
from likely.zoo.boundaries import constant_boundary, linear_boundary
from likely.zoo.diffusion import NON_DECISION, POSITIVE
from likely.zoo.drifts import constant_drift

SIZES = (2, 3, 4)

BOUNDARY = Parameter("a", 0.5, 3.0, POSITIVE, description="boundary")
SHARED_START = Parameter(
    "z", 0.0, 0.9, (0.0, 1.0), description="starting point of all, relative to the boundary"
)
ANGLE = Parameter(
    "theta",
    -0.1,
    1.45,
    (-0.5 * math.pi, 0.5 * math.pi),
    unit="rad",
    description="angle of collapse",
)

NO_START = "x_i(0) = 0"
ONE_START = "x_i(0) = z b(0)"
OWN_STARTS = "x_i(0) = z_i b(0)"
CONSTANT = "b(s) = a"
LINEAR = "b(s) = a - s tan(theta)"
ENDING = "choice i if x_i is the first to reach b(s); rt = t + s"
_RACE = "dx_i = v_i ds + dW_i, reflected at 0"
_SOURCE = (
    "Usher, Olami and McClelland (2002), Journal of Mathematical Psychology 46, 704-715; with "
    "names and conventions of ssm-simulators"
)


def drifts(count: int) -> tuple[Parameter, ...]:
    """Return the drift of each accumulator."""
    return tuple(
        Parameter(f"v{i}", 0.0, 4.0, unit="1/s", description=f"drift of accumulator {i}")
        for i in range(count)
    )


def starts(count: int) -> tuple[Parameter, ...]:
    """Return a starting point for each accumulator."""
    about = "starting point of accumulator {}, relative to the boundary"
    return tuple(
        Parameter(f"z{i}", 0.0, 0.9, (0.0, 1.0), description=about.format(i)) for i in range(count)
    )


def named(*parameters: Parameter) -> dict[str, Parameter]:
    """Return parameters by name, in order."""
    return {p.name: p for p in parameters}


def straight(v: float, a: float, theta: float, z: float) -> MovingReflected:
    """Return the accumulator with a boundary that falls on a straight line."""
    return MovingReflected(v, a, math.tan(theta), z * a)


def straight_from_zero(v: float, a: float, theta: float) -> MovingReflected:
    """Return the accumulator that starts at 0, with a boundary that falls on a straight line."""
    return MovingReflected(v, a, math.tan(theta), 0.0)


def _about(count: int, start: str, boundary: str) -> About:
    fades = ", and less as time passes" if boundary == LINEAR else ""
    return About(
        purpose=f"Decisions between {count} options, each with an accumulator of noisy evidence "
        f"that takes no notice of the others; caution is how much evidence is demanded{fades}.",
        equations=(_RACE, boundary, start, ENDING),
        source=_SOURCE,
    )


def _race(name: str, count: int, start: tuple[Parameter, ...], where: str) -> Race:
    """Return a race with a constant boundary."""
    return Race(
        name,
        accumulators=count,
        parameters=named(*drifts(count), BOUNDARY, *start, NON_DECISION),
        drift=constant_drift,
        boundary=constant_boundary,
        about=_about(count, where, CONSTANT),
    )


def _angle_race(name: str, count: int, start: tuple[Parameter, ...], where: str) -> Race:
    """Return a race with a boundary that falls on a straight line."""
    return Race(
        name,
        accumulators=count,
        parameters=named(*drifts(count), BOUNDARY, *start, NON_DECISION, ANGLE),
        drift=constant_drift,
        boundary=linear_boundary,
        accumulator=straight if start else straight_from_zero,
        about=_about(count, where, LINEAR),
    )


RACES = (
    *(_race(f"race_{n}", n, starts(n), OWN_STARTS) for n in SIZES),
    *(_race(f"race_no_bias_{n}", n, (SHARED_START,), ONE_START) for n in SIZES),
    *(_race(f"race_no_z_{n}", n, (), NO_START) for n in SIZES),
    *(_angle_race(f"race_no_bias_angle_{n}", n, (SHARED_START,), ONE_START) for n in SIZES),
    *(_angle_race(f"race_no_z_angle_{n}", n, (), NO_START) for n in SIZES),
)
