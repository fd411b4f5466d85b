"""Labelled points: what they are made of, and how near the labels come to exact densities."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from likely.densities import wiener
from likely.errors import LikelyError
from likely.kernels import kde
from likely.labels import FLOOR, Labelling, labelled_set, labelled_sets
from likely.simulators import Simulator
from likely.zoo import models

DDM = models["ddm"].with_box(v=(-3, 3), a=(0.3, 2.5), z=(0.1, 0.9), t=(0, 2))
SMALL = Labelling(draws=500, points=50, deadlines=3)


def huber(error):
    return np.where(np.abs(error) < 1, 0.5 * error**2, np.abs(error) - 0.5)


def race(record=None):
    """Three choices with log-normal times of their own, and shares 5/8, 2/8 and 1/8."""

    def simulate(rng, m, t):
        choice = np.searchsorted([0.625, 0.875], rng.random(len(m))).astype(float)
        s = np.exp(m - 0.5 * choice + 0.4 * rng.standard_normal(len(m)))
        if record is not None:
            record.append((s, choice))
        return t + s, choice

    return Simulator(
        "race",
        parameters={"m": (-1.0, 0.5), "t": (0.0, 0.5)},
        choices=(0, 1, 2),
        simulate=simulate,
        vectorized=True,
        non_decision="t",
    )


def race_log_density(rt, choice, m, t):
    """Exact log density of `race`."""
    s = np.maximum(rt - t, 1e-300)
    index = choice.astype(int)
    shares = np.log(np.array([0.625, 0.25, 0.125]))[index]
    return shares + stats.norm.logpdf(np.log(s), m - 0.5 * index, 0.4) - np.log(s)


def constant(rt):
    """One choice of two, always at the same time."""
    return Simulator(
        "constant",
        parameters={"m": (0.0, 1.0)},
        choices=(0, 1),
        simulate=lambda rng, m: (np.full(len(m), rt), np.where(np.isnan(rt), np.nan, 0.0 * m)),
        vectorized=True,
    )


@pytest.fixture(scope="module")
def made():
    return labelled_sets(DDM, Labelling(), seed=3, first=0, sets=40)


class TestSets:
    def test_arrays_have_the_promised_shapes_and_types(self, made):
        shapes = {name: (values.shape[1:], values.dtype.str[1:]) for name, values in made.items()}
        assert shapes == {
            "theta": ((4,), "f8"),
            "data": ((2000, 2), "f4"),
            "labels": ((2000,), "f4"),
            "choice_p": ((2,), "f8"),
            "undecided": ((), "f8"),
            "deadlines": ((16,), "f4"),
            "survival": ((16,), "f8"),
            "histogram_128": ((128, 2), "f8"),
            "histogram_256": ((256, 2), "f8"),
        }
        assert not DDM.declaration.outside_box(made["theta"]).any()
        assert np.isfinite(made["labels"]).all()
        assert (made["labels"] >= np.float32(FLOOR)).all()
        assert np.isin(made["data"][..., 1], (-1, 1)).all()

    def test_points_come_in_three_kinds(self, made):
        t, rt, choice = made["theta"][:, [3]], made["data"][..., 0], made["data"][..., 1]
        decision = rt - t
        assert (decision[:, :1800] > -1e-6).all()
        uniform = decision[:, 1600:1800]
        assert stats.kstest(uniform.ravel() / 20, "uniform").pvalue > 1e-3
        assert choice[:, 1600:1800].mean() == pytest.approx(0, abs=0.05)
        assert (rt[:, 1800:] < t + 1e-6).all()
        assert (rt[:, 1800:] > np.minimum(0, t - 1) - 1e-6).all()
        assert (made["labels"][:, 1800:] == np.float32(FLOOR)).all()

    def test_labels_are_near_the_exact_density(self, made):
        columns = made["theta"].T[..., None]
        rt, choice = np.moveaxis(made["data"].astype(float), -1, 0)
        exact = np.maximum(wiener.log_density(rt, choice, *columns), FLOOR)
        loss = huber(made["labels"] - exact)
        assert loss[:, :1600].mean() < 0.0015
        assert loss.mean() < 0.012
        bulk = slice(0, 1600)
        assert abs((made["labels"] - exact)[:, bulk].mean()) < 0.003

    def test_shares_are_near_the_exact_ones(self, made):
        v, a, z, t = made["theta"].T[..., None]
        exact = np.exp(wiener.log_survival(made["deadlines"].astype(float), v, a, z, t))
        assert np.abs(made["survival"] - exact).max() < 4.5 * 0.5 / math.sqrt(10_000)
        exact = wiener.choice_probability(1, v, a, z)[:, 0]
        decided = 1 - made["undecided"]
        assert np.abs(made["choice_p"][:, 1] / decided - exact).max() < 0.025
        assert np.allclose(made["choice_p"].sum(axis=1), decided)
        for bins in (128, 256):
            sums = made[f"histogram_{bins}"].sum(axis=1)
            assert np.allclose(sums, made["choice_p"], atol=1e-12)

    def test_deadlines_are_log_uniform_decision_times(self, made):
        share = np.log((made["deadlines"] - made["theta"][:, [3]]) / 0.02) / math.log(1000)
        assert stats.kstest(share.ravel(), "uniform").pvalue > 1e-3


class TestIndependence:
    def test_a_set_does_not_depend_on_how_the_sequence_is_cut(self):
        whole = labelled_sets(DDM, SMALL, seed=2**64 - 1, first=2, sets=5)

        def cut(first):
            return labelled_sets(DDM, SMALL, seed=2**64 - 1, first=first, sets=1)

        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(cut, range(2, 7)))
        for name, values in whole.items():
            assert np.array_equal(values, np.concatenate([part[name] for part in parts])), name

    def test_sets_and_seeds_differ(self):
        zero = labelled_sets(DDM, SMALL, seed=0, first=0, sets=2)
        other = labelled_sets(DDM, SMALL, seed=1, first=0, sets=2)
        assert not (zero["theta"][0] == zero["theta"][1]).any()
        assert not (zero["theta"] == other["theta"]).any()
        assert not (zero["labels"][0] == zero["labels"][1])[:40].all()


class TestCounts:
    def test_shares_are_those_of_the_draws(self):
        record = []
        model = race(record)
        assert model.first_passages is not None
        record.clear()
        labelling = Labelling(draws=3000, points=10, deadlines=8, max_time=1.0)
        row = np.array([-0.2, 0.3])
        made = labelled_set(model, labelling, row, np.random.default_rng(1))
        s, choice = (np.concatenate(parts) for parts in zip(*record, strict=True))
        assert len(s) == 3000
        decided = s < 1.0
        assert 0.05 < 1 - decided.mean() < 0.5
        assert made["undecided"] == pytest.approx(1 - decided.mean(), abs=1e-12)
        for i in range(3):
            mine = decided & (choice == i)
            assert made["choice_p"][i] == pytest.approx(mine.mean(), abs=1e-12)
            edges = np.append(np.linspace(0, 1, 129)[:-1], np.inf)
            expected = np.histogram(s[mine] + 0.3, edges)[0] / 3000
            assert np.allclose(made["histogram_128"][:, i], expected, atol=1e-12)
        waiting = np.where(decided, s + 0.3, np.inf)
        for deadline, share in zip(made["deadlines"], made["survival"], strict=True):
            assert share == pytest.approx((waiting > float(deadline)).mean(), abs=1e-12)

    def test_labels_of_a_race_are_near_its_density(self):
        made = labelled_sets(race(), Labelling(), seed=4, first=0, sets=8)
        rt, choice = np.moveaxis(made["data"].astype(float), -1, 0)
        exact = race_log_density(rt, choice, *made["theta"].T[..., None])
        loss = huber(made["labels"] - np.maximum(exact, FLOOR))
        assert loss[:, :1600].mean() < 0.003
        assert (made["data"][..., 1][:, 1600:1800] == 2).mean() == pytest.approx(1 / 3, abs=0.05)

    def test_without_non_decision_time_impossible_times_are_negative(self):
        made = labelled_set(constant(0.5), SMALL, np.array([0.5]), np.random.default_rng(0))
        rt = made["data"][45:, 0]
        assert ((rt > -1) & (rt < 0)).all()

    def test_times_all_the_same_are_labelled(self):
        made = labelled_set(constant(0.5), SMALL, np.array([0.5]), np.random.default_rng(0))
        assert np.isfinite(made["labels"]).all()
        assert np.allclose(made["data"][:40], (0.5, 0), atol=0.01)
        assert (made["labels"][:40] > 3).all()

    def test_no_decision_at_all_gives_uniform_points_at_the_floor(self):
        made = labelled_set(constant(np.nan), SMALL, np.array([0.5]), np.random.default_rng(0))
        assert made["undecided"] == 1
        assert (made["choice_p"] == 0).all()
        assert (made["survival"] == 1).all()
        assert (made["histogram_256"] == 0).all()
        assert (made["labels"] == np.float32(FLOOR)).all()
        rt = made["data"][:40, 0]
        assert stats.kstest(rt / 20, "uniform").pvalue > 1e-3


def draws_of(times, which, until=20.0):
    return kde.Draws(np.asarray(times, float), np.asarray(which, np.int64), until)


def direct(y, h, n, at):
    """Twiced kernel estimate of the density of y at points, by a sum over all draws."""
    plain = stats.norm.pdf(at[:, None], y, h).sum(axis=1) / n
    wide = stats.norm.pdf(at[:, None], y, math.sqrt(2) * h).sum(axis=1) / n
    return np.maximum(2 * plain - wide, 0.5 * plain)


class TestEstimate:
    def test_it_is_the_sum_over_all_draws(self, rng):
        times = np.exp(0.5 * rng.standard_normal(3000)) * np.where(rng.random(3000) < 0.3, 0.1, 1)
        estimate = kde.estimate(draws_of(times, np.zeros(3000)), 1)
        h = estimate.bandwidth[0]
        y = np.log(times)
        assert 0.5 < h / (y.std() * 3000**-0.2) < 2
        at = np.exp(np.linspace(y.min() - 5 * h, math.log(estimate.late), 2000))
        labels = kde.label(estimate, at, np.zeros(2000, np.int64), -math.inf)
        expected = np.log(direct(y, h, 3000, np.log(at))) - np.log(at)
        above = expected > FLOOR
        assert above.sum() > 1900
        assert np.abs(labels - expected)[above].max() < 3e-3
        assert np.abs(labels - expected)[above].mean() < 3e-4

    def test_far_tail_is_exponential(self, rng):
        times = rng.exponential(2.0, 5000)
        which = (rng.random(5000) < 0.25).astype(int)
        late = times >= 8.0
        draws = draws_of(np.where(late, np.nan, times), np.where(late, -1, which), until=8.0)
        estimate = kde.estimate(draws, 2)
        assert estimate.rate == pytest.approx(0.5, rel=0.25)
        at = np.array([9.0, 12.0, 16.0])
        for c, share in ((0, 0.75), (1, 0.25)):
            labels = kde.label(estimate, at, np.full(3, c), FLOOR)
            assert np.abs(labels - (math.log(0.5 * share) - 0.5 * at)).max() < 0.6

    def test_densities_integrate_to_the_share_of_decided_draws(self, rng):
        times = np.exp(0.6 * rng.standard_normal(4000))
        which = rng.integers(3, size=4000)
        late = times > 4.0
        draws = draws_of(np.where(late, np.nan, times), np.where(late, -1, which), until=4.0)
        grid = np.linspace(1e-4, 4.0, 40_001)
        estimate = kde.estimate(draws, 3)
        for c in range(3):
            labels = kde.label(estimate, grid, np.full(len(grid), c), -math.inf)
            share = ((which == c) & ~late).mean()
            assert np.trapezoid(np.exp(labels), grid) == pytest.approx(share, rel=0.03)

    def test_rare_choices_lean_on_the_spread_of_all(self, rng):
        times = np.exp(0.4 * rng.standard_normal(2000))
        which = np.zeros(2000)
        which[:3] = 1
        times[:3] = 1.0
        estimate = kde.estimate(draws_of(times, which), 3)
        assert estimate.bandwidth[1] > estimate.bandwidth[0]
        at = np.array([0.7, 1.0, 1.4])
        labels = kde.label(estimate, at, np.ones(3, np.int64), FLOOR)
        assert np.abs(labels - math.log(3 / 2000)).max() < 2
        assert (kde.label(estimate, at, np.full(3, 2), FLOOR) == FLOOR).all()

    def test_times_before_the_start_are_at_the_floor(self):
        estimate = kde.estimate(draws_of([1.0, 2.0], [0, 0]), 1)
        assert (kde.label(estimate, np.array([-1.0, 0.0]), np.zeros(2, int), -5.0) == -5.0).all()


class TestErrors:
    @pytest.mark.parametrize(
        ("given", "telling"),
        [
            ({"draws": 0}, "draws is 0"),
            ({"points": 2.5}, "points is 2.5"),
            ({"deadlines": 0}, "deadlines is 0"),
            ({"max_time": -1.0}, "max_time is -1.0"),
            ({"max_time": math.inf}, "infinite"),
            ({"uniform": 1.5}, "uniform is 1.5"),
            ({"uniform": math.nan}, "uniform is nan"),
            ({"impossible": True}, "impossible is True"),
            (
                {"impossible": -0.1},
                "impossible is -0.1; it must be a share, at least 0 and at most",
            ),
            ({"uniform": 0.6, "impossible": 0.6}, "together"),
        ],
    )
    def test_labelling_refuses(self, given, telling):
        with pytest.raises(LikelyError, match=telling):
            Labelling(**given)

    def test_shares_may_be_numbers_of_numpy(self):
        given = Labelling(uniform=np.float32(0.5), impossible=np.int64(0))  # type: ignore[arg-type]
        assert given == Labelling(uniform=0.5, impossible=0.0)

    @pytest.mark.parametrize("shares", [(0.0, 0.0), (0.5, 0.5), (0.25, 0.75), (1.0, 0.0)])
    @pytest.mark.parametrize("points", [1, 3, 10])
    def test_counts_sum_to_the_points(self, shares, points):
        counts = Labelling(points=points, uniform=shares[0], impossible=shares[1]).counts
        assert sum(counts) == points
        assert min(counts) >= 0

    def test_only_finite_boxes_can_be_drawn_from(self):
        with pytest.raises(LikelyError, match=r"'t'.*infinite.*with_box"):
            labelled_sets("ddm", SMALL, seed=0, first=0, sets=1)

    @pytest.mark.parametrize("given", [{"seed": -1}, {"sets": 0}, {"first": -1}, {"first": 0.5}])
    def test_labelled_sets_refuses(self, given):
        with pytest.raises(LikelyError, match=next(iter(given))):
            labelled_sets(DDM, SMALL, **{"seed": 0, "first": 0, "sets": 1, **given})
