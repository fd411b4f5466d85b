"""Terms of a mixture at the nodes of an integral over decision times, and sums of them.

With stretched times u (`likely.kernels.closing`) of decision times, and v = 1 / u, each term is a
weight of the node times exp(p - q u - r v - away^2 / 2). These are loops over the nodes of a trial
(`likely.kernels.decision_nodes`), which the compiler runs on vectors.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.decision_nodes import NODES
from likely.kernels.sides import contracted, inlined
from likely.kernels.vectors import exponential, share

_compiled = numba.njit(nogil=True, error_model="numpy")


@contracted
def write_terms(outputs, plain):  # type: ignore[no-untyped-def]
    """Write p, q and r (3, terms) of a mixture with outputs (m,)."""
    terms = plain.shape[1]
    for j in range(terms):
        log_mu, log_lambda = outputs[terms + j], outputs[2 * terms + j]
        by_mu = exponential(log_lambda - log_mu)
        plain[0, j] = outputs[j] + 0.5 * log_lambda + by_mu
        plain[1, j] = 0.5 * by_mu * exponential(-log_mu)
        plain[2, j] = 0.5 * exponential(log_lambda)


@contracted
def exponents(plain, span, stretched, paces, bells, each, tops):  # type: ignore[no-untyped-def]
    """Write the exponents of some terms at all nodes, and return the highest."""
    for n in range(NODES):
        tops[n] = -np.inf
    for j in range(span[0], span[1]):
        level, rate, barrier = plain[0, j], plain[1, j], plain[2, j]
        for n in range(NODES):
            e = level - rate * stretched[n] - barrier * paces[n] + bells[n]
            each[j, n] = e
            tops[n] = max(tops[n], e)
    top = -np.inf
    for n in range(NODES):
        top = max(top, tops[n])
    return top


@inlined
def contributions(span, top, weights, each, sums):  # type: ignore[no-untyped-def]
    """Turn exponents into what terms contribute, but for exp(top); return the total."""
    total = 0.0
    for n in range(NODES):
        sums[n] = 0.0
    for j in range(span[0], span[1]):
        for n in range(NODES):
            found = share(each[j, n] - top) * weights[n]
            each[j, n] = found
            sums[n] += found
    for n in range(NODES):
        total += sums[n]
    return total


@inlined
def add_moments(span, scale, stretched, paces, each, moments):  # type: ignore[no-untyped-def]
    """Add a multiple of a trial's moments to those of its row, (3, terms)."""
    for j in range(span[0], span[1]):
        level, late, early = 0.0, 0.0, 0.0
        for n in range(NODES):
            level += each[j, n]
            late += each[j, n] * stretched[n]
            early += each[j, n] * paces[n]
        moments[0, j] += scale * level
        moments[1, j] += scale * late
        moments[2, j] += scale * early


@inlined
def spread(shares, away):  # type: ignore[no-untyped-def]
    """Return sums over nodes of shares (N,) times distances from the mean, and times squares."""
    first, second = 0.0, 0.0
    for n in range(NODES):
        first += shares[n] * away[n]
        second += shares[n] * away[n] * away[n]
    return first, second


@inlined
def by_rate(plain, span, paces, faster, steeper, each, sums):  # type: ignore[no-untyped-def]
    """Return the derivative of the total by the closing rate."""
    total = 0.0
    for j in range(span[0], span[1]):
        rate, barrier = plain[1, j], plain[2, j]
        for n in range(NODES):
            total += each[j, n] * faster[n] * (barrier * paces[n] * paces[n] - rate)
    for n in range(NODES):
        total += sums[n] * (steeper[n] - 1.5 * paces[n] * faster[n])
    return total


@_compiled
def by_moments(plain, moments, by_outputs):  # type: ignore[no-untyped-def]
    """Add to derivatives by outputs (m,) what moments (3, terms) are worth."""
    terms = moments.shape[1]
    for j in range(terms):
        level, late, early = moments[0, j], moments[1, j], moments[2, j]
        rise, fall = plain[1, j], plain[2, j]
        ratio = 2.0 * math.sqrt(rise * fall)  # lambda / mu
        by_outputs[j] += level
        by_outputs[terms + j] += 2.0 * rise * late - ratio * level
        by_outputs[2 * terms + j] += (0.5 + ratio) * level - rise * late - fall * early
