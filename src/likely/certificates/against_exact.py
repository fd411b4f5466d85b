"""Errors of a likelihood against the exact density, set by set."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from likely.certificates.measures import AgainstExact, Spread, places, quarters, rounded_row
from likely.certificates.queries import (
    choice_probabilities,
    log_densities,
    survivals,
)
from likely.certificates.region import MARGIN, Region
from likely.densities.quadrature import POINTS, quadrature
from likely.densities.twin import ExactTwin, FirstPassage
from likely.errors import ParameterError
from likely.likelihood import Likelihood
from likely.simulation import available_cores
from likely.typing import FloatArray

WORST = 5
PLAUSIBLE = 1e-7  # density below which single points are not judged
LARGEST = 1000.0  # errors of a log density count as no larger, so that they stay finite
SLOPE_STEP = 0.01  # in log time
STEP = 0.4 * MARGIN  # of a parameter, in box widths: the stencil reaches two steps
STENCIL = (-2, -1, 1, 2)
# Weights of the stencil's fourth-order central difference, in units of one over the step.
DIFFERENCE = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0
EARLY_PANELS, LATE_PANELS = 6, 4
EARLY, LATE = 1e-4, 4.0  # how far before and after the exact density the mass of q is looked for
SHIFT_POINTS = 40  # nodes before the non-decision time


@dataclass(frozen=True)
class _Exact:
    """The exact density of one parameter set at the nodes of its quadrature."""

    times: FloatArray  # (n,)
    weights: FloatArray  # (n,)
    log_p: FloatArray  # (n, C)
    survival: FloatArray  # (n,)
    probabilities: FloatArray  # (C,)
    slopes: FloatArray  # d log p / d log time, (n, C)
    gradients: FloatArray | None  # by each shaping parameter in box widths, (n, C, shaping)


@dataclass(frozen=True)
class _Errors:
    """The errors at one parameter set."""

    log_density: float
    divergence: float
    pointwise: float
    slope: float
    gradient: float | None


def against_exact(
    likelihood: Likelihood,
    twin: ExactTwin,
    region: Region,
    rows: FloatArray,
    gradients: int,
    advance: Callable[[float], None],
) -> AgainstExact:
    """Compare a likelihood with the exact density at parameter sets.

    Args:
        likelihood: what to judge.
        twin: the exact density.
        region: the box of the sets.
        rows: parameter sets, (m, p).
        gradients: at how many of them gradients are compared.
        advance: told the share of the work just done.

    Raises:
        ParameterError: if the exact density can be had at none of the sets.
    """

    def solve(index: int) -> _Exact | None:
        return _solved(twin, region, rows[index], index < gradients)

    solved = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for exact in pool.map(solve, range(len(rows))):
            solved.append(exact)
            advance(0.9 / len(rows))
    kept = [i for i, exact in enumerate(solved) if exact is not None]
    if not kept:
        raise ParameterError("the exact density cannot be had anywhere in the box.")
    found = [exact for exact in solved if exact is not None]
    result = _compare(likelihood, region, rows[kept], found, len(rows) - len(kept))
    advance(0.1)
    return result


def _compare(
    likelihood: Likelihood, region: Region, rows: FloatArray, exact: list[_Exact], unsolved: int
) -> AgainstExact:
    sizes = [len(e.times) for e in exact]
    repeated = np.repeat(rows, sizes, axis=0)
    times = np.concatenate([e.times for e in exact])
    log_q, by_parameter = log_densities(likelihood, repeated, times)
    ends = np.cumsum(sizes)[:-1]
    parts = list(zip(exact, np.split(log_q, ends), np.split(by_parameter, ends), strict=True))
    errors = [_errors(region, *part) for part in parts]
    inside = [_finite_sum(e.weights, np.exp(q)) for e, q, _ in parts]
    deviations = np.array([e.log_density for e in errors])
    column = region.declaration.non_decision_column
    by_box = zip(region.declaration.names, rows.T, region.box.values(), strict=True)
    return AgainstExact(
        sets=len(rows),
        unsolved=unsolved,
        log_density=Spread.of(deviations),
        divergence=Spread.of([e.divergence for e in errors]),
        pointwise=Spread.of([e.pointwise for e in errors]),
        choice=_choice_errors(likelihood, rows, exact),
        survival=_survival_errors(likelihood, repeated, times, exact),
        mass=Spread.of(np.abs(inside + _outer_mass(likelihood, rows, exact) - 1.0)),
        early_mass=None if column is None else Spread.of(_early_mass(likelihood, rows)),
        gradient=Spread.of([e.gradient for e in errors if e.gradient is not None]),
        slope=None if column is None else Spread.of([e.slope for e in errors]),
        worst=places(region.declaration.names, rows, deviations, WORST),
        quarters=tuple(
            quarters(name, values, deviations, limits)
            for name, values, limits in by_box
            if name != region.declaration.non_decision
        ),
        theta=tuple(rounded_row(row) for row in rows),
        errors=rounded_row(deviations),
    )


def _solved(
    twin: ExactTwin, region: Region, row: FloatArray, with_gradients: bool
) -> _Exact | None:
    try:
        passage = twin.solve(row)
        times, weights = quadrature(passage)
        gradients = _gradients(twin, region, row, times) if with_gradients else None
    except ParameterError:
        return None
    return _Exact(
        times,
        weights,
        passage.log_density(times),
        np.exp(passage.log_survival(times)),
        passage.probabilities,
        _slopes(passage, times),
        gradients,
    )


def _difference(values: list[FloatArray]) -> FloatArray:
    """Return the central difference of values at the stencil; NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.tensordot(DIFFERENCE, np.stack(values), axes=1)


