# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["pyddm==0.9.0"]
# ///
"""The PyDDM half of the benchmark of exact densities, in an environment of its own.

Run as ``uv run --no-project --script benchmarks/peers/pyddm_exact.py``. A list of JSON jobs comes
on stdin; the list of their results leaves on stdout. The fields of both are those of `Job` and
`Result`.

The peer is timed at its best: one call of its solver on a model that exists already, without
lapses and overlays, and with its compiled solver where it has one.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pyddm
from pyddm.models.bound import BoundCollapsingLinear

REPEATS = 5
MOST_SECONDS = 4.0  # of repeats, after the first


@dataclass(frozen=True)
class Job:
    """What to solve.

    Args:
        model: one of `MODELS`.
        theta: its parameters; ``a`` is half the boundary separation, the start is midway.
        method: "analytical", "implicit" (backward Euler, compiled) or "cn" (Crank-Nicolson).
        step: the peer's ``dx`` and, in seconds, ``dt``.
        duration: the peer's ``T_dur``, in seconds.
        times: decision times at which the density is wanted.
    """

    model: str
    theta: dict[str, float]
    method: str
    step: float
    duration: float
    times: list[float]


@dataclass(frozen=True)
class Result:
    """What came of it.

    Args:
        milliseconds: median over repeats of one solution.
        at_ends: densities (n, 2) of the lower and the upper boundary, if the peer's bins hold the
            density at their ends.
        at_middles: the same, if they hold that in their middles.
    """

    milliseconds: float
    at_ends: list[list[float]]
    at_middles: list[list[float]]


def angle_boundary(a: float, theta: float) -> Callable[[float], float]:
    """Boundary that falls on a straight line."""
    return lambda t: max(a - t * np.tan(theta), 0.0)


MODELS = {
    "ddm": lambda v, a: (v, a),
    "angle": lambda v, a, theta: (v, angle_boundary(a, theta)),
    "weibull": lambda v, a, alpha, beta: (v, lambda t: a * np.exp(-((t / beta) ** alpha))),
    "ornstein": lambda v, a, g: (lambda x: v - g * x, a),
    "changing drift": lambda v, a, k: (lambda t: v * (1.0 - 2.0 * np.exp(-k * t)), a),
}


def build(job: Job) -> pyddm.Model:
    """Make the peer's model."""
    drift, bound = MODELS[job.model](**job.theta)
    if job.model == "angle" and job.method == "analytical":  # only this class is known to be linear
        bound = None
    model = pyddm.gddm(
        drift=drift, noise=1, bound=1 if bound is None else bound, nondecision=0,
        starting_position=0, mixture_coef=0, dx=job.step, dt=job.step, T_dur=job.duration,
    )  # fmt: skip
    if bound is None:
        linear = BoundCollapsingLinear(B=job.theta["a"], t=float(np.tan(job.theta["theta"])))
        model = pyddm.Model(
            drift=model.get_dependence("drift"), bound=linear, dx=job.step, dt=job.step,
            T_dur=job.duration,
        )  # fmt: skip
    return model


def solve(job: Job) -> Result:
    """Run one job."""
    model = build(job)
    methods = {
        "analytical": model.solve_analytical,
        "implicit": model.solve_numerical_implicit,
        "cn": model.solve_numerical_cn,
    }
    seconds: list[float] = []
    while len(seconds) < REPEATS + 1 and sum(seconds[1:]) < MOST_SECONDS:
        began = time.perf_counter()
        solution = methods[job.method]()
        seconds.append(time.perf_counter() - began)
    grid = model.t_domain()
    densities = [
        np.asarray(part) / model.dt for part in (solution.choice_lower, solution.choice_upper)
    ]

    def at(shift: float) -> list[list[float]]:
        wanted = np.asarray(job.times)
        return np.stack([np.interp(wanted, grid - shift, d) for d in densities], axis=1).tolist()

    median = float(np.median(seconds[1:] or seconds))
    return Result(1e3 * median, at(0.0), at(0.5 * model.dt))


if __name__ == "__main__":
    jobs = [Job(**job) for job in json.load(sys.stdin)]
    json.dump([asdict(solve(job)) for job in jobs], sys.stdout)
