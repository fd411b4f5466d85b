"""Importance sampling: proposals, weights, and how much they are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from likely.typing import FloatArray

DEGREES = 5.0  # of freedom: heavier tails than a posterior's
WIDER = 1.3  # by how much a proposal's covariance exceeds that of what it is to cover
FLOOR = 1e-10  # smallest eigenvalue of a covariance, relative to its largest


@dataclass(frozen=True)
class Proposal:
    """A multivariate t distribution.

    Args:
        mean: its centre, (p,).
        root: lower triangular matrix (p, p) whose product with its transpose is the scale.
    """

    mean: FloatArray
    root: FloatArray

    @classmethod
    def around(cls, mean: FloatArray, covariance: FloatArray) -> Proposal:
        """Return one that covers a normal distribution."""
        return cls(mean, _root(WIDER * covariance))

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Return n draws (n, p)."""
        scale = np.sqrt(DEGREES / rng.chisquare(DEGREES, n))
        steps = rng.standard_normal((n, len(self.mean))) @ self.root.T
        return np.asarray(self.mean + scale[:, None] * steps)

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density (n,) of points (n, p), but for a constant."""
        scaled = np.linalg.solve(self.root, (points - self.mean).T)
        return -0.5 * (DEGREES + len(self.mean)) * np.log1p((scaled**2).sum(axis=0) / DEGREES)


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
