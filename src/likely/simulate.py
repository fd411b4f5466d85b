"""Simulate trials from a model: on all cores, the same bits for any number of threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import numpy as np
import pandas as pd

from likely.errors import ParameterError
from likely.model import Model, require_passages
from likely.models import resolve
from likely.progress import Progress
from likely.typing import FirstPassages, FloatArray, Theta

CHUNK = 8192  # trajectories between two looks at the clock and at Ctrl-C; a multiple of BLOCK
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
    _require_sensible(n, seed, max_time, threads)
    rows = model.declaration.rows(theta)
    model.declaration.require_inside_box(rows)
    times, choices = decide(
        model, without_shift(model, rows), n,
        seed=seed, max_time=max_time, threads=threads, progress=progress,
    )  # fmt: skip
    column = model.declaration.non_decision_column
    if column is not None:
        times += np.repeat(rows[:, column], n)
    return pd.DataFrame({"rt": times, "choice": choices})


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
    total = len(rows) * n
    times, choices = np.empty(total), np.empty(total)
    fill = model.first_passages
    with Progress(f"simulating {model.name}", total, show=progress) as bar:
        for done in _run_chunks(fill, rows, n, seed, max_time, times, choices, threads):
            bar.advance(done)
    require_passages(model.declaration, times, choices)
    return times, choices


def without_shift(model: Model, rows: FloatArray) -> FloatArray:
    """Return rows with the non-decision time set to zero."""
    column = model.declaration.non_decision_column
    if column is None:
        return rows
    rows = rows.copy()
    rows[:, column] = 0.0
    return rows


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_chunks(
    fill: FirstPassages,
    rows: FloatArray,
    n: int,
    seed: int,
    max_time: float,
    times: FloatArray,
    choices: FloatArray,
    threads: int | None,
) -> Iterator[int]:
    """Fill times and choices chunk by chunk, yielding the number of trajectories just done."""

    def run(first: int) -> int:
        part = slice(first, min(first + CHUNK, len(times)))
        fill(rows, n, first, seed, max_time, times[part], choices[part])
        return part.stop - part.start

    starts = range(0, len(times), CHUNK)
    workers = min(threads or available_cores(), max(len(starts), 1))
    if workers == 1:
        yield from map(run, starts)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="likely-simulate")
    try:
        waiting: set[Future[int]] = {pool.submit(run, first) for first in starts}
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield sum(future.result() for future in finished)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _require_sensible(n: int, seed: int, max_time: float, threads: int | None) -> None:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ParameterError(f"n is {n!r}; it must be a whole number of trials, at least 1.")
    require_seed(seed)
    if not max_time > 0:
        raise ParameterError(f"max_time is {max_time!r}; it must be a positive number of seconds.")
    if threads is not None and threads < 1:
        raise ParameterError(f"threads is {threads!r}; it must be at least 1.")


def require_seed(seed: int) -> None:
    """Raise ParameterError unless seed is an integer from 0 to 2^64 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ParameterError(f"seed is {seed!r}; it must be a whole number from 0 to 2^64 - 1.")
