# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["lanfactory==0.8.0", "pandas<3"]
# ///
"""The LANfactory half of the training benchmark, in an environment of its own.

Run as ``uv run --no-project --script benchmarks/peers/lanfactory_train.py``. One JSON job comes on
stdin, its result leaves on stdout; their fields are those of `Job` and `Result`.

The peer is used as its users do: its dataset and data loaders read pickled files, and its trainers
run as they are. All that is added is a clock at the beginning of each epoch. The files are made
here, from the same rows that `likely` trains on, as only pickles will do for the peer. Of its
optimiser nothing is changed either; its learning rates have no influence on speed.
"""

import json
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

with redirect_stdout(sys.stderr):  # it prints on import
    from lanfactory.trainers import (
        JaxMLPFactory,
        ModelTrainerJaxMLP,
        ModelTrainerTorchMLP,
        TorchMLPFactory,
        make_train_valid_dataloaders,
    )

NETWORK = {
    "layer_sizes": [100, 100, 100, 1],
    "activations": ["tanh", "tanh", "tanh", "linear"],
    "train_output_type": "logprob",
}


@dataclass(frozen=True)
class Job:
    """What to train.

    Args:
        trainer: "jax" or "torch".
        rows: folder with training.npy and validation.npy, each (n, inputs + 1) float32, the label
            in the last column; n is a multiple of the batch.
        batch: rows a step.
        epochs: epochs to time. One more comes before, which compiles and reads, and one after,
            whose beginning ends the last.
        workers: processes that load batches; 0 loads them in the process that trains.
        seed: of the initial weights.
    """

    trainer: str
    rows: str
    batch: int
    epochs: int
    workers: int
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """What was measured.

    Args:
        seconds: wall time of each epoch but the first, validation included.
        validation: loss of the rows held out after the last epoch.
    """

    seconds: list[float]
    validation: float


class Clocked:
    """A data loader that notes when its epochs begin.

    Args:
        loader: what it passes on.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.begun: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        """Begin an epoch."""
        self.begun.append(time.perf_counter())
        return iter(self.loader)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        """Be the loader in every other respect."""
        return getattr(self.loader, name)


def train_jax(training: Clocked, validation: Any, epochs: int, seed: int) -> float:
    """Train with JAX; return the last validation loss."""
    network = JaxMLPFactory(NETWORK, train=True)
    settings = {"loss": "huber", "n_epochs": epochs}
    trainer = ModelTrainerJaxMLP(settings, network, training, validation, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train_and_evaluate(output_folder=folder, save_outputs=False, verbose=0)
    return float(trainer.training_history.val_loss.iloc[-1])


def train_torch(training: Clocked, validation: Any, epochs: int, seed: int) -> float:
    """Train with torch; return the last validation loss."""
    torch.manual_seed(seed)
    network = TorchMLPFactory(NETWORK, training.dataset.input_dim, "lan")
    settings = {
        "loss": "huber", "n_epochs": epochs, "optimizer": "adam", "learning_rate": 1e-3,
        "weight_decay": 0.0, "lr_scheduler": None,
    }  # fmt: skip
    trainer = ModelTrainerTorchMLP(network, settings, training, validation, pin_memory=False)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train_and_evaluate(output_folder=folder, save_outputs=False, verbose=0)
    # The trainer keeps no history.
    with torch.no_grad():
        losses = [torch.nn.functional.huber_loss(network(x), y).item() for x, y in validation]
    return float(np.mean(losses))


TRAINERS = {"jax": train_jax, "torch": train_torch}


def pickled(rows: Path, folder: Path) -> list[Path]:
    """Write the peer's files, one to train on and one to validate with."""
    paths = []
    for name in ("training", "validation"):
        table = np.load(rows / f"{name}.npy")
        contents = {
            "lan_data": np.ascontiguousarray(table[:, :-1]),
            "lan_labels": np.ascontiguousarray(table[:, -1]),
        }
        paths.append(folder / f"{name}.pickle")
        with paths[-1].open("wb") as file:
            pickle.dump(contents, file, protocol=pickle.HIGHEST_PROTOCOL)
    return paths


def run(job: Job) -> Result:
    """Train, and time the epochs."""
    np.random.seed(job.seed)  # noqa: NPY002 - the peer shuffles with it
    with tempfile.TemporaryDirectory() as folder:
        training, validation, _ = make_train_valid_dataloaders(
            pickled(Path(job.rows), Path(folder)),
            job.batch,
            train_val_split=0.5,
            shuffle_files=False,
            num_workers=job.workers,
            pin_memory=False,
        )
        clocked = Clocked(training)
        loss = TRAINERS[job.trainer](clocked, validation, job.epochs + 2, job.seed)
    return Result(seconds=np.diff(clocked.begun[1:]).tolist(), validation=loss)


def main() -> None:
    """Answer the job on stdin."""
    with redirect_stdout(sys.stderr):
        result = run(Job(**json.load(sys.stdin)))
    json.dump(asdict(result), sys.stdout)
    print()


if __name__ == "__main__":
    main()
