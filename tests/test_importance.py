"""Adaptive importance sampling: draws have the moments of distributions of any shape."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from likely.certificates.importance import (
    Anywhere,
    Scattered,
    adaptive,
    effective,
    tempered,
    weights,
)
from likely.typing import FloatArray

ROUNDS = (300, 300, 300, 300, *8 * (600,))


def bent(points: FloatArray) -> FloatArray:
    """Log density, but for a constant, of (x, y) with x normal and y normal about 2 x^2."""
    x, y = points.T
    return np.asarray(-0.5 * x**2 - 0.5 * ((y - 2.0 * x**2) / 0.3) ** 2)


def test_a_bent_distribution_is_followed() -> None:
    begin = Scattered.around(np.array([0.3, 0.2]), np.diag([4.0, 16.0]))
    found = adaptive(bent, begin, ROUNDS, 2000.0, 3, np.random.default_rng(0))
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


def test_beginning_anywhere_reaches_the_ends_of_a_ridge() -> None:
    def ridge(points: FloatArray) -> FloatArray:
        """Narrow across, even from end to end of a box in x."""
        x, y, z = points.T
        across = ((y + x) / 0.1) ** 2 + ((z - np.sin(2.0 * x)) / 0.1) ** 2
        return np.asarray(-np.abs(x) - 2.0 * np.log1p(np.exp(-np.abs(x))) - 0.5 * across)

    found = adaptive(ridge, Anywhere(3), 20 * (600,), 500.0, 3, np.random.default_rng(0))
    assert found.effective >= 500
    place = expit(found.resampled(1000, np.random.default_rng(1))[:, 0])
    assert place.mean() == pytest.approx(0.5, abs=0.06)
    assert place.std() == pytest.approx(12**-0.5, rel=0.08)
    assert found.log_mass == pytest.approx(np.log(2.0 * np.pi * 0.1**2), abs=0.15)


def test_rounds_end_when_draws_are_worth_enough() -> None:
    begin = Scattered.around(np.zeros(3), np.eye(3))
    normal = lambda points: -0.5 * (points**2).sum(axis=1)  # noqa: E731
    found = adaptive(normal, begin, ROUNDS, 100.0, 0, np.random.default_rng(0))
    assert len(found.points) == ROUNDS[0]
    assert 100.0 <= found.effective <= 300.0


@pytest.mark.parametrize(
    "proposal",
    [
        Scattered.around(np.zeros(2), np.eye(2)),
        Scattered(
            np.array([[0.0, 0.0], [1.0, -1.0], [3.0, 0.0]]),
            np.array([np.eye(2), [[1.0, 0.0], [0.5, 2.0]], 0.5 * np.eye(2)]),
        ),
        Anywhere(2),
    ],
    ids=["one centre", "three", "anywhere"],
)
def test_proposals_are_normalised(proposal: Scattered | Anywhere) -> None:
    drawn = proposal.draw(np.random.default_rng(1), 100_000)
    inside = (np.abs(drawn) < 1.0).all(axis=1)
    density = np.exp(-proposal.log_density(drawn[inside]))
    assert density.sum() / len(drawn) == pytest.approx(4.0, rel=0.03)  # the square's area


def test_tempered_weights_leave_enough_draws() -> None:
    log_ratios = np.linspace(0.0, -500.0, 400)
    assert effective(weights(log_ratios)) < 2.0
    assert effective(tempered(log_ratios, 60.0)) == pytest.approx(60.0, rel=0.01)
    log_ratios[1:] = -np.inf
    assert np.isfinite(tempered(log_ratios, 60.0)).all()
