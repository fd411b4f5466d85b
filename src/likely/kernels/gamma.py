"""Gamma distributed finishing times in compiled float64; see `likely.networks.gamma`.

The survival function is Q(k, x), the regularised upper incomplete gamma function, of the power
series of 1 - Q below x = k + 1, and of Legendre's continued fraction above.
"""

from __future__ import annotations

import math

import numba

from likely.kernels.abreast import WIDTH, Accumulator
from likely.kernels.rng import normal, uniform

_RATE, _SHAPE = WIDTH, 2 * WIDTH
_LOG, _BY_TIME, _BY_RATE, _BY_SHAPE = (field * WIDTH for field in range(3, 7))
_LONGEST = 10_000  # terms
_ENOUGH = 2.0**-52
_STEPS = 4  # of the fraction between looks at whether it has converged
_LARGE = 1e100  # numerators and denominators beyond are made smaller
_FAR = 10.0  # from where on the digamma function is its asymptotic series
_BERNOULLI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)  # B_2n / 2n
_ROUNDING = 2.0**-50  # survival is no nearer 0 where it is 1 less something

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def digamma(x):  # type: ignore[no-untyped-def]
    """Return the derivative of the log of the gamma function at x > 0."""
    shift = 0.0
    while x < _FAR:
        shift += 1.0 / x
        x += 1.0
    inverse, power, rest = 1.0 / (x * x), 1.0, 0.0
    for coefficient in _BERNOULLI:
        power *= inverse
        rest += coefficient * power
    return math.log(x) - 0.5 / x - rest - shift


@_compiled
def _series(k, x):  # type: ignore[no-untyped-def]
    """Return the sum of x^n / (k (k + 1) ... (k + n)), and the derivative of its log by k."""
    term = 1.0 / k
    total, rate, slope = term, -term, -term * term  # rate: the derivative of the log of the term
    for n in range(1, _LONGEST):
        share = 1.0 / (k + n)
        term *= x * share
        rate -= share
        total += term
        slope += term * rate
        if term * (1.0 - rate) < _ENOUGH * total:
            break
    return total, slope / total


@_compiled
def _fraction(k, x):  # type: ignore[no-untyped-def]
    """Return Gamma(k, x) / (x^k exp(-x)) by its continued fraction, and its log's derivative by k.

    Numerators p and denominators q of its convergents, and their derivatives by k, follow one
    recurrence.
    """
    b = x + 1.0 - k
    p, q, p_slope, q_slope = 1.0, b, 0.0, -1.0
    p_last, q_last, p_slope_last, q_slope_last = 0.0, 1.0, 0.0, 0.0
    slope, n = 1.0 / b, 1.0
    for _ in range(_LONGEST // _STEPS):
        for _ in range(_STEPS):
            a = n * (k - n)
            b += 2.0
            p_slope_next = b * p_slope - p + a * p_slope_last + n * p_last
            q_slope_next = b * q_slope - q + a * q_slope_last + n * q_last
            p_slope_last, q_slope_last = p_slope, q_slope
            p_slope, q_slope = p_slope_next, q_slope_next
            p, p_last = b * p + a * p_last, p
            q, q_last = b * q + a * q_last, q
            n += 1.0
        last, slope = slope, p_slope / p - q_slope / q
        settled = abs(p * q_last - p_last * q) <= _ENOUGH * abs(p * q_last)
        if settled and abs(slope - last) <= _STEPS * _ENOUGH * (1.0 + abs(slope)):
            break
        if q > _LARGE:
            scale = 1.0 / q
            p, q, p_slope, q_slope = p * scale, 1.0, p_slope * scale, q_slope * scale
            p_last, q_last = p_last * scale, q_last * scale
            p_slope_last, q_slope_last = p_slope_last * scale, q_slope_last * scale
    return p / q, slope


@_compiled
def _log_survival(k, x, log_x, log_gamma, digamma_k):  # type: ignore[no-untyped-def]
    """Return log Q(k, x) and its derivatives by k and by x."""
    factor = k * log_x - x - log_gamma
    if x < k + 1.0:
        found, slope = _series(k, x)
        lower = min(math.exp(factor) * found, 1.0 - _ROUNDING)
        value = math.log1p(-lower)
        by_shape = -lower * (log_x - digamma_k + slope) / (1.0 - lower)
    else:
        found, slope = _fraction(k, x)
        value, by_shape = factor + math.log(found), log_x - digamma_k + slope
    return value, by_shape, -math.exp(factor - log_x - value)


@_compiled
def density(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log densities at the first n places of a block, and derivatives if wanted."""
    known, log_gamma, digamma_k = -1.0, 0.0, 0.0  # the last shape: trials that follow may share it
    for i in range(n):
        s, rate, k = block[i], block[_RATE + i], block[_SHAPE + i]
        if k != known:
            known, log_gamma, digamma_k = k, math.lgamma(k), digamma(k)
        log_s, log_rate = math.log(s), math.log(rate)
        log_x = log_s + log_rate
        block[_LOG + i] = k * log_x - log_s - rate * s - log_gamma
        if wanted:
            block[_BY_TIME + i] = (k - 1.0) / s - rate
            block[_BY_RATE + i] = k / rate - s
            block[_BY_SHAPE + i] = log_x - digamma_k


@_compiled
def survival(fixed, block, n, wanted):  # type: ignore[no-untyped-def]
    """Write log survival at the first n places of a block, and derivatives if wanted."""
    known, log_gamma, digamma_k = -1.0, 0.0, 0.0
    for i in range(n):
        s, rate, k = block[i], block[_RATE + i], block[_SHAPE + i]
        if k != known:
            known, log_gamma, digamma_k = k, math.lgamma(k), digamma(k)
        log_x = math.log(s) + math.log(rate)
        value, by_shape, by_x = _log_survival(k, rate * s, log_x, log_gamma, digamma_k)
        block[_LOG + i] = value
        if wanted:
            block[_BY_TIME + i] = by_x * rate
            block[_BY_RATE + i] = by_x * s
            block[_BY_SHAPE + i] = by_shape


@_compiled
def draw(fixed, own, state):  # type: ignore[no-untyped-def]
    """Draw a finishing time; return the next state of the stream, too.

    Source: Marsaglia and Tsang (2000), ACM Transactions on Mathematical Software 26, 363-372.
    """
    rate, k = own[0], own[1]
    log_rest = 0.0
    if k < 1.0:
        u, state = uniform(state)
        log_rest, k = math.log(u) / k, k + 1.0
    d = k - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        z, state = normal(state)
        u, state = uniform(state)
        v = (1.0 + c * z) ** 3
        if v > 0.0 and math.log(u) < 0.5 * z * z + d * (1.0 - v + math.log(v)):
            return d * v * math.exp(log_rest) / rate, state


GAMMA = Accumulator("gamma", density, survival, draw)
