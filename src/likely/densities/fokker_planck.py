"""The exact twin of any one-dimensional diffusion: a numerical solution, refined as needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.interpolate import make_interp_spline

from likely.densities import collocation
from likely.densities.collocation import Basis, Flow
from likely.densities.integrated import IntegratedPassage
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ParameterError
from likely.kernels import compiled
from likely.typing import FloatArray

DEGREES = (16, 24, 36, 54, 80)  # numbers of nodes in space, tried in turn
CUTS = (2, 4, 8, 16, 32)  # steps between two nodes in time, tried in turn
ROOM = 4096  # nodes in time at most
PACE = 0.02  # seconds: a step at most where the drift depends on time, lest it miss a pulse
SMOOTH = 5  # degree of the spline between nodes in time
CLOSE = 0.3  # of the tolerance goes to errors in space

_MARCH = """
def march(basis, flow, node, y0, row, pace, times, count, cuts, clocks, logs):
    return follow(
        basis, flow, node, y0, row, pace, times, count, cuts, clocks, logs, drift, boundary
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
        space, nodes, clocks, coarse = self._planned(y0, row, tolerance)
        before, error = coarse, math.inf
        for cuts in CUTS:
            logs = np.empty_like(coarse)
            self.march(
                space,
                flow(space),
                flow(space),
                y0,
                row,
                self.pace,
                nodes,
                len(nodes),
                cuts,
                clocks,
                logs,
            )
            better = logs + (logs - coarse) / 3.0  # the error falls with the square of the step
            if cuts > CUTS[0]:
                error = _difference(better, before, nodes, clocks, y0)
            coarse, before = logs, better
            if error < tolerance:
                return self._passage(nodes, clocks, better, y0, row)
        raise ParameterError(
            f"the density at {np.round(row, 6).tolist()} is known to {error:.1g} only, not to "
            f"{tolerance:g}; is the drift or the boundary discontinuous?"
        )

    def _planned(
        self, y0: float, row: FloatArray, tolerance: float
    ) -> tuple[Basis, FloatArray, FloatArray, FloatArray]:
        """Choose nodes in space and time: return them, the clock and the first solution."""
        rough = math.inf
        for n in DEGREES:
            space = basis(n)
            nodes, clocks, logs = np.empty(ROOM), np.empty(ROOM), np.empty((ROOM, 2))
            count, rough = self.march(
                space, flow(space), flow(space), y0, row, self.pace, nodes, 0, 1, clocks, logs
            )
            if rough < CLOSE * tolerance:
                return space, nodes[:count].copy(), clocks[:count], logs[:count].copy()
        raise ParameterError(
            f"the density at {np.round(row, 6).tolist()} is too rough to solve for (by {rough:.1g}); "
            "is the drift discontinuous over the evidence?"
        )

    def _passage(
        self, nodes: FloatArray, clocks: FloatArray, logs: FloatArray, y0: float, row: FloatArray
    ) -> FirstPassage:
        spline = make_interp_spline(np.log(nodes), logs, k=SMOOTH)
        flux = np.logaddexp.reduce(_log_flux(logs[-2:], clocks[-2:], y0), axis=1)
        decay = float((flux[0] - flux[1]) / (nodes[-1] - nodes[-2]))

        def log_density(times: FloatArray) -> FloatArray:
            out = np.full((len(times), 2), -np.inf)
            some = (times > 0.0) & (times < np.inf)
            inside = np.minimum(times[some], nodes[-1])
            values = np.empty((len(inside), 2))
            self.references(inside, nodes, clocks, y0, row, values)
            values += spline(np.log(np.maximum(inside, nodes[0])))
            out[some] = values - decay * (times[some] - inside)[:, None]
            return out

        return IntegratedPassage(nodes, log_density, max(decay, 1e-300))


def _log_flux(logs: FloatArray, clocks: FloatArray, y0: float) -> FloatArray:
    """Return log densities at nodes, (m, 2)."""
    return logs + [collocation.log_reference(u, y0) for u in clocks]


def _difference(
    one: FloatArray, other: FloatArray, nodes: FloatArray, clocks: FloatArray, y0: float
) -> float:
    """Return the difference of two log densities at nodes, averaged over the density."""
    density = np.exp(_log_flux(one, clocks, y0))
    with np.errstate(invalid="ignore"):
        difference = np.where(density > 0.0, np.abs(one - other), 0.0)
    return float(np.trapezoid((density * difference).sum(axis=1) * nodes, np.log(nodes)))


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
