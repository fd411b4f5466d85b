"""The Wiener model with variable drift, start and non-decision time against brute force."""

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import quad

import likely as lk
from likely.densities import wiener
from likely.densities.constant import WienerPassage
from likely.densities.delayed import Delayed
from likely.densities.full import FullTwin
from likely.densities.race import Race
from likely.densities.variability import (
    Averaged,
    VariableWiener,
    normal_nodes,
    uniform_nodes,
)
from likely.densities.wald import Wald
from likely.errors import ModelError, ParameterError

CASES = [
    (1.0, 1.0, 0.5, 0.2, 1.0),
    (3.0, 0.5, 0.3, 0.2, 0.0),
    (-2.0, 2.5, 0.7, 0.2, 2.0),
    (0.0, 0.3, 0.5, 0.29, 2.0),
    (1.0, 1.0, 0.5, 0.0, 1.5),
    (-6.0, 4.0, 0.9, 0.7, 0.01),
    (6.0, 4.0, 0.05, 0.3, 0.5),
]
TIMES = np.array([0.1, 0.3, 0.8, 1.5])
CHOICES = np.array([-1.0, 1.0])


def brute_force(function, v, a, z, sz, sv):
    """Mean of function(drift, start): trapezia over the drift, Gauss over the start."""
    drifts, of_drift = np.array([v]), np.ones(1)
    if sv > 0.0:
        scores, step = np.linspace(-9.0, 9.0, 301, retstep=True)
        drifts = v + sv * scores
        of_drift = step * np.exp(-0.5 * scores**2) / math.sqrt(2.0 * math.pi)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    starts, of_start = (z + 0.5 * sz / a * nodes, 0.5 * weights) if sz > 0.0 else ([z], np.ones(1))
    return of_drift @ function(drifts[:, None], np.asarray(starts)[None]) @ of_start


