"""Decision times that densities with a normal delay are integrated over, in compiled float64.

`likely.networks.normal_delay` says which they are, and has the same in JAX. Windows of decision
times are found for the trials of a tile abreast, nodes within them for one trial at a time; both
are loops that the compiler runs on vectors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.closing import LAST, relax
from likely.kernels.factors import log_whole
from likely.kernels.sides import contracted
from likely.kernels.vectors import exponential, logarithm, polynomial
from likely.typing import FloatArray

REACH = 7.0  # standard deviations of the delay, to both sides, that are integrated over
DROP = 25.0  # early times are left out where their density is exp(-DROP) of the highest
ROUNDS = 6  # of iterations that begin close
NODES = 32
TRIALS = 32  # of a tile

_X, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)
_PLACES = 1.0 + _X
_STEEP = 1.0 / (LAST * LAST)
_NEAR = 0.01  # below which 1 - exp(-x) is a series
_FAINT = -40.0  # exponents: nothing beside 1; powers of smaller numbers would be subnormal ones

# log(1 + x) = f times this at f^2, with f = x / (2 + x), which is at most 1 / 3.
_rise = polynomial([2.0 / (2 * k + 1) for k in range(18)])

_compiled = numba.njit(nogil=True, error_model="numpy")
_inlined = numba.njit(
    nogil=True, error_model="numpy", fastmath={"contract", "nsz"}, forceinline=True
)


class Tile(NamedTuple):
    """Trials of a tile, and their windows; times are in standard deviations of the delay.

    Args:
        trials: which trials these are, (T,).
        rows: the parameter row of each, (T,).
        chosen: the place of the choice of each, or what there is in place of it, (T,).
        longest: the response time, (T,).
        latest: what is left of it after the mean delay, (T,).
        least: that less how fast densities fall, at most, (T,).
        most: that less how fast they do, at least, (T,).
        barriers: r such that densities of early times s are about exp(-r / s), (T,).
        roots: cube roots of these, (T,).
        begins: the first decision times that matter, (T,).
        first: those, as the variable w of integration, (T,).
        last: the last ones, as w, (T,).
    """

    trials: np.ndarray
    rows: np.ndarray
    chosen: np.ndarray
    longest: FloatArray
    latest: FloatArray
    least: FloatArray
    most: FloatArray
    barriers: FloatArray
    roots: FloatArray
    begins: FloatArray
    first: FloatArray
    last: FloatArray


class Nodes(NamedTuple):
    """Decision times of one trial.

    Args:
        times: in seconds, (N,).
        shares: weights of the integral over times in standard deviations of the delay, (N,).
        away: how far the delay left is from its mean, in standard deviations, (N,).
        bells: -away^2 / 2, (N,).
        stretched: the stretched times u, (N,).
        paces: 1 / u, (N,).
        overs: 1 / sqrt(u), (N,).
        weights: shares, times du / ds, times u^-1.5, (N,).
        faster: derivatives of u by the closing rate, (N,).
        steeper: those of log du / ds, (N,).
    """

    times: FloatArray
    shares: FloatArray
    away: FloatArray
    bells: FloatArray
    stretched: FloatArray
    paces: FloatArray
    overs: FloatArray
    weights: FloatArray
    faster: FloatArray
    steeper: FloatArray


@_compiled
def room_for_trials():  # type: ignore[no-untyped-def]
    """Return a tile."""
    return Tile(
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS, dtype=np.int64),
        np.empty(TRIALS), np.empty(TRIALS), np.empty(TRIALS), np.empty(TRIALS), np.empty(TRIALS),
        np.empty(TRIALS), np.empty(TRIALS), np.empty(TRIALS), np.empty(TRIALS),
    )  # fmt: skip


@_compiled
def room_for_nodes():  # type: ignore[no-untyped-def]
    """Return workspace for the nodes of one trial."""
    return Nodes(
        np.empty(NODES), np.empty(NODES), np.empty(NODES), np.empty(NODES), np.empty(NODES),
        np.empty(NODES), np.empty(NODES), np.empty(NODES), np.empty(NODES), np.empty(NODES),
    )  # fmt: skip


@_inlined
def _peak(rest, barrier, root):  # type: ignore[no-untyped-def]
    """Return the peak of -(y - rest)^2 / 2 - barrier / y over y > 0, by Newton's method."""
    before = max(-rest, 1e-30)
    y = max(rest, 0.0) + min(root, math.sqrt(barrier / before))
    for _ in range(ROUNDS):  # from above, and the function is convex there
        y -= (y * y * (y - rest) - barrier) / (y * (3.0 * y - 2.0 * rest))
    return y


