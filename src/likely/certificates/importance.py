"""Importance sampling that adapts: proposals, weights, and how much they are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from likely.typing import FloatArray

DEGREES = 5.0  # of freedom: heavier tails than a posterior's
WIDER = 1.3  # by how much a proposal's covariance exceeds that of what it is to cover
FLOOR = 1e-10  # smallest eigenvalue of a covariance, relative to its largest
PARENTS = 60.0  # effective draws that the next proposal is made of
PLAIN = 3  # proposals with one centre, before those with many
CENTRES, BANDWIDTH = 300, 0.55  # of those with many; in standard deviations of all draws

LogDensity = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Proposal:
    """A mixture, in equal parts, of multivariate t distributions that differ in their centres.

    Args:
        centres: (m, p).
        root: lower triangular matrix (p, p) whose product with its transpose is the scale.
    """

    centres: FloatArray
    root: FloatArray

    @classmethod
    def around(cls, mean: FloatArray, covariance: FloatArray) -> Proposal:
        """Return one with a single centre that covers a normal distribution."""
        return cls(mean[None], _root(WIDER * covariance))

    @classmethod
    def over(cls, points: FloatArray, shares: FloatArray, rng: np.random.Generator) -> Proposal:
        """Return one with centres among points (n, p) of normalised weights (n,)."""
        _, covariance = moments(points, shares)
        return cls(rng.choice(points, CENTRES, p=shares), _root(BANDWIDTH**2 * covariance))

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Return n draws (n, p)."""
        scale = np.sqrt(DEGREES / rng.chisquare(DEGREES, n))
        steps = rng.standard_normal((n, self.centres.shape[1])) @ self.root.T
        centres = self.centres[rng.integers(len(self.centres), size=n)]
        return np.asarray(centres + scale[:, None] * steps)

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density (n,) of points (n, p), but for a constant all proposals share."""
        places = np.linalg.solve(self.root, points.T).T
        origins = np.linalg.solve(self.root, self.centres.T).T
        lengths = (places**2).sum(axis=1)[:, None] + (origins**2).sum(axis=1)
        squares = np.maximum(lengths - 2.0 * places @ origins.T, 0.0)
        logs = -0.5 * (DEGREES + points.shape[1]) * np.log1p(squares / DEGREES)
        volume = np.log(np.diag(self.root)).sum() + np.log(len(origins))
        return np.asarray(logsumexp(logs, axis=1) - volume)


@dataclass(frozen=True)
class Draws:
    """Weighted draws from a distribution.

    Args:
        points: (n, p).
        values: the distribution's log density there, but for a constant, (n,).
        log_ratios: log weights, (n,).
    """

    points: FloatArray
    values: FloatArray
    log_ratios: FloatArray

    @property
    def effective(self) -> float:
        """How many draws without weights they are worth."""
        return effective(weights(self.log_ratios))

    def resampled(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n points without weights, in random order, systematically chosen by weight."""
        reached = np.cumsum(weights(self.log_ratios))
        places = np.searchsorted(reached, (np.arange(n) + rng.random()) / n * reached[-1])
        return self.points[rng.permutation(np.minimum(places, len(reached) - 1))]

    def cover(self, rng: np.random.Generator) -> Proposal:
        """Return a proposal of the distribution's shape, and wider."""
        return Proposal.over(self.points, weights(self.log_ratios), rng)


def adaptive(
    log_density: LogDensity,
    proposal: Proposal,
    rounds: Sequence[int],
    enough: float,
    rng: np.random.Generator,
) -> Draws:
    """Draw from a distribution by proposals that adapt to it, until draws are worth enough.

    All rounds' draws count, with the mixture of all proposals below their weights (adaptive
    multiple importance sampling: Cornuet, Marin, Mira and Robert 2012, Scandinavian Journal of
    Statistics 39, 798-812). The first proposals after the given one have mean and covariance of
    the draws so far; those after have many centres, chosen by weight from draws so far, and so
    follow any shape.

    Args:
        log_density: of points (n, p), but for a constant, (n,).
        proposal: where to begin.
        rounds: how many draws each proposal makes.
        enough: effective draws at which no more rounds follow.
        rng: source of randomness.
    """
    proposals: list[Proposal] = []
    points = np.empty((0, proposal.centres.shape[1]))
    values, under = np.empty(0), np.empty(0)
    for turn, count in enumerate(rounds):
        fresh = proposal.draw(rng, count)
        ours = proposal.log_density(points) + np.log(count)
        under = np.logaddexp(under, ours)
        proposals.append(proposal)
        logs = [
            made.log_density(fresh) + np.log(n) for made, n in zip(proposals, rounds, strict=False)
        ]
        under = np.concatenate([under, logsumexp(logs, axis=0)])
        points = np.concatenate([points, fresh])
        values = np.concatenate([values, log_density(fresh)])
        found = Draws(points, values, values - under)
        if found.effective >= enough:
            break
        shares = tempered(found.log_ratios, PARENTS)
        if turn < PLAIN:
            proposal = Proposal.around(*moments(points, shares))
        else:
            proposal = Proposal.over(points, shares, rng)
    return found


def _root(covariance: FloatArray) -> FloatArray:
    """Return a lower triangular root of a covariance, made positive definite where it is not."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    values = np.maximum(values, FLOOR * max(float(values[-1]), FLOOR))
    return np.linalg.cholesky((vectors * values) @ vectors.T)


def weights(log_ratios: FloatArray) -> FloatArray:
    """Return normalised weights (n,) of log ratios; even ones if all ratios are zero."""
    top = float(np.max(log_ratios))
    if not np.isfinite(top):
        return np.full(len(log_ratios), 1.0 / len(log_ratios))
    raised = np.exp(log_ratios - top)
    return np.asarray(raised / raised.sum())


def effective(shares: FloatArray) -> float:
    """Return the effective number of draws of normalised weights."""
    return float(1.0 / np.sum(shares**2))


def moments(points: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted mean (p,) and covariance (p, p) of points (n, p)."""
    mean = shares @ points
    centred = points - mean
    return mean, (centred * shares[:, None]).T @ centred


def tempered(log_ratios: FloatArray, fewest: float) -> FloatArray:
    """Return weights of the ratios to the largest power up to 1 that leaves so many draws."""
    if effective(weights(log_ratios)) >= fewest:
        return weights(log_ratios)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        if effective(weights(middle * log_ratios)) >= fewest:
            low = middle
        else:
            high = middle
    return weights(low * log_ratios)
