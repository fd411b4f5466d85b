"""Error and time of exact densities, beside PyDDM's solvers in the same run.

    uv run python benchmarks/exact.py

Errors are E|dlog p|, the mean over the true density of the error of its logarithm (at most 10
where the peer has no density). The truth is a Wiener series for the ddm, a closed form for the
angle model; for the others it is our own solution at a tolerance of 3e-7, which is checked against
the peer: the peer's error must go to zero with its step. The peer (`peers/pyddm_exact.py`) runs in
an environment of its own, at several steps; its bins are read at their ends or in their middles,
whichever is better. What is left of the error of its analytical solver is that of reading between
its bins; verdicts compare numerical solvers alone. Times are medians of one solution at one
parameter set on one thread; ours include the density at a thousand times.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import likely as lk
from likely.densities.fokker_planck import fokker_planck_twin
from likely.densities.quadrature import refined_quadrature
from likely.densities.twin import ExactTwin, FirstPassage
from likely.typing import FloatArray

PEER = Path(__file__).parent / "peers" / "pyddm_exact.py"
STEPS = (0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5)
TRUTH = 3e-7  # tolerance of our solution where it serves as the truth
SHARE = 0.9999  # decided within the time that the peer is asked to cover
CAP = 10.0  # of the error of a log density
REPEATS = 15


class Case(NamedTuple):
    """One model at one parameter set.

    Args:
        model: the peer's name for it.
        theta: its parameters, evidence starting midway.
        twin: our numerical solution.
        truth: the true distribution.
        formula: our series or closed form, if there is one.
        methods: those of the peer.
    """

    model: str
    theta: dict[str, float]
    twin: ExactTwin
    truth: FirstPassage
    formula: ExactTwin | None
    methods: tuple[str, ...]

    @property
    def row(self) -> FloatArray:
        """The parameters in order."""
        return np.array(list(self.theta.values()))


class Entry(NamedTuple):
    """One line of the table."""

    solver: str
    milliseconds: float
    error: float


def numerical(
    drift: Callable[..., float], boundary: Callable[..., float], theta: dict[str, float]
) -> ExactTwin:
    """Return our numerical solution for evidence that starts midway."""
    return fokker_planck_twin(drift, boundary, lambda: 0.0, tuple(theta))


def cases() -> list[Case]:
    """Return what is compared."""
    v, a = 1.0, 1.5
    ddm, angle = {"v": v, "a": a}, {"v": v, "a": a, "theta": 0.3}
    series, closed = lk.models["ddm"].twin, lk.models["angle"].twin
    constant = numerical(lambda v: v, lambda a: a, ddm)
    linear = numerical(lambda v: v, lambda s, a, theta: a - s * np.tan(theta), angle)
    both = ("analytical", "implicit")
    found = [
        Case("ddm", ddm, constant, series.solve(np.array([v, a, 0.5, 0.0])), series,
             (*both, "cn")),
        Case("angle", angle, linear, closed.solve(np.array([v, a, 0.5, 0.0, 0.3])), closed, both),
    ]  # fmt: skip
    for name, theta, drift, boundary in (
        ("weibull", {"v": v, "a": a, "alpha": 2.0, "beta": 1.0}, lambda v: v,
         lambda s, a, alpha, beta: a * np.exp(-((s / beta) ** alpha))),
        ("ornstein", {"v": v, "a": a, "g": 0.7}, lambda x, v, g: v - g * x, lambda a: a),
        ("changing drift", {"v": 2.0, "a": 1.0, "k": 3.0},
         lambda s, v, k: v * (1.0 - 2.0 * np.exp(-k * s)), lambda a: a),
    ):  # fmt: skip
        twin = numerical(drift, boundary, theta)
        truth = twin.solve(np.array(list(theta.values())), TRUTH)
        methods = ("implicit",) if name == "weibull" else ("implicit", "cn")
        found.append(Case(name, theta, twin, truth, None, methods))
    return found


class Judge(NamedTuple):
    """The measure of error: nodes, weights and true log densities (n, 2)."""

    times: FloatArray
    weights: FloatArray
    logs: FloatArray

    def error(self, logs: FloatArray) -> float:
        """Return E|dlog p| of log densities (n, 2)."""
        differences = np.minimum(np.abs(logs - self.logs), CAP)
        return float((np.exp(self.logs) * differences * self.weights[:, None]).sum())


def judge(truth: FirstPassage) -> tuple[Judge, float]:
    """Return the measure, and the time within which all but a little is decided."""
    times, weights = refined_quadrature(truth)
    duration = float(times[np.exp(truth.log_survival(times)) < 1.0 - SHARE][0])
    inside = times < duration
    times, weights = times[inside], weights[inside]
    return Judge(times, weights, truth.log_density(times)), duration


def timed(solve: Callable[[], FirstPassage], duration: float) -> float:
    """Return the median milliseconds of a solution and a thousand densities."""
    grid = np.linspace(0.0, duration, 1001)[1:]
    solve()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        solve().log_density(grid)
        seconds.append(time.perf_counter() - began)
    return 1e3 * median(seconds)


def ours(case: Case, measure: Judge, duration: float) -> list[Entry]:
    """Return our lines."""
    entries = []
    if case.formula is not None:
        v, a, *rest = case.theta.values()
        row, formula = np.array([v, a, 0.5, 0.0, *rest]), case.formula
        entries.append(Entry("likely, formula", timed(lambda: formula.solve(row), duration), 0.0))
    for tolerance in TOLERANCES:
        error = measure.error(case.twin.solve(case.row, tolerance).log_density(measure.times))
        spent = timed(lambda t=tolerance: case.twin.solve(case.row, t), duration)  # type: ignore[misc]
        entries.append(Entry(f"likely, solved to {tolerance:g}", spent, error))
    return entries


def theirs(case: Case, measure: Judge, duration: float) -> list[Entry]:
    """Return the peer's lines."""
    jobs = [
        {"model": case.model, "theta": case.theta, "method": method, "step": step,
         "duration": duration, "times": measure.times.tolist()}
        for method in case.methods for step in STEPS if method != "cn" or step >= 0.002
    ]  # fmt: skip
    entries = []
    for job, result in zip(jobs, ask_peer(jobs), strict=True):
        with np.errstate(divide="ignore"):
            readings = [np.log(np.array(result[key])) for key in ("at_ends", "at_middles")]
        error = min(measure.error(logs) for logs in readings)
        label = f"PyDDM, {job['method']}, {job['step']:g}"
        entries.append(Entry(label, result["milliseconds"], error))
    return entries


