"""Training sets made by a real Dask cluster, one of whose workers is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from commandline import assert_refused, command
from distributed import Client
from generating import tree

import likely as lk
from likely.commands.exit_codes import SUCCESS
from likely.dataset.cluster import dask_executor
from likely.dataset.store import LAST
from likely.errors import WorkersError
from likely.labels import Labelling

SHARDS = 40
WORDS = [
    "generate", "ddm", "--box", "t", "0", "0.5", "--sets", str(2 * SHARDS), "--sets-a-shard", "2",
    "--draws", "100000", "--points", "100", "--seed", "6",
]  # fmt: skip
LOCAL = ["--host", "127.0.0.1"]


@contextmanager
def process(*words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of a Dask cluster."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    running = subprocess.Popen([sys.executable, "-m", "dask", *map(str, words)], **quiet)  # type: ignore[call-overload]
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[Path, list[subprocess.Popen[bytes]]]]:
    """Run a scheduler and two workers of one thread; give its file and the workers."""
    file = folder / "scheduler.json"
    common = ["--scheduler-file", file, *LOCAL, "--no-dashboard"]
    with ExitStack() as stack:
        stack.enter_context(process("scheduler", "--port", "0", *common))
        worker = ["worker", "--nthreads", "1", "--no-nanny", "--local-directory", folder, *common]
        workers = [stack.enter_context(process(*worker)) for _ in range(2)]
        wait_for(file.is_file)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=100)
        yield file, workers


def wait_for(what: Callable[[], object]) -> None:
    """Wait until what() is true."""
    end = time.monotonic() + 100
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_worker_killed_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    shards = tmp_path / "elsewhere" / LAST
    left = []

    def kill_one(victim: subprocess.Popen[bytes]) -> None:
        wait_for(lambda: len(list(shards.glob("c.*"))) >= SHARDS // 4)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        left.append(SHARDS - len(list(shards.glob("c.*"))))

    with cluster(tmp_path) as (file, workers):
        killer = threading.Thread(target=kill_one, args=workers[:1])
        killer.start()
        outcome = command(*WORDS, "--scheduler", file, "-o", tmp_path / "elsewhere")
        killer.join()
        assert outcome.code == SUCCESS, outcome
        assert workers[1].poll() is None
        assert left[0] > 0, "the worker was killed too late for this to show anything"
        here = lk.generate(
            lk.models["ddm"].with_box(t=(0, 0.5)), tmp_path / "here", sets=2 * SHARDS, seed=6,
            labelling=Labelling(draws=100_000, points=100), sets_a_shard=2, progress=False,
        )  # fmt: skip
        assert tree(tmp_path / "elsewhere") == tree(here)


def test_schedulers_that_do_not_answer_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"id": 3}))
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections and says nothing
        silent = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        for scheduler, words in (
            (silent, "no Dask scheduler answers"),
            ("nonsense", "no Dask scheduler answers"),
            ("there://127.0.0.1:1", "no Dask scheduler answers"),
            (str(tmp_path / "none.json"), "there is no scheduler file"),
            (str(tmp_path / "other.json"), "not the file of a Dask scheduler"),
        ):
            with pytest.raises(WorkersError, match=words), dask_executor(scheduler, timeout=0.5):
                pass
    outcome = command(*WORDS, "--scheduler", "nonsense", "-o", tmp_path / "set.zarr")
    assert_refused(outcome, "no Dask scheduler answers at 'nonsense'")
    assert not (tmp_path / "set.zarr").exists()


def test_without_dask_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = command(*WORDS, "--scheduler", "127.0.0.1:1", "-o", tmp_path / "set.zarr")
    assert_refused(outcome, "likely's extra 'cluster'")
