"""Log densities of trials under races, and their derivative by parameter rows, in one pass.

As in `likely.kernels.pullback`, derivatives flow backwards: from trials to the accumulators of the
rows that they share, and from there once through the network. `likely.kernels.race_mixture` says
what races and their wires are, and judges trials one at a time where that is needed.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numba
import numpy as np

from likely.kernels.accumulators import Accumulators, known_by, room
from likely.kernels.closing import close
from likely.kernels.mixture import inputs, normalise, rows_of, supported
from likely.kernels.mixture_terms import LEAST, MOST
from likely.kernels.perceptron import abreast, backward, everything, forward, padded
from likely.kernels.pullback import ROWS_AT_ONCE, by_logits, by_rows
from likely.kernels.race_mixture import NEITHER, chosen_of, log_choice, timed, unpack_race, wired
from likely.kernels.race_terms import (
    TRIALS,
    by_moments,
    density_back,
    judge,
    pair_of,
    put,
    room_for_tile,
    survival_back,
)
from likely.kernels.rows import distinct_rows, group_by, row_of
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")


class Evaluated(NamedTuple):
    """The network at distinct accumulators.

    Args:
        own: parameters of all accumulators, (n, m).
        whose: which of the distinct ones each is, (n,).
        x: inputs of the distinct ones (A, k).
        slopes: what `backward` needs.
        known: the distinct ones.
    """

    own: FloatArray
    whose: np.ndarray
    x: FloatArray
    slopes: FloatArray
    known: Accumulators


class Sums(NamedTuple):
    """Sums over trials of cotangents times derivatives.

    Args:
        by_outputs: by the outputs of all accumulators, (n, m), but for the moments' share.
        moments: of terms of all accumulators (see `likely.kernels.race_terms`), (n, 2, 3K).
        late: by the decision time, (rows,).
        wanted: whether they are wanted.
    """

    by_outputs: FloatArray
    moments: FloatArray
    late: FloatArray
    wanted: bool


@_compiled
def _evaluated(plain, part, own):  # type: ignore[no-untyped-def]
    """Evaluate the network at accumulators of parameters (n, m)."""
    representatives, whose = distinct_rows(own, len(own))
    distinct = rows_of(own, representatives, 0, len(representatives))
    x = np.empty((len(distinct), part.sizes[0]))
    none = np.empty((len(distinct), 0, 0))  # derivatives, which flow the other way
    inputs(part.features, distinct, x, none)
    slopes = np.empty(padded(len(distinct)) * part.sizes[1:-1].sum())
    found = np.empty((part.sizes[-1], padded(len(distinct))))
    forward(plain, part.sizes, abreast(x), slopes, everything(part.sizes), found)
    outputs = np.ascontiguousarray(found.T[: len(distinct)])
    normalise(outputs, none, part.components)
    if outputs.shape[1] > 3 * part.components:
        close(outputs, none, 3 * part.components)
    return Evaluated(own, whose, x, slopes, known_by(outputs, part.components))


@_compiled
def _repeated(at):  # type: ignore[no-untyped-def]
    """Return inputs, slopes and outputs of all accumulators, which may be of other parameters."""
    n, few = len(at.own), len(at.x)
    if n == few:
        return at.x, at.slopes, at.known.outputs
    narrow, wide = padded(few), padded(n)
    hidden = len(at.slopes) // narrow
    slopes = np.empty(hidden * wide)
    for j in range(hidden):
        for i in range(wide):
            slopes[j * wide + i] = at.slopes[j * narrow + at.whose[i if i < n else 0]]
    return at.x[at.whose], slopes, at.known.outputs[at.whose]


@_compiled
def _backwards(turned, wires, part, at, inside, sums, gradient):  # type: ignore[no-untyped-def]
    """Write derivatives by the parameters of rows, (rows, p), from those by outputs."""
    count = len(wires.choices)
    x, slopes, outputs = _repeated(at)
    by_moments(at.known, at.whose, sums.moments, sums.by_outputs)
    by_logits(outputs, sums.by_outputs, part.components)
    found = np.zeros((x.shape[1], padded(len(x))))
    wanted = everything(part.sizes)
    backward(turned, part.sizes, slopes, wanted, abreast(sums.by_outputs), found)
    by_own = np.zeros(at.own.shape)
    by_rows(part.features, at.own, x, np.ascontiguousarray(found.T[: len(x)]), by_own)
    for r in range(len(gradient)):
        if not inside[r]:
            continue
        if wires.non_decision >= 0:
            gradient[r, wires.non_decision] -= sums.late[r]
        for c in range(count):
            for d in range(wires.columns.shape[1]):
                if wires.columns[c, d] >= 0:
                    gradient[r, wires.columns[c, d]] += by_own[r * count + c, d]


@_compiled
def _add(at, r, cotangent, by_s, sums):  # type: ignore[no-untyped-def]
    """Add a trial's derivatives to those of its row."""
    count = len(at.by_outputs)
    for c in range(count):
        for j in range(at.by_outputs.shape[1]):
            sums.by_outputs[r * count + c, j] += cotangent * at.by_outputs[c, j]
    sums.late[r] += cotangent * by_s


@_compiled
def _alone(known, who, r, s, chosen, at, cotangent, sums):  # type: ignore[no-untyped-def]
    """Return the log density of a trial with a time, and add its derivatives."""
    value, by_s = timed(known, who, s, chosen, at)
    if sums.wanted and value > -np.inf:
        _add(at, r, cotangent, by_s, sums)
    return value


