"""Simulate trials from a model: on all cores, the same bits for any number of threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np
import pandas as pd

from likely.checks import require_count, require_positive, require_seed
from likely.kernels.compiled import BLOCK
from likely.model import Model, require_passages
from likely.progress import Progress
from likely.typing import FloatArray, Theta
from likely.zoo import resolve

CHUNK = 65536  # trajectories, at most, between two looks at the clock and at Ctrl-C
QUICK = 0.05  # seconds: chunks double in size while they take less
MAX_TIME = 20.0


def simulate(
    model: Model | str,
    theta: Theta,
    n: int = 1,
    *,
    seed: int,
    max_time: float = MAX_TIME,
    threads: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Simulate trials.

    Args:
        model: a model, or the name of one in `likely.models`.
        theta: parameters, name -> scalar or (m,) array, or an array (m, p); inside the box.
        n: trials per parameter row.
        seed: any integer from 0 to 2^64 - 1. The same seed gives the same trials, whatever the
            number of threads.
        max_time: decision time in seconds at which a trial is given up as undecided.
        threads: threads to use; all cores by default.
        progress: whether a run of more than two seconds shows a progress bar on stderr.

    Returns:
        A frame of m * n trials, row after row of theta: `rt` in seconds and `choice`, both float64
        and both NaN for a trial undecided at `max_time`.

    Raises:
        ParameterError: for parameters that are unknown, missing, not finite or outside the box,
            and for n, seed or max_time that make no sense.
        ModelError: if the simulator fails or returns impossible values.
    """
    model = resolve(model)
    require_count("n", n)
    require_seed(seed)
    require_positive("max_time", max_time, "seconds")
    if threads is not None:
        require_count("threads", threads)
    rows = model.declaration.rows(theta)
    model.declaration.require_inside_box(rows)
    times, choices = decide(
        model, without_shift(model, rows), n,
        seed=seed, max_time=max_time, threads=threads, progress=progress,
    )  # fmt: skip
    shifted = times.reshape(len(rows), int(n))
    shifted += model.declaration.onset(rows)[:, None]
    return pd.DataFrame({"rt": times, "choice": choices}, copy=False)


def decide(
    model: Model,
    rows: FloatArray,
    n: int,
    *,
    seed: int,
    max_time: float = MAX_TIME,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Return decision times and choices, each (len(rows) * n,); see `simulate`."""
    n, seed = int(n), int(seed)  # other integer types would compile anew
    total = len(rows) * n
    times, choices = np.empty(total), np.empty(total)
    fill = model.first_passages

    def run(first: int, last: int) -> None:
        part = slice(first, last)
        fill(rows, n, first, seed, max_time, times[part], choices[part])
        require_passages(model.declaration, times[part], choices[part])

    with Progress(f"simulating {model.name}", total, show=progress) as bar:
        for done in _in_chunks(run, total, threads or available_cores()):
            bar.advance(done)
    return times, choices


def without_shift(model: Model, rows: FloatArray) -> FloatArray:
    """Return rows with non-decision times such that responses begin at 0."""
    return model.declaration.from_onset(rows)


class _Chunk(NamedTuple):
    trajectories: int
    seconds: float


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_chunks(run: Callable[[int, int], None], total: int, workers: int) -> Iterator[int]:
    """Call run(first, last) on threads until all is done, yielding how much just was."""

    def timed(first: int, last: int) -> _Chunk:
        began = time.perf_counter()
        run(first, last)
        return _Chunk(last - first, time.perf_counter() - began)

    size, first = BLOCK, 0
    running: set[Future[_Chunk]] = set()
    # Work is done on other threads even if it is only one, so that this one hears Ctrl-C.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="likely-simulate")
    try:
        while first < total or running:
            while first < total and len(running) < 2 * workers:
                running.add(pool.submit(timed, first, min(first + size, total)))
                first += size
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            chunks = [future.result() for future in finished]
            if size < CHUNK and all(chunk.seconds < QUICK for chunk in chunks):
                size *= 2
            yield sum(chunk.trajectories for chunk in chunks)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
