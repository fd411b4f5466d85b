"""Accumulators and their races against integrals, other closed forms and simulations."""

import math
import pickle

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.linalg import eigh_tridiagonal

import likely as lk
from likely.densities import wiener
from likely.densities.ballistic import FoldedBallistic, NormalBallistic, TruncatedBallistic
from likely.densities.counter import Counter
from likely.densities.lognormal import Lognormal
from likely.densities.quadrature import quadrature
from likely.densities.race import Race, RaceTwin
from likely.densities.reflected import Reflected
from likely.densities.wald import Wald
from likely.errors import ParameterError

ACCUMULATORS = [
    Wald(1.5, 1.0),
    Wald(0.0, 1.0),
    Wald(-1.0, 1.0),
    Wald(2.0, 1.5, 1.0),
    Wald(0.0, 1.5, 1.4),
    Wald(-0.5, 1.5, 1.0),
    Wald(-1e-4, 1.5, 0.3),
    NormalBallistic(2.0, 1.0, 0.5, 1.0),
    NormalBallistic(-1.0, 1.0, 0.5, 0.6),
    TruncatedBallistic(-1.0, 1.0, 0.5, 0.6),
    TruncatedBallistic(1.0, 1.0, 0.0, 0.3),
    FoldedBallistic(0.5, 1.0, 0.5, 1.0),
    FoldedBallistic(3.0, 1.0, 0.9, 0.05),
    Counter(5.0, 3.0),
    Counter(50.0, 20.0),
    Counter(2.0, 1.5),
    Lognormal(-0.5, 0.4),
    Reflected(1.0, 1.0, 0.3),
    Reflected(-1.0, 1.0, 0.5),
    Reflected(-1.00001, 1.0, 0.5),
    Reflected(-3.0, 2.0, 0.0),
    Reflected(6.0, 4.0, 0.0),
]
EDGES = np.array([-np.inf, -1.0, 0.0, np.inf])
ALL_TIMES = np.concatenate([EDGES, np.geomspace(1e-6, 1e3, 200)])


def at(function, time):
    return float(np.exp(function(np.array([time], dtype=float)))[0])


def never(accumulator):
    return at(accumulator.log_survival, np.inf)


@pytest.mark.parametrize("accumulator", ACCUMULATORS, ids=repr)
def test_laws_of_accumulators(accumulator):
    density, survival = accumulator.log_density(ALL_TIMES), accumulator.log_survival(ALL_TIMES)
    assert not np.isnan(density).any()
    assert not np.isnan(survival).any()
    assert np.all(density[:4] == -np.inf)
    np.testing.assert_allclose(survival[:3], 0.0, atol=1e-15)
    assert np.all(np.diff(survival[4:]) <= 1e-14)
    assert survival[3] <= survival[-1] + 1e-14


@pytest.mark.parametrize("accumulator", ACCUMULATORS, ids=repr)
def test_slope_of_log_survival_is_the_hazard(accumulator):
    times = np.geomspace(0.02, 20.0, 80)
    step = 1e-3 * times
    s = {k: accumulator.log_survival(times + k * step) for k in (-3, -2, -1, 1, 2, 3)}
    slope = (45.0 * (s[1] - s[-1]) - 9.0 * (s[2] - s[-2]) + s[3] - s[-3]) / (60.0 * step)
    hazard = np.exp(accumulator.log_density(times) - accumulator.log_survival(times))
    noise = 1e-14 * (1.0 + np.abs(accumulator.log_survival(times))) / step
    assert np.all(np.abs(slope + hazard) < 20.0 * noise + 1e-8 * hazard)


@pytest.mark.parametrize("accumulator", ACCUMULATORS, ids=repr)
def test_density_integrates_to_what_ever_finishes(accumulator):
    def height(log_time):
        return at(accumulator.log_density, math.exp(log_time)) * math.exp(log_time)

    knots = np.linspace(-24.0, 76.0, 101)
    mass = sum(
        quad(height, low, low + 1.0, epsabs=1e-13, epsrel=1e-9, limit=200)[0] for low in knots[:-1]
    )
    assert mass == pytest.approx(1.0 - never(accumulator), abs=1e-8)


