# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["ssm-simulators==0.15.0"]
# ///
"""The ssm-simulators half of the simulation benchmark, in an environment of its own.

Run as ``uv run --no-project --script benchmarks/peers/ssm_simulate.py``. One JSON job, or a list of
them, comes on stdin; its result, or the list of results, leaves on stdout. The fields of both are
those of `Job` and `Result`.

The peer is timed at its best. ``simulator`` costs the same as the kernel below it at 100,000
draws. ``smooth_unif`` is off: it moves each time within its step by a jitter of mean zero, which
changes neither speed nor mean. The wheels on PyPI are built without GSL, and then ``n_threads``
falls back to one thread with a warning, so a job can ask for processes as well.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Protocol

import numpy as np
from cssm._openmp_status import get_openmp_info
from ssms.basic_simulators.simulator import simulator

WARM_UP = 1_000
TIME_SLACK = 1e-5  # seconds: the peer adds up time in float32, so its limit is a little blurred


@dataclass(frozen=True)
class Job:
    """What to simulate.

    Conventions are the peer's, which are those of `likely`: ``a`` is half the boundary separation,
    ``z`` is relative, seconds everywhere.

    Args:
        model: the peer's name for the model, such as ``"ddm"`` or ``"angle"``.
        theta: one value for each of the model's parameters.
        n: trajectories in a repeat.
        repeats: timed repeats, each with a seed of its own; the statistics pool them all.
        threads: passed to the peer as ``n_threads``.
        processes: worker processes that share the trajectories of a repeat.
        max_time: decision time, in seconds, at which a walker is given up.
        seed: makes the result reproducible for given ``n``, ``repeats`` and ``processes``.
        delta_t: Euler step in seconds; 0.001 is the peer's default.
        choice: the choice whose share is counted.
    """

    model: str
    theta: dict[str, float]
    n: int
    repeats: int
    threads: int = 1
    processes: int = 1
    max_time: float = 20.0
    seed: int = 0
    delta_t: float = 0.001
    choice: int = 1


@dataclass(frozen=True)
class Result:
    """What one job measured.

    Args:
        seconds: wall time of each repeat, the simulator alone, after a warm-up.
        threads_used: threads that the peer really runs in each process.
        n: trajectories over all repeats.
        undecided: walkers that reached ``max_time``; the statistics below leave them out.
        mean_rt: mean reaction time in seconds, or None without trials.
        sd_rt: standard deviation of the reaction times in seconds.
        mean_rt_by_choice: mean reaction time for each choice that was made, such as ``"-1"``.
        choice_probability: share of the job's choice.
    """

    seconds: list[float]
    threads_used: int
    n: int
    undecided: int
    mean_rt: float | None
    sd_rt: float | None
    mean_rt_by_choice: dict[str, float | None]
    choice_probability: float | None


@dataclass(frozen=True)
class Draws:
    """Reaction times in seconds and choices, each of shape (n,)."""

    rt: np.ndarray
    choice: np.ndarray


@dataclass(frozen=True)
class Share:
    """One process's part of a repeat."""

    job: Job
    n: int
    seed: int


class Runner(Protocol):
    """Simulates the shares of one repeat, one a process."""

    def __call__(self, shares: list[Share]) -> list[Draws]:
        """Return the draws of each share."""
        ...


def simulate(share: Share) -> Draws:
    """Call the peer once."""
    job = share.job
    out = simulator(
        job.theta,
        model=job.model,
        n_samples=share.n,
        delta_t=job.delta_t,
        max_t=job.max_time,
        smooth_unif=False,
        random_state=share.seed,
        n_threads=job.threads,
    )
    return Draws(out["rts"].ravel(), out["choices"].ravel())


def warm_up(job: Job, ready: Barrier) -> None:
    """Make one small call, then wait until every worker has made its own."""
    simulate(Share(job, WARM_UP, job.seed))
    ready.wait()


@contextmanager
def runner(job: Job) -> Iterator[Runner]:
    """Give a warm way to simulate: in this process, or in a pool that is already running."""
    # A bad job must fail here: a pool replaces a worker that fails to start, for ever.
    simulate(Share(job, WARM_UP, job.seed))
    if job.processes == 1:
        yield lambda shares: [simulate(share) for share in shares]
        return
    context = get_context("spawn")
    ready = context.Barrier(job.processes + 1)
    with context.Pool(job.processes, initializer=warm_up, initargs=(job, ready)) as pool:
        ready.wait()
        yield lambda shares: pool.map(simulate, shares, chunksize=1)


def shares_of_repeats(job: Job) -> Iterator[list[Share]]:
    """Split every repeat over the processes, each share with a seed of its own."""
    seeds = np.random.default_rng(job.seed).integers(2**31, size=(job.repeats, job.processes))
    sizes = [len(part) for part in np.array_split(np.empty(job.n), job.processes)]
    for row in seeds.tolist():
        yield [Share(job, size, seed) for size, seed in zip(sizes, row, strict=True)]


def threads_used(job: Job) -> int:
    """Count the threads that the peer will run: without OpenMP and GSL it runs one."""
    return job.threads if get_openmp_info()["parallel_ready"] else 1


def mean(values: np.ndarray) -> float | None:
    """Return the mean in double precision, or None of nothing."""
    return float(values.mean(dtype=np.float64)) if values.size else None


def run(job: Job) -> Result:
    """Time the repeats of a job and pool their draws."""
    seconds, draws = [], []
    with runner(job) as run_shares:
        for shares in shares_of_repeats(job):
            start = time.perf_counter()
            parts = run_shares(shares)
            seconds.append(time.perf_counter() - start)
            draws += parts
    rt = np.concatenate([part.rt for part in draws]).astype(np.float64)
    choice = np.concatenate([part.choice for part in draws])
    # The peer gives a walker that never decides the sign of its last position as choice; only
    # its time tells.
    decided = rt - job.theta.get("t", 0.0) <= job.max_time - TIME_SLACK
    rt_decided, choice_decided = rt[decided], choice[decided]
    made = np.unique(choice_decided)
    return Result(
        seconds=seconds,
        threads_used=threads_used(job),
        n=rt.size,
        undecided=int((~decided).sum()),
        mean_rt=mean(rt_decided),
        sd_rt=float(rt_decided.std()) if rt_decided.size else None,
        mean_rt_by_choice={str(c): mean(rt_decided[choice_decided == c]) for c in made},
        choice_probability=mean(choice_decided == job.choice),
    )


def main() -> None:
    """Answer the jobs on stdin."""
    request = json.load(sys.stdin)
    jobs = request if isinstance(request, list) else [request]
    results = [asdict(run(Job(**job))) for job in jobs]
    answer = results if isinstance(request, list) else results[0]
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    main()
