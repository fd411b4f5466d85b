"""Accumulators whose boundary moves, against formulas and their Fokker-Planck equation."""

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from likely.densities.linear import LinearTwin
from likely.densities.moving import MovingReflected
from likely.densities.quadrature import quadrature
from likely.densities.race import Race
from likely.densities.reflected import Reflected
from likely.errors import ParameterError

FALLING, RISING, STEEP = 0.3, -0.1, 8.0
# drift, boundary, slope, start
CASES = [
    (1.0, 1.5, FALLING, 0.6),
    (2.5, 3.0, STEEP, 1.5),
    (0.05, 1.0, RISING, 0.5),
    (-1.0, 2.0, 0.5, 1.0),
]
WIDE = [
    *CASES,
    (2.5, 3.0, FALLING, 0.0),
    (2.5, 3.0, RISING, 2.7),
    (0.0, 1.0, STEEP, 0.01),
    (6.0, 4.0, 1.0, 0.0),
    (0.1, 3.0, RISING, 0.0),
    (2.0, 1.0, 0.0, 0.3),
]
BEFORE_ALL = np.array([-np.inf, -1.0, 0.0])


def chebyshev(n):
    """Nodes on [0, 1], differentiation matrix, weights (Trefethen 2000, chapters 6 and 12)."""
    angles = np.pi * np.arange(n + 1) / n
    x = -np.cos(angles)
    c = np.ones(n + 1)
    c[[0, n]] = 2.0
    c *= (-1.0) ** np.arange(n + 1)
    gaps = x[:, None] - x + np.eye(n + 1)
    d = np.outer(c, 1.0 / c) / gaps
    d -= np.diag(d.sum(axis=1))
    moments = [0.0 if k % 2 else 2.0 / (1.0 - k * k) for k in range(n + 1)]
    weights = np.linalg.solve(np.polynomial.chebyshev.chebvander(x, n).T, moments)
    return 0.5 * (1.0 + x), 2.0 * d, 0.5 * weights


