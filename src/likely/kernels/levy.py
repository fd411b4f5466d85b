"""First passage of evidence with heavy-tailed, Levy-stable noise between two symmetric boundaries.

Symmetric stable noise of index alpha < 2 is made of jumps: those longer than h come at a finite
rate, one by one, and power-law distributed; the sum of the shorter ones is nearly Brownian
(Asmussen and Rosinski 2001, Journal of Applied Probability 38, 482-493). Between two long jumps the
evidence is thus followed as a diffusion's is, by Brownian bridges, and h is a fraction of the
distance to the nearer boundary (as in Deligiannidis, Maurer and Tretyakov 2021, BIT Numerical
Mathematics 61, 1223-1269). With alpha = 2 there are
no jumps, and all is exact.

The scale is that of dx = exp(-|k|^alpha ds) in Fourier space: the variance is 2 per second at
alpha = 2, as in ssm-simulators.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.diffusion import MAX_STEPS, crossed, moved, step
from likely.kernels.rng import normal, stream, uniform

LONG = 0.115  # length of a jump that counts as long, in distances to the nearer boundary
NEAR = 0.004  # smallest distance that counts, in half-widths
SPREAD = 0.5  # variance of a step's Brownian part, in squared distances


@numba.njit(inline="always")
def _density(alpha: float) -> float:
    """Return the density of jumps at length 1 per second, over 2 - alpha (which it vanishes with).

    Jumps of length y have the density Gamma(1 + alpha) sin(pi alpha / 2) / (pi |y|^(1 + alpha))
    (Samorodnitsky and Taqqu 1994, Stable Non-Gaussian Random Processes, section 1.2).
    """
    angle = 0.5 * math.pi * (2.0 - alpha)
    return 0.5 * math.gamma(1.0 + alpha) * (math.sin(angle) / angle if angle > 0.0 else 1.0)


@numba.njit(inline="always")
def first_passage(row, limit, state, pace, uniform_drift, drift, boundary, start, stability):  # type: ignore[no-untyped-def]
    """Follow one trajectory; see `likely.kernels.diffusion.first_passage`."""
    s, half_width, alpha = 0.0, boundary(0.0, row), stability(row)
    x = start(row) * half_width
    if not (abs(x) < half_width and 0.0 < alpha <= 2.0):
        return 0.0, np.nan
    small = 2.0 * _density(alpha)
    large = small * (2.0 - alpha) / alpha
    longest, rate = limit, drift(x, s, row)
    for _ in range(MAX_STEPS):
        if s >= limit:
            break
        distance = max(half_width - abs(x), NEAR * half_width)
        least = LONG * distance
        often = least**-alpha
        power = small * least * least * often
        longest = min(longest, limit - s, pace, SPREAD * distance * distance / power)
        dt, end_width, later, slope, longest = step(
            x, s, half_width, power, longest, rate, row, pace, uniform_drift, drift, boundary
        )
        u, state = uniform(state)
        wait = -math.log(u) / (large * often) if large > 0.0 else np.inf
        jumps = wait < dt
        if jumps:
            dt = wait
            end_width = boundary(s + dt, row)
            later = drift(x, s + dt, row)
        z, state = normal(state)
        noise = math.sqrt(power * dt) * z
        x_end = moved(x, s, dt, noise, rate, later, slope, row, uniform_drift, drift)
        if math.isnan(end_width - x_end):
            return 0.0, np.nan
        time, choice, state = crossed(
            half_width - x, half_width + x, end_width - x_end, end_width + x_end, power, dt, state
        )
        if choice != 0.0:
            return s + time, choice
        if jumps:
            u, state = uniform(state)
            side = 1.0 if u < 0.5 else -1.0
            x_end += side * least * (2.0 * u if u < 0.5 else 2.0 * u - 1.0) ** (-1.0 / alpha)
            if abs(x_end) >= end_width:
                return s + dt, side
        x, s, half_width = x_end, s + dt, end_width
        rate = drift(x, s, row)
    return np.nan, np.nan


@numba.njit(inline="always")
def levy_passages(  # type: ignore[no-untyped-def]
    rows,
    draws,
    first,
    seed,
    limit,
    times,
    choices,
    pace,
    uniform_drift,
    drift,
    boundary,
    start,
    stability,
):
    """Fill times and choices: trajectory i uses row (first + i) // draws and stream first + i."""
    for i in range(times.shape[0]):
        row = rows[(first + i) // draws]
        state = stream(seed, first + i)
        times[i], choices[i] = first_passage(
            row, limit, state, pace, uniform_drift, drift, boundary, start, stability
        )
