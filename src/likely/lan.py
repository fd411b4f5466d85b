"""Train the classic networks on a training set, and make a likelihood of them.

The likelihood approximation network (LAN) learns log densities, the choice probability network
(CPN) the probability of each choice, the omission network (OPN) that of no response by a deadline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from likely.checkpoint import SUFFIX, Checkpoint
from likely.checks import require_seed
from likely.dataset.reading import TrainingSet
from likely.dataset.rows import Rows
from likely.errors import ParameterError
from likely.likelihood import Likelihood, Training
from likely.losses import Loss, cross_entropy, huber
from likely.networks.classic import ClassicDensity, Inputs
from likely.networks.flax_modules import as_network
from likely.networks.network import Activation, Layers, Network, require_outputs
from likely.progress import Progress
from likely.supervised import Epoch, Learnt, Problem, Recipe, learn

type Given = Network | nn.Module | nnx.Module
"""A network, or a Flax module that maps inputs (n, k) to outputs (n, m)."""

LAN = Recipe(epochs=10, batch=2048, rate=3e-3)
CPN = Recipe(epochs=200, batch=256, rate=3e-3, patience=40)
OPN = Recipe(epochs=40, batch=1024, rate=3e-3, patience=10)
LABELS = "kernel densities"


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network and what it learnt.

    Args:
        role: "lan", "cpn" or "opn".
        inputs: what it sees.
        network: its form.
        arrays: its weights, those of the epoch with the lowest validation loss.
        history: the epochs, in order: seconds, steps, training and validation loss.
        draws: simulated trials behind the training set.
        seed: of the run.
    """

    role: str
    inputs: Inputs
    network: Network
    arrays: dict[str, np.ndarray] = field(repr=False)
    history: tuple[Epoch, ...] = field(repr=False)
    draws: int
    seed: int

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss, which the weights are of."""
        return min(self.history, key=lambda epoch: epoch.validation)


def train_lan(
    data: TrainingSet,
    *,
    network: Given | None = None,
    decision_time: bool = False,
    loss: Loss = huber,
    recipe: Recipe = LAN,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> TrainedNetwork:
    """Train a likelihood approximation network: parameters, time and choice to log density.

    Args:
        data: what to learn from.
        network: one output; `Layers()`, 100-100-100-1 with tanh, by default. A Flax module is
            given the inputs that `likely.networks.classic.Inputs` describes, scaled.
        decision_time: whether it sees decision times rt - t, and their logarithm, in place of rt
            and t; possible where the model declares a non-decision time.
        loss: `likely.losses.huber`, `squared_error`, or a function of (n, 1) outputs and labels.
        recipe: how long and how fast.
        seed: any integer from 0 to 2^64 - 1; of the split, the first weights and the order of rows.
        checkpoint: file that keeps the state after each epoch; if it is there, training goes on
            from it and ends as if it had not been interrupted.
        progress: whether to show the loss and the time left on stderr.

    Raises:
        ParameterError: for a network, shift or seed that cannot be, a checkpoint of another run,
            or training that diverges.
        FileFormatError: if the checkpoint or the training set cannot be read.
    """
    inputs = Inputs(_checked(data).declaration, data.max_time, decision_time)
    task = _Task("lan", inputs, as_network(Layers() if network is None else network), loss)
    return _train(task, data, recipe, seed, checkpoint, progress)


def train_cpn(
    data: TrainingSet,
    *,
    network: Given | None = None,
    loss: Loss = cross_entropy,
    recipe: Recipe = CPN,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> TrainedNetwork:
    """Train a choice probability network: parameters to the logits of all choices but the first.

    It learns the shares among trials that were decided, as if all would be in the end; where many
    are undecided at the longest time of the training set, choose a longer one.

    Args are those of `train_lan`; the loss compares logits (n, C - 1) with probabilities (n, C).

    Raises:
        ParameterError: as `train_lan`, and if the model has only one choice.
    """
    choices = len(_checked(data).declaration.choices)
    if choices == 1:
        raise ParameterError(
            f"model '{data.declaration.name}' has only one choice, whose probability is 1."
        )
    inputs = Inputs(data.declaration, data.max_time)
    usual = Layers(outputs=choices - 1)
    chosen = as_network(usual if network is None else network)
    return _train(_Task("cpn", inputs, chosen, loss), data, recipe, seed, checkpoint, progress)


def train_opn(
    data: TrainingSet,
    *,
    network: Given | None = None,
    loss: Loss = cross_entropy,
    recipe: Recipe = OPN,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> TrainedNetwork:
    """Train an omission network: parameters and a deadline to the logit of no response by then.

    Args are those of `train_lan`; the loss compares logits (n, 1) with the probabilities (n, 2) of
    a response and of none.

    Raises:
        ParameterError: as `train_lan`.
    """
    inputs = Inputs(_checked(data).declaration, data.max_time)
    task = _Task("opn", inputs, as_network(Layers() if network is None else network), loss)
    return _train(task, data, recipe, seed, checkpoint, progress)


def from_networks(
    lan: TrainedNetwork, cpn: TrainedNetwork | None = None, opn: TrainedNetwork | None = None
) -> Likelihood:
    """Make a likelihood of a LAN and, for trials without a time, a CPN and an OPN.

    Without a CPN it refuses trials whose time was not observed, without an OPN those without a
    response by a deadline.

    Raises:
        ParameterError: if a network has another role, or they are of different models.
    """
    given = {"lan": lan, "cpn": cpn, "opn": opn}
    networks = {role: trained for role, trained in given.items() if trained is not None}
    for role, trained in networks.items():
        if trained.role != role:
            raise ParameterError(f"as {role.upper()} a network trained as {trained.role.upper()}.")
        if replace(trained.inputs, decision_time=lan.inputs.decision_time) != lan.inputs:
            raise ParameterError(f"the LAN and the {role.upper()} are not of the same model.")
    density = ClassicDensity(lan.inputs, **{k: n.network for k, n in networks.items()})
    arrays = {f"{k}/{name}": a for k, n in networks.items() for name, a in n.arrays.items()}
    training = Training(
        labels=LABELS,
        seed=lan.seed,
        steps=lan.best.steps,
        draws=lan.draws,
        seconds=sum(n.history[-1].seconds for n in networks.values()),
        version=version("likely"),
        history=tuple(
            (e.seconds, e.steps, e.validation) for e in lan.history if e.steps <= lan.best.steps
        ),
    )
    return Likelihood(density, density.flatten(arrays), training)


def train_classic(
    data: TrainingSet,
    *,
    hidden: tuple[int, ...] = (100, 100, 100),
    activation: Activation = nn.tanh,
    decision_time: bool = False,
    lan: Recipe = LAN,
    cpn: Recipe = CPN,
    opn: Recipe = OPN,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    progress: bool = True,
) -> Likelihood:
    """Train LAN, CPN and OPN, and make a likelihood of them.

    Args:
        data: what to learn from.
        hidden: widths of the hidden layers of each network.
        activation: what follows each hidden layer; see `likely.networks.network.Layers`.
        decision_time: whether the LAN sees decision times; see `train_lan`.
        lan: how long and how fast to train the LAN.
        cpn: the same of the CPN, which there is if the model has more than one choice.
        opn: the same of the OPN.
        seed: any integer from 0 to 2^64 - 1.
        checkpoints: folder that keeps the state of each network after each epoch; if it is there,
            training goes on from it.
        progress: whether to show losses and the time left on stderr.

    Raises:
        ParameterError: as `train_lan`.
        FileFormatError: if a checkpoint or the training set cannot be read.
    """
    choices = len(_checked(data).declaration.choices)

    def options(role: str, outputs: int, recipe: Recipe) -> dict[str, Any]:
        path = None if checkpoints is None else Path(checkpoints) / f"{role}{SUFFIX}"
        network = Layers(tuple(hidden), outputs, activation)
        return {
            "network": network, "recipe": recipe, "seed": seed, "checkpoint": path,
            "progress": progress,
        }  # fmt: skip

    return from_networks(
        train_lan(data, decision_time=decision_time, **options("lan", 1, lan)),
        train_cpn(data, **options("cpn", choices - 1, cpn)) if choices > 1 else None,
        train_opn(data, **options("opn", 1, opn)),
    )


def _checked(data: object) -> TrainingSet:
    """Return the training set; raise ParameterError if it is none."""
    if not isinstance(data, TrainingSet):
        raise ParameterError(f"{data!r} is no training set; open it: lk.TrainingSet({data!r}).")
    return data


@dataclass(frozen=True, eq=False)
class _Task:
    """What one of the networks is to learn.

    Args:
        role: "lan", "cpn" or "opn".
        inputs: what it sees.
        network: its form.
        loss: what is minimised.
    """

    role: str
    inputs: Inputs
    network: Network
    loss: Loss

    def rows(self, data: TrainingSet) -> Rows:
        """Return what it learns from."""
        by_role = {"lan": data.densities, "cpn": data.choices, "opn": data.survivals}
        return by_role[self.role]

    @property
    def count(self) -> int:
        """Number of inputs."""
        return dict(zip(("lan", "cpn", "opn"), self.inputs.counts, strict=True))[self.role]

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.inputs.declaration.choices) - 1 if self.role == "cpn" else 1

    @property
    def problem(self) -> Problem:
        """The same for the training loop."""
        prepare: dict[str, tuple[Callable[..., jax.Array], Callable[..., jax.Array]]] = {
            "lan": (_lan_inputs, lambda label: label[:, None]),
            "cpn": (_cpn_inputs, lambda p: p / jnp.maximum(p.sum(axis=1, keepdims=True), 1e-30)),
            "opn": (_opn_inputs, lambda late: jnp.stack([1.0 - late, late], axis=1)),
        }
        inputs, targets = prepare[self.role]
        return Problem(self.network, partial(inputs, self.inputs), targets, self.count, self.loss)


def _lan_inputs(inputs: Inputs, x: jax.Array) -> jax.Array:
    return inputs.lan(x[:, :-2], x[:, -2], inputs.one_hot(x[:, -1]))


def _cpn_inputs(inputs: Inputs, x: jax.Array) -> jax.Array:
    return inputs.cpn(x)


def _opn_inputs(inputs: Inputs, x: jax.Array) -> jax.Array:
    return inputs.opn(x[:, :-1], x[:, -1])


def _train(
    task: _Task,
    data: TrainingSet,
    recipe: Recipe,
    seed: int,
    checkpoint: str | Path | None,
    progress: bool,
) -> TrainedNetwork:
    require_seed(seed)
    if not isinstance(recipe, Recipe):
        raise ParameterError(f"recipe is {recipe!r}; give a likely.Recipe.")
    require_outputs(task.network, task.count, task.outputs)
    training, validation = data.split(validation=recipe.validation, seed=seed)
    kept = (
        None if checkpoint is None else Checkpoint(Path(checkpoint), _run(task, data, recipe, seed))
    )
    label = f"training the {task.role.upper()} of {data.declaration.name}"
    with Progress(label, recipe.epochs, show=progress) as bar:
        learnt = learn(
            task.problem, task.rows(training), task.rows(validation), recipe,
            seed=seed, checkpoint=kept, bar=bar,
        )  # fmt: skip
    return _trained(task, learnt, data, seed)


def _trained(task: _Task, learnt: Learnt, data: TrainingSet, seed: int) -> TrainedNetwork:
    draws = sum(c.sets * c.labelling.draws for c in data.configurations)
    return TrainedNetwork(
        task.role, task.inputs, task.network, learnt.arrays, learnt.history, draws, seed
    )


def _run(task: _Task, data: TrainingSet, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return what determines a run, for its checkpoint."""
    described = json.dumps([c.attributes() for c in data.configurations], sort_keys=True)
    chosen = np.ascontiguousarray(data.theta()).tobytes()
    return {
        "network": task.role,
        "form": task.network.specification(),
        "weights": {k: list(shape) for k, shape in task.network.shapes(task.count).items()},
        "decision time": task.inputs.decision_time,
        "loss": getattr(task.loss, "__name__", repr(task.loss)),
        "recipe": asdict(recipe),
        "seed": seed,
        "training set": hashlib.sha256(described.encode() + chosen).hexdigest()[:16],
        "version": version("likely"),
    }
