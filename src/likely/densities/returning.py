"""How a boundary that moves changes the first passages of evidence that reflects at 0.

The boundary is at b(s) = a - k s. In units of b and on the clock u = s / (a b) it stands still, at
1, and Girsanov's factor takes the drift out of everything but the reflection, which becomes

    w_y = c(u) w at y = 0, with c(u) = v b = v a / (1 + k a u), for w_u = w_yy / 2 with w = 0 at 1.

With a constant m in place of c all is known (`reflected`). The difference is a source at 0: with V
the density at 0, V_m that of the process with m, and G the same for a start at 0,

    V(u) = V_m(u) + integral over u' from 0 to u of G(u - u') (m - c(u')) / 2 V(u'),

and the density of absorption is that of m plus the same integral with, in place of G, the density
of absorption from 0. We solve for V / V_m, which is smooth, as polynomials in sqrt(u) on windows,
by collocation; the past is carried on in eigenfunctions. With m the largest of c all terms are
positive, and keep their digits however small. Where the boundary rises c has no sensible bound, m
is c(0), and digits are lost, but few before almost everything has finished.

Sources: Cox and Miller (1965), The Theory of Stochastic Processes, section 5.7, for constant drift;
Anderson (1960), Annals of Mathematical Statistics 31, 165-197, for the clock. The integral equation
is Duhamel's principle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from likely.densities.normal import HALF_LOG_2PI, compiled, mills, mills_slope
from likely.densities.reflected import _LATE as LATE
from likely.densities.reflected import _TERMS as TERMS
from likely.densities.reflected import _eigenfunctions, _log_early_density
from likely.typing import FloatArray

NODES = 10  # of a window
X, W = (np.ascontiguousarray(part) for part in np.polynomial.legendre.leggauss(NODES))
_RULE = np.polynomial.legendre.leggauss(20)
_PLACES, _SHARES = 0.5 * (1.0 + _RULE[0]), 0.5 * _RULE[1]
_BARYCENTRIC = (1.0 - 2.0 * (np.arange(NODES) % 2)) * np.sqrt((1.0 - X * X) * W)
_REACH = 8.5  # standard deviations to which Gaussian factors are followed
_MOST = 80  # windows
_LONGEST = 2.0  # window, in u, of which eigenfunctions ask
_DECAY = 8.0  # log of the most by which evidence may decay in a window
_CLOCK = 140.0  # u, and
_RISE = 1e-5  # 1 + k a u, at which a solution ends
_FAINT = 27.0  # solutions also end where the density of log time is exp(-_FAINT) of its largest,
_CANCELLED = 1e-6  # or where so little is left of the density for constant m


class Still(NamedTuple):
    """Evidence between 0, where it reflects, and 1, with constant drift.

    Args:
        drift: the drift, m.
        start: where it starts, from 0 to below 1.
        rates: of the eigenfunctions, (K,).
        exits: their weights in the density of absorption, but for a factor exp(drift (1 - start)).
        exits_from_0: the same for a start at 0.
        visits: weights in the density at 0, but for a factor exp(-drift start).
        returns: the same for a start at 0.
    """

    drift: float
    start: float
    rates: FloatArray
    exits: FloatArray
    exits_from_0: FloatArray
    visits: FloatArray
    returns: FloatArray


class Windows(NamedTuple):
    """The ratio of the wanted density to that of the still process, window by window.

    Args:
        edges: square roots of the clock at which windows meet, ascending from 0: (windows + 1,).
        logs: log of the ratio at the nodes, (windows, NODES).
    """

    edges: FloatArray
    logs: FloatArray


@compiled
def still(v: float, a: float, k: float, x0: float) -> Still:
    """Return the process with constant drift: the largest of c on the clock, or c(0)."""
    drift, start = v * a, x0 / a
    if v < 0.0 < k:
        drift /= 1.0 + k * a * _CLOCK
    rates, exits = _eigenfunctions(drift, start)
    from_0 = _eigenfunctions(drift, 0.0)[1]
    ratio = np.empty(TERMS)
    for n in range(TERMS):
        square = 2.0 * rates[n] - drift * drift
        k = math.sqrt(abs(square))
        if k < 1e-4:
            ratio[n] = 2.0
        else:
            ratio[n] = 2.0 * (math.sin(k) if square > 0.0 else math.sinh(k)) / k
    return Still(drift, start, rates, exits, from_0, exits * ratio, from_0 * ratio)


@compiled
def log_exit(u: float, process: Still) -> float:
    """Log density of absorption at u > 0."""
    if u > LATE:
        shift = process.drift * (1.0 - process.start)
        return shift + _log_modes(u, process.rates, process.exits)
    return _log_early_density(u, process.drift, process.start)


@compiled
def _log_exit_from_0(u: float, process: Still) -> float:
    if u > LATE:
        return process.drift + _log_modes(u, process.rates, process.exits_from_0)
    return _log_early_density(u, process.drift, 0.0)


@compiled
def _log_visit(u: float, process: Still) -> float:
    """Log density at 0 at the time u > 0."""
    if u > LATE:
        shift = -process.drift * process.start
        return shift + _log_modes(u, process.rates, process.visits)
    return _log_early_visit(u, process.drift, process.start)


@compiled
def _log_return(u: float, process: Still) -> float:
    if u > LATE:
        return _log_modes(u, process.rates, process.returns)
    return _log_early_visit(u, process.drift, 0.0)


@compiled
def _log_modes(u: float, rates: FloatArray, weights: FloatArray) -> float:
    """Log of the sum of weights exp(-rates u)."""
    total = 0.0
    for n in range(TERMS):
        gap = (rates[n] - rates[0]) * u
        if gap > 38.0:
            break
        total += weights[n] * math.exp(-gap)
    return math.log(max(total, 0.0)) - rates[0] * u


@compiled
def _log_early_visit(u: float, drift: float, start: float) -> float:
    """Log of the inverse transform of (exp(-g start) - exp(-g (2 - start))) 2 / (g + drift)."""
    root = math.sqrt(u)
    far = 2.0 - start
    total = _visit(start, drift, root)
    faint = 2.0 * (1.0 - start) / u
    if faint < 38.0:
        total -= math.exp(-faint) * _visit(far, drift, root)
    exponent = 0.5 * start * start / u + drift * start + 0.5 * drift * drift * u
    return math.log(2.0 * max(total, 0.0) / root) - HALF_LOG_2PI - exponent


@compiled
def _visit(distance: float, drift: float, root: float) -> float:
    y = max(distance / root + drift * root, -37.0)
    if y < 6.0:
        return 1.0 - drift * root * mills(y)
    return mills_slope(y) + distance / root * mills(y)


@compiled
def interpolated(row: FloatArray, low: float, high: float, q: float) -> float:
    """Value at q of the polynomial through a row of values at a window's nodes."""
    x = (2.0 * q - low - high) / (high - low)
    above, below = 0.0, 0.0
    for j in range(NODES):
        gap = x - X[j]
        if gap == 0.0:
            return float(row[j])
        share = _BARYCENTRIC[j] / gap
        above += share * row[j]
        below += share
    return above / below


