"""The exact twin of a one-dimensional diffusion: a numerical solution, refined as needed.

Drift may jump in time and boundaries may have kinks. What is refused, in a sentence: drift that is
discontinuous over the evidence; boundaries of infinite slope at the start, such as Weibull's with
alpha near 0.3, where evidence starts right beside them; and evidence that is caught for so long
that it takes more than `ROOM` steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from likely.densities import marching
from likely.densities.collocation import Basis, basis, room
from likely.densities.integrated import IntegratedPassage
from likely.densities.marching import Nodes, room_for_nodes
from likely.densities.motion import BOUNDARY, DRIFT, Motion
from likely.densities.segments import Segments
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ParameterError
from likely.kernels import compiled
from likely.kernels.caching import cached_entry
from likely.typing import FloatArray

DEGREES = (16, 24, 32, 42, 54, 68, 84, 110)  # numbers of nodes in space, tried in turn
CUTS = (2, 4, 8, 16)  # steps between two nodes in time, tried in turn
ROOM = 2048  # nodes in time at most
ORDERLY = 0.5  # change of a log density beyond which more steps do not lead to a limit in order
MOST_EXCESS = 1e-2  # of the probabilities' sum over 1
CLOSE = 0.3  # of the tolerance goes to errors in space

_DRIFT = """
def drift_entry(x, s, row):
    return function(x, s, row)
"""
_BOUNDARY = """
def boundary_entry(s, row):
    return function(s, row)
