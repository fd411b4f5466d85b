"""Races of accumulators with closed forms: log density, its gradient, and draws.

Trials with a time and a choice lie abreast in a block (see `likely.kernels.abreast`), the choices'
accumulators in one half and those of the others in the other, whether or not they share their
parameters. Trials of other kinds, which are few, come one at a time.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numba
import numpy as np

from likely.kernels.abreast import HALF, WIDTH, Accumulator
from likely.kernels.accumulators import ALL, NOBODY
from likely.kernels.inequalities import Program, hold
from likely.kernels.mixture import supported
from likely.kernels.native import Kernels, Packed
from likely.kernels.race_mixture import (
    COARSE,
    FINE,
    LONGEST,
    NEGLIGIBLE,
    NEITHER,
    SHORTEST,
    Wires,
    chosen_of,
    wired,
)
from likely.kernels.rng import stream
from likely.kernels.rows import group_by, row_of
from likely.typing import FloatArray

IMPOSSIBLE = -1e29  # log densities below stand for that of 0

_compiled = numba.njit(nogil=True, error_model="numpy")


class Race(NamedTuple):
    """What compiled code must know of a race.

    Args:
        wires: of its accumulators.
        program: its constraints.
        fixed: numbers of the accumulators' form.
    """

    wires: Wires
    program: Program
    fixed: FloatArray


def pack_closed_race(race: Race) -> Packed:
    """Return what the kernels below read."""
    wires, program = race.wires, race.program
    counts = [*wires.columns.shape, len(wires.support), wires.non_decision, len(program.codes)]
    reals = [wires.constants, wires.support, wires.choices, program.operands, race.fixed]
    return Packed(
        np.array([*counts, *wires.columns.ravel(), *program.codes], dtype=np.int64),
        np.concatenate([np.ravel(part) for part in reals]),
    )


@_compiled
def _unpacked(whole, real):  # type: ignore[no-untyped-def]
    """Return the race that was packed."""
    count, own, parameters = whole[0], whole[1], whole[2]
    support = count * own
    choices = support + 2 * parameters
    operands = choices + count
    fixed = operands + whole[4]
    wires = Wires(
        whole[5 : 5 + support].reshape((count, own)),
        real[:support].reshape((count, own)),
        real[support:choices].reshape((parameters, 2)),
        real[choices:operands],
        whole[3],
    )
    return Race(wires, Program(whole[5 + support :], real[operands:fixed]), real[fixed:])


@_compiled
def _inside(race, rows):  # type: ignore[no-untyped-def]
    """Tell of each row whether supports and constraints hold, (rows,)."""
    found, stack = np.empty(len(rows), dtype=np.bool_), np.empty(len(race.program.codes))
    for r in range(len(rows)):
        found[r] = supported(race.wires.support, rows[r]) and hold(race.program, rows[r], stack)
    return found


@_compiled
def _put(block, place, s, own):  # type: ignore[no-untyped-def]
    """Put a time and an accumulator's parameters (m,) at a place of a block."""
    block[place] = s
    for j in range(len(own)):
        block[(1 + j) * WIDTH + place] = own[j]


@_compiled
def _put_trial(block, t, s, chosen, first, own):  # type: ignore[no-untyped-def]
    """Put a trial at place t; its row's accumulators begin at `first` of own (n, m)."""
    count = chosen[1]
    other = HALF + t * (count - 1)
    for c in range(count):
        place = t
        if c != chosen[0]:
            place = other
            other += 1
        block[place] = s
        for j in range(own.shape[1]):
            block[(1 + j) * WIDTH + place] = own[first + c, j]


@_compiled
def _add_by_own(wires, block, place, c, factor, gradient, row):  # type: ignore[no-untyped-def]
    """Add to a row of the gradient a multiple of what accumulator c at a place contributes."""
    own = wires.columns.shape[1]
    for j in range(own):
        column = wires.columns[c, j]
        if column >= 0:
            gradient[row, column] += factor * block[(3 + own + j) * WIDTH + place]


@_compiled
def _share(wires, block, t, chosen, cotangent, gradient, row):  # type: ignore[no-untyped-def]
    """Add the derivatives of the trial at place t."""
    count, own = wires.columns.shape
    by_time = (2 + own) * WIDTH
    other, late = HALF + t * (count - 1), 0.0
    for c in range(count):
        place = t
        if c != chosen:
            place = other
            other += 1
        _add_by_own(wires, block, place, c, cotangent, gradient, row)
        late += block[by_time + place]
    if wires.non_decision >= 0:
        gradient[row, wires.non_decision] -= cotangent * late


@_compiled
def _odds(block, chosen, log_at, odds):  # type: ignore[no-untyped-def]
    """Return the log density of a race; write how probable it is that each was the first."""
    count = len(odds)
    total = 0.0
    for c in range(count):
        total += block[log_at + HALF + c]
        odds[c] = 0.0
    if chosen == NOBODY:
        return total
    best, mass = -np.inf, 0.0
    for c in range(count):
        odds[c] = total - block[log_at + HALF + c] + block[log_at + c]
        best = max(best, odds[c])
    for c in range(count):
        odds[c] = math.exp(odds[c] - best) if best > IMPOSSIBLE else 0.0
        mass += odds[c]
    for c in range(count):
        odds[c] /= max(mass, 1.0)  # not below 1, unless all are impossible
    return best + math.log(mass)


