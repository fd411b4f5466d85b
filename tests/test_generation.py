"""Training sets: the same bits whoever makes them, in the shape that is promised."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import (
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from generating import MODEL, OWN, SMALL, generate, tree

import likely as lk
from likely.dataset import generation
from likely.dataset.portable import packed, unpacked
from likely.dataset.store import create_store, open_store, usual_shard
from likely.errors import FileFormatError, ModelError, UndecidedWarning
from likely.labels import FLOOR, Labelling, labelled_sets


def test_a_store_holds_the_labelled_sets(tmp_path: Path) -> None:
    path = generate(tmp_path / "set.zarr")
    assert path == tmp_path / "set.zarr"
    expected = labelled_sets(MODEL, SMALL, seed=3, first=0, sets=7)
    with xr.open_zarr(path) as stored:
        assert set(stored.data_vars) == set(expected)
        assert stored["data"].dims == ("set", "point", "response")
        assert stored["histogram_128"].dims == ("set", "bin_128", "choice")
        assert stored["data"].chunks == ((2, 2, 2, 1), (50,), (2,))
        assert stored["theta"].attrs == {"parameters": ["v", "a", "z", "t"]}
        assert stored["choice_p"].attrs == {"choices": [-1, 1]}
        for name, values in expected.items():
            assert stored[name].dtype == values.dtype, name
            np.testing.assert_array_equal(stored[name].values, values)
        attributes = stored.attrs
    assert attributes["kind"] == "likely training set"
    assert (attributes["seed"], attributes["sets"], attributes["sets_a_shard"]) == (3, 7, 2)
    assert attributes["points"] == {"kde": 40, "uniform": 5, "impossible": 5}
    assert attributes["floor"] == FLOOR
    assert attributes["labelling"]["draws"] == 200
    assert attributes["declaration"]["parameters"][0]["box"] == [-2.0, 2.0]


def test_opened_stores_are_configured_as_asked(tmp_path: Path) -> None:
    group, configuration = open_store(generate(tmp_path / "set.zarr", seed=2**64 - 1))
    assert configuration.declaration == MODEL.declaration
    assert configuration.labelling == SMALL
    assert (configuration.seed, configuration.rows) == (2**64 - 1, 350)
    assert [len(configuration.sets_of(shard)) for shard in range(4)] == [2, 2, 2, 1]
    assert group["labels"].shape == (7, 50)
    with pytest.raises(ValueError, match="read-only"):
        group["labels"][0] = 0.0


def test_any_workers_make_the_same_bytes(tmp_path: Path) -> None:
    expected = tree(generate(tmp_path / "one", workers=1))
    assert len(expected) == 10 + 4 * 9
    assert tree(generate(tmp_path / "two", workers=2)) == expected
    assert tree(generate(f"file://{tmp_path}/url")) == expected
    with ThreadPoolExecutor(2) as pool:
        assert tree(generate(tmp_path / "pool", executor=pool, workers=1)) == expected
    assert generate("memory://generation/set.zarr") == "memory://generation/set.zarr"
    memory = fsspec.filesystem("memory")
    stored = {
        name.removeprefix("/generation/set.zarr/"): memory.cat_file(name)
        for name in memory.find("/generation/set.zarr")
    }
    assert stored == expected


def test_usual_shards_are_neither_tiny_nor_huge() -> None:
    usual = Labelling()
    assert usual_shard(MODEL.declaration, usual, 1) == 1
    assert usual_shard(MODEL.declaration, usual, 1000) == 32
    size = sum(a.bytes_a_set for a in generation.configure(MODEL, usual, 0, 1, 1).layouts)
    assert 12e6 < size * usual_shard(MODEL.declaration, usual, 10**6) <= 16e6


def test_metadata_alone_is_an_incomplete_set(tmp_path: Path) -> None:
    place = generation.place_at(tmp_path / "set.zarr")
    create_store(place, generation.configure(MODEL, SMALL, 3, 7, 2))
    with pytest.raises(FileFormatError, match="4 of its 4 shards are missing"):
        open_store(tmp_path / "set.zarr")


def test_models_of_ones_own_reach_other_processes(tmp_path: Path) -> None:
    # The processes are fresh ones, which have none of this module's code.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name, make in OWN.items():
            given = {"model": make(), "sets": 3}
            one = generate(tmp_path / name, **given)
            other = generate(tmp_path / f"{name}-elsewhere", executor=pool, **given)
            assert tree(one) == tree(other)


def test_packed_models_carry_the_code_of_own_modules_and_no_compiled_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_models.py").write_text(
        "import likely as lk\n"
        "def drift(v): return v\n"
        "def boundary(a): return a\n"
        "mine = lk.Diffusion('mine', parameters=dict(v=(0, 1), a=(1, 2)), drift=drift,\n"
        "                    boundary=boundary)\n"
        "mine.first_passages\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_own_models

    parcel = packed(my_own_models.mine)
    monkeypatch.delitem(sys.modules, "my_own_models")
    (tmp_path / "my_own_models.py").unlink()
    model = unpacked(parcel)
    assert model is unpacked(parcel)
    assert model.declaration == my_own_models.mine.declaration
    first = labelled_sets(model, SMALL, seed=0, first=0, sets=1)
    again = labelled_sets(my_own_models.mine, SMALL, seed=0, first=0, sets=1)
    np.testing.assert_array_equal(first["data"], again["data"])


def test_models_that_cannot_travel_are_refused(tmp_path: Path) -> None:
    lock = threading.Lock()

    def simulate(rng: np.random.Generator, m: np.ndarray) -> Any:
        with lock:
            return rng.exponential(m), np.zeros(len(m))

    box = {"m": (1.0, 2.0)}
    stuck = lk.Simulator("stuck", parameters=box, choices=(0,), simulate=simulate, vectorized=True)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ModelError, match="cannot be sent"):
        generate(tmp_path / "set.zarr", model=stuck, executor=pool)


class Polled:
    """An executor whose jobs are no futures, as those of submitit."""

    def __init__(self) -> None:
        self.running, self.most, self.cancelled = 0, 0, 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> PolledJob:
        self.running += 1
        self.most = max(self.most, self.running)
        return PolledJob(self, function, arguments)


class PolledJob:
    def __init__(self, owner: Polled, function: Callable[..., Any], arguments: Any) -> None:
        self.owner, self.call, self.looks = owner, (function, arguments), 0

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1

    def result(self) -> Any:
        self.owner.running -= 1
        function, arguments = self.call
        return function(*arguments)

    def cancel(self) -> None:
        self.owner.cancelled += 1


def test_jobs_need_not_be_futures_and_are_bounded(tmp_path: Path) -> None:
    executor = Polled()
    one = generate(tmp_path / "polled", executor=executor, workers=3)
    assert executor.most == 3
    assert tree(one) == tree(generate(tmp_path / "here"))


def test_an_infinite_box_of_the_non_decision_time_ends_after_two_seconds(tmp_path: Path) -> None:
    labelling = lk.Labelling(draws=20, points=10, deadlines=1)
    store = lk.generate("ddm", tmp_path / "set.zarr", sets=200, labelling=labelling, seed=1)
    data = lk.TrainingSet(store)
    assert data.declaration.box["t"] == (0.0, 2.0)
    assert 1.9 < data.theta()[:, 3].max() < 2.0


def test_a_simulator_that_hardly_ever_decides_is_warned_of(tmp_path: Path) -> None:
    slow = lk.Simulator(
        "slow", parameters={"m": (500.0, 900.0)}, choices=(0,), simulate=_in_milliseconds
    )
    labelling = lk.Labelling(draws=50, points=10, deadlines=1)
    with pytest.warns(UndecidedWarning, match="100% of the trials were undecided after 20 s"):
        lk.generate(slow, tmp_path / "set.zarr", sets=3, labelling=labelling, seed=1)


def _in_milliseconds(rng: np.random.Generator, m: float) -> tuple[float, int]:
    return rng.gamma(9.0, m / 9.0), 0
