"""Two stages of two choices each that run in parallel, in compiled float64.

`likely.networks.parallel` says what their law is, and has it in JAX. Parts are the first decision,
and the second ones after each of its choices. Trials with a time and a choice are judged side by
side (`likely.kernels.sides`), unless their density comes near to underflowing; the others one at a
time, as sums over paths: products of what the first stage did and what the second one did.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.factors import DENSITY, EARLIER, LATER, WHOLE, factor, log_mixed, rate_of
from likely.kernels.mixture_terms import LEAST, MOST
from likely.kernels.native import Kernels
from likely.kernels.parts import NEITHER, NOBODY, Law, chosen_of, decision, kernels_of
from likely.kernels.race_terms import SCALE, tail
from likely.kernels.sides import (
    LOWEST,
    TRIALS,
    Tile,
    coefficients,
    contracted,
    dot,
    inlined,
    logarithms,
    put,
    room_for_tile,
)
from likely.kernels.vectors import exponential
from likely.typing import FloatArray

PARTS, CHOICES = 3, 4

_compiled = numba.njit(nogil=True, error_model="numpy")


class _Room(NamedTuple):
    """Workspace: a tile, numbers for one factor (5, terms), and the factors of paths.

    Those are logs of paths (8,), and derivatives of each factor by outputs and time, (8, 2, m + 1).
    """

    tile: Tile
    work: FloatArray
    logs: FloatArray
    by: FloatArray


class _Known(NamedTuple):
    """What is known of the rows of a block.

    Args:
        plain: what the terms of all parts are made of, (3 R, 7, terms).
        rates: closing rates, or 0, (3 R,).
        shifts: non-decision times (R,).
    """

    plain: FloatArray
    rates: FloatArray
    shifts: FloatArray


class _Sums(NamedTuple):
    """Sums over the trials of each part, or row.

    Args:
        by_outputs: derivatives by outputs (R, 3, m), but for the moments' share.
        moments: of terms, three of densities and three of probabilities, (3 R, 6, terms).
        fast: derivatives by the closing rate, (3 R,).
        late: derivatives by time, (R,).
    """

    by_outputs: FloatArray
    moments: FloatArray
    fast: FloatArray
    late: FloatArray


@_compiled
def _path(outputs, high, low, s, kinds, at, n):  # type: ignore[no-untyped-def]
    """Write the n-th path, of the given kinds (2,) of factors of both stages."""
    terms = at.work.shape[1]
    each = terms // 2
    at.logs[n] = factor(
        outputs[0], terms, (high * each, (high + 1) * each), s, kinds[0], at.work, at.by[n, 0]
    )
    at.logs[n] += factor(
        outputs[1 + high], terms, (low * each, (low + 1) * each), s, kinds[1], at.work, at.by[n, 1]
    )


@_compiled
def _alone(outputs, s, timed, chosen, cotangent, at, by_outputs):  # type: ignore[no-untyped-def]
    """Return the log density of a trial, and its derivative by s.

    Adds those by the parts' outputs (3, m), times a cotangent.
    """
    if chosen == NEITHER or timed and chosen != NOBODY and not 0.0 < s < np.inf:
        return -np.inf, 0.0
    if not timed and chosen < 0 or timed and s <= 0.0:
        return 0.0, 0.0
    if timed and not s < np.inf:
        return -np.inf, 0.0
    count, by_s, size = 0, 0.0, outputs.shape[1]
    for place in range(CHOICES):
        high, low = place // 2, place % 2
        if chosen >= 0 and chosen != place:
            continue
        if not timed:
            _path(outputs, high, low, 1.0, (WHOLE, WHOLE), at, count)
            count += 1
            continue
        first = (LATER, WHOLE) if chosen == NOBODY else (DENSITY, EARLIER)
        second = (EARLIER, LATER) if chosen == NOBODY else (EARLIER, DENSITY)
        _path(outputs, high, low, s, first, at, count)
        _path(outputs, high, low, s, second, at, count + 1)
        count += 2
    value = log_mixed(at.logs, (0, count))
    if value == -np.inf:
        return value, 0.0
    each = count if chosen >= 0 else count // CHOICES
    for n in range(count):
        share = at.logs[n]
        part = 1 + (chosen if chosen >= 0 else n // each) // 2
        if share > 0.0:
            for j in range(size):
                by_outputs[0, j] += cotangent * share * at.by[n, 0, j]
                by_outputs[part, j] += cotangent * share * at.by[n, 1, j]
            by_s += share * (at.by[n, 0, size] + at.by[n, 1, size])
    return value, by_s


@contracted
def _probabilities(early, late, falls):  # type: ignore[no-untyped-def]
    """Turn distances (n,) into probabilities of earlier times, and what is reflected of them."""
    for j in range(early.shape[0]):
        distance = early[j]
        e = -0.5 * distance * distance
        e = exponential(e) if e > LOWEST else 0.0
        near, far = SCALE + abs(distance), SCALE + abs(late[j])
        both = SCALE / (near * far)  # one division for two
        x, y = both * far, both * near
        direct, mirrored = e * x * tail(2.0 * x - 1.0), e * y * tail(2.0 * y - 1.0)
        early[j] = mirrored + (1.0 - direct if distance >= 0.0 else direct)
        late[j] = mirrored
        falls[j] = e


@inlined
def _place(tile, t, side):  # type: ignore[no-untyped-def]
    """Return which part of all a side of a trial is, and the first of its terms."""
    high, low = tile.chosen[t] // 2, tile.chosen[t] % 2
    if side == 0:
        return PARTS * tile.rows[t], high * len(tile.terms)
    return PARTS * tile.rows[t] + 1 + high, low * len(tile.terms)


@_compiled
def _judge_tile(tile, plain, n):  # type: ignore[no-untyped-def]
    """Write the log densities of the first n trials, and what they are made of."""
    for side in range(2):
        early, late, falls = tile.early[side], tile.late[side], tile.falls[side]
        _probabilities(early[:n].ravel(), late[:n].ravel(), falls[:n].ravel())
    for t in range(n):
        for side in range(2):
            place, first = _place(tile, t, side)
            over = tile.clocks[side, 0, t]
            cube = over * over * over
            tile.dense[side, t] = cube * dot(tile, plain[place, 4, first:], tile.falls[side, t])
            tile.mass[side, t] = dot(tile, plain[place, 0, first:], tile.early[side, t])
        before = tile.clocks[0, 1, t] * tile.dense[0, t] * tile.mass[1, t]
        after = tile.clocks[1, 1, t] * tile.dense[1, t] * tile.mass[0, t]
        tile.totals[t] = before + after
    logarithms(tile.totals[:n], tile.logs[:n])


@inlined
def _back(tile, known, t, side, cotangent, sums):  # type: ignore[no-untyped-def]
    """Add the derivatives of a side of a trial; return that by time."""
    place, first = _place(tile, t, side)
    plain, clock, other = known.plain[place], tile.clocks[side], 1 - side
    scale = cotangent / tile.totals[t]
    by_density = scale * tile.mass[other, t]
    by_mass = scale * tile.clocks[other, 1, t] * tile.dense[other, t]
    over, slope = clock[0, t], clock[1, t]
    v = over * over
    dense = by_density * slope * over * v
    early, late, falls = tile.early[side, t], tile.late[side, t], tile.falls[side, t]
    moments = sums.moments[place]
    for k in range(len(tile.terms)):
        moments[0, first + k] += dense * falls[k]
        moments[1, first + k] += dense / v * falls[k]
        moments[2, first + k] += dense * v * falls[k]
        moments[3, first + k] += by_mass * early[k]
        moments[4, first + k] += by_mass * late[k]
        moments[5, first + k] += by_mass * over * falls[k]
    excess = dot(tile, plain[6, first:], falls) - v * v * dot(tile, plain[5, first:], falls)
    found = tile.dense[side, t]
    by_u = -1.5 * v * by_density * slope * found - 0.5 * dense * excess + by_mass * found
    direct = by_density * slope * found
    sums.fast[place] += by_u * clock[2, t] + direct * clock[4, t]
    return by_u * slope + direct * clock[3, t]


@_compiled
def _by_moments(plain, moments, by_outputs):  # type: ignore[no-untyped-def]
    """Add to derivatives by outputs (n, m) what the moments (n, 6, terms) are worth."""
    terms = moments.shape[2]
    for i in range(moments.shape[0]):
        for j in range(terms):
            m, pace, c, shaped = moments[i, :, j], plain[i, 2, j], plain[i, 4, j], plain[i, 5, j]
            faster = shaped * pace * (pace * m[1] - m[0])
            slower = shaped * (m[2] - pace * m[0])
            mirrored = plain[i, 0, j] * plain[i, 3, j] * m[4]
            by_outputs[i, j] += c * m[0] + plain[i, 0, j] * m[3]
            by_outputs[i, terms + j] += faster - mirrored
            by_outputs[i, 2 * terms + j] += 0.5 * (c * m[0] - faster - slower)
            by_outputs[i, 2 * terms + j] += mirrored - c * m[5]


@_compiled
def _single(known, outputs, at, i, r, chosen, data, values, sums):  # type: ignore[no-untyped-def]
    """Write the log density of a trial, and add its derivatives."""
    trials, cotangents = data
    s, timed = trials[i, 0] - known.shifts[r], trials[i, 0] > -np.inf
    g = cotangents[i]
    values[i], by_s = _alone(outputs[r], s, timed, chosen, g, at, sums.by_outputs[r])
    if values[i] > -np.inf:
        sums.late[r] += g * by_s


@_compiled
def _together(known, outputs, at, n, data, values, sums):  # type: ignore[no-untyped-def]
    """Write the log densities of a tile's first n trials, and add their derivatives."""
    tile, cotangents = at.tile, data[1]
    _judge_tile(tile, known.plain, n)
    for t in range(n):
        i, r = tile.trials[t], tile.rows[t]
        values[i] = tile.logs[t]
        if math.isnan(values[i]):
            _single(known, outputs, at, i, r, tile.chosen[t], data, values, sums)
        elif cotangents[i] != 0.0:
            for side in range(2):
                sums.late[r] += _back(tile, known, t, side, cotangents[i], sums)


