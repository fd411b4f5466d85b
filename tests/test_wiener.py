"""The Wiener series against integrals, derivatives, each other and high-precision values."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from likely.densities import wiener

# Rows: decision time, choice, v, a, z; then log density, log cdf, log survival, log P(choice).
# Computed once with 300 digits. With L = 2a, (v, w) = (v, z) for choice -1 and (-v, 1 - z) for +1:
#   density  = exp(-v L w - v^2 s/2) pi/L^2 sum_k k sin(k pi w) exp(-k^2 pi^2 s/(2 L^2)), or below
#              s/L^2 = 1/2 the images (2 pi s^3)^(-1/2) L sum_k (w + 2k) exp(-L^2 (w + 2k)^2/(2s));
#   P        = (exp(-2vL) - exp(-2vLw))/(exp(-2vL) - 1);
#   tail     = pi/L^2 exp(-v L w) sum_k k sin(k pi w) exp(-l_k s)/l_k, l_k = (v^2 + (k pi/L)^2)/2;
#   cdf      = P - tail, survival = the sum of both tails; below s/L^2 = 0.01 instead
#   cdf      = exp(-v L w) sum_j (-1)^j [exp(-v r) Phi((v s - r)/sqrt(s))
#              + exp(v r) Phi(-(v s + r)/sqrt(s))], r/L = w, 2 - w, 2 + w, 4 - w, ...
REFERENCE = np.array(
    [
        [1e-6, 1, 1.0, 1.5, 0.5]
        + [-1124978.290208088201, -1125006.0390126842294, 0.0, -0.048587351573742058759],
        [0.05, -1, 6.0, 4.0, 0.95]
        + [-618.49719187558131284, -627.85111685531383396]
        + [-0.5680760546200377691, -91.208263798368448768],
        [0.3, 1, -2.5, 0.8, 0.3]
        + [-4.8389776822507593876, -6.6931964477967909262]
        + [-1.7515317503647763558, -5.6947644316143263203],
        [2.0, -1, 0.0, 1.0, 0.05]
        + [-4.5616769671758111851, -0.060228625590923181354]
        + [-4.0809547328541566583, -0.051293294387550536348],
        [8.0, 1, 6.0, 4.0, 0.05]
        + [-104.70637593441198369, -0.0082637983684530643886]
        + [-107.58779241075983436, -0.0082637983684530643886],
        [19.0, 1, 6.0, 4.0, 0.95] + [-345.88662898571262863, 0.0, -348.78186488469964566, 0.0],
        [1000.0, -1, -6.0, 0.2, 0.6]
        + [-48838.146623844566168, -0.15027126800221370213]
        + [-48841.948388809482652, -0.15027126800221370213],
        [1.2, 1, 1e-12, 2.0, 0.7]
        + [-1.6100993559099941195, -1.297105870663251645]
        + [-0.33394488279580892217, -0.35667494393753244],
    ]
)
CASES = [(1.0, 1.5, 0.5), (-2.5, 0.8, 0.3), (0.0, 1.0, 0.9), (4.0, 0.4, 0.1), (0.3, 3.0, 0.6)]
CHOICES = [-1.0, 1.0]


@pytest.fixture(scope="module")
def box():
    """Decision time, choice, v, a and z spread over the box the series are meant for."""
    rng = np.random.default_rng(7)
    n = 20_000
    return (
        10.0 ** rng.uniform(-6.0, 3.0, n),
        rng.choice([-1.0, 1.0], n),
        rng.uniform(-6.0, 6.0, n),
        rng.uniform(0.2, 4.0, n),
        rng.uniform(0.05, 0.95, n),
    )


def integral(choice, v, a, z, t, upper):
    def density(rt):
        return math.exp(wiener.log_density(rt, choice, v, a, z, t))

    knots = t + np.array([0.0, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 40.0])
    ends = [*knots[knots < upper], upper]
    pieces = [
        quad(density, low, high, epsabs=1e-13, epsrel=1e-12)[0]
        for low, high in zip(ends[:-1], ends[1:], strict=True)
    ]
    return sum(pieces)


def test_agrees_with_high_precision_values():
    s, choice, v, a, z, density, cdf, survival, probability = REFERENCE.T
    close = {"rtol": 1e-13, "atol": 1e-13}
    np.testing.assert_allclose(wiener.log_density(s, choice, v, a, z, 0), density, **close)
    np.testing.assert_allclose(wiener.log_cdf(s, choice, v, a, z, 0), cdf, **close)
    np.testing.assert_allclose(wiener.log_survival(s, v, a, z, 0), survival, **close)
    np.testing.assert_allclose(
        wiener.choice_probability(choice, v, a, z), np.exp(probability), rtol=1e-13
    )


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(("v", "a", "z"), CASES)
def test_density_integrates_to_the_choice_probability(choice, v, a, z):
    expected = wiener.choice_probability(choice, v, a, z)
    assert integral(choice, v, a, z, 0.25, 200.0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(("v", "a", "z"), CASES)
def test_density_integrates_to_the_cdf(choice, v, a, z):
    for rt in (0.4, 1.7):
        expected = math.exp(wiener.log_cdf(rt, choice, v, a, z, 0.25))
        assert integral(choice, v, a, z, 0.25, rt) == pytest.approx(expected, rel=1e-9)


def assert_slope(function, s, expected):
    """Five-point differences of a log probability agree with its derivative."""
    step = 1e-4 * s
    at = {k: function(s + k * step) for k in (-2, -1, 0, 1, 2)}
    slope = (8.0 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12.0 * step)
    # Logs of size L carry errors of about 1e-15 (10 + L): in the differences, and in exp().
    size = 10.0 + np.abs(at[0])
    tolerance = 1e-15 * size / step + (1e-9 + 1e-15 * size) * expected
    assert np.all(np.abs(slope - expected) < tolerance)
    assert np.median(tolerance / expected) < 1e-6


def test_slope_of_log_cdf_is_density_over_cdf(box):
    going_on = wiener.log_survival(box[0], *box[2:], 0.0) > -10.0  # the rest is flat
    s, choice, v, a, z = (column[going_on] for column in box)
    log_ratio = wiener.log_density(s, choice, v, a, z, 0) - wiener.log_cdf(s, choice, v, a, z, 0)
    assert_slope(lambda rt: wiener.log_cdf(rt, choice, v, a, z, 0), s, np.exp(log_ratio))


def test_slope_of_log_survival_is_the_hazard(box):
    _, _, v, a, z = box
    s = 4.0 * a**2 * np.geomspace(0.01, 10.0, a.size)
    below, above = (wiener.log_density(s, choice, v, a, z, 0) for choice in CHOICES)
    hazard = np.exp(np.logaddexp(below, above) - wiener.log_survival(s, v, a, z, 0))
    assert_slope(lambda rt: -wiener.log_survival(rt, v, a, z, 0), s, hazard)


def test_images_and_eigenfunctions_agree_where_both_converge():
    rng = np.random.default_rng(3)
    for u, start in zip(rng.uniform(0.1, 0.6, 200), rng.uniform(0.05, 0.95, 200), strict=True):
        images = start / math.sqrt(2.0 * math.pi * u**3) * math.exp(-start * start / (2.0 * u))
        images *= 1.0 + wiener._density_images(u, start)
        waves = math.pi * wiener._density_waves(u, start) * math.exp(-(math.pi**2) * u / 2.0)
        assert waves == pytest.approx(images, rel=1e-12)


def test_tail_by_images_agrees_with_eigenfunctions_where_both_converge():
    rng = np.random.default_rng(4)
    for _ in range(200):
        v, width, start = rng.uniform(3.0, 6.0), rng.uniform(2.0, 8.0), rng.uniform(0.05, 0.95)
        s = rng.uniform(0.12, 0.3) * width * width
        images = wiener._log_images(-1.0, s, v, width, start)
        waves = wiener._log_tail_waves(s, v, width, start)
        assert images == pytest.approx(waves, rel=1e-12, abs=1e-11)


def test_mirror_image(box):
    s, choice, v, a, z = box
    mirrored = (-choice, -v, a, 1.0 - z)
    for function in (wiener.log_density, wiener.log_cdf):
        here, there = function(s, choice, v, a, z, 0.0), function(s, *mirrored, 0.0)
        np.testing.assert_allclose(here, there, rtol=1e-12, atol=1e-12)
    here, there = wiener.log_survival(s, v, a, z, 0.0), wiener.log_survival(s, -v, a, 1.0 - z, 0.0)
    np.testing.assert_allclose(here, there, rtol=1e-12, atol=1e-12)


def test_everything_adds_up_to_one(box):
    s, _, v, a, z = box
    total = np.exp(wiener.log_survival(s, v, a, z, 0.0))
    total += sum(np.exp(wiener.log_cdf(s, choice, v, a, z, 0.0)) for choice in CHOICES)
    np.testing.assert_allclose(total, 1.0, rtol=1e-13)
    total = sum(wiener.choice_probability(choice, v, a, z) for choice in CHOICES)
    np.testing.assert_allclose(total, 1.0, rtol=1e-13)


def test_all_logs_are_finite_inside_the_box(box):
    s, choice, v, a, z = box
    density = wiener.log_density(s, choice, v, a, z, 0.0)
    assert np.isfinite(density).all()
    assert density.min() < -1e5
    assert np.isfinite(wiener.log_cdf(s, choice, v, a, z, 0.0)).all()
    assert np.isfinite(wiener.log_survival(s, v, a, z, 0.0)).all()


@pytest.mark.filterwarnings("error")
def test_nothing_is_nan_far_outside_the_box():
    rng = np.random.default_rng(5)
    n = 20_000
    s, choice = 10.0 ** rng.uniform(-12, 6, n), rng.choice([-1.0, 1.0], n)
    v = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-15, 4, n)
    a, end = 10.0 ** rng.uniform(-4, 3, n), 10.0 ** rng.uniform(-15, -0.4, n)
    z = np.where(rng.random(n) < 0.5, end, 1.0 - end)
    assert not np.isnan(wiener.log_density(s, choice, v, a, z, 0.0)).any()
    assert (wiener.log_cdf(s, choice, v, a, z, 0.0) <= 0.0).all()
    assert (wiener.log_survival(s, v, a, z, 0.0) <= 0.0).all()


def test_choice_probability_is_stable_for_little_and_much_drift():
    drifts = np.array([0.0, 1e-300, 1e-12, -1e-12])
    np.testing.assert_allclose(wiener.choice_probability(1, drifts, 2.0, 0.3), 0.3, rtol=1e-11)
    against, along = wiener.choice_probability([-1, 1], 6.0, 4.0, 0.5)
    assert against == pytest.approx(math.exp(-48.0), rel=1e-13)
    assert along == 1.0


def test_edges_of_time():
    rt = np.array([-1.0, 0.3, 0.5, np.inf])
    ever = math.log(wiener.choice_probability(1, 1.0, 1.0, 0.5))
    assert (wiener.log_density(rt, 1, 1.0, 1.0, 0.5, 0.5) == -np.inf).all()
    assert wiener.log_survival(rt, 1.0, 1.0, 0.5, 0.5).tolist() == [0.0, 0.0, 0.0, -np.inf]
    cdf = wiener.log_cdf(rt, 1, 1.0, 1.0, 0.5, 0.5)
    assert (cdf[:3] == -np.inf).all()
    assert cdf[3] == pytest.approx(ever, rel=1e-14)


def test_absurdly_long_times_keep_the_slowest_rate():
    rate = 0.5 * (1.0 + (math.pi / 2.0) ** 2)
    for s in (1e10, 1e50, 1e300):
        assert wiener.log_density(s, 1, 1.0, 1.0, 0.5, 0.0) == pytest.approx(-rate * s)
        assert wiener.log_survival(s, 1.0, 1.0, 0.5, 0.0) == pytest.approx(-rate * s)


def test_arguments_broadcast_and_scalars_give_scalars():
    rt, v = np.linspace(0.6, 2.0, 5), np.array([[-1.0], [2.0]])
    rt.flags.writeable = False
    table = wiener.log_density(rt, 1, v, 1.5, 0.5, 0.5)
    assert table.shape == (2, 5)
    single = wiener.log_density(rt[3], 1, 2.0, 1.5, 0.5, 0.5)
    assert isinstance(single, float)
    assert single == table[1, 3]
    assert wiener.log_survival(np.empty(0), 1.0, 1.5, 0.5, 0.5).shape == (0,)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"choice": [1.0, 0.0]}, r"choice must be -1 or \+1, but choice\[1\] is 0.0"),
        ({"rt": np.nan}, "rt must be a number, but rt is nan"),
        ({"v": [[1.0], [np.inf]]}, r"v must be finite, but v\[1, 0\] is inf"),
        ({"a": 0.0}, "a must be positive and finite, but a is 0.0"),
        ({"z": 1.0}, "z must be strictly between 0 and 1, but z is 1.0"),
        ({"t": np.nan}, "t must be finite, but t is nan"),
    ],
)
def test_bad_arguments_are_named(changed, message):
    arguments = {"rt": 1.0, "choice": 1.0, "v": 1.0, "a": 1.0, "z": 0.5, "t": 0.2} | changed
    with pytest.raises(ValueError, match=message):
        wiener.log_density(**arguments)
