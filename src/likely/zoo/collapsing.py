"""Drift diffusion with boundaries that collapse over time."""

from __future__ import annotations

import math
from operator import itemgetter

from likely.declaration import Parameter
from likely.densities.linear import LinearTwin
from likely.model import Diffusion
from likely.typing import FloatArray
from likely.zoo.diffusion import BOUNDARY, DRIFT, NON_DECISION, START, constant_drift

ANGLE = Parameter(
    "theta", -0.1, 1.4, (-0.5 * math.pi, 0.5 * math.pi), unit="rad", description="angle of collapse"
)


def linear_boundary(s: float, a: float, theta: float) -> float:
    """Boundary that falls on a straight line at `theta` radians to the time axis."""
    return a - s * math.tan(theta)


def _slope(row: FloatArray) -> float:
    return math.tan(row[4])


def _start(row: FloatArray) -> float:
    return float(2.0 * row[2] - 1.0)


# Columns of v, a, z and theta in the parameter rows of angle. (Models pickle: no lambdas.)
_LINEAR = LinearTwin(drift=itemgetter(0), boundary=itemgetter(1), slope=_slope, start=_start)

angle = Diffusion(
    "angle",
    parameters={"v": DRIFT, "a": BOUNDARY, "z": START, "t": NON_DECISION, "theta": ANGLE},
    drift=constant_drift,
    boundary=linear_boundary,
    twin=_LINEAR,
)
