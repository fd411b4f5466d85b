"""Draws from posteriors over a box, many data sets at once: a sequential Monte Carlo sampler.

Particles begin as draws from the prior. The likelihood comes in by its powers (Del Moral, Doucet
and Jasra 2006, Journal of the Royal Statistical Society B 68, 411-436): each power is the largest
that leaves so many of the particles effective, which are then chosen anew by weight and moved.
Moves are those of differential evolution (ter Braak 2006, Statistics and Computing 16, 239-249):
along the line through two other particles, so that they follow ridges and bends without a
gradient. Half of the particles move while the others, which show the way, stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logsumexp

from likely.typing import FloatArray

LEFT = 0.6  # share of the particles that a power leaves effective
MOVES = 10  # of each particle at each power
KEPT = 15  # times, so many moves apart, that particles at the last power are kept
WANTED = 0.25  # share of moves that are accepted
SPREAD = 0.5  # standard deviation of the log of a step
JUMPS = 0.1  # share of moves by the whole difference of two particles, from mode to mode
JITTER = 1e-4  # of moves, in standard deviations
POPULATIONS = 2  # that know nothing of each other
FIRST = 1e-12  # power, at which only what is impossible counts
IMPOSSIBLE = -1e100  # log likelihood
MOST_POWERS = 200

LogLikelihood = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Tempered:
    """Draws from the posteriors of some data sets.

    Args:
        rows: parameter rows (sets, populations, n, p).
    """

    rows: FloatArray

    @property
    def draws(self) -> FloatArray:
        """All populations' rows, (sets, n, p)."""
        sets, _, _, p = self.rows.shape
        return self.rows.reshape(sets, -1, p)

    @property
    def disagreement(self) -> FloatArray:
        """How far the means of two populations lie apart at most, in posterior sd: (sets,)."""
        means, sd = self.rows.mean(axis=2), self.draws.std(axis=1)
        apart = (means.max(axis=1) - means.min(axis=1)) / np.maximum(sd, 1e-12)
        return np.asarray(apart.max(axis=1))


@dataclass
class _State:
    """Particles (sets, populations, halves, m, p), unbounded, and their log likelihoods."""

    points: FloatArray
    values: FloatArray
    powers: FloatArray  # (sets, populations)
    scales: FloatArray  # of steps, (sets,)


def tempered(
    log_likelihood: LogLikelihood,
    lower: FloatArray,
    upper: FloatArray,
    sets: int,
    particles: int,
    seed: int,
) -> Tempered:
    """Draw from the posteriors of some data sets with a flat prior over one box.

    Args:
        log_likelihood: of rows (sets, n, p), (sets, n); -inf where parameters are impossible.
        lower: lower ends of the box, (p,).
        upper: upper ends, (p,).
        sets: how many data sets.
        particles: of each population, an even number.
        seed: of all that is random.
    """
    rng = np.random.default_rng(seed)
    width, p = upper - lower, len(lower)

    def evaluated(points: FloatArray) -> FloatArray:
        """Return log likelihoods (sets, populations, ..., m) of points, on logits' scale."""
        rows = (lower + width * expit(points)).reshape(sets, -1, p)
        return np.maximum(log_likelihood(rows), IMPOSSIBLE).reshape(points.shape[:-1])

    points = rng.logistic(size=(sets, POPULATIONS, 2, particles // 2, p))
    powers, scales = np.full((sets, POPULATIONS), FIRST), np.full(sets, 2.38 / (2 * p) ** 0.5)
    state = _State(points, evaluated(points), powers, scales)
    count = 0
    while (state.powers < 1.0).any():
        count += 1
        if count > MOST_POWERS:
            raise RuntimeError(f"the likelihood is not reached in {MOST_POWERS} powers.")
        _raise_powers(state, rng)
        _moved(state, evaluated, MOVES, rng)
    kept = []
    for _ in range(KEPT):
        _moved(state, evaluated, MOVES, rng, adapting=False)
        kept.append(state.points.reshape(sets, POPULATIONS, -1, p).copy())
    return Tempered(lower + width * expit(np.concatenate(kept, axis=2)))


def _raise_powers(state: _State, rng: np.random.Generator) -> None:
    """Raise each population's power as far as it can bear, and choose its particles anew."""
    sets, populations, halves, m, p = state.points.shape
    values = state.values.reshape(sets, populations, -1)
    enough = LEFT * (values > IMPOSSIBLE).sum(axis=-1)

    def bearable(powers: FloatArray) -> FloatArray:
        return _effective((powers - state.powers)[..., None] * values) >= enough

    low, high = np.log(state.powers), np.zeros_like(state.powers)
    low[bearable(np.ones_like(low))] = 0.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        fits = bearable(np.exp(middle))
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    logs = (np.exp(low) - state.powers)[..., None] * values
    shares = np.exp(logs - logsumexp(logs, axis=-1, keepdims=True))
    state.powers = np.exp(low)
    points = state.points.reshape(sets, populations, -1, p)
    for i, k in np.ndindex(sets, populations):
        sums = np.cumsum(shares[i, k])
        n = len(sums)
        places = np.searchsorted(sums, (np.arange(n) + rng.random()) / n * sums[-1])
        chosen = rng.permutation(np.minimum(places, n - 1))
        points[i, k], values[i, k] = points[i, k, chosen], values[i, k, chosen]
    state.points, state.values = (
        points.reshape(state.points.shape),
        values.reshape(state.values.shape),
    )


def _moved(
    state: _State,
    evaluated: LogLikelihood,
    moves: int,
    rng: np.random.Generator,
    adapting: bool = True,
) -> None:
    """Move all particles so many times, and adapt the size of steps."""
    sets, populations, _, m, p = state.points.shape
    for _ in range(moves):
        for half in range(2):
            at, others = state.points[:, :, half], state.points[:, :, 1 - half]
            first = rng.integers(m, size=(sets, populations, m))
            second = (first + rng.integers(1, m, size=first.shape)) % m
            away = np.take_along_axis(others, first[..., None], 2) - np.take_along_axis(
                others, second[..., None], 2
            )
            step = state.scales[:, None, None] * np.exp(SPREAD * rng.standard_normal(first.shape))
            step = np.where(rng.random(first.shape) < JUMPS, 1.0, step)
            sd = others.std(axis=2, keepdims=True)
            proposed = at + step[..., None] * away + JITTER * sd * rng.standard_normal(at.shape)
            values = evaluated(proposed)
            gain = state.powers[..., None] * (values - state.values[:, :, half])
            gain += _log_prior(proposed) - _log_prior(at)
            taken = np.log(rng.random(first.shape)) < gain
            at[taken], state.values[:, :, half][taken] = proposed[taken], values[taken]
            if adapting:
                state.scales *= np.exp(0.2 * (taken.mean(axis=(1, 2)) - WANTED))


def _effective(logs: FloatArray) -> FloatArray:
    """Return effective numbers of draws of log weights (..., n)."""
    return np.asarray(np.exp(2.0 * logsumexp(logs, axis=-1) - logsumexp(2.0 * logs, axis=-1)))


def _log_prior(points: FloatArray) -> FloatArray:
    """Return log densities (...) of points (..., p) whose rows are uniform over the box."""
    sizes = np.abs(points)
    return np.asarray((-sizes - 2.0 * np.log1p(np.exp(-sizes))).sum(axis=-1))