@compiled
def _spread(row: FloatArray, low: float, high: float, q: float, weight: float) -> None:
    """Add to a row of a matrix what takes values at a window's nodes to weight times that at q."""
    x = (2.0 * q - low - high) / (high - low)
    below = 0.0
    for j in range(NODES):
        gap = x - X[j]
        if gap == 0.0:
            row[j] += weight
            return
        below += _BARYCENTRIC[j] / gap
    for j in range(NODES):
        row[j] += weight * _BARYCENTRIC[j] / (x - X[j]) / below


@compiled
def windows(v: float, a: float, k: float, x0: float, process: Still) -> Windows:
    """Solve the integral equation, until hardly anything is left."""
    edges, logs = np.zeros(_MOST + 1), np.zeros((_MOST, NODES))
    ratios = np.zeros((_MOST, NODES))
    modes = np.zeros(TERMS)
    known, peak, count = 0, -math.inf, 0
    for m in range(_MOST):
        edges[m + 1] = _next_edge(edges[m], v, a, k, x0)
        wanted = _before(edges, m)
        while known < wanted:
            _advance(modes, edges, ratios, known, v, a, k, process)
            known += 1
        nodes = edges[m] + 0.5 * (edges[m + 1] - edges[m]) * (1.0 + X)
        _solve(nodes, edges, ratios, m, known, modes, v, a, k, process)
        smallest = 1.0
        for i in range(NODES):
            ratio = _exit_ratio(nodes[i], edges, ratios, m, known, modes, v, a, k, process)
            smallest = min(smallest, ratio)
            logs[m, i] = math.log(max(ratio, 1e-300))
        if smallest < _CANCELLED:
            break
        count = m + 1
        height = logs[m, -1] + log_mass(nodes[-1] ** 2, v, a, k, x0, process)
        peak = max(peak, height)
        end = edges[count] ** 2
        if height < peak - _FAINT or end > _CLOCK or 1.0 + k * a * end < _RISE:
            break
    return Windows(edges[: count + 1].copy(), logs[:count].copy())