def _untimed(density: Any, survival: Any) -> Any:
    """Return the function that finds the probability of a choice."""

    @_compiled
    def survive(race, own, first, begin, step, block, logs):  # type: ignore[no-untyped-def]
        """Write log survival of the race (COARSE,) at times whose logs begin at `begin`."""
        log_at = (1 + own.shape[1]) * WIDTH
        logs[:] = 0.0
        for c in range(len(race.wires.choices)):
            for i in range(len(logs)):
                _put(block, i, math.exp(begin + i * step), own[first + c])
            survival(race.fixed, block, len(logs), False)
            for i in range(len(logs)):
                logs[i] += block[log_at + i]

    @_compiled
    def span(race, own, first, block):  # type: ignore[no-untyped-def]
        """Return logs of times before and after which hardly any race ends."""
        begin, step = math.log(SHORTEST), math.log(LONGEST / SHORTEST) / (COARSE - 1)
        logs, early, late = np.empty(COARSE), -1, 0
        survive(race, own, first, begin, step, block, logs)
        for i in range(COARSE):
            left = math.exp(logs[i])
            early += 1 if left > 1.0 - NEGLIGIBLE else 0
            late += 1 if left > NEGLIGIBLE else 0
        early, late = min(max(early, 0), COARSE - 2), min(max(late, 1), COARSE - 1)
        return begin + early * step, begin + late * step

    @_compiled
    def log_choice(race, own, first, chosen, block, gradient):  # type: ignore[no-untyped-def]
        """Return the log probability of a choice; write its derivative (1, p), if it is wanted.

        It is a sum by the trapezoid rule over the log of time, as `likely.networks.race` has it.
        """
        count, m = race.wires.columns.shape
        wanted = len(gradient) > 0
        begin, end = span(race, own, first, block)
        step = (end - begin) / (FINE - 1)
        terms, kept = np.empty(FINE), np.empty((count, len(block) if wanted else 0))
        for i in range(FINE):
            terms[i] = begin + i * step
        log_at = (1 + m) * WIDTH
        for c in range(count):
            for i in range(FINE):
                _put(block, i, math.exp(begin + i * step), own[first + c])
            if c == chosen:
                density(race.fixed, block, FINE, wanted)
            else:
                survival(race.fixed, block, FINE, wanted)
            for i in range(FINE):
                terms[i] += block[log_at + i]
            if wanted:
                kept[c] = block
        best, total = terms.max(), 0.0
        for i in range(FINE):
            total += math.exp(terms[i] - best)
        if wanted:
            gradient[:] = 0.0
            for i in range(FINE):
                share = math.exp(terms[i] - best) / total
                for c in range(count):
                    _add_by_own(race.wires, kept[c], i, c, share, gradient, 0)
        return best + math.log(total * step)

    return log_choice


