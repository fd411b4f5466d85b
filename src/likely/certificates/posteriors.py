"""Posteriors of one data set under a likelihood and under the exact density, over one box."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from likely.certificates.importance import (
    Draws,
    Scattered,
    adaptive,
    effective,
    moments,
    weights,
)
from likely.certificates.region import Region
from likely.densities.twin import ExactTwin
from likely.errors import ParameterError
from likely.likelihood import Likelihood
from likely.reference import log_density
from likely.typing import FloatArray

DRAWS = 250  # for which the exact density is solved
OWN = 80  # of them from the posterior under q
ROUNDS = (DRAWS, DRAWS, DRAWS, DRAWS, 500, 500, 500, 500, 1000, 1000)  # of importance sampling
ENOUGH = 150.0  # effective draws at which no more rounds follow
SETTLED = 1  # rounds that follow at least, once weights are taken as they are
FEWEST = 25.0  # effective draws below which a posterior is not known
GROUPS = 600  # rows of a reduced data set
IMPOSSIBLE = 10.0  # shift, in standard deviations, where one density rules the other's draws out
FARTHEST = 9.0  # logit of the edge of what is explored
LARGEST_CURVATURE, SMALLEST_CURVATURE = 1e12, 0.05  # of a log posterior, on the logit scale
REFUSED = 1e12  # minus a log posterior that is not finite, for the optimiser


@dataclass(frozen=True)
class Difference:
    """How two posteriors differ.

    Args:
        shifts: means under q less means under p, in standard deviations of p, one a parameter.
        at_least: whether that is only a lower bound, as the posteriors hardly overlap.
    """

    shifts: FloatArray
    at_least: bool


@dataclass(frozen=True)
class DataSet:
    """Encoded trials, and what their posteriors are made of.

    Parameters are unbounded inside: logits of their place in the box, on which the prior is flat.

    Args:
        likelihood: the density q.
        twin: the exact density p.
        region: the box of the prior.
        trials: encoded, (n, 2).
        counts: how many trials each row stands for, (n,).
    """

    likelihood: Likelihood
    twin: ExactTwin
    region: Region
    trials: FloatArray
    counts: FloatArray

    @classmethod
    def of(
        cls, likelihood: Likelihood, twin: ExactTwin, region: Region, trials: FloatArray
    ) -> DataSet:
        """Return the data set whose rows are one trial each."""
        return cls(likelihood, twin, region, trials, np.ones(len(trials)))

    def reduced(self) -> DataSet:
        """Return at most about `GROUPS` rows in place of many: means of neighbouring times."""
        if len(self.trials) <= 2 * GROUPS:
            return self
        ranked = self.trials[np.lexsort(self.trials.T)]  # by choice, then by time
        size = -(-len(ranked) // GROUPS)
        begins = np.concatenate(
            [np.flatnonzero(ranked[:, 1] == c)[::size] for c in np.unique(ranked[:, 1])]
        )
        counts = np.diff(np.append(begins, len(ranked))).astype(np.float64)
        means = np.add.reduceat(ranked[:, 0], begins) / counts
        trials = np.stack([means, ranked[begins, 1]], axis=1)
        return replace(self, trials=trials, counts=counts)

    def rows(self, points: FloatArray) -> FloatArray:
        """Return parameter rows (n, p) of unbounded points (n, p)."""
        return self.region.lower + self.region.width * expit(points)

    def under_network(self, points: FloatArray) -> FloatArray:
        """Return log posteriors (n,) under q, but for a constant."""
        table = self.likelihood.density.tabulate(
            self.likelihood.weights, self.rows(points), self.trials
        )
        return np.asarray(table @ self.counts + _log_jacobian(points))

    def under_exact(self, points: FloatArray) -> FloatArray:
        """Return log posteriors (n,) under p, but for a constant; -inf where constraints forbid."""
        rows = self.rows(points)
        allowed = self.region.declaration.allowed(rows)
        values = [self._exact(r) if a else -np.inf for r, a in zip(rows, allowed, strict=True)]
        return np.array(values) + _log_jacobian(points)

    def objective(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Return minus the log posterior under q and its gradient (p,), for an optimiser."""
        value, gradient = self._network(self.rows(point[None])[0])
        share = expit(point)
        by_point = gradient * self.region.width * share * (1.0 - share) + 1.0 - 2.0 * share
        value += float(_log_jacobian(point[None])[0])
        if not (np.isfinite(value) and np.isfinite(by_point).all()):
            return REFUSED, np.zeros_like(point)
        return -value, -by_point

    def information(self, point: FloatArray) -> FloatArray:
        """Return the sum of squared scores under q at an unbounded point (p,), and the prior's."""
        share = expit(point)
        row = self.rows(point[None])
        _, gradients = self.likelihood.density.evaluate(self.likelihood.weights, row, self.trials)
        scores = gradients * self.region.width * share * (1.0 - share)
        # Rows that stand for many trials have scores alike.
        squares = (scores * self.counts[:, None]).T @ scores
        return np.asarray(squares + np.diag(2.0 * share * (1.0 - share)))

    def _network(self, row: FloatArray) -> tuple[float, FloatArray]:
        density, network = self.likelihood.density, self.likelihood.weights
        if density.compilable:
            every = np.empty(0, dtype=np.int64)  # trials have the only row
            values, gradient = density.pull(
                self._prepared, row[None], every, self.trials, self.counts
            )
            return float(values @ self.counts), gradient[0]
        values, gradients = density.evaluate(network, row[None], self.trials)
        return float(values @ self.counts), self.counts @ gradients

    @functools.cached_property
    def _prepared(self) -> FloatArray:
        return self.likelihood.density.prepared(self.likelihood.weights)

    def _exact(self, row: FloatArray) -> float:
        try:
            passage = self.twin.solve(row)
        except ParameterError:
            return -np.inf
        values = log_density(self.region.declaration, passage, row, self.trials)
        return float(values @ self.counts)


