"""Error and time of exact densities of races with moving boundaries, and of two-stage decisions.

    uv run python benchmarks/stages.py

Accumulators whose boundary moves while evidence reflects at 0 are held against a closed form where
there is one (without drift they are a motion between two boundaries), and everywhere by their mass:
density and survival are solved for apart, and must add up to 1. Two-stage decisions are held
against adaptive quadrature of the density of one stage times the other's distribution.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from scipy.integrate import quad

from likely.densities.constant import WienerPassage
from likely.densities.linear import LinearTwin
from likely.densities.moving import MovingReflected
from likely.densities.quadrature import quadrature
from likely.densities.twin import FirstPassage
from likely.densities.two_stage import ParallelTwin, SequentialTwin
from likely.typing import FloatArray

ROWS, STAGES, SEED = 100, 10, 0
TIMES = 40
NODES = 400  # of masses
PATIENCE = 4.0  # seconds: how far masses are followed at most
# drift, boundary, start over boundary, slope: the boxes of the zoo, and a wider one
BOXES = {
    "in the zoo's box": ((0.0, 1.0, 0.0, -0.1), (2.5, 3.0, 0.9, 0.8)),
    "in a wider box": ((-2.0, 0.3, 0.0, -0.1), (6.0, 4.0, 0.95, 5.0)),
}
STAGE_BOX = ((-3.0, -3.0, -3.0, 0.5, 0.2, 0.2, 0.2), (3.0, 3.0, 3.0, 2.5, 0.8, 0.8, 0.8))


def rows(lower: tuple[float, ...], upper: tuple[float, ...], n: int) -> FloatArray:
    """Return rows (n, p) drawn uniformly from a box."""
    return np.random.default_rng(SEED).uniform(lower, upper, (n, len(lower)))


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long some work takes, the best of three."""
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return 1e3 * min(spent)


def moving(row: FloatArray) -> MovingReflected:
    """Return the accumulator of a row."""
    v, a, start, slope = row
    return MovingReflected(v, a, slope, start * a)


def mass_error(accumulator: MovingReflected, edge: float) -> float:
    """Return by how much the mass until a time and the survival then miss 1."""
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    inside = 0.5 * edge * (nodes + 1.0)
    decided = 0.5 * edge * float(shares @ np.exp(accumulator.log_density(inside)))
    return abs(decided + float(np.exp(accumulator.log_survival(np.array([edge])))[0]) - 1.0)


def formula_error(row: FloatArray) -> float:
    """Return E|dlog p| of a row without drift, where the closed form is the truth."""
    _, a, start, slope = row
    twin = LinearTwin(*(lambda r, i=i: r[i] for i in range(4)))  # type: ignore[misc]
    truth = twin.solve(np.array([0.0, a, slope, start]))
    times, weights = quadrature(truth)
    logs = np.logaddexp.reduce(truth.log_density(times), axis=1)
    found = MovingReflected(0.0, a, slope, start * a).log_density(times)
    some = np.isfinite(logs)
    return float((np.exp(logs) * np.abs(found - logs) * weights)[some].sum())


def high(row: FloatArray) -> FirstPassage:
    """Return the first stage of a row."""
    return WienerPassage(row[0], row[3], row[4])


def low(row: FloatArray, branch: int) -> FirstPassage:
    """Return the second stage in a branch."""
    return WienerPassage(row[1 + branch], row[3], row[5 + branch])


def density(passage: FirstPassage, choice: int) -> Callable[[float], float]:
    """Return the density of a choice as a function of time."""
    return lambda s: float(np.exp(passage.log_density(np.array([s]))[0, choice]))


def by_quadrature(row: FloatArray, end: float, parallel: bool) -> float:
    """Return the density of choice 0 at a time: both first choices fall on the lower side."""
    first, second = density(high(row), 0), density(low(row, 0), 0)
    if not parallel:
        return float(quad(lambda s: first(s) * second(end - s), 0.0, end, epsabs=0, limit=200)[0])
    done = [quad(f, 0.0, end, epsabs=0, limit=200)[0] for f in (first, second)]
    return first(end) * done[1] + done[0] * second(end)


def stages(twin: ParallelTwin | SequentialTwin, parallel: bool) -> tuple[float, float]:
    """Return the largest error of log p and the milliseconds of 40 densities."""
    errors, spent = [], []
    for row in rows(*STAGE_BOX, STAGES):
        passage = twin.solve(row)
        for end in (0.3, 0.8, 2.0):
            found = passage.log_density(np.array([end]))[0, 0]
            errors.append(abs(found - np.log(by_quadrature(row, end, parallel))))
        times = np.linspace(0.1, 3.0, TIMES)
        spent.append(milliseconds(lambda row=row, times=times: twin.solve(row).log_density(times)))
    return max(errors), median(spent)


def main() -> None:
    """Measure and print."""
    times = np.linspace(0.1, 2.0, TIMES)
    for label, box in BOXES.items():
        chosen = rows(*box, ROWS)
        ends = [row[1] / row[3] if row[3] > 0.0 else PATIENCE for row in chosen]
        masses = [
            mass_error(moving(row), min(0.5 * end, PATIENCE))
            for row, end in zip(chosen, ends, strict=True)
        ]
        formulas = [formula_error(row) for row in chosen]
        spent = [milliseconds(lambda row=row: moving(row).log_density(times)) for row in chosen]
        print(
            f"moving boundary, {ROWS} {label}: mass off by {median(masses):.0e} in the median, "
            f"{max(masses):.0e} at most; without drift E|dlog p| {median(formulas):.0e}, "
            f"{max(formulas):.0e}; {median(spent):.1f} ms for {TIMES} densities",
            flush=True,
        )
    for label, twin, parallel in (
        ("parallel", ParallelTwin(high, low), True),
        ("sequential", SequentialTwin(high, low), False),
    ):
        error, spent_ms = stages(twin, parallel)
        print(f"two stages, {label}: log p within {error:.0e}; {spent_ms:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
