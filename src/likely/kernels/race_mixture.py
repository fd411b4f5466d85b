"""Races of accumulators that are mixtures with a network: one trial at a time, and draws.

The density of choice c at decision time s is p(s, c) = f_c(s) prod_{j != c} S_j(s), with f and S
the density and survival of one accumulator: a mixture of inverse Gaussians (see
`likely.kernels.mixture`) at that accumulator's parameters. The network is evaluated once for each
accumulator that is not like another, in parameter rows that are not alike.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.accumulators import ALL, NOBODY, advance
from likely.kernels.mixture import ROWS_AT_ONCE, mixtures_at, rows_of, supported, unpack
from likely.kernels.mixture_draws import decision_time
from likely.kernels.native import Packed
from likely.kernels.rng import stream
from likely.kernels.rows import distinct_rows, group_by
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")

COARSE, FINE = 150, 256  # nodes to find where a race takes place, and to integrate over it
SHORTEST, LONGEST = 1e-9, 1e6  # seconds among which that is looked for
NEGLIGIBLE = 1e-9  # of a race's mass

NEITHER = -3  # in place of a choice: a value that is none


class Wires(NamedTuple):
    """What compiled code must know of a race besides its accumulators' mixture.

    Args:
        columns: which parameter of the model each accumulator's parameter is, or -1, (C, m) int64.
        constants: what it is where it is none, (C, m).
        support: lower and upper end of each parameter's support, (p, 2).
        choices: values of the choices (C,).
        non_decision: column of the non-decision time, or -1.
    """

    columns: np.ndarray
    constants: FloatArray
    support: FloatArray
    choices: FloatArray
    non_decision: int


def pack_race(wires: Wires, part: Packed) -> Packed:
    """Return what the entry points below read: wires, and the mixture's packed layout."""
    counts = [*wires.columns.shape, len(wires.support), wires.non_decision]
    return Packed(
        np.array([*counts, *wires.columns.ravel(), *part.whole], dtype=np.int64),
        np.concatenate([wires.constants.ravel(), wires.support.ravel(), wires.choices, part.real]),
    )


@_compiled
def unpack_race(whole, real):  # type: ignore[no-untyped-def]
    """Return the wires and the mixture's layout."""
    count, own, parameters = whole[0], whole[1], whole[2]
    support = count * own
    choices = support + 2 * parameters
    wires = Wires(
        whole[4 : 4 + support].reshape((count, own)),
        real[:support].reshape((count, own)),
        real[support:choices].reshape((parameters, 2)),
        real[choices : choices + count],
        whole[3],
    )
    return wires, unpack(whole[4 + support :], real[choices + count :])


@_compiled
def wired(wires, rows):  # type: ignore[no-untyped-def]
    """Return the parameters of each row's accumulators, (rows * C, m)."""
    count, own = wires.columns.shape
    result = np.empty((rows.shape[0] * count, own))
    for r in range(rows.shape[0]):
        for c in range(count):
            for j in range(own):
                column = wires.columns[c, j]
                value = rows[r, column] if column >= 0 else wires.constants[c, j]
                result[r * count + c, j] = value
    return result


@_compiled
def _judge(chosen, at):  # type: ignore[no-untyped-def]
    """Return the log density of a race; write how probable it is that each was the first."""
    count = len(at.odds)
    survival = 0.0
    for c in range(count):
        survival += at.logs[c, 1] if c != chosen else 0.0
        at.odds[c] = 1.0 if c == chosen else 0.0
    if chosen >= 0:
        return survival + at.logs[chosen, 0]
    if chosen == NOBODY:
        return survival
    best, total = -np.inf, 0.0
    for c in range(count):
        at.odds[c] = at.logs[c, 0] + (survival - at.logs[c, 1])
        best = max(best, at.odds[c])
    for c in range(count):
        at.odds[c] = math.exp(at.odds[c] - best) if best > -np.inf else 0.0
        total += at.odds[c]
    for c in range(count):
        at.odds[c] /= max(total, 1.0)  # not below 1, unless all are impossible
    return best + math.log(total)


@_compiled
def _add_derivatives(known, who, factor, at):  # type: ignore[no-untyped-def]
    """Add a multiple of the derivative of what `_judge` returned, by the accumulators' outputs.

    Returns the derivative by the decision time.
    """
    terms, outputs = 3 * known.plain.shape[2], known.outputs.shape[1]
    by_s = 0.0
    for c in range(len(who)):
        first, by_u, by = at.odds[c], 0.0, at.by_outputs[c]
        for kind in range(2):
            share = first if kind == 0 else 1.0 - first
            if share > 0.0:  # what was not asked for is not there
                for j in range(terms):
                    by[j] += factor * share * at.by[c, kind, j]
                by_u += share * at.by_time[c, kind]
        by_s += by_u * at.clocks[c, 2] + first * at.clocks[c, 4]
        if outputs > terms:
            by[terms] += factor * (by_u * at.clocks[c, 3] + first * at.clocks[c, 5])
    return by_s


