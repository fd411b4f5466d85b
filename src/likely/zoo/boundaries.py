"""Boundaries that the zoo's diffusions are composed of: how much evidence a decision takes.

Each is a plain function of s (decision time in seconds) and parameters, by name, and returns half
the distance between the boundaries.

To add one, write such a function with nothing in it but arithmetic and `math`.
"""

from __future__ import annotations

import math


def constant_boundary(a: float) -> float:
    """Boundary that never moves."""
    return a


def linear_boundary(s: float, a: float, theta: float) -> float:
    """Boundary that falls on a straight line at `theta` radians to the time axis."""
    return a - s * math.tan(theta)


def weibull_boundary(s: float, a: float, alpha: float, beta: float) -> float:
    """Boundary that falls as a Weibull survival function, of shape alpha and scale beta."""
    return a * math.exp(-((s / beta) ** alpha))


def exponential_boundary(s: float, a: float, tau: float) -> float:
    """Boundary that falls by a factor e in every tau seconds."""
    return a * math.exp(-s / tau)


def hyperbolic_boundary(s: float, a: float, k: float) -> float:
    """Boundary that falls as the rate of reward does when time is short: half of it by 1/k."""
    return a / (1.0 + k * s)


def logistic_boundary(s: float, a: float, B: float, M: float, nu: float) -> float:  # noqa: N803
    """Boundary that falls from a + 1 to a on a generalised logistic curve (Richards 1959).

    It falls at the rate B around M seconds, and nu shifts where it is steepest; nu is called v in
    ssm-simulators, where v is the drift too.
    """
    return a + 1.0 - (1.0 + math.exp(-B * (s - M))) ** (-1.0 / nu)


def conflict_gamma_boundary(
    s: float,
    a: float,
    theta: float,
    scale: float,
    alphaGamma: float,  # noqa: N803
    scaleGamma: float,  # noqa: N803
) -> float:
    """Boundary that rises by a gamma density, times `scale`, and falls on a straight line.

    For caution in conflict: alphaGamma and scaleGamma are the density's shape, at least 1, and
    scale.
    """
    share = s / scaleGamma
    bump = share ** (alphaGamma - 1.0) * math.exp(-share - math.lgamma(alphaGamma)) / scaleGamma
    return a + scale * bump - s * math.tan(theta)
