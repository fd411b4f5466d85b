"""Train a first-passage mixture: maximum likelihood on fresh draws, or on exact densities."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from likely.assembly import assembly_of
from likely.batches import Batch, Batches
from likely.certificates.checking import examine
from likely.certificates.effort import QUICK
from likely.checks import require_count, require_positive, require_seed
from likely.diffusions import Diffusion
from likely.errors import ParameterError, RoughTrainingWarning
from likely.exact_batches import FEWEST, POOL, SETS, ExactBatches, Labels, pays
from likely.likelihood import Likelihood, Training
from likely.model import Model
from likely.model_functions import arguments
from likely.networks.inverse_gaussian import log_inverse_gaussian, log_survival, stretch
from likely.networks.mixture import MixtureDensity
from likely.pooled_batches import PooledBatches
from likely.progress import Progress
from likely.races import Race
from likely.reference import require_twin
from likely.typing import FloatArray
from likely.zoo import resolve

PEAK_RATE = 3e-3
MATRICES = 3.0  # times as high for matrices, whose steps are orthogonal
WARM_UP = 0.02  # share of the run in which the learning rate rises; it falls as a cosine after that
CLIP = 1.0  # largest norm of a gradient
PATIENCE = 100  # steps in a row that may be skipped because their gradient is not finite
SECONDS = 60.0
FEW_STEPS, FEW_DRAWS = 1000, 1_000_000  # with fewer, errors are many times those of a minute's run

EXACT, DRAWS = "exact", "draws"
SOLVING = 0.2  # share of the time in which exact densities are solved for
TAILS = 0.05  # weight of the Huber loss of log densities beside the divergence
NOTED = -25.0  # log densities below do not count there
HIGHEST, SURPRISE = 30.0, 100.0  # of log densities and ratios, lest wild weights overflow
FAR_END = -4.0  # first output behind the closing rate

Weights = dict[str, Any]
Loss = Callable[[MixtureDensity, Weights, Any], jax.Array]
History = Sequence[tuple[float, int, float]]
"""Rows of (seconds, steps, loss)."""


def train(
    model: Model | str,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    labels: str | None = None,
    sets: int | None = None,
    hidden: tuple[int, ...] = (64, 64, 64),
    components: int = 8,
    closing: bool | None = None,
    check: bool = False,
    progress: bool = True,
) -> Likelihood:
    """Train a first-passage mixture, on exact densities or on simulations.

    From simulations, every step simulates new trials at new parameters drawn uniformly from the box
    (where it spans over a thousandfold, half of them on a logarithmic scale) and raises their log
    density; simulation runs beside optimisation. From exact densities, a fifth of the time goes to
    solving for them at many parameters, and the rest to bringing the mixture's density near theirs.
    Give either a time or a number of steps: only the latter gives the same weights again from the
    same seed.

    Args:
        model: a model, or the name of one in `likely.models`.
        seconds: how long to train, everything included; 60 by default.
        steps: number of optimisation steps, instead of a time.
        seed: any integer from 0 to 2^64 - 1.
        labels: "exact" or "draws". By default exact densities where the model has a twin that
            gives enough of them, all over the box, in the time there is, and draws where it does
            not, or steps are given.
        sets: with steps, the number of parameter sets that are solved, or simulated, once and for
            all; by default 100,000 are solved, but simulations are always fresh, which is slow
            where the simulator is.
        hidden: widths of the network's hidden layers.
        components: inverse Gaussians per choice.
        closing: whether decisions may end at a finite time, as between closing boundaries; by
            default that is so for a Diffusion whose boundary depends on time.
        check: whether to give the likelihood a quick certificate, which takes 20 s to some minutes
            more; see `likely.check`.
        progress: whether to show the loss and the time left on stderr.

    Raises:
        ParameterError: for seconds, steps, a seed, labels or a size that make no sense, or, with
            exact labels, if the density cannot be had somewhere in the box.
        ModelError: if the simulator fails or returns impossible values, or exact labels are asked
            for of a model without an exact density.

    Warns:
        RoughTrainingWarning: if there was time for few steps, simulations or solutions only.
    """
    model = resolve(model)
    schedule = _schedule(seconds, steps)
    require_seed(seed)
    require_count("components", components)
    if sets is not None:
        require_count("sets", sets)
    for width in hidden:
        require_count("a hidden width", width)
    assembly = assembly_of(model)
    part = model if assembly is None else assembly.part
    density = MixtureDensity.for_model(
        part.declaration, tuple(hidden), components,
        products=True, closing=may_close(part) if closing is None else closing,
    )  # fmt: skip
    label = f"training {model.name}"
    with Progress(label, 1.0, show=progress, delay=0.0) as bar:
        exact = _solved(part, labels, schedule, sets or POOL, seed, bar)
        if exact is not None:
            weights, training = _on_exact(density, exact, schedule, seed, bar)
        elif sets is not None:
            weights, training = _on_pool(density, part, schedule, sets, seed, bar)
        else:
            weights, training = _on_draws(density, part, schedule, seed, bar)
    if steps is None:
        _warn_if_rough(training)
    whole = density if assembly is None else assembly.density(density)
    likelihood = Likelihood(whole, density.flatten(weights), training)
    if check:
        certificate = examine(likelihood, effort=QUICK, model=model, seed=seed, progress=progress)
        return likelihood.certified(certificate)
    return likelihood


def may_close(model: Model) -> bool:
    """Tell whether a model's boundaries move, and may meet."""
    return isinstance(model, Diffusion | Race) and "s" in arguments(model.boundary)


