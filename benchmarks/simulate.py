"""Trajectories per second and bias of the simulators, beside ssm-simulators in the same run.

    uv run python benchmarks/simulate.py [--quick] [--only MODEL ...]

Both simulators run a model of each family at one parameter set, in alternating repeats; speeds are
medians over the repeats, biases pool all their draws. The peer runs in an environment of its own
(`peers/ssm_simulate.py`): once as its users call it, on one thread, and once at its best, in two
processes. Biases are differences from exact values: Wald's identity for the ddm, for the angle
model a Crank-Nicolson solution of the backward equation, which is checked on the ddm, and for
others their exact density. Where there is none, the means and shares themselves are printed.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_banded

from likely import models, simulate
from likely.densities.quadrature import quadrature

PEER = Path(__file__).parent / "peers" / "ssm_simulate.py"
DDM = {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.5}
ANGLE = {**DDM, "theta": 0.3}
WEIBULL = {**DDM, "alpha": 2.0, "beta": 2.0}
ORNSTEIN = {"v": 1.0, "a": 1.5, "z": 0.5, "g": 0.5, "t": 0.5}
LEVY = {"v": 1.0, "a": 1.5, "z": 0.5, "alpha": 1.5, "t": 0.5}
INPUTS = {"v0": 1.5, "v1": 1.0, "v2": 0.5}
RACE = {**INPUTS, "a": 1.5, "z0": 0.2, "z1": 0.2, "z2": 0.2, "t": 0.5}
LCA = {**RACE, "g": 0.5, "b": 0.5}
BALLISTIC = {"A": 0.3, "b": 0.5, "v0": 0.7, "v1": 0.5, "v2": 0.3}
SHARE_OF_BIAS = 0.1  # what has to be reached: bias over the peer's
TOLERANCE = 1e-7  # refinement of the backward equation stops below this change


class Exact(NamedTuple):
    """Mean reaction time in seconds and probability of the choice that is counted."""

    mean_rt: float
    share: float


UNKNOWN = Exact(0.0, 0.0)  # biases are then the means and shares themselves


class Case(NamedTuple):
    """One model at one parameter set, what is exactly true of it, and what has to be reached.

    Args:
        model: the name that it has here and there.
        theta: one value for each of its parameters.
        exact: what is true of it.
        times_faster: trajectories a second over the peer's that have to be reached.
        choice: the choice that is counted.
        patience: share of the trajectories of a repeat that is run, where the peer is slow.
    """

    model: str
    theta: dict[str, float]
    exact: Exact
    times_faster: float = 60.0
    choice: int = 1
    patience: float = 1.0

    @property
    def is_known(self) -> bool:
        """Whether there are exact values."""
        return self.exact is not UNKNOWN


class Effort(NamedTuple):
    """How much to simulate: alternating repeats, and trajectories a repeat of either simulator."""

    repeats: int
    ours: int
    peer: int


FULL = Effort(repeats=5, ours=10_000_000, peer=200_000)
QUICK = Effort(repeats=2, ours=4_000_000, peer=50_000)


@dataclass
class Tally:
    """Speeds of one simulator by number of threads or processes, and moments of all its draws."""

    speeds: dict[int, list[float]] = field(default_factory=lambda: {1: [], 2: []})
    n: int = 0
    undecided: int = 0
    rt_sum: float = 0.0
    rt_square: float = 0.0
    counted: float = 0.0

    def add(self, decided: int, mean_rt: float, sd_rt: float, share: float) -> None:
        """Pool the decided trials of one run."""
        self.n += decided
        self.rt_sum += decided * mean_rt
        self.rt_square += decided * (sd_rt**2 + mean_rt**2)
        self.counted += decided * share

    def speed(self, workers: int) -> float:
        """Return the median number of trajectories a second."""
        return median(self.speeds[workers])

    def bias_of_mean_rt(self, exact: Exact) -> tuple[float, float]:
        """Return the bias of the mean reaction time and its standard error, in seconds."""
        mean = self.rt_sum / self.n
        return mean - exact.mean_rt, math.sqrt((self.rt_square / self.n - mean**2) / self.n)

    def bias_of_choice(self, exact: Exact) -> tuple[float, float]:
        """Return the bias of the counted choice's probability and its standard error."""
        share = self.counted / self.n
        return share - exact.share, math.sqrt(share * (1 - share) / self.n)


