"""Densities of decision times from draws: kernel estimates on a log scale, one a choice.

A Gaussian kernel estimate of the density of y = log s is made on a grid that is fine beside the
bandwidth, and the log of the result is interpolated, so that a label costs no more than a look-up.
Two things make it better than a plain estimate f:

- Twicing, 2 f - K * f with K the kernel, takes most of the bias off f (Stuetzle & Mittal 1979, in
  Smoothing Techniques for Curve Estimation, Springer). Bias matters more than noise here: networks
  trained on many parameter sets average noise out.
- Late times are few, and hazards of decision times hardly change once they are late. So all choices
  together give an exponential tail, to which the estimate gives way as draws become scarce.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from likely.kernels.caching import cached
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")

CELLS = 32  # grid cells a bandwidth: shares and interpolation err by up to 2e-3 in the log
REACH = 7  # bandwidths to which a kernel extends; there it is down to exp(-24) of its peak
FACTOR = 1.3  # bandwidth / (scale n^-1/5); 0.9 would suit a plain estimate, twicing wants more
PRIOR_DRAWS = 10.0  # weight of all choices' spread in that of one, in draws
SMALLEST = 1e-3  # bandwidth of times that are all the same
WIDEST = 4096.0  # bandwidths, at most, from the first to the last draw, which bounds the grid
LATE = 0.02  # share of decided draws that the tail is fitted to
FEWEST = 5  # late draws without which there is no tail
SHARE_DRAWS = 5.0  # weight of a choice's overall share in its share of the tail, in draws
TAIL_DRAWS = 20.0  # weight of the tail beside the draws within a kernel's reach


class Draws(NamedTuple):
    """Simulations of one parameter set.

    Args:
        times: decision times in seconds, (n,); NaN where undecided.
        which: index of each choice, (n,) int64; -1 where undecided.
        until: seconds at which a draw was given up as undecided.
    """

    times: FloatArray
    which: np.ndarray
    until: float


class Estimate(NamedTuple):
    """Joint densities of log decision time and choice.

    Args:
        draws: number of draws, decided or not.
        bandwidth: standard deviation of each choice's kernel, (C,); 0 for a choice without draws.
        origin: log decision time at which each choice's grid begins, (C,).
        log_density: log density on the grid, (C, G).
        late: decision time in seconds after which the tail matters.
        rate: hazard of the tail, per second.
        mass: probability of deciding for each choice in the tail, (C,).
    """

    draws: int
    bandwidth: FloatArray
    origin: FloatArray
    log_density: FloatArray
    late: float
    rate: float
    mass: FloatArray


@_compiled
def _spread(y, which, choice):  # type: ignore[no-untyped-def]
    """Return number, extremes and variance of log times of a choice; of all choices for -1."""
    n, mean, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for i in range(len(y)):
        if which[i] >= 0 and (choice < 0 or which[i] == choice):
            n += 1
            step = y[i] - mean
            mean += step / n
            squares += step * (y[i] - mean)
            low, high = min(low, y[i]), max(high, y[i])
    return n, low, high, squares / max(n, 1)


@_compiled
def _grids(y, which, choices):  # type: ignore[no-untyped-def]
    """Return bandwidth, origin and number of cells of each choice's grid."""
    pooled = _spread(y, which, -1)[3]
    bandwidth, origin = np.zeros(choices), np.zeros(choices)
    cells = np.zeros(choices, dtype=np.int64)
    for c in range(choices):
        n, low, high, variance = _spread(y, which, c)
        if n > 0:
            scale = math.sqrt((n * variance + PRIOR_DRAWS * pooled) / (n + PRIOR_DRAWS))
            h = max(FACTOR * scale * n**-0.2, SMALLEST, (high - low) / WIDEST)
            bandwidth[c], origin[c] = h, low - REACH * h
            cells[c] = int((high - low) / h * CELLS) + 2 * REACH * CELLS + 2
    return bandwidth, origin, cells


