"""Training sets: what is killed and started again ends as if nothing had happened."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generating import BOX, OWN, generate, tree

import likely as lk
from likely.dataset import generation, shards
from likely.dataset.running import LOOK
from likely.dataset.store import LAST, open_store
from likely.errors import FileFormatError, ModelError
from likely.labels import Labelling, labelled_sets

KILLED = """
import os, sys, traceback
from pathlib import Path
import likely as lk
import likely.dataset.generation
from likely.labels import Labelling, labelled_sets

model = lk.models["ddm"].with_box(v=(-2, 2), a=(.5, 1.5), z=(.3, .7), t=(0, .5))
small = Labelling(draws=200, points=50, deadlines=4)
labelled_sets(model, small, seed=0, first=0, sets=1)  # compiled once, before processes are forked

def start(path, before=lambda: None):
    process = os.fork()
    if process:
        return process
    try:
        before()
        lk.generate(model, path, sets=SETS, labelling=small, seed=3, sets_a_shard=2, workers=2,
                    progress=False)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)

def ended(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

folder = Path(sys.argv[1])
"""

AT_RANDOM_MOMENTS = """
import random, signal, time
SETS = 24
began = time.monotonic()
assert ended(start(folder / "whole")) == 0
took = time.monotonic() - began
random.seed(4)
hits = i = 0
while hits < 20:
    i += 1
    process = start(folder / f"killed-{i}")
    time.sleep(0.9 * took * random.random() ** (1 + i % 2))
    os.kill(process, signal.SIGKILL)
    hits += ended(process) == -signal.SIGKILL
    assert ended(start(folder / f"killed-{i}")) == 0
print(hits)
"""

AT_EVERY_WRITE = """
SETS = 3
assert ended(start(folder / "whole")) == 0
replace, renamed = Path.replace, 0

def die_at(n):
    def counting(path, target):
        global renamed
        renamed += 1
        if renamed == n:
            os._exit(9)
        return replace(path, target)
    Path.replace = counting

n, code = 0, 9
while code == 9:
    n += 1
    code = ended(start(folder / f"killed-{n}", lambda: die_at(n)))
    assert code in (0, 9)
    assert ended(start(folder / f"killed-{n}")) == 0
print(n - 1)
"""


def test_only_missing_shards_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = generate(tmp_path / "set.zarr")
    whole = tree(path)
    (path / LAST / "c.2.0").unlink()
    (path / "labels" / "c.2.0").unlink()
    (path / "labels" / ".c.2.0.a1b2c3d4").write_bytes(b"unfinished")
    (path / "survival" / "zarr.json").unlink()
    made = []

    def noted(model: Any, place: Any, configuration: Any, shard: int, heard: Any) -> int:
        made.append(shard)
        return shards.make_shard(model, place, configuration, shard, heard)

    monkeypatch.setattr(generation, "make_shard", noted)
    generate(path)
    assert made == [2]
    assert tree(path) == whole
    generate(path)
    assert made == [2]


def emptied(chunk: Path) -> None:
    chunk.write_bytes(b"")


def cut_short(chunk: Path) -> None:
    chunk.write_bytes(chunk.read_bytes()[:10])


@pytest.mark.parametrize("name", ["labels", "data", LAST])
@pytest.mark.parametrize("shard", [0, 2])
@pytest.mark.parametrize("damage", [cut_short, emptied, Path.unlink])
def test_a_damaged_shard_is_mended_as_the_error_says(
    tmp_path: Path, name: str, shard: int, damage: Callable[[Path], None]
) -> None:
    path = generate(tmp_path / "set.zarr")
    whole = tree(path)
    (chunk,) = (path / name).glob(f"c.{shard}.*")
    damage(chunk)
    if (name, damage) == (LAST, Path.unlink):
        generate(path)
        assert tree(path) == whole
        return
    if (name, shard) == ("labels", 0):  # what is compared when a run goes on
        with pytest.raises(FileFormatError, match="'labels' of the sets 0 to 0 cannot be read"):
            generate(path)
    with pytest.raises(FileFormatError, match="cannot be read") as caught:
        list(lk.TrainingSet(path).densities.batches(10, seed=0))
    (remedy,) = re.findall("delete (.*) and generate it again", str(caught.value))
    Path(remedy).unlink()
    generate(path)
    assert tree(path) == whole


def test_an_interrupted_run_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = labelled_sets, []

    def interrupted(model: Any, labelling: Labelling, **given: Any) -> Any:
        calls.append(given)
        if len(calls) == 7:
            signal.raise_signal(signal.SIGINT)
            time.sleep(5 * LOOK)  # so that the main thread has heard it long before the end
        return real(model, labelling, **given)

    monkeypatch.setattr(shards, "labelled_sets", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        generate(tmp_path / "set.zarr", sets=60, workers=1)
    (note,) = caught.value.__notes__
    kept = int(note.split()[0])
    assert 1 <= kept < 10
    assert "of 30 shards are kept" in note
    with pytest.raises(FileFormatError, match=f"incomplete: {30 - kept} of its 30 shards"):
        open_store(tmp_path / "set.zarr")
    monkeypatch.undo()
    resumed = generate(tmp_path / "set.zarr", sets=60)
    assert tree(resumed) == tree(generate(tmp_path / "whole", sets=60))


@pytest.mark.parametrize("script", [AT_RANDOM_MOMENTS, AT_EVERY_WRITE])
def test_killed_and_started_again_the_bytes_are_the_same(tmp_path: Path, script: str) -> None:
    words = [sys.executable, "-c", KILLED + script, str(tmp_path)]
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # for forking and threads do not mix
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, env=alone)
    assert done.returncode == 0, done.stderr
    kills = int(done.stdout)
    assert kills >= 20
    whole = tree(tmp_path / "whole")
    killed = sorted(tmp_path.glob("killed-*"))
    assert len(killed) >= kills
    for folder in killed:
        assert tree(folder) == whole, folder


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": 4}, "seed is 3 there and 4 here"),
        ({"sets": 8}, "sets is 7 there and 8 here"),
        ({"sets_a_shard": 3}, "sets_a_shard is 2 there and 3 here"),
        ({"labelling": Labelling(draws=201, points=50, deadlines=4)}, "draws is 200 there"),
        ({"model": lk.models["ddm"].with_box(**{**BOX, "t": (0.0, 1.0)})}, "t box is"),
        ({"model": OWN["vectorized"]()}, "model is ddm there and race here"),
    ],
)
def test_another_training_set_is_not_overwritten(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    path = generate(tmp_path / "set.zarr")
    before = tree(path)
    with pytest.raises(FileFormatError, match=f"{words}.*Choose another name, or delete it"):
        generate(path, **given)
    assert tree(path) == before


def test_a_model_whose_code_has_changed_is_refused(tmp_path: Path) -> None:
    def own(speed: float) -> lk.Model:
        return lk.Simulator(
            "own",
            parameters={"m": (1.0, 2.0)},
            choices=(0,),
            simulate=lambda rng, m: (speed * rng.exponential(m), np.zeros(len(m))),
            vectorized=True,
        )

    generate(tmp_path / "set.zarr", model=own(1.0))
    generate(tmp_path / "set.zarr", model=own(1.0))
    with pytest.raises(ModelError, match="is not the one that made"):
        generate(tmp_path / "set.zarr", model=own(1.01))