def _warn_if_rough(training: Training) -> None:
    exact = training.labels == EXACT
    source = f"{training.sets:,} parameter sets" if exact else f"{training.draws:,} draws"
    few = training.sets < FEWEST if exact else training.draws < FEW_DRAWS
    if training.steps < FEW_STEPS or few:
        warnings.warn(
            f"only {training.steps:,} steps on {source} in {training.seconds:.0f} s: the "
            "likelihood is rough. Train longer, or make the simulator faster.",
            RoughTrainingWarning,
            stacklevel=3,
        )


def _exact_batches(
    model: Model, labels: str | None, schedule: _Schedule, seed: int
) -> ExactBatches | None:
    """Return labels to train on, still to be solved for, or None to train on draws."""
    if labels not in (None, EXACT, DRAWS):
        raise ParameterError(f"labels is {labels!r}; it must be '{EXACT}' or '{DRAWS}'.")
    if labels == DRAWS or (labels is None and (model.twin is None or schedule.seconds is None)):
        return None
    batches = ExactBatches(model, require_twin(model), seed)
    if labels is None and not pays(batches, SOLVING * (schedule.seconds or 0.0)):
        return None
    return batches


def _solved(
    model: Model, labels: str | None, schedule: _Schedule, sets: int, seed: int, bar: Progress
) -> ExactBatches | None:
    """Solve for labels; return None to train on draws, as where there are no solutions."""
    batches = _exact_batches(model, labels, schedule, seed)
    if batches is None:
        return None
    share = SOLVING if schedule.seconds is not None else 0.0
    seconds = np.inf if schedule.seconds is None else SOLVING * schedule.seconds
    sets = sets if schedule.steps is None else min(sets, schedule.steps * SETS)
    try:
        batches.fill(sets, lambda done: bar.update(share * done, "solving"), seconds)
    except ParameterError:
        if labels == EXACT:
            raise
        return None
    return batches


def _on_exact(
    density: MixtureDensity, batches: ExactBatches, schedule: _Schedule, seed: int, bar: Progress
) -> tuple[Weights, Training]:
    schedule.begin_learning()
    first = batches.typical_times(_levels(density))
    weights = _initial_weights(density, seed, first)
    weights, done = _optimise(density, _exact_loss, weights, batches.take, schedule, bar)
    return weights, Training(
        labels=EXACT, seed=seed, draws=0, sets=batches.sets, seconds=schedule.elapsed(),
        version=version("likely"), **done,
    )  # fmt: skip


def _on_draws(
    density: MixtureDensity, model: Model, schedule: _Schedule, seed: int, bar: Progress
) -> tuple[Weights, Training]:
    bar.update(0.0, "simulating")
    with Batches(model, seed, seconds=schedule.seconds) as batches:
        first = np.quantile(batches.pooled_times(), _levels(density))
        weights = _initial_weights(density, seed, first)
        weights, done = _optimise(density, _draws_loss, weights, batches.take, schedule, bar)
        draws = batches.draws
    return weights, Training(
        labels=DRAWS, seed=seed, draws=draws, seconds=schedule.elapsed(),
        version=version("likely"), **done,
    )  # fmt: skip