@pytest.mark.parametrize("drift", [-1.3, 0.0, 2.0])
@pytest.mark.parametrize("time", [0.05, 0.4, 3.0])
def test_wald_is_the_mean_over_its_start(drift, time):
    accumulator = Wald(drift, 1.2, 0.8)

    def density(x):
        exponent = -((x - drift * time) ** 2) / (2.0 * time)
        return x / math.sqrt(2.0 * math.pi * time**3) * math.exp(exponent)

    def survival(x):
        root = math.sqrt(time)
        tail = math.exp(2.0 * drift * x) * stats.norm.cdf(-(x + drift * time) / root)
        return stats.norm.cdf((x - drift * time) / root) - tail

    for function, log in ((density, accumulator.log_density), (survival, accumulator.log_survival)):
        expected = quad(function, 0.4, 1.2, epsabs=0.0, epsrel=1e-12)[0] / 0.8
        assert at(log, time) == pytest.approx(expected, rel=1e-10)


def test_wald_is_the_inverse_gaussian():
    times = np.geomspace(0.05, 20.0, 30)
    peer = stats.invgauss(mu=1.0 / (1.5 * 1.2), scale=1.2**2)  # mean a/v, shape a^2
    np.testing.assert_allclose(Wald(1.5, 1.2).log_density(times), peer.logpdf(times), rtol=1e-11)
    np.testing.assert_allclose(Wald(1.5, 1.2).log_survival(times), peer.logsf(times), rtol=1e-9)
    assert 1.0 - never(Wald(-0.7, 1.2)) == pytest.approx(math.exp(-2.0 * 0.7 * 1.2), rel=1e-13)


@pytest.mark.parametrize("range_", [1e-9, 1e-4])
def test_a_narrow_start_is_no_start(range_):
    times = np.geomspace(1e-3, 50.0, 40)
    middle = 1.0 - 0.5 * range_
    kinds = [
        (lambda b, a: Wald(1.5, b, a)),
        (lambda b, a: Wald(-1.5, b, a)),
        (lambda b, a: TruncatedBallistic(1.5, b, a, 0.7)),
    ]
    for kind in kinds:
        narrow, none = kind(1.0, range_), kind(middle, 0.0)
        for name in ("log_density", "log_survival"):
            got, expected = getattr(narrow, name)(times), getattr(none, name)(times)
            scale = 1e-9 + 10.0 * (range_ / times) ** 2
            assert np.all(np.abs(got - expected) < scale * (1.0 + np.abs(expected)))


def brute_force_ballistic(time, v, b, a, s):
    """Probability of having finished, by integrating over the start: the rate exceeds x/time."""
    return quad(lambda x: stats.norm.sf(x / time, v, s), b - a, b, epsabs=1e-14)[0] / a


@pytest.mark.parametrize("v", [-0.4, 0.8, 3.0])
@pytest.mark.parametrize("time", [0.1, 0.5, 2.0, 30.0])
def test_ballistic_distributions_by_brute_force(v, time):
    given = (v, 1.0, 0.6, 0.7)
    finished, mirrored = (brute_force_ballistic(time, u, *given[1:]) for u in (v, -v))
    positive = stats.norm.cdf(v / 0.7)
    assert 1.0 - at(NormalBallistic(*given).log_survival, time) == pytest.approx(
        finished, abs=1e-12
    )
    assert 1.0 - at(TruncatedBallistic(*given).log_survival, time) == pytest.approx(
        finished / positive, abs=1e-12
    )
    assert 1.0 - at(FoldedBallistic(*given).log_survival, time) == pytest.approx(
        finished + mirrored, abs=1e-12
    )
    assert never(NormalBallistic(*given)) == pytest.approx(1.0 - positive, rel=1e-12)