def _judge(accumulator: Accumulator) -> Any:
    """Return the function that judges trials."""
    density, survival = accumulator.density, accumulator.survival
    log_choice = _untimed(density, survival)

    @_compiled
    def together(race, block, n, tile, which, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        """Write the log densities of the first n trials of a tile, and add their derivatives."""
        trials, choices = tile
        count, m = race.wires.columns.shape
        wanted, log_at = len(gradient) > 0, (1 + m) * WIDTH
        density(race.fixed, block, n, wanted)
        survival(race.fixed, block[HALF:], n * (count - 1), wanted)
        for t in range(n):
            i, value = trials[t], block[log_at + t]
            others = log_at + HALF + t * (count - 1)
            for other in range(count - 1):
                value += block[others + other]
            values[i] = value if value > IMPOSSIBLE else -np.inf
            if wanted and value > IMPOSSIBLE:
                _share(race.wires, block, t, choices[t], cotangents[i], gradient, which[i])

    @_compiled
    def alone(race, block, s, chosen, own, first, odds, cotangent, gradient, row):  # type: ignore[no-untyped-def]
        """Return the log density of a trial with a time, but no choice; add its derivatives."""
        if chosen == NOBODY and s <= 0.0:
            return 0.0
        if chosen == NEITHER or not 0.0 < s < np.inf:
            return -np.inf
        wires, wanted = race.wires, len(gradient) > 0
        count, m = wires.columns.shape
        for c in range(count):
            _put(block, c, s, own[first + c])
            _put(block, HALF + c, s, own[first + c])
        if chosen == ALL:
            density(race.fixed, block, count, wanted)
        survival(race.fixed, block[HALF:], count, wanted)
        value = _odds(block, chosen, (1 + m) * WIDTH, odds)
        if not value > IMPOSSIBLE:
            return -np.inf
        if wanted:
            late, by_time = 0.0, (2 + m) * WIDTH
            for c in range(count):
                if chosen == ALL:
                    _add_by_own(wires, block, c, c, cotangent * odds[c], gradient, row)
                    late += odds[c] * block[by_time + c]
                share = 1.0 - odds[c]
                _add_by_own(wires, block, HALF + c, c, cotangent * share, gradient, row)
                late += share * block[by_time + HALF + c]
            if wires.non_decision >= 0:
                gradient[row, wires.non_decision] -= cotangent * late
        return value

    @_compiled
    def untimed(race, block, own, which, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        """Write log densities of trials without a time; choices' probabilities, once a row."""
        some = np.flatnonzero(np.isnan(values))
        if len(some) == 0:
            return
        count = len(race.wires.choices)
        order, begins = group_by(which[some], len(own) // count)
        found = np.empty(count)
        slopes = np.empty((count, 1, gradient.shape[1]))
        for r in range(len(begins) - 1):
            found[:] = np.nan
            for k in range(begins[r], begins[r + 1]):
                i = some[order[k]]
                chosen = chosen_of(race.wires.choices, trials[i, 1])
                if math.isnan(found[chosen]):
                    slope = slopes[chosen, : min(len(gradient), 1)]
                    found[chosen] = log_choice(race, own, r * count, chosen, block, slope)
                values[i] = found[chosen] if found[chosen] > IMPOSSIBLE else -np.inf
                if len(gradient) > 0 and values[i] > -np.inf:
                    for d in range(gradient.shape[1]):
                        gradient[which[i], d] += cotangents[i] * slopes[chosen, 0, d]

    @_compiled
    def judge(race, rows, which, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        """Write log densities (n,) of trials at rows[which], and add to gradient[which]."""
        wires = race.wires
        count, m = wires.columns.shape
        own, inside = wired(wires, rows), _inside(race, rows)
        block, spare = np.ones((2 * m + 3) * WIDTH), np.ones((2 * m + 3) * WIDTH)
        tile = np.empty(HALF, dtype=np.int64), np.empty(HALF, dtype=np.int64)
        odds, n, most = np.empty(count), 0, HALF // max(count - 1, 1)
        for i in range(len(trials)):
            r, rt = which[i], trials[i, 0]
            chosen = chosen_of(wires.choices, trials[i, 1])
            shift = rows[r, wires.non_decision] if wires.non_decision >= 0 else 0.0
            s = rt - shift
            if not inside[r]:
                values[i] = -np.inf
            elif chosen >= 0 and 0.0 < s < np.inf:
                tile[0][n], tile[1][n] = i, chosen
                _put_trial(block, n, s, (chosen, count), r * count, own)
                n += 1
                if n == most:
                    together(race, block, n, tile, which, cotangents, values, gradient)
                    n = 0
            elif rt > -np.inf and chosen >= 0:
                values[i] = -np.inf
            elif rt > -np.inf:
                g = cotangents[i]
                values[i] = alone(race, spare, s, chosen, own, r * count, odds, g, gradient, r)
            elif chosen >= 0 and count > 1:
                values[i] = np.nan  # for `untimed`
            else:
                values[i] = -np.inf if chosen == NEITHER else 0.0
        together(race, block, n, tile, which, cotangents, values, gradient)
        untimed(race, spare, own, which, trials, cotangents, values, gradient)

    return judge


@functools.cache
def closed_race(accumulator: Accumulator) -> Kernels:
    """Return the kernels of races of such accumulators, which read what `pack_closed_race` returns.

    There are no weights. Where the density is 0 derivatives are 0 too.
    """
    judge, draw = _judge(accumulator), accumulator.draw

    @_compiled
    def draws(weights, whole, real, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
        race, bits = _unpacked(whole, real), uniforms.view(np.uint64)
        wires = race.wires
        own, inside, count = wired(wires, theta), _inside(race, theta), len(wires.choices)
        for i in range(len(trials)):
            r = i if len(theta) > 1 else 0
            if not inside[r]:
                trials[i, 0], trials[i, 1] = np.nan, np.nan
                continue
            state = stream(bits[i, 0], bits[i, 1])
            best, winner = np.inf, 0
            for c in range(count):
                s, state = draw(race.fixed, own[r * count + c], state)
                if s < best:
                    best, winner = s, c
            shift = theta[r, wires.non_decision] if wires.non_decision >= 0 else 0.0
            trials[i, 0], trials[i, 1] = shift + best, wires.choices[winner]

    @_compiled
    def pullback(weights, whole, real, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        which = np.empty(len(trials), dtype=np.int64)
        for i in range(len(trials)):
            which[i] = row_of(index, len(theta), i)
        race = _unpacked(whole, real)
        judge(race, theta, which, trials, cotangents, values, gradient)

    for kernel in (draws, pullback):
        function = kernel.py_func
        function.__qualname__ = f"closed_race_{accumulator.name}_{function.__name__}"
    return Kernels(pullback, draws)
