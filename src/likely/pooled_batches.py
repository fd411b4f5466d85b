"""Simulations made once for training, where fresh ones would keep the optimiser waiting.

Accumulators of a race that differ in nothing but their parameters can change places: a simulation
with parameters and choices permuted is one of the permuted parameters. So every one serves for all
permutations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from likely.batches import DRAWS, LIMIT, SETS, STEPS, Batch
from likely.model import Model
from likely.races import Race
from likely.simulation import decide

KEPT = 256  # trials of a parameter set
CHUNK = 2048  # parameter sets simulated at a time


class PooledBatches:
    """An endless stream of batches from a pool of simulations, the same for the same seed and pool.

    Args:
        model: what to simulate, at parameters uniform over its box.
        seed: of the parameters, the simulations and the order in which they come.
    """

    def __init__(self, model: Model, seed: int) -> None:
        self._model, self._seed = model, seed
        self._order = np.random.default_rng([seed, 1])
        self._columns, self._choices = permutations(model)
        self.theta = np.empty((0, len(model.parameters)), dtype=np.float32)
        self._times = np.empty((0, KEPT), dtype=np.float32)
        self._indices = np.empty((0, KEPT), dtype=np.int8)

    @property
    def draws(self) -> int:
        """Number of trials in the pool."""
        return int(self._times.size)

    def fill(self, sets: int, advance: Callable[[float], None]) -> None:
        """Simulate `KEPT` trials of each of that many parameter sets, on all cores."""
        self.theta = np.empty((sets, len(self._model.parameters)), dtype=np.float32)
        self._times = np.empty((sets, KEPT), dtype=np.float32)
        self._indices = np.empty((sets, KEPT), dtype=np.int8)
        for index, first in enumerate(range(0, sets, CHUNK)):
            part = slice(first, min(first + CHUNK, sets))
            self._simulate(index, part)
            advance(part.stop / sets)

    def take(self) -> Batch:
        """Return the next batch."""
        shape = (STEPS, SETS)
        which = self._order.integers(len(self.theta), size=shape)[..., None]
        # Trials of a set come in random order, so that any stretch of them will do.
        begin = self._order.integers(KEPT // DRAWS, size=shape)[..., None] * DRAWS
        trials = begin + np.arange(DRAWS)
        permutation = self._order.integers(len(self._columns), size=shape)
        theta = np.take_along_axis(self.theta[which[..., 0]], self._columns[permutation], axis=-1)
        indices = self._indices[which, trials].astype(np.int32)
        moved = np.take_along_axis(self._choices[permutation], np.maximum(indices, 0), axis=-1)
        limit = np.full(STEPS, LIMIT, np.float32)
        return Batch(theta, self._times[which, trials], np.where(indices < 0, -1, moved), limit)

    def pooled_times(self) -> np.ndarray:
        """Return decided times of some sets, (n,)."""
        times = self._times[:1000][self._indices[:1000] >= 0]
        return times if len(times) else np.ones(1)

    def _simulate(self, index: int, part: slice) -> None:
        rng = np.random.default_rng([self._seed, 0, index])
        rows = self._model.declaration.training_rows(rng, part.stop - part.start)
        seed = int(rng.integers(2**63))
        times, choices = decide(self._model, rows, KEPT, seed=seed, max_time=LIMIT)
        late = np.isnan(times)
        known = self._model.choices
        found = np.searchsorted(known, np.where(late, known[0], choices))
        self.theta[part] = rows
        self._times[part] = np.where(late, LIMIT, times).reshape(-1, KEPT)
        self._indices[part] = np.where(late, -1, found).reshape(-1, KEPT)


def permutations(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return how the accumulators of a model can change places.

    Returns:
        For each way, the column (m, p) that each parameter is taken from, and the index (m, C) that
        each choice becomes. One way, which changes nothing, for a model that is no race.
    """
    p, count = len(model.parameters), len(model.choices)
    if not isinstance(model, Race):
        return np.arange(p)[None], np.arange(count)[None]
    places = np.array(model.columns.places)
    columns, choices = [], []
    for moved in itertools.permutations(range(count)):
        taken = np.arange(p)
        for i, j in enumerate(moved):  # accumulator i becomes accumulator j
            taken[places[j]] = places[i]
        columns.append(taken)
        choices.append(moved)
    return np.array(columns), np.array(choices)
