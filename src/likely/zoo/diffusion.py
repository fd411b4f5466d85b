"""Drift diffusion with constant drift and boundaries (Ratcliff 1978), and with variable trials.

Other families of diffusions share these parameters and lines.
"""

from __future__ import annotations

import math

from likely.about import About
from likely.declaration import Parameter
from likely.densities.full import FullTwin
from likely.densities.normal_delay import NormalDelayTwin
from likely.diffusions import Diffusion
from likely.variability import VariableDiffusion
from likely.zoo.boundaries import constant_boundary
from likely.zoo.delays import positive_normal
from likely.zoo.drifts import constant_drift

POSITIVE = (0.0, math.inf)

DRIFT = Parameter("v", -6.0, 6.0, unit="1/s", description="drift")
BOUNDARY = Parameter("a", 0.2, 4.0, POSITIVE, description="half the boundary separation")
START = Parameter("z", 0.05, 0.95, (0.0, 1.0), description="relative starting point")
NON_DECISION = Parameter("t", 0.0, math.inf, POSITIVE, unit="s", description="non-decision time")

# Models with more parameters than a diffusion need more of a network; their boxes are narrower.
SLOWER_DRIFT = Parameter("v", -3.0, 3.0, unit="1/s", description="drift")
NEARER_BOUNDARY = Parameter("a", 0.3, 3.0, POSITIVE, description="half the boundary separation")
MIDDLE_START = Parameter("z", 0.1, 0.9, (0.0, 1.0), description="relative starting point")

STARTING = "x(0) = (2z - 1) b(0)"
ENDING = "choice ±1 where x first reaches ±b(s); rt = t + s"
CONSTANT = "b(s) = a"
WIENER = "dx = v ds + dW"

ddm = Diffusion(
    "ddm",
    parameters={"v": DRIFT, "a": BOUNDARY, "z": START, "t": NON_DECISION},
    drift=constant_drift,
    boundary=constant_boundary,
    about=About(
        purpose="Decisions between two options from noisy evidence: how well they are told apart, "
        "how much evidence is demanded, a bias, and what is not deciding.",
        equations=(WIENER, CONSTANT, STARTING, ENDING),
        source="Ratcliff (1978), Psychological Review 85, 59-108",
    ),
)

_PLAIN = {"v": SLOWER_DRIFT, "a": NEARER_BOUNDARY, "z": MIDDLE_START, "t": NON_DECISION}
DRIFT_SD = Parameter("sv", 0.0, 2.5, POSITIVE, "1/s", "standard deviation of the drift")
START_RANGE = Parameter("sz", 0.0, 0.3, POSITIVE, description="half range of the start, as x")
DELAY_RANGE = Parameter("st", 0.0, 0.5, POSITIVE, "s", "half range of the non-decision time")

VARIABLE_DRIFT = "v of a trial ~ N(v, sv)"
VARIABLE_DELAY = "t of a trial ~ U(t - st, t + st)"
NOT_BEFORE_0 = "st <= t"  # or else there could be responses before time 0
_FAINT = (
    "{what} changes the times little; known well only from very many trials (Boehm et al. 2018, "
    "Journal of Mathematical Psychology 87, 46-75)"
)
_SLOW_ERRORS = _FAINT.format(what="variability of drift")
_FAST_ERRORS = _FAINT.format(what="variability of the start")
_FULL_SOURCE = "Ratcliff and Tuerlinckx (2002), Psychonomic Bulletin & Review 9, 438-481"


def normal_drift(normal: float, v: float, sv: float) -> float:
    """Draw a trial's drift."""
    return v + sv * normal


def uniform_start(uniform: float, z: float, a: float, sz: float) -> float:
    """Draw a trial's relative start, within sz of the mean in units of evidence."""
    return z + sz * (uniform - 0.5) / a


def uniform_delay(uniform: float, st: float) -> float:
    """Draw a delay since the earliest non-decision time, t - st."""
    return 2.0 * st * uniform


def normal_delay(uniform: float, t: float, st: float) -> float:
    """Draw a non-decision time."""
    return positive_normal(uniform, t, st)


def truncated_normal_delay(uniform: float, mt: float, st: float) -> float:
    """Draw a non-decision time."""
    return positive_normal(uniform, mt, st)


ddm_sdv = VariableDiffusion(
    "ddm_sdv",
    base=ddm,
    parameters={**_PLAIN, "sv": DRIFT_SD},
    redrawn={"v": normal_drift},
    twin=FullTwin(("v", "a", "z", "t", "sv")),
    about=About(
        purpose="Decisions between two options whose evidence is better in some trials than in "
        "others, which makes errors slow.",
        equations=(WIENER, VARIABLE_DRIFT, CONSTANT, STARTING, ENDING),
        source=_FULL_SOURCE,
        hard={"sv": _SLOW_ERRORS},
    ),
)

