"""Train a network on labelled rows: epochs, validation, early stopping, resuming."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from likely.checkpoint import Checkpoint
from likely.checks import require_count, require_positive, require_share
from likely.dataset.rows import Rows
from likely.errors import ParameterError
from likely.losses import Loss
from likely.networks.network import Arrays, Network
from likely.progress import Progress

VALIDATION_BATCH = 8192
LOOK = 25  # steps between two looks at the loss, which wait for the steps to end
ROUGH_LOSSES = 4  # looks that the loss shown is averaged over

Prepare = Callable[[jax.Array], jax.Array]
"""Function of rows' columns (n, k), as stored, to what a network or a loss takes (n, m)."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.

    Args:
        epochs: times that every row is seen, at most; at least 1.
        batch: rows a step, at least 1.
        rate: the highest learning rate of Adam, positive. It rises linearly at first, and then
            falls to zero as a cosine.
        warm_up: share of the steps, from 0 to below 1, in which it rises.
        patience: epochs without a lower validation loss after which training stops early, at least
            1. The weights of the best epoch are kept in any case.
        validation: share of the parameter sets that are held out, between 0 and 1.

    Raises:
        ParameterError: for any other value.
    """

    epochs: int = 10
    batch: int = 2048
    rate: float = 3e-3
    warm_up: float = 0.05
    patience: int = 5
    validation: float = 0.1

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name in ("epochs", "batch", "patience"):
            require_count(name, getattr(self, name))
        require_positive("rate", self.rate)
        if not math.isfinite(self.rate):
            raise ParameterError("rate is infinite; try 0.003.")
        require_share("warm_up", self.warm_up, one=False)
        require_share("validation", self.validation, zero=False, one=False)

    def optimiser(self, steps: int) -> optax.GradientTransformation:
        """Return Adam for so many steps."""
        rises = int(self.warm_up * steps)
        schedule = optax.schedules.warmup_cosine_decay_schedule(
            self.rate / 25, self.rate, rises, max(steps, rises + 1)
        )
        return optax.adam(schedule)


@dataclass(frozen=True, eq=False)
class Problem:
    """What to learn: outputs of a network from inputs, both read off the columns of rows.

    Args:
        network: what learns.
        inputs: columns of the rows -> the network's inputs.
        targets: targets of the rows -> what the loss compares outputs with.
        count: number of the network's inputs.
        loss: what is minimised.
    """

    network: Network
    inputs: Prepare
    targets: Prepare
    count: int
    loss: Loss

    def mean_loss(self, arrays: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        """Return the mean loss of rows."""
        return self.loss(self.network.apply(arrays, self.inputs(x)), self.targets(y)).mean()


class Epoch(NamedTuple):
    """What an epoch came to.

    Args:
        seconds: since training began, interruptions left out.
        steps: taken since training began.
        training: mean loss while the epoch went on.
        validation: mean loss of the rows held out, at its end.
    """

    seconds: float
    steps: int
    training: float
    validation: float


@dataclass(frozen=True, eq=False)
class Learnt:
    """What came out of training.

    Args:
        arrays: the weights of the epoch with the lowest validation loss.
        history: the epochs, in order.
    """

    arrays: dict[str, np.ndarray]
    history: tuple[Epoch, ...] = field(repr=False)


@dataclass
class _State:
    """Where training is at the end of an epoch; everything that goes on from there."""

    arrays: dict[str, jax.Array]
    optimiser: Any
    best: dict[str, jax.Array]
    history: list[Epoch]

    def tree(self) -> dict[str, Any]:
        """Return it as nested arrays, for a checkpoint."""
        history = np.array(self.history, dtype=np.float64).reshape(-1, 4)
        leaves = dict(enumerate(jax.tree.leaves(self.optimiser)))
        optimiser = {str(i): np.asarray(leaf) for i, leaf in leaves.items()}
        weights = {"arrays": self.arrays, "best": self.best}
        numpy = {k: {n: np.asarray(a) for n, a in v.items()} for k, v in weights.items()}
        return {**numpy, "optimiser": optimiser, "history": history}

    def restored(self, tree: dict[str, Any]) -> _State:
        """Return what `tree` was made of; self says how it is built."""
        leaves = [jnp.asarray(tree["optimiser"][str(i)]) for i in range(len(tree["optimiser"]))]
        optimiser = jax.tree.unflatten(jax.tree.structure(self.optimiser), leaves)
        arrays, best = (
            {name: jnp.asarray(tree[key][name]) for name in self.arrays}
            for key in ("arrays", "best")
        )
        history = [Epoch(float(s), int(n), float(t), float(v)) for s, n, t, v in tree["history"]]
        return _State(arrays, optimiser, best, history)


def learn(
    problem: Problem,
    training: Rows,
    validation: Rows,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Checkpoint | None,
    bar: Progress,
) -> Learnt:
    """Train until the epochs are over or the validation loss has stopped falling.

    Args:
        problem: what to learn.
        training: rows to learn from.
        validation: rows to validate with.
        recipe: how long and how fast.
        seed: of the initial weights and of the order of the rows.
        checkpoint: where to keep the state after each epoch, and to go on from if it is there.
        bar: shows progress; its total is the number of epochs.

    Raises:
        ParameterError: if the loss is not finite, or the checkpoint is that of another run.
    """
    # PyTensor's JAX backend turns double precision on for the whole process, which would change the
    # weights that a seed gives.
    with jax.enable_x64(False):
        state = _learn(problem, training, validation, recipe, seed, checkpoint, bar)
    best = {name: np.asarray(array, dtype=np.float64) for name, array in state.best.items()}
    return Learnt(best, tuple(state.history))


def _learn(
    problem: Problem,
    training: Rows,
    validation: Rows,
    recipe: Recipe,
    seed: int,
    checkpoint: Checkpoint | None,
    bar: Progress,
) -> _State:
    """Return the state at the end of training."""
    steps = -(-len(training) // recipe.batch)
    optimiser = recipe.optimiser(steps * recipe.epochs)
    initial = problem.network.initial(problem.count, seed)
    arrays = {name: jnp.asarray(array, jnp.float32) for name, array in initial.items()}
    state = _State(arrays, optimiser.init(arrays), arrays, [])
    step = jax.jit(partial(_step, problem, optimiser))
    judge = jax.jit(problem.mean_loss)
    if checkpoint is not None:
        beginning = _beginning(judge, arrays, training, recipe, seed)
        checkpoint = replace(checkpoint, run={**checkpoint.run, **beginning})
        saved = checkpoint.read()
        state = state if saved is None else state.restored(saved)
    began = time.monotonic() - (state.history[-1].seconds if state.history else 0.0)
    while len(state.history) < recipe.epochs and not _stalled(state.history, recipe.patience):
        epoch = len(state.history)
        bar.update(epoch)
        loss = _train(step, state, training, recipe, seed, epoch, bar)
        validated = _validate(judge, state.arrays, validation)
        _require_finite(validated, epoch)
        if all(validated < earlier.validation for earlier in state.history):
            state.best = state.arrays
        done = Epoch(time.monotonic() - began, steps * (epoch + 1), loss, validated)
        state.history.append(done)
        if checkpoint is not None:
            checkpoint.write(state.tree())
    return state


def _beginning(judge: Any, arrays: Arrays, rows: Rows, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return what tells a run from others of the same description: where it begins.

    Labels depend on a simulator's code, the first weights of a module and a loss on theirs, the
    order of rows on the memory there is.
    """
    with rows.batches(recipe.batch, seed=seed) as batches:
        x, y = next(batches)
    weights = b"".join(np.asarray(array).tobytes() for array in arrays.values())
    return {
        "first rows": hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()[:16],
        "first weights": hashlib.sha256(weights).hexdigest()[:16],
        "first loss": f"{float(judge(arrays, x, y)):.5g}",
    }