def _slopes(passage: FirstPassage, times: FloatArray) -> FloatArray:
    values = [passage.log_density(times * np.exp(k * SLOPE_STEP)) for k in STENCIL]
    return _difference(values) / SLOPE_STEP


def _gradients(twin: ExactTwin, region: Region, row: FloatArray, times: FloatArray) -> FloatArray:
    """Return the gradient of log p by the shaping parameters, in units of box widths."""
    columns = []
    for j in region.declaration.shaping:
        step = np.zeros(len(row))
        step[j] = STEP * region.width[j]
        values = [twin.solve(row + k * step).log_density(times) for k in STENCIL]
        columns.append(_difference(values) / STEP)
    return np.stack(columns, axis=-1)


def _errors(region: Region, exact: _Exact, log_q: FloatArray, by_parameter: FloatArray) -> _Errors:
    """Return the errors at one set; its gradients are (n, C, p)."""
    p = np.exp(exact.log_p)
    shares = exact.weights[:, None] * p
    shares = shares / shares.sum()
    with np.errstate(invalid="ignore"):
        signed = np.where(p > 0.0, exact.log_p - log_q, 0.0)
    signed = np.clip(np.nan_to_num(signed, nan=LARGEST), -LARGEST, LARGEST)
    plausible = np.where(p > PLAUSIBLE, np.abs(signed), 0.0)
    column = region.declaration.non_decision_column
    slope = 0.0
    if column is not None:  # the response time is the decision time plus t: d/dt = -d/ds
        in_log_time = -exact.times[:, None] * by_parameter[..., column]
        slope = _mean_error(shares, np.abs(in_log_time - exact.slopes), np.isfinite(exact.slopes))
    gradient = None
    if exact.gradients is not None:
        shaping = list(region.declaration.shaping)
        scaled = _at_fixed_decision_time(region, by_parameter)[..., shaping] * region.width[shaping]
        lengths = np.linalg.norm(scaled - exact.gradients, axis=-1)
        gradient = _mean_error(shares, lengths, np.isfinite(exact.gradients).all(axis=-1))
    return _Errors(
        _finite_sum(shares, np.abs(signed)),
        _finite_sum(shares, signed),
        float(plausible.max()),
        slope,
        gradient,
    )


def _at_fixed_decision_time(region: Region, by_parameter: FloatArray) -> FloatArray:
    """Return gradients (n, C, p) at fixed response times as ones at fixed decision times.

    Decision times count from the earliest non-decision time, which is early by the spread.
    """
    spread, column = region.declaration.spread, region.declaration.non_decision_column
    if spread is None:
        return by_parameter
    gradients = by_parameter.copy()
    gradients[..., region.declaration.names.index(spread)] += by_parameter[..., column]
    return gradients


