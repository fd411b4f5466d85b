"""Drift diffusion with a bump in the drift, as of a distractor that captures attention."""

from __future__ import annotations

import math

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
    POSITIVE,
    SLOWER_DRIFT,
    STARTING,
)
from likely.zoo.drifts import gamma_drift as gamma_shaped

_PLAIN = {"v": SLOWER_DRIFT, "a": NEARER_BOUNDARY, "z": MIDDLE_START, "t": NON_DECISION}
_BUMP = {
    # Below 1 the drift would be infinite at first.
    "shape_": Parameter("shape_", 2.0, 10.0, (1.0, math.inf), description="shape of the bump"),
    "scale": Parameter("scale", 0.01, 1.0, POSITIVE, "s", "scale of the bump"),
    "c": Parameter("c", -3.0, 3.0, unit="1/s", description="height of the bump"),
}
BUMP = "dx = (v + c (s/p)^(shape_ - 1) exp((shape_ - 1)(1 - s/p))) ds + dW, p = (shape_ - 1) scale"
PURPOSE = (
    "Conflict tasks, where an irrelevant feature captures the decision for a while: drift has a "
    "bump, which peaks p seconds after the decision begins{more}. The diffusion model of conflict "
    "tasks (DMC) has the derivative of such a bump as its drift, which changes sign; this has not."
)
SOURCE = (
    "drift of ssm-simulators, after Ulrich, Schröter, Leuthold and Birngruber (2015), "
    "Cognitive Psychology 78, 148-174"
)
_WEAK = (
    "little of the bump is seen where c is small, or where it comes after most decisions (White, "
    "Servant and Logan 2018, Psychonomic Bulletin & Review 25, 286-301, of the original model)"
)
HARD = {"shape_": _WEAK, "scale": _WEAK}

gamma_drift = Diffusion(
    "gamma_drift",
    parameters={**_PLAIN, **_BUMP},
    drift=gamma_shaped,
    boundary=constant_boundary,
    about=About(
        purpose=PURPOSE.format(more=""),
        equations=(BUMP, CONSTANT, STARTING, ENDING),
        source=SOURCE,
        hard=HARD,
    ),
)

gamma_drift_angle = falling(
    gamma_drift,
    {**_PLAIN, "theta": ANGLE, **_BUMP},
    PURPOSE.format(more=", and caution wanes"),
)

GAMMA_DRIFT = (gamma_drift, gamma_drift_angle)
