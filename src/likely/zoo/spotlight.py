"""Drift diffusion with attention that narrows onto the target: the shrinking spotlight."""

from __future__ import annotations

from likely.about import About
from likely.declaration import Parameter
from likely.diffusions import Diffusion
from likely.zoo.boundaries import constant_boundary
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
from likely.zoo.drifts import shrinking_spotlight, simple_spotlight

_PLAIN = {"v": SLOWER_DRIFT, "a": NEARER_BOUNDARY, "z": MIDDLE_START, "t": NON_DECISION}
_TARGET = Parameter("ptarget", 2.0, 5.5, unit="1/s", description="evidence from the target")
_OUTER = Parameter("pouter", -5.5, 5.5, unit="1/s", description="evidence from outer flankers")
_INNER = Parameter("pinner", -5.5, 5.5, unit="1/s", description="evidence from inner flankers")
_RATE = Parameter("r", 0.01, 50.0, POSITIVE, "1/s", "how fast the spotlight narrows")
_WIDTH = Parameter("sda", 1.0, 3.0, POSITIVE, description="width of the spotlight at first")

PURPOSE = (
    "Flanker tasks: attention is wide at first and lets flankers in, then narrows onto the target"
    "{more}."
)
SOURCE = "White, Ratcliff and Starns (2011), Cognitive Psychology 63, 210-238"
_TRADE = (
    "{of} trades off: a wide spotlight that narrows fast is like a narrower, slower one (White, "
    "Servant and Logan 2018, Psychonomic Bulletin & Review 25, 286-301)"
)
HARD = {
    "r": _TRADE.format(of="the rate"),
    "sda": _TRADE.format(of="the width"),
    "v": "adds to the evidence of target and flankers: only their sums are known well",
}
_SPOTLIGHT = "w_target, w_inner, w_outer: mass of N(0, sda - r s) in (-.5, .5), to (-1.5, 1.5), on"

shrink_spot = Diffusion(
    "shrink_spot",
    parameters={
        **_PLAIN,
        "ptarget": _TARGET,
        "pouter": _OUTER,
        "pinner": _INNER,
        "r": _RATE,
        "sda": _WIDTH,
    },
    drift=shrinking_spotlight,
    boundary=constant_boundary,
    about=About(
        purpose=PURPOSE.format(more=""),
        equations=(
            "dx = (v + ptarget w_target(s) + pinner w_inner(s) + pouter w_outer(s)) ds + dW",
            _SPOTLIGHT,
            CONSTANT,
            STARTING,
            ENDING,
        ),
        source=SOURCE,
        hard=HARD,
    ),
)

shrink_spot_simple = Diffusion(
    "shrink_spot_simple",
    parameters={**_PLAIN, "ptarget": _TARGET, "pouter": _OUTER, "r": _RATE, "sda": _WIDTH},
    drift=simple_spotlight,
    boundary=constant_boundary,
    about=About(
        purpose=PURPOSE.format(more="; all flankers count alike"),
        equations=(
            "dx = (v + ptarget w(s) + pouter (1 - w(s))) ds + dW",
            "w(s): mass of N(0, sda - r s) in (-.5, .5)",
            CONSTANT,
            STARTING,
            ENDING,
        ),
        source=SOURCE,
        hard=HARD,
    ),
)

SPOTLIGHT = (shrink_spot, shrink_spot_simple)