@_compiled
def _bin(y, which, choice, origin, width, cells):  # type: ignore[no-untyped-def]
    """Share the draws of a choice linearly between the nearest points of a grid."""
    weights = np.zeros(cells)
    for i in range(len(y)):
        if which[i] == choice:
            position = (y[i] - origin) / width
            cell = int(position)
            part = position - cell
            weights[cell] += 1.0 - part
            weights[cell + 1] += part
    return weights


@_compiled
def _smooth(weights, kernel):  # type: ignore[no-untyped-def]
    """Convolve with a kernel of odd length."""
    smoothed, n, half = np.zeros(len(weights)), len(weights), len(kernel) // 2
    for j in range(n):
        if weights[j] > 0.0:
            first, last = max(0, half - j), min(len(kernel), n + half - j)
            target, taps = smoothed[j - half + first : j - half + last], kernel[first:last]
            for k in range(len(target)):  # from 0 in both, so that it is vectorised
                target[k] += weights[j] * taps[k]
    return smoothed


@_compiled
def _kernel():  # type: ignore[no-untyped-def]
    """Return the kernel's weights on the grid; binning has added 1/6 cell^2 to a draw's spread."""
    kernel, total = np.empty(2 * REACH * CELLS + 1), 0.0
    for k in range(len(kernel)):
        kernel[k] = math.exp(-0.5 * (k - REACH * CELLS) ** 2 / (CELLS**2 - 1.0 / 6.0))
        total += kernel[k]
    for k in range(len(kernel)):
        kernel[k] /= total
    return kernel


@_compiled
def _write_density(plain, smoother, scale, log_density):  # type: ignore[no-untyped-def]
    """Take the bias off a plain estimate, which may no more than halve it, and write its log."""
    for i in range(len(plain)):
        twiced = max(2.0 * plain[i] - smoother[i], 0.5 * plain[i])
        log_density[i] = math.log(scale * twiced)


@_compiled
def _tail(draws, choices, late):  # type: ignore[no-untyped-def]
    """Fit the tail after `late` seconds: return its hazard and each choice's mass in it."""
    overall, mass = np.zeros(choices), np.zeros(choices)
    decided, events, exposure = 0, 0, 0.0
    for i in range(len(draws.times)):
        if draws.which[i] >= 0:
            decided += 1
            overall[draws.which[i]] += 1.0
            if draws.times[i] > late:
                events += 1
                exposure += draws.times[i] - late
                mass[draws.which[i]] += 1.0
    if events == 0:
        return 0.0, mass
    undecided = len(draws.times) - decided
    exposure += undecided * (draws.until - late)
    share = (events + undecided) / len(draws.times)
    for c in range(choices):
        prior = SHARE_DRAWS * overall[c] / decided
        mass[c] = share * (mass[c] + prior) / (events + SHARE_DRAWS)
    return events / exposure, mass


def _estimate(draws, choices, late):  # type: ignore[no-untyped-def]
    """See `estimate`; the tail begins at `late` seconds."""
    y = np.empty(len(draws.times))
    for i in range(len(y)):
        y[i] = math.log(draws.times[i])
    bandwidth, origin, cells = _grids(y, draws.which, choices)
    widest = 1
    for c in range(choices):
        widest = max(widest, cells[c])
    log_density, kernel = np.full((choices, widest), -np.inf), _kernel()
    for c in range(choices):
        if bandwidth[c] > 0.0:
            width = bandwidth[c] / CELLS
            plain = _smooth(_bin(y, draws.which, c, origin[c], width, cells[c]), kernel)
            scale = 1.0 / (len(draws.times) * width)
            _write_density(plain, _smooth(plain, kernel), scale, log_density[c])
    rate, mass = _tail(draws, choices, late)
    return Estimate(len(draws.times), bandwidth, origin, log_density, late, rate, mass)