@_compiled
def _share(tile, known, t, first, last, cotangent, sums):  # type: ignore[no-untyped-def]
    """Add the derivatives of trial t of a tile, the first of whose survivors are given."""
    closing, rate = sums.by_outputs.shape[1] > sums.moments.shape[2], sums.moments.shape[2]
    place = tile.places[t]
    late, fast = density_back(tile, known, t, cotangent, sums.moments[place, 0])
    if closing:
        sums.by_outputs[place, rate] += fast
    for pair in range(first, last):
        place = tile.places[pair]
        by_s, fast = survival_back(tile, known, pair, cotangent, sums.moments[place, 1])
        late += by_s
        if closing:
            sums.by_outputs[place, rate] += fast
    sums.late[tile.rows[t]] += late


@_compiled
def _together(tile, n, network, at, cotangents, values, sums):  # type: ignore[no-untyped-def]
    """Write the log densities of a tile's first n trials, and add their derivatives."""
    count, known = len(at.by_outputs), network.known
    judge(tile, known, n, count)
    for t in range(n):
        i, r, value = tile.trials[t], tile.rows[t], tile.logs[t]
        first, last = pair_of(t, 0, count), pair_of(t + 1, 0, count)
        for pair in range(first, last):
            value += tile.logs[pair]
        values[i] = value
        if math.isnan(value):
            who = network.whose[r * count : (r + 1) * count]
            chosen = tile.places[t] - r * count
            cotangent = cotangents[i]
            values[i] = _alone(known, who, r, tile.times[t], chosen, at, cotangent, sums)
        elif sums.wanted:
            _share(tile, known, t, first, last, cotangents[i], sums)


@_compiled
def _untimed(known, who, r, chosen, found, at, kept, cotangent, sums):  # type: ignore[no-untyped-def]
    """Return the log probability of a choice, found once a row, and add its derivatives."""
    if math.isnan(found[chosen]):
        found[chosen] = log_choice(known, who, chosen, at)
        kept[chosen] = at.by_outputs
    elif sums.wanted:
        at.by_outputs[:] = kept[chosen]
    if sums.wanted and found[chosen] > -np.inf:
        _add(at, r, cotangent, 0.0, sums)
    return found[chosen]


@_compiled
def _block(wires, network, rows, order, begins, data, values, sums, rooms, inside):  # type: ignore[no-untyped-def]
    """Write the log densities of the trials of some rows, and add their derivatives."""
    trials, cotangents = data
    at, tile, kept = rooms
    count, known, n = len(wires.choices), network.known, 0
    for r in range(len(rows)):
        own = order[begins[r] : begins[r + 1]]
        inside[r] = supported(wires.support, rows[r])
        if not inside[r]:
            for i in own:
                values[i] = -np.inf
            continue
        shift = rows[r, wires.non_decision] if wires.non_decision >= 0 else 0.0
        who = network.whose[r * count : (r + 1) * count]
        found = np.full(count, np.nan)
        for i in own:
            s, chosen = trials[i, 0] - shift, chosen_of(wires.choices, trials[i, 1])
            if chosen >= 0 and LEAST < s < MOST:
                put(tile, known, network.whose, n, i, r, s, chosen, count)
                n += 1
                if n == TRIALS:
                    _together(tile, n, network, at, cotangents, values, sums)
                    n = 0
            elif trials[i, 0] > -np.inf:
                values[i] = _alone(known, who, r, s, chosen, at, cotangents[i], sums)
            elif chosen >= 0:
                g = cotangents[i]
                values[i] = _untimed(known, who, r, chosen, found, at, kept, g, sums)
            else:
                values[i] = -np.inf if chosen == NEITHER else 0.0
    _together(tile, n, network, at, cotangents, values, sums)


@_compiled
def _pull(weights, packed, terms, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
    """Do what the kernels below do."""
    wires, part = unpack_race(packed[0], packed[1])
    plain, turned = weights[: len(weights) // 2], weights[len(weights) // 2 :]
    count, size = len(wires.choices), part.sizes[-1]
    which = np.empty(len(trials), dtype=np.int64)
    for i in range(len(trials)):
        which[i] = row_of(index, len(theta), i)
    order, begins = group_by(which, len(theta))
    rooms = (
        room(count, len(terms), size),
        room_for_tile(count, terms),
        np.empty((count, count, size)),
    )
    step = max(ROWS_AT_ONCE // count, 1)
    for first in range(0, len(theta), step):
        rows = theta[first : first + step]
        network = _evaluated(plain, part, wired(wires, rows))
        inside, all_of_them = np.empty(len(rows), dtype=np.bool_), len(rows) * count
        sums = Sums(
            np.zeros((all_of_them, size)),
            np.zeros((all_of_them, 2, 3 * len(terms))),
            np.zeros(len(rows)),
            len(gradient) > 0,
        )
        ours = begins[first : first + len(rows) + 1]
        data = trials, cotangents
        _block(wires, network, rows, order, ours, data, values, sums, rooms, inside)
        if sums.wanted:
            own = gradient[first : first + step]
            _backwards(turned, wires, part, network, inside, sums, own)


@functools.cache
def race_pullback(components: int) -> Any:
    """Return the kernel for races of accumulators of that many terms.

    It takes weights beside transposed ones (`likely.kernels.perceptron.transposed`), what
    `pack_race` returns, rows (r, p), the row of each trial or nothing (n,), trials (n, 2),
    cotangents (n,), and fills values (n,) and gradient (r, p), which begins at 0, or (0, p) if none
    is wanted. Without an index all trials have the only row, or each its own.
    """
    terms = (0.0,) * components

    @_compiled
    def pullback(weights, whole, real, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        packed = whole, real
        _pull(weights, packed, terms, theta, index, trials, cotangents, values, gradient)

    pullback.py_func.__qualname__ = f"race_pullback_{components}"
    return pullback
