"""Non-decision times of a trial, for models in which they vary."""

from __future__ import annotations

import math

import numba

ROUNDS = 3  # of Newton's method, which starts within 5e-4
RAREST = 1e-18  # random numbers may round to 1


@numba.njit
def positive_normal(uniform: float, mean: float, sd: float) -> float:
    """Draw from a normal distribution without its part below 0, by inverting its upper tail.

    The start is 26.2.23 of Abramowitz and Stegun (1964), Handbook of Mathematical Functions.

    Args:
        uniform: a random number between 0 and 1.
        mean: of the normal distribution, at least 0.
        sd: its standard deviation, at least 0.
    """
    if not sd > 0.0:
        return mean
    above = uniform * 0.5 * math.erfc(-mean / sd * math.sqrt(0.5))
    tail = max(min(above, 1.0 - above), RAREST)
    t = math.sqrt(-2.0 * math.log(tail))
    x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (
        1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    )
    for _ in range(ROUNDS):
        density = math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
        x += (0.5 * math.erfc(x * math.sqrt(0.5)) - tail) / density
    return max(mean + (sd * x if above < 0.5 else -sd * x), 0.0)
