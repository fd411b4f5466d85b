"""Batches of one epoch, made ahead of the consumer on a thread of their own."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from likely.dataset.pool import Examples

AHEAD = 4  # blocks of rows made ahead of the consumer


class Epoch(Iterator[Examples]):
    """Batches of one epoch: an iterator of known length over (inputs, targets).

    Nothing is made unless the consumer keeps taking, so that a consumer that stops early, by
    `close`, by leaving a `with` block, by an error or by forgetting the iterator, leaves no thread.

    Args:
        blocks: rows in the order of the epoch, a whole number of batches at a time.
        size: rows a batch.
        count: batches; what is left of the blocks then is dropped.
        stop: set when no more blocks are wanted, so that a long one need not be finished.
    """

    def __init__(
        self, blocks: Iterator[Examples], size: int, count: int, stop: threading.Event
    ) -> None:
        self._size, self._count, self._given = size, count, 0
        self._blocks = blocks
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="likely-epoch")
        self._coming: deque[Future[Examples | None]] = deque()
        self._block: Examples | None = None
        self._used = 0
        self._stop = weakref.finalize(self, stop.set)
        _open.add(self)
        for _ in range(AHEAD):
            self._order()

    def __len__(self) -> int:
        """Return the number of batches, taken or not."""
        return self._count

    def __next__(self) -> Examples:
        """Return the next batch."""
        if self._given == self._count:
            self.close()
            raise StopIteration
        if self._block is None or self._used >= len(self._block[0]):
            self._next_block()
        assert self._block is not None
        part = slice(self._used, self._used + self._size)
        self._used += self._size
        self._given += 1
        inputs, targets = self._block
        return inputs[part], targets[part]

    def __enter__(self) -> Self:
        """Return the iterator."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the thread."""
        self.close()

    def close(self) -> None:
        """End the thread and free the memory; there are no more batches."""
        self._given = self._count
        self._stop()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._coming.clear()
        self._blocks, self._block = iter(()), None

    def _next_block(self) -> None:
        try:
            self._block, self._used = self._coming.popleft().result(), 0
        except BaseException:
            self.close()
            raise
        self._order()

    def _order(self) -> None:
        # What is submitted must not refer to this iterator, or it would never be collected.
        self._coming.append(self._thread.submit(next, self._blocks, None))


_open: weakref.WeakSet[Epoch] = weakref.WeakSet()


def _close_all() -> None:
    for epoch in list(_open):
        epoch.close()


# At the end of the interpreter a read that is under way must finish before the threads that Zarr
# reads with are gone. `atexit` comes after that; what comes before it has no public name.
_before_threads_end = getattr(threading, "_register_atexit", None)
if _before_threads_end is not None:
    _before_threads_end(_close_all)
