"""Draw trials from the classic networks in compiled float64, by tabulating the LAN's density."""

from __future__ import annotations

import math

import numba
import numpy as np

from likely.kernels.classic import log_choices, log_densities, shift_of, unpack
from likely.kernels.mixture import supported
from likely.kernels.rows import distinct_rows, group_by

_compiled = numba.njit(nogil=True, error_model="numpy")

GRID = 512  # decision times at which the density is tabulated


@_compiled
def _tabulate(weights, layout, row, cumulative, probabilities):  # type: ignore[no-untyped-def]
    """Write the mass of each choice up to each time of the grid, (C, GRID), and P(choice), (C,)."""
    choices = len(layout.choices)
    one, nothing = np.empty((1, len(row))), np.empty((0, len(row)))
    one[0] = row
    times, chosen = np.empty(GRID - 1), np.empty(GRID - 1, dtype=np.int64)
    which, values = np.zeros(GRID - 1, dtype=np.int64), np.empty(GRID - 1)
    for k in range(1, GRID):
        times[k - 1] = shift_of(layout, row) + _grid(layout, k)
    for c in range(choices):
        chosen[:] = c
        log_densities(weights, layout, one, which, times, chosen, values, nothing)
        cumulative[c, 0] = earlier = 0.0
        for k in range(1, GRID):
            density = math.exp(values[k - 1])
            width = _grid(layout, k) - _grid(layout, k - 1)
            cumulative[c, k] = cumulative[c, k - 1] + 0.5 * width * (earlier + density)
            earlier = density
        probabilities[c] = cumulative[c, GRID - 1]
    if len(layout.cpn) > 0:
        each = np.arange(choices)
        log_choices(weights, layout, one, np.zeros_like(each), each, probabilities, nothing)
        for c in range(choices):
            probabilities[c] = math.exp(probabilities[c])


@_compiled
def _grid(layout, k):  # type: ignore[no-untyped-def]
    """Return decision time k of the grid, which is finest near 0."""
    share = k / (GRID - 1)
    return layout.longest * share * share * share


@_compiled
def _draw(layout, cumulative, probabilities, shift, uniforms, trial):  # type: ignore[no-untyped-def]
    """Turn two uniforms into a trial."""
    level, c = uniforms[0] * probabilities.sum(), 0
    while c < len(probabilities) - 1 and probabilities[c] <= level:
        level -= probabilities[c]
        c += 1
    mass = uniforms[1] * cumulative[c, GRID - 1]
    k = min(max(np.searchsorted(cumulative[c], mass, side="right"), 1), GRID - 1)
    low, high = cumulative[c, k - 1], cumulative[c, k]
    share = (mass - low) / (high - low) if high > low else 0.5
    early, late = _grid(layout, k - 1), _grid(layout, k)
    trial[0] = shift + early + share * (late - early)
    trial[1] = layout.choices[c]


@_compiled
def classic_draws(weights, whole, real, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
    """Turn uniforms (n, 2) into trials (n, 2), by the inverse of the cumulative distribution.

    Parameters outside their support give (nan, nan).
    """
    layout = unpack(whole, real)
    representatives, which = distinct_rows(theta, len(normals))
    order, begins = group_by(which, len(representatives))
    choices = len(layout.choices)
    cumulative, probabilities = np.empty((choices, GRID)), np.empty(choices)
    for r in range(len(representatives)):
        row = theta[representatives[r]]
        inside = supported(layout.support, row)
        if inside:
            _tabulate(weights, layout, row, cumulative, probabilities)
        for k in range(begins[r], begins[r + 1]):
            i = order[k]
            if inside:
                shift = shift_of(layout, row)
                _draw(layout, cumulative, probabilities, shift, uniforms[i], trials[i])
            else:
                trials[i, 0] = trials[i, 1] = np.nan
