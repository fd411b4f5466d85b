"""Examples a second that a LAN trains on, beside LANfactory in the same run.

    uv run python benchmarks/train_lan.py [--quick]

Both train 100-100-100-1 with tanh, Huber's loss and Adam, in batches of 8,192, on the same two
million rows of the ddm (four parameters, time, choice) with the same rows held out. They alternate;
the peer runs in an environment of its own (`peers/lanfactory_train.py`), with its JAX trainer and
its torch trainer, each with as many loading processes as it is fastest with in a short trial.

What is timed are whole epochs, reading, shuffling and validation included, but for the first, which
compiles. Examples are rows trained on, those held out not counted. The peer's rows are cut to whole
batches beforehand, as it refuses others. A trainer of the peer that is less than half as fast as
its other one in the trial goes on with the trial's rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import likely as lk
from likely.dataset.reading import TrainingSet
from likely.lan import train_lan
from likely.supervised import Recipe

PEER = Path(__file__).parent / "peers" / "lanfactory_train.py"
TRAINERS = ("jax", "torch")
WORKERS = (0, 1, 2)
BATCH = 8192
SEED = 1
TRIAL = 40  # batches of the trial that chooses the number of loading processes
TARGET = 1.0  # what has to be reached: examples a second over the peer's


class Effort(NamedTuple):
    """How much to train: parameter sets, alternating repeats, and epochs timed in each."""

    sets: int
    repeats: int
    epochs: int


FULL = Effort(sets=1114, repeats=5, epochs=2)
QUICK = Effort(sets=200, repeats=3, epochs=2)


def generated(folder: Path, sets: int) -> TrainingSet:
    """Generate a training set; from few draws, as labels have no influence on speed."""
    model = lk.models["ddm"].with_box(t=(0.0, 2.0))
    labelling = lk.Labelling(draws=1000, points=2000)
    path = lk.generate(
        model, folder / "set.zarr", sets=sets, labelling=labelling, seed=SEED, progress=False
    )
    return TrainingSet(path)


def write_rows(data: TrainingSet, folder: Path, batches: int | None = None) -> Path:
    """Write what `likely` trains on and validates with as tables, whole batches only."""
    folder.mkdir()
    parts = data.split(validation=Recipe().validation, seed=SEED)
    for name, part in zip(("training", "validation"), parts, strict=True):
        with part.densities.batches(BATCH, seed=SEED, drop_last=True) as rows:
            table = np.concatenate([np.column_stack(batch) for batch in rows])
        np.save(folder / f"{name}.npy", table if batches is None else table[: batches * BATCH])
    return folder


def run_ours(data: TrainingSet, epochs: int) -> list[float]:
    """Train; return examples a second in each epoch but the first."""
    recipe = Recipe(epochs=epochs + 1, batch=BATCH, patience=epochs + 1)
    history = train_lan(data, recipe=recipe, seed=SEED, progress=False).history
    examples = len(data.split(validation=recipe.validation, seed=SEED)[0].densities)
    return [examples / seconds for seconds in np.diff([epoch.seconds for epoch in history])]


def run_peer(trainer: str, rows: Path, workers: int, epochs: int) -> list[float]:
    """Train with the peer; return examples a second in each epoch but the first."""
    job: dict[str, Any] = {
        "trainer": trainer, "rows": str(rows), "batch": BATCH, "workers": workers,
        "epochs": epochs, "seed": SEED,
    }  # fmt: skip
    command = ["uv", "run", "--quiet", "--no-project", "--script", str(PEER)]
    done = subprocess.run(
        command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    examples = len(np.load(rows / "training.npy", mmap_mode="r"))
    return [examples / seconds for seconds in json.loads(done.stdout)["seconds"]]


def best_workers(trainer: str, rows: Path) -> tuple[int, float]:
    """Return the number of loading processes that a trainer is fastest with, and its speed."""
    speeds = {workers: median(run_peer(trainer, rows, workers, 2)) for workers in WORKERS}
    told = ", ".join(f"{workers}: {speed:,.0f}" for workers, speed in speeds.items())
    print(f"LANfactory, {trainer}: examples/s in a short trial by loading processes: {told}")
    return max(speeds.items(), key=lambda pair: pair[1])


def print_rows(speeds: dict[str, list[float]]) -> None:
    """Print the table, and whether the target is reached."""
    ours = median(speeds["likely"])
    print(f"\n{'':24} {'examples/s':>12} {'lowest':>12} {'highest':>12} {'likely is':>10}")
    for name, values in speeds.items():
        shown = "".join(f" {value:12,.0f}" for value in (median(values), min(values), max(values)))
        print(f"{name:24}{shown} {ours / median(values):9.2f}x")
    ratio = ours / max(median(values) for name, values in speeds.items() if name != "likely")
    verdict = "reaches" if ratio >= TARGET else "DOES NOT REACH"
    print(f"likely over the peer's best: {ratio:.2f} ({verdict} {TARGET:.0f})")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller, noisier run")
    effort = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = generated(folder, effort.sets)
        rows, trial = write_rows(data, folder / "rows"), write_rows(data, folder / "trial", TRIAL)
        chosen = {trainer: best_workers(trainer, trial) for trainer in TRAINERS}
        fastest = max(speed for _, speed in chosen.values())
        speeds: dict[str, list[float]] = {"likely": []}
        for _ in range(effort.repeats):
            speeds["likely"] += run_ours(data, effort.epochs)
            for trainer, (workers, speed) in chosen.items():
                read = trial if speed < 0.5 * fastest else rows
                found = run_peer(trainer, read, workers, effort.epochs)
                speeds.setdefault(f"LANfactory, {trainer}", []).extend(found)
    print_rows(speeds)


if __name__ == "__main__":
    main()
