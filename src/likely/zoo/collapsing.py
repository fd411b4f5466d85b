"""Drift diffusion with boundaries that collapse over time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from operator import itemgetter

from likely.about import About
from likely.declaration import Parameter
from likely.densities.linear import LinearTwin
from likely.diffusions import Diffusion
from likely.levy_flight import LevyFlight
from likely.typing import FloatArray
from likely.zoo.boundaries import (
    exponential_boundary,
    hyperbolic_boundary,
    linear_boundary,
    logistic_boundary,
    weibull_boundary,
)
from likely.zoo.diffusion import (
    BOUNDARY,
    CONSTANT,
    DRIFT,
    ENDING,
    MIDDLE_START,
    NEARER_BOUNDARY,
    NON_DECISION,
    POSITIVE,
    SLOWER_DRIFT,
    START,
    STARTING,
    WIENER,
)
from likely.zoo.drifts import constant_drift

ANGLE = Parameter(
    "theta", -0.1, 1.4, (-0.5 * math.pi, 0.5 * math.pi), unit="rad", description="angle of collapse"
)
LINEAR = "b(s) = a - s tan(theta)"
URGENCY = (
    "Decisions whose caution wanes: the longer they take, the less evidence is demanded, {how}."
)
TIME_VARYING = (
    "trades off against the other parameters of the boundary (Evans, Trueblood and Holmes 2020, "
    "Behavior Research Methods 52, 193-206)"
)


def falling[M: (Diffusion, LevyFlight)](
    level: M, parameters: Mapping[str, Parameter], purpose: str
) -> M:
    """Declare a model's variant whose boundaries fall on straight lines.

    Args:
        level: the model with constant boundaries; the stability of a Levy flight is its alpha.
        parameters: those of the variant, which have theta.
        purpose: what the variant is for.
    """
    assert level.about is not None
    equations = tuple(LINEAR if line == CONSTANT else line for line in level.about.equations)
    return type(level)(
        f"{level.name}_angle",
        parameters=parameters,
        drift=level.drift,
        boundary=linear_boundary,
        start=level.start,
        constraints=level.declaration.constraints,
        about=dataclasses.replace(level.about, purpose=purpose, equations=equations),
    )


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
    about=About(
        purpose=URGENCY.format(how="on a straight line"),
        equations=(WIENER, LINEAR, STARTING, ENDING),
        source="Fengler, Govindarajan, Chen and Frank (2021), eLife 10, e65074",
    ),
)

_PLAIN = {"v": SLOWER_DRIFT, "a": NEARER_BOUNDARY, "z": MIDDLE_START, "t": NON_DECISION}

weibull = Diffusion(
    "weibull",
    parameters={
        **_PLAIN,
        "alpha": Parameter("alpha", 0.3, 5.0, POSITIVE, description="shape of the collapse"),
        "beta": Parameter("beta", 0.3, 7.0, POSITIVE, "s", "scale of the collapse"),
    },
    drift=constant_drift,
    boundary=weibull_boundary,
    about=About(
        purpose=URGENCY.format(how="early or late, slowly or at once"),
        equations=(WIENER, "b(s) = a exp(-(s / beta)^alpha)", STARTING, ENDING),
        source="Hawkins, Forstmann, Wagenmakers, Ratcliff and Brown (2015), "
        "Journal of Neuroscience 35, 2476-2484",
        hard={"alpha": TIME_VARYING, "beta": TIME_VARYING},
    ),
)

exponential = Diffusion(
    "exponential",
    parameters={
        **_PLAIN,
        "tau": Parameter("tau", 0.2, 10.0, POSITIVE, "s", "time constant of the collapse"),
    },
    drift=constant_drift,
    boundary=exponential_boundary,
    about=About(
        purpose=URGENCY.format(how="by the same share in every second"),
        equations=(WIENER, "b(s) = a exp(-s / tau)", STARTING, ENDING),
        source="Milosavljevic, Malmaud, Huth, Koch and Rangel (2010), "
        "Judgment and Decision Making 5, 437-449",
        hard={"tau": TIME_VARYING},
    ),
)

hyperbolic = Diffusion(
    "hyperbolic",
    parameters={
        **_PLAIN,
        "k": Parameter("k", 0.0, 5.0, POSITIVE, "1/s", "speed of the collapse"),
    },
    drift=constant_drift,
    boundary=hyperbolic_boundary,
    about=About(
        purpose=URGENCY.format(how="fast at first and slower later"),
        equations=(WIENER, "b(s) = a / (1 + k s)", STARTING, ENDING),
        source="Hanks, Mazurek, Kiani, Hopp and Shadlen (2011), "
        "Journal of Neuroscience 31, 6339-6352, of an urgency that grows towards a limit; here the "
        "boundary itself falls as a hyperbola",
        hard={"k": TIME_VARYING},
    ),
)

logistic = Diffusion(
    "logistic",
    parameters={
        **_PLAIN,
        "B": Parameter("B", 0.1, 10.0, POSITIVE, "1/s", "speed of the collapse"),
        "M": Parameter("M", 0.0, 5.0, unit="s", description="time of the collapse"),
        "nu": Parameter("nu", 0.2, 5.0, POSITIVE, description="asymmetry of the collapse"),
    },
    drift=constant_drift,
    boundary=logistic_boundary,
    about=About(
        purpose=URGENCY.format(how="by 1 in all, from a + 1 at most to a"),
        equations=(
            WIENER,
            "b(s) = a + 1 - (1 + exp(-B (s - M)))^(-1 / nu)",
            STARTING,
            ENDING,
        ),
        source="boundary of ssm-simulators, after Richards (1959), "
        "Journal of Experimental Botany 10, 290-301",
        hard=dict.fromkeys(("B", "M", "nu"), TIME_VARYING),
    ),
)

COLLAPSING = (angle, weibull, exponential, hyperbolic, logistic)