def exact_value(model: str, theta: dict[str, float], choice: int) -> Exact:
    """Return exact values from a model's exact density; UNKNOWN if it has none."""
    twin, declaration = models[model].twin, models[model].declaration
    if twin is None:
        return UNKNOWN
    rows = declaration.rows(theta)
    passage = twin.solve(declaration.from_onset(rows)[0], 1e-6)
    times, weights = quadrature(passage, 20)
    density = np.exp(passage.log_density(times)) * weights[:, None]
    mean = (times @ density).sum() / density.sum()
    share = passage.probabilities[declaration.choices.index(choice)]
    return Exact(
        float(mean + declaration.onset(rows)[0]), float(share / passage.probabilities.sum())
    )


def exact_ddm(v: float, a: float, z: float, t: float) -> Exact:
    """Return exact values for the ddm with z = 1/2, from Wald's identity."""
    upper = 1 / (1 + math.exp(-2 * v * a))
    return Exact(t + (2 * upper - 1) * a / v, upper)


def exact_angle(v: float, a: float, z: float, t: float, theta: float) -> Exact:
    """Return exact values for the angle model with z = 1/2, from the backward equation."""
    slope = math.tan(theta)

    def widths(steps: int) -> np.ndarray:
        return a * np.logspace(0, -5, steps + 1)

    return refined(v, t, widths, lambda width: (a - width) / slope, -slope)


def backward_ddm(v: float, a: float, z: float, t: float) -> Exact:
    """Return values for the ddm from the backward equation, to check the latter."""

    def times(steps: int) -> np.ndarray:
        return np.linspace(0, 40, steps + 1)

    return refined(v, t, lambda steps: np.full(steps + 1, a), lambda w: times(len(w) - 1), 0.0)


def refined(
    v: float,
    t: float,
    widths: Callable[[int], np.ndarray],
    times: Callable[[np.ndarray], np.ndarray],
    slope: float,
) -> Exact:
    """Refine the grid, and extrapolate, until the values no longer change."""
    best, coarse, cells = None, None, 50
    while True:
        grid = widths(20 * cells)
        fine = backward(v, times(grid), grid, slope, cells)
        if coarse is not None:
            before, best = best, fine + (fine - coarse) / 3
            if before is not None and np.abs(best - before).max() < TOLERANCE:
                return Exact(t + best[1], best[0])
        coarse, cells = fine, 2 * cells


