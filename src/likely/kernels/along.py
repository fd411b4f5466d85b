"""Log densities where one parameter alone changes from trial to trial, as under a regression.

The network is evaluated on a fixed grid of that parameter, and trials between its points take the
mixtures' coefficients, and their derivatives, from the polynomial through the eight nearest. That
costs less than the network at every trial by an order of magnitude. Where eighth differences say
that a log density would be wrong by more than `EXACT`, a trial is left to the network itself. That
is an estimate, and of log densities alone; `benchmarks/interpolation.py` measures what errors
remain in them and in derivatives.

`likely.kernels.pullback` computes the same with a network for every row, and says what the
arguments are.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.closing import close, stretch
from likely.kernels.lagrange import ABREAST, BEFORE, POINTS, contract, eighth, weigh
from likely.kernels.mixture import (
    REACH,
    inputs,
    kind_of,
    normalise,
    scale,
    scaled,
    supported,
    unpack,
)
from likely.kernels.mixture_terms import LEAST, MOST, coefficients
from likely.kernels.own_rows import pull_own_rows
from likely.kernels.perceptron import abreast, along, everything, forward, padded
from likely.kernels.rows import group_by, row_of
from likely.kernels.tiles import add_products
from likely.kernels.vectors import logarithm, share

SPACING = 1.0 / 64.0  # of the grid; inputs run from -1 to 1 over the box
SHARED = 2  # trials to a row from which on it is worth looking at rows
EXACT = 1e-6  # the estimated error of a log density above which a trial is not interpolated

_compiled = numba.njit(nogil=True, error_model="numpy")
_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_compiled
def varying(features, theta):  # type: ignore[no-untyped-def]
    """Return the last feature of the only column that varies; of some column if none does; or -1.

    Of a parameter that enters by its logarithm too, that is the last feature.
    """
    found = features.shape[0] - 1
    changing = -1
    for j in range(features.shape[0]):
        column = int(features[j, 0])
        if column != changing:
            first = theta[0, column]
            for r in range(1, theta.shape[0]):
                if theta[r, column] != first:
                    if changing >= 0:
                        return -1
                    changing = column
                    break
        if column == changing:
            found = j
    return found


@_compiled
def grid_of(layout, theta, j):  # type: ignore[no-untyped-def]
    """Return the first point of the grid for rows (r, p), in spacings, and how many there are.

    The grid is always the same, but for a parameter that does not vary, which is one of its points.

    There are none where rows or grid would leave what the network has seen or the support, or
    where rows are so few that the grid, with its derivatives, would cost more.
    """
    column, logarithm = int(layout.features[j, 0]), layout.features[j, 3] > 0
    centre, half = scale(layout.features, j)
    low, high = np.inf, -np.inf
    for r in range(theta.shape[0]):
        if not supported(layout.support, theta[r]):
            return 0.0, 0
        low, high = min(low, theta[r, column]), max(high, theta[r, column])
    left = scaled(low, logarithm, centre, half)
    right = scaled(high, logarithm, centre, half)
    if not (left >= -REACH and right <= REACH):
        return 0.0, 0
    first = left / SPACING - BEFORE
    points = POINTS + 1
    if low < high:
        first = math.floor(left / SPACING) - float(BEFORE)
        points = math.floor(right / SPACING) + 1 - BEFORE + POINTS - int(first)
    if first * SPACING < -REACH or (first + points - 1) * SPACING > REACH:
        return 0.0, 0
    rows = _grid(layout, theta[0], j, first, points)
    for k in range(layout.features.shape[0]):
        if int(layout.features[k, 0]) == column:
            centre, half = scale(layout.features, k)
            for i in (0, points - 1):
                end = scaled(rows[i, column], layout.features[k, 3] > 0, centre, half)
                if abs(end) > REACH:
                    return 0.0, 0
    return (first, points) if points * (theta.shape[1] + 1) <= theta.shape[0] else (0.0, 0)


@_compiled
def _grid(layout, row, j, first, points):  # type: ignore[no-untyped-def]
    """Return rows (points, p) along a grid, the other parameters those of a row."""
    column, logarithm = int(layout.features[j, 0]), layout.features[j, 3] > 0
    centre, half = scale(layout.features, j)
    rows = np.empty((points, row.shape[0]))
    for k in range(rows.shape[0]):
        for d in range(row.shape[0]):
            rows[k, d] = row[d]
        value = centre + half * SPACING * (first + k)
        rows[k, column] = math.exp(value) if logarithm else value
    return rows


@_compiled
def _columns(features):  # type: ignore[no-untyped-def]
    """Return the columns that enter the network, each once."""
    columns, count = np.empty(features.shape[0], dtype=np.int64), 0
    for j in range(features.shape[0]):
        if count == 0 or columns[count - 1] != int(features[j, 0]):
            columns[count] = int(features[j, 0])
            count += 1
    return columns[:count]


@_compiled
def _mixtures(weights, layout, rows, columns):  # type: ignore[no-untyped-def]
    """Return mixtures at rows, (rows, m), and derivatives by columns, (rows, q, m)."""
    count, p, size = rows.shape[0], rows.shape[1], layout.sizes[0]
    terms, width = layout.choices.shape[0] * layout.components, padded(count)
    x, dx = np.empty((count, size)), np.zeros((count, p, size))
    inputs(layout.features, rows, x, dx)
    directions = np.zeros((columns.shape[0], size, width))
    for d in range(columns.shape[0]):
        for i in range(count):
            for k in range(size):
                directions[d, k, i] = dx[i, columns[d], k]
    activations = np.empty(width * layout.sizes[1:-1].sum())
    values = np.empty((layout.sizes[-1], width))
    found = np.zeros((columns.shape[0], layout.sizes[-1], width))
    forward(weights, layout.sizes, abreast(x), activations, everything(layout.sizes), values)
    along(weights, layout.sizes, activations, directions, found)
    outputs = np.ascontiguousarray(values.T[:count])
    slopes = np.ascontiguousarray(found.transpose((2, 0, 1))[:count])
    normalise(outputs, slopes, terms)
    if outputs.shape[1] > 3 * terms:
        close(outputs, slopes, 3 * terms)
    return outputs, slopes


@_compiled
def _tables(layout, outputs, slopes):  # type: ignore[no-untyped-def]
    """Return a, b, c of all terms and the closing rate, (C, points, 3K + 1), and their derivatives.

    Those are (p, C, 3K + 1, points), given outputs (points, m) and slopes (points, p, m).
    """
    count, components = layout.choices.shape[0], layout.components
    points, terms, p = outputs.shape[0], count * components, slopes.shape[1]
    values = np.zeros((count, points, 3 * components + 1))
    derivatives = np.zeros((p, count, 3 * components + 1, points))
    for i in range(points):
        for c in range(count):
            value = values[c, i]
            if outputs.shape[1] > 3 * terms:
                value[3 * components] = outputs[i, 3 * terms]
                for d in range(p):
                    derivatives[d, c, 3 * components, i] = slopes[i, d, 3 * terms]
            coefficients(outputs[i], c * components, terms, value[:-1].reshape((3, components)))
            for k in range(components):
                j = c * components + k
                a, e = value[k], value[2 * components + k]
                ratio = 2.0 * math.sqrt(a * e)  # lambda / mu
                for d in range(p):
                    slope = derivatives[d, c, :, i]
                    by_mu, by_lambda = slopes[i, d, terms + j], slopes[i, d, 2 * terms + j]
                    slope[k] = a * (by_lambda - 2.0 * by_mu)
                    slope[components + k] = slopes[i, d, j] + 0.5 * by_lambda
                    slope[components + k] += ratio * (by_lambda - by_mu)
                    slope[2 * components + k] = e * by_lambda
    return values, derivatives


@_compiled
def _sorted(layout, theta, index, trials, j, first, points):  # type: ignore[no-untyped-def]
    """Return trials ordered by cell and choice, where each group begins, and places in cells.

    The last group holds trials of other kinds than a time and a choice.
    """
    n, count = trials.shape[0], layout.choices.shape[0]
    column, logarithm = int(layout.features[j, 0]), layout.features[j, 3] > 0
    centre, half = scale(layout.features, j)
    groups = (points - POINTS) * count + 1
    which, inside = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        value = theta[row_of(index, theta.shape[0], i), column]
        value = scaled(value, logarithm, centre, half) / SPACING - first
        cell = min(max(int(value) - BEFORE, 0), points - POINTS - 1)
        inside[i] = value - BEFORE - cell
        kind = kind_of(layout.choices, trials[i, 0], trials[i, 1])
        which[i] = cell * count + kind if kind < count else groups - 1
    order, begins = group_by(which, groups)
    return order, begins, inside


@_reordered
def _shares(found, u, v, tops, totals):  # type: ignore[no-untyped-def]
    """Replace b of each term by its share of the density, (K, n), before it is divided by totals.

    Sums of shares go to totals (n,), what the shares' logarithms are relative to to tops (n,).
    """
    components = (found.shape[0] - 1) // 3
    for i in range(ABREAST):
        tops[i], totals[i] = -np.inf, 0.0
    for k in range(components):
        a, b, c = found[k], found[components + k], found[2 * components + k]
        for i in range(ABREAST):
            b[i] += a[i] * u[i] + c[i] * v[i]
            tops[i] = max(tops[i], b[i])
    for k in range(components):
        b = found[components + k]
        for i in range(ABREAST):
            b[i] -= tops[i]
    shares = found[components : 2 * components].reshape(components * ABREAST)
    for i in range(shares.shape[0]):
        shares[i] = share(shares[i])  # a loop of its own, for a long one is faster
    for k in range(components):
        b = found[components + k]
        for i in range(ABREAST):
            totals[i] += b[i]


@_compiled
def _log_densities(v, stretched, tops, totals, result):  # type: ignore[no-untyped-def]
    """Write log densities to result (n,)."""
    for i in range(ABREAST):
        cubed = v[i] * v[i] * v[i]
        result[i] = tops[i] + stretched[1, i] + 0.5 * logarithm(totals[i] * totals[i] * cubed)


@_reordered
def _errors(differences, weights, found, stretched, u, v, totals, result):  # type: ignore[no-untyped-def]
    """Write to result (n,) errors of log densities, from eighth differences (q,) and shares."""
    components = (found.shape[0] - 1) // 3
    rate = differences[3 * components]
    by_rate, slope_by_rate = stretched[3], stretched[5]
    for i in range(ABREAST):
        result[i] = totals[i] * abs(rate * (slope_by_rate[i] - 1.5 * v[i] * by_rate[i]))
    for k in range(components):
        a, b = differences[k], differences[components + k]
        d = differences[2 * components + k]
        rise, part, fall = found[k], found[components + k], found[2 * components + k]
        for i in range(ABREAST):
            by_u = rise[i] - fall[i] * v[i] * v[i]
            error = a * u[i] + b + d * v[i] + rate * by_rate[i] * by_u
            result[i] += part[i] * abs(error)
    for i in range(ABREAST):
        result[i] *= weights[8, i] / totals[i]


@_reordered
def _by_coefficients(found, u, v, weighted, totals, stretched, by_u, by_s):  # type: ignore[no-untyped-def]
    """Turn a, share and c of terms, and the closing rate, into derivatives by a, b, c and rate.

    Those by decision times go to by_s (n,).
    """
    components = (found.shape[0] - 1) // 3
    for i in range(ABREAST):
        by_u[i] = -1.5 * v[i] * weighted[i]
        totals[i] = weighted[i] / totals[i]
    for k in range(components):
        a, b, c = found[k], found[components + k], found[2 * components + k]
        for i in range(ABREAST):
            by_b = b[i] * totals[i]
            by_u[i] += by_b * (a[i] - c[i] * v[i] * v[i])
            a[i], b[i], c[i] = by_b * u[i], by_b, by_b * v[i]
    last = found[3 * components]
    for i in range(ABREAST):
        by_s[i] = by_u[i] * stretched[2, i] + weighted[i] * stretched[4, i]
        last[i] = by_u[i] * stretched[3, i] + weighted[i] * stretched[5, i]


@_compiled
def _gather(  # type: ignore[no-untyped-def]
    layout, theta, index, trials, cotangents, chosen, mine, known, weighted, u
):
    """Write rows, whether there is a density, cotangents and decision times of the chosen trials.

    Where there is none, and beyond the last of them, the time is 1, of no weight.
    """
    u[:], weighted[:] = 1.0, 0.0
    for k in range(chosen.shape[0]):
        i = chosen[k]
        mine[k] = row_of(index, theta.shape[0], i)
        s = trials[i, 0]
        if layout.non_decision >= 0:
            s -= theta[mine[k], layout.non_decision]
        known[k] = LEAST < s < MOST
        if known[k]:
            weighted[k], u[k] = cotangents[i], s


@_compiled
def _stretch(rates, u, stretched):  # type: ignore[no-untyped-def]
    """Replace decision times by stretched ones; write what `stretch` returns, (6, ABREAST)."""
    for k in range(ABREAST):
        u[k], a, b, e, f, g = stretch(u[k], rates[k])
        stretched[0, k], stretched[1, k], stretched[2, k] = u[k], a, b
        stretched[3, k], stretched[4, k], stretched[5, k] = e, f, g


@_compiled
def pull_along(  # type: ignore[no-untyped-def]
    weights, layout, theta, index, trials, cotangents, j, first, points, values, gradient
):
    """Write log densities (n,) and add to gradient, rows (r, p) or none.

    Left as they are are those of trials of other kinds than a time and a choice, and those for
    which the polynomial is not exact enough. Returns how many are left for the latter reason.
    """
    wanted = gradient.shape[0] > 0
    columns = _columns(layout.features)
    rows = _grid(layout, theta[0], j, first, points)
    outputs, slopes = _mixtures(weights, layout, rows, columns[: columns.shape[0] * wanted])
    table, derivatives = _tables(layout, outputs, slopes)
    flat, flat_derivatives = table.ravel(), derivatives.ravel()
    order, begins, inside = _sorted(layout, theta, index, trials, j, first, points)
    count, components = layout.choices.shape[0], layout.components
    closing = outputs.shape[1] > 3 * count * components
    size = 3 * components + 1
    mine, where = np.empty(ABREAST, dtype=np.int64), np.zeros(ABREAST)
    polynomials, by_points = np.empty((POINTS + 1, ABREAST)), np.empty((POINTS, ABREAST))
    found, differences = np.empty((size, ABREAST)), np.empty(size)
    u, v, tops, totals = np.ones((4, ABREAST))
    weighted, by_u, by_s, each, error = np.zeros((5, ABREAST))
    by_rows = np.zeros((theta.shape[1], ABREAST))
    known = np.empty(ABREAST, dtype=np.bool_)
    stretched = np.zeros((6, ABREAST))  # as `stretch` returns them
    stretched[2] = 1.0
    left = 0
    for group in range(begins.shape[0] - 2):
        cell, c = group // count, group % count
        if begins[group] < begins[group + 1]:
            eighth(table[c, cell : cell + POINTS + 1], differences)
        for begin in range(begins[group], begins[group + 1], ABREAST):
            n = min(begins[group + 1] - begin, ABREAST)
            chosen = order[begin : begin + n]
            for k in range(n):
                where[k] = inside[chosen[k]]
            weigh(where, polynomials)
            found[:] = 0.0
            add_products(polynomials[:POINTS], flat, (c * points + cell) * size, size, found)
            _gather(layout, theta, index, trials, cotangents, chosen, mine, known, weighted, u)
            if closing:
                _stretch(found[3 * components], u, stretched)
            for k in range(ABREAST):
                v[k] = 1.0 / u[k]
            _shares(found, u, v, tops, totals)
            _log_densities(v, stretched, tops, totals, each)
            _errors(differences, polynomials, found, stretched, u, v, totals, error)
            for k in range(n):
                if not known[k]:
                    values[chosen[k]] = -np.inf
                elif error[k] <= EXACT:
                    values[chosen[k]] = each[k]
                else:
                    weighted[k] = 0.0
                    left += 1
            if not wanted:
                continue
            _by_coefficients(found, u, v, weighted, totals, stretched, by_u, by_s)
            for d in range(columns.shape[0]):
                by_points[:] = 0.0
                at = (d * count + c) * size * points + cell
                add_products(found, flat_derivatives, at, points, by_points)
                contract(polynomials, by_points, by_rows[columns[d]])
            if layout.non_decision >= 0:
                for k in range(ABREAST):
                    by_rows[layout.non_decision, k] = -by_s[k]
            for k in range(n):
                for d in range(theta.shape[1]):
                    gradient[mine[k], d] += by_rows[d, k]
    return left


@_compiled
def mixture_along(weights, whole, real, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
    """Do for some trials what `likely.kernels.pullback.mixture_pullback` does; others get nan.

    The others are trials of other kinds than a time and a choice; or all, where there is no grid
    and many share their rows.
    """
    for i in range(values.shape[0]):
        values[i] = np.nan
    layout, points = unpack(whole, real), 0
    left = trials.shape[0] if SHARED * theta.shape[0] >= trials.shape[0] else 0
    j = varying(layout.features, theta)
    if j >= 0:
        first, points = grid_of(layout, theta, j)
        if points > 0:
            plain = weights[: weights.shape[0] // 2]
            left = pull_along(
                plain, layout, theta, index, trials, cotangents, j, first, points, values, gradient
            )
    if left > 0:
        pull_own_rows(weights, layout, theta, index, trials, cotangents, values, gradient)
