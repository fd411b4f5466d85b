"""Training on exact densities: better than on draws, the same from the same seed, or refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import likely as lk
from likely import exact_batches, training
from likely.densities.quadrature import quadrature
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ModelError, ParameterError, RoughTrainingWarning
from likely.exact_batches import ExactBatches, Labels
from likely.networks.mixture import MixtureDensity

SMALL = lk.models["ddm"].with_box(v=(-2, 2), a=(0.6, 1.6), z=(0.3, 0.7))


def train(model: lk.Model = SMALL, **options: object) -> lk.Likelihood:
    return lk.train(model, hidden=(16, 16), progress=False, **options)


def error(likelihood: lk.Likelihood, model: lk.Model, row: list[float]) -> float:
    passage = model.twin.solve(np.array(row))
    times, weights = quadrature(passage)
    exact, total = passage.log_density(times), 0.0
    for c, choice in enumerate((-1.0, 1.0)):
        trials = np.stack([times + row[3], np.full(len(times), choice)], axis=1)
        difference = np.abs(likelihood.logp(np.array(row), trials) - exact[:, c])
        total += (weights * np.exp(exact[:, c]) * difference).sum()
    return total


@pytest.fixture
def few_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "POOL", 1000)


@pytest.mark.slow
@pytest.mark.usefixtures("few_sets")
def test_a_thousand_solutions_teach_more_than_draws_do() -> None:
    exact = train(steps=2400, labels="exact")
    draws = train(steps=2400, labels="draws")
    rows = [[1.0, 1.0, 0.5, 0.3], [-1.5, 1.4, 0.4, 0.0], [0.2, 0.8, 0.6, 0.2]]
    by_exact = [error(exact, SMALL, row) for row in rows]
    by_draws = [error(draws, SMALL, row) for row in rows]
    assert np.mean(by_exact) < 0.02
    assert np.mean(by_exact) < np.mean(by_draws)
    assert (exact.training.labels, exact.training.sets, exact.training.draws) == ("exact", 1000, 0)
    assert "1,000 exact densities" in repr(exact)


@pytest.mark.usefixtures("few_sets")
def test_same_seed_same_bits() -> None:
    one, two = (train(steps=32, labels="exact", seed=7) for _ in range(2))
    other = train(steps=32, labels="exact", seed=8)
    np.testing.assert_array_equal(one.weights, two.weights)
    assert not np.array_equal(one.weights, other.weights)


def test_labels_are_the_exact_density() -> None:
    batches = ExactBatches(lk.models["angle"], lk.models["angle"].twin, seed=2)
    batches.fill(250, lambda done: None)
    batch = batches.take()
    theta, times = batch.theta[3, 5].astype(np.float64), batch.times[3, 5].astype(np.float64)
    for c, choice in enumerate((-1.0, 1.0)):
        trials = np.stack([times, np.full(len(times), choice)], axis=1)
        exact = lk.exact("angle", theta, trials)
        seen = exact > -20
        np.testing.assert_allclose(batch.log_density[3, 5, c][seen], exact[seen], atol=2e-3)
    mass = (np.exp(batch.log_density).sum(axis=2) * batch.weights).sum(axis=2)
    assert np.median(np.abs(mass - 1)) < 1e-4


def test_labels_are_chosen_by_whether_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = training._schedule(60.0, None)
    assert training._exact_batches(SMALL, None, schedule, 0) is not None
    assert training._exact_batches(SMALL, "draws", schedule, 0) is None
    assert training._exact_batches(SMALL, None, training._schedule(None, 10), 0) is None
    monkeypatch.setattr(exact_batches.ExactBatches, "rate", lambda self: 10.0)
    assert training._exact_batches(SMALL, None, schedule, 0) is None


def test_too_little_time_is_said() -> None:
    with pytest.warns(RoughTrainingWarning, match="parameter sets in"):
        train(seconds=0.5, labels="exact")


def test_what_cannot_be_is_refused() -> None:
    coin = lk.Simulator(
        "coin", parameters={"p": (0.1, 0.9)}, choices=(0, 1),
        simulate=lambda rng, p: (rng.random(), 1 if rng.random() < p else 0),
    )  # fmt: skip
    with pytest.raises(ModelError, match="'coin' has no exact density"):
        train(coin, steps=1, labels="exact")
    with pytest.raises(ParameterError, match="labels is 'exat'; it must be 'exact' or 'draws'"):
        train(steps=1, labels="exat")


@dataclass(frozen=True)
class Broken(ExactTwin):
    """A twin that has no density at drifts above some."""

    highest: float

    def solve(self, row: np.ndarray, tolerance: float = TOLERANCE) -> FirstPassage:
        if row[0] > self.highest:
            raise ParameterError("no density here")
        return SMALL.twin.solve(row, tolerance)


def broken(highest: float) -> lk.Diffusion:
    return lk.Diffusion(
        "broken",
        parameters=SMALL.box,
        drift=SMALL.drift,
        boundary=SMALL.boundary,
        twin=Broken(highest),
    )


def test_where_some_densities_cannot_be_had_draws_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    much = broken(1.0)
    monkeypatch.setattr(training, "pays", lambda batches, seconds: True)
    with pytest.warns(RoughTrainingWarning, match="draws in"):
        likelihood = train(much, seconds=0.5)
    assert likelihood.training.labels == "draws"
    with pytest.raises(ParameterError, match="cannot be solved: no density here"):
        train(much, steps=1, labels="exact")


def test_where_few_densities_cannot_be_had_the_others_teach() -> None:
    assert 200 < train(broken(1.9), steps=1, labels="exact").training.sets < 250


def test_no_more_is_solved_than_is_learnt_from() -> None:
    assert train(steps=1, labels="exact").training.sets == 250


def test_sets_whose_decisions_are_too_late_to_count_do_no_harm() -> None:
    density = MixtureDensity.for_model(SMALL.declaration, (4,), 2)
    weights = training._initial_weights(density, 0, np.array([0.5, 1.0]))
    late = Labels(
        np.array([[1.0, 1.0, 0.5, 0.0]]), np.full((1, 3), 50.0), np.zeros((1, 3)),
        np.full((1, 2, 3), exact_batches.LOWEST),
    )  # fmt: skip
    assert np.isfinite(training._exact_loss(density, weights, late))