def test_ballistic_density_as_published():
    v, b, a, s = 1.3, 1.1, 0.5, 0.8
    times = np.geomspace(0.2, 5.0, 25)
    near, far = (b - a - times * v) / (times * s), (b - times * v) / (times * s)
    norm = stats.norm
    expected = v * (norm.cdf(far) - norm.cdf(near)) + s * (norm.pdf(near) - norm.pdf(far))
    got = np.exp(NormalBallistic(v, b, a, s).log_density(times))
    np.testing.assert_allclose(got, expected / a, rtol=1e-11)


@pytest.mark.parametrize("threshold", [1.0, 4.0, 7.5, 200.0])
def test_counter_is_the_gamma_distribution(threshold):
    times = np.linspace(0.2, 3.0, 25) * threshold / 6.0
    peer = stats.gamma(threshold, scale=1.0 / 6.0)
    np.testing.assert_allclose(Counter(6.0, threshold).log_density(times), peer.logpdf(times))
    np.testing.assert_allclose(
        Counter(6.0, threshold).log_survival(times), peer.logsf(times), rtol=1e-9, atol=1e-13
    )


def test_lognormal():
    times = np.geomspace(0.05, 20.0, 30)
    peer = stats.lognorm(0.4, scale=math.exp(-0.5))
    np.testing.assert_allclose(Lognormal(-0.5, 0.4).log_density(times), peer.logpdf(times))
    np.testing.assert_allclose(
        Lognormal(-0.5, 0.4).log_survival(times), peer.logsf(times), rtol=1e-9
    )


