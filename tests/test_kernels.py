"""Compiled building blocks: random numbers, inverse Gaussians, distinct rows, the disk cache."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import types
from pathlib import Path

import numba
import numpy as np
import pytest
from scipy import stats

from likely.kernels import caching, compiled, inverse_gaussian, rng
from likely.kernels.rows import distinct_rows, group_by
from likely.simulation import simulate
from likely.simulators import Simulator

UNLIKELY = 1e-4  # a p-value below is a failure; seeds are fixed, so it stays passed or failed


@numba.njit
def firsts(seed, begin, n):
    """First uniform of each of n consecutive streams."""
    out = np.empty(n)
    for i in range(n):
        out[i], _ = rng.uniform(rng.stream(seed, begin + i))
    return out


@numba.njit
def normals(seed, streams, n):
    """Draw n normals of each stream, (streams, n)."""
    out = np.empty((streams, n))
    for i in range(streams):
        state = rng.stream(seed, i)
        for j in range(n):
            out[i, j], state = rng.normal(state)
    return out


@numba.njit
def wald(mean, shape, n):
    """Draw n inverse Gaussians, one a stream."""
    out = np.empty(n)
    for i in range(n):
        out[i], _ = rng.inverse_gaussian(mean, shape, rng.stream(np.uint64(3), i))
    return out


class TestRandomNumbers:
    def test_first_uniforms_of_consecutive_streams_and_seeds_are_uniform(self):
        for numbers in (
            firsts(np.uint64(0), 0, 200_000),
            firsts(np.uint64(2**64 - 1), 10**12, 200_000),
            np.concatenate([firsts(np.uint64(seed), 0, 2) for seed in range(20_000)]),
        ):
            assert 0 < numbers.min()
            assert numbers.max() < 1
            assert stats.kstest(numbers, "uniform").pvalue > UNLIKELY

    def test_neighbouring_streams_are_uncorrelated(self):
        numbers = firsts(np.uint64(5), 0, 400_000)
        for lag in (1, 2, 8, 1024):
            assert abs(np.corrcoef(numbers[:-lag], numbers[lag:])[0, 1]) < 5 / math.sqrt(400_000)
        by_seed = np.corrcoef(firsts(np.uint64(1), 0, 400_000), firsts(np.uint64(2), 0, 400_000))[
            0, 1
        ]
        assert abs(by_seed) < 5 / math.sqrt(400_000)

    def test_no_two_streams_begin_alike(self):
        numbers = np.concatenate([firsts(np.uint64(seed), 0, 1000) for seed in range(100)])
        assert len(np.unique(numbers)) == len(numbers)

    def test_normals_are_normal_far_into_the_tails(self):
        draws = normals(np.uint64(1), 3000, 1000).ravel()
        assert stats.kstest(draws, "norm").pvalue > UNLIKELY
        for bound in (1.0, 2.0, 3.0, 3.6541528853610088, 4.0, 4.5):  # one is the ziggurat's base
            for tail in (draws > bound, draws < -bound):
                expected = stats.norm.sf(bound) * draws.size
                assert abs(tail.sum() - expected) < 5 * math.sqrt(expected)

    def test_normals_of_a_stream_are_independent(self):
        draws = normals(np.uint64(2), 1000, 1000)
        for values in (draws, draws**2):
            correlation = np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]
            assert abs(correlation) < 5e-3

    @pytest.mark.parametrize("mean", [1e-3, 1.0, 50.0, 1e6])
    @pytest.mark.parametrize("shape", [1e-2, 1.0, 1e3])
    def test_inverse_gaussians(self, mean, shape):
        exact = stats.invgauss(mean / shape, scale=shape)
        assert stats.kstest(wald(mean, shape, 50_000), exact.cdf).pvalue > UNLIKELY


class TestInverseGaussian:
    CASES = tuple(
        (s, mu, lam)
        for s in (1e-3, 0.1, 1.0, 7.0, 80.0)
        for mu in (0.05, 1, 20)
        for lam in (0.1, 3)
    )

    @pytest.mark.parametrize("terms", [False, True])
    def test_density_and_survival_agree_with_scipy(self, terms):
        function = (
            inverse_gaussian.log_survival_terms if terms else inverse_gaussian.log_density_terms
        )
        for s, mu, lam in self.CASES:
            exact = stats.invgauss(mu / lam, scale=lam)
            value = function(s, math.log(s), math.log(mu), math.log(lam))[0]
            expected = exact.logsf(s) if terms else exact.logpdf(s)
            if expected > -500:  # beyond, scipy gives up
                assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)

    @pytest.mark.parametrize("terms", [False, True])
    def test_derivatives_agree_with_differences(self, terms):
        function = (
            inverse_gaussian.log_survival_terms if terms else inverse_gaussian.log_density_terms
        )

        def value(point):
            return function(point[2], math.log(point[2]), point[0], point[1])[0]

        for s, mu, lam in self.CASES:
            point = np.array([math.log(mu), math.log(lam), s])
            _, *slopes = function(s, math.log(s), *point[:2])
            for i, slope in enumerate(slopes):
                step = np.zeros(3)
                step[i] = 1e-5 * (s if i == 2 else 1)
                rise = (value(point + step) - value(point - step)) / (2 * step[i])
                size = abs(slope) + abs(value(point)) * 1e-3 + 1e-3
                assert abs(rise - slope) < 1e-5 * size / min(s, 1.0)

    def test_log_ndtr(self):
        x = np.concatenate([-np.logspace(-3, 4, 200), np.linspace(-25, 9, 200)])
        ours = [inverse_gaussian.log_ndtr(value) for value in x]
        np.testing.assert_allclose(ours, stats.norm.logcdf(x), rtol=1e-10)

    def test_survival_is_never_nan(self, rng):
        for log_s, log_mu, log_lambda in rng.uniform(-8, 8, (20_000, 3)):
            terms = inverse_gaussian.log_survival_terms(math.exp(log_s), log_s, log_mu, log_lambda)
            assert not any(math.isnan(term) for term in terms)
            assert terms[0] <= 1e-12

    @pytest.mark.parametrize(("mu", "lam"), [(0.5, 2.0), (30.0, 0.1)])
    def test_draws(self, rng, mu, lam):
        pairs = zip(rng.standard_normal(50_000), rng.random(50_000), strict=True)
        draws = [inverse_gaussian.draw(mu, lam, z, u) for z, u in pairs]
        assert stats.kstest(draws, stats.invgauss(mu / lam, scale=lam).cdf).pvalue > UNLIKELY


class TestRows:
    def test_distinct_rows_are_found_and_grouped(self, rng):
        theta = rng.choice([0.0, 0.5, 1.0, 2.0, -1.0], (5000, 3))
        representatives, which = distinct_rows(theta, len(theta))
        assert len(representatives) == len(np.unique(theta, axis=0))
        np.testing.assert_array_equal(theta[representatives][which], theta)
        assert (np.diff(representatives) > 0).all()
        order, begins = group_by(which, len(representatives))
        assert sorted(order) == list(range(len(theta)))
        for group in range(len(representatives)):
            np.testing.assert_array_equal(
                order[begins[group] : begins[group + 1]], np.flatnonzero(which == group)
            )

    def test_all_rows_may_differ(self, rng):
        theta = np.stack([np.arange(50_000.0), np.zeros(50_000)], axis=1)  # few bits in use
        representatives, which = distinct_rows(theta, len(theta))
        np.testing.assert_array_equal(representatives, which)

    def test_one_row_serves_all_trials(self):
        representatives, which = distinct_rows(np.ones((1, 2)), 4)
        assert representatives.tolist() == [0]
        assert which.tolist() == [0, 0, 0, 0]
        assert distinct_rows(np.ones((1, 2)), 0)[0].tolist() == []

    def test_no_rows(self):
        representatives, which = distinct_rows(np.ones((0, 2)), 0)
        assert representatives.size == which.size == 0
        order, begins = group_by(which, 0)
        assert order.size == 0
        assert begins.tolist() == [0]


def key(function):
    return caching._key((function,))


def scaled(k):
    return lambda rng, v: (k * v, 0)


def plus(k):
    return Simulator("plus", parameters={"v": (1, 2)}, choices=(0,), simulate=scaled(k))


SCALE = 2.0


class TestDiskCache:
    def test_equal_functions_share_a_key(self):
        assert key(scaled(2.0)) == key(scaled(2.0))
        assert key(lambda x, v: 3 * x + v) == key(lambda x, v: 3 * x + v)

    def test_whatever_changes_the_result_changes_the_key(self, monkeypatch):
        def using_global(rng, v):
            return SCALE * v, 0

        def calling(rng, v):
            return scaled(v)(rng, v)

        def nested(rng, v):
            return sum(SCALE * u for u in (v, v)), 0

        one, two = scaled(1.0), scaled(2.0)
        keys = [
            key(lambda x, v: v),
            key(lambda v, x: v),
            key(lambda x, v: x),
            key(lambda x, v: v + 1),
            key(lambda x, v: v + 1.0),
            key(lambda x, v: v + True),
            key(lambda x, v: np.sin(v)),
            key(lambda x, v: np.cos(v)),
            key(lambda x, v: math.cos(v)),
            key(lambda x, v=1: v),
            key(lambda x, v=2: v),
            key(scaled(1)),
            key(scaled(1.0)),
            key(scaled(2.0)),
            key(scaled(np.float32(2.0))),
            key(scaled(np.array([1.0]))),
            key(scaled(np.array([[1.0]]))),
            key(scaled(one)),
            key(scaled(two)),
            key(scaled((one, two, one))),
            key(scaled((one, two, two))),
            key(scaled(numba.njit(one))),
            key(scaled(numba.njit(fastmath=True)(one))),
            key(using_global),
            key(nested),
        ]
        monkeypatch.setitem(globals(), "SCALE", 3.0)
        keys += [key(using_global), key(nested)]
        assert len(set(keys)) == len(keys)

    def test_functions_that_reach_themselves_have_a_key(self):
        def countdown(n):
            return countdown(n - 1) if n else 0

        assert key(countdown) == key(countdown)

    def test_models_of_equal_code_and_different_closures_do_not_share_results(self):
        for k in (1.0, 2.0, 3.0):
            assert simulate(plus(k), {"v": 1.5}, seed=0).rt[0] == 1.5 * k

    @pytest.mark.parametrize("unsteady", [dict, object()])
    def test_what_has_no_stable_identity_is_not_kept(self, unsteady):
        kept = caching.cached(lambda: 1, (unsteady,))
        assert kept() == 1
        if unsteady is not dict:
            assert kept.stats.cache_path is None

    def test_constants_of_a_users_module_are_not_mistaken(self):
        settings = types.ModuleType("settings")
        for scale in (2.0, 3.0):
            settings.SCALE = scale
            model = Simulator(
                "m",
                parameters={"v": (1, 2)},
                choices=(0,),
                simulate=lambda rng, v: (settings.SCALE * v, 0),  # noqa: B023
            )
            assert simulate(model, {"v": 1.5}, seed=0).rt[0] == 1.5 * scale

    def test_works_without_a_folder_to_write_to(self, monkeypatch, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("")
        monkeypatch.setattr(caching, "cache_folder", lambda: blocked / "compiled")
        assert simulate(plus(5.0), {"v": 2}, seed=0).rt[0] == 10

    def test_a_second_process_compiles_nothing(self, tmp_path):
        first, second = (run_in_new_process(tmp_path) for _ in range(2))
        assert first == second
        assert len(first) >= 2

    def test_block_generators_differ_by_block_and_seed(self):
        firsts = {
            compiled.block_generator(seed, block * compiled.BLOCK).random()
            for seed in (0, 1, 2**32, 2**64 - 1)
            for block in range(50)
        }
        assert len(firsts) == 200


CHILD = """
import numpy as np
from likely.kernels.caching import cache_folder
from likely.kernels.compiled import compile_trials

fill = compile_trials(lambda rng, v: (v + rng.random(), 0), ("v",))
fill(np.ones((1, 1)), 10, 0, 0, 20.0, np.empty(10), np.empty(10))
for path in sorted(cache_folder().iterdir()):
    print(path.name, path.stat().st_mtime_ns, path.stat().st_ino)
"""


def run_in_new_process(cache: Path) -> list[str]:
    """Simulate a model in a new process and list the files of its cache."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-W", "error", "-c", CHILD]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_entry_points_of_densities_are_found_on_disk_by_the_next_process():
    """A closure, for example, would be compiled again in every process, for many seconds."""
    code = (
        "import likely as lk\n"
        "from likely.kernels import native, classic_draws, classic_pullback\n"
        "ours = lk.load('ddm').density.kernels\n"
        "pulls = ours.pullback, ours.shortcut, classic_pullback.classic_pullback\n"
        "entries = [native._pull_entry(kernel) for kernel in pulls]\n"
        "draws = ours.draws, classic_draws.classic_draws\n"
        "entries += [native._draw_entry(kernel) for kernel in draws]\n"
        "print([entry.cache_hits for entry in entries])"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "[1, 1, 1, 1, 1]"