def ask_peer(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run jobs of the peer, in an environment of its own."""
    command = ["uv", "run", "--quiet", "--no-project", "--script", str(PEER)]
    done = subprocess.run(
        command, input=json.dumps(jobs), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def verdict(mine: list[Entry], its: list[Entry]) -> str:
    """Compare errors at equal time: each of ours with the peer's best that takes no longer."""
    numerical_ours = [e for e in mine if "formula" not in e.solver]
    numerical_its = [e for e in its if "analytical" not in e.solver]
    behind = [
        (one, other)
        for one in numerical_ours
        for other in numerical_its
        if other.milliseconds <= one.milliseconds and other.error <= one.error
    ]
    best, accurate = min(e.error for e in numerical_ours), min(e.error for e in numerical_its)
    said = "ahead on error at equal time" if not behind else "BEHIND on error at equal time"
    return f"{said}; smallest error {best:.1e}, the peer's at any cost {accurate:.1e}"


def main() -> None:
    """Run the benchmark."""
    print(f"{'model':15} {'solver':28} {'ms':>9} {'E|dlog p|':>10}")
    verdicts = []
    for case in cases():
        measure, duration = judge(case.truth)
        mine, its = ours(case, measure, duration), theirs(case, measure, duration)
        for entry in (*mine, *its):
            print(
                f"{case.model:15} {entry.solver:28} {entry.milliseconds:9.2f} {entry.error:10.1e}"
            )
        verdicts.append(f"{case.model}: {verdict(mine, its)}")
    print("\n" + "\n".join(verdicts))


if __name__ == "__main__":
    main()
