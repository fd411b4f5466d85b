"""Networks and arguments that cannot serve are refused before training begins."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import pytest
from flax import nnx
from learnable import Bumps, Waves, smooth_set

from likely.dataset.reading import TrainingSet
from likely.errors import ParameterError
from likely.lan import train_classic, train_cpn, train_lan, train_opn
from likely.networks.network import Layers


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return TrainingSet(smooth_set(tmp_path_factory.mktemp("small") / "set.zarr"))


class Normalised(nn.Module):
    """A network whose state is more than its parameters."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs."""
        return nn.Dense(1)(nn.BatchNorm(use_running_average=False)(x))


class NormalisedNnx(nnx.Module):
    """The same in flax.nnx."""

    def __init__(self) -> None:
        self.norm = nnx.BatchNorm(7, rngs=nnx.Rngs(0))
        self.last = nnx.Linear(7, 1, rngs=nnx.Rngs(1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs."""
        return self.last(self.norm(x))


@pytest.mark.parametrize(
    ("train", "network", "told"),
    [
        (train_lan, Layers((4,), 2), r"returns \(2, 2\).* not \(n, 1\) for inputs \(n, 7\)"),
        (train_cpn, Layers((4,), 1), r"returns \(2, 1\).* not \(n, 2\) for inputs \(n, 2\)"),
        (train_opn, Layers((4,), 3), r"returns \(2, 3\).* not \(n, 1\) for inputs \(n, 3\)"),
        (train_lan, Bumps(3), r"returns \(2, 3\)"),
        (train_lan, Normalised(), "Normalised has variables .'batch_stats'. besides"),
        (train_lan, NormalisedNnx(), "NormalisedNnx has state besides its parameters"),
        (train_lan, Waves(5), r"cannot take inputs \(n, 7\)"),
        (train_lan, "100-100-1", "'100-100-1' is neither a network nor a Flax module"),
    ],
)
def test_networks_that_cannot_serve_are_refused(
    small: TrainingSet, train: Any, network: Any, told: str
) -> None:
    with pytest.raises(ParameterError, match=told):
        train(small, network=network, progress=False)


def test_senseless_arguments_are_refused(small: TrainingSet) -> None:
    with pytest.raises(ParameterError, match="activation 'sin' is none of"):
        train_classic(small, activation=jax.numpy.sin)
    with pytest.raises(ParameterError, match="seed is -1"):
        train_lan(small, seed=-1)
    with pytest.raises(ParameterError, match="a layer is 0 wide"):
        train_classic(small, hidden=(0,))