@pytest.mark.parametrize("case", CASES, ids=str)
def test_density_is_the_mean_over_drift_and_start(case):
    got = VariableWiener(*case).log_density(TIMES)
    for i, time in enumerate(TIMES):
        for j, choice in enumerate(CHOICES):
            if got[i, j] < -25.0:  # brute force does not reach the drifts that matter there
                continue
            expected = brute_force(
                lambda v, z, s=time, c=choice: np.exp(wiener.log_density(s, c, v, case[1], z, 0.0)),
                *case,
            )
            assert got[i, j] == pytest.approx(math.log(expected), abs=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_survival_and_probabilities_are_means_too(case):
    passage = VariableWiener(*case)
    assert passage.probabilities.sum() == pytest.approx(1.0, abs=1e-10)
    for j, choice in enumerate(CHOICES):
        expected = brute_force(
            lambda v, z, c=choice: wiener.choice_probability(c, v, case[1], z), *case
        )
        assert passage.probabilities[j] == pytest.approx(expected, abs=1e-9)
    got = passage.log_survival(TIMES)
    for i, time in enumerate(TIMES):
        expected = brute_force(
            lambda v, z, s=time: np.exp(wiener.log_survival(s, v, case[1], z, 0.0)), *case
        )
        assert math.exp(got[i]) == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_slope_of_log_survival_is_the_hazard_far_into_the_tail(case):
    passage = VariableWiener(*case)
    times = case[1] ** 2 * np.geomspace(0.2, 60.0, 40)
    step = 1e-3 * times
    s = {k: passage.log_survival(times + k * step) for k in (-2, -1, 0, 1, 2)}
    slope = (8.0 * (s[1] - s[-1]) - (s[2] - s[-2])) / (12.0 * step)
    hazard = np.exp(np.logaddexp.reduce(passage.log_density(times), axis=1) - s[0])
    kept = np.exp(s[0]) < 2e-5
    kept |= np.exp(s[0]) > 1e-2
    assert np.all(np.abs(slope + hazard)[kept] < 1e-5 * hazard[kept] + 1e-8 / step[kept] * 1e-2)
    assert s[0][-1] < -20.0


@pytest.mark.parametrize("tiny", [0.0, 1e-7])
def test_without_variability_it_is_the_wiener_model(tiny):
    times = np.concatenate([np.geomspace(0.01, 50.0, 60), [1e3]])
    expected = WienerPassage(1.2, 0.9, 0.4)
    passage = VariableWiener(1.2, 0.9, 0.4, tiny, tiny)
    np.testing.assert_allclose(
        passage.log_density(times), expected.log_density(times), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        passage.log_survival(times), expected.log_survival(times), rtol=1e-7, atol=1e-10
    )
    np.testing.assert_allclose(passage.probabilities, expected.probabilities, atol=1e-11)


def test_a_tiny_delay_is_no_delay():
    times = np.geomspace(0.02, 20.0, 50)
    expected = WienerPassage(1.2, 0.9, 0.4)
    passage = Delayed(expected, -1e-6, 1e-6)
    np.testing.assert_allclose(
        passage.log_density(times), expected.log_density(times), rtol=1e-8, atol=1e-6
    )
    np.testing.assert_allclose(passage.log_survival(times), expected.log_survival(times), atol=1e-6)


@pytest.mark.parametrize("half", [0.02, 0.3])
@pytest.mark.parametrize(
    "inner", [VariableWiener(1.0, 1.0, 0.5, 0.2, 1.0), WienerPassage(-1.0, 2.0, 0.6)], ids=str
)
def test_delay_is_a_window_over_decision_times(half, inner):
    passage = Delayed(inner, -half, half)
    times = np.array([0.06 - half, -0.5 * half, 0.05, 0.2, 0.6, 1.7, 6.0])
    times = times[times + half > 0.04]
    densities, survival = passage.log_density(times), passage.log_survival(times)

    def integral(function, low, high):
        knots = np.linspace(low, high, 7)
        pieces = zip(knots[:-1], knots[1:], strict=True)
        return sum(quad(function, *p, epsabs=0.0, epsrel=1e-11, limit=200)[0] for p in pieces)

    for i, time in enumerate(times):
        low, high = max(time - half, 0.0), time + half
        for j in (0, 1):
            expected = integral(lambda s, c=j: at(inner.log_density, s)[c], low, high) / (2 * half)
            assert densities[i, j] == pytest.approx(math.log(expected), abs=1e-7)
        expected = integral(lambda s: at(inner.log_survival, s), low, high) - min(time - half, 0.0)
        assert survival[i] == pytest.approx(math.log(expected / (2 * half)), rel=1e-7, abs=1e-9)


def at(function, time):
    return np.exp(function(np.array([time])))[0]


def test_delay_of_a_race_that_may_not_end():
    race = Race((Wald(-0.5, 1.0), Wald(-1.0, 1.0)))
    passage = Delayed(race, 0.1, 0.4)
    assert at(passage.log_survival, np.inf) == pytest.approx(1.0 - race.probabilities.sum())
    got = at(passage.log_survival, 0.9)
    expected = quad(lambda s: at(race.log_survival, s), 0.5, 0.8)[0] / 0.3
    assert got == pytest.approx(expected, rel=1e-8)


def test_mixtures_by_quadrature_agree_with_closed_forms():
    drifts, of_drift = normal_nodes(1.0, 0.8, 24)
    starts, of_start = uniform_nodes(0.4, 0.6, 12)
    mixture = Averaged(
        tuple(WienerPassage(v, 1.0, z) for v in drifts for z in starts),
        np.outer(of_drift, of_start).ravel(),
    )
    expected = VariableWiener(1.0, 1.0, 0.5, 0.2, 0.8)
    times = np.array([0.2, 0.5, 1.0, 2.0])
    close = {"rtol": 1e-7, "atol": 1e-7}
    np.testing.assert_allclose(mixture.log_density(times), expected.log_density(times), **close)
    np.testing.assert_allclose(mixture.log_survival(times), expected.log_survival(times), **close)
    np.testing.assert_allclose(mixture.probabilities, expected.probabilities, **close)


def test_never_nan_and_monotone_over_the_box(rng):
    twin = FullTwin()
    times = np.concatenate([[-np.inf, -0.3, -1e-6, 0.0, np.inf], np.geomspace(1e-6, 1e3, 60)])
    for _ in range(25):
        a, z = rng.uniform(0.2, 4.0), rng.uniform(0.05, 0.95)
        room = 2.0 * a * min(z, 1.0 - z)
        sz = rng.choice([0.0, rng.uniform(0.0, 0.99) * room])
        sv, st = rng.choice([0.0, rng.uniform(0.0, 3.0)]), rng.choice([0.0, rng.uniform(0.0, 0.3)])
        row = np.array([rng.uniform(-6.0, 6.0), a, z, 0.3, sz, sv, st])
        passage = twin.solve(row)
        density, survival = passage.log_density(times), passage.log_survival(times)
        assert not np.isnan(density).any(), row
        assert not np.isnan(survival).any(), row
        assert np.all(density[[0, 4]] == -np.inf)
        assert survival[0] == 0.0
        assert survival[4] == -np.inf
        assert passage.probabilities.sum() == pytest.approx(1.0, abs=1e-8)
        assert np.all(np.diff(survival[5:]) <= 1e-6 * (1.0 + np.abs(survival[5:-1]))), row


def test_full_model_agrees_with_simulation(rng):
    v, a, z, t, sz, sv, st = 1.0, 1.1, 0.55, 0.4, 0.25, 0.9, 0.2
    n = 60_000
    starts = 2.0 * a * z - a + rng.uniform(-sz, sz, n)
    theta = {
        "v": rng.normal(v, sv, n),
        "a": a,
        "z": 0.5 * (1.0 + starts / a),
        "t": t + rng.uniform(-st, st, n),
    }
    model = lk.models["ddm"].with_box(v=(-10.0, 10.0))
    trials = lk.simulate(model, theta, seed=11, max_time=60.0, progress=False)
    passage = FullTwin().solve(np.array([v, a, z, t, sz, sv, st]))
    times, upper = trials["rt"].to_numpy() - (t - st), trials["choice"].to_numpy() == 1.0
    assert_share(upper.mean(), passage.probabilities[1], n)
    for limit in (0.15, 0.4, 0.8, 2.0):
        assert_share(np.mean(times > limit), at(passage.log_survival, limit), n)
    nodes, weights = np.polynomial.legendre.leggauss(30)
    for low, high in ((0.1, 0.3), (0.5, 0.9)):
        points = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        masses = 0.5 * (high - low) * weights @ np.exp(passage.log_density(points))
        inside = (times > low) & (times <= high)
        assert_share(np.mean(inside & upper), masses[1], n)
        assert_share(np.mean(inside & ~upper), masses[0], n)


def assert_share(share, expected, n):
    assert abs(share - expected) < 4.0 * math.sqrt(expected * (1.0 - expected) / n)


def test_twin_of_fewer_parameters():
    twin = pickle.loads(pickle.dumps(FullTwin(("v", "a", "z", "t", "sv"))))
    times = np.array([0.3, 1.0])
    got = twin.solve(np.array([1.0, 1.0, 0.5, 0.2, 0.7])).log_density(times)
    np.testing.assert_array_equal(got, VariableWiener(1.0, 1.0, 0.5, 0.0, 0.7).log_density(times))
    plain = FullTwin(("v", "a", "z")).solve(np.array([1.0, 1.0, 0.5]))
    np.testing.assert_array_equal(
        plain.log_density(times), WienerPassage(1.0, 1.0, 0.5).log_density(times)
    )


def test_refuses_what_means_nothing():
    for names in (("v", "a"), ("v", "a", "z", "theta")):
        with pytest.raises(ModelError, match="full diffusion"):
            FullTwin(names)
    for case in ((1.0, 1.0, 0.5, 1.0, 0.0), (1.0, -1.0, 0.5, 0.0, 0.0), (1.0, 1.0, 0.5, 0.0, -1.0)):
        with pytest.raises(ParameterError):
            VariableWiener(*case)
    with pytest.raises(ParameterError, match="sz"):
        FullTwin().solve(np.array([1.0, 1.0, 0.2, 0.3, 0.5, 0.0, 0.0]))
    with pytest.raises(ParameterError, match="st"):
        FullTwin().solve(np.array([1.0, 1.0, 0.5, 0.3, 0.0, 0.0, -0.1]))
    with pytest.raises(ParameterError, match="delays"):
        Delayed(WienerPassage(1.0, 1.0, 0.5), 0.2, 0.2)
