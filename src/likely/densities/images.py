"""The density of noise alone between still boundaries: the reference of the spectral method.

q(y, u) starts at y0 and is lost at -1 and 1. By the images of the start it is the sum over k of
N(y; y0 + 4k, u) - N(y; 2 - y0 + 4k, u), which is short at small times; at large ones the sum of
sines exp(-(n pi)^2 u / 8) sin(n pi (y0 + 1) / 2) sin(n pi (y + 1) / 2) is (Feller 1971, An
Introduction to Probability Theory and Its Applications II, chapter X.5).
"""

from __future__ import annotations

import math

import numba

SWITCH = 0.8  # on the clock; either series takes a few terms there

_compiled = numba.njit(error_model="numpy", nogil=True)


@_compiled
def log_slope(y: float, y0: float, u: float) -> float:
    """Return q_y / q at y and clock u > 0, both points strictly between the boundaries."""
    return _slope_by_sines(y, y0, u) if u > SWITCH else _slope_by_images(y, y0, u)


@_compiled
def _slope_by_sines(y, y0, u):  # type: ignore[no-untyped-def]
    value, slope = 0.0, 0.0
    for n in range(1, 12):
        decay = math.exp(-(n * n - 1.0) * math.pi * math.pi * u / 8.0)
        if decay < 1e-18:
            break
        wave = 0.5 * n * math.pi
        factor = decay * math.sin(wave * (y0 + 1.0))
        value += factor * math.sin(wave * (y + 1.0))
        slope += factor * wave * math.cos(wave * (y + 1.0))
    return slope / value


@_compiled
def _slope_by_images(y, y0, u):  # type: ignore[no-untyped-def]
    """Sum images relative to the start itself, so that nothing underflows."""
    nearest = y - y0
    value, slope = 1.0, -nearest / u
    for k in range(-2, 3):
        for mirrored in range(2):
            if mirrored == 0 and k == 0:
                continue
            centre = (2.0 - y0 if mirrored else y0) + 4.0 * k
            distance = y - centre
            exponent = (distance * distance - nearest * nearest) / (2.0 * u)
            if exponent < 45.0:
                term = math.exp(-exponent) * (-1.0 if mirrored else 1.0)
                value += term
                slope -= term * distance / u
    return slope / value
