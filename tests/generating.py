"""Small training sets, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import likely as lk
from likely.labels import Labelling

BOX = {"v": (-2.0, 2.0), "a": (0.5, 1.5), "z": (0.3, 0.7), "t": (0.0, 0.5)}
MODEL = lk.models["ddm"].with_box(**BOX)
SMALL = Labelling(draws=200, points=50, deadlines=4)
SPEED = 0.5  # a global that a model's function refers to


def generate(output: str | Path, **given: Any) -> Any:
    """Call lk.generate with small arguments; those given replace them."""
    usual = {"model": MODEL, "sets": 7, "labelling": SMALL, "seed": 3, "sets_a_shard": 2}
    return lk.generate(output=output, **{**usual, "progress": False, **given})


def tree(folder: Path) -> dict[str, bytes]:
    """Return name and contents of every file below a folder."""
    paths = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def drift(v: float) -> float:
    return SPEED * v


OWN = {
    "lambdas": lambda: lk.Diffusion(
        "own", parameters={"v": (-1, 1), "a": (1, 2)}, drift=drift, boundary=lambda a: a
    ),
    "vectorized": lambda: lk.Simulator(
        "race",
        parameters={"m": (1, 2), "t": (0, 1)},
        choices=(0, 1, 2),
        simulate=lambda rng, m, t: (t + rng.exponential(m), rng.integers(3, size=len(m))),
        vectorized=True,
        non_decision="t",
    ),
}
