"""Adaptive importance sampling: draws have the moments of distributions of any shape."""

from __future__ import annotations

import numpy as np
import pytest

from likely.certificates.importance import Proposal, adaptive, effective, tempered, weights
from likely.typing import FloatArray

ROUNDS = (300, 300, 300, 300, *8 * (600,))


def bent(points: FloatArray) -> FloatArray:
    """Log density, but for a constant, of (x, y) with x normal and y normal about 2 x^2."""
    x, y = points.T
    return np.asarray(-0.5 * x**2 - 0.5 * ((y - 2.0 * x**2) / 0.3) ** 2)


def test_a_bent_distribution_is_followed() -> None:
    begin = Proposal.around(np.array([0.3, 0.2]), np.diag([0.01, 0.1]))
    found = adaptive(bent, begin, ROUNDS, 2000.0, np.random.default_rng(0))
    assert found.effective > 300
    shares = weights(found.log_ratios)
    x, y = found.points.T
    assert shares @ x == pytest.approx(0.0, abs=0.1)
    assert shares @ x**2 == pytest.approx(1.0, rel=0.1)
    assert shares @ y == pytest.approx(2.0, rel=0.1)
    assert shares @ (y - 2.0 * x**2) ** 2 == pytest.approx(0.09, rel=0.1)
    drawn = found.resampled(1000, np.random.default_rng(1))
    assert drawn[:, 1].mean() == pytest.approx(2.0, rel=0.15)
    wide = found.cover(np.random.default_rng(1)).draw(np.random.default_rng(2), 4000)
    assert (wide.var(axis=0) > 1.1 * np.cov(found.points.T, aweights=shares).diagonal()).all()


def test_rounds_end_when_draws_are_worth_enough() -> None:
    begin = Proposal.around(np.zeros(3), np.eye(3))
    normal = lambda points: -0.5 * (points**2).sum(axis=1)  # noqa: E731
    found = adaptive(normal, begin, ROUNDS, 200.0, np.random.default_rng(0))
    assert len(found.points) == ROUNDS[0]
    assert 200.0 <= found.effective <= 300.0


def test_proposals_are_normalised_alike() -> None:
    points = np.random.default_rng(0).normal(size=(40_000, 2))
    one = Proposal.around(np.zeros(2), np.eye(2))
    many = Proposal(np.array([[0.0, 0.0], [1.0, -1.0], [3.0, 0.0]]), 2.0 * one.root)
    ratios = []
    for proposal in (one, many):
        drawn = proposal.draw(np.random.default_rng(1), 40_000)
        logs = -0.5 * (drawn**2).sum(axis=1) - proposal.log_density(drawn)
        ratios.append(np.exp(logs).mean())
    assert ratios[0] == pytest.approx(ratios[1], rel=0.03)
    assert one.log_density(points).shape == (40_000,)


def test_tempered_weights_leave_enough_draws() -> None:
    log_ratios = np.linspace(0.0, -500.0, 400)
    assert effective(weights(log_ratios)) < 2.0
    assert effective(tempered(log_ratios, 60.0)) == pytest.approx(60.0, rel=0.01)
