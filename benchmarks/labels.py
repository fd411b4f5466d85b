"""Seconds a parameter set and error of empirical likelihoods, beside ssm-simulators in one run.

    uv run python benchmarks/labels.py [--quick]

Both generators label the same parameter sets of the ddm, drawn by the peer from its own box, with
10,000 draws and 2,000 points a set. Speeds are medians over alternating repeats; the peer runs in
an environment of its own (`peers/ssm_labels.py`), in one process and, at its best, in two. The
error is the Huber loss (delta 1) of label less exact log density, both at least log 1e-7: at points
drawn from the estimated density, and over all points, of which a tenth is uniform and a tenth
impossible. The peer's estimate is of rt by default, and of rt - t on request; both are shown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from likely.densities import wiener
from likely.labels import FLOOR, Labelling, labelled_set
from likely.zoo import models

PEER = Path(__file__).parent / "peers" / "ssm_labels.py"
BOX = {"v": (-3.0, 3.0), "a": (0.3, 2.5), "z": (0.1, 0.9), "t": (0.0, 2.0)}  # the peer's
LABELLING = Labelling(draws=10_000, points=2_000, uniform=0.1, impossible=0.1, max_time=20.0)
MIXED = (0.8, 0.1, 0.1)
DENSITY_ALONE = (1.0, 0.0, 0.0)
TIMES_FASTER = 50.0  # what has to be reached: seconds a set of the peer over ours
DENSITY_ERROR = 0.002  # what has to be reached: mean Huber loss at points from the density
TOTAL_ERROR = 0.035  # what has to be reached: mean Huber loss over all points


class Effort(NamedTuple):
    """How much to generate: alternating repeats, and sets a repeat and process of either."""

    repeats: int
    ours: int
    peer: int


FULL = Effort(repeats=5, ours=300, peer=20)
QUICK = Effort(repeats=2, ours=100, peer=6)


class Errors(NamedTuple):
    """Huber loss of each set: at points from the density and over all points, (sets,) each."""

    density: np.ndarray
    total: np.ndarray


@dataclass
class Tally:
    """Seconds a set of one generator by number of processes or threads, and its errors."""

    seconds: dict[int, list[float]] = field(default_factory=lambda: {1: [], 2: []})
    errors: list[Errors] = field(default_factory=list)

    def pace(self, workers: int) -> float:
        """Return the median of the seconds a set."""
        return median(self.seconds[workers])

    def error(self, name: str) -> tuple[float, float]:
        """Return the mean error over all sets and its standard error."""
        values = np.concatenate([getattr(errors, name) for errors in self.errors])
        return float(values.mean()), float(values.std() / np.sqrt(len(values)))


class Peers(NamedTuple):
    """The peer as it is by default, and with its estimate of rt - t."""

    default: Tally
    displaced: Tally


def huber(theta: np.ndarray, data: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the loss of each point, (sets, points), for parameters (sets, 4)."""
    rt, choice = np.moveaxis(data.astype(np.float64), -1, 0)
    columns = [theta[:, [i]].astype(np.float64) for i in range(theta.shape[1])]
    exact = np.maximum(wiener.log_density(rt, choice, *columns), FLOOR)
    error = np.abs(np.maximum(labels.astype(np.float64), FLOOR) - exact)
    return np.where(error < 1, 0.5 * error**2, error - 0.5)


class Made(NamedTuple):
    """What the peer generated in how many seconds."""

    theta: np.ndarray
    loss: np.ndarray
    seconds: float


