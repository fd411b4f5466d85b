"""Train a likelihood from a simulator alone: maximum likelihood on fresh draws."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from likely.batches import Batch, Batches
from likely.checks import require_count, require_positive, require_seed
from likely.errors import ParameterError, RoughTrainingWarning
from likely.likelihood import Likelihood, Training
from likely.model import Model
from likely.networks.inverse_gaussian import log_inverse_gaussian, log_survival
from likely.networks.mixture import MixtureDensity
from likely.progress import Progress
from likely.zoo import resolve

PEAK_RATE = 3e-3
WARM_UP = 0.02  # share of the run in which the learning rate rises; it falls as a cosine after that
CLIP = 1.0  # largest norm of a gradient
SECONDS = 60.0
FEW_STEPS, FEW_DRAWS = 1000, 1_000_000  # with fewer, errors are many times those of a minute's run

Weights = dict[str, Any]
History = Sequence[tuple[float, int, float]]
"""Rows of (seconds, steps, loss)."""


def train(
    model: Model | str,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    hidden: tuple[int, ...] = (64, 64, 64),
    components: int = 8,
    progress: bool = True,
) -> Likelihood:
    """Train a first-passage mixture on fresh simulations of a model.

    Every step simulates new trials at new parameters drawn uniformly from the box and raises their
    log density; simulation runs beside optimisation. Give either a time or a number of steps: only
    the latter gives the same weights again from the same seed.

    Args:
        model: a model, or the name of one in `likely.models`.
        seconds: how long to train, everything included; 60 by default.
        steps: number of optimisation steps, instead of a time.
        seed: any integer from 0 to 2^64 - 1.
        hidden: widths of the network's hidden layers.
        components: inverse Gaussians per choice.
        progress: whether to show the loss and the time left on stderr.

    Raises:
        ParameterError: for a seconds, steps, seed or size that makes no sense.
        ModelError: if the simulator fails or returns impossible values.

    Warns:
        RoughTrainingWarning: if there was time for few steps or few simulations only.
    """
    model = resolve(model)
    schedule = _schedule(seconds, steps)
    require_seed(seed)
    require_count("components", components)
    for width in hidden:
        require_count("a hidden width", width)
    density = MixtureDensity.for_model(model.declaration, tuple(hidden), components)
    label = f"training {model.name}"
    with Progress(label, 1.0, show=progress, delay=0.0) as bar:
        bar.update(0.0, "simulating")
        with Batches(model, seed, seconds=schedule.seconds) as batches:
            weights, training = _optimise(density, batches, schedule, seed, bar)
    if steps is None and (training.steps < FEW_STEPS or training.draws < FEW_DRAWS):
        warnings.warn(
            f"only {training.steps:,} steps on {training.draws:,} draws in "
            f"{training.seconds:.0f} s: the likelihood is rough. Train longer, or make the "
            "simulator faster.",
            RoughTrainingWarning,
            stacklevel=2,
        )
    return Likelihood(density, density.flatten(weights), training)


@dataclass
class _Schedule:
    """How far a run has come: by the clock, or by steps."""

    seconds: float | None
    steps: int | None
    began: float

    def done(self, step: int) -> float:
        """Return the share of the run that is over."""
        if self.steps is not None:
            return step / self.steps
        assert self.seconds is not None
        return self.elapsed() / self.seconds

    def elapsed(self) -> float:
        """Return seconds since the run began."""
        return time.monotonic() - self.began

    def rate(self, step: int) -> float:
        """Return the learning rate: linear warm-up, then a cosine down to zero."""
        done = min(self.done(step), 1.0)
        return float(PEAK_RATE * min(done / WARM_UP, 1.0) * 0.5 * (1.0 + np.cos(np.pi * done)))


def _schedule(seconds: float | None, steps: int | None) -> _Schedule:
    if seconds is not None and steps is not None:
        raise ParameterError("give seconds or steps, not both.")
    if steps is None and seconds is None:
        seconds = SECONDS
    if seconds is not None:
        require_positive("seconds", seconds, "seconds")
        if seconds == np.inf:
            raise ParameterError("seconds is infinite; training has to end.")
    if steps is not None:
        require_count("steps", steps)
    return _Schedule(seconds, steps, time.monotonic())


def _optimise(
    density: MixtureDensity, batches: Batches, schedule: _Schedule, seed: int, bar: Progress
) -> tuple[Weights, Training]:
    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam(b2=0.99))
    weights = _initial_weights(density, seed, batches.pooled_times())
    state = optimiser.init(weights)
    history: list[tuple[float, int, float]] = []
    step = 0
    for batch in _until_done(batches, schedule):
        rate = jnp.float32(schedule.rate(step))
        weights, state, loss = _several_steps(density, optimiser, weights, state, rate, batch)
        step += len(batch.theta)
        history.append((schedule.elapsed(), step, float(loss)))
        bar.update(schedule.done(step), f"loss {_smooth(history):.4f}")
    return _to_numpy(weights), Training(
        labels="draws",
        seed=seed,
        steps=step,
        draws=batches.draws,
        seconds=schedule.elapsed(),
        version=version("likely"),
        history=_thinned(history),
    )


def _until_done(batches: Batches, schedule: _Schedule) -> Iterator[Batch]:
    """Take batches, at least one, until time or steps are over."""
    step = 0
    while step == 0 or schedule.done(step) < 1.0:
        batch = batches.take()
        if schedule.steps is not None:
            batch = Batch(*(part[: schedule.steps - step] for part in batch))
        step += len(batch.theta)
        yield batch


@partial(jax.jit, static_argnums=(0, 1))
def _several_steps(
    density: MixtureDensity,
    optimiser: optax.GradientTransformation,
    weights: Weights,
    state: optax.OptState,
    rate: jax.Array,
    batch: Batch,
) -> tuple[Weights, optax.OptState, jax.Array]:
    """Take one step on each of the batch's parts; return the mean loss."""

    def one_step(carry: Any, part: Batch) -> tuple[Any, jax.Array]:
        weights, state = carry
        loss, gradient = jax.value_and_grad(partial(_loss, density))(weights, part)
        updates, state = optimiser.update(gradient, state)
        weights = jax.tree.map(lambda w, u: w - rate * u, weights, updates)
        return (weights, state), loss

    (weights, state), losses = jax.lax.scan(one_step, (weights, state), batch)
    return weights, state, losses.mean()