def backward(v: float, s: np.ndarray, b: np.ndarray, slope: float, cells: int) -> np.ndarray:
    """Solve the backward equation: return P(+1) and the mean decision time from the centre.

    On y = x/b(s) both u = P(+1) and u = E[remaining time] obey
    u_s + (v/b - y b'/b) u_y + u_yy / (2 b^2) + f = 0, with f = 0 and f = 1. What is solved for is
    u less its linear part (1 + y)/2, so that it vanishes at both boundaries. At the last of the
    times s the boundaries b have met, or next to nothing is left.
    """
    y = np.linspace(-1, 1, cells + 1)[1:-1]
    u = np.zeros((cells - 1, 2))
    after = discretised(v, b[-1], slope, y)
    for i in range(len(s) - 2, -1, -1):
        half = 0.5 * (s[i + 1] - s[i])
        here = discretised(v, b[i], slope, y)
        right = u + half * (apply(after[0], u) + after[1] + here[1])
        matrix = -half * here[0]
        matrix[1] += 1
        u = solve_banded((1, 1), matrix, right)
        after = here
    return u[(cells - 1) // 2] + np.array([0.5, 0.0])


def discretised(v: float, b: float, slope: float, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the three diagonals of the operator, in solve_banded's order, and the sources f."""
    h = y[1] - y[0]
    spread = np.full(len(y), 0.5 / (b * b * h * h))
    flow = (v - y * slope) / b
    diagonals = np.zeros((3, len(y)))
    diagonals[0, 1:] = (spread + 0.5 * flow / h)[:-1]
    diagonals[1] = -2 * spread
    diagonals[2, :-1] = (spread - 0.5 * flow / h)[1:]
    return diagonals, np.stack([0.5 * flow, np.ones(len(y))], axis=1)


def apply(diagonals: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Multiply a banded matrix with the columns of u."""
    product = diagonals[1][:, None] * u
    product[:-1] += diagonals[0, 1:][:, None] * u[1:]
    product[1:] += diagonals[2, :-1][:, None] * u[:-1]
    return product


def run_ours(case: Case, n: int, threads: int, seed: int, tally: Tally) -> None:
    """Time one repeat of `likely.simulate` and add its draws."""
    began = time.perf_counter()
    trials = simulate(case.model, case.theta, n, seed=seed, threads=threads, progress=False)
    tally.speeds[threads].append(n / (time.perf_counter() - began))
    decided = trials.dropna()
    tally.undecided += n - len(decided)
    share = (decided.choice == case.choice).mean()
    tally.add(len(decided), decided.rt.mean(), decided.rt.std(), share)


def run_peer(case: Case, n: int, processes: int, seed: int, tally: Tally) -> None:
    """Time one repeat of the peer, twice as many trajectories on two processes."""
    result = ask_peer(case, n=n * processes, processes=processes, seed=seed)
    tally.speeds[processes].append(n * processes / result["seconds"][0])
    decided = result["n"] - result["undecided"]
    tally.undecided += result["undecided"]
    tally.add(decided, result["mean_rt"], result["sd_rt"], result["choice_probability"])


def ask_peer(case: Case, **job: int) -> dict[str, Any]:
    """Run one job of the peer, in an environment of its own."""
    job_text = json.dumps(
        {"model": case.model, "theta": case.theta, "choice": case.choice, "repeats": 1, **job}
    )
    command = ["uv", "run", "--quiet", "--no-project", "--script", str(PEER)]
    done = subprocess.run(command, input=job_text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(case: Case, effort: Effort) -> tuple[Tally, Tally]:
    """Alternate the repeats of both simulators; return what was counted of ours and the peer's."""
    ours, peer = Tally(), Tally()
    n_ours, n_peer = (int(case.patience * n) for n in (effort.ours, effort.peer))
    simulate(case.model, case.theta, 1000, seed=0)  # compiles, or reads what was compiled
    for repeat in range(effort.repeats):
        for workers in (1, 2):
            seed = 2 * repeat + workers
            run_peer(case, n_peer, workers, seed, peer)
            run_ours(case, n_ours, workers, seed, ours)
    return ours, peer


def print_rows(case: Case, ours: Tally, peer: Tally) -> None:
    """Print four rows of the table."""
    for tally, labels in (
        (ours, {1: "likely, 1 thread", 2: "likely, 2 threads"}),
        (peer, {1: "ssm-simulators, 1 thread", 2: "ssm-simulators, 2 processes"}),
    ):
        for workers, label in labels.items():
            speed = tally.speed(workers)
            ratios = f"{speed / peer.speed(1):7.1f} {speed / peer.speed(2):11.1f}"
            print(
                f"{case.model:8} {label:28} {speed:14,.0f} {ratios}{biases(case, tally, workers)}"
            )


def biases(case: Case, tally: Tally, workers: int) -> str:
    """Return the biases of all draws of a simulator, or their mean, beside its first row."""
    if workers != 1:
        return ""
    rt, rt_error = tally.bias_of_mean_rt(case.exact)
    p, p_error = tally.bias_of_choice(case.exact)
    return f"  {rt:+.5f} +- {rt_error:.5f}  {p:+.6f} +- {p_error:.6f}"


def print_verdicts(case: Case, ours: Tally, peer: Tally) -> None:
    """Print what has to be reached and whether it is."""
    users = ours.speed(2) / peer.speed(1)
    best = ours.speed(2) / peer.speed(2)
    single = ours.speed(1) / peer.speed(1)
    goal = case.times_faster
    print(
        f"{case.model}: {users:.0f} times the peer as its users call it, on both cores "
        f"({verdict(users >= goal)} {goal:.0f}); thread for thread {single:.0f} "
        f"({verdict(single >= goal)}); against its two processes {best:.0f} "
        f"({verdict(best >= goal)})"
    )
    print(f"{case.model}: undecided {ours.undecided} of {ours.n} ours, {peer.undecided} the peer's")
    if not case.is_known:
        return
    for what, mine, its in (
        ("mean RT", ours.bias_of_mean_rt(case.exact), peer.bias_of_mean_rt(case.exact)),
        (f"P({case.choice})", ours.bias_of_choice(case.exact), peer.bias_of_choice(case.exact)),
    ):
        share, error = abs(mine[0] / its[0]), abs(mine[1] / its[0])
        unsure = "" if abs(its[0]) > 4 * its[1] else "; the peer's own bias is within its error"
        print(
            f"{case.model}: bias of {what} {share:.1%} +- {error:.1%} of the peer's "
            f"({verdict(share < SHARE_OF_BIAS)} a tenth{unsure})"
        )


def verdict(reached: bool) -> str:
    """Say whether a number is reached."""
    return "reaches" if reached else "DOES NOT REACH"


def cases() -> list[Case]:
    """Return what is measured."""
    return [
        Case("ddm", DDM, exact_ddm(**DDM)),
        Case("angle", ANGLE, exact_angle(**ANGLE)),
        Case("weibull", WEIBULL, exact_value("weibull", WEIBULL, 1)),
        Case("ornstein", ORNSTEIN, exact_value("ornstein", ORNSTEIN, 1), patience=0.5),
        Case("levy", LEVY, UNKNOWN, times_faster=20.0, patience=0.5),
        Case("race_3", RACE, exact_value("race_3", RACE, 0), 50.0, choice=0, patience=0.3),
        Case("lca_3", LCA, UNKNOWN, times_faster=50.0, choice=0, patience=0.03),
        Case("lba3", BALLISTIC, exact_value("lba3", BALLISTIC, 0), choice=0, patience=0.3),
    ]


def chosen(names: list[str]) -> list[Case]:
    """Return the named cases, or all."""
    every = cases()
    known = [case.model for case in every]
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no benchmark of '{name}'; there are {', '.join(known)}.")
    return [case for case in every if not names or case.model in names]


def print_exact(some: list[Case]) -> None:
    """Print the exact values, and how well two ways to them agree on the ddm."""
    check, wald = backward_ddm(**DDM), exact_ddm(**DDM)
    print(
        f"backward equation less Wald's identity: {check.mean_rt - wald.mean_rt:+.0e} s, "
        f"{check.share - wald.share:+.0e}"
    )
    for case in some:
        if case.is_known:
            print(f"exact {case.model}: mean RT {case.exact.mean_rt:.6f} s, ", end="")
            print(f"P({case.choice}) {case.exact.share:.6f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller, noisier run")
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="some of the models")
    arguments = parser.parse_args()
    effort, some = QUICK if arguments.quick else FULL, chosen(arguments.only)
    print_exact(some)
    used = ask_peer(some[0], n=1000, threads=2)["threads_used"]
    print(f"the peer's n_threads=2 runs {used} thread(s)\n")
    header = ("model", "simulator", "trajectories/s", "x peer", "x its best")
    print("{:8} {:28} {:>14} {:>7} {:>11}".format(*header), end="")
    print("  bias of mean RT (s)   bias of P(choice)")
    tallies = []
    for case in some:
        tallies.append(measure(case, effort))
        print_rows(case, *tallies[-1])
    print()
    for case, pair in zip(some, tallies, strict=True):
        print_verdicts(case, *pair)


if __name__ == "__main__":
    main()
