"""The training loop: the best weights are kept, it stops in time, and goes on where it stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from learnable import layers_in_numpy, smooth_set

from likely import supervised
from likely.checkpoint import Checkpoint
from likely.dataset.reading import TrainingSet
from likely.errors import FileFormatError, ParameterError
from likely.lan import TrainedNetwork, train_lan
from likely.losses import huber, squared_error
from likely.networks.network import Layers
from likely.supervised import Recipe

NETWORK = Layers((8,))
RECIPE = Recipe(epochs=3, batch=64, rate=1e-2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return TrainingSet(smooth_set(tmp_path_factory.mktemp("smooth") / "set.zarr"))


def train(data: TrainingSet, **given: Any) -> TrainedNetwork:
    usual = {"network": NETWORK, "recipe": RECIPE, "seed": 1, "progress": False}
    return train_lan(data, **{**usual, **given})


@pytest.fixture(scope="module")
def uninterrupted(data: TrainingSet) -> TrainedNetwork:
    return train(data)


def same(one: TrainedNetwork, other: TrainedNetwork) -> bool:
    """Tell whether weights and losses are the same, bit by bit."""
    arrays = all(np.array_equal(a, other.arrays[name]) for name, a in one.arrays.items())
    return arrays and [e[1:] for e in one.history] == [e[1:] for e in other.history]


def test_the_same_seed_gives_the_same_weights(
    data: TrainingSet, uninterrupted: TrainedNetwork
) -> None:
    assert same(train(data), uninterrupted)
    other = train(data, seed=2)
    for name, array in uninterrupted.arrays.items():
        assert not np.array_equal(array, other.arrays[name])


def test_weights_do_not_depend_on_the_precision_that_others_turned_on(
    data: TrainingSet, uninterrupted: TrainedNetwork
) -> None:
    with jax.enable_x64(True):
        assert same(train(data), uninterrupted)


def test_history_counts_epochs_and_steps(data: TrainingSet, uninterrupted: TrainedNetwork) -> None:
    rows = len(data.split(validation=RECIPE.validation, seed=1)[0].densities)
    steps = math.ceil(rows / RECIPE.batch)
    assert [epoch.steps for epoch in uninterrupted.history] == [steps, 2 * steps, 3 * steps]
    seconds = [epoch.seconds for epoch in uninterrupted.history]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    losses = [epoch.validation for epoch in uninterrupted.history]
    assert min(losses[1:]) < losses[0]


def test_the_validation_loss_is_that_of_the_rows_held_out(
    data: TrainingSet, uninterrupted: TrainedNetwork
) -> None:
    held_out = data.split(validation=RECIPE.validation, seed=1)[1].densities
    with held_out.batches(len(held_out), seed=0) as batches:
        x, labels = (part.astype(float) for part in next(batches))
    v, a, t, rt, choice = x.T
    one_hot = np.stack([choice == c for c in (0, 1, 2)], axis=1)
    inputs = np.column_stack([v, 2 * (a - 1), 4 * t - 1, rt * 20 / 2.0, one_hot])
    errors = np.abs(layers_in_numpy(uninterrupted.arrays, inputs)[:, 0] - labels)
    expected = np.where(errors < 1, 0.5 * errors**2, errors - 0.5).mean()
    assert uninterrupted.best.validation == pytest.approx(expected, rel=1e-4)


class Stopped(Exception):
    """Stands for whatever ends a process."""


def stop_after_writing(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    write = Checkpoint.write

    def write_and_stop(self: Checkpoint, tree: Any) -> None:
        write(self, tree)
        if len(tree["history"]) == epochs:
            raise Stopped

    monkeypatch.setattr(Checkpoint, "write", write_and_stop)


def stop_within(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    seen = validations(supervised._validate, monkeypatch)

    def stop(epoch: int) -> None:
        if epoch == epochs:
            raise Stopped

    seen.append(stop)


def validations(function: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Call what is in the list with the number of the epoch at each validation."""
    before: list[Any] = []
    calls = iter(range(1, 1000))

    def wrapped(*given: Any) -> float:
        epoch = next(calls)
        for each in before:
            each(epoch)
        return function(*given)

    monkeypatch.setattr(supervised, "_validate", wrapped)
    return before


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("stop", [stop_after_writing, stop_within])
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    data: TrainingSet, uninterrupted: TrainedNetwork, tmp_path: Path, stop: Any, epochs: int
) -> None:
    path = tmp_path / "lan.checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        stop(patch, epochs)
        with pytest.raises(Stopped):
            train(data, checkpoint=path)
    resumed = train(data, checkpoint=path)
    assert same(resumed, uninterrupted)
    seconds = [epoch.seconds for epoch in resumed.history]
    assert seconds == sorted(seconds)
    began = path.read_bytes()
    assert same(train(data, checkpoint=path), uninterrupted)
    assert path.read_bytes() == began


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 2}, "seed"),
        ({"recipe": Recipe(epochs=4, batch=64, rate=1e-2)}, "recipe"),
        ({"decision_time": True}, "decision time"),
        ({"loss": squared_error}, "loss"),
        ({"network": Layers((9,))}, "form"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    data: TrainingSet, checkpoint: Path, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ParameterError, match=f"another run: its {told} is") as caught:
        train(data, checkpoint=checkpoint, **change)
    assert str(checkpoint) in str(caught.value)