def _on_pool(
    density: MixtureDensity, model: Model, schedule: _Schedule, sets: int, seed: int, bar: Progress
) -> tuple[Weights, Training]:
    batches = PooledBatches(model, seed)
    batches.fill(sets, lambda done: bar.update(0.0, f"simulating, {done:.0%}"))
    schedule.begin_learning()
    first = np.quantile(batches.pooled_times(), _levels(density))
    weights = _initial_weights(density, seed, first)
    weights, done = _optimise(density, _draws_loss, weights, batches.take, schedule, bar)
    return weights, Training(
        labels=DRAWS, seed=seed, draws=batches.draws, sets=sets, seconds=schedule.elapsed(),
        version=version("likely"), **done,
    )  # fmt: skip


@dataclass
class _Schedule:
    """How far a run has come: by the clock, or by steps."""

    seconds: float | None
    steps: int | None
    began: float
    spent: float = 0.0

    def begin_learning(self) -> None:
        """Say that whatever comes before optimisation is over."""
        self.spent = self.elapsed()

    def done(self, step: int) -> float:
        """Return the share of the optimisation that is over."""
        if self.steps is not None:
            return step / self.steps
        assert self.seconds is not None
        return (self.elapsed() - self.spent) / max(self.seconds - self.spent, 1e-9)

    def share(self, step: int) -> float:
        """Return the share of the run that is over."""
        if self.seconds is None:
            return self.done(step)
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
    density: MixtureDensity,
    loss: Loss,
    weights: Weights,
    take: Callable[[], Any],
    schedule: _Schedule,
    bar: Progress,
) -> tuple[Weights, dict[str, Any]]:
    """Minimise a loss; return the weights, and what the record of training says of it."""
    optimiser = optimiser_of_unit_rate()
    state = optimiser.init(weights)
    history: list[tuple[float, int, float]] = []
    step = 0
    for batch in _until_done(take, schedule):
        rate = jnp.float32(schedule.rate(step))
        weights, state, value = _several_steps(
            density, loss, optimiser, weights, state, rate, batch
        )
        step += len(batch.theta)
        history.append((schedule.elapsed(), step, float(value)))
        bar.update(schedule.share(step), f"loss {_smooth(history):.4g}")
    return _to_numpy(weights), {"steps": step, "history": _thinned(history)}


def optimiser_of_unit_rate() -> optax.GradientTransformation:
    """Return Muon for matrices, and Adam for biases, at a learning rate of 1.

    Muon (Jordan 2024) makes the steps of matrices orthogonal: no direction waits for the others.
    At equal time it leaves half the error of Adam, which treats numbers one by one.
    """
    muon = optax.contrib.muon(MATRICES, adam_learning_rate=1.0, adam_b2=0.99)
    return optax.apply_if_finite(optax.chain(optax.clip_by_global_norm(CLIP), muon), PATIENCE)


def _until_done(take: Callable[[], Any], schedule: _Schedule) -> Iterator[Any]:
    """Take batches, at least one, until time or steps are over."""
    step = 0
    while step == 0 or schedule.done(step) < 1.0:
        batch = take()
        if schedule.steps is not None:
            batch = type(batch)(*(part[: schedule.steps - step] for part in batch))
        step += len(batch.theta)
        yield batch


@partial(jax.jit, static_argnums=(0, 1, 2))
def _several_steps(
    density: MixtureDensity,
    loss: Loss,
    optimiser: optax.GradientTransformation,
    weights: Weights,
    state: optax.OptState,
    rate: jax.Array,
    batch: Any,
) -> tuple[Weights, optax.OptState, jax.Array]:
    """Take one step on each of the batch's parts; return the mean loss."""

    def one_step(carry: Any, part: Any) -> tuple[Any, jax.Array]:
        weights, state = carry
        value, gradient = jax.value_and_grad(partial(loss, density))(weights, part)
        updates, state = optimiser.update(gradient, state, weights)
        weights = jax.tree.map(lambda w, u: w + rate * u, weights, updates)
        return (weights, state), value

    (weights, state), values = jax.lax.scan(one_step, (weights, state), batch)
    return weights, state, values.mean()