@_compiled
def _range(known, who, at):  # type: ignore[no-untyped-def]
    """Return the logs of times before and after which hardly any race ends."""
    begin, step = math.log(SHORTEST), math.log(LONGEST / SHORTEST) / (COARSE - 1)
    first, last = -1, 0
    for i in range(COARSE):
        advance(known, who, math.exp(begin + i * step), NOBODY, at)
        survival = math.exp(_judge(NOBODY, at))
        first += 1 if survival > 1.0 - NEGLIGIBLE else 0
        last += 1 if survival > NEGLIGIBLE else 0
    first, last = min(max(first, 0), COARSE - 2), min(max(last, 1), COARSE - 1)
    return begin + first * step, begin + last * step


@_compiled
def log_choice(known, who, chosen, at):  # type: ignore[no-untyped-def]
    """Return the log probability of a choice and write its derivative by the outputs.

    It is a sum by the trapezoid rule over the log of time. For a smooth density that vanishes at
    both ends its error is as small as that of rounding.
    """
    begin, end = _range(known, who, at)
    step = (end - begin) / (FINE - 1)
    best, total = -np.inf, 0.0
    at.by_outputs[:] = 0.0
    for i in range(FINE):
        log_s = begin + i * step
        advance(known, who, math.exp(log_s), chosen, at)
        value = _judge(chosen, at) + log_s
        if value > best:
            shrunk = math.exp(best - value)
            total *= shrunk
            at.by_outputs[:] *= shrunk
            best = value
        if best > -np.inf:
            share = math.exp(value - best)
            total += share
            _add_derivatives(known, who, share, at)
    at.by_outputs[:] /= max(total, 1.0)  # not below 1, unless the choice is impossible
    return best + math.log(total * step)


@_compiled
def chosen_of(choices, choice):  # type: ignore[no-untyped-def]
    """Return the index of an encoded choice, or `ALL`, `NOBODY` or `NEITHER`."""
    if choice == np.inf:
        return NOBODY
    if choice == -np.inf or math.isnan(choice):
        return ALL
    for c in range(len(choices)):
        if choices[c] == choice:
            return c
    return NEITHER


@_compiled
def timed(known, who, s, chosen, at):  # type: ignore[no-untyped-def]
    """Return the log density of a trial with a time, and its derivative by the decision time.

    Writes that by the outputs. Where the density is 0 derivatives are 0 too.
    """
    at.by_outputs[:] = 0.0
    if chosen == NOBODY and s <= 0.0:
        return 0.0, 0.0
    if chosen == NEITHER or not 0.0 < s < np.inf:
        return -np.inf, 0.0
    advance(known, who, s, chosen, at)
    value = _judge(chosen, at)
    if not value > -np.inf:
        return -np.inf, 0.0
    return value, _add_derivatives(known, who, 1.0, at)


@_compiled
def _mixtures(weights, part, own):  # type: ignore[no-untyped-def]
    """Return outputs of those that differ of accumulators (n, m), and which each is, (n,)."""
    representatives, whose = distinct_rows(own, len(own))
    distinct = rows_of(own, representatives, 0, len(representatives))
    return mixtures_at(weights, part, distinct), whose


@_compiled
def _race(outputs, who, components, state):  # type: ignore[no-untyped-def]
    """Draw a race from a stream of random numbers: return its time, and who was the first."""
    best, winner = np.inf, 0
    for c in range(len(who)):
        s, _, state = decision_time(outputs[who[c]], components, state)
        if s < best:
            best, winner = s, c
    return best, winner


@_compiled
def race_draws(weights, whole, real, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
    """Write trials (n, 2), each from a stream of random numbers that the bits of uniforms name.

    theta is (1, p) or (n, p), uniforms are (n, 2). A race takes more random numbers than come with
    a trial: the normals are not used. Parameters outside their support give (nan, nan).
    """
    wires, part = unpack_race(whole, real)
    representatives, which = distinct_rows(theta, trials.shape[0])
    order, begins = group_by(which, len(representatives))
    count, bits = len(wires.choices), uniforms.view(np.uint64)
    for block in range(0, len(representatives), ROWS_AT_ONCE):
        stop = min(block + ROWS_AT_ONCE, len(representatives))
        rows = rows_of(theta, representatives, block, stop)
        outputs, whose = _mixtures(weights, part, wired(wires, rows))
        for r in range(stop - block):
            inside = supported(wires.support, rows[r])
            shift = rows[r, wires.non_decision] if wires.non_decision >= 0 else 0.0
            who = whose[r * count : (r + 1) * count]
            for i in order[begins[block + r] : begins[block + r + 1]]:
                state = stream(bits[i, 0], bits[i, 1])
                s, winner = _race(outputs, who, part.components, state)
                trials[i, 0] = shift + s if inside else np.nan
                trials[i, 1] = wires.choices[winner] if inside else np.nan
