"""Fresh simulations for training, made beside the optimiser on threads of their own."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from likely.kernels.compiled import BLOCK
from likely.model import Model, require_passages
from likely.simulation import available_cores

SETS = 256  # parameter sets a step
DRAWS = 64  # trials a parameter set
STEPS = 8  # steps handed over at a time
AHEAD = 6  # batches simulated ahead of the optimiser
MEMORY = 128  # batches kept for use again when the simulator is slower than the optimiser
SLICE = BLOCK  # trials between two looks whether training is over
LIMIT = 100.0  # decision time at which a trial counts as undecided; its survival is learnt


class Batch(NamedTuple):
    """Several steps' worth of simulations.

    Arrays of numpy or JAX: theta is (steps, sets, p), times and choices (steps, sets, draws),
    limit (steps,). Choices are indices, -1 for a trial undecided at the limit.
    """

    theta: Any
    times: Any
    choices: Any
    limit: Any


class Batches:
    """An endless stream of batches, the same for the same seed.

    Args:
        model: what to simulate, at parameters uniform over its box.
        seed: seed of parameters and simulations.
        seconds: how long training will take, if it goes by the clock. Batches of a slow simulator
            are then smaller, and `take` returns one a second time rather than wait for the next,
            so that the stream depends on the machine's speed.
    """

    def __init__(self, model: Model, seed: int, *, seconds: float | None = None) -> None:
        self._model, self._seed, self._replay = model, seed, seconds is not None
        self._fill = model.first_passages
        self._stop = threading.Event()
        self._steps, self._draws = STEPS, DRAWS
        if seconds is not None:
            self._fit_to(self._speed() * min(1.0, seconds / 20.0))
        self._pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="likely-batches")
        self._coming: deque[Future[Batch]] = deque()
        self._made = 0
        self._seen: deque[Batch] = deque(maxlen=MEMORY)
        self._again = np.random.default_rng([seed, 1])
        self.draws = 0
        for _ in range(AHEAD):
            self._order()

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop simulating."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self) -> Batch:
        """Return the next batch; an earlier one if it is not ready and replay is allowed."""
        if self._replay and self._seen and not self._coming[0].done():
            return self._seen[self._again.integers(len(self._seen))]
        batch = self._coming.popleft().result()
        self._order()
        self._seen.append(batch)
        self.draws += batch.times.size
        return batch

    def pooled_times(self) -> np.ndarray:
        """Return decided times of the first batch, (n,)."""
        first = self._coming[0].result()
        times = first.times[first.choices >= 0]
        return times if len(times) else np.ones(1)

    def _speed(self) -> float:
        """Return trials a second of one thread, from a trial run."""
        rows = self._model.declaration.shaping_rows(np.random.default_rng(0), BLOCK)
        times, choices = np.empty(BLOCK), np.empty(BLOCK)
        began = time.perf_counter()
        self._fill(rows, 1, 0, 0, LIMIT, times, choices)
        return BLOCK / (time.perf_counter() - began)

    def _fit_to(self, trials: float) -> None:
        """Make batches of about so many trials, if that is fewer than usual."""
        self._steps = int(np.clip(trials / (SETS * DRAWS), 1, STEPS))
        if self._steps == 1:
            self._draws = int(np.clip(trials / SETS, 4, DRAWS))

    def _order(self) -> None:
        self._coming.append(self._pool.submit(self._make, self._made))
        self._made += 1

    def _make(self, index: int) -> Batch:
        rng = np.random.default_rng([self._seed, 0, index])
        theta = self._model.declaration.training_rows(rng, self._steps * SETS)
        times, choices = self._simulate(theta, int(rng.integers(2**63)))
        late = np.isnan(times)
        times[late] = LIMIT
        known = self._model.choices
        indices = np.searchsorted(known, np.where(late, known[0], choices))
        indices[late] = -1
        shape = (self._steps, SETS, self._draws)
        return Batch(
            theta.reshape(self._steps, SETS, -1).astype(np.float32),
            times.reshape(shape).astype(np.float32),
            indices.reshape(shape).astype(np.int32),
            np.full(self._steps, LIMIT, np.float32),
        )

    def _simulate(self, theta: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Simulate slice by slice, so that the end of training ends it too."""
        n = len(theta) * self._draws
        times, choices = np.full(n, np.nan), np.full(n, np.nan)
        for first in range(0, n, SLICE):
            if self._stop.is_set():
                break
            part = slice(first, first + SLICE)
            self._fill(theta, self._draws, first, seed, LIMIT, times[part], choices[part])
            require_passages(self._model.declaration, times[part], choices[part])
        return times, choices