def _draws_loss(density: MixtureDensity, weights: Weights, batch: Batch) -> jax.Array:
    """Mean negative log density of simulated trials; undecided ones count with their survival."""
    mixture = density.mixture(density.outputs(weights, batch.theta))
    rate = None if mixture.closing is None else mixture.closing[:, None]
    u, slope = stretch(batch.times, rate)
    picked = [_of_choice(part, batch.choices) for part in mixture[:3]]
    decided = jax.nn.logsumexp(picked[0] + log_inverse_gaussian(u[..., None], *picked[1:]), axis=-1)
    decided += slope
    late = batch.choices < 0

    def with_survival() -> jax.Array:
        limit, _ = stretch(jnp.full(len(batch.theta), batch.limit, jnp.float32), mixture.closing)
        at = jnp.broadcast_to(limit[:, None, None], mixture.log_w.shape)
        survival = mixture.log_w + log_survival(at, mixture.log_mu, mixture.log_lambda)
        undecided = jax.nn.logsumexp(survival, axis=(-2, -1))
        return jnp.where(late, undecided[:, None], decided)

    return -jnp.mean(jax.lax.cond(late.any(), with_survival, lambda: decided))


def _exact_loss(density: MixtureDensity, weights: Weights, batch: Labels) -> jax.Array:
    """Divergence from exact densities, and a share of the Huber loss of their logarithm.

    The divergence is the integral of p log(p / q) + q - p, which is least at q = p whatever the
    quadrature. The Huber loss counts all times alike, so that tails are learnt too.
    """
    mixture = density.mixture(density.outputs(weights, batch.theta))
    rate = None if mixture.closing is None else mixture.closing[:, None]
    u, slope = stretch(batch.times, rate)
    log_mu, log_lambda = mixture.log_mu[:, :, None, :], mixture.log_lambda[:, :, None, :]
    terms = log_inverse_gaussian(u[:, None, :, None], log_mu, log_lambda)
    log_q = jax.nn.logsumexp(mixture.log_w[:, :, None, :] + terms, axis=-1) + slope[:, None, :]
    log_p = batch.log_density
    p, q = jnp.exp(log_p), jnp.exp(jnp.minimum(log_q, HIGHEST))
    surprise = jnp.minimum(log_p - log_q, SURPRISE)
    divergence = ((p * surprise + q - p) * batch.weights[:, None, :]).sum(axis=(1, 2))
    counted = log_p > NOTED
    misses = optax.losses.huber_loss(jnp.where(counted, log_p - log_q, 0.0)).sum(axis=(1, 2))
    counts = jnp.maximum(counted.sum(axis=(1, 2)), 1)  # none, where all is later than counts
    return jnp.mean(divergence + TAILS * misses / counts)


def _of_choice(part: jax.Array, choices: jax.Array) -> jax.Array:
    """Pick each trial's components: (sets, C, K) and (sets, n) choice indices -> (sets, n, K)."""
    picked = part[:, None, 0, :]
    for c in range(1, part.shape[1]):
        picked = jnp.where((choices == c)[..., None], part[:, None, c, :], picked)
    return picked


def _levels(density: MixtureDensity) -> FloatArray:
    return (np.arange(density.components) + 0.5) / density.components


def _initial_weights(density: MixtureDensity, seed: int, times: FloatArray) -> Weights:
    """Start with components at typical decision times (components,), and no end in sight."""
    inputs = jnp.zeros((1, density.sizes[0]), jnp.float32)
    tree = density.network.init(jax.random.key(seed % 2**63), inputs)["params"]
    weights = {
        "/".join(key.key for key in path): jnp.asarray(leaf, jnp.float32)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    bias = np.zeros((3, len(density.declaration.choices), density.components))
    bias[1], bias[2] = np.log(times), np.log(times) + 0.5
    end = [FAR_END] if density.closing else []
    last = f"dense{len(density.hidden)}"
    weights[f"{last}/bias"] = jnp.asarray(np.append(bias.ravel(), end), jnp.float32)
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
