"""Two-stage decisions against closed forms, quadrature and products."""

import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from likely.densities.constant import WienerPassage
from likely.densities.linear import LinearTwin
from likely.densities.quadrature import quadrature
from likely.densities.twin import FirstPassage
from likely.densities.two_stage import Parallel, ParallelTwin, Sequential, SequentialTwin
from likely.densities.wald import Wald

ROW = np.array([1.0, -0.5, 2.0, 1.2, 0.4, 0.5, 0.7, 0.3])  # vh, vl1, vl2, a, zh, zl1, zl2, t
RARE = np.array([3.5, -3.0, 3.5, 1.5, 0.7, 0.3, 0.6, 0.3])
EDGES = np.array([-np.inf, -1.0, 0.0])


def high(row):
    return WienerPassage(row[0], row[3], row[4])


def low(row, branch):
    return WienerPassage(row[1 + branch], row[3], row[5 + branch])


PARALLEL, SEQUENTIAL = ParallelTwin(high, low), SequentialTwin(high, low)


@dataclass(frozen=True)
class Guess(FirstPassage):
    """A choice at random, after the first passage of a Wiener process through one boundary."""

    drift: float
    boundary: float
    first: float

    @property
    def probabilities(self):
        return np.array([self.first, 1.0 - self.first])

    def log_density(self, times):
        wald = Wald(self.drift, self.boundary)
        return wald.log_density(times)[:, None] + np.log(self.probabilities)

    def log_survival(self, times):
        return Wald(self.drift, self.boundary).log_survival(times)


GUESSES = Guess(1.5, 1.0, 0.3), (Guess(1.5, 0.7, 0.6), Guess(1.5, 1.4, 0.999))
SHARES = np.array([0.3 * 0.6, 0.3 * 0.4, 0.7 * 0.999, 0.7 * 0.001])


def test_passages_one_after_the_other_are_one_to_a_further_boundary():
    times = np.geomspace(0.02, 30.0, 50)
    passage = Sequential(*GUESSES)
    sums = [Wald(1.5, 1.7), Wald(1.5, 2.4)]
    expected = np.repeat([s.log_density(times) for s in sums], 2, axis=0).T + np.log(SHARES)
    np.testing.assert_allclose(passage.log_density(times), expected, rtol=1e-9, atol=1e-9)
    survival = sum(p * np.exp(s.log_survival(times)) for p, s in zip((0.3, 0.7), sums, strict=True))
    np.testing.assert_allclose(np.exp(passage.log_survival(times)), survival, rtol=1e-7)


def test_the_later_of_two_passages_has_the_product_of_their_distributions():
    times = np.geomspace(0.02, 30.0, 50)
    passage = Parallel(*GUESSES)
    first, *seconds = (stats.invgauss(mu=1.0 / (1.5 * b), scale=b * b) for b in (1.0, 0.7, 1.4))
    survival = np.zeros(len(times))
    for branch, second in enumerate(seconds):
        terms = (
            first.logpdf(times) + second.logcdf(times),
            first.logcdf(times) + second.logpdf(times),
        )
        for choice in (2 * branch, 2 * branch + 1):
            expected = np.logaddexp(*terms) + np.log(SHARES[choice])
            got = passage.log_density(times)[:, choice]
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
        left = first.sf(times) + first.cdf(times) * second.sf(times)
        survival += (0.3, 0.7)[branch] * left
    np.testing.assert_allclose(np.exp(passage.log_survival(times)), survival, rtol=1e-6)


def density_of(passage, choice):
    return lambda s: float(np.exp(passage.log_density(np.array([s]))[0, choice]))


def integral(function, end):
    knots = np.linspace(0.0, end, 7)
    pairs = zip(knots[:-1], knots[1:], strict=True)
    return sum(quad(function, x, y, epsabs=0.0, epsrel=1e-9, limit=100)[0] for x, y in pairs)