@pytest.mark.parametrize("start", [0.0, 0.4, 0.9])
def test_reflection_without_drift_is_two_boundaries(start):
    """The absolute value of Brownian motion reflects at 0, and reaches a when the motion exits."""
    times = np.geomspace(1e-3, 30.0, 60)
    relative = 0.5 * (1.0 + start)
    accumulator = Reflected(0.0, 1.7, 1.7 * start)
    choices = [wiener.log_density(times, c, 0.0, 1.7, relative, 0.0) for c in (-1, 1)]
    np.testing.assert_allclose(
        accumulator.log_density(times), np.logaddexp(*choices), rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(
        accumulator.log_survival(times),
        wiener.log_survival(times, 0.0, 1.7, relative, 0.0),
        rtol=1e-10,
        atol=1e-12,
    )


def lattice_survival(times, drift, boundary, start, cells=500):
    """Survival of a reflected walk on a lattice, which has errors of order 1/cells^2."""
    h = boundary / (cells + 0.5)  # sites at (i + 1/2) h; absorbed at (cells + 1/2) h
    up, down = (0.5 + 0.5 * drift * h) / h**2, (0.5 - 0.5 * drift * h) / h**2
    leave = np.full(cells, -(up + down))
    leave[0] = -up
    rates, modes = eigh_tridiagonal(leave, np.full(cells - 1, math.sqrt(up * down)))
    tilt = np.sqrt(up / down) ** np.arange(cells)
    survival = (modes / tilt[:, None] * np.exp(rates * times[:, None])[:, None]) @ (modes.T @ tilt)
    sites = (np.arange(cells) + 0.5) * h
    return np.array([np.interp(start, sites, row) for row in survival])


@pytest.mark.parametrize(("drift", "start"), [(1.5, 0.3), (-1.0, 0.6), (-2.0, 0.05), (4.0, 0.5)])
def test_reflection_with_drift_is_the_limit_of_walks(drift, start):
    times = np.array([0.02, 0.08, 0.2, 0.7, 2.0])
    expected = lattice_survival(times, drift, 1.2, start)
    got = np.exp(Reflected(drift, 1.2, start).log_survival(times))
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_reflected_early_and_late_forms_meet():
    for drift in (-5.0, -1.0, 0.0, 3.0, 8.0):
        for start in (0.0, 0.3, 0.8):
            accumulator = Reflected(drift, 1.0, start)
            ends = 0.06 * np.array([1.0 - 1e-9, 1.0 + 1e-9])
            assert np.ptp(accumulator.log_density(ends)) < 2e-7
            assert np.ptp(np.exp(accumulator.log_survival(ends))) < 2e-9


RACES = [
    Race((Wald(1.5, 1.0), Wald(0.5, 1.0))),
    Race((Wald(1.5, 1.0, 0.5), Wald(-0.5, 1.0, 0.5), Wald(1.0, 1.2, 0.5))),
    Race((NormalBallistic(0.4, 1.0, 0.5, 1.0), NormalBallistic(-0.2, 1.0, 0.5, 1.0))),
    Race((FoldedBallistic(0.5, 0.5, 0.3, 1.0),) * 3),
    Race((Counter(5.0, 3.0), Counter(4.0, 3.0), Counter(6.0, 4.0), Counter(3.0, 2.0))),
    Race((Lognormal(-0.5, 0.4), Wald(1.0, 1.0), Counter(4.0, 3.0))),
    Race((Reflected(1.0, 1.0, 0.3), Reflected(2.0, 1.0, 0.3))),
    Race(tuple(Lognormal(0.1 * i, 0.5) for i in range(9))),
    Race((TruncatedBallistic(1.0, 1.0, 0.5, 0.01), TruncatedBallistic(1.0, 1.1, 0.5, 0.01))),
    Race((Wald(0.7, 1.0),)),
]


@pytest.mark.parametrize("race", RACES, ids=[str(i) for i in range(len(RACES))])
def test_laws_of_races(race):
    density, survival = race.log_density(ALL_TIMES), race.log_survival(ALL_TIMES)
    assert density.shape == (len(ALL_TIMES), len(race.accumulators))
    assert not np.isnan(density).any()
    assert not np.isnan(survival).any()
    nobody = math.prod(never(a) for a in race.accumulators)
    assert race.probabilities.sum() == pytest.approx(1.0 - nobody, abs=1e-10)


@pytest.mark.parametrize("race", RACES[:8], ids=[str(i) for i in range(8)])
def test_race_density_and_probabilities_by_integration(race):
    def density(log_time, i):
        time = math.exp(log_time)
        others = [at(a.log_survival, time) for j, a in enumerate(race.accumulators) if j != i]
        return at(race.accumulators[i].log_density, time) * math.prod(others) * time

    for i in (0, len(race.accumulators) - 1):
        got = np.exp(race.log_density(np.array([0.7])))[0, i] * 0.7
        assert got == pytest.approx(density(math.log(0.7), i), rel=1e-12)
        points = np.linspace(-24.0, 40.0, 33)
        pieces = [
            quad(density, low, high, args=(i,), epsabs=1e-13, epsrel=1e-9)[0]
            for low, high in zip(points[:-1], points[1:], strict=True)
        ]
        assert race.probabilities[i] == pytest.approx(sum(pieces), abs=1e-9)


def test_counters_win_as_coins_do():
    """At equal rates each event is a toss: k0 heads come before k1 tails in k0 + k1 - 1 tosses."""
    for k0, k1 in ((3, 3), (2, 5), (7, 4)):
        tosses = k0 + k1 - 1
        expected = stats.binom.sf(k0 - 1, tosses, 0.5)
        race = Race((Counter(8.0, k0), Counter(8.0, k1)))
        np.testing.assert_allclose(race.probabilities, [expected, 1.0 - expected], atol=1e-12)
    rates = Race((Counter(6.0, 1.0), Counter(2.0, 1.0)))
    np.testing.assert_allclose(rates.probabilities, [0.75, 0.25], atol=1e-12)


def ballistic_times(rng, kind, race, n):
    columns = []
    for a in race.accumulators:
        rate = rng.normal(a.drift, a.drift_sd, n)
        if kind is FoldedBallistic:
            rate = np.abs(rate)
        if kind is TruncatedBallistic:
            low = stats.norm.cdf(0.0, a.drift, a.drift_sd)
            rate = stats.norm.ppf(rng.uniform(low, 1.0, n), a.drift, a.drift_sd)
        distance = a.boundary - rng.uniform(0.0, a.start_range, n)
        columns.append(np.where(rate > 0.0, distance / np.abs(rate), np.inf))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("kind", [NormalBallistic, TruncatedBallistic, FoldedBallistic])
def test_ballistic_races_agree_with_simulation(kind, rng):
    race = Race(tuple(kind(v, 1.0, 0.6, 0.8) for v in (0.9, 0.2, -0.3)))
    n = 200_000
    finishing = ballistic_times(rng, kind, race, n)
    first, winner = finishing.min(axis=1), finishing.argmin(axis=1)
    times, weights = quadrature(race)
    for limit in (0.6, 1.0, 2.5, 1e4):
        inside = times < limit
        left = at(race.log_survival, limit)
        assert_share(np.mean(first > limit), left, n)
        if limit == 1e4:
            masses = (weights[inside, None] * np.exp(race.log_density(times[inside]))).sum(axis=0)
            for i in range(3):
                share = np.mean((winner == i) & np.isfinite(first))
                assert_share(share, race.probabilities[i], n)
                assert masses[i] == pytest.approx(race.probabilities[i], abs=1e-3)


def assert_share(share, expected, n):
    error = math.sqrt(max(expected * (1.0 - expected), 1.0 / n) / n)
    assert abs(share - expected) < 4.0 * error


@pytest.mark.parametrize(
    "make",
    [
        lambda: Wald(math.nan, 1.0),
        lambda: Wald(1.0, 0.0),
        lambda: Wald(1.0, 1.0, 1.0),
        lambda: NormalBallistic(1.0, 1.0, 0.5, 0.0),
        lambda: TruncatedBallistic(1.0, 0.4, 0.5, 1.0),
        lambda: Counter(0.0, 2.0),
        lambda: Counter(1.0, -2.0),
        lambda: Lognormal(0.0, 0.0),
        lambda: Reflected(1.0, 1.0, 1.0),
        lambda: RaceTwin(lambda row: []).solve(np.zeros(1)),
    ],
)
def test_refuses_what_means_nothing(make):
    with pytest.raises(ParameterError):
        make()


def inverse_gaussian_race(rng, v0, v1, a, t):
    first, second = rng.wald(a / v0, a * a), rng.wald(a / v1, a * a)
    return min(first, second) + t, int(second < first)


def walds(row):
    v0, v1, a, _ = row
    return [Wald(v0, a), Wald(v1, a)]


def test_a_declared_race_has_an_exact_density():
    race = lk.Simulator(
        "race",
        parameters={"v0": (0.5, 4.0), "v1": (0.5, 4.0), "a": (0.5, 3.0), "t": (0.0, 2.0)},
        choices=(0, 1),
        simulate=inverse_gaussian_race,
        non_decision="t",
        twin=pickle.loads(pickle.dumps(RaceTwin(walds))),
    )
    theta = {"v0": 2.0, "v1": 1.2, "a": 1.1, "t": 0.3}
    trials = lk.simulate(race, theta, 20_000, seed=4, progress=False)
    logp = lk.exact(race, theta, trials)
    times = trials["rt"].to_numpy() - 0.3
    peers = [stats.invgauss(mu=1.0 / (v * 1.1), scale=1.1**2) for v in (2.0, 1.2)]
    chosen = trials["choice"].to_numpy() == 1
    expected = np.where(
        chosen,
        peers[1].logpdf(times) + peers[0].logsf(times),
        peers[0].logpdf(times) + peers[1].logsf(times),
    )
    np.testing.assert_allclose(logp, expected, rtol=1e-8, atol=1e-8)
    unobserved = lk.exact(race, theta, np.array([[np.nan, 0.0], [np.nan, 1.0]]))
    assert np.exp(unobserved).sum() == pytest.approx(1.0, abs=1e-10)
    assert_share(chosen.mean(), math.exp(unobserved[1]), 20_000)
    too_early = np.array([[0.3, 0.0]])
    assert lk.exact(race, theta, too_early)[0] == -np.inf


def test_nothing_to_integrate_is_said():
    with pytest.raises(ParameterError, match="hardly anything is ever decided"):
        quadrature(Race((Wald(-30.0, 2.0), Wald(-30.0, 2.0))))