@_compiled
def _known(form, block, outputs):  # type: ignore[no-untyped-def]
    """Return what is known of the rows of a block, whose parts have outputs (n, m)."""
    terms, rates, shifts = (
        2 * form.part.components,
        np.empty(len(outputs)),
        np.zeros(len(block.rows)),
    )
    for i in range(len(outputs)):
        rates[i] = rate_of(outputs[i], terms)
    if form.non_decision >= 0:
        shifts[:] = block.rows[:, form.non_decision]
    return _Known(coefficients(outputs, terms), rates, shifts)


@_compiled
def _judge(form, at, block, outputs, trials, cotangents, values, by_outputs, by_row):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `judge`."""
    count, size, n, tile = len(block.rows), outputs.shape[2], 0, at.tile
    terms, data = 2 * form.part.components, (trials, cotangents)
    known = _known(form, block, outputs.reshape((PARTS * count, size)))
    moments = np.zeros((PARTS * count, 6, terms))
    sums = _Sums(by_outputs, moments, np.zeros(PARTS * count), np.zeros(count))
    for r in range(count):
        if not block.inside[r]:
            continue
        for k in range(block.begins[r], block.begins[r + 1]):
            i = block.own[k]
            chosen, s = chosen_of(form.choices, trials[i, 1]), trials[i, 0] - known.shifts[r]
            if chosen < 0 or not LEAST < s < MOST:
                _single(known, outputs, at, i, r, chosen, data, values, sums)
                continue
            tile.trials[n], tile.rows[n], tile.chosen[n] = i, r, chosen
            for side in range(2):
                place, first = _place(tile, n, side)
                put(tile, known.plain[place], known.rates[place], n, side, first, s)
            n += 1
            if n == TRIALS:
                _together(known, outputs, at, n, data, values, sums)
                n = 0
    _together(known, outputs, at, n, data, values, sums)
    flat = by_outputs.reshape((PARTS * count, size))
    _by_moments(known.plain, sums.moments, flat)
    if size > 3 * terms:
        flat[:, -1] += sums.fast
    if form.non_decision >= 0:
        by_row[:, form.non_decision] -= sums.late


@_compiled
def _draw(form, outputs, row, state):  # type: ignore[no-untyped-def]
    """Do what `Law` says of `draw`."""
    first, high, state = decision(form, outputs[0], state)
    second, low, state = decision(form, outputs[1 + high], state)
    shift = row[form.non_decision] if form.non_decision >= 0 else 0.0
    return shift + max(first, second), 2 * high + low, state


@functools.cache
def parallel_kernels(components: int) -> Kernels:
    """Return the loops for stages that are mixtures of that many terms a choice.

    A form has three parts, and no other parameters.
    """
    numbers = (0.0,) * components

    @_compiled
    def room(form):  # type: ignore[no-untyped-def]
        size = form.part.sizes[-1] + 1
        paths = 2 * CHOICES
        work = np.empty((5, 2 * form.part.components))
        return _Room(room_for_tile(numbers), work, np.empty(paths), np.empty((paths, 2, size)))

    return kernels_of(Law(room, _judge, _draw), f"parallel_{components}")
