"""Training sets: what cannot be made or read, said in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any

import pytest
from generating import MODEL, SMALL, generate, tree

import likely as lk
from likely.dataset import generation, shards
from likely.dataset.portable import packed
from likely.dataset.store import open_store
from likely.errors import FileFormatError, LikelyError, ParameterError, WorkersError


def test_what_is_no_training_set_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "zarr.json").write_text('{"attributes": {"kind": "weather"}}')
    (tmp_path / "file").write_text("b")
    before = tree(tmp_path)
    for name in ("notes", "foreign"):
        with pytest.raises(FileFormatError, match="not a training set.*left as it is"):
            generate(tmp_path / name)
        with pytest.raises(FileFormatError, match=r"not a training set\.$"):
            open_store(tmp_path / name)
    with pytest.raises(LikelyError, match="is a file"):
        generate(tmp_path / "file")
    with pytest.raises(FileFormatError, match="does not exist"):
        open_store(tmp_path / "nowhere")
    assert tree(tmp_path) == before
    (tmp_path / "empty").mkdir()
    open_store(generate(tmp_path / "empty"))


def test_damaged_metadata_is_one_clear_error(tmp_path: Path) -> None:
    path = generate(tmp_path / "set.zarr")
    good = json.loads((path / "zarr.json").read_bytes())

    def opened(**attributes: Any) -> None:
        changed = {**good, "attributes": {**good["attributes"], **attributes}}
        (path / "zarr.json").write_text(json.dumps(changed))
        open_store(path)

    opened()
    with pytest.raises(FileFormatError, match="format 2 cannot be read"):
        opened(format=2)
    for damage in (
        {"labelling": {"draws": -1}}, {"labelling": None}, {"seed": "x"}, {"sets": 0},
        {"declaration": {}}, {"sets_a_shard": 0.5},
    ):  # fmt: skip
        with pytest.raises(FileFormatError, match="metadata is damaged"):
            opened(**damage)
    with pytest.raises(FileFormatError, match="metadata is damaged"):
        opened(sets=8)  # more than the arrays hold
    (path / "zarr.json").write_text("{")
    with pytest.raises(FileFormatError, match="metadata is damaged"):
        open_store(path)


def test_workers_that_see_another_store_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = generation.configure(MODEL, SMALL, 3, 7, 2)
    with pytest.raises(WorkersError, match="does not find this training set"):
        shards.make_shard_elsewhere(packed(MODEL), str(tmp_path / "no"), configuration, 0)
    path = str(generate(tmp_path / "set.zarr", seed=5))
    with pytest.raises(WorkersError, match="does not find this training set"):
        shards.make_shard_elsewhere(packed(MODEL), path, configuration, 0)
    monkeypatch.setattr(shards, "version", lambda name: "0.0.1")
    with pytest.raises(WorkersError, match=r"has likely 0\.0\.1, not"):
        shards.make_shard_elsewhere(packed(MODEL), path, configuration, 0)


class Forgetful(Executor):
    """An executor whose workers write somewhere else."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(arguments.index, arguments[-1])


def test_shards_that_arrive_nowhere_are_reported(tmp_path: Path) -> None:
    with pytest.raises(WorkersError, match="4 shards have been made but are not in"):
        generate(tmp_path / "set.zarr", executor=Forgetful())


class Broken(Executor):
    """An executor whose workers have died."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        future: Future[int] = Future()
        future.set_exception(BrokenExecutor("a process ended abruptly"))
        return future


def test_a_broken_pool_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(WorkersError, match="workers died or were lost; 0 of 4 shards are kept"):
        generate(tmp_path / "set.zarr", executor=Broken())


def test_bad_arguments_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    def fails(m: float) -> float:
        raise RuntimeError("no luck")

    broken = lk.Simulator(
        "broken", parameters={"m": (1, 2)}, choices=(0,), simulate=fails, vectorized=True
    )
    for given, words in (
        ({"sets": 0}, "sets is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"sets_a_shard": 0}, "sets_a_shard is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"labelling": {"draws": 3}}, "labelling is"),
        ({"model": broken}, "simulator failed"),
    ):
        with pytest.raises(ParameterError if "model" not in given else LikelyError, match=words):
            generate(tmp_path / "set.zarr", **given)
    with pytest.raises(LikelyError, match="cannot be reached"):
        generate("nosuch://set.zarr")
    assert not (tmp_path / "set.zarr").exists()
