"""Accumulators that are mixtures with a network, at one decision time, in compiled float64.

With early = sqrt(lambda / s) (s / mu - 1) and late = early + 2 sqrt(lambda / s), the density of an
inverse Gaussian has the factor exp(-early^2 / 2), and its survival is that factor times
R(early) - R(late), where R(y) = exp(y^2 / 2) P(Z > y), for positive early: one exponential gives
both. Sums that come near to underflowing are made again from logarithms.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.polynomial.chebyshev import chebpts1
from numpy.polynomial.polynomial import polyvander
from scipy.special import erfcx

from likely.kernels.closing import stretch
from likely.kernels.elementary import exponentials
from likely.kernels.inverse_gaussian import log_density_terms, log_survival_terms
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")

ALL, NOBODY = -1, -2  # in place of the choice that was made

TINY = 1e-280  # sums below are made from logarithms
_SCALE, _INTERVALS, _DEGREE = 3.0, 128, 6  # of the table of scaled tails
DENSITY_AT_0 = 1.0 / math.sqrt(2.0 * math.pi)


def _tail_table() -> np.ndarray:
    """Return R(y) / x on intervals of x = a / (a + y), as coefficients of powers: (128, 7)."""
    nodes = chebpts1(_DEGREE + 1)
    x = (np.arange(_INTERVALS) + 0.5 + 0.5 * nodes[:, None]) / _INTERVALS
    y = _SCALE * (1.0 - x) / x
    tails = 0.5 * erfcx(y * math.sqrt(0.5))
    return np.ascontiguousarray(np.linalg.solve(polyvander(nodes, _DEGREE), tails / x).T)


_TAILS = _tail_table()


class Accumulators(NamedTuple):
    """Accumulators that differ, apart from time.

    Args:
        outputs: log w, log mu, log lambda and the closing rate, if any, (A, 3K + 1).
        plain: w, sqrt(lambda), 1 / mu, 2 lambda / mu, and w times lambda^(1/2), lambda^(3/2) and
            lambda^(3/2) / mu^2, (A, 7, K).
    """

    outputs: FloatArray
    plain: FloatArray


class Moment(NamedTuple):
    """The accumulators of a race at one time.

    Args:
        clocks: what `stretch` returns, (C, 6).
        early: standardised distance from the mean, (C, K).
        falls: exp(-early^2 / 2), (CK,).
        bits: workspace, (CK,).
        logs: log density and log survival, (C, 2).
        by: their derivatives by log w, log mu and log lambda, (C, 2, 3K).
        by_time: their derivatives by the stretched time, (C, 2).
        odds: probability that an accumulator was the first, (C,).
        by_outputs: derivatives of the race, by all outputs of each accumulator, (C, m).
    """

    clocks: FloatArray
    early: FloatArray
    falls: FloatArray
    bits: FloatArray
    logs: FloatArray
    by: FloatArray
    by_time: FloatArray
    odds: FloatArray
    by_outputs: FloatArray


@_compiled
def known_by(outputs, components):  # type: ignore[no-untyped-def]
    """Return accumulators of normalised outputs (A, m)."""
    plain = np.empty((len(outputs), 7, components))
    for a in range(len(outputs)):
        for k in range(components):
            log_mu, log_lambda = outputs[a, components + k], outputs[a, 2 * components + k]
            plain[a, 0, k] = math.exp(outputs[a, k])
            plain[a, 1, k] = math.exp(0.5 * log_lambda)
            plain[a, 2, k] = math.exp(-log_mu)
            plain[a, 3, k] = 2.0 * math.exp(min(log_lambda - log_mu, 600.0))
            plain[a, 4, k] = plain[a, 0, k] * plain[a, 1, k]
            plain[a, 5, k] = plain[a, 4, k] * math.exp(log_lambda)
            plain[a, 6, k] = plain[a, 5, k] * plain[a, 2, k] ** 2
    return Accumulators(outputs, plain)


@_compiled
def room(count, components, outputs):  # type: ignore[no-untyped-def]
    """Return room for a race of some accumulators, of so many terms and outputs, at one time."""
    terms = count * components
    return Moment(
        np.empty((count, 6)),
        np.empty((count, components)),
        np.empty(terms),
        np.empty(terms),
        np.zeros((count, 2)),
        np.empty((count, 2, 3 * components)),
        np.empty((count, 2)),
        np.empty(count),
        np.empty((count, outputs)),
    )


@_compiled
def scaled_tail(y):  # type: ignore[no-untyped-def]
    """Return R(y) for y >= 0, to about 1e-15 of it."""
    x = _SCALE / (_SCALE + y)
    place = x * _INTERVALS
    i = min(int(place), _INTERVALS - 1)
    u = 2.0 * (place - i) - 1.0
    c = _TAILS[i]
    square = u * u
    low = (c[0] + c[1] * u) + square * (c[2] + c[3] * u)
    return x * (low + square * square * ((c[4] + c[5] * u) + square * c[6]))


@_compiled
def advance(known, who, s, chosen, at):  # type: ignore[no-untyped-def]
    """Write what the accumulators `who` (C,) of a race have at decision time s > 0.

    That is the density of the chosen one and the survival of others, or both of all of them.
    """
    components = known.plain.shape[2]
    closing = known.outputs.shape[1] > 3 * components
    for c in range(len(who)):
        u, clock = s, at.clocks[c]
        if closing:
            rate = known.outputs[who[c], 3 * components]
            u, clock[1], clock[2], clock[3], clock[4], clock[5] = stretch(s, rate)
        else:
            clock[1], clock[2], clock[3], clock[4], clock[5] = 0.0, 1.0, 0.0, 0.0, 0.0
        clock[0] = u
        pace, root = known.plain[who[c], 2], known.plain[who[c], 1]
        over = 1.0 / math.sqrt(u)
        for k in range(components):
            early = over * root[k] * (u * pace[k] - 1.0)
            at.early[c, k] = early
            at.falls[c * components + k] = -0.5 * early * early
    exponentials(at.falls, at.bits)
    for c in range(len(who)):
        if chosen == c or chosen == ALL:
            _density(known, who[c], c, at)
        if chosen != c:
            _survival(known, who[c], c, at)


@_compiled
def _density(known, a, c, at):  # type: ignore[no-untyped-def]
    """Write the log density of one accumulator, and its derivatives."""
    components = known.plain.shape[2]
    u, by = at.clocks[c, 0], at.by[c, 0]
    weight, root, pace = known.plain[a, 0], known.plain[a, 1], known.plain[a, 2]
    total = 0.0
    for k in range(components):
        by[k] = weight[k] * root[k] * at.falls[c * components + k]
        total += by[k]
    factor = DENSITY_AT_0 / (u * math.sqrt(u))
    if total * factor < TINY:
        _from_logarithms(known, a, c, 0, at)
        at.logs[c, 0] += at.clocks[c, 1]
        return
    by_time = 0.0
    for k in range(components):
        share = by[k] / total
        shape = root[k] * root[k]
        by[k] = share
        by[components + k] = share * shape * pace[k] * (u * pace[k] - 1.0)
        by[2 * components + k] = share * (0.5 - 0.5 * at.early[c, k] * at.early[c, k])
        by_time += share * shape * (pace[k] - 1.0 / u) * (pace[k] + 1.0 / u)
    at.by_time[c, 0] = -1.5 / u - 0.5 * by_time
    at.logs[c, 0] = math.log(total * factor) + at.clocks[c, 1]


@_compiled
def _survival(known, a, c, at):  # type: ignore[no-untyped-def]
    """Write the log survival of one accumulator, and its derivatives."""
    components = known.plain.shape[2]
    u, by = at.clocks[c, 0], at.by[c, 1]
    weight, root, ratio = known.plain[a, 0], known.plain[a, 1], known.plain[a, 3]
    total, dense, over = 0.0, 0.0, 1.0 / math.sqrt(u)
    for k in range(components):
        early, fall = at.early[c, k], at.falls[c * components + k]
        reflected = fall * scaled_tail(max(early + 2.0 * over * root[k], 0.0))
        direct = fall * scaled_tail(abs(early))
        survival = (direct if early >= 0.0 else 1.0 - direct) - reflected
        by[k] = weight[k] * max(survival, 0.0)
        by[components + k] = weight[k] * ratio[k] * reflected
        by[2 * components + k] = weight[k] * root[k] * over * DENSITY_AT_0 * fall
        total += by[k]
        dense += by[2 * components + k]
    if total < TINY:
        _from_logarithms(known, a, c, 1, at)
        return
    scale = 1.0 / total
    for k in range(components):
        by[k] *= scale
        by[components + k] *= scale
        by[2 * components + k] = by[2 * components + k] * scale - by[components + k]
    at.by_time[c, 1] = -dense * scale / u
    at.logs[c, 1] = math.log(total)


@_compiled
def _from_logarithms(known, a, c, kind, at):  # type: ignore[no-untyped-def]
    """Write a log density (kind 0) or log survival (kind 1) that may be far below underflow."""
    components = known.plain.shape[2]
    outputs, by = known.outputs[a], at.by[c, kind]
    u, best, total, by_time = at.clocks[c, 0], -np.inf, 0.0, 0.0
    log_u = math.log(u)
    for turn in range(2):
        for k in range(components):
            log_mu, log_lambda = outputs[components + k], outputs[2 * components + k]
            if kind == 0:
                value, by_mu, by_lambda, by_u = log_density_terms(u, log_u, log_mu, log_lambda)
            else:
                value, by_mu, by_lambda, by_u = log_survival_terms(u, log_u, log_mu, log_lambda)
            if turn == 0:
                best = max(best, outputs[k] + value)
                continue
            share = math.exp(outputs[k] + value - best) if best > -np.inf else 0.0
            total += share
            by[k] = share
            by[components + k] = share * by_mu if share > 0.0 else 0.0
            by[2 * components + k] = share * by_lambda if share > 0.0 else 0.0
            by_time += share * by_u if share > 0.0 else 0.0
    if total > 0.0:
        for j in range(3 * components):
            by[j] /= total
        by_time /= total
    at.by_time[c, kind] = by_time
    at.logs[c, kind] = best + math.log(total)
