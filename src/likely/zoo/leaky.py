"""Drift diffusion whose evidence leaks away, or feeds on itself: Ornstein and Uhlenbeck's."""

from __future__ import annotations

from likely.about import About
from likely.declaration import Parameter
from likely.diffusions import Diffusion
from likely.zoo.boundaries import constant_boundary
from likely.zoo.collapsing import ANGLE, falling
from likely.zoo.diffusion import (
    CONSTANT,
    ENDING,
    MIDDLE_START,
    NEARER_BOUNDARY,
    NON_DECISION,
    SLOWER_DRIFT,
    STARTING,
)
from likely.zoo.drifts import leaky_drift

LEAK = Parameter("g", -1.0, 1.0, unit="1/s", description="leak, self-excitation if negative")
LEAKING = "dx = (v - g x) ds + dW"
SOURCE = "Busemeyer and Townsend (1993), Psychological Review 100, 432-459"
PURPOSE = "Decisions that forget early evidence (g > 0) or are carried away by it (g < 0){more}."
HARD = {
    "g": "weak leak changes little but the tails, and leak is hard to recover in the related leaky "
    "accumulator (Miletic, Turner, Forstmann and van Maanen 2017, Journal of Mathematical "
    "Psychology 76, 25-50)"
}

_PLAIN = {
    "v": SLOWER_DRIFT,
    "a": NEARER_BOUNDARY,
    "z": MIDDLE_START,
    "g": LEAK,
    "t": NON_DECISION,
}

ornstein = Diffusion(
    "ornstein",
    parameters=_PLAIN,
    drift=leaky_drift,
    boundary=constant_boundary,
    about=About(
        purpose=PURPOSE.format(more=""),
        equations=(LEAKING, CONSTANT, STARTING, ENDING),
        source=SOURCE,
        hard=HARD,
    ),
)

ornstein_angle = falling(
    ornstein, {**_PLAIN, "theta": ANGLE}, PURPOSE.format(more=", and whose caution wanes")
)

LEAKY = (ornstein, ornstein_angle)