def difference(data: DataSet, truth: FloatArray, rng: np.random.Generator) -> Difference:
    """Compare the posterior means under q and p, with draws that both weigh.

    The same draws serve both, so that most of the error of sampling cancels: some of them from the
    posterior under q, the others from a wider distribution, lest p lie elsewhere. With many trials
    both are made for a reduced data set, and weighted for the whole one.

    Args:
        data: the trials.
        truth: parameters (p,) that they were simulated with.
        rng: source of randomness.
    """
    reduced = data.reduced()
    found = network_draws(reduced, truth, ROUNDS, ENOUGH, rng)
    if not np.isfinite(found.log_mass):
        return Difference(np.full(len(truth), IMPOSSIBLE), True)
    cover = found.cover(rng)
    draws = np.concatenate([found.resampled(OWN, rng), cover.draw(rng, DRAWS - OWN)])
    densities = reduced.under_network(draws) - found.log_mass, cover.log_density(draws)
    base = -np.logaddexp(np.log(OWN) + densities[0], np.log(DRAWS - OWN) + densities[1])
    log_q, log_p = data.under_network(draws), data.under_exact(draws)
    return _compared(data.rows(draws), base + log_q, base + log_p)


def network_draws(
    data: DataSet,
    truth: FloatArray,
    rounds: Sequence[int],
    enough: float,
    rng: np.random.Generator,
) -> Draws:
    """Return draws for the posterior under q: proposals begin with Laplace's approximation."""
    proposal = Scattered.around(*laplace(data, truth))
    return adaptive(data.under_network, proposal, rounds, enough, SETTLED, rng)


def laplace(data: DataSet, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mode and covariance of a normal distribution like the posterior under q.

    The inverse covariance is the sum of squared scores, to which the curvature is equal on average:
    it needs no steps, which would have to be small beside standard deviations not known yet.
    """
    start = logit((truth - data.region.lower) / data.region.width)
    root = np.linalg.cholesky(_covariance(data, start))

    def whitened(place: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = data.objective(start + root @ place)
        return value, root.T @ gradient

    found = minimize(whitened, np.zeros(len(start)), jac=True, method="L-BFGS-B")
    mode = np.clip(start + root @ found.x, -FARTHEST, FARTHEST)
    return mode, _covariance(data, mode)


def _covariance(data: DataSet, point: FloatArray) -> FloatArray:
    information = data.information(point)
    values, vectors = np.linalg.eigh(information)
    values = np.clip(values, SMALLEST_CURVATURE, LARGEST_CURVATURE)
    return np.asarray((vectors / values) @ vectors.T)


def _log_jacobian(points: FloatArray) -> FloatArray:
    """Return log density (n,) of unbounded points (n, p) whose rows are uniform over the box."""
    return np.asarray((-np.abs(points) - 2.0 * np.log1p(np.exp(-np.abs(points)))).sum(axis=1))


def _compared(rows: FloatArray, log_q: FloatArray, log_p: FloatArray) -> Difference:
    """Compare draws (n, p) with log weights (n,) for q and for p."""
    if not (np.isfinite(log_q).any() and np.isfinite(log_p).any()):
        return Difference(np.full(rows.shape[1], IMPOSSIBLE), True)
    under_q, under_p = weights(log_q), weights(log_p)
    means = [share @ rows for share in (under_q, under_p)]
    covariances = [moments(rows, share)[1] for share in (under_q, under_p)]
    known = min(effective(under_q), effective(under_p)) >= FEWEST
    # Where few draws carry the exact posterior, their spread says nothing of its own.
    spread = np.sqrt(np.diag(covariances[1] if known else np.maximum(*covariances)))
    return Difference((means[0] - means[1]) / np.maximum(spread, 1e-12), not known)