@compiled
def _next_edge(edge: float, v: float, a: float, k: float, x0: float) -> float:
    """Square root of the clock at the end of the window that begins at `edge`."""
    if edge == 0.0:
        first = min(0.1, 0.25 * (1.0 - x0 / a))
        return min(first, x0 / a) if v < 0.0 < k and x0 > 1e-3 * a else first
    u = edge * edge
    c = v * a / (1.0 + k * a * u)
    end = min(2.25 * u, u + min(_LONGEST, _DECAY / (0.5 * c * c + 4.0)))
    if k < 0.0:
        end = min(end, 0.5 * (u - 1.0 / (k * a)))
    return math.sqrt(end)


@compiled
def _before(edges: FloatArray, m: int) -> int:
    """Number of windows that eigenfunctions can carry to window m."""
    count = 0
    while count < m and edges[m] ** 2 - edges[count + 1] ** 2 >= LATE:
        count += 1
    return count


@compiled
def _source(u: float, v: float, a: float, k: float, process: Still) -> float:
    return 0.5 * (process.drift - v * a / (1.0 + k * a * u))


@compiled
def log_mass(u: float, v: float, a: float, k: float, x0: float, process: Still) -> float:
    """Log density of u per u, or of time per time if the boundary rises; of the still process."""
    b = a / (1.0 + k * a * u)
    logs = log_exit(u, process) + log_factor(u, v, a, k, x0, process)
    if k < 0.0:
        return logs + math.log(u * a * b)
    return logs + 2.0 * math.log(b) + math.log(u)


@compiled
def log_factor(u: float, v: float, a: float, k: float, x0: float, process: Still) -> float:
    """Log of what takes densities of absorption on the clock to those of time."""
    b = a / (1.0 + k * a * u)
    y0, m = process.start, process.drift
    logs = 0.5 * k * (b - a * y0 * y0) + v * (b - x0) - 0.5 * v * v * u * a * b
    logs += 0.5 * m * m * u - m * (1.0 - y0)
    return logs - 0.5 * math.log(a) - 1.5 * math.log(b)


@compiled
def _advance(modes, edges, ratios, j, v, a, k, process):  # type: ignore[no-untyped-def]
    """Take the past, in units of the density at 0, from the beginning of window j to its end."""
    low, high = edges[j], edges[j + 1]
    end = high * high
    last = _log_visit(end, process)
    if j > 0:
        lag, change = end - low * low, _log_visit(low * low, process) - last
        for n in range(TERMS):
            modes[n] *= math.exp(change - process.rates[n] * lag)
    half = 0.5 * (high - low)
    for i in range(NODES):
        q = low + half * (1.0 + X[i])
        u = q * q
        weight = 2.0 * q * half * W[i] * _source(u, v, a, k, process) * ratios[j, i]
        change = _log_visit(u, process) - last
        for n in range(TERMS):
            modes[n] += weight * math.exp(change - process.rates[n] * (end - u))