def _mean_error(shares: FloatArray, errors: FloatArray, known: np.ndarray) -> float:
    """Return the mean error, all (n, C), where the exact value is known.

    Errors that are not finite are the network's, and count as `LARGEST`.
    """
    capped = np.minimum(np.nan_to_num(errors, nan=LARGEST), LARGEST)
    return float(np.sum(np.where(known & (shares > 0.0), capped, 0.0) * shares))


def _finite_sum(weights: FloatArray, values: FloatArray) -> float:
    """Return the sum of weights (n,) or (n, C) times values (n, C), those that are finite."""
    weights = weights[:, None] if weights.ndim < values.ndim else weights
    usable = np.isfinite(values) & (weights > 0.0)
    return float(np.sum(np.where(usable, values, 0.0) * weights))


def _choice_errors(likelihood: Likelihood, rows: FloatArray, exact: list[_Exact]) -> Spread | None:
    probabilities = choice_probabilities(likelihood, rows)
    if probabilities is None:
        return None
    known = np.stack([e.probabilities for e in exact])
    return Spread.of(np.abs(probabilities - known).max(axis=1))


def _survival_errors(
    likelihood: Likelihood, repeated: FloatArray, times: FloatArray, exact: list[_Exact]
) -> Spread | None:
    left = survivals(likelihood, repeated, times)
    if left is None:
        return None
    known = np.concatenate([e.survival for e in exact])
    ends = np.cumsum([len(e.times) for e in exact])[:-1]
    return Spread.of([float(np.max(part)) for part in np.split(np.abs(left - known), ends)])


def _outer_mass(likelihood: Likelihood, rows: FloatArray, exact: list[_Exact]) -> FloatArray:
    """Return the mass (m,) that q has before and after the times at which p has any."""
    nodes = [_outer_nodes(e) for e in exact]
    times, weights = (np.stack([pair[k] for pair in nodes]) for k in (0, 1))
    repeated = np.repeat(rows, times.shape[1], axis=0)
    log_q, _ = log_densities(likelihood, repeated, times.ravel())
    density = np.exp(log_q).sum(axis=1).reshape(times.shape)
    return np.asarray((density * weights).sum(axis=1))


def _outer_nodes(exact: _Exact) -> tuple[FloatArray, FloatArray]:
    """Return times and weights beside the quadrature of p, whose panels end near its last nodes."""
    first, last = _ends(exact)
    early = np.linspace(np.log(first * EARLY), np.log(first), EARLY_PANELS + 1)
    late = np.linspace(np.log(last), np.log(last * LATE), LATE_PANELS + 1)
    pieces = [_log_panels(edges) for edges in (early, late)]
    return (
        np.concatenate([times for times, _ in pieces]),
        np.concatenate([weights for _, weights in pieces]),
    )


def _ends(exact: _Exact) -> tuple[float, float]:
    """Return where the quadrature of p begins and ends: half a Gauss weight beyond its nodes."""
    logs, steps = np.log(exact.times), exact.weights / exact.times
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    gap = (1.0 + nodes[0]) / weights[0]  # from a panel's edge to its first node, in its weights
    return float(np.exp(logs[0] - gap * steps[0])), float(np.exp(logs[-1] + gap * steps[-1]))


def _log_panels(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Gauss nodes and weights for integrals over time, in panels between log times."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    half = 0.5 * np.diff(edges)[:, None]
    times = np.exp(edges[:-1, None] + half + half * nodes).ravel()
    return times, (half * weights).ravel() * times


def _early_mass(likelihood: Likelihood, rows: FloatArray) -> FloatArray:
    """Return the mass (m,) that q has before the non-decision time."""
    nodes, weights = np.polynomial.legendre.leggauss(SHIFT_POINTS)
    shift = likelihood.declaration.onset(rows)[:, None]
    times = 0.5 * shift * (nodes - 1.0)  # decision times, all negative
    repeated = np.repeat(rows, SHIFT_POINTS, axis=0)
    log_q, _ = log_densities(likelihood, repeated, times.ravel())
    density = np.exp(log_q).sum(axis=1).reshape(times.shape)
    return np.asarray((0.5 * shift * weights * density).sum(axis=1))