@_inlined
def _variable(y):  # type: ignore[no-untyped-def]
    """Return w such that log(1 + exp(w)) = y > 0."""
    series = y * (1.0 - y * (0.5 - y * (1.0 / 6.0 - y * (1.0 / 24.0 - y / 120.0))))
    return y + logarithm(series if y < _NEAR else 1.0 - exponential(-y))


@contracted
def _find(longest, least, most, barriers, roots, begins, first, last):  # type: ignore[no-untyped-def]
    """Write the windows of trials (n,)."""
    for t in range(longest.shape[0]):
        barrier, end = barriers[t], longest[t]
        early = min(_peak(least[t], barrier, roots[t]), end)
        late = min(_peak(most[t], barrier, roots[t]), end)
        b = DROP * early / barrier
        early = max(2.0 * early / (2.0 + b + math.sqrt(b * b + 4.0 * b)), least[t] - REACH)
        beyond = REACH
        for _ in range(ROUNDS):  # each is an upper bound
            beyond = REACH / math.sqrt(1.0 + 2.0 * barrier / (late * late * (late + beyond)))
        begins[t] = early
        first[t], last[t] = _variable(early), _variable(min(late + beyond, end))


@_compiled
def find_windows(tile, n):  # type: ignore[no-untyped-def]
    """Write the windows of the first n trials of a tile."""
    _find(
        tile.longest[:n], tile.least[:n], tile.most[:n], tile.barriers[:n], tile.roots[:n],
        tile.begins[:n], tile.first[:n], tile.last[:n],
    )  # fmt: skip


@contracted
def _place(first, last, latest, sd, times, shares, away, bells):  # type: ignore[no-untyped-def]
    """Write decision times, their weights, and how far delays are from their mean."""
    half = 0.5 * (last - first)
    for n in range(NODES):
        w = first + half * _PLACES[n]
        fall = exponential(max(-w, _FAINT) if w >= 0.0 else w)
        both = 1.0 / ((1.0 + fall) * (2.0 + fall))  # one division for two
        f = fall * (1.0 + fall) * both
        y = max(w, 0.0) + f * _rise(f * f)
        times[n], away[n] = sd * y, latest - y
        bells[n] = -0.5 * away[n] * away[n]
        shares[n] = _WEIGHTS[n] * half * (1.0 if w >= 0.0 else fall) * (2.0 + fall) * both


@contracted
def _stretch(rate, times, shares, stretched, paces, overs, weights, faster, steeper):  # type: ignore[no-untyped-def]
    """Write stretched times, and what their density and derivatives take."""
    turn = (1.0 - LAST) / max(rate, 1e-300)
    for n in range(NODES):
        s = times[n]
        left, beyond = 1.0 - rate * s, turn / LAST + (s - turn) * _STEEP
        inside = left > LAST
        inverse = 1.0 / (left * s if inside else beyond)  # one division for two
        pull = s * inverse if inside else 1.0 / LAST
        slope, pace = pull * pull, left * left * inverse if inside else inverse
        over = math.sqrt(pace)
        stretched[n], paces[n], overs[n] = s * pull if inside else beyond, pace, over
        weights[n] = shares[n] * slope * pace * over
        faster[n] = s * s * slope if inside else (slope - pull) * turn / max(rate, 1e-300)
        steeper[n] = 2.0 * s * pull if inside else 0.0


@_inlined
def place_nodes(tile, t, sd, rate, nodes):  # type: ignore[no-untyped-def]
    """Write the nodes of a trial of the tile, with the sd of delays and the closing rate."""
    _place(
        tile.first[t], tile.last[t], tile.latest[t], sd,
        nodes.times, nodes.shares, nodes.away, nodes.bells,
    )  # fmt: skip
    _stretch(
        rate, nodes.times, nodes.shares, nodes.stretched, nodes.paces, nodes.overs,
        nodes.weights, nodes.faster, nodes.steeper,
    )  # fmt: skip


@_compiled
def limits(outputs, plain, components, rate):  # type: ignore[no-untyped-def]
    """Return how fast densities of late times fall, at most and at least, and r of early ones."""
    fastest, slowest, barrier = 0.0, np.inf, np.inf
    nothing = np.empty_like(outputs)
    for first in range(0, plain.shape[1], components):
        span = (first, first + components)
        whole, mean = log_whole(outputs, span, 0.0, nothing), 0.0
        for j in range(span[0], span[1]):
            log_share = outputs[j] - whole
            mean += math.exp(log_share) * plain[1, j]
            slowest = min(slowest, plain[1, j])
            # Rare components begin as late as that.
            left = max(1.0 + log_share / DROP, 1.0 / DROP)
            barrier = min(barrier, plain[2, j] / left)
        fastest = max(fastest, mean)
    return fastest, slowest, DROP * relax(barrier / DROP, rate)