def _loss(density: MixtureDensity, weights: Weights, batch: Batch) -> jax.Array:
    """Mean negative log density of simulated trials; undecided ones count with their survival."""
    mixture = density.mixture(density.outputs(weights, batch.theta))
    s = batch.times[..., None]
    picked = [_of_choice(part, batch.choices) for part in mixture]
    decided = jax.nn.logsumexp(picked[0] + log_inverse_gaussian(s, *picked[1:]), axis=-1)
    late = batch.choices < 0

    def with_survival() -> jax.Array:
        limit = jnp.full(mixture.log_w.shape, batch.limit, jnp.float32)
        survival = mixture.log_w + log_survival(limit, mixture.log_mu, mixture.log_lambda)
        undecided = jax.nn.logsumexp(survival, axis=(-2, -1))
        return jnp.where(late, undecided[:, None], decided)

    return -jnp.mean(jax.lax.cond(late.any(), with_survival, lambda: decided))


def _of_choice(part: jax.Array, choices: jax.Array) -> jax.Array:
    """Pick each trial's components: (sets, C, K) and (sets, n) choice indices -> (sets, n, K)."""
    picked = part[:, None, 0, :]
    for c in range(1, part.shape[1]):
        picked = jnp.where((choices == c)[..., None], part[:, None, c, :], picked)
    return picked


def _initial_weights(density: MixtureDensity, seed: int, times: np.ndarray) -> Weights:
    """Start with components spread over the quantiles of simulated times."""
    inputs = jnp.zeros((1, len(density.features)), jnp.float32)
    tree = density.network.init(jax.random.key(seed % 2**63), inputs)["params"]
    weights = {
        "/".join(key.key for key in path): jnp.asarray(leaf, jnp.float32)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    levels = (np.arange(density.components) + 0.5) / density.components
    log_mu = np.log(np.quantile(times, levels))
    bias = np.zeros((3, len(density.declaration.choices), density.components))
    bias[1], bias[2] = log_mu, log_mu + 0.5
    last = f"dense{len(density.hidden)}"
    weights[f"{last}/bias"] = jnp.asarray(bias.ravel(), jnp.float32)
    weights[f"{last}/kernel"] *= 0.1
    return weights


def _to_numpy(weights: Weights) -> Weights:
    return {name: np.asarray(w, dtype=np.float64) for name, w in weights.items()}


def _smooth(history: History) -> float:
    return float(np.mean([loss for _, _, loss in history[-50:]]))


def _thinned(history: History, rows: int = 200) -> tuple[tuple[float, int, float], ...]:
    """Average the history over about `rows` stretches, so that files stay small."""
    stretches = np.array_split(np.array(history), min(rows, len(history)))
    return tuple(
        (round(float(s[-1, 0]), 3), int(s[-1, 1]), round(float(s[:, 2].mean()), 5))
        for s in stretches
    )