@pytest.mark.parametrize("row", [ROW, RARE], ids=["usual", "rare"])
@pytest.mark.parametrize("time", [0.1, 0.8, 4.0])
def test_densities_are_their_integrals(row, time):
    parallel = PARALLEL.solve(row).log_density(np.array([time]))[0]
    sequential = SEQUENTIAL.solve(row).log_density(np.array([time]))[0]
    for choice in range(4):
        branch, second = divmod(choice, 2)
        f, g = density_of(high(row), branch), density_of(low(row, branch), second)
        expected = f(time) * integral(g, time) + integral(f, time) * g(time)
        assert parallel[choice] == pytest.approx(math.log(expected), abs=1e-8)
        expected = integral(lambda r, f=f, g=g: f(r) * g(time - r), time)
        assert sequential[choice] == pytest.approx(math.log(expected), abs=1e-7)


@pytest.mark.parametrize("twin", [PARALLEL, SEQUENTIAL], ids=["parallel", "sequential"])
@pytest.mark.parametrize("row", [ROW, RARE], ids=["usual", "rare"])
def test_masses_are_products_of_choice_probabilities(twin, row):
    passage = pickle.loads(pickle.dumps(twin)).solve(row)
    first = high(row).probabilities
    seconds = [low(row, branch).probabilities for branch in (0, 1)]
    expected = np.concatenate([p * second for p, second in zip(first, seconds, strict=True)])
    np.testing.assert_allclose(passage.probabilities, expected, rtol=1e-13)
    assert passage.probabilities.sum() == pytest.approx(1.0, abs=1e-13)
    times, weights = quadrature(passage)
    mass = weights @ np.exp(passage.log_density(times))
    np.testing.assert_allclose(mass, expected, atol=3e-8)
    ends = np.array([0.3, 1.0, 2.5])
    for end, left in zip(ends, np.exp(passage.log_survival(ends)), strict=True):
        x, w = np.polynomial.legendre.leggauss(200)
        done = 0.5 * end * (w @ np.exp(passage.log_density(0.5 * end * (1.0 + x)))).sum()
        assert left == pytest.approx(1.0 - done, abs=1e-8)


@pytest.mark.parametrize("twin", [PARALLEL, SEQUENTIAL], ids=["parallel", "sequential"])
@pytest.mark.parametrize("row", [ROW, RARE], ids=["usual", "rare"])
def test_laws_at_all_times(twin, row):
    passage = twin.solve(row)
    times = np.concatenate([EDGES, np.geomspace(1e-6, 1e3, 100), [np.inf]])
    density, survival = passage.log_density(times), passage.log_survival(times)
    assert not np.isnan(density).any()
    assert not np.isnan(survival).any()
    assert np.all(density[[0, 1, 2, -1]] == -np.inf)
    assert np.all(survival[:3] == 0.0)
    assert survival[-1] == -np.inf
    assert np.all(np.diff(survival[3:-1]) <= 1e-8)


def test_other_solutions_than_the_series_will_do():
    falling = LinearTwin(lambda r: r[0], lambda r: r[1], lambda r: r[2], lambda r: 0.0)
    first = falling.solve(np.array([1.0, 1.5, 0.5]))
    seconds = tuple(falling.solve(np.array([v, 1.5, 0.5])) for v in (0.5, 2.0))
    for passage, end in ((Parallel(first, seconds), 3.0), (Sequential(first, seconds), 6.0)):
        x, w = np.polynomial.legendre.leggauss(60)
        knots = np.linspace(0.0, end, 7)
        times = knots[:-1, None] + 0.5 * np.diff(knots)[:, None] * (1.0 + x)
        densities = np.exp(passage.log_density(times.ravel())).reshape(*times.shape, 4)
        mass = (0.5 * np.diff(knots)[:, None, None] * w[:, None] * densities).sum(axis=(0, 1))
        np.testing.assert_allclose(mass, passage.probabilities, atol=1e-6)
        assert passage.log_survival(np.array([end + 0.1]))[0] < -20.0
