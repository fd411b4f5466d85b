"""Tasks on an executor: a bounded number at a time, cancelled when something stops them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from typing import Any, Protocol

LOOK = 0.2  # seconds, at most, between two looks at what has finished


class Submits(Protocol):
    """What runs tasks: any concurrent.futures.Executor, or anything that submits like one.

    What `submit` returns has done(), result() and cancel(), as futures do.
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Arrange for function(*arguments) to be called."""
        ...


def finished(
    submit: Callable[[int], Any], tasks: Iterable[int], at_once: int
) -> Iterator[list[Any]]:
    """Submit tasks and yield the results of those just finished, at least every `LOOK` seconds.

    Args:
        submit: submits the task of a number, and returns its future.
        tasks: numbers of the tasks.
        at_once: tasks submitted and not finished, at most.

    Raises:
        Exception: what a task raised; the others are then cancelled.
    """
    remaining, running = iter(tasks), set[Any]()
    try:
        while True:
            running.update(submit(task) for task in islice(remaining, at_once - len(running)))
            if not running:
                return
            done = _some_done(running)
            running -= done
            yield [future.result() for future in done]
    finally:
        for future in running:
            future.cancel()


def _some_done(running: set[Any]) -> set[Any]:
    """Return what has finished, after waiting for it for a while."""
    if all(isinstance(future, Future) for future in running):
        return wait(running, LOOK, FIRST_COMPLETED).done
    done = {future for future in running if future.done()}
    if not done:
        time.sleep(LOOK)
    return done
