"""A training set of a smooth target that small networks learn in seconds, and networks that do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
from flax import nnx

import likely as lk
from likely.dataset.place import place_at
from likely.dataset.store import Configuration, create_store, write_shard
from likely.labels import Labelling

LONGEST = 2.0
DECLARATION = lk.Declaration(
    "smooth",
    (lk.Parameter("v", -1, 1), lk.Parameter("a", 0.5, 1.5), lk.Parameter("t", 0, 0.5)),
    choices=(0, 1, 2),
    non_decision="t",
)


def log_density(theta: np.ndarray, rt: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return what a LAN is to learn, for parameters (n, 3), times (n,) and choices (n,)."""
    v, a, t = theta.T
    return -1.0 - (rt - t - a) ** 2 + 0.5 * v * (choice - 1)


def choice_p(theta: np.ndarray) -> np.ndarray:
    """Return what a CPN is to learn, (n, 3)."""
    v = theta[:, 0]
    odds = np.exp(np.stack([np.zeros_like(v), v, -v], axis=1))
    return odds / odds.sum(axis=1, keepdims=True)


def survival(theta: np.ndarray, deadline: np.ndarray) -> np.ndarray:
    """Return what an OPN is to learn, for deadlines (n,)."""
    _, a, t = theta.T
    return 1 / (1 + ((deadline - t) / a) ** 1.5)


def uniform_theta(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return parameters from the box, (n, 3)."""
    low, high = np.array([p.box for p in DECLARATION.parameters]).T
    return rng.uniform(low, high, (n, 3))


def smooth_set(path: Path, *, sets: int = 20, points: int = 40, seed: int = 0) -> Path:
    """Write the training set and return its path."""
    labelling = Labelling(points=points, deadlines=16, max_time=LONGEST)
    declaration = DECLARATION
    configuration = Configuration(declaration, labelling, seed, sets, -(-sets // 3))
    create_store(place_at(path), configuration)
    rng = np.random.default_rng(seed)
    for shard in range(configuration.shards):
        theta = uniform_theta(rng, len(configuration.sets_of(shard)))
        write_shard(place_at(path), configuration, shard, _arrays(rng, theta, configuration))
    return path


def _arrays(
    rng: np.random.Generator, theta: np.ndarray, configuration: Configuration
) -> dict[str, np.ndarray]:
    n, points = len(theta), configuration.labelling.points
    by_point, by_deadline = np.repeat(theta, points, axis=0), np.repeat(theta, 16, axis=0)
    rt = by_point[:, 2] + rng.uniform(0, LONGEST, len(by_point))
    choice = rng.integers(3, size=len(rt)).astype(float)
    deadline = by_deadline[:, 2] + LONGEST * 1e-3 ** rng.random(len(by_deadline))
    known = {
        "theta": theta,
        "data": np.stack([rt, choice], axis=1).reshape(n, points, 2),
        "labels": log_density(by_point, rt, choice).reshape(n, points),
        "choice_p": choice_p(theta),
        "deadlines": deadline.reshape(n, 16),
        "survival": survival(by_deadline, deadline).reshape(n, 16),
    }
    others = {x.name: np.zeros((n, *x.shape)) for x in configuration.layouts}
    return {**others, **known}


class Bumps(nn.Module):
    """A network of another kind than ours, in flax.linen: Gaussian bumps."""

    outputs: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs (..., outputs)."""
        hidden = jax.numpy.exp(-jax.numpy.square(nn.Dense(12)(x)))
        return nn.Dense(self.outputs)(hidden)


class Waves(nnx.Module):
    """A network of another kind than ours, in flax.nnx: sines."""

    def __init__(self, inputs: int, outputs: int = 1, width: int = 12, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.first = nnx.Linear(inputs, width, rngs=rngs)
        self.last = nnx.Linear(width, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs (..., outputs)."""
        return self.last(jax.numpy.sin(self.first(x)))


def layers_in_numpy(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the outputs of dense layers with tanh between them, in double precision."""
    for i, last in _numbered(arrays):
        x = x @ arrays[f"dense{i}/kernel"] + arrays[f"dense{i}/bias"]
        x = x if last else np.tanh(x)
    return x


def _numbered(arrays: dict[str, np.ndarray]) -> Iterator[tuple[int, bool]]:
    count = len(arrays) // 2
    return ((i, i == count - 1) for i in range(count))
