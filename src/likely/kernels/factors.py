"""Log probabilities of some terms of a mixture, one trial at a time, from logarithms.

These are what trials of rare kinds are made of, and those whose density comes near to underflowing.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.closing import stretch
from likely.kernels.inverse_gaussian import (
    log_density_terms,
    log_ndtr,
    log_scaled_tail,
    log_survival_terms,
)

DENSITY, EARLIER, LATER, WHOLE = range(4)  # at a time, before it, after it, at any
LEAST_LOG = -1e29  # a lower log density is that of what is impossible
_LOG_HALF = math.log(0.5)

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def _bounded(x):  # type: ignore[no-untyped-def]
    """Return exp(x), finite."""
    return math.exp(min(x, 700.0))


@_compiled
def _distributed(u, log_mu, log_lambda):  # type: ignore[no-untyped-def]
    """Return logs of P(S < u), of P(S > u), of the density, and of what is reflected."""
    log_u = math.log(u)
    root, scaled = math.exp(0.5 * (log_lambda - log_u)), math.exp(log_u - log_mu)
    early, late = root * (scaled - 1.0), root * (scaled + 1.0)
    reflected = log_scaled_tail(late) - 0.5 * early * early
    direct = log_ndtr(early)
    best = max(direct, reflected)
    earlier = best + math.log1p(math.exp(min(direct, reflected) - best))
    later = log_survival_terms(u, log_u, log_mu, log_lambda)[0]
    return earlier, later, log_density_terms(u, log_u, log_mu, log_lambda)[0], reflected


@_compiled
def between_terms(begin, end, log_mu, log_lambda):  # type: ignore[no-untyped-def]
    """Return log P(begin < S < end), for begin >= 0, and its derivatives.

    They are those by log mu, log lambda, begin and end. It is a difference of whichever tails are
    the smaller ones.
    """
    earlier, later, dense, reflected = _distributed(end, log_mu, log_lambda)
    value, by_begin, mirrored = earlier, 0.0, 0.0
    if begin > 0.0:
        first = _distributed(begin, log_mu, log_lambda)
        larger, smaller = (first[1], later) if first[1] < _LOG_HALF else (earlier, first[0])
        value = larger + math.log(-math.expm1(min(smaller - larger, -1e-15)))
        by_begin, mirrored = -_bounded(first[2] - value), _bounded(first[3] - value)
    by_end = _bounded(dense - value)
    mirrored = 2.0 * math.exp(log_lambda - log_mu) * (_bounded(reflected - value) - mirrored)
    return value, -mirrored, mirrored - by_end * end - by_begin * begin, by_begin, by_end


@_compiled
def clock(s, rate):  # type: ignore[no-untyped-def]
    """Return the stretched time of s >= 0, and its derivatives by s and by the closing rate."""
    if rate > 0.0 and s > 0.0:
        u, _, by_s, by_rate, _, _ = stretch(s, rate)
        return u, by_s, by_rate
    return s, 1.0, s * s


@_compiled
def rate_of(outputs, terms):  # type: ignore[no-untyped-def]
    """Return the closing rate of a mixture with outputs (m,), 0 if there is none."""
    return outputs[3 * terms] if len(outputs) > 3 * terms else 0.0


@_compiled
def log_whole(outputs, span, cotangent, by_outputs):  # type: ignore[no-untyped-def]
    """Return the log of the total weight of some terms; add a multiple of its derivatives."""
    first, last = span
    top, total = -np.inf, 0.0
    for j in range(first, last):
        top = max(top, outputs[j])
    for j in range(first, last):
        total += math.exp(outputs[j] - top)
    value = top + math.log(total)
    for j in range(first, last):
        by_outputs[j] += cotangent * math.exp(outputs[j] - value)
    return value


@_compiled
def log_mixed(logs, span):  # type: ignore[no-untyped-def]
    """Return the log of the sum of exp(logs) over a span; turn those into shares of it."""
    best, total = -np.inf, 0.0
    for j in range(span[0], span[1]):
        best = max(best, logs[j])
    if not best > LEAST_LOG:
        return -np.inf
    for j in range(span[0], span[1]):
        logs[j] = math.exp(logs[j] - best)
        total += logs[j]
    for j in range(span[0], span[1]):
        logs[j] /= total
    return best + math.log(total)


@_compiled
def factor(outputs, terms, span, s, kind, work, by):  # type: ignore[no-untyped-def]
    """Return the log probability, or density, of some terms of a mixture at s > 0.

    Writes its derivatives by the outputs and, last, by s, to `by` (m + 1,); they are 0 where it is
    impossible. `work` is of shape (5, terms).
    """
    by[:] = 0.0
    if kind == WHOLE:
        return log_whole(outputs, span, 1.0, by)
    rate, log_slope, slope_by_s, slope_by_rate = rate_of(outputs, terms), 0.0, 0.0, 0.0
    u, u_by_s, u_by_rate = clock(s, rate)
    if kind == DENSITY and rate > 0.0:
        _, log_slope, _, _, slope_by_s, slope_by_rate = stretch(s, rate)
    log_u = math.log(u)
    for j in range(span[0], span[1]):
        log_mu, log_lambda = outputs[terms + j], outputs[2 * terms + j]
        if kind == DENSITY:
            found = log_density_terms(u, log_u, log_mu, log_lambda)
        elif kind == LATER:
            found = log_survival_terms(u, log_u, log_mu, log_lambda)
        else:
            value, by_mu, by_lambda, _, by_u = between_terms(0.0, u, log_mu, log_lambda)
            found = value, by_mu, by_lambda, by_u
        work[0, j] = outputs[j] + found[0]
        work[1, j], work[2, j], work[3, j] = found[1:]
    value, by_u = log_mixed(work[0], span), 0.0
    if value == -np.inf:
        return value
    for j in range(span[0], span[1]):
        share = work[0, j]
        if share > 0.0:  # otherwise its derivatives may not be numbers
            by[j] = share
            by[terms + j], by[2 * terms + j] = share * work[1, j], share * work[2, j]
            by_u += share * work[3, j]
    if len(outputs) > 3 * terms:
        by[3 * terms] = by_u * u_by_rate + slope_by_rate
    by[-1] = by_u * u_by_s + slope_by_s
    return value + log_slope