def _step(
    problem: Problem,
    optimiser: optax.GradientTransformation,
    arrays: dict[str, jax.Array],
    state: Any,
    x: jax.Array,
    y: jax.Array,
) -> tuple[dict[str, jax.Array], Any, jax.Array]:
    """Take one step; return weights, the optimiser's state and the loss."""
    loss, gradient = jax.value_and_grad(problem.mean_loss)(arrays, x, y)
    updates, state = optimiser.update(gradient, state, arrays)
    return optax.apply_updates(arrays, updates), state, loss


def _train(
    step: Any, state: _State, rows: Rows, recipe: Recipe, seed: int, epoch: int, bar: Progress
) -> float:
    """Take the steps of one epoch; return the mean loss."""
    losses, shown = [], ""
    with rows.batches(recipe.batch, seed=seed, epoch=epoch) as batches:
        for i, (x, y) in enumerate(batches):
            state.arrays, state.optimiser, loss = step(state.arrays, state.optimiser, x, y)
            losses.append(loss)
            if i % LOOK == 0:
                recent = np.mean([float(part) for part in losses[-ROUGH_LOSSES:]])
                shown = f"epoch {epoch + 1}, loss {recent:.4f}{_so_far(state.history)}"
            bar.update(epoch + (i + 1) / len(batches), shown)
    return float(np.mean(jax.device_get(losses)))


def _so_far(history: list[Epoch]) -> str:
    return f", validated {history[-1].validation:.4f}" if history else ""


def _validate(judge: Any, arrays: Arrays, rows: Rows) -> float:
    """Return the mean loss of all rows."""
    total = 0.0
    with rows.batches(VALIDATION_BATCH, seed=0) as batches:
        for x, y in batches:
            total += float(judge(arrays, x, y)) * len(x)
    return total / len(rows)


def _stalled(history: list[Epoch], patience: int) -> bool:
    """Whether the validation loss has not fallen for so many epochs."""
    if not history:
        return False
    losses = [epoch.validation for epoch in history]
    return len(losses) - 1 - int(np.argmin(losses)) >= patience


def _require_finite(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise ParameterError(
            f"the loss is {loss} after epoch {epoch + 1}: training diverged. Lower the rate."
        )