@_compiled
def _on_grid(estimate, choice, y):  # type: ignore[no-untyped-def]
    """Return the density of (y, choice) by interpolation of its log; 0 outside the grid."""
    h, values = estimate.bandwidth[choice], estimate.log_density[choice]
    position = (y - estimate.origin[choice]) / h * CELLS
    if not 0.0 <= position < len(values) - 1:
        return 0.0
    cell = int(position)
    part = position - cell
    if values[cell] == -np.inf or values[cell + 1] == -np.inf:
        return 0.0
    return math.exp((1.0 - part) * values[cell] + part * values[cell + 1])


@_compiled
def _log_density(estimate, choice, s):  # type: ignore[no-untyped-def]
    """Return the log density of decision time and choice, which may be -inf."""
    h = estimate.bandwidth[choice]
    if h == 0.0 or not s > 0.0:
        return -np.inf
    by_log = _on_grid(estimate, choice, math.log(s))
    if s <= estimate.late:
        return math.log(by_log / s)
    passed = estimate.rate * (s - estimate.late)
    tail = estimate.mass[choice] * estimate.rate * math.exp(-passed)
    near = by_log * estimate.draws * 2.0 * math.sqrt(math.pi) * h  # draws the estimate rests on
    weight = min(passed, 1.0) * TAIL_DRAWS / (TAIL_DRAWS + near)
    return math.log((1.0 - weight) * by_log / s + weight * tail)


def _label(estimate, times, which, floor, labels):  # type: ignore[no-untyped-def]
    """See `label`."""
    for i in range(len(labels)):
        labels[i] = max(_log_density(estimate, which[i], times[i]), floor)


def _tally(draws, shift, deadlines, survival, histogram):  # type: ignore[no-untyped-def]
    """See `tally`."""
    survival[:] = 0.0
    histogram[:] = 0.0
    bins, share = histogram.shape[0], 1.0 / len(draws.times)
    for i in range(len(draws.times)):
        rt = draws.times[i] + shift
        for d in range(len(deadlines)):
            survival[d] += 0.0 if rt <= deadlines[d] else 1.0  # undecided: rt is NaN
        if draws.which[i] >= 0:
            cell = min(max(int(rt / draws.until * bins), 0), bins - 1)
            histogram[cell, draws.which[i]] += 1.0
    survival *= share
    histogram *= share


@functools.cache
def _entry(function: Callable[..., Any]) -> Any:
    """Compile a function when first asked for, or load it from disk."""
    return cached(function, [function.__qualname__], nogil=True, error_model="numpy")


def estimate(draws: Draws, choices: int) -> Estimate:
    """Estimate the densities of so many choices.

    Up to `draws.until` they integrate to about the share of decided draws; they go on beyond it.
    """
    times = draws.times[draws.which >= 0]
    rank = len(times) - int(LATE * len(times))
    late = float(np.partition(times, rank)[rank]) if rank <= len(times) - FEWEST else math.inf
    return _entry(_estimate)(draws, choices, late)


def label(estimated: Estimate, times: FloatArray, which: np.ndarray, floor: float) -> FloatArray:
    """Return log densities, at least `floor`, of decision times (n,) and indices of choices (n,).

    They are `floor` where the decision time is not positive and for choices without a draw.
    """
    labels = np.empty(len(times))
    _entry(_label)(estimated, times, which, floor, labels)
    return labels


def tally(
    draws: Draws, shift: float, deadlines: FloatArray, choices: int, bins: int
) -> tuple[FloatArray, FloatArray]:
    """Count draws, `shift` seconds later each.

    Returns:
        The share without a response by each deadline, (D,), and the share of each bin and choice,
        (bins, choices): equal bins from 0 to `draws.until`, the last one with everything later.
    """
    survival, histogram = np.empty(len(deadlines)), np.empty((bins, choices))
    _entry(_tally)(draws, shift, deadlines, survival, histogram)
    return survival, histogram
