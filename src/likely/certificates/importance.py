"""Importance sampling that adapts: proposals, weights, and how much they are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gammaln, logsumexp

from likely.typing import FloatArray

DEGREES = 3.0  # of freedom: heavier tails than a posterior's
WIDER = 2.0  # by how much a proposal's covariances exceed those of what it is to cover
FLOOR = 1e-10  # smallest eigenvalue of a covariance, relative to its largest
SHRINKAGE = 1e-4  # share of the whole covariance's diagonal in a neighbourhood's
PARENTS = 100.0  # effective draws that the next proposal is made of
CENTRES, BANDWIDTH = 100, 0.55  # of a proposal; in standard deviations of all draws
COVER = 300  # centres of what covers a whole distribution
NEIGHBOURS = 20.0  # effective draws that a centre's covariance is that of
LOWEST = -1e300  # stands for a log weight of minus infinity, whose power 0 is no number
FAINT = 1e-6  # weight, relative to the largest, below which a draw is nobody's neighbour

LogDensity = Callable[[FloatArray], FloatArray]


class Proposal(Protocol):
    """What makes draws, and knows their density."""

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Return n draws (n, p)."""
        ...

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density (n,) of points (n, p)."""
        ...


@dataclass(frozen=True)
class Anywhere:
    """Logistic in each dimension: the logits of points uniform over a box.

    Args:
        dimensions: how many.
    """

    dimensions: int

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Return n draws (n, p)."""
        return rng.logistic(size=(n, self.dimensions))

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density (n,) of points (n, p)."""
        sizes = np.abs(points)
        return np.asarray((-sizes - 2.0 * np.log1p(np.exp(-sizes))).sum(axis=1))


@dataclass(frozen=True)
class Scattered:
    """A mixture, in equal parts, of multivariate t distributions.

    Args:
        centres: (m, p).
        roots: lower triangular matrices (m, p, p) whose products with their transposes are scales.
    """

    centres: FloatArray
    roots: FloatArray

    @classmethod
    def around(cls, mean: FloatArray, covariance: FloatArray) -> Scattered:
        """Return one with a single centre that covers a normal distribution."""
        return cls(mean[None], _root(WIDER * covariance)[None])

    @classmethod
    def over(
        cls,
        points: FloatArray,
        shares: FloatArray,
        rng: np.random.Generator,
        following: int = CENTRES // 2,
        reaching: int = CENTRES // 2,
    ) -> Scattered:
        """Return one with centres among points (n, p) of normalised weights (n,).

        Some follow bent and narrow shapes: their covariances are those of their neighbours. The
        others have that of all points, made smaller, and reach farther.
        """
        _, whole = moments(points, shares)
        whitening = np.linalg.inv(_root(whole)).T
        near = np.flatnonzero(shares > FAINT * shares.max())
        places, candidates, theirs = points[near] @ whitening, points[near], shares[near]
        centres = rng.choice(points, following + reaching, p=shares)
        roots = [_root(BANDWIDTH**2 * whole)] * reaching
        for centre in centres[reaching:]:
            order = np.argsort(((places - centre @ whitening) ** 2).sum(axis=1))
            reached = np.cumsum(theirs[order])
            worth = reached**2 / np.cumsum(theirs[order] ** 2)
            chosen = order[: int(np.argmax(worth >= min(NEIGHBOURS, worth[-1]))) + 1]
            away = candidates[chosen] - centre
            spread = (away.T * theirs[chosen]) @ away / theirs[chosen].sum()
            roots.append(_root(WIDER * spread + SHRINKAGE * np.diag(np.diag(whole))))
        return cls(centres, np.array(roots))

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Return n draws (n, p)."""
        scale = np.sqrt(DEGREES / rng.chisquare(DEGREES, n))
        which = rng.integers(len(self.centres), size=n)
        steps = rng.standard_normal((n, self.centres.shape[1]))
        turned = np.einsum("nij,nj->ni", self.roots[which], steps)
        return np.asarray(self.centres[which] + scale[:, None] * turned)

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density (n,) of points (n, p)."""
        p = points.shape[1]
        volumes = np.log(np.diagonal(self.roots, axis1=1, axis2=2)).sum(axis=1)
        logs = np.empty((len(self.centres), len(points)))
        inverses = np.linalg.inv(self.roots)
        for i, (centre, inverse, volume) in enumerate(
            zip(self.centres, inverses, volumes, strict=True)
        ):
            squares = (((points - centre) @ inverse.T) ** 2).sum(axis=1)
            logs[i] = -0.5 * (DEGREES + p) * np.log1p(squares / DEGREES) - volume
        constant = gammaln(0.5 * (DEGREES + p)) - gammaln(0.5 * DEGREES)
        constant -= 0.5 * p * np.log(DEGREES * np.pi) + np.log(len(self.centres))
        return np.asarray(logsumexp(logs, axis=0) + constant)


@dataclass(frozen=True)
class Draws:
    """Weighted draws from a distribution.

    Args:
        points: (n, p).
        values: the distribution's log density there, but for a constant, (n,).
        log_ratios: those less the log of the sum over proposals of draws times density, (n,).
    """

    points: FloatArray
    values: FloatArray
    log_ratios: FloatArray

    @property
    def effective(self) -> float:
        """How many draws without weights they are worth."""
        return effective(weights(self.log_ratios))

    @property
    def log_mass(self) -> float:
        """Estimated logarithm of what the density, as given, integrates to."""
        return float(logsumexp(self.log_ratios))

    def resampled(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n points without weights, in random order, systematically chosen by weight."""
        reached = np.cumsum(weights(self.log_ratios))
        places = np.searchsorted(reached, (np.arange(n) + rng.random()) / n * reached[-1])
        return self.points[rng.permutation(np.minimum(places, len(reached) - 1))]

    def cover(self, rng: np.random.Generator) -> Scattered:
        """Return a proposal of the distribution's shape, and wider."""
        shares = weights(self.log_ratios)
        return Scattered.over(self.points, shares, rng, following=0, reaching=COVER)


