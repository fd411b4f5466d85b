"""`likely train STORE.zarr`, and what a checkpoint and a file of modules must not mix up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest
import zarr
from commandline import assert_refused, command
from learnable import Bumps, Waves, smooth_set

import likely as lk
from likely.errors import FileFormatError, ParameterError
from likely.networks.flax_modules import LinenNetwork

FEW = lk.Recipe(epochs=2, batch=64)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Write a small training set."""
    return smooth_set(tmp_path / "set.zarr")


class ByList(nn.Module):
    """A module with a list for a field, as Flax's own examples have; it cannot be hashed."""

    features: Sequence[int]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs (..., last of features)."""
        for width in self.features[:-1]:
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(self.features[-1])(x)


def test_a_checkpoint_of_the_same_set_with_other_labels_is_refused(
    store: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "lan.checkpoint"
    lk.train_lan(lk.TrainingSet(store), recipe=FEW, checkpoint=kept, progress=False)
    labels = zarr.open_array(store / "labels")
    labels[:] = np.asarray(labels[:]) + 3.0
    with pytest.raises(ParameterError, match="another run: its first rows"):
        lk.train_lan(lk.TrainingSet(store), recipe=FEW, checkpoint=kept, progress=False)


def test_a_checkpoint_tells_losses_and_modules_of_the_same_name_apart(
    store: Path, tmp_path: Path
) -> None:
    data, kept = lk.TrainingSet(store), tmp_path / "lan.checkpoint"
    options = {"recipe": FEW, "checkpoint": kept, "progress": False}
    one, other = lambda o, t: abs(o - t).mean(axis=1), lambda o, t: ((o - t) ** 4).mean(axis=1)
    inputs = 3 + 1 + 3
    lk.train_lan(data, network=Waves(inputs, seed=1), loss=one, **options)
    with pytest.raises(ParameterError, match="its first loss"):
        lk.train_lan(data, network=Waves(inputs, seed=1), loss=other, **options)
    with pytest.raises(ParameterError, match="its first weights"):
        lk.train_lan(data, network=Waves(inputs, seed=2), loss=one, **options)


def test_modules_and_layers_with_lists_serve(store: Path, tmp_path: Path) -> None:
    data, module = lk.TrainingSet(store), ByList([8, 8, 1])
    likelihood = lk.from_networks(
        lk.train_lan(data, network=module, recipe=FEW, progress=False),
        lk.train_cpn(data, network=lk.Layers([8], 2), recipe=FEW, progress=False),
    )
    theta, trials = {"v": 0.5, "a": 1.0, "t": 0.1}, np.array([[0.8, 1.0], [0.9, 2.0]])
    values = likelihood.logp(theta, trials)
    assert np.isfinite(values).all()
    path = likelihood.save(tmp_path / "mine.likely")
    again = lk.load(path, modules={"lan": ByList([8, 8, 1])})
    np.testing.assert_allclose(again.logp(theta, trials), values, rtol=1e-6)


def test_modules_that_a_file_does_not_need_or_cannot_use_are_refused(
    store: Path, tmp_path: Path
) -> None:
    data = lk.TrainingSet(store)
    lan = lk.train_lan(data, network=Bumps(), recipe=FEW, progress=False)
    path = lk.from_networks(lan).save(tmp_path / "mine.likely")
    for modules, told in (
        ({}, r"in Python to load: modules=\{\"lan\": Bumps"),
        ({"lan": Bumps(), "cpn": Bumps()}, "no module 'cpn'"),
        ({"lan": 3}, "modules: 3 is neither"),
    ):
        with pytest.raises(FileFormatError, match=told):
            lk.load(path, modules=modules)


def test_seeds_beyond_32_bits_count() -> None:
    network = LinenNetwork(lk.Layers((4,)).module)
    one, other = (network.initial(3, seed)["dense0/kernel"] for seed in (5, 5 + 2**32))
    assert not np.array_equal(one, other)


def test_the_command_trains_all_networks_and_shows_the_loss_of_the_weights_kept(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--epochs", "3", "--batch", "64", "--rate", "0.01", "--hidden", "8,8", "--seed", "2"]
    done = command("train", "set.zarr", *words, "--decision-time", "--checkpoints", "kept")
    head, row = (line.split() for line in done.out.strip().splitlines())
    likelihood = lk.load("smooth.likely")
    shown = dict(zip(head, row, strict=True))
    losses = dict((steps, loss) for _, steps, loss in likelihood.training.history)
    assert float(shown["loss"]) == pytest.approx(losses[int(shown["steps"])], abs=1e-4)
    assert float(shown["loss"]) == pytest.approx(min(losses.values()), abs=1e-4)
    assert likelihood.density.inputs.decision_time  # type: ignore[attr-defined]
    assert sorted(p.name for p in Path("kept").iterdir()) == [
        f"{role}.checkpoint" for role in ("cpn", "lan", "opn")
    ]
    assert likelihood.choice_probability({"v": 0.5, "a": 1.0, "t": 0.1}).shape == (1, 3)
    again = command("train", "set.zarr", *words, "--decision-time", "--checkpoints", "kept")
    assert again.out.split()[-4:-2] == done.out.split()[-4:-2]


def test_the_command_refuses_in_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ddm").mkdir()
    for words, told in (
        (["set.zarr", "--seconds", "3"], "--seconds does not go with a training set"),
        (["ddm", "--epochs", "3"], "--epochs does not go with a model"),
        (["ddm", "angle"], "one too many"),
        (["nothing.zarr"], "nothing.zarr"),
        (["set.zarr", "--epochs", "0"], "epochs is 0"),
        (["set.zarr", "--batch", "0"], "batch is 0"),
        (["set.zarr", "--rate", "-1"], "rate is -1.0; it must be a positive number."),
        (["ddm", "--steps", "0"], "steps is 0"),
        (["set.zarr", "--hidden", "8,b"], "not widths such as"),
        (["set.zarr", "--hidden", "0"], "a layer is 0 wide"),
        (["set.zarr", "-o", "mine.txt"], "ends in .likely"),
        (["set.zarr", "set.zarr"], "share parameter sets"),
    ):
        assert_refused(command("train", *words), told)


def test_a_training_set_is_a_sequence_of_its_labelled_points(store: Path) -> None:
    data = lk.TrainingSet(store)
    assert len(data) == len(data.densities) == 20 * 40
    for row, same in zip(data[7], data.densities[7], strict=True):
        np.testing.assert_array_equal(row, same)
    assert len(data.__getitems__([3, 5])) == 2
    assert "800: v, a, t, rt, choice -> labels" in repr(data.densities)


def test_what_is_no_training_set_or_recipe_is_refused_in_a_sentence(store: Path) -> None:
    with pytest.raises(ParameterError, match="is no training set; open it"):
        lk.train_lan(str(store))  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="give a likely.Recipe"):
        lk.train_lan(lk.TrainingSet(store), recipe={"epochs": 1})  # type: ignore[arg-type]


def test_help_shows_no_control_characters() -> None:
    for name in ("train", "generate"):
        assert "\\b" not in command(name, "--help").out
