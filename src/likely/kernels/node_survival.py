"""Probabilities of no decision at the nodes of an integral, in compiled float64.

They are sums over all terms of a mixture, with `likely.kernels.decision_nodes` as nodes: in loops
that the compiler runs on vectors, or, where those come near to underflowing, from logarithms. Both
give contributions of nodes to the integral but for a factor, whose logarithm they return, and the
derivatives of their sum by outputs. `likely.kernels.sides` says what terms are made of.
"""

from __future__ import annotations

import math

import numba

from likely.kernels.accumulators import DENSITY_AT_0
from likely.kernels.decision_nodes import NODES
from likely.kernels.factors import LATER, LEAST_LOG, factor
from likely.kernels.inverse_gaussian import HALF_LOG_TWO_PI
from likely.kernels.race_terms import SCALE, tail
from likely.kernels.sides import LOWEST, inlined
from likely.kernels.vectors import exponential

_compiled = numba.njit(nogil=True, error_model="numpy")


@inlined
def _term(weight, root, pace, stretched, overs, faster, masses, sums):  # type: ignore[no-untyped-def]
    """Add what a term contributes at nodes to sums (N,).

    Return sums over nodes of masses (N,) times its survival, times what is reflected of that, times
    exp(-early^2 / 2) / sqrt(u), and times derivatives of the latter by the closing rate.
    """
    alive, mirrored, dense, fast = 0.0, 0.0, 0.0, 0.0
    for n in range(NODES):
        over, mass = overs[n], weight * masses[n]
        step = over * root
        early = step * (stretched[n] * pace - 1.0)
        exponent = -0.5 * early * early
        fall = exponential(exponent) if exponent > LOWEST else 0.0
        near, far = SCALE + abs(early), SCALE + early + 2.0 * step
        both = SCALE / (near * far)  # one division for two
        x, y = both * far, both * near
        direct, reflected = fall * x * tail(2.0 * x - 1.0), fall * y * tail(2.0 * y - 1.0)
        left = max((direct if early >= 0.0 else 1.0 - direct) - reflected, 0.0)
        sums[n] += mass * left
        alive += mass * left
        mirrored += mass * reflected
        dense += mass * over * fall
        fast += mass * over * over * over * fall * faster[n]
    return alive, mirrored, dense, fast


@_compiled
def undecided(nodes, plain, outputs, masses, sums, found):  # type: ignore[no-untyped-def]
    """Write contributions (N,) and derivatives (m,); `masses` (N,) is workspace."""
    terms, by_rate = plain.shape[1], 0.0
    for n in range(NODES):
        sums[n] = 0.0
        masses[n] = nodes.shares[n] * exponential(nodes.bells[n])
    for j in range(terms):
        rise, fall = plain[1, j], plain[2, j]
        root, pace = math.sqrt(2.0 * fall), math.sqrt(rise / fall)
        alive, mirrored, dense, fast = _term(
            math.exp(outputs[j]), root, pace, nodes.stretched, nodes.overs, nodes.faster, masses,
            sums,
        )  # fmt: skip
        reflected = 4.0 * math.sqrt(rise * fall) * mirrored  # times 2 lambda / mu
        found[j], found[terms + j] = alive, reflected
        found[2 * terms + j] = DENSITY_AT_0 * root * dense - reflected
        by_rate -= DENSITY_AT_0 * root * fast
    if len(outputs) > 3 * terms:
        found[3 * terms] = by_rate
    return -HALF_LOG_TWO_PI


@_compiled
def undecided_from_logarithms(nodes, outputs, waiting, work, by, sums, found):  # type: ignore[no-untyped-def]
    """Do what `undecided` does, in units of the largest contribution, or of exp(waiting).

    Workspace: `work` (5, terms) and `by` (N, m + 1).
    """
    terms, best = work.shape[1], waiting
    found[:] = 0.0
    for n in range(NODES):
        value = factor(outputs, terms, (0, terms), nodes.times[n], LATER, work, by[n])
        sums[n] = value + math.log(nodes.shares[n]) + nodes.bells[n] - HALF_LOG_TWO_PI
        best = max(best, sums[n])
    if not best > LEAST_LOG:
        return best
    for n in range(NODES):
        sums[n] = math.exp(sums[n] - best)
        for j in range(len(found)):
            found[j] += sums[n] * by[n, j]
    return best