"""


@dataclass(frozen=True, eq=False)
class FokkerPlanckTwin(ExactTwin):
    """First passages of evidence that drifts as it likes between moving, symmetric boundaries.

    Args:
        drift: compiled C function (x, s, row).
        boundary: compiled C function (s, row).
        start: function of a parameter row: relative starting point in (-1, 1).
        uniform: whether drift is the same whatever the evidence.
        steady: whether drift is the same at all times.
    """

    drift: Any
    boundary: Any
    start: Callable[[FloatArray], Any]
    uniform: bool
    steady: bool

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
        motion = self._motion(y0, np.ascontiguousarray(row, dtype=np.float64))
        space, planned = self._planned(motion, tolerance)
        nodes = marching.halved(planned, motion)
        logs = _followed(space, nodes, 1, motion)
        before, error = _extrapolated(logs[::2], planned.logs), math.inf
        for cuts in CUTS:
            finer = _followed(space, nodes, cuts, motion)
            best = _extrapolated(finer, logs)
            error = _difference(best[::2], before, planned, motion)
            if error < tolerance:
                passage = _passage(nodes._replace(logs=best), motion)
                return _require_mass(passage, row, tolerance)
            logs, before = finer, best[::2]
        raise ParameterError(_too_far(row, error, tolerance, "more steps in time"))

    def _motion(self, y0: float, row: FloatArray) -> Motion:
        call = self.boundary.ctypes
        b0 = float(call(0.0, row.ctypes.data_as(call.argtypes[1])))
        return Motion(self.drift, self.boundary, row, y0, b0, self.uniform, self.steady)

    def _planned(self, motion: Motion, tolerance: float) -> tuple[Basis, Nodes]:
        """Choose nodes in space and time: return them and a first solution."""
        rough = math.inf
        for n in DEGREES:
            space, nodes = basis(n), room_for_nodes(ROOM)
            count, rough = marching.plan(room(space), space, nodes, motion)
            if count == ROOM:
                raise ParameterError(
                    f"the density at {_shown(motion.row)} takes more than {ROOM} steps in time to "
                    "solve for; does the evidence stay between the boundaries for ages?"
                )
            if rough < CLOSE * tolerance:
                return space, marching.first_nodes(nodes, count)
        remedy = (
            "a drift that is continuous over the evidence, and a boundary that does not fall on "
            "the start at once"
        )
        raise ParameterError(_too_far(motion.row, rough, tolerance, remedy))


def _followed(space: Basis, nodes: Nodes, cuts: int, motion: Motion) -> FloatArray:
    """Return logs of the solution at nodes, (m, 2), from that many steps between two of them."""
    logs = np.empty((len(nodes.times), 2))
    marching.follow(room(space), space, nodes, cuts, logs, motion)
    return logs


def _extrapolated(fine: FloatArray, coarse: FloatArray) -> FloatArray:
    """Return the limit of ever smaller steps: the error falls with the square of the step.

    Where next to nothing arrives there is no such order, as rounding decides: the fine one stays.
    """
    change = fine - coarse
    return fine + np.where(np.abs(change) < ORDERLY, change / 3.0, 0.0)


def _require_mass(passage: FirstPassage, row: FloatArray, tolerance: float) -> FirstPassage:
    """Return a solution; raise ParameterError if its probabilities are none."""
    excess = float(passage.probabilities.sum()) - 1.0
    if not excess < MOST_EXCESS:
        raise ParameterError(_too_far(row, excess, tolerance, "finer steps where drift changes"))
    return passage


def _shown(row: FloatArray) -> str:
    return str(np.round(row, 6).tolist())


def _too_far(row: FloatArray, error: float, tolerance: float, needed: str) -> str:
    """Say that the tolerance is not reached, and what it takes."""
    return (
        f"the density at {_shown(row)} is known to about {error:.2g} only, not to {tolerance:g}, "
        f"which takes {needed}."
    )


def _references(times: FloatArray, nodes: Nodes, motion: Motion) -> FloatArray:
    values = np.empty((len(times), 2))
    marching.references(times, nodes, motion, values)
    return values


def _passage(nodes: Nodes, motion: Motion) -> FirstPassage:
    smooth = Segments(nodes.times, nodes.logs, nodes.breaks)
    ends = nodes.logs[-2:] + _references(nodes.times[-2:], nodes, motion)
    flux = np.logaddexp.reduce(ends, axis=1)
    decay = float((flux[0] - flux[1]) / (nodes.times[-1] - nodes.times[-2]))

    def log_density(times: FloatArray) -> FloatArray:
        out = np.full((len(times), 2), -np.inf)
        some = (times > 0.0) & (times < np.inf)
        inside = np.minimum(times[some], nodes.times[-1])
        values = _references(inside, nodes, motion) + smooth(inside)
        out[some] = values - decay * (times[some] - inside)[:, None]
        return out

    return IntegratedPassage(nodes.times, log_density, max(decay, 1e-300))


def _difference(one: FloatArray, other: FloatArray, nodes: Nodes, motion: Motion) -> float:
    """Return the difference of two log densities, averaged over the density, the rest included."""
    flux = one + _references(nodes.times, nodes, motion)
    density, difference = np.exp(flux), np.abs(one - other)
    weighted = (density * difference).sum(axis=1) * nodes.times
    inside = np.trapezoid(weighted, np.log(nodes.times))
    step = nodes.times[-1] - nodes.times[-2]
    fall = -float(np.diff(np.logaddexp.reduce(flux[-2:], axis=1))[0])
    fall = max(fall, step / nodes.times[-1])  # it falls at least as 1 / s does
    changes = np.abs(np.diff(one[-2:] - other[-2:], axis=0)[0]) / fall
    rest = density[-1] * step / fall
    return float(inside + (rest * (difference[-1] + changes)).sum())


def fokker_planck_twin(
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
    names: Sequence[str],
) -> FokkerPlanckTwin:
    """Return the twin of a diffusion; see `likely.diffusions.Diffusion` for the functions."""
    used = compiled.argument_names(drift)
    return FokkerPlanckTwin(
        drift=_entry(_DRIFT, DRIFT, drift, ("x", "s"), names),
        boundary=_entry(_BOUNDARY, BOUNDARY, boundary, ("s",), names),
        start=compiled.of_row(start, names),
        uniform="x" not in used,
        steady="s" not in used,
    )


def _entry(
    source: str,
    signature: Any,
    function: Callable[..., Any],
    leading: Sequence[str],
    names: Sequence[str],
) -> Any:
    """Compile a model's function to a C function, kept on disk by what it computes."""
    adapter = compiled.row_adapter(function, leading, names)
    namespace: dict[str, Any] = {"__name__": __name__, "function": adapter}
    exec(source, namespace)  # noqa: S102
    (entry,) = (part for name, part in namespace.items() if name.endswith("_entry"))
    return cached_entry(entry, signature, (source, tuple(names), function))  # type: ignore[arg-type]