@compiled
def _solve(nodes, edges, ratios, m, known, modes, v, a, k, process):  # type: ignore[no-untyped-def]
    """Write the ratios at the nodes of window m."""
    matrix, right = np.eye(NODES), np.ones(NODES)
    row = np.empty(NODES)
    for i in range(NODES):
        u = nodes[i] ** 2
        now = _log_visit(u, process)
        row[:] = 0.0
        if known > 0:
            right[i] += _carried(u, now, edges[known] ** 2, modes, process.returns, process)
            begin = 0.0
        else:
            begin = math.atan2(process.start, _REACH * nodes[i])
        lag = math.sqrt(u - edges[known] ** 2)
        for p in range(_PLACES.shape[0]):
            then, gap, weight = _place(p, u, lag, begin, 0.5 * math.pi, known > 0)
            change = _log_return(gap, process) + _log_visit(then, process) - now
            weight *= _source(then, v, a, k, process) * math.exp(change)
            q = math.sqrt(then)
            if q >= edges[m]:
                _spread(row, edges[m], edges[m + 1], q, weight)
            else:
                right[i] += weight * _ratio_at(q, edges, ratios, m)
        matrix[i] -= row
    ratios[m] = np.linalg.solve(matrix, right)


@compiled
def _exit_ratio(q, edges, ratios, m, known, modes, v, a, k, process):  # type: ignore[no-untyped-def]
    """Ratio of the density of absorption to that of the still process, at u = q^2 in window m."""
    u = q * q
    now = log_exit(u, process)
    total = 1.0
    begin, end = 0.0, 0.5 * math.pi
    if known > 0:
        shift = now - process.drift
        total += _carried(u, shift, edges[known] ** 2, modes, process.exits_from_0, process)
    else:
        begin, end = _peak(-_REACH * q, process.start), _peak(_REACH * q, process.start)
    lag = math.sqrt(u - edges[known] ** 2)
    for p in range(_PLACES.shape[0]):
        then, gap, weight = _place(p, u, lag, begin, end, known > 0)
        change = _log_exit_from_0(gap, process) + _log_visit(then, process) - now
        weight *= _source(then, v, a, k, process) * math.exp(change)
        total += weight * _ratio_at(math.sqrt(then), edges, ratios, m)
    return total


@compiled
def _peak(z: float, start: float) -> float:
    """Angle at which tan - start cot is z: way of evidence from the start to 0, and on to 1."""
    root = math.sqrt(z * z + 4.0 * start)
    if z < 0.0:
        return math.atan2(2.0 * start, root - z)
    return math.atan(0.5 * (z + root))


@compiled
def _place(
    p: int, u: float, lag: float, begin: float, end: float, recent: bool
) -> tuple[float, float, float]:
    """Time, what is left from it to u, and weight of a node of the integral up to u.

    The square root of what is left is the variable if the integral begins late, and if it begins at
    0 the angle whose sine is the square root of the share of the time in u: the ends are singular.
    """
    if recent:
        r = lag * _PLACES[p]
        return u - r * r, r * r, 2.0 * r * lag * _SHARES[p]
    angle = begin + (end - begin) * _PLACES[p]
    sine, cosine = math.sin(angle), math.cos(angle)
    weight = 2.0 * u * sine * cosine * (end - begin) * _SHARES[p]
    return u * sine * sine, u * cosine * cosine, weight


@compiled
def _carried(u, now, since, modes, weights, process):  # type: ignore[no-untyped-def]
    """Contribution of all before `since`, relative to exp(now)."""
    total = 0.0
    for n in range(TERMS):
        total += (
            weights[n] * modes[n] * math.exp(-(process.rates[n] - process.rates[0]) * (u - since))
        )
    change = _log_visit(since, process) - now - process.rates[0] * (u - since)
    return total * math.exp(change)


@compiled
def _ratio_at(q: float, edges: FloatArray, ratios: FloatArray, last: int) -> float:
    j = last
    while edges[j] > q:
        j -= 1
    return interpolated(ratios[j], edges[j], edges[j + 1], q)
