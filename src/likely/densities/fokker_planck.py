"""The exact twin of any one-dimensional diffusion: a numerical solution, refined as needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from numpy.polynomial import chebyshev
from scipy.interpolate import make_interp_spline

from likely.densities import collocation
from likely.densities.collocation import Basis, Flow
from likely.densities.integrated import IntegratedPassage
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ParameterError
from likely.kernels import compiled
from likely.typing import FloatArray

BoolArray = NDArray[np.bool_]
DEGREES = (16, 24, 36, 54, 80)  # numbers of nodes in space, tried in turn
CUTS = (2, 4, 8, 16, 32)  # steps between two nodes in time, tried in turn
ROOM = 2048  # nodes in time at most
PACE = 0.02  # seconds: a step at most where the drift depends on time, lest it miss a pulse
SMOOTH = 5  # degree of the spline between nodes in time
CLOSE = 0.3  # of the tolerance goes to errors in space

_MARCH = """
def march(basis, one, two, y0, row, pace, plan, times, growths, breaks, cuts, clocks, logs):
    return follow(
        basis, one, two, y0, row, pace, plan, times, growths, breaks, cuts, clocks, logs,
        drift, boundary,
    )
"""
_REFERENCES = """
def references(times, nodes, clocks, y0, row, out):
    evaluate(times, nodes, clocks, y0, row, boundary, out)
