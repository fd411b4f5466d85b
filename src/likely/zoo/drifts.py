"""Drifts that the zoo's diffusions are composed of: how fast evidence accumulates.

Each is a plain function of x (evidence), s (decision time in seconds) and parameters, by name, and
returns evidence per second. Names of parameters are those of ssm-simulators, except where noted.

To add one, write such a function with nothing in it but arithmetic and `math`.
"""

from __future__ import annotations

import math


def constant_drift(v: float) -> float:
    """Drift that never changes."""
    return v


def leaky_drift(x: float, v: float, g: float) -> float:
    """Drift that falls with the evidence: a leak for g > 0, self-excitation for g < 0."""
    return v - g * x


def gamma_drift(s: float, v: float, shape_: float, scale: float, c: float) -> float:
    """Drift with a bump of height c at (shape_ - 1) scale seconds, as a gamma density has it.

    `shape_` is called shape in ssm-simulators; here that word is the shape of an array.
    """
    share = s / ((shape_ - 1.0) * scale)
    return v + c * (share * math.exp(1.0 - share)) ** (shape_ - 1.0)


def shrinking_spotlight(
    s: float, v: float, ptarget: float, pouter: float, pinner: float, r: float, sda: float
) -> float:
    """Drift from a target between flankers under a spotlight of attention that narrows.

    The spotlight is normal, centred on the target, with standard deviation sda - r s. The target
    and each of two inner flankers are one unit wide, the outer flankers are all beyond (White,
    Ratcliff and Starns 2011).
    """
    narrow = math.sqrt(2.0) * max(sda - r * s, 0.001)
    target = math.erf(0.5 / narrow)
    outside = math.erfc(1.5 / narrow)
    return v + ptarget * target + pouter * outside + pinner * (1.0 - target - outside)


def simple_spotlight(
    s: float, v: float, ptarget: float, pouter: float, r: float, sda: float
) -> float:
    """Drift under a spotlight that narrows, where all flankers are alike."""
    target = math.erf(0.5 / (math.sqrt(2.0) * max(sda - r * s, 0.001)))
    return v + ptarget * target + pouter * (1.0 - target)


def conflict_ds(
    s: float,
    v: float,
    tinit: float,
    dinit: float,
    tslope: float,
    dslope: float,
    tfixedp: float,
    tcoh: float,
    dcoh: float,
) -> float:
    """Drift from a target whose weight goes to tfixedp, and a distractor whose weight goes to 0.

    The weights begin at tinit and dinit and approach these points at the rates tslope and dslope.
    """
    target = tfixedp + (tinit - tfixedp) * math.exp(-tslope * s)
    return v + tcoh * target + dcoh * dinit * math.exp(-dslope * s)


def conflict_dsstimflex(
    s: float,
    v: float,
    tinit: float,
    dinit: float,
    tslope: float,
    dslope: float,
    tfixedp: float,
    tcoh: float,
    dcoh: float,
    tonset: float,
    donset: float,
) -> float:
    """Drift as in `conflict_ds`, where target or distractor appears later than the other.

    Time counts from the first of the two; weights change whether or not a stimulus is there.
    """
    first = min(tonset, donset)
    target = tfixedp + (tinit - tfixedp) * math.exp(-tslope * s)
    drift = v
    if s >= tonset - first:
        drift += tcoh * target
    if s >= donset - first:
        drift += dcoh * dinit * math.exp(-dslope * s)
    return drift


def conflict_stimflex(
    s: float,
    v: float,
    vt: float,
    vd: float,
    tcoh: float,
    dcoh: float,
    tonset: float,
    donset: float,
) -> float:
    """Drift that steps up by vt tcoh at tonset, with the target, and by vd dcoh at donset."""
    drift = v
    if s >= tonset:
        drift += vt * tcoh
    if s >= donset:
        drift += vd * dcoh
    return drift


def conflict_stimflexrel1(
    s: float,
    v: float,
    vt: float,
    vd: float,
    tcoh: float,
    dcoh: float,
    tonset: float,
    donset: float,
) -> float:
    """Drift as in `conflict_stimflex`, where time counts from the first onset."""
    first = min(tonset, donset)
    drift = v
    if s >= tonset - first:
        drift += vt * tcoh
    if s >= donset - first:
        drift += vd * dcoh
    return drift
