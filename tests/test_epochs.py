"""Epochs: every row once, well mixed, in bounded memory, and no thread left behind."""

from __future__ import annotations

import collections
import gc
import itertools
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import KINDS, Made, epoch_threads, made, same_rows, stacked, three_stores

import likely as lk
from likely.dataset import epochs
from likely.dataset import rows as rows_module
from likely.dataset.parts import Store
from likely.dataset.place import place_at
from likely.dataset.pool import Form, shuffled
from likely.dataset.rows import Rows
from likely.dataset.store import write_shard
from likely.errors import FileFormatError, ParameterError


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, ...]:
    return three_stores(tmp_path_factory.mktemp("stores"))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make so few rows at a time that even a small training set can exceed the memory."""
    monkeypatch.setattr(rows_module, "BLOCK", 1)


def least_memory(rows: Rows, size: int) -> int:
    """Return the smallest memory that batches accept, by trying."""
    low, high = 1, 2**30
    while high - low > 1:
        middle = (low + high) // 2
        try:
            rows.batches(size, seed=0, memory=middle).close()
            high = middle
        except ParameterError:
            low = middle
    return high


def wait_for_no_threads() -> None:
    until = time.monotonic() + 10
    while epoch_threads() and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    assert not epoch_threads()


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_has_every_row_exactly_once(
    stores: tuple[Made, ...], kind: str, size: int
) -> None:
    rows = getattr(lk.TrainingSet(*(s.path for s in stores)), kind)
    expected = np.concatenate([s.expected(kind) for s in stores])
    for epoch in range(2):
        batches = rows.batches(size, seed=5, epoch=epoch)
        taken = list(batches)
        sizes = [len(x) for x, _ in taken]
        assert len(sizes) == len(batches) == -(-len(rows) // size)
        assert set(sizes[:-1]) <= {size}
        assert same_rows(stacked(iter(taken)), expected)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("size", [1, 13, 50])
@pytest.mark.parametrize("files", [1, 2, 3])
@pytest.mark.parametrize("validation", [None, 0.2, 0.7])
def test_so_it_has_in_little_memory_and_after_a_split(
    stores: tuple[Made, ...], validation: float | None, files: int, size: int
) -> None:
    data = lk.TrainingSet(*(s.path for s in stores[:files]))
    expected = np.concatenate([s.expected("densities") for s in stores[:files]])
    sides = (data,) if validation is None else data.split(validation=validation, seed=6)
    found = []
    for side in sides:
        memory = least_memory(side.densities, size)
        side.densities._kept_records = None
        found.append(stacked(side.densities.batches(size, seed=7, memory=memory)))
        assert side.densities._kept_records is None
        assert len(found[-1]) == len(side.densities)
    assert same_rows(np.concatenate(found), expected)


def test_the_last_batch_can_be_left_out(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(stores[0].path).densities
    whole = rows.batches(100, seed=1, drop_last=True)
    assert len(whole) == 4
    assert [len(x) for x, _ in whole] == [100] * 4
    with pytest.raises(ParameterError, match="440 rows, fewer than a batch of 441"):
        rows.batches(441, seed=1, drop_last=True)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("little", [True, False])
def test_batches_depend_on_seed_and_epoch_alone(stores: tuple[Made, ...], little: bool) -> None:
    paths = [s.path for s in stores[:2]]
    rows = lk.TrainingSet(*paths).densities
    memory = least_memory(lk.TrainingSet(*paths).densities, 20) if little else 2**30
    first = stacked(rows.batches(20, seed=1, epoch=2, memory=memory))
    slow = []
    for batch in lk.TrainingSet(*paths).densities.batches(20, seed=1, epoch=2, memory=memory):
        slow.append(batch)
        time.sleep(0.002)
    np.testing.assert_array_equal(stacked(iter(slow)), first)
    for seed, epoch in ((1, 3), (2, 2), (2**64 - 1, 2)):
        other = stacked(rows.batches(20, seed=seed, epoch=epoch, memory=memory))
        assert not np.array_equal(other, first)
    np.testing.assert_array_equal(stacked(rows.batches(20, seed=1, epoch=2, memory=memory)), first)
    np.testing.assert_array_equal(np.append(*rows[3]), stores[0].expected("densities")[3])


def test_each_shard_is_read_once_an_epoch_and_not_at_all_when_kept(
    stores: tuple[Made, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[str, int]] = []
    read = Store.read

    def counted(store: Store, name: str, sets: slice) -> np.ndarray:
        reads.append((name, sets.start))
        return read(store, name, sets)

    monkeypatch.setattr(Store, "read", counted)
    monkeypatch.setattr(rows_module, "BLOCK", 1)
    train, _ = lk.TrainingSet(stores[0].path).split(validation=0.3, seed=1)
    expected = [(name, start) for name in ("data", "labels") for start in (0, 3, 6, 9)]
    memory = least_memory(train.densities, 5)
    reads.clear()
    list(train.densities.batches(5, seed=0, memory=memory))
    assert sorted(r for r in reads if r[0] != "theta") == sorted(expected)
    list(train.densities.batches(5, seed=0))
    reads.clear()
    list(train.densities.batches(5, seed=0, epoch=1))
    train.densities[0]
    assert reads == []


FORM = Form(np.zeros((1, 0), np.float32), 0, ())


def numbers_out(groups: list[int], capacity: int, block: int, seed: int) -> list[np.ndarray]:
    """Send groups of numbered records through a pool; return the numbers, block by block."""
    ends = np.cumsum([0, *groups])

    def write(first: int, records: np.ndarray) -> None:
        records[:, 0] = 0
        records.view(np.float32)[:, 1] = np.arange(first, first + len(records))

    entering = ((n, partial(write, int(first))) for n, first in zip(groups, ends[:-1], strict=True))
    pool = np.empty((capacity, 2), np.int32)
    blocks = shuffled(pool, 0, entering, block, FORM, np.random.default_rng(seed))
    return [targets.astype(int) for _, targets in blocks]


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    block=st.integers(1, 40),
    spare=st.integers(0, 100),
    seed=st.integers(0, 2**32),
)
def test_a_pool_gives_every_row_once_in_whole_blocks(
    groups: list[int], block: int, spare: int, seed: int
) -> None:
    blocks = numbers_out(groups, max(groups) + block + spare, block, seed)
    assert sorted(np.concatenate(blocks)) == list(range(sum(groups)))
    assert {len(b) for b in blocks[:-1]} <= {block}


def test_all_orders_are_equally_likely_if_everything_fits() -> None:
    runs = 4_800
    seen = collections.Counter(
        tuple(np.concatenate(numbers_out([3, 1], 4, 2, seed))) for seed in range(runs)
    )
    expected = runs / 24
    chi_squared = sum(
        (seen[order] - expected) ** 2 / expected for order in itertools.permutations(range(4))
    )
    assert chi_squared < 49.7  # 99.9% of 23 degrees of freedom


def test_a_pool_of_some_shards_mixes_them() -> None:
    shards, n, room = 60, 500, 10
    order = np.concatenate(numbers_out([n] * shards, room * n, 50, seed=1))
    shard, within = order // n, order % n
    steady = shard[: -room * n].reshape(-1, 250)
    distinct = [len(np.unique(batch)) for batch in steady]
    largest = [np.bincount(batch).max() / len(batch) for batch in steady]
    # Unmixed batches would have 1 or 2 shards; ten shards in equal parts would be a tenth each.
    assert min(distinct) >= room
    assert max(largest) < 0.25
    # Where a row was in its shard says nothing about when it leaves.
    assert abs(np.corrcoef(np.arange(len(order)), within)[0, 1]) < 4 / np.sqrt(len(order))
    neighbours = np.mean(np.abs(np.diff(within)))
    assert neighbours == pytest.approx(n / 3, rel=0.03)


def test_an_epoch_mixes_sets_and_files(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(*(s.path for s in stores)).densities
    expected = np.concatenate([s.expected("densities") for s in stores])
    where = {row.tobytes(): i for i, row in enumerate(expected)}
    for epoch in range(3):
        order = [where[row.tobytes()] for row in stacked(rows.batches(32, seed=2, epoch=epoch))]
        assert abs(np.corrcoef(np.arange(len(order)), order)[0, 1]) < 4 / np.sqrt(len(order))
        assert np.mean(np.abs(np.diff(order))) == pytest.approx(len(order) / 3, rel=0.1)


@pytest.mark.usefixtures("small_blocks")
def test_shards_enter_in_random_order(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(stores[0].path).densities
    memory = least_memory(rows, 20)
    rows._kept_records = None
    where = {row.tobytes(): i for i, row in enumerate(stores[0].expected("densities"))}
    correlations = []
    for epoch in range(60):
        taken = stacked(rows.batches(20, seed=3, epoch=epoch, memory=memory))
        order = [where[row.tobytes()] for row in taken]
        correlations.append(np.corrcoef(np.arange(len(order)), order)[0, 1])
    # In little memory an epoch keeps some of the order in which its shards came.
    assert np.std(correlations) > 0.2
    assert abs(np.mean(correlations)) < 4 * np.std(correlations) / np.sqrt(60)


def test_an_epoch_keeps_within_its_memory(tmp_path: Path) -> None:
    path = made(tmp_path / "set.zarr", 1_000, 20, seed=8, points=2_000, draws=1).path
    rows = lk.TrainingSet(path).densities
    memory = 12 * 2**20
    assert len(rows) * 16 > 2.5 * memory
    tracemalloc.start()
    try:
        taken = sum(len(x) for x, _ in rows.batches(8_192, seed=0, memory=memory))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken == len(rows)
    assert memory / 2 < peak < memory


@pytest.mark.usefixtures("small_blocks")
def test_a_consumer_that_stops_early_leaves_no_thread(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(stores[0].path).densities
    closed = rows.batches(3, seed=0)
    next(closed)
    assert len(epoch_threads()) == 1
    closed.close()
    assert not epoch_threads()
    assert list(closed) == []
    with pytest.raises(KeyboardInterrupt), rows.batches(3, seed=0) as batches:  # noqa: PT012
        next(batches)
        raise KeyboardInterrupt
    assert not epoch_threads()
    for _ in rows.batches(3, seed=0):
        break
    forgotten = rows.batches(3, seed=0)
    del forgotten
    wait_for_no_threads()
    assert len(list(rows.batches(3, seed=0))) == 147
    assert not epoch_threads()


@pytest.mark.usefixtures("small_blocks")
def test_only_a_few_blocks_are_made_ahead(stores: tuple[Made, ...]) -> None:
    made_blocks: list[int] = []

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for i in range(100):
            made_blocks.append(i)
            yield np.zeros((1, 2), np.float32), np.zeros(1, np.float32)

    with epochs.Epoch(blocks(), 1, 100, threading.Event()) as batches:
        for _ in range(3):
            next(batches)
        time.sleep(0.05)
        assert len(made_blocks) == 3 + epochs.AHEAD


def test_an_interpreter_ends_in_the_middle_of_an_epoch(stores: tuple[Made, ...]) -> None:
    program = (
        "import sys, likely as lk\n"
        "import likely.dataset.rows as rows\n"
        "rows.BLOCK = 1\n"
        "batches = lk.TrainingSet(sys.argv[1]).densities.batches(3, seed=0)\n"
        "print(len(next(batches)[0]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(stores[0].path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"size": 2.5}, r"size is 2\.5"),
        ({"seed": -1}, "seed is -1"),
        ({"epoch": -1}, "epoch is -1"),
        ({"epoch": 0.0}, r"epoch is 0\.0"),
        ({"memory": 0}, "memory is 0"),
        ({"memory": 1_000}, "memory is 1000 bytes; .* at least"),
    ],
)
def test_arguments_of_batches_that_make_no_sense_are_refused(
    stores: tuple[Made, ...], arguments: dict[str, Any], message: str
) -> None:
    rows = lk.TrainingSet(stores[0].path).densities
    with pytest.raises(ParameterError, match=message):
        rows.batches(**{"size": 8, "seed": 0, **arguments})
    assert not epoch_threads()


@pytest.mark.usefixtures("small_blocks")
def test_the_memory_an_error_asks_for_is_enough(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(*(s.path for s in stores)).densities
    with pytest.raises(ParameterError, match="at least") as error:
        rows.batches(8, seed=0, memory=1_000)
    needed = int(str(error.value).split("at least ")[1].split(".")[0])
    assert needed == least_memory(rows, 8)


@pytest.mark.parametrize("damage", ["gone", "cut short", "not finite"])
def test_damage_found_while_reading_is_an_error_and_leaves_no_thread(
    tmp_path: Path, damage: str
) -> None:
    store = made(tmp_path / "set.zarr", 6, 2, seed=1, points=3)
    rows = lk.TrainingSet(store.path).densities
    chunk = store.path / "labels" / "c.1.0"
    if damage == "gone":
        chunk.unlink()
    elif damage == "cut short":
        chunk.write_bytes(chunk.read_bytes()[:10])
    else:
        part = {name: values[2:4].copy() for name, values in store.arrays.items()}
        part["labels"][0, 0] = np.inf
        configuration = lk.TrainingSet(store.path).configurations[0]
        write_shard(place_at(store.path), configuration, 1, part)
    with pytest.raises(FileFormatError, match=r"set\.zarr: 'labels' of the sets 2 to 3"):
        list(rows.batches(4, seed=0))
    assert not epoch_threads()
    assert len(rows[0][0]) == 5
    with pytest.raises(FileFormatError, match="'labels' of the sets 2 to 3"):
        rows[6]
