"""Draws of a mixture's terms, and of decision times, in compiled float64."""

from __future__ import annotations

import math

import numba

from likely.kernels.closing import relax
from likely.kernels.rng import inverse_gaussian, uniform

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def pick(log_w, terms, u):  # type: ignore[no-untyped-def]
    """Return the component whose share of the unit interval holds u."""
    j, reached = 0, math.exp(log_w[0])
    while j < terms - 1 and reached <= u:
        j += 1
        reached += math.exp(log_w[j])
    return j


@_compiled
def decision_time(outputs, terms, state):  # type: ignore[no-untyped-def]
    """Draw from a mixture with outputs (m,): a decision time, its term, and the next state."""
    u, state = uniform(state)
    k = pick(outputs, terms, u)
    mean, shape = math.exp(outputs[terms + k]), math.exp(outputs[2 * terms + k])
    s, state = inverse_gaussian(mean, shape, state)
    if len(outputs) > 3 * terms:
        s = relax(s, outputs[3 * terms])
    return s, k, state
