"""Drift diffusion under conflict: a target and a distractor with time courses of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from likely.about import About
from likely.declaration import Parameter
from likely.diffusions import Diffusion
from likely.zoo import drifts
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

_PLAIN = {"v": SLOWER_DRIFT, "a": NEARER_BOUNDARY, "z": MIDDLE_START, "t": NON_DECISION}
_COHERENCES = {
    "tcoh": Parameter("tcoh", -1.0, 1.0, description="coherence of the target"),
    "dcoh": Parameter("dcoh", -1.0, 1.0, description="coherence of the distractor"),
}
_COURSES = {
    "tinit": Parameter("tinit", 0.0, 5.0, unit="1/s", description="first weight of the target"),
    "dinit": Parameter("dinit", 0.0, 5.0, unit="1/s", description="first weight of the distractor"),
    "tslope": Parameter("tslope", 0.01, 5.0, POSITIVE, "1/s", "rate of change of the target"),
    "dslope": Parameter("dslope", 0.01, 5.0, POSITIVE, "1/s", "rate of decay of the distractor"),
    "tfixedp": Parameter("tfixedp", 0.0, 5.0, unit="1/s", description="last weight of the target"),
    **_COHERENCES,
}
_ONSETS = {
    "tonset": Parameter("tonset", 0.0, 1.0, unit="s", description="onset of the target"),
    "donset": Parameter("donset", 0.0, 1.0, unit="s", description="onset of the distractor"),
}
_STEPS = {
    "vt": Parameter("vt", 0.0, 5.0, unit="1/s", description="drift from the target"),
    "vd": Parameter("vd", 0.0, 5.0, unit="1/s", description="drift from the distractor"),
    **_COHERENCES,
    **_ONSETS,
}

SOURCE = "drift of ssm-simulators; for the tasks see Ulrich et al. (2015), Cognitive Psychology 78"
_PRODUCT = "known only as a product with the coherence, which the design should fix"
_SUM = "v is 0 in the original; beside steady drift of the target only their sum is known"
_WEIGHTS = {"v": _SUM, "tinit": _PRODUCT, "dinit": _PRODUCT, "tfixedp": _PRODUCT}
_RELATIVE = {name: "only the difference of the onsets matters" for name in ("tonset", "donset")}

_COURSE = (
    "w_t(s) = tfixedp + (tinit - tfixedp) exp(-tslope s)",
    "w_d(s) = dinit exp(-dslope s)",
)
_PURPOSE = (
    "Conflict tasks (Simon, Stroop, flanker): a target, whose influence builds up, and a "
    "distractor, whose influence decays."
)
_FLEXIBLE = (
    "Conflict tasks whose target and distractor appear at times of their own, with drift that "
    "steps at each onset."
)


def _pair(
    name: str,
    drift: Callable[..., Any],
    parameters: Mapping[str, Parameter],
    about: About,
) -> tuple[Diffusion, Diffusion]:
    """Declare a model with constant boundaries, and one whose boundaries fall on straight lines."""
    given = {**_PLAIN, **parameters}
    level = Diffusion(
        name,
        parameters=given,
        drift=drift,
        boundary=constant_boundary,
        about=dataclasses.replace(about, equations=(*about.equations, CONSTANT, STARTING, ENDING)),
    )
    return level, falling(level, {**given, "theta": ANGLE}, f"{about.purpose} Caution wanes.")


conflict_ds, conflict_ds_angle = _pair(
    "conflict_ds",
    drifts.conflict_ds,
    _COURSES,
    About(
        purpose=_PURPOSE,
        equations=("dx = (v + tcoh w_t(s) + dcoh w_d(s)) ds + dW", *_COURSE),
        source=SOURCE,
        hard=_WEIGHTS,
    ),
)

conflict_dsstimflex, conflict_dsstimflex_angle = _pair(
    "conflict_dsstimflex",
    drifts.conflict_dsstimflex,
    {**_COURSES, **_ONSETS},
    About(
        purpose=f"{_PURPOSE} One may appear before the other; time counts from the first.",
        equations=(
            "dx = (v + tcoh w_t(s) [s >= tonset - o] + dcoh w_d(s) [s >= donset - o]) ds + dW",
            "o = min(tonset, donset)",
            *_COURSE,
        ),
        source=SOURCE,
        hard={**_WEIGHTS, **_RELATIVE},
    ),
)

_STEP_HARD = {"v": _SUM, "vt": _PRODUCT, "vd": _PRODUCT}

conflict_stimflex, conflict_stimflex_angle = _pair(
    "conflict_stimflex",
    drifts.conflict_stimflex,
    _STEPS,
    About(
        purpose=_FLEXIBLE,
        equations=("dx = (v + vt tcoh [s >= tonset] + vd dcoh [s >= donset]) ds + dW",),
        source=SOURCE,
        hard=_STEP_HARD,
    ),
)

conflict_stimflexrel1, conflict_stimflexrel1_angle = _pair(
    "conflict_stimflexrel1",
    drifts.conflict_stimflexrel1,
    _STEPS,
    About(
        purpose=f"{_FLEXIBLE} Time counts from the first.",
        equations=(
            "dx = (v + vt tcoh [s >= tonset - o] + vd dcoh [s >= donset - o]) ds + dW",
            "o = min(tonset, donset)",
        ),
        source=SOURCE,
        hard={**_STEP_HARD, **_RELATIVE},
    ),
)

CONFLICT = (
    conflict_ds,
    conflict_ds_angle,
    conflict_dsstimflex,
    conflict_dsstimflex_angle,
    conflict_stimflex,
    conflict_stimflex_angle,
    conflict_stimflexrel1,
    conflict_stimflexrel1_angle,
)
