"""Drift diffusion with constant drift and constant boundaries (Ratcliff 1978)."""

from __future__ import annotations

import math

from likely.declaration import Parameter
from likely.model import Diffusion

POSITIVE = (0.0, math.inf)

DRIFT = Parameter("v", -6.0, 6.0, unit="1/s", description="drift")
BOUNDARY = Parameter("a", 0.2, 4.0, POSITIVE, description="half the boundary separation")
START = Parameter("z", 0.05, 0.95, (0.0, 1.0), description="relative starting point")
NON_DECISION = Parameter("t", 0.0, math.inf, POSITIVE, unit="s", description="non-decision time")


def constant_drift(v: float) -> float:
    """Drift that never changes."""
    return v


def constant_boundary(a: float) -> float:
    """Boundary that never moves."""
    return a


ddm = Diffusion(
    "ddm",
    parameters={"v": DRIFT, "a": BOUNDARY, "z": START, "t": NON_DECISION},
    drift=constant_drift,
    boundary=constant_boundary,
)