def fokker_planck(v, a, k, x0, times, n=64):
    """Density of absorption and survival at times, from q(y) = b p(b y), y in [0, 1]."""
    y, d, weights = chebyshev(n)
    first = (0.05 * a) ** 2

    def whole(inner, s):
        b = a - k * s
        at_0 = -(d[0, 1:n] @ inner) / (d[0, 0] - 2.0 * v * b)  # no flux
        return np.concatenate([[at_0], inner, [0.0]])

    def slope(s, inner):
        b = a - k * s
        q = whole(inner, s)
        flux = (v / b + y * k / b) * q - (d @ q) / (2.0 * b * b)
        return -(d @ flux)[1:n]

    b = a - k * first
    bell = np.exp(-0.5 * (b * y - x0 - v * first) ** 2 / first)
    begin = (b * bell / math.sqrt(2.0 * math.pi * first))[1:n]
    path = solve_ivp(
        slope,
        (first, times[-1]),
        begin,
        method="BDF",
        t_eval=times,
        rtol=1e-7,
        atol=1e-9,
    )
    full = [whole(inner, s) for inner, s in zip(path.y.T, times, strict=True)]
    density = [-(d[n] @ q) / (2.0 * (a - k * s) ** 2) for q, s in zip(full, times, strict=True)]
    return np.array(density), np.array([weights @ q for q in full])


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_density_and_survival_solve_the_fokker_planck_equation(case):
    _, a, k, _ = case
    last = 0.9 * a / k if k > 0.0 else 3.0
    times = np.linspace(0.15 * last, last, 30)
    density, survival = fokker_planck(*case, times)
    passage = MovingReflected(*case)
    got = np.exp(passage.log_density(times))
    np.testing.assert_allclose(got, density, rtol=3e-5, atol=1e-6)
    np.testing.assert_allclose(np.exp(passage.log_survival(times)), survival, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("slope", [RISING, FALLING, STEEP])
@pytest.mark.parametrize("start", [0.0, 0.3, 1.3])
def test_without_drift_it_is_a_motion_between_two_boundaries(slope, start):
    a = 1.5
    row = np.array([0.0, a, slope, start / a])
    twin = LinearTwin(*(lambda r, i=i: r[i] for i in range(4)))
    end = a / slope if slope > 0.0 else 30.0
    times = end * np.append(np.geomspace(1e-3, 0.5, 20), [0.7, 0.9])
    both = twin.solve(row)
    passage = MovingReflected(0.0, a, slope, start)
    expected = np.logaddexp.reduce(both.log_density(times), axis=1)
    np.testing.assert_allclose(passage.log_density(times), expected, rtol=1e-9, atol=1e-9)
    if slope > 0.0:
        expected = both.log_survival(times)
        np.testing.assert_allclose(passage.log_survival(times), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("drift", [-2.0, 0.5, 6.0])
def test_a_boundary_that_hardly_moves_stands_still(drift):
    times = np.geomspace(1e-3, 10.0, 60)
    still = Reflected(drift, 1.2, 0.4)
    for slope in (0.0, 1e-10, -1e-10):
        passage = MovingReflected(drift, 1.2, slope, 0.4)
        for name in ("log_density", "log_survival"):
            got, expected = (getattr(p, name)(times) for p in (passage, still))
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("slope", [RISING, FALLING, STEEP])
@pytest.mark.parametrize("drift", [0.5, 2.5])
def test_early_passages_do_not_know_of_the_reflection(drift, slope):
    a, x0 = 2.0, 1.2
    times = np.geomspace(1e-5, 0.04, 30)
    passage = MovingReflected(drift, a, slope, x0)
    gap = a - x0 - (drift + slope) * times
    expected = math.log(a - x0) - 0.5 * np.log(2.0 * np.pi * times**3) - 0.5 * gap**2 / times
    np.testing.assert_allclose(passage.log_density(times), expected, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("case", WIDE, ids=repr)
def test_all_finish_or_never_do(case):
    drift, a, k, x0 = case
    passage = MovingReflected(*case)
    end = math.log(a / k) if k > 0.0 else math.log(1e7)
    knots = np.concatenate([np.linspace(-14.0, end - 1.0, 60), end - np.geomspace(0.9, 1e-9, 80)])
    x, w = np.polynomial.legendre.leggauss(12)
    logs = knots[:-1, None] + 0.5 * np.diff(knots)[:, None] * (1.0 + x)
    heights = np.exp(passage.log_density(np.exp(logs.ravel())) + logs.ravel()).reshape(logs.shape)
    mass = (0.5 * np.diff(knots)[:, None] * w * heights).sum()
    never = np.exp(passage.log_survival(np.array([np.inf])))[0]
    if drift + k >= 0.0 or k >= 0.0:
        assert never == 0.0
    left = np.exp(passage.log_survival(np.exp(knots[-1:])))[0] if k <= 0.0 else never
    assert mass + left == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("case", WIDE, ids=repr)
def test_slope_of_log_survival_is_the_hazard(case):
    _, a, k, _ = case
    last = 0.98 * a / k if k > 0.0 else 20.0
    passage = MovingReflected(*case)
    times = np.linspace(0.01, 1.0, 60) * last
    step = 1e-4 * last
    s = {i: passage.log_survival(times + i * step) for i in (-2, -1, 1, 2)}
    slope = (8.0 * (s[1] - s[-1]) - s[2] + s[-2]) / (12.0 * step)
    hazard = np.exp(passage.log_density(times) - passage.log_survival(times))
    seen = passage.log_survival(times) > -20.0
    np.testing.assert_allclose(-slope[seen], hazard[seen], rtol=1e-4, atol=1e-5 / last)


@pytest.mark.parametrize("case", WIDE, ids=repr)
def test_laws_at_all_times(case):
    passage = MovingReflected(*case)
    times = np.concatenate([BEFORE_ALL, np.geomspace(1e-9, 1e6, 400), [np.inf]])
    density, survival = passage.log_density(times), passage.log_survival(times)
    assert not np.isnan(density).any()
    assert not np.isnan(survival).any()
    assert np.all(density[[0, 1, 2, -1]] == -np.inf)
    assert np.all(survival[:3] == 0.0)
    assert np.all(np.diff(survival[3:-1][survival[3:-1] > -25.0]) <= 1e-9)
    if case[2] > 0.0:
        closed = times >= case[1] / case[2]
        assert np.all(density[closed] == -np.inf)
        assert np.all(survival[closed] == -np.inf)


def test_a_race_of_them_ends():
    members = [MovingReflected(v, 2.0, 0.5, 0.4) for v in (0.0, 1.0, 2.0)]
    race = pickle.loads(pickle.dumps(Race(tuple(members))))
    chosen = race.probabilities
    assert chosen.sum() == pytest.approx(1.0, abs=1e-7)
    times, weights = quadrature(race)
    np.testing.assert_allclose(weights @ np.exp(race.log_density(times)), chosen, atol=1e-6)
    assert np.all(np.diff(chosen) > 0.0)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((np.nan, 1.0, 0.1, 0.0), "drift"),
        ((1.0, 0.0, 0.1, 0.0), "boundary"),
        ((1.0, 1.0, np.inf, 0.0), "slope"),
        ((1.0, 1.0, 0.1, 1.0), "start"),
        ((1.0, 1.0, 0.1, -0.1), "start"),
    ],
)
def test_bad_parameters_are_named(arguments, name):
    with pytest.raises(ParameterError, match=name):
        MovingReflected(*arguments)


@pytest.mark.parametrize("slope", [-0.05, 0.0, 0.4])
def test_no_time_is_too_early_or_too_late(slope: float) -> None:
    """Densities of impossibly early and late times are 0, and no number is missing."""
    accumulator = MovingReflected(2.9, 1.85, slope, 0.5)
    times = np.geomspace(1e-24, 1e40, 400)
    for values in (accumulator.log_density(times), accumulator.log_survival(times)):
        assert not np.isnan(values).any()
        assert values.max() < 20.0
    assert (accumulator.log_density(times[[0, -1]]) < -1e10).all()