def test_a_checkpoint_of_another_training_set_is_refused(
    checkpoint: Path, data: TrainingSet, tmp_path: Path
) -> None:
    other = TrainingSet(smooth_set(tmp_path / "other.zarr", seed=5))
    for different in (other, data.split(seed=3)[0]):
        with pytest.raises(ParameterError, match="another run: its training set is"):
            train(different, checkpoint=checkpoint)


def test_a_damaged_checkpoint_is_refused(data: TrainingSet, checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for damaged in (b"", b"rt,choice\n", whole[:-1], whole[:-1] + b"\1"):
        checkpoint.write_bytes(damaged)
        with pytest.raises(FileFormatError, match="no checkpoint of likely|is damaged"):
            train(data, checkpoint=checkpoint)
        assert checkpoint.read_bytes() == damaged


@pytest.fixture
def checkpoint(data: TrainingSet, tmp_path: Path, kept: bytes) -> Path:
    path = tmp_path / "lan.checkpoint"
    path.write_bytes(kept)
    return path


@pytest.fixture(scope="module")
def kept(data: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("kept") / "lan.checkpoint"
    train(data, checkpoint=path)
    return path.read_bytes()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let a test say what the validation losses are; gives the weights that were validated."""
    weights: list[dict[str, np.ndarray]] = []

    def prescribe(losses: list[float]) -> list[dict[str, np.ndarray]]:
        def validate(judge: Any, arrays: Any, rows: Any) -> float:
            weights.append({name: np.asarray(array) for name, array in arrays.items()})
            return losses[len(weights) - 1]

        monkeypatch.setattr(supervised, "_validate", validate)
        return weights

    return prescribe


def test_the_weights_kept_are_those_of_the_lowest_validation_loss(
    data: TrainingSet, told: Any
) -> None:
    weights = told([3.0, 1.0, 2.0, 1.0])
    found = train(data, recipe=Recipe(epochs=4, batch=64))
    assert found.best == found.history[1]
    for name, array in found.arrays.items():
        np.testing.assert_array_equal(array, weights[1][name])
        assert not np.array_equal(array, weights[3][name])


@pytest.mark.parametrize(
    ("patience", "losses", "epochs"),
    [
        (1, [3.0, 2.0, 2.5, 1.0], 3),
        (2, [3.0, 1.0, 2.0, 1.5, 0.5], 4),
        (2, [3.0, 3.0, 3.0, 1.0], 3),
        (3, [5.0, 4.0, 3.0, 2.0, 1.0], 5),
    ],
)
def test_training_stops_once_the_validation_loss_no_longer_falls(
    data: TrainingSet, told: Any, patience: int, losses: list[float], epochs: int
) -> None:
    told(losses)
    recipe = Recipe(epochs=len(losses), batch=256, patience=patience)
    found = train(data, recipe=recipe)
    assert [epoch.validation for epoch in found.history] == losses[:epochs]


def test_a_run_that_stopped_early_is_not_taken_up_again(
    data: TrainingSet, told: Any, tmp_path: Path
) -> None:
    path = tmp_path / "lan.checkpoint"
    told([3.0, 4.0, 1.0, 1.0])
    recipe = Recipe(epochs=4, batch=256, patience=1)
    first = train(data, recipe=recipe, checkpoint=path)
    assert len(first.history) == 2
    assert same(train(data, recipe=recipe, checkpoint=path), first)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_training_that_diverges_says_so_and_keeps_no_such_state(
    data: TrainingSet, told: Any, tmp_path: Path, loss: float
) -> None:
    told([3.0, loss])
    path = tmp_path / "lan.checkpoint"
    with pytest.raises(ParameterError, match="after epoch 2: training diverged. Lower the rate"):
        train(data, checkpoint=path)
    kept = Checkpoint(path, {}).read()
    assert kept is not None
    assert len(kept["history"]) == 1


def test_a_far_too_high_rate_diverges(data: TrainingSet) -> None:
    with pytest.raises(ParameterError, match="training diverged"):
        train(data, recipe=Recipe(epochs=1, batch=64, rate=1e30), loss=squared_error)


def test_the_rate_rises_and_then_falls_as_a_cosine() -> None:
    recipe = Recipe(rate=0.01, warm_up=0.1)
    optimiser = recipe.optimiser(1000)
    state = optimiser.init({"w": np.float32(0)})
    rates = []
    for _ in range(1001):  # Adam's step for a constant gradient is the rate
        update, state = optimiser.update({"w": np.float32(1)}, state)
        rates.append(-float(update["w"]))
    low, high = 0.01 / 25, 0.01
    np.testing.assert_allclose(rates[:101], np.linspace(low, high, 101), rtol=1e-4)
    falling = 0.5 * high * (1 + np.cos(np.pi * np.arange(901) / 900))
    np.testing.assert_allclose(rates[100:], falling, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("warm_up", [0.0, 0.5, 0.99])
def test_a_schedule_of_few_steps_works(steps: int, warm_up: float) -> None:
    optimiser = Recipe(warm_up=warm_up).optimiser(steps)
    state = optimiser.init({"w": np.float32(0)})
    for _ in range(steps):
        update, state = optimiser.update({"w": np.float32(1)}, state)
        assert 0 <= -float(update["w"]) <= 3e-3 * 1.001


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"batch": True}, "batch is True"),
        ({"patience": 0}, "patience is 0"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"rate": math.inf}, "rate is infinite"),
        ({"rate": math.nan}, "rate is nan"),
        ({"rate": "fast"}, "rate is 'fast'"),
        ({"warm_up": 1.0}, "warm_up is 1.0"),
        ({"warm_up": -0.1}, "warm_up is -0.1"),
        ({"warm_up": math.nan}, "warm_up is nan"),
        ({"validation": 0.0}, "validation is 0.0"),
        ({"validation": 1}, "validation is 1;"),
        ({"validation": "10%"}, "validation is '10%'"),
    ],
)
def test_a_senseless_recipe_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        Recipe(**values)


def test_the_loss_may_be_the_users_own(data: TrainingSet) -> None:
    def quarter(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return 0.25 * huber(outputs, targets)

    recipe = Recipe(epochs=1, batch=64)
    usual, own = (train(data, recipe=recipe, loss=loss) for loss in (huber, quarter))
    assert own.best.validation == pytest.approx(0.25 * usual.best.validation, rel=0.01)
