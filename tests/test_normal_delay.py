"""Non-decision times that are normal from trial to trial: draws, exact density, likelihood."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, truncnorm

import likely as lk
from likely.declaration import Declaration
from likely.densities.constant import WienerPassage
from likely.densities.normal_delay import NormalDelayTwin, NormallyDelayed
from likely.densities.quadrature import quadrature
from likely.errors import FileFormatError, ParameterError
from likely.likelihood import Likelihood, load
from likely.networks.normal_delay import NormallyDelayedDensity
from likely.shipped.recipes import RECIPES
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray
from likely.zoo.delays import positive_normal
from likely.zoo.diffusion import ddm_normal_st, ddm_truncnormt

# v, a, z, mean, sd: usual, cut off at 0, fast decisions after long delays, steady delays.
ROWS = np.array(
    [
        [1.0, 1.2, 0.45, 0.3, 0.06],
        [-2.0, 1.5, 0.6, 0.1, 0.4],
        [5.0, 0.3, 0.8, 2.0, 0.3],
        [0.5, 2.0, 0.3, 0.5, 0.002],
    ]
)
EVERY = pytest.mark.parametrize("row", ROWS, ids=["usual", "cut", "fast", "steady"])
EARLY_TO_LATE = (-1.5, 0.5, 2.5, 12.0)  # in sd from the mean, and 0.1 s more


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    """The one that the recipe makes."""
    return RECIPES["ddm_truncnormt"].likelihood(ddm_truncnormt)


def _times(row: FloatArray) -> FloatArray:
    times = 0.1 + row[3] + row[4] * np.array(EARLY_TO_LATE)
    return times[times > 0.0]


def _delay_density(delay: float, mean: float, sd: float) -> float:
    return float(norm.pdf(delay, mean, sd) / norm.cdf(mean / sd)) if delay > 0.0 else 0.0


def _over_delays(function, time: float, row: FloatArray) -> float:
    """Integrate function(decision time) over delays up to `time`, by scipy."""
    mean, sd = row[3:]
    edges = [0.0, time, mean, *(mean + sd * k for k in (-7, -4, -2, 2, 4, 7))]
    edges += [time - s for s in (1e-4, 1e-3, 0.005, 0.02, 0.08, 0.3, 1.0)]
    edges = sorted({e for e in edges if 0.0 <= e <= time})
    pieces = zip(edges[:-1], edges[1:], strict=True)
    return sum(
        quad(lambda d: function(time - d) * _delay_density(d, mean, sd), low, high, epsabs=1e-14,
             epsrel=1e-9, limit=200)[0]
        for low, high in pieces
    )  # fmt: skip


def test_draws_invert_the_upper_tail() -> None:
    for mean, sd in ((0.0, 0.3), (0.2, 0.3), (1.0, 0.01)):
        for u in (1e-15, 1e-6, 0.2, 0.5, 0.9, 1.0 - 1e-9):
            expected = mean + sd * norm.isf(u * norm.cdf(mean / sd))
            assert positive_normal(u, mean, sd) == pytest.approx(expected, abs=1e-9)
    assert positive_normal(0.3, 0.7, 0.0) == 0.7
    assert 0.0 <= positive_normal(1.0, 0.1, 0.2) < 1e-6


@EVERY
def test_exact_density_is_the_convolution(row: FloatArray) -> None:
    v, a, z = row[:3]
    steady, delayed = WienerPassage(v, a, z), NormalDelayTwin().solve(row)
    times = _times(row)
    found = np.exp(delayed.log_density(times))
    for time, densities in zip(times, found, strict=True):
        for choice in range(2):

            def density(s: float, choice: int = choice) -> float:
                return float(np.exp(steady.log_density(np.array([s]))[0, choice]))

            expected = _over_delays(density, time, row)
            assert densities[choice] == pytest.approx(expected, rel=1e-6)


@EVERY
def test_exact_survival_is_the_convolution(row: FloatArray) -> None:
    steady, delayed = WienerPassage(*row[:3]), NormalDelayTwin().solve(row)
    times = _times(row)[1:]
    for time, survival in zip(times, np.exp(delayed.log_survival(times)), strict=True):
        waiting = truncnorm.sf(time, -row[3] / row[4], np.inf, row[3], row[4])
        undecided = _over_delays(
            lambda s: float(np.exp(steady.log_survival(np.array([s]))[0])), time, row
        )
        assert survival == pytest.approx(waiting + undecided, rel=1e-6)


@EVERY
def test_mass_is_one(row: FloatArray) -> None:
    delayed = NormalDelayTwin().solve(row)
    times, weights = quadrature(delayed)
    masses = weights @ np.exp(delayed.log_density(times))
    np.testing.assert_allclose(masses, delayed.probabilities, atol=1e-6)


def test_exact_density_is_never_nan(rng: np.random.Generator) -> None:
    times = np.concatenate([[-np.inf, -1.0, 0.0, np.inf], np.geomspace(1e-9, 1e6, 60)])
    corners = [[6.0, 0.2, 0.05, m, s] for m in (0.0, 2.25) for s in (0.0, 1e-7, 0.5)]
    drawn = ddm_truncnormt.declaration.shaping_rows(rng, 10)
    for row in np.concatenate([corners, drawn]):
        delayed = NormalDelayTwin().solve(row)
        density, survival = delayed.log_density(times), delayed.log_survival(times)
        assert not np.isnan(density).any()
        assert (density[:4] == -np.inf).all()
        assert not np.isnan(survival).any()
        assert survival[:4].tolist() == [0.0, 0.0, 0.0, -np.inf]
        assert (np.diff(survival[4:]) <= 1e-6 * (1.0 + np.abs(survival[4:-1]))).all()


def test_without_variation_delays_are_a_shift() -> None:
    steady = WienerPassage(1.0, 1.0, 0.4)
    times = np.array([0.45, 0.8, 2.0])
    found = NormallyDelayed(steady, 0.3, 0.0)
    shifted = times - 0.3
    np.testing.assert_allclose(found.log_density(times), steady.log_density(shifted), atol=1e-6)
    np.testing.assert_allclose(found.log_survival(times), steady.log_survival(shifted), atol=1e-6)


def test_refuses_delays_that_mean_nothing() -> None:
    for mean, sd in ((-0.1, 0.1), (0.1, -0.1), (math.inf, 0.1), (0.1, math.nan)):
        with pytest.raises(ParameterError, match="delays of mean"):
            NormallyDelayed(WienerPassage(1.0, 1.0, 0.5), mean, sd)


@pytest.mark.parametrize(
    "name", [pytest.param("ddm_normal_st", marks=pytest.mark.slow), "ddm_truncnormt"]
)
def test_trials_have_the_exact_distribution(name: str) -> None:
    """Of which both models have the same one, where it is cut off and where it is not."""
    n = 40_000
    for row in ROWS[:2]:
        trials = lk.simulate(name, row, n, seed=8, max_time=100.0, progress=False)
        delayed = NormalDelayTwin().solve(row)
        _assert_share(trials.choice == 1.0, delayed.probabilities[1])
        times = np.quantile(trials.rt, [0.001, 0.02, 0.1, 0.3, 0.6, 0.9, 0.99])
        for time, left in zip(times, np.exp(delayed.log_survival(times)), strict=True):
            _assert_share(trials.rt > time, left)
        places, shares = np.polynomial.legendre.leggauss(40)
        densities = np.exp(delayed.log_density(0.55 + 0.15 * places)[:, 1])
        inside = (trials.rt > 0.4) & (trials.rt < 0.7) & (trials.choice == 1.0)
        _assert_share(inside, 0.15 * shares @ densities)


def _assert_share(found, expected: float) -> None:
    error = math.sqrt(expected * (1.0 - expected) / len(found))
    assert np.mean(found) == pytest.approx(expected, abs=4.0 * error)


def test_rows_of_their_own_give_the_same_trials() -> None:
    together = lk.simulate(ddm_normal_st, ROWS, 50, seed=3, progress=False)
    alone = lk.simulate(ddm_normal_st, ROWS[0], 50, seed=3, threads=1, progress=False)
    np.testing.assert_array_equal(together[:50], alone)
    assert (together.rt > 0.0).all()


@EVERY
def test_delays_add_no_error(likelihood: Likelihood, row: FloatArray) -> None:
    """What the likelihood says of a row is the mixture of `ddm`, convolved by scipy."""
    steady, at = lk.load("ddm"), np.append(row[:3], 0.0)

    def density(s: float) -> float:
        return float(np.exp(steady.logp(at, np.array([[max(s, 1e-9), 1.0]]))[0]))

    times = _times(row)[1:]
    found = likelihood.logp(row, np.stack([times, np.ones(len(times))], 1))
    expected = [math.log(_over_delays(density, time, row)) for time in times]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@EVERY
def test_likelihood_is_as_good_as_that_of_ddm(likelihood: Likelihood, row: FloatArray) -> None:
    delayed = NormalDelayTwin().solve(row)
    times, weights = quadrature(delayed)
    logs = delayed.log_density(times)
    errors = np.stack(
        [
            np.abs(likelihood.logp(row, np.stack([times, np.full(len(times), c)], 1)) - logs[:, i])
            for i, c in enumerate((-1.0, 1.0))
        ],
        axis=1,
    )
    matters = np.exp(logs) * weights[:, None]
    assert (matters * np.where(matters > 1e-12, errors, 0.0)).sum() < 0.003
    survival = np.exp(likelihood.log_survival(row, times))
    np.testing.assert_allclose(survival, np.exp(delayed.log_survival(times)), atol=0.002)


def test_likelihood_and_gradients_are_finite_everywhere(likelihood: Likelihood) -> None:
    """Wherever there may be responses: at any time after 0, in corners of the box."""
    rows = np.array(
        [[v, a, 0.05, m, s] for v, a in ((6.0, 0.2), (-6.0, 4.0)) for m in (0.0, 2.25)
         for s in (0.0, 0.5)]
    )  # fmt: skip
    times = np.concatenate([np.geomspace(1e-6, 20.0, 14), [2.2501, 1e4]])
    theta = np.repeat(rows, 2 * len(times) + 1, axis=0)
    seen = np.stack([times, np.where(np.arange(len(times)) % 2, 1.0, -1.0)], 1)
    left = np.stack([times, np.full(len(times), NO_RESPONSE)], 1)
    one = np.concatenate([seen, left, [[TIME_UNOBSERVED, 1.0]]])
    trials = np.tile(one, (len(rows), 1))
    values, gradients = likelihood.density.evaluate(likelihood.weights, theta, trials)
    assert np.isfinite(values).all()
    assert np.isfinite(gradients).all()
    assert (values[trials[:, 1] == NO_RESPONSE] <= 0.0).all()


def test_steady_delays_are_a_shift(likelihood: Likelihood) -> None:
    """However steady: from 1e-5 s on they are told apart no more, nor is there a gradient."""
    steady = lk.load("ddm")
    times = np.concatenate([np.linspace(0.4, 3.0, 12)] * 2)
    codes = np.repeat([1.0, NO_RESPONSE], 12)
    trials = np.stack([times, codes], 1)
    expected, _ = steady.density.evaluate(steady.weights, np.array([[1.0, 1.2, 0.4, 0.3]]), trials)
    for sd in (0.0, 1e-9, 1e-5):
        row = np.array([[1.0, 1.2, 0.4, 0.3, sd]])
        found, gradients = likelihood.density.evaluate(likelihood.weights, row, trials)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        assert (gradients[:, 4] == 0.0).all()
        drawn = likelihood.sample(row[0], 200, seed=1)
        assert (drawn.rt > 0.3).all()


@EVERY
def test_gradients_are_those_of_finite_differences(likelihood: Likelihood, row: FloatArray) -> None:
    times = _times(row)
    codes = np.full(len(times), NO_RESPONSE)
    trials = np.stack([np.tile(times, 2), np.concatenate([np.ones(len(times)), codes])], 1)
    density, weights = likelihood.density, likelihood.weights
    _, gradients = density.evaluate(weights, row[None], trials)
    steps = np.diag([1e-6, 1e-6, 1e-6, 1e-4 * row[4], 1e-4 * row[4]])
    moved = np.concatenate([row + steps, row - steps])
    found = np.concatenate([_at_each(likelihood, rows, trials) for rows in (moved[:8], moved[8:])])
    numeric = (found[:5] - found[5:]) / (2.0 * steps.diagonal()[:, None])
    np.testing.assert_allclose(gradients, numeric.T, rtol=1e-4, atol=1e-4)


def _at_each(likelihood: Likelihood, rows: FloatArray, trials: FloatArray) -> FloatArray:
    """Return log densities (m, n) of all trials at each parameter row."""
    theta = np.repeat(rows, len(trials), axis=0)
    seen = np.tile(trials, (len(rows), 1))
    values, _ = likelihood.density.evaluate(likelihood.weights, theta, seen)
    return values.reshape(len(rows), len(trials))


def test_derivatives_by_time_know_where_delays_end(likelihood: Likelihood) -> None:
    """At a cut-off delay the latest decision time counts, which is the response time itself."""

    @jax.jit
    def value_and_slope(times: jax.Array) -> tuple[jax.Array, jax.Array]:
        arrays = likelihood.density.unflatten(jnp.asarray(likelihood.weights))
        law = likelihood.density.law(arrays, jnp.asarray(ROWS[1:2]))
        return jax.jvp(law.log_density, (times,), (jnp.ones_like(times),))

    times = np.array([0.2, 0.5, 1.5])
    with jax.enable_x64(True):
        _, slopes = value_and_slope(times)
        late, early = (np.asarray(value_and_slope(times + step)[0]) for step in (1e-6, -1e-6))
    np.testing.assert_allclose(slopes, (late - early) / 2e-6, rtol=1e-5, atol=1e-6)


def test_draws_of_the_likelihood_have_its_distribution(likelihood: Likelihood) -> None:
    for row in ROWS[:2]:
        trials = likelihood.sample(row, 20_000, seed=4)
        _assert_share(trials.choice == 1.0, likelihood.choice_probability(row)[0, 1])
        times = np.quantile(trials.rt, [0.01, 0.1, 0.5, 0.9, 0.99])
        for time, left in zip(times, np.exp(likelihood.log_survival(row, times)), strict=True):
            _assert_share(trials.rt > time, left)


def test_files_hold_it(likelihood: Likelihood, tmp_path) -> None:
    path = likelihood.save(tmp_path / "made.likely")
    again = load(path)
    assert isinstance(again.density, NormallyDelayedDensity)
    assert again.density == likelihood.density
    trials = np.stack([_times(ROWS[0]), np.ones(4)], 1)
    np.testing.assert_array_equal(again.logp(ROWS[0], trials), likelihood.logp(ROWS[0], trials))


def test_a_file_that_names_other_parameters_is_refused(likelihood: Likelihood) -> None:
    declaration: Declaration = likelihood.declaration
    given = likelihood.density.specification()
    with pytest.raises(FileFormatError, match="'sd' is no parameter of 'ddm_truncnormt'"):
        NormallyDelayedDensity.from_specification(declaration, {**given, "sd": "sd"})