"""


@functools.cache
def basis(n: int) -> Basis:
    """Return collocation at n Chebyshev nodes (Trefethen 2000, Spectral Methods in MATLAB)."""
    y = np.cos(np.pi * (np.arange(n)[::-1] + 0.5) / n)
    coefficients = np.linalg.inv(chebyshev.chebvander(y, n - 1))
    unit = np.eye(n)

    def matrix(points: FloatArray, change: Callable[[FloatArray], FloatArray]) -> FloatArray:
        columns = [chebyshev.chebval(points, change(unit[k])) for k in range(n)]
        return np.ascontiguousarray(np.stack(columns, axis=1) @ coefficients)

    ends = np.array([-1.0, 1.0])
    return Basis(
        y=y,
        first=matrix(y, chebyshev.chebder),
        second=matrix(y, lambda c: chebyshev.chebder(c, 2)),
        integral=matrix(np.append(y, ends), lambda c: chebyshev.chebint(c, lbnd=0.0)),
        ends=matrix(ends, lambda c: c),
        tail=np.ascontiguousarray(coefficients[-2:]),
    )


class Plan(NamedTuple):
    """What one solution hands on to the next, finer one.

    Args:
        nodes: decision times (m,).
        clocks: the scaled clock there.
        growths: rate of growth taken out before each node.
        breaks: whether drift or boundary is broken before each node.
    """

    nodes: FloatArray
    clocks: FloatArray
    growths: FloatArray
    breaks: BoolArray


def flow(space: Basis) -> Flow:
    """Return room for a drift."""
    n = len(space.y)
    return Flow(np.empty(n), np.empty(n), np.empty(n + 2))


@dataclass(frozen=True, eq=False)
class FokkerPlanckTwin(ExactTwin):
    """First passages of evidence that drifts as it likes between moving, symmetric boundaries.

    Args:
        march: compiled `likely.densities.collocation.march` of this diffusion.
        references: compiled `references` of it.
        start: function of a parameter row: relative starting point in (-1, 1).
        pace: longest step in seconds.
    """

    march: Any
    references: Any
    start: Callable[[FloatArray], Any]
    pace: float

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution of first passages at a parameter row (p,).

        Raises:
            ParameterError: if the evidence does not start between the boundaries, or the solution
                does not reach the tolerance.
        """
        return self.solve_from(float(self.start(row)), row, tolerance)

    def solve_from(self, y0: float, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Do the same for evidence that starts at y0, relative to the boundary, in (-1, 1)."""
        if not -1.0 < y0 < 1.0:
            raise ParameterError(f"evidence starts at {y0:g} boundaries; it must be in (-1, 1).")
        row = np.ascontiguousarray(row, dtype=np.float64)
        space, plan, logs = self._planned(y0, row, tolerance)
        before, error = logs, math.inf
        for cuts in CUTS:
            finer = np.empty_like(logs)
            self._march(space, y0, row, plan, finer, cuts)
            better = finer + (finer - logs) / 3.0  # the error falls with the square of the step
            if cuts > CUTS[0]:
                error = _difference(better, before, plan, y0)
            logs, before = finer, better
            if error < tolerance:
                return self._passage(plan, better, y0, row)
        raise ParameterError(
            f"the density at {np.round(row, 6).tolist()} is known to {error:.1g} only, not to "
            f"{tolerance:g}."
        )

    def _planned(
        self, y0: float, row: FloatArray, tolerance: float
    ) -> tuple[Basis, Plan, FloatArray]:
        """Choose nodes in space and time: return them and a first solution."""
        rough = math.inf
        for n in DEGREES:
            space = basis(n)
            plan, logs = (
                Plan(*(np.zeros(ROOM, kind) for kind in (float, float, float, bool))),
                np.empty((ROOM, 2)),
            )
            count, rough = self._march(space, y0, row, plan, logs)
            if rough < CLOSE * tolerance and count < ROOM:
                return space, Plan(*(part[:count].copy() for part in plan)), logs[:count].copy()
        raise ParameterError(
            f"the density at {np.round(row, 6).tolist()} is too rough to solve for (by "
            f"{rough:.1g}); is the drift discontinuous over the evidence?"
        )

    def _march(
        self, space: Basis, y0: float, row: FloatArray, plan: Plan, logs: FloatArray, cuts: int = 0
    ) -> tuple[int, float]:
        """Follow the solution between given nodes, or, without cuts, choose them."""
        return self.march(
            space, flow(space), flow(space), y0, row, self.pace,
            cuts == 0, plan.nodes, plan.growths, plan.breaks, max(cuts, 1), plan.clocks, logs,
        )  # fmt: skip

    def _passage(self, plan: Plan, logs: FloatArray, y0: float, row: FloatArray) -> FirstPassage:
        smooth = _Segments(plan, logs)
        flux = np.logaddexp.reduce(_log_flux(logs[-2:], plan.clocks[-2:], y0), axis=1)
        decay = float((flux[0] - flux[1]) / (plan.nodes[-1] - plan.nodes[-2]))

        def log_density(times: FloatArray) -> FloatArray:
            out = np.full((len(times), 2), -np.inf)
            some = (times > 0.0) & (times < np.inf)
            inside = np.minimum(times[some], plan.nodes[-1])
            values = np.empty((len(inside), 2))
            self.references(inside, plan.nodes, plan.clocks, y0, row, values)
            values += smooth(np.maximum(inside, plan.nodes[0]))
            out[some] = values - decay * (times[some] - inside)[:, None]
            return out

        return IntegratedPassage(plan.nodes, log_density, max(decay, 1e-300))


class _Segments:
    """Splines over log time between the times at which drift or boundary is broken."""

    def __init__(self, plan: Plan, logs: FloatArray) -> None:
        cuts = np.flatnonzero(plan.breaks[1:]) + 1
        self._ends = plan.nodes[cuts]
        parts = zip(np.split(plan.nodes, cuts), np.split(logs, cuts), strict=True)
        self._splines = [_spline(np.log(nodes), values) for nodes, values in parts]

    def __call__(self, times: FloatArray) -> FloatArray:
        """Return values (n, 2) at times (n,); those within a break are the value before it."""
        if len(self._splines) == 1:
            return self._splines[0](np.log(times))
        segment = np.searchsorted(self._ends, times, side="right")
        values = np.empty((len(times), 2))
        for k in np.unique(segment):
            chosen = segment == k
            values[chosen] = self._splines[k](np.log(times[chosen]))
        return values


def _spline(x: FloatArray, values: FloatArray) -> Callable[[FloatArray], FloatArray]:
    if len(x) == 1:
        return lambda at: np.broadcast_to(values, (len(at), 2))
    odd = min(SMOOTH, (len(x) - 1) // 2 * 2 + 1 if len(x) % 2 == 0 else (len(x) - 2) // 2 * 2 + 1)
    return make_interp_spline(x, values, k=odd)


def _log_flux(logs: FloatArray, clocks: FloatArray, y0: float) -> FloatArray:
    """Return log densities at nodes, (m, 2)."""
    return logs + [collocation.log_reference(u, y0) for u in clocks]


def _difference(one: FloatArray, other: FloatArray, plan: Plan, y0: float) -> float:
    """Return the difference of two log densities, averaged over the density, the rest included."""
    nodes = plan.nodes
    flux = _log_flux(one, plan.clocks, y0)
    density, difference = np.exp(flux), np.abs(one - other)
    inside = np.trapezoid((density * difference).sum(axis=1) * nodes, np.log(nodes))
    falls = -np.diff(flux[-2:], axis=0)[0]
    changes = np.abs(np.diff(one[-2:] - other[-2:], axis=0)[0]) / np.maximum(falls, 1e-12)
    rest = density[-1] * (nodes[-1] - nodes[-2]) / np.maximum(falls, 1e-12)
    return float(inside + (rest * (difference[-1] + changes)).sum())


def fokker_planck_twin(
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
    names: Sequence[str],
) -> FokkerPlanckTwin:
    """Return the twin of a diffusion; see `likely.model.Diffusion` for the functions."""
    functions = {
        "drift": compiled.row_adapter(drift, ("x", "s"), names),
        "boundary": compiled.row_adapter(boundary, ("s",), names),
    }
    identity = (tuple(names), drift, boundary)
    follow, evaluate = collocation.march, collocation.references
    march = compiled.build(
        _MARCH, "march", {"follow": follow, **functions}, (_MARCH, follow, *identity)
    )
    references = compiled.build(
        _REFERENCES, "references", {"evaluate": evaluate, **functions},
        (_REFERENCES, evaluate, *identity),
    )  # fmt: skip
    pace = PACE if "s" in compiled.argument_names(drift) else math.inf
    return FokkerPlanckTwin(march, references, compiled.of_row(start, names), pace)
