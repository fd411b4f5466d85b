"""What networks learn from a training set: which arrays are inputs, and which are targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from likely.dataset.parts import Store
from likely.dataset.store import Configuration, Layout


@dataclass(frozen=True)
class Kind:
    """Rows of one kind.

    Args:
        columns: names of the inputs beside the parameters.
        inputs: array of these inputs, (set, row) or (set, row, column); None if there are none and
            a parameter set is a row.
        target: array of the targets, (set, row), or (set, value) if a parameter set is a row.
    """

    columns: tuple[str, ...]
    inputs: str | None
    target: str

    def rows_a_set(self, configuration: Configuration) -> int:
        """Return how many rows a parameter set has."""
        return 1 if self.inputs is None else _layout(configuration, self.inputs).shape[0]

    def target_shape(self, configuration: Configuration) -> tuple[int, ...]:
        """Return the shape of a row's target."""
        return _layout(configuration, self.target).shape if self.inputs is None else ()

    def words(self, configuration: Configuration) -> int:
        """Return the length of a record: number of its set, inputs and targets."""
        return 1 + len(self.columns) + sum(self.target_shape(configuration) or (1,))

    def bytes_a_shard(self, configuration: Configuration) -> int:
        """Return the bytes of a shard's inputs and targets as they are read."""
        names = (self.target,) if self.inputs is None else (self.inputs, self.target)
        a_set = sum(_layout(configuration, name).bytes_a_set for name in names)
        return a_set * min(configuration.sets_a_shard, configuration.sets)

    def read(
        self, store: Store, sets: slice, chosen: np.ndarray, first: int, records: np.ndarray
    ) -> None:
        """Write the records of some of a shard's parameter sets.

        Args:
            store: what to read from.
            sets: the sets of the shard.
            chosen: which of them, counted from the shard's first, (n,).
            first: number that the first of those chosen goes by in the records.
            records: to be filled, (n * rows a set, words) int32.

        Raises:
            FileFormatError: if the shard cannot be read.
        """
        rows = self.rows_a_set(store.configuration)
        inputs = 1 + len(self.columns)
        by_set = records.reshape(len(chosen), rows, -1)
        values = by_set.view(np.float32)
        by_set[..., 0] = np.arange(first, first + len(chosen))[:, None]
        if self.inputs is not None:
            own = store.read(self.inputs, sets)[chosen]
            values[..., 1:inputs] = own.reshape(len(chosen), rows, -1)
        targets = store.read(self.target, sets)[chosen]
        values[..., inputs:] = targets.reshape(len(chosen), rows, -1)


def _layout(configuration: Configuration, name: str) -> Layout:
    return next(layout for layout in configuration.layouts if layout.name == name)


DENSITIES = Kind(("rt", "choice"), "data", "labels")
CHOICES = Kind((), None, "choice_p")
SURVIVALS = Kind(("deadline",), "deadlines", "survival")