ddm_st = VariableDiffusion(
    "ddm_st",
    base=ddm,
    parameters={**_PLAIN, "st": DELAY_RANGE},
    redrawn={},
    delay=uniform_delay,
    spread="st",
    twin=FullTwin(("v", "a", "z", "t", "st")),
    constraints=(NOT_BEFORE_0,),
    about=About(
        purpose="Decisions between two options where what is not deciding takes longer in some "
        "trials than in others, which blurs the fastest responses.",
        equations=(WIENER, VARIABLE_DELAY, CONSTANT, STARTING, ENDING),
        source=_FULL_SOURCE,
    ),
)

full_ddm = VariableDiffusion(
    "full_ddm",
    base=ddm,
    parameters={**_PLAIN, "sz": START_RANGE, "sv": DRIFT_SD, "st": DELAY_RANGE},
    redrawn={"v": normal_drift, "z": uniform_start},
    delay=uniform_delay,
    spread="st",
    twin=FullTwin(("v", "a", "z", "t", "sz", "sv", "st")),
    constraints=("sz < a - a * abs(2 * z - 1)", NOT_BEFORE_0),
    about=About(
        purpose="The diffusion model in full: drift, start and non-decision time vary from trial "
        "to trial, so that errors may be slower or faster than correct responses. As in "
        "ssm-simulators, st and sz are half ranges, and sz is one of evidence; in HSSM and HDDM "
        "they are ranges, and sz is one of z: st = st(HSSM) / 2, sz = a sz(HSSM).",
        equations=(
            WIENER,
            VARIABLE_DRIFT,
            "x(0) ~ U((2z - 1) a - sz, (2z - 1) a + sz)",
            VARIABLE_DELAY,
            CONSTANT,
            ENDING,
        ),
        source=_FULL_SOURCE,
        hard={"sz": _FAST_ERRORS, "sv": _SLOW_ERRORS},
    ),
)

# The non-decision times of these begin at 0 whatever their mean, which is thus no pure shift.
_UNDELAYED_PARAMETERS = {"v": DRIFT, "a": BOUNDARY, "z": START}
_UNDELAYED = Diffusion(
    "undelayed ddm",
    parameters=_UNDELAYED_PARAMETERS,
    drift=constant_drift,
    boundary=constant_boundary,
)
_MEAN_DELAY = (0.0, 2.25, POSITIVE, "s", "mean of the normal non-decision time")
DELAY_SD = Parameter("st", 0.0, 0.5, POSITIVE, "s", "standard deviation of the non-decision time")
_NORMAL_PURPOSE = (
    "Decisions between two options where what is not deciding is the sum of many things and takes "
    "longer in some trials than in others, as a normal distribution has it. {cut}"
)
_NORMAL_SOURCE = "Ratcliff (2013), Psychological Review 120, 281-292"

ddm_normal_st = VariableDiffusion(
    "ddm_normal_st",
    base=_UNDELAYED,
    parameters={**_UNDELAYED_PARAMETERS, "t": Parameter("t", *_MEAN_DELAY), "st": DELAY_SD},
    redrawn={},
    delay=normal_delay,
    twin=NormalDelayTwin(),
    about=About(
        purpose=_NORMAL_PURPOSE.format(
            cut="ssm-simulators lets it fall below 0, and then responses precede the stimulus; "
            "here it is cut off at 0, as in ddm_truncnormt, which matters where t < 3 st."
        ),
        equations=(
            WIENER,
            "t of a trial ~ N(t, st), given that it is > 0",
            CONSTANT,
            STARTING,
            ENDING,
        ),
        source=_NORMAL_SOURCE,
    ),
)

ddm_truncnormt = VariableDiffusion(
    "ddm_truncnormt",
    base=_UNDELAYED,
    parameters={**_UNDELAYED_PARAMETERS, "mt": Parameter("mt", *_MEAN_DELAY), "st": DELAY_SD},
    redrawn={},
    delay=truncated_normal_delay,
    twin=NormalDelayTwin(),
    about=About(
        purpose=_NORMAL_PURPOSE.format(
            cut="It is cut off at 0, so that its own mean is above mt, by much where mt < 2 st."
        ),
        equations=(
            WIENER,
            "t of a trial ~ N(mt, st), given that it is > 0",
            CONSTANT,
            STARTING,
            ENDING,
        ),
        source=_NORMAL_SOURCE,
    ),
)

DIFFUSION = (ddm, ddm_sdv, ddm_st, full_ddm, ddm_normal_st, ddm_truncnormt)
