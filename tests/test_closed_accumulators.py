"""Closed forms of accumulators in JAX against the exact densities, and their derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import erfcx

from likely.densities import ballistic, counter, lognormal, wald
from likely.networks.ballistic import FoldedBallistic
from likely.networks.gamma import Gamma
from likely.networks.lognormal import Lognormal
from likely.networks.normal import mills
from likely.networks.wald import Wald

TIMES = np.geomspace(1e-3, 100.0, 25)
SHARES = (0.0, 1e-10, 1e-3, 0.2, 0.6, 0.999)  # of the boundary over which starts are spread


def starts(boundary, drift, share):
    return boundary * share, boundary, drift


BALLISTIC = [
    starts(b, v, share) for b in (0.05, 0.7, 4.0) for v in (0.0, 0.02, 1.1, 6.0) for share in SHARES
]
DRIFTS = (0.0, 1e-7, 0.05, 0.8, 2.5, 6.0, -0.03, -2.0)
RACING = [(v, b * share, b) for b in (0.05, 0.7, 4.0) for v in DRIFTS for share in SHARES]
LOGNORMAL = [(mu, sigma) for mu in (-3.0, 0.0, 2.0) for sigma in (0.05, 0.4, 3.0)]
COUNTERS = [(r, k) for r in (1e-3, 0.7, 20.0) for k in (0.4, 1.0, 1.7, 2.0, 7.31, 20.0)]

# Name, form, how the exact one is made of a row of parameters, rows.
FORMS = {
    "ballistic": (
        FoldedBallistic(0.1),
        lambda A, b, v: ballistic.FoldedBallistic(v, b, A, 0.1),
        BALLISTIC,
    ),
    "noisy ballistic": (
        FoldedBallistic(1.0),
        lambda A, b, v: ballistic.FoldedBallistic(v, b, A, 1.0),
        BALLISTIC,
    ),
    "wald": (Wald(), lambda v, A, b: wald.Wald(v, b, A), RACING),
    "lognormal": (Lognormal(), lognormal.Lognormal, LOGNORMAL),
    "gamma": (Gamma(), counter.Counter, COUNTERS),
}
WHAT = ("log_density", "log_survival")
# Compiling takes seconds a form, and noise is only the scale of all else: draws are enough of it.
SCALED = "noisy ballistic"
CASES = [(name, what) for name in FORMS if name != SCALED for what in WHAT]


def evaluated(form, what, rows, times):
    """Values (rows, times) and derivatives by parameters and time (rows, times, m + 1)."""
    theta = np.repeat(np.array(rows, dtype=float)[:, None], len(times), axis=1)
    with jax.enable_x64(True):
        found, slopes = pulled(form, what, theta, np.broadcast_to(times, theta.shape[:2]))
        return np.array(found), np.array(slopes)


@partial(jax.jit, static_argnums=(0, 1))
def pulled(form, what, theta, s):
    found, pull = jax.vjp(lambda *at: getattr(form, what)(form.state({}, at[0]), at[1]), theta, s)
    by_theta, by_s = pull(jnp.ones_like(found))
    return found, jnp.concatenate([by_theta, by_s[..., None]], axis=-1)


@pytest.mark.parametrize(("name", "what"), CASES)
def test_values_are_exact(name, what):
    form, exact, rows = FORMS[name]
    found, _ = evaluated(form, what, rows, TIMES)
    wanted = np.array([getattr(exact(*row), what)(TIMES) for row in rows])
    assert wanted.min() < -20.0
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=5e-13)


@pytest.mark.parametrize(("name", "what"), CASES)
def test_derivatives_are_those_of_the_exact(name, what):
    """Where a step of a parameter is small beside what it changes, and its change beside noise."""
    form, exact, rows = FORMS[name]
    _, slopes = evaluated(form, what, rows, TIMES)
    judged, some = 0, [i for i, row in enumerate(rows) if inside(name, row)]
    for row, slope in ((rows[i], slopes[i]) for i in some):
        for j, found in enumerate(slope.T):
            wanted, noise = differences(exact, what, row, j)
            reliable = noise < 1e-6 * np.abs(wanted)
            judged += reliable.sum()
            np.testing.assert_allclose(found[reliable], wanted[reliable], rtol=1e-5)
            rest = np.abs(found - wanted)[~reliable]
            assert np.all(rest <= 2.0 * noise[~reliable] + 1e-9)
    assert judged > 0.15 * slopes[some].size


def inside(name, row):
    """Whether parameters may be moved both ways, and by much less than the ends are apart."""
    if name in ("lognormal", "gamma"):
        return True
    start, boundary = row[:2] if "ballistic" in name else row[1:]
    return 1e-4 * boundary < start < 0.9 * boundary


def differences(exact, what, row, j):
    """Central differences of fourth order by parameter j or, last, by time, and their noise."""
    timed = j == len(row)
    step = 2e-4 * (TIMES if timed else np.full_like(TIMES, max(abs(row[j]), 1e-2)))

    def moved(steps):
        if timed:
            return getattr(exact(*row), what)(TIMES + steps * step)
        by = np.array(row)
        by[j] += steps * step[0]
        return getattr(exact(*by), what)(TIMES)

    near, far = moved(1) - moved(-1), moved(2) - moved(-2)
    wanted = (8.0 * near - far) / (12.0 * step)
    size = np.maximum(np.abs(getattr(exact(*row), what)(TIMES)), 1.0)
    truncation = np.abs(near / (2.0 * step) - wanted)
    return wanted, 3e-12 * size / step + 1e-3 * truncation


@pytest.mark.parametrize(("name", "what"), CASES)
def test_nothing_is_infinite(name, what):
    """At any time at all, also for widths that are next to nothing."""
    form, _, rows = FORMS[name]
    times = np.geomspace(1e-15, 1e6, len(TIMES))
    found, slopes = evaluated(form, what, rows, times)
    assert np.isfinite(found).all()
    assert np.isfinite(slopes).all()
    if what == "log_survival":
        assert found.max() <= 1e-15
        slack = 1e-9 * (1.0 + np.abs(found[:, 1:]))
        assert np.all(np.diff(found, axis=1) <= slack)


@pytest.mark.parametrize("name", ["ballistic", "wald"])
def test_a_point_start_is_the_limit_of_narrow_ones(name):
    form, _, rows = FORMS[name]
    column = 1 if name == "wald" else 0
    points, narrow = np.array(rows), np.array(rows)
    points[:, column], narrow[:, column] = 0.0, 1e-15
    for what in WHAT:
        (found, slopes), (near, near_slopes) = (
            evaluated(form, what, each, TIMES) for each in (points, narrow)
        )
        np.testing.assert_allclose(found, near, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(slopes, near_slopes, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in FORMS if name != SCALED])
def test_derivative_of_survival_is_the_hazard(name):
    form, _, rows = FORMS[name]
    density, _ = evaluated(form, "log_density", rows, TIMES)
    survival, slopes = evaluated(form, "log_survival", rows, TIMES)
    hazard = np.exp(density - survival)
    np.testing.assert_allclose(-slopes[..., -1], hazard, rtol=1e-7, atol=1e-11)


DRAWN = {
    "ballistic": (0.4, 0.7, 0.5),
    "noisy ballistic": (0.4, 0.7, 0.5),
    "wald": (1.2, 0.5, 0.9),
    "lognormal": (-0.5, 0.6),
    "gamma": (3.0, 1.6),
}


@pytest.mark.parametrize("name", DRAWN)
def test_draws_follow_the_exact_distribution(name):
    form, exact, _ = FORMS[name]
    row = DRAWN[name]
    with jax.enable_x64(True):
        theta = jnp.broadcast_to(jnp.array(row), (20_000, 1, len(row)))
        drawn = np.array(form.draws(form.state({}, theta), jax.random.key(5)))
    assert drawn.shape == (20_000, 1)
    twin = exact(*row)
    result = stats.kstest(drawn[:, 0], lambda s: -np.expm1(twin.log_survival(np.array(s))))
    assert result.pvalue > 1e-3


def test_draws_without_drift_and_against_it():
    with jax.enable_x64(True):
        theta = jnp.array([[0.0, 0.2, 0.9], [-0.4, 0.2, 0.9]]).repeat(20_000, axis=0)
        drawn = np.array(Wald().draws(theta, jax.random.key(6))).reshape(2, -1)
    for v, times in zip((0.0, -0.4), drawn, strict=True):
        survival = np.exp(wald.Wald(v, 0.9, 0.2).log_survival(np.array([0.3, 1.0, 5.0, np.inf])))
        shares = [(times > s).mean() for s in (0.3, 1.0, 5.0)] + [np.isinf(times).mean()]
        np.testing.assert_allclose(shares, survival, atol=5.0 * 0.5 / np.sqrt(20_000))


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_described_by_their_specification(name):
    form, _, _ = FORMS[name]
    again = type(form).from_specification(form.specification())
    assert again == form
    assert hash(again) == hash(form)
    assert form.shapes == {}


def test_mills_ratio():
    y = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 400)])
    with jax.enable_x64(True):
        ratio, slope = map(np.array, mills(jnp.asarray(y)))
    np.testing.assert_allclose(ratio, np.sqrt(np.pi / 2.0) * erfcx(y / np.sqrt(2.0)), rtol=1e-13)
    near = y < 3.0
    np.testing.assert_allclose(slope[near], (1.0 - y * ratio)[near], rtol=2e-12)
    far = y > 40.0
    series = 1.0 - 3.0 / y[far] ** 2 + 15.0 / y[far] ** 4 - 105.0 / y[far] ** 6
    np.testing.assert_allclose(slope[far], series / y[far] ** 2, rtol=1e-9)
