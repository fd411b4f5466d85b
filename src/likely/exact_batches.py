"""Exact densities for training: parameter sets solved once, and drawn from again and again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from likely.batches import LIMIT
from likely.densities.quadrature import PANELS, quadrature
from likely.densities.twin import ExactTwin
from likely.errors import ParameterError
from likely.model import Model
from likely.simulation import available_cores
from likely.typing import FloatArray

SETS = 128  # parameter sets a step
STEPS = 16  # steps handed over at a time
POOL = 100_000  # parameter sets solved at most
CHUNK = 250  # of them at a time
POINTS = 3  # nodes of the quadrature in each panel
NODES = POINTS * PANELS
TRIED = 64  # parameter sets solved to see how long one takes
REFUSED = 0.15  # share of parameter sets, at most, that may have no solution
FEWEST = 4000  # parameter sets with which a network learns more than from draws
LOWEST = -80.0  # log densities are raised to that, where nothing ever happens


class Labels(NamedTuple):
    """Exact densities of parameter sets.

    Arrays of numpy or JAX, in single precision. In a batch they have a dimension more in front, of
    steps.

    Args:
        theta: parameters (sets, p).
        times: decision times (sets, nodes).
        weights: those of the quadrature over them (sets, nodes).
        log_density: of each choice at each of them (sets, C, nodes).
    """

    theta: Any
    times: Any
    weights: Any
    log_density: Any


class ExactBatches:
    """An endless stream of batches of labels, the same for the same seed and pool.

    Args:
        model: a model with an exact twin, at parameters from `Declaration.training_rows`.
        twin: that twin.
        seed: of the parameters, and of the order in which they come.
    """

    def __init__(self, model: Model, twin: ExactTwin, seed: int) -> None:
        self._model, self._twin, self._seed = model, twin, seed
        self._order = np.random.default_rng([seed, 1])
        self.pool = Labels(*(np.empty(0) for _ in Labels._fields))

    @property
    def sets(self) -> int:
        """Number of parameter sets in the pool."""
        return len(self.pool.theta)

    def rate(self) -> float:
        """Return how many parameter sets are solved in a second, by trying a few."""
        rows = self._model.declaration.shaping_rows(np.random.default_rng([self._seed, 2]), TRIED)
        self._solve(rows[:1])  # compiles
        began = time.perf_counter()
        self._solve(rows[1:])
        return available_cores() * (TRIED - 1) / (time.perf_counter() - began)

    def fill(self, sets: int, advance: Callable[[float], None], seconds: float = np.inf) -> None:
        """Solve parameter sets on all cores, until there are enough or time is over.

        Raises:
            ParameterError: if the density cannot be had somewhere in the box.
        """
        began, parts = time.monotonic(), []
        with ThreadPoolExecutor(available_cores(), thread_name_prefix="likely-labels") as threads:
            chunks = self._chunks(-(-sets // CHUNK))
            first = itertools.islice(chunks, available_cores())
            waiting = [threads.submit(self._solve, rows) for rows in first]
            while waiting:
                parts.append(waiting.pop(0).result())
                advance(min(len(parts) * CHUNK / sets, 1.0))
                rows = next(chunks, None)
                if rows is not None and time.monotonic() - began < seconds:
                    waiting.append(threads.submit(self._solve, rows))
        self.pool = Labels(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def take(self) -> Labels:
        """Return the next batch."""
        chosen = self._order.integers(self.sets, size=(STEPS, SETS))
        return Labels(*(part[chosen] for part in self.pool))

    def typical_times(self, levels: FloatArray) -> FloatArray:
        """Return the geometric mean, over some sets, of the quantiles of their decision time."""
        logs = []
        for i in range(min(self.sets, 1000)):
            density = np.exp(self.pool.log_density[i]).sum(axis=0) * self.pool.weights[i]
            share = density.cumsum() / density.sum()
            logs.append(np.interp(levels, share, np.log(self.pool.times[i])))
        return np.exp(np.mean(logs, axis=0))

    def _chunks(self, count: int) -> Iterator[FloatArray]:
        for index in range(count):
            yield self._model.declaration.training_rows(
                np.random.default_rng([self._seed, 0, index]), CHUNK
            )

    def _solve(self, rows: FloatArray) -> Labels:
        """Solve for densities at parameter rows, and leave out the few where there is none.

        Raises:
            ParameterError: if there are more than a few.
        """
        solved, kept = [], []
        for row in rows:
            try:
                solved.append(self._label(row))
                kept.append(row)
            except ParameterError as error:
                reason = error
        if len(rows) - len(kept) > REFUSED * max(len(rows), TRIED):
            raise ParameterError(
                f"{len(rows) - len(kept)} of {len(rows)} parameter sets cannot be solved: {reason}"
            )
        return Labels(np.array(kept, dtype=np.float32), *map(np.stack, zip(*solved, strict=True)))

    def _label(self, row: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        passage = self._twin.solve(row)
        times, weights = quadrature(passage, POINTS)
        if len(times) != NODES:
            raise ParameterError("the density is too narrow for its quantiles to differ.")
        weights[times > LIMIT] = 0.0
        logs = np.where(times > LIMIT, LOWEST, np.maximum(passage.log_density(times).T, LOWEST))
        return tuple(part.astype(np.float32) for part in (times, weights, logs))  # type: ignore[return-value]


def pays(batches: ExactBatches, seconds: float) -> bool:
    """Tell whether enough parameter sets can be solved in that time for labels to pay."""
    try:
        return batches.rate() * seconds >= FEWEST
    except ParameterError:
        return False
