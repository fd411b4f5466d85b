"""Log densities of trials under classic networks, and their derivative by parameter rows.

A LAN takes the time, so that every trial with one is an evaluation of its own, and there is nothing
to share between trials of one row: derivatives are those of each trial, added up by rows.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.classic import (
    CERTAIN,
    CHOICE,
    DENSITY,
    MARGINAL,
    SURVIVAL,
    contribution,
    log_choices,
    log_densities,
    log_survivals,
    unpack,
)
from likely.kernels.rows import distinct_rows, row_of

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def classic_pullback(weights, whole, real, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
    """Write log densities (n,) and, unless it has no rows, add to the gradient (r, p).

    Rows are (r, p), of which each trial has that of the index (n,), or, without one, the only one
    or its own. Where the density is 0 nothing is added.
    """
    layout = unpack(whole, real)
    n = len(values)
    which, roles, chosen = np.empty((3, n), dtype=np.int64)
    for i in range(n):
        which[i] = row_of(index, len(theta), i)
        rt, choice = trials[i]
        roles[i], chosen[i] = contribution(layout, theta[which[i]], rt, choice)
        values[i] = 0.0 if roles[i] == CERTAIN else -np.inf
    slopes = np.zeros((n if len(gradient) > 0 else 0, theta.shape[1]))
    _put_densities(weights, layout, theta, which, trials, roles, chosen, values, slopes)
    _put_choices(weights, layout, theta, which, roles, chosen, values, slopes)
    _put_survivals(weights, layout, theta, which, trials, roles, values, slopes)
    for i in range(len(slopes)):
        if values[i] > -np.inf:  # others add nothing, whatever their cotangents
            for j in range(theta.shape[1]):
                gradient[which[i], j] += cotangents[i] * slopes[i, j]


@_compiled
def _put_densities(weights, layout, theta, which, trials, roles, chosen, values, slopes):  # type: ignore[no-untyped-def]
    """Fill in trials with times; one whose choice is unknown sums over the choices."""
    choices = len(layout.choices)
    jobs = 0
    for role in roles:
        jobs += 1 if role == DENSITY else choices if role == MARGINAL else 0
    of, index = np.empty(jobs, dtype=np.int64), np.empty(jobs, dtype=np.int64)
    k = 0
    for i in range(len(roles)):
        if roles[i] == DENSITY:
            of[k], index[k] = i, chosen[i]
            k += 1
        elif roles[i] == MARGINAL:
            for c in range(choices):
                of[k + c], index[k + c] = i, c
            k += choices
    value, slope = np.empty(jobs), _room(jobs, slopes)
    log_densities(weights, layout, theta, which[of], trials[of, 0], index, value, slope)
    k = 0
    while k < jobs:
        i = of[k]
        end = k + (1 if roles[i] == DENSITY else choices)
        values[i] = _log_sum(value[k:end], slope[k:end], slopes[i : i + 1])
        k = end


@_compiled
def _room(jobs, slopes):  # type: ignore[no-untyped-def]
    """Return room for derivatives of some evaluations, of no rows if none are wanted."""
    return np.empty((jobs if len(slopes) > 0 else 0, slopes.shape[1]))


@_compiled
def _log_sum(values, slopes, slope):  # type: ignore[no-untyped-def]
    """Return the logarithm of a sum, given those of its parts; add its derivative to slope (1, p).

    Without rows no derivatives are wanted.
    """
    top = values.max()
    total = 0.0
    for value in values:
        total += math.exp(value - top)
    for k in range(len(slopes)):
        share = math.exp(values[k] - top) / total
        for j in range(slope.shape[1]):
            slope[0, j] += share * slopes[k, j]
    return top + math.log(total)


@_compiled
def _put_choices(weights, layout, theta, which, roles, chosen, values, slopes):  # type: ignore[no-untyped-def]
    """Fill in trials without times; each pair of parameters and choice is evaluated once."""
    trials = np.flatnonzero(roles == CHOICE)
    if len(trials) == 0:
        return
    choices = len(layout.choices)
    representatives, alike = distinct_rows(theta, len(theta))
    job_of = np.full(len(representatives) * choices, -1, dtype=np.int64)
    rows, index = np.empty(len(trials), dtype=np.int64), np.empty(len(trials), dtype=np.int64)
    jobs = 0
    for i in trials:
        key = alike[which[i]] * choices + chosen[i]
        if job_of[key] < 0:
            job_of[key] = jobs
            rows[jobs], index[jobs] = which[i], chosen[i]
            jobs += 1
    value, slope = np.empty(jobs), _room(jobs, slopes)
    log_choices(weights, layout, theta, rows[:jobs], index[:jobs], value, slope)
    for i in trials:
        job = job_of[alike[which[i]] * choices + chosen[i]]
        values[i] = value[job]
        if len(slopes) > 0:
            slopes[i] = slope[job]


@_compiled
def _put_survivals(weights, layout, theta, which, trials, roles, values, slopes):  # type: ignore[no-untyped-def]
    """Fill in trials without a response."""
    late = np.flatnonzero(roles == SURVIVAL)
    if len(late) == 0:
        return
    value, slope = np.empty(len(late)), _room(len(late), slopes)
    log_survivals(weights, layout, theta, which[late], trials[late, 0], value, slope)
    values[late] = value
    if len(slopes) > 0:
        slopes[late] = slope
