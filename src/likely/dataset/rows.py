"""Rows that networks learn from: one by one, or in batches of a shuffled epoch."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from likely.checks import require_count, require_seed
from likely.dataset.epochs import AHEAD, Epoch
from likely.dataset.kinds import Kind
from likely.dataset.parts import Part
from likely.dataset.pool import Examples, Form, rows_of, shuffled
from likely.errors import ParameterError

MEMORY = 2**30  # bytes that rows may take
BLOCK = 16_384  # rows made at a time, if batches are smaller
READING = 4  # copies of a shard's arrays that reading holds for a moment, at most
_SHUFFLE = 1  # tells the randomness of an epoch from other uses of its seed


class _Shards(NamedTuple):
    """Where rows are, a shard with at least one of them an entry.

    Args:
        part: which part the shard belongs to, (k,).
        number: its number in its store, (k,).
        first_set: number of its first set among all sets, (k + 1,).
        first_row: number of its first row among all rows, (k + 1,).
    """

    part: np.ndarray
    number: np.ndarray
    first_set: np.ndarray
    first_row: np.ndarray


class Rows:
    """Rows of one kind of all parameter sets: a sequence of (inputs, target), both float32.

    Grain and torch's DataLoader take it as it is. It can be sent to other processes, which open
    the stores themselves. Shards used recently stay in memory. For a set larger than that, taking
    rows in random order means reading a shard a row: use `batches`.

    Args:
        parts: what to read of which stores.
        kind: which arrays are inputs and which are targets.
        memory: bytes that shards kept in memory, or an epoch, may take.
    """

    def __init__(self, parts: Sequence[Part], kind: Kind, memory: int) -> None:
        self._parts, self._kind, self._memory = tuple(parts), kind, memory
        self._shards = _shards(self._parts, kind)
        self._recent: OrderedDict[int, np.ndarray] = OrderedDict()
        self._kept_records: np.ndarray | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave behind what was read."""
        return Rows, (self._parts, self._kind, self._memory)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the inputs: the parameters and what else there is."""
        return (*self._parts[0].store.configuration.declaration.names, *self._kind.columns)

    def __repr__(self) -> str:
        """Say how many rows there are, and of what."""
        return f"Rows({len(self)}: {', '.join(self.columns)} -> {self._kind.target})"

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._shards.first_row[-1])

    def __getitem__(self, index: int) -> Examples:
        """Return the inputs (k,) and the target, () or (C,), of one row.

        Raises:
            IndexError: if there is no such row.
        """
        row = operator.index(index)
        if row < 0:
            row += len(self)
        if not 0 <= row < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        shard = int(np.searchsorted(self._shards.first_row, row, side="right")) - 1
        at = row - int(self._shards.first_row[shard])
        inputs, targets = rows_of(self._records(shard)[at : at + 1], self._form)
        return inputs[0], targets[0, ...]

    def __getitems__(self, indices: Sequence[int]) -> list[Examples]:
        """Return several rows in the order asked for; each shard is needed once."""
        wanted = np.asarray(indices, dtype=np.int64)
        found: list[Examples | None] = [None] * len(wanted)
        for place in np.argsort(wanted % len(self), kind="stable"):
            found[place] = self[int(wanted[place])]
        return [row for row in found if row is not None]

    def batches(
        self,
        size: int,
        *,
        seed: int,
        epoch: int = 0,
        memory: int | None = None,
        drop_last: bool = False,
    ) -> Epoch:
        """Return an iterator over batches, in which every row comes exactly once.

        If all rows fit into memory, any order of them is equally likely. Otherwise shards enter a
        pool in random order, and random rows leave it. The same arguments give the same batches.
        A thread makes the next ones while the consumer is busy; use `with`, or `close`, to end it
        before the last batch.

        Args:
            size: rows a batch, at least 1; the last batch may be smaller.
            seed: any integer from 0 to 2^64 - 1.
            epoch: number of the epoch, from 0; each has an order of its own.
            memory: bytes that the rows held may take, those kept from epoch to epoch included;
                those of the training set if None.
            drop_last: whether to leave out a last batch that would be smaller.

        Returns:
            Inputs (n, k) and targets (n,) or (n, C), float32; the iterator knows its length.

        Raises:
            ParameterError: if an argument makes no sense, memory is too small for the shards, or
                no batch would be left.
            FileFormatError: from the iterator, if a store cannot be read.
        """
        require_count("size", size)
        require_seed(seed)
        _require_epoch(epoch)
        memory = self._memory if memory is None else memory
        require_count("memory", memory)
        count = len(self) // size if drop_last else -(-len(self) // size)
        if not count:
            raise ParameterError(
                f"there are {len(self)} rows, fewer than a batch of {size}; make batches smaller "
                "or keep the last one."
            )
        rng = np.random.default_rng([seed, epoch, _SHUFFLE])
        block = max(1, BLOCK // size) * size
        capacity, keep = self._room(block, memory)
        _ = self._form  # read here: an interpreter that ends may start no threads, as reading does
        stop = threading.Event()
        blocks = self._kept(block, rng) if keep else self._streamed(capacity, block, rng, stop)
        return Epoch(blocks, size, count, stop)

    def _room(self, block: int, memory: int) -> tuple[int, bool]:
        """Return how many rows a pool may hold, and whether all can be kept beside it."""
        configurations = [part.store.configuration for part in self._parts]
        inputs = len(self.columns)
        record, row = 4 * self._words, 4 * (self._words + inputs)
        fixed = 4 * inputs * int(self._shards.first_set[-1])
        fixed += (AHEAD + 2) * min(block, len(self)) * row
        fixed += READING * max(map(self._kind.bytes_a_shard, configurations))
        largest = int(np.diff(self._shards.first_row).max())
        least = min(len(self), 2 * largest + block)
        capacity = (memory - fixed) // record
        if capacity < least:
            raise ParameterError(
                f"memory is {memory} bytes; these shards and batches take at least "
                f"{fixed + record * least}. Give as much, or make batches smaller."
            )
        return min(len(self), capacity), capacity >= 2 * len(self)

    def _kept(self, block: int, rng: np.random.Generator) -> Iterator[Examples]:
        """Yield blocks of rows from memory."""
        pool = self._all().copy()
        yield from shuffled(pool, len(pool), iter(()), block, self._form, rng)

    def _streamed(
        self, capacity: int, block: int, rng: np.random.Generator, stop: threading.Event
    ) -> Iterator[Examples]:
        """Yield blocks of rows, reading a shard when there is room for it."""
        pool = np.empty((capacity, self._words), np.int32)
        sizes = np.diff(self._shards.first_row)
        order = takewhile(lambda _: not stop.is_set(), rng.permutation(len(sizes)))
        entering = ((int(sizes[k]), partial(self._read, int(k))) for k in order)
        yield from shuffled(pool, 0, entering, block, self._form, rng)

    @cached_property
    def _form(self) -> Form:
        theta = np.concatenate([part.theta for part in self._parts]).astype(np.float32)
        target = self._kind.target_shape(self._parts[0].store.configuration)
        return Form(theta, len(self._kind.columns), target)

    @property
    def _words(self) -> int:
        return self._kind.words(self._parts[0].store.configuration)

    def _all(self) -> np.ndarray:
        """Return the records of all rows, kept from now on."""
        with self._lock:
            if self._kept_records is None:
                self._recent.clear()
                first = self._shards.first_row
                records = np.empty((len(self), self._words), np.int32)
                for k in range(len(self._shards.number)):
                    self._read(k, records[first[k] : first[k + 1]])
                self._kept_records = records
            return self._kept_records

    def _records(self, k: int) -> np.ndarray:
        """Return the records of a shard, kept until others need the memory."""
        first, last = self._shards.first_row[k : k + 2]
        with self._lock:
            if self._kept_records is not None:
                return self._kept_records[first:last]
            if k not in self._recent:
                records = np.empty((last - first, self._words), np.int32)
                while self._recent and self._recent_bytes() + records.nbytes > self._memory:
                    self._recent.popitem(last=False)
                self._read(k, records)
                self._recent[k] = records
            self._recent.move_to_end(k)
            return self._recent[k]

    def _recent_bytes(self) -> int:
        return sum(records.nbytes for records in self._recent.values())

    def _read(self, k: int, records: np.ndarray) -> None:
        """Write the records of a shard."""
        part = self._parts[self._shards.part[k]]
        sets, chosen = part.within(int(self._shards.number[k]))
        self._kind.read(part.store, sets, chosen, int(self._shards.first_set[k]), records)


def _shards(parts: Sequence[Part], kind: Kind) -> _Shards:
    """Return where rows are."""
    found = [part.shards() for part in parts]
    sets = np.concatenate([counts for _, counts in found])
    rows_a_set = [kind.rows_a_set(part.store.configuration) for part in parts]
    lengths = [len(numbers) for numbers, _ in found]
    rows = sets * np.repeat(rows_a_set, lengths)
    return _Shards(
        np.repeat(np.arange(len(parts)), lengths),
        np.concatenate([numbers for numbers, _ in found]),
        np.concatenate([[0], np.cumsum(sets)]),
        np.concatenate([[0], np.cumsum(rows)]),
    )


def _require_epoch(epoch: object) -> None:
    if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 0:
        raise ParameterError(f"epoch is {epoch!r}; it must be a whole number, at least 0.")
