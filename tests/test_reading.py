"""Training sets: what they hold, how they are split, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import DECLARATION, KINDS, Made, made, same_rows, stacked, three_stores

import likely as lk
from likely.errors import FileFormatError, ParameterError


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, ...]:
    return three_stores(tmp_path_factory.mktemp("stores"))


def test_a_training_set_says_what_it_holds(stores: tuple[Made, ...]) -> None:
    data = lk.TrainingSet(*(s.path for s in stores))
    assert data.declaration == DECLARATION
    assert data.sets == 19
    assert data.max_time == 20.0
    assert data.floor == pytest.approx(np.log(1e-7))
    theta = np.concatenate([s.arrays["theta"] for s in stores])
    np.testing.assert_array_equal(data.theta(), theta)
    assert data.theta().dtype == np.float64
    assert data.densities.columns == ("v", "a", "t", "rt", "choice")
    assert data.survivals.columns == ("v", "a", "t", "deadline")
    assert [len(getattr(data, kind)) for kind in KINDS] == [11 * 40 + 7 * 25 + 7, 19, 55 + 21 + 1]
    assert "19 parameter sets" in repr(data)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_one_by_one_are_those_of_the_stores_in_order(
    stores: tuple[Made, ...], kind: str
) -> None:
    rows = getattr(lk.TrainingSet(*(s.path for s in stores)), kind)
    expected = np.concatenate([s.expected(kind) for s in stores])
    found = np.stack([np.append(*rows[i]) for i in range(len(rows))])
    np.testing.assert_array_equal(found, expected)
    inputs, target = rows[-2]
    np.testing.assert_array_equal(np.append(inputs, target), expected[-2])
    assert isinstance(inputs, np.ndarray)
    assert isinstance(target, np.ndarray)
    assert inputs.dtype == target.dtype == np.float32
    assert inputs.shape == (len(rows.columns),)
    assert target.shape == ((3,) if kind == "choices" else ())
    for beyond in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError, match=f"of {len(rows)}"):
            rows[beyond]


def test_several_rows_come_in_the_order_asked_for(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(*(s.path for s in stores)).densities
    wanted = [600, 3, -1, 450, 3, 0]
    for (inputs, target), i in zip(rows.__getitems__(wanted), wanted, strict=True):
        np.testing.assert_array_equal(inputs, rows[i][0])
        assert target == rows[i][1]


def test_changing_a_row_changes_nothing_else(stores: tuple[Made, ...]) -> None:
    rows = lk.TrainingSet(stores[0].path).choices
    inputs, target = rows[0]
    inputs[:], target[:] = 9, 9
    assert not np.any(rows[0][0] == 9)
    assert not np.any(rows[0][1] == 9)
    x, y = next(iter(rows.batches(11, seed=0)))
    x[:], y[:] = 9, 9
    assert same_rows(stacked(rows.batches(4, seed=0)), stores[0].expected("choices"))


def test_rows_one_by_one_keep_within_the_memory(stores: tuple[Made, ...]) -> None:
    shard = 3 * 40 * 4 * 4
    rows = lk.TrainingSet(stores[0].path, memory=2 * shard + 8).densities
    expected = stores[0].expected("densities")
    for i in np.random.default_rng(4).integers(len(rows), size=300):
        np.testing.assert_array_equal(np.append(*rows[i]), expected[i])
        assert sum(kept.nbytes for kept in rows._recent.values()) <= 2 * shard
    assert len(rows._recent) == 2


def test_a_split_is_by_parameter_set_and_at_random(stores: tuple[Made, ...]) -> None:
    data = lk.TrainingSet(*(s.path for s in stores[:2]))
    train, validation = data.split(validation=0.3, seed=3)
    assert (train.sets, validation.sets) == (13, 5)
    assert same_rows(np.concatenate([train.theta(), validation.theta()]), data.theta())
    held_out = {row.tobytes() for row in validation.theta().astype(np.float32)}
    for kind in KINDS:
        for side, inside in ((train, False), (validation, True)):
            rows = getattr(side, kind)
            found = {rows[i][0][:3].tobytes() for i in range(len(rows))}
            assert found == {r.tobytes() for r in side.theta().astype(np.float32)}
            assert all((row in held_out) == inside for row in found)
    again = data.split(validation=0.3, seed=3)[1]
    np.testing.assert_array_equal(again.theta(), validation.theta())
    others = [data.split(validation=0.3, seed=s)[1].theta() for s in range(20)]
    assert sum(np.array_equal(other, data.theta()[-5:]) for other in others) == 0
    assert len({other.tobytes() for other in others}) > 15


def test_a_split_can_be_split_again_and_no_side_is_empty(stores: tuple[Made, ...]) -> None:
    data = lk.TrainingSet(stores[0].path)
    rest, test = data.split(validation=0.001, seed=0)
    train, validation = rest.split(validation=0.999, seed=0)
    assert [side.sets for side in (test, train, validation)] == [1, 1, 9]
    found = np.concatenate([side.theta() for side in (test, train, validation)])
    assert same_rows(found, data.theta())


def test_rows_and_training_sets_can_be_sent_to_other_processes(stores: tuple[Made, ...]) -> None:
    data = lk.TrainingSet(*(s.path for s in stores))
    train, _ = data.split(seed=1)
    expected = stacked(train.densities.batches(9, seed=0))
    rows = train.densities
    rows[5]
    sent = pickle.dumps(rows)
    assert len(sent) < 8_000  # nothing that was read
    received = pickle.loads(sent)
    np.testing.assert_array_equal(stacked(received.batches(9, seed=0)), expected)
    whole = pickle.loads(pickle.dumps(train))
    np.testing.assert_array_equal(whole.theta(), train.theta())
    assert [len(getattr(whole, k)) for k in KINDS] == [len(getattr(train, k)) for k in KINDS]


def test_rows_are_what_a_loader_with_threads_needs(stores: tuple[Made, ...]) -> None:
    """Grain reads from many threads; torch tells by `__getitems__` that it may ask for several."""
    rows = lk.TrainingSet(*(s.path for s in stores), memory=8_000).densities
    expected = np.concatenate([s.expected("densities") for s in stores])
    wrong: list[int] = []

    def read(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(len(rows), size=100):
            if not np.array_equal(np.append(*rows[int(i)]), expected[i]):
                wrong.append(int(i))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    collated = [np.stack(column) for column in zip(*rows.__getitems__([1, 2, 3]), strict=True)]
    assert [x.shape for x in collated] == [(3, 5), (3,)]


def test_what_is_no_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nowhere\.zarr does not exist"):
        lk.TrainingSet(tmp_path / "nowhere.zarr")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("hello")
    with pytest.raises(FileFormatError, match="other is not a training set"):
        lk.TrainingSet(tmp_path / "other")
    incomplete = made(tmp_path / "half.zarr", 6, 2, seed=1, points=3, complete=False).path
    with pytest.raises(FileFormatError, match=r"half\.zarr is incomplete"):
        lk.TrainingSet(incomplete)
    with pytest.raises(ParameterError, match="no training set is named"):
        lk.TrainingSet()


def box_of_a(upper: float) -> lk.Declaration:
    parameters = [
        dataclasses.replace(p, upper=upper) if p.name == "a" else p for p in DECLARATION.parameters
    ]
    return dataclasses.replace(DECLARATION, parameters=tuple(parameters))


@pytest.mark.parametrize(
    ("different", "message"),
    [
        (
            {"declaration": dataclasses.replace(DECLARATION, name="mine")},
            "the model: made up and",
        ),
        ({"declaration": dataclasses.replace(DECLARATION, choices=(0, 1))}, "the choices"),
        ({"declaration": dataclasses.replace(DECLARATION, non_decision=None)}, "non-decision"),
        ({"declaration": box_of_a(1.5)}, r"the box of 'a': \(0.3, 2.0\) and \(0.3, 1.5\)"),
        ({"max_time": 10.0}, r"max_time\): 20.0 and 10.0"),
        ({"seed": 1}, "both made with seed 1, so they share parameter sets"),
    ],
)
def test_stores_that_do_not_go_together_are_refused(
    stores: tuple[Made, ...], tmp_path: Path, different: dict[str, Any], message: str
) -> None:
    other = made(tmp_path / "other.zarr", 2, 2, **{"seed": 9, "points": 3, **different}).path
    with pytest.raises(ParameterError, match=message) as error:
        lk.TrainingSet(stores[0].path, other)
    assert "one.zarr" in str(error.value)
    assert "other.zarr" in str(error.value)


def test_a_store_twice_or_with_another_floor_is_refused(
    stores: tuple[Made, ...], tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="share parameter sets"):
        lk.TrainingSet(stores[0].path, stores[1].path, stores[0].path)
    copy = tmp_path / "two.zarr"
    shutil.copytree(stores[1].path, copy)
    metadata = json.loads((copy / "zarr.json").read_text())
    metadata["attributes"]["floor"] = -50.0
    (copy / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(ParameterError, match=r"the lowest label: -16\.\d+ and -50\.0"):
        lk.TrainingSet(stores[0].path, copy)
    metadata["attributes"]["floor"] = "low"
    (copy / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(FileFormatError, match="damaged"):
        lk.TrainingSet(copy)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), True, "0.1"])
def test_shares_that_make_no_sense_are_refused(stores: tuple[Made, ...], share: Any) -> None:
    with pytest.raises(ParameterError, match="validation is .*above 0 and below 1"):
        lk.TrainingSet(stores[0].path).split(validation=share, seed=0)


def test_one_parameter_set_cannot_be_split(stores: tuple[Made, ...]) -> None:
    with pytest.raises(ParameterError, match="only one parameter set"):
        lk.TrainingSet(stores[2].path).split(seed=0)
    with pytest.raises(ParameterError, match="seed is -1"):
        lk.TrainingSet(stores[0].path).split(seed=-1)


def test_a_store_that_changes_behind_our_back_is_noticed(tmp_path: Path) -> None:
    store = made(tmp_path / "set.zarr", 6, 2, seed=1, points=3)
    sent = pickle.dumps(lk.TrainingSet(store.path).densities)
    shutil.rmtree(store.path)
    made(store.path, 6, 2, seed=2, points=3)
    with pytest.raises(FileFormatError, match="not the training set it was"):
        pickle.loads(sent)[0]
