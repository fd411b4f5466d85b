"""Rows a second that training can read, and the memory it takes, from a set larger than memory.

    uv run python benchmarks/read.py [--sets 20000] [--memory 256]

The store holds made-up numbers in the shape of a training set of the ddm with 2,000 points a set;
at 20,000 sets, 40 million rows. It has just been written, so that it is read from the page cache.
Rows a CPU second count all threads. `arrays` is the peak that tracemalloc sees in an epoch of its
own, since it slows reading down.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from likely.dataset.place import place_at
from likely.dataset.reading import TrainingSet
from likely.dataset.rows import Rows
from likely.dataset.store import Configuration, create_store, usual_shard, write_shard
from likely.labels import Labelling
from likely.zoo import models

EPOCHS = 3
MIB = 2**20


def write(path: Path, sets: int) -> None:
    """Write a training set of made-up numbers."""
    declaration, labelling = models["ddm"].declaration, Labelling()
    shard = usual_shard(declaration, labelling, sets)
    configuration = Configuration(declaration, labelling, 0, sets, shard)
    create_store(place_at(path), configuration)
    rng = np.random.default_rng(0)
    for k in range(configuration.shards):
        n = len(configuration.sets_of(k))
        arrays = {x.name: rng.random((n, *x.shape)).astype(x.dtype) for x in configuration.layouts}
        arrays["data"][..., 1] = rng.choice(declaration.choices, arrays["labels"].shape)
        write_shard(place_at(path), configuration, k, arrays)


def read(rows: Rows, size: int, epoch: int, memory: int) -> None:
    """Take all batches of an epoch."""
    with rows.batches(size, seed=0, epoch=epoch, memory=memory) as batches:
        assert sum(len(targets) for _, targets in batches) == len(rows)


def main() -> None:
    """Write the set, read it, and print the figures."""
    parser = argparse.ArgumentParser(description="Rows a second that training can read.")
    parser.add_argument("--sets", type=int, default=20_000)
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--size", type=int, default=8_192, help="rows a batch")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "set.zarr", given.sets)
        rows = TrainingSet(Path(folder) / "set.zarr").densities
        memory = given.memory * MIB
        for epoch in range(EPOCHS):
            began, cpu = time.perf_counter(), time.process_time()
            read(rows, given.size, epoch, memory)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            speeds = f"{len(rows) / wall / 1e6:.1f}M rows/s, {len(rows) / cpu / 1e6:.1f}M a CPU s"
            print(f"epoch {epoch}: {len(rows):,} rows in batches of {given.size:,}: {speeds}")
        tracemalloc.start()
        read(rows, given.size, EPOCHS, memory)
        peak = tracemalloc.get_traced_memory()[1]
        print(f"memory {given.memory} MiB: arrays take at most {peak / MIB:.0f} MiB")


if __name__ == "__main__":
    main()
