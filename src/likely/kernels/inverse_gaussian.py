"""The inverse Gaussian distribution, with derivatives, in forms that do not overflow.

IG(s; mu, lambda) = sqrt(lambda / (2 pi s^3)) exp(-lambda (s - mu)^2 / (2 mu^2 s)) is the density
of the time at which a Brownian motion with drift first passes a level (Chhikara & Folks 1989).
"""

from __future__ import annotations

import math

import numba

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
SQRT_HALF = math.sqrt(0.5)


@numba.njit(nogil=True, inline="always")
def log_density_terms(s, log_s, log_mu, log_lambda):  # type: ignore[no-untyped-def]
    """Return log IG at s and its derivatives by log mu, log lambda and s."""
    lam, rate = math.exp(log_lambda), math.exp(-log_mu)
    excess = s * rate - 1.0
    exponent = 0.5 * lam * excess * excess / s
    value = 0.5 * log_lambda - HALF_LOG_TWO_PI - 1.5 * log_s - exponent
    by_s = -1.5 / s - 0.5 * lam * (rate - 1.0 / s) * (rate + 1.0 / s)
    return value, lam * rate * excess, 0.5 - exponent, by_s


@numba.njit(nogil=True)
def log_ndtr_rest(y: float) -> float:
    """Log of exp(y^2 / 2) P(Z > y) for y >= 20, by its asymptotic series."""
    w = 1.0 / (y * y)
    series = 1.0 - w * (1.0 - 3.0 * w * (1.0 - 5.0 * w * (1.0 - 7.0 * w * (1.0 - 9.0 * w))))
    return math.log(series) - math.log(y) - HALF_LOG_TWO_PI


@numba.njit(nogil=True)
def log_ndtr(x: float) -> float:
    """Log of the standard normal distribution function."""
    if x > 5.0:
        return math.log1p(-0.5 * math.erfc(x * SQRT_HALF))
    if x > -20.0:
        return math.log(0.5 * math.erfc(-x * SQRT_HALF))
    return -0.5 * x * x + log_ndtr_rest(-x)


@numba.njit(nogil=True)
def log_scaled_tail(y: float) -> float:
    """Log of exp(y^2 / 2) P(Z > y) for a standard normal Z."""
    if y < 20.0:
        return log_ndtr(-y) + 0.5 * y * y
    return log_ndtr_rest(y)


@numba.njit(nogil=True)
def log_survival_terms(s, log_s, log_mu, log_lambda):  # type: ignore[no-untyped-def]
    """Return log P(S > s) and its derivatives by log mu, log lambda and s.

    P(S > s) = P(Z > early) - exp(2 lambda / mu) P(Z > late), where late^2 - early^2 is exactly
    4 lambda / mu: scaled tails subtract without the cancellation of two large exponents.
    """
    density = log_density_terms(s, log_s, log_mu, log_lambda)[0]
    ratio = math.exp(log_lambda - log_mu)
    root = math.exp(0.5 * (log_lambda - log_s))
    scaled = math.exp(log_s - log_mu)
    early, late = root * (scaled - 1.0), root * (scaled + 1.0)
    difference = min(log_scaled_tail(late) - log_scaled_tail(early), -1e-15)
    value = log_ndtr(-early) + math.log(-math.expm1(difference))
    reflected = 2.0 * ratio / math.expm1(min(-difference, 700.0))
    hazard = math.exp(min(density - value, 700.0))
    return value, reflected, s * hazard - reflected, -hazard


@numba.njit(nogil=True)
def draw(mu: float, lam: float, z: float, u: float) -> float:
    """Turn a standard normal z and a uniform u into a draw (Michael, Schucany & Haas 1976)."""
    w = 0.5 * mu * z * z / lam
    smaller = mu / (1.0 + w + math.sqrt(w * (2.0 + w)))
    if u * (mu + smaller) <= mu:
        return smaller
    return mu * (mu / smaller)