def adaptive(
    log_density: LogDensity,
    proposal: Proposal,
    rounds: Sequence[int],
    enough: float,
    settled: int,
    rng: np.random.Generator,
) -> Draws:
    """Draw from a distribution by proposals that adapt to it, until draws are worth enough.

    All rounds' draws count, with the mixture of all proposals below their weights (adaptive
    multiple importance sampling: Cornuet, Marin, Mira and Robert 2012, Scandinavian Journal of
    Statistics 39, 798-812). Proposals are made of draws so far, weighted to the largest power up to
    1 that leaves `PARENTS` of them: one that begins wide narrows step by step, and follows ridges
    from end to end. One that begins in the middle may not reach the ends; draws that are worth many
    do not tell.

    Args:
        log_density: of points (n, p), but for a constant, (n,).
        proposal: where to begin.
        rounds: how many draws each proposal makes.
        enough: effective draws at which no more rounds follow.
        settled: rounds that follow at least, once weights are taken as they are.
        rng: source of randomness.
    """
    proposals = [proposal]
    for turn, count in enumerate(rounds):
        fresh = proposals[-1].draw(rng, count)
        logs = [
            made.log_density(fresh) + np.log(n) for made, n in zip(proposals, rounds, strict=False)
        ]
        if turn == 0:
            points, values, under = fresh, log_density(fresh), logs[0]
        else:
            under = np.logaddexp(under, proposals[-1].log_density(points) + np.log(count))
            under = np.concatenate([under, logsumexp(logs, axis=0)])
            points = np.concatenate([points, fresh])
            values = np.concatenate([values, log_density(fresh)])
        found = Draws(points, values, values - under)
        settled -= found.effective >= PARENTS
        if found.effective >= enough and settled < 0:
            break
        shares = tempered(found.log_ratios, PARENTS)
        proposals.append(Scattered.over(points, shares, rng))
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
    log_ratios = np.maximum(log_ratios, LOWEST)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        if effective(weights(middle * log_ratios)) >= fewest:
            low = middle
        else:
            high = middle
    return weights(low * log_ratios)
