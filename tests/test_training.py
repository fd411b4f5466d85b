"""Training: any model, from draws alone, reproducible by steps, honest about bad input."""

from __future__ import annotations

import time

import numpy as np
import pytest

import likely as lk
from likely import training
from likely.batches import Batches
from likely.densities import wiener
from likely.errors import ModelError, ParameterError, RoughTrainingWarning

CLASSIC = {"v": (-3.0, 3.0), "a": (0.3, 2.5), "z": (0.1, 0.9)}


@pytest.fixture(scope="module")
def trained() -> lk.Likelihood:
    model = lk.models["ddm"].with_box(**CLASSIC)
    return lk.train(model, steps=1200, seed=3, hidden=(48, 48), progress=False)


def wald_race(rng, v0, v1, v2, t):  # type: ignore[no-untyped-def]
    """Race of three inverse Gaussian times."""
    first = rng.wald(1.0 / v0, 1.0)
    choice = 0
    second, third = rng.wald(1.0 / v1, 1.0), rng.wald(1.0 / v2, 1.0)
    if second < first:
        first, choice = second, 1
    if third < first:
        first, choice = third, 2
    return first + t, choice


def test_short_training_already_finds_the_ddm(trained: lk.Likelihood) -> None:
    times = np.exp(np.linspace(np.log(1e-4), np.log(100.0), 800))
    errors = []
    for row in np.array(
        [[1, 1.5, 0.5, 0], [-2, 0.8, 0.3, 0], [0.2, 2, 0.7, 0], [2.5, 0.5, 0.6, 0]]
    ):
        error = 0.0
        for choice in (-1.0, 1.0):
            exact = wiener.log_density(times, choice, *row)
            learnt = trained.logp(row, np.column_stack([times, np.full(800, choice)]))
            error += np.trapezoid(np.exp(exact) * np.abs(exact - learnt), times)
        errors.append(error)
    assert max(errors) < 0.05


def test_record_tells_how_it_was_trained(trained: lk.Likelihood) -> None:
    record = trained.training
    assert (record.labels, record.seed, record.steps) == ("draws", 3, 1200)
    assert record.draws >= 1200 * 256 * 64
    seconds, steps, losses = zip(*record.history, strict=True)
    assert steps[-1] == 1200
    assert list(seconds) == sorted(seconds)
    assert np.mean(losses[-10:]) < np.mean(losses[:2])


@pytest.mark.slow
def test_same_seed_and_steps_give_the_same_weights() -> None:
    first, again, other = (
        lk.train("angle", steps=20, seed=s, hidden=(8,), progress=False) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)
    assert first.training.steps == 20


def test_even_no_time_at_all_gives_a_likelihood() -> None:
    with pytest.warns(RoughTrainingWarning, match="the likelihood is rough"):
        likelihood = lk.train("ddm", seconds=0.01, hidden=(8,), progress=False)
    assert likelihood.training.steps > 0


def test_the_clock_is_kept_with_a_slow_simulator() -> None:
    def simulate(rng, m):  # type: ignore[no-untyped-def]
        time.sleep(len(m) / 3000.0)
        return rng.gamma(4.0, m / 4.0), np.zeros(len(m))

    model = lk.Simulator(
        "slow", parameters={"m": (0.3, 2.0)}, choices=(0, 1), simulate=simulate, vectorized=True
    )
    with pytest.warns(RoughTrainingWarning, match="draws in"):
        likelihood = lk.train(model, seconds=6.0, hidden=(8,), progress=False)
    # 131,072 trials, a usual batch, would take 44 s.
    assert likelihood.training.seconds < 25.0
    assert likelihood.training.draws < 100_000
    assert likelihood.training.steps * 256 > 10 * likelihood.training.draws / 64


def test_schedule_goes_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("likely.training.time.monotonic", lambda: now)
    schedule = training._schedule(10.0, None)
    assert schedule.done(0) == 0.0
    now = 105.0
    assert schedule.done(3) == 0.5
    assert schedule.rate(3) == pytest.approx(training.PEAK_RATE / 2)
    now = 111.0
    assert schedule.done(9) > 1.0
    assert schedule.rate(9) == pytest.approx(0.0)


@pytest.mark.slow
def test_a_race_of_three_trains_with_the_same_call() -> None:
    box = {"v0": (0.5, 3.0), "v1": (0.5, 3.0), "v2": (0.5, 3.0), "t": (0.0, 1.0)}
    race = lk.Simulator(
        "race", parameters=box, choices=(0, 1, 2), simulate=wald_race, non_decision="t"
    )
    likelihood = lk.train(race, steps=800, hidden=(32, 32), progress=False)
    theta = {"v0": 1.0, "v1": 2.0, "v2": 1.5, "t": 0.2}
    trials = lk.simulate(race, theta, n=50_000, seed=1)
    observed = [(trials.choice == c).mean() for c in (0, 1, 2)]
    np.testing.assert_allclose(likelihood.choice_probability(theta)[0], observed, atol=0.02)
    levels = trials.rt.quantile([0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        np.exp(likelihood.log_survival(theta, levels)), [0.9, 0.5, 0.1], atol=0.03
    )


@pytest.mark.slow
def test_a_vectorised_simulator_without_shift_trains() -> None:
    def simulate(rng, m):  # type: ignore[no-untyped-def]
        rt = rng.gamma(4.0, m / 4.0)
        return rt, np.where(rng.random(len(rt)) < 0.3, 0, 1)

    model = lk.Simulator(
        "gamma", parameters={"m": (0.3, 2.0)}, choices=(0, 1), simulate=simulate, vectorized=True
    )
    likelihood = lk.train(model, steps=300, hidden=(16,), progress=False)
    assert likelihood.choice_probability({"m": 1.0})[0, 0] == pytest.approx(0.3, abs=0.02)
    median = np.exp(likelihood.log_survival({"m": 1.0}, 0.918)[0])
    assert median == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_undecided_walkers_inform_the_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likely.batches.LIMIT", 1.0)
    model = lk.models["ddm"].with_box(v=(-0.5, 0.5), a=(1.2, 1.6), z=(0.4, 0.6))
    likelihood = lk.train(model, steps=2000, hidden=(16,), progress=False)
    theta = {"v": 0.0, "a": 1.4, "z": 0.5, "t": 0.0}
    exact = np.exp(wiener.log_survival(1.0, *theta.values()))
    assert exact > 0.6
    assert np.exp(likelihood.log_survival(theta, 1.0)[0]) == pytest.approx(exact, abs=0.02)


def test_batches_depend_on_the_seed_only() -> None:
    streams = []
    for _ in range(2):
        with Batches(lk.models["ddm"], 5) as batches:
            streams.append([batches.take() for _ in range(3)])
    for first, second in zip(*streams, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(streams[0][0].theta, streams[0][1].theta)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 1.0, "steps": 3}, "not both"),
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1, "seed": -1}, "seed is -1"),
        ({"steps": 1, "components": 0}, "components is 0"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"seconds": "60"}, "seconds is '60'"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        lk.train("ddm", **options)


def test_misspelt_models_are_refused() -> None:
    with pytest.raises(ModelError, match="Did you mean 'ddm'"):
        lk.train("dmd", steps=1)


def test_a_failing_simulator_stops_training() -> None:
    def simulate(rng, m):  # type: ignore[no-untyped-def]
        raise RuntimeError("no such stimulus")

    model = lk.Simulator(
        "broken", parameters={"m": (0.3, 2.0)}, choices=(0, 1), simulate=simulate, vectorized=True
    )
    with pytest.raises(ModelError, match="no such stimulus"):
        lk.train(model, steps=3)
