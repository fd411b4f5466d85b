"""Fresh simulations for training, made beside the optimiser on threads of their own."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from likely.model import Model, require_passages
from likely.simulation import available_cores

SETS = 256  # parameter sets a step
DRAWS = 64  # trials a parameter set
STEPS = 8  # steps handed over at a time
AHEAD = 6  # batches simulated ahead of the optimiser
MEMORY = 128  # batches kept for use again when the simulator is slower than the optimiser
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
        replay: whether `take` may return a batch a second time rather than wait for the
            simulator; the stream then depends on the machine's speed.
    """

    def __init__(self, model: Model, seed: int, *, replay: bool) -> None:
        self._model, self._seed, self._replay = model, seed, replay
        self._lower = np.array([p.lower for p in model.parameters])
        upper = np.array([p.upper for p in model.parameters])
        column = model.declaration.non_decision_column
        if column is not None:
            self._lower[column] = upper[column] = 0.0
        self._width = upper - self._lower
        self._fill = model.first_passages
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

    def _order(self) -> None:
        self._coming.append(self._pool.submit(self._make, self._made))
        self._made += 1

    def _make(self, index: int) -> Batch:
        rng = np.random.default_rng([self._seed, 0, index])
        shape = (STEPS, SETS, DRAWS)
        theta = self._lower + self._width * rng.random((STEPS * SETS, len(self._lower)))
        times, choices = np.empty(theta.shape[0] * DRAWS), np.empty(theta.shape[0] * DRAWS)
        seed = int(rng.integers(2**63))
        self._fill(theta, DRAWS, 0, seed, LIMIT, times, choices)
        require_passages(self._model.declaration, times, choices)
        late = np.isnan(times)
        times[late] = LIMIT
        indices = np.searchsorted(
            self._model.choices, np.where(late, self._model.choices[0], choices)
        )
        indices[late] = -1
        return Batch(
            theta.reshape(STEPS, SETS, -1).astype(np.float32),
            times.reshape(shape).astype(np.float32),
            indices.reshape(shape).astype(np.int32),
            np.full(STEPS, LIMIT, np.float32),
        )
