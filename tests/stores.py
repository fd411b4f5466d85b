"""Training sets written by hand, with made-up numbers, and what tests ask of their rows."""

from __future__ import annotations

import collections
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import likely as lk
from likely.dataset.place import place_at
from likely.dataset.store import Configuration, create_store, write_shard
from likely.labels import Labelling

DECLARATION = lk.Declaration(
    "made up",
    (lk.Parameter("v", -3, 3), lk.Parameter("a", 0.3, 2), lk.Parameter("t", 0, 1)),
    choices=(0, 1, 2),
    non_decision="t",
)

KINDS = ("densities", "choices", "survivals")


@dataclasses.dataclass(frozen=True)
class Made:
    """A store written by hand, and what was written."""

    path: Path
    arrays: dict[str, np.ndarray]

    def expected(self, kind: str) -> np.ndarray:
        """Return all rows of a kind, inputs beside targets, float32."""
        a = self.arrays
        if kind == "choices":
            return np.column_stack([a["theta"], a["choice_p"]]).astype(np.float32)
        own, target = {
            "densities": (a["data"], a["labels"]),
            "survivals": (a["deadlines"][..., None], a["survival"]),
        }[kind]
        found = [
            [*a["theta"][i], *own[i, j], target[i, j]]
            for i in range(len(target))
            for j in range(target.shape[1])
        ]
        return np.array(found, dtype=np.float32)


def made(
    path: Path,
    sets: int,
    a_shard: int,
    *,
    seed: int,
    declaration: lk.Declaration = DECLARATION,
    complete: bool = True,
    **labelling: Any,
) -> Made:
    configuration = Configuration(declaration, Labelling(**labelling), seed, sets, a_shard)
    rng = np.random.default_rng(seed)
    arrays = {x.name: rng.random((sets, *x.shape)).astype(x.dtype) for x in configuration.layouts}
    create_store(place_at(path), configuration)
    for shard in range(configuration.shards - (not complete)):
        part = {name: values[list(configuration.sets_of(shard))] for name, values in arrays.items()}
        write_shard(place_at(path), configuration, shard, part)
    return Made(path, arrays)


def three_stores(folder: Path) -> tuple[Made, ...]:
    """Make stores of different sizes, numbers of points and shards of unequal length."""
    return (
        made(folder / "one.zarr", 11, 3, seed=1, points=40, deadlines=5),
        made(folder / "two.zarr", 7, 2, seed=2, points=25, deadlines=3),
        made(folder / "three.zarr", 1, 1, seed=3, points=7, deadlines=1),
    )


def stacked(batches: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return inputs beside targets of all batches."""
    return np.concatenate([np.column_stack(batch) for batch in batches])


def same_rows(left: np.ndarray, right: np.ndarray) -> bool:
    """Tell whether two arrays hold the same rows as often, in any order."""
    count = [collections.Counter(map(bytes, np.ascontiguousarray(x))) for x in (left, right)]
    return left.dtype == right.dtype and count[0] == count[1]


def epoch_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("likely-epoch")]
