"""A Dask cluster as an executor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from likely.errors import WorkersError

TIMEOUT = 10.0  # seconds in which a scheduler must answer


@contextmanager
def dask_executor(scheduler: str, *, timeout: float = TIMEOUT) -> Iterator[Executor]:
    """Connect to a Dask scheduler and give an executor whose tasks its workers run.

    Workers may come and go: the tasks of one that dies are given to others.

    Args:
        scheduler: its address, such as tcp://127.0.0.1:8786, or the file that `dask scheduler
            --scheduler-file FILE` writes.
        timeout: seconds, positive, in which it must answer.

    Raises:
        WorkersError: if Dask is not installed, the scheduler does not answer, or the workers that
            take up a task die again and again.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise WorkersError(
            "a scheduler needs Dask, which is not installed: it comes with likely's extra "
            "'cluster'."
        ) from error
    address = _address(scheduler)
    _require_answer(address, timeout)
    with Client(address, timeout=timeout, set_as_default=False) as client:
        try:
            yield client.get_executor(pure=False)
        except KilledWorker as error:
            raise WorkersError(
                f"workers of {address} died again and again, perhaps for lack of memory; what is "
                "finished is kept, and the same command goes on from there."
            ) from error


def _address(scheduler: str) -> str:
    """Return the address of a scheduler, read from its file if that is what is named."""
    file = Path(scheduler)
    if not file.is_file():
        if file.suffix == ".json":
            raise WorkersError(f"there is no scheduler file {scheduler!r}; is `dask scheduler` up?")
        return scheduler
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["address"])
    except (ValueError, LookupError, TypeError) as error:
        raise WorkersError(f"{scheduler!r} is not the file of a Dask scheduler.") from error


def _require_answer(address: str, timeout: float) -> None:
    """Raise WorkersError unless a scheduler answers at the address.

    A client that cannot connect leaves threads behind, so this is found out without one.
    """
    from distributed.comm import connect

    async def knock() -> None:
        comm = await connect(address, timeout=timeout)
        await comm.close()

    try:
        with ThreadPoolExecutor(1) as pool:  # for this thread may have an event loop of its own
            pool.submit(lambda: asyncio.run(asyncio.wait_for(knock(), timeout))).result()
    except (OSError, ValueError, ImportError) as error:
        raise WorkersError(
            f"no Dask scheduler answers at {address!r} within {timeout:g} s; start one with "
            "`dask scheduler` and give the address that it prints, or its scheduler file."
        ) from error