def ask_peer(mixture: tuple[float, ...], **job: int | bool) -> Made:
    """Run one job of the peer, in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        job_text = json.dumps(
            {
                "file": str(Path(folder) / "made.npz"),
                "draws": LABELLING.draws,
                "points": LABELLING.points,
                "mixture": mixture,
                **job,
            }
        )
        command = ["uv", "run", "--quiet", "--no-project", "--script", str(PEER)]
        done = subprocess.run(command, input=job_text, capture_output=True, text=True, check=True)
        with np.load(Path(folder) / "made.npz") as made:
            theta, data, labels = made["theta"], made["data"], made["labels"]
    if len(theta) != job["sets"]:
        raise RuntimeError(f"the peer made {len(theta)} of {job['sets']} parameter sets.")
    shape = (len(theta), LABELLING.points)
    loss = huber(theta, data[:, -2:].reshape(*shape, 2), labels.reshape(shape))
    return Made(theta, loss, json.loads(done.stdout)["seconds"])


def run_peer(repeat: int, effort: Effort, peers: Peers) -> np.ndarray:
    """Add one repeat of the peer and return its parameter sets, (sets, 4)."""
    first, sets, seed = 1000 * repeat, effort.peer, repeat
    for displaced, tally in zip((False, True), peers, strict=True):
        ask = partial(ask_peer, first=first, seed=seed, displaced=displaced)
        alone = ask(DENSITY_ALONE, sets=sets, processes=2)
        mixed = ask(MIXED, sets=sets, processes=1)
        tally.errors.append(Errors(alone.loss.mean(axis=1), mixed.loss.mean(axis=1)))
        tally.seconds[1].append(mixed.seconds / sets)
        tally.seconds[2].append(ask(MIXED, sets=2 * sets, processes=2).seconds / (2 * sets))
    return mixed.theta


def run_ours(theta: np.ndarray, repeat: int, effort: Effort, tally: Tally) -> None:
    """Time one repeat of ours on the parameter sets, each with several seeds, and add errors."""
    seeds = -(-effort.ours // len(theta))
    rows = np.tile(theta.astype(np.float64), (seeds, 1))
    model = models["ddm"].with_box(**BOX)

    def one(i: int) -> dict[str, np.ndarray]:
        return labelled_set(model, LABELLING, rows[i], np.random.default_rng([repeat, i]))

    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            began = time.perf_counter()
            made = list(pool.map(one, range(len(rows))))
            tally.seconds[threads].append((time.perf_counter() - began) / len(rows))
    data, labels = (np.stack([m[name] for m in made]) for name in ("data", "labels"))
    loss = huber(rows, data, labels)
    tally.errors.append(Errors(loss[:, : LABELLING.counts.kde].mean(axis=1), loss.mean(axis=1)))


def measure(effort: Effort) -> tuple[Tally, Peers]:
    """Alternate the repeats of both generators."""
    ours, peers = Tally(), Peers(Tally(), Tally())
    run_ours(np.array([[1.0, 1.0, 0.5, 0.3]]), 0, Effort(1, 1, 1), Tally())  # loads compiled code
    for repeat in range(effort.repeats):
        theta = run_peer(repeat, effort, peers)
        run_ours(theta, repeat, effort, ours)
    return ours, peers


def print_row(name: str, tally: Tally) -> None:
    """Print one row of the table."""
    density, total = tally.error("density"), tally.error("total")
    print(
        f"{name:34} {1e3 * tally.pace(1):9.2f} {1e3 * tally.pace(2):9.2f}   "
        f"{density[0]:.5f} +- {density[1]:.5f}   {total[0]:.4f} +- {total[1]:.4f}"
    )


def print_verdicts(ours: Tally, peers: Peers) -> None:
    """Print what has to be reached and whether it is."""
    for name, peer in zip(("as it is by default", "with rt - t"), peers, strict=True):
        single, best = peer.pace(1) / ours.pace(1), peer.pace(2) / ours.pace(2)
        crossed = peer.pace(2) / ours.pace(1)
        print(
            f"the peer {name}: one process each {single:.0f} times faster "
            f"({verdict(single >= TIMES_FASTER)} {TIMES_FASTER:.0f}), two each {best:.0f} "
            f"({verdict(best >= TIMES_FASTER)}), one of ours against its two {crossed:.0f} "
            f"({verdict(crossed >= TIMES_FASTER)})"
        )
    for name, limit in (("density", DENSITY_ERROR), ("total", TOTAL_ERROR)):
        error = ours.error(name)[0]
        print(f"error, {name}: {error:.5f} ({verdict(error <= limit)} {limit:g})")


def verdict(reached: bool) -> str:
    """Say whether a number is reached."""
    return "reaches" if reached else "DOES NOT REACH"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller, noisier run")
    effort = QUICK if parser.parse_args().quick else FULL
    ours, peers = measure(effort)
    print(f"{effort.repeats} repeats over {effort.repeats * effort.peer} parameter sets\n")
    print(f"{'':34} {'ms a set':>9} {'on two':>9}   error, density        error, all points")
    print_row("likely", ours)
    print_row("ssm-simulators, as by default", peers.default)
    print_row("ssm-simulators, density of rt - t", peers.displaced)
    print()
    print_verdicts(ours, peers)


if __name__ == "__main__":
    main()
