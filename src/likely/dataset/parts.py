"""What is read of training sets: stores, opened when needed, and the parameter sets chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr

from likely.dataset.place import place_at
from likely.dataset.store import open_store, read_values
from likely.errors import FileFormatError


class Store:
    """A training set on disk or elsewhere, opened anew in every process it is sent to.

    Args:
        address: a path, or an address such as `s3://bucket/set.zarr`.

    Raises:
        FileFormatError: if there is no training set, or it is incomplete.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = place_at(address).address
        self._group, self.configuration = open_store(address)
        self.floor = _floor(self._group, self.address)

    def __getstate__(self) -> dict[str, Any]:
        """Return what identifies the store, without anything open or read."""
        kept = ("address", "configuration", "floor")
        return {name: getattr(self, name) for name in kept}

    @cached_property
    def _group(self) -> zarr.Group:
        group, configuration = open_store(self.address)
        if configuration != self.configuration:
            raise FileFormatError(f"{self.address} is not the training set it was; open it again.")
        return group

    @cached_property
    def theta(self) -> np.ndarray:
        """Parameters of all sets, (sets, p) float64."""
        return self.read("theta", slice(0, self.configuration.sets))

    def read(self, name: str, sets: slice) -> np.ndarray:
        """Return an array's values for consecutive parameter sets, (n, ...).

        Raises:
            FileFormatError: if they are damaged, missing, or not finite.
        """
        return read_values(self._group, self.configuration, self.address, name, sets)


def _floor(group: zarr.Group, address: str) -> float:
    floor = group.attrs.get("floor")
    if not isinstance(floor, float):
        raise FileFormatError(f"{address}: the metadata is damaged (floor is {floor!r}).")
    return floor


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the parameter sets of a store.

    Args:
        store: the store.
        selected: numbers of the sets, ascending, (n,) int64.
    """

    store: Store
    selected: np.ndarray

    @classmethod
    def whole(cls, address: str | Path) -> Self:
        """Open a store and select all its sets."""
        store = Store(address)
        return cls(store, np.arange(store.configuration.sets))

    def shards(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the shards with selected sets, and how many each has."""
        return np.unique(self.selected // self.store.configuration.sets_a_shard, return_counts=True)

    def within(self, shard: int) -> tuple[slice, np.ndarray]:
        """Return the sets of a shard, and which of them are selected, counted from its first."""
        sets = self.store.configuration.sets_of(shard)
        first, last = np.searchsorted(self.selected, (sets.start, sets.stop))
        return slice(sets.start, sets.stop), self.selected[first:last] - sets.start

    @property
    def theta(self) -> np.ndarray:
        """Parameters of the selected sets, (n, p) float64."""
        return self.store.theta[self.selected]
