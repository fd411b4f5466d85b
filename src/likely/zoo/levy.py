"""Levy flights: evidence that jumps."""

from __future__ import annotations

from likely.about import About
from likely.declaration import Parameter
from likely.levy_flight import LevyFlight
from likely.zoo.boundaries import constant_boundary
from likely.zoo.collapsing import ANGLE, falling
from likely.zoo.diffusion import (
    CONSTANT,
    MIDDLE_START,
    NEARER_BOUNDARY,
    NON_DECISION,
    SLOWER_DRIFT,
    STARTING,
)
from likely.zoo.drifts import constant_drift

STABILITY = Parameter(
    "alpha", 1.0, 2.0, (0.0, 2.0), description="index of stability: 2 Gaussian, 1 Cauchy"
)
_PLAIN = {
    "v": SLOWER_DRIFT,
    "a": NEARER_BOUNDARY,
    "z": MIDDLE_START,
    "alpha": STABILITY,
    "t": NON_DECISION,
}
JUMPING = "dx = v ds + dL, E exp(i k dL) = exp(-|k|^alpha ds) (variance 2 ds at alpha = 2)"
BEYOND = "choice ±1 where x is first at or beyond ±b(s); rt = t + s"
PURPOSE = "Decisions whose evidence jumps: some are very fast, right or wrong{more}."
SOURCE = "Voss, Lerche, Mertens and Voss (2019), Psychonomic Bulletin & Review 26, 813-832"

levy = LevyFlight(
    "levy",
    parameters=_PLAIN,
    drift=constant_drift,
    boundary=constant_boundary,
    about=About(
        purpose=PURPOSE.format(more=""),
        equations=(JUMPING, CONSTANT, STARTING, BEYOND),
        source=SOURCE,
    ),
)

levy_angle = falling(levy, {**_PLAIN, "theta": ANGLE}, PURPOSE.format(more="; caution wanes"))

LEVY = (levy, levy_angle)
