"""The spectral solution against closed forms, integral equations, quadratures and simulations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

import likely as lk
from likely.densities.fokker_planck import fokker_planck_twin
from likely.densities.quadrature import quadrature, refined_quadrature
from likely.densities.starts import UniformStart
from likely.densities.twin import FirstPassage
from likely.errors import ParameterError
from likely.typing import FloatArray

TIGHT = 1e-6


def constant(v: float) -> float:
    return v


def still(a: float) -> float:
    return a


def relative(z: float) -> float:
    return 2.0 * z - 1.0


def weibull_boundary(s: float, a: float, alpha: float, beta: float) -> float:
    return a * math.exp(-((s / beta) ** alpha))


def leak(x: float, v: float, g: float) -> float:
    return v - g * x


def rising(s: float, v: float, k: float) -> float:
    return v * (1.0 - 2.0 * math.exp(-k * s))


def turning(s: float, v: float, d: float) -> float:
    return v if s > d else -v


def onset(s: float, a: float, d: float) -> float:
    return a if s < d else a * math.exp(d - s)


straight = fokker_planck_twin(constant, lambda s, a, k: a - k * s, relative, ("v", "a", "z", "k"))
weibull = fokker_planck_twin(constant, weibull_boundary, relative, ("v", "a", "z", "alpha", "beta"))
leaky = fokker_planck_twin(leak, still, relative, ("v", "a", "z", "g"))
drifting = fokker_planck_twin(rising, still, relative, ("v", "a", "z", "k"))


def row(*values: float) -> FloatArray:
    return np.array(values)


def error(passage: FirstPassage, exact: FirstPassage) -> float:
    """Return E|dlog p|, the mean over the exact density."""
    times, weights = refined_quadrature(exact)
    logs = exact.log_density(times)
    differences = np.abs(passage.log_density(times) - logs)
    return float((np.exp(logs) * differences * weights[:, None]).sum())


def by_integral_equation(
    upper: Callable[[FloatArray], FloatArray],
    lower: Callable[[FloatArray], FloatArray],
    times: FloatArray,
) -> FloatArray:
    """Return densities (n, 2) of first passages of a Wiener process from 0, by trapezoids.

    Buonocore, Giorno, Nobile and Ricciardi (1990), Journal of Applied Probability 27, 102-114: a
    system of Volterra equations for the two densities whose kernels do not diverge.
    """
    sides = (lower(times), upper(times))
    h = 1e-6
    slopes = [(f(times + h) - f(times - h)) / (2.0 * h) for f in (lower, upper)]
    step = times[1] - times[0]

    def kernel(i: int, c: int, y: FloatArray, since: FloatArray) -> FloatArray:
        distance = sides[c][i] - y
        spread = np.exp(-0.5 * distance**2 / since) / np.sqrt(2.0 * np.pi * since)
        return 0.5 * spread * (slopes[c][i] - distance / since)

    densities = np.zeros((len(times), 2))
    for i in range(len(times)):
        since = times[i] - times[:i]
        for c in range(2):
            total = kernel(i, c, np.zeros(1), times[i : i + 1])[0]
            for d in range(2):
                total -= step * (densities[:i, d] * kernel(i, c, sides[d][:i], since)).sum()
            densities[i, c] = 2.0 * total * (-1.0 if c == 1 else 1.0)
    return densities


def check_integral_equation(
    passage: FirstPassage, boundary: Callable[[FloatArray], FloatArray],
    path: Callable[[FloatArray], FloatArray], start: float, end: float, atol: float = 2e-4,
) -> None:  # fmt: skip
    found = []
    for count in (600, 1200):
        times = end * np.arange(1, count + 1) / count
        found.append(
            by_integral_equation(
                lambda s: boundary(s) - path(s) - start, lambda s: -boundary(s) - path(s) - start,
                times,
            )[count // 600 - 1 :: count // 600]
        )  # fmt: skip
    best = found[1] + (found[1] - found[0]) / 3.0
    times = end * np.arange(1, 601) / 600
    assert_allclose(np.exp(passage.log_density(times)), best, atol=atol)


class TestAgainstFormulas:
    @pytest.mark.parametrize(
        "parameters",
        [(1.0, 1.5, 0.5, 0.4), (-3.0, 2.5, 0.8, 1.2), (6.0, 4.0, 0.05, 5.0), (0.0, 0.3, 0.9, -0.1)],
    )
    def test_straight_boundaries_are_solved_to_rounding(self, parameters):
        v, a, z, k = parameters
        theta = math.atan(k)
        exact = lk.models["angle"].twin.solve(row(v, a, z, 0.0, theta))
        assert error(straight.solve(row(*parameters)), exact) < 1e-6

    @pytest.mark.parametrize("parameters", [(1.0, 1.5, 0.5), (4.0, 3.0, 0.1), (-0.5, 0.3, 0.95)])
    def test_constant_boundaries_are_solved_to_rounding(self, parameters):
        exact = lk.models["ddm"].twin.solve(row(*parameters, 0.0))
        assert error(straight.solve(row(*parameters, 0.0)), exact) < 1e-6


class TestAgainstIntegralEquations:
    @pytest.mark.parametrize(
        "parameters",
        [(1.0, 1.5, 0.5, 2.0, 1.0), (-1.0, 1.0, 0.6, 4.5, 0.8), (0.5, 1.2, 0.4, 0.9, 2.0)],
    )
    def test_weibull(self, parameters):
        v, a, z, alpha, beta = parameters
        passage = weibull.solve(row(*parameters), TIGHT)
        check_integral_equation(
            passage, lambda s: a * np.exp(-((s / beta) ** alpha)), lambda s: v * s,
            (2.0 * z - 1.0) * a, 1.2 * beta,
        )  # fmt: skip

    @pytest.mark.parametrize("parameters", [(2.0, 1.0, 0.5, 3.0), (-4.0, 1.5, 0.6, 8.0)])
    def test_drift_that_changes(self, parameters):
        v, a, z, k = parameters
        passage = drifting.solve(row(*parameters), TIGHT)
        check_integral_equation(
            passage, lambda s: np.full_like(s, a),
            lambda s: v * (s - 2.0 * (1.0 - np.exp(-k * s)) / k), (2.0 * z - 1.0) * a, 3.0,
        )  # fmt: skip

    def test_a_boundary_with_a_kink(self):
        v, a, d = 1.0, 1.5, 0.50125  # between two nodes of either grid
        twin = fokker_planck_twin(constant, onset, lambda: 0.0, ("v", "a", "d"))
        check_integral_equation(
            twin.solve(row(v, a, d), TIGHT), lambda s: a * np.exp(-np.maximum(s - d, 0.0)),
            lambda s: v * s, 0.0, 3.0, atol=1e-3,
        )  # fmt: skip


class TestAgainstQuadrature:
    """Choice probabilities and mean times of a drift v - g x (Karlin and Taylor 1981, 15.3)."""

    @staticmethod
    def upper(v: float, a: float, z: float, g: float) -> float:
        def scale(x: float) -> float:
            return math.exp(-2.0 * v * x + g * x * x)

        start = (2.0 * z - 1.0) * a
        return quad(scale, -a, start)[0] / quad(scale, -a, a)[0]

    @staticmethod
    def mean(v: float, a: float, z: float, g: float, p: float) -> float:
        x = np.linspace(-a, a, 4001)
        steps = x[1] - x[0]
        scale = np.exp(-2.0 * v * x + g * x * x)
        total = np.append(0.0, np.cumsum(0.5 * (scale[1:] + scale[:-1]))) * steps
        below = np.interp((2.0 * z - 1.0) * a, x, total)
        reach = np.minimum(total, below) * (total[-1] - np.maximum(total, below)) / total[-1]
        return float(np.trapezoid(2.0 * reach / scale, x))

    @pytest.mark.parametrize(
        "parameters",
        [
            (1.0, 1.5, 0.4, 0.7),
            (-2.0, 2.5, 0.2, -1.0),
            (0.3, 0.5, 0.7, 1.0),
            (0.5, 2.5, 0.5, 1.0),  # a trap: it takes a hundred seconds on average
        ],
    )
    def test_leak(self, parameters):
        passage = leaky.solve(row(*parameters))
        p = self.upper(*parameters)
        assert_allclose(passage.probabilities, [1.0 - p, p], atol=1e-4)
        times, weights = quadrature(passage)
        mean = (np.exp(passage.log_density(times)).sum(axis=1) * weights * times).sum()
        assert_allclose(mean, self.mean(*parameters, p), rtol=3e-4)


class TestAgainstSimulation:
    def test_counts_where_drift_jumps(self):
        theta = {"v": 2.0, "a": 1.5, "d": 0.4}
        model = lk.Diffusion(
            "turning",
            parameters={"v": (-6, 6), "a": (0.2, 4), "d": (0, 1)},
            drift=turning,
            boundary=still,
        )
        passage, n = model.twin.solve(row(*theta.values())), 400_000
        trials = lk.simulate(model, theta, n, seed=5, progress=False)
        edges = np.append(0.0, trials.rt.quantile(np.linspace(0.02, 0.99, 40)))
        expected = -n * np.diff(np.exp(passage.log_survival(edges)))
        counts, _ = np.histogram(trials.rt, edges)
        z = (counts - expected) / np.sqrt(expected)
        assert np.abs(z).max() < 4.5
        assert (z**2).mean() < 1.8
        upper = (trials.choice == 1).mean()
        assert abs(upper - passage.probabilities[1]) < 4.5 * math.sqrt(0.25 / n)


class TestLaws:
    SOLVED = (
        (weibull, (1.0, 1.5, 0.5, 0.4, 1.0)),
        (weibull, (3.0, 0.3, 0.9, 5.0, 0.3)),
        (leaky, (1.0, 1.5, 0.4, 0.7)),
        (drifting, (5.0, 3.0, 0.5, 8.0)),
    )

    @pytest.mark.parametrize(("twin", "parameters"), SOLVED)
    def test_everything_ends_and_survival_is_what_is_left(self, twin, parameters):
        passage = twin.solve(row(*parameters))
        assert_allclose(passage.probabilities.sum(), 1.0, atol=1e-4)
        times, weights = refined_quadrature(passage)
        decided = np.cumsum(np.exp(passage.log_density(times)).sum(axis=1) * weights)
        late = times[11::12]  # times lie in panels of 12
        assert_allclose(np.exp(passage.log_survival(late)), 1.0 - decided[11::12], atol=2e-2)
        edge = float(np.interp(0.5, decided, times))
        before = quad(lambda s: np.exp(passage.log_density(np.array([s]))).sum(), 1e-9, edge)[0]
        assert_allclose(np.exp(passage.log_survival(np.array([edge]))), 1.0 - before, atol=2e-4)

    @pytest.mark.parametrize(("twin", "parameters"), SOLVED)
    def test_a_tighter_tolerance_is_more_accurate(self, twin, parameters):
        exact = twin.solve(row(*parameters), 3e-7)
        errors = [error(twin.solve(row(*parameters), t), exact) for t in (1e-2, 1e-4)]
        assert errors[0] < 1e-2
        assert errors[1] < 1e-4
        assert errors[1] < errors[0] or errors[0] < 1e-4  # where the first grid is good enough

    def test_the_mirror_image_is_the_same(self):
        one = leaky.solve(row(1.0, 1.5, 0.3, 0.7))
        other = leaky.solve(row(-1.0, 1.5, 0.7, 0.7))
        times = np.geomspace(0.05, 10.0, 50)
        assert_allclose(one.log_density(times), other.log_density(times)[:, ::-1], atol=1e-6)

    def test_nothing_is_nan(self):
        passage = weibull.solve(row(1.0, 1.5, 0.5, 0.4, 1.0))
        times = np.array([-1.0, 0.0, 1e-300, 1e-9, 1e-3, 1.0, 1e3, 1e300, np.inf])
        for values in (passage.log_density(times), passage.log_survival(times)):
            assert not np.isnan(values).any()
        assert (passage.log_density(times)[[0, 1, -1]] == -np.inf).all()


class TestStarts:
    @pytest.mark.parametrize(
        ("twin", "parameters"),
        [
            (leaky, (1.0, 1.5, 0.4, 0.7)),
            (lk.models["angle"].twin, (1.0, 1.5, 0.5, 0.0, 0.3)),
        ],
        ids=["solved", "formula"],
    )  # fmt: skip
    def test_a_uniform_start_is_the_mean_over_starts(self, twin, parameters):
        half = 0.3
        passage = UniformStart(twin, lambda row: half).solve(row(*parameters))
        middle = float(twin.start(row(*parameters)))
        starts = middle + half * (2.0 * (np.arange(200) + 0.5) / 200 - 1.0)
        times = np.array([0.1, 0.3, 1.0, 3.0])
        mean = np.mean(
            [np.exp(twin.solve_from(y, row(*parameters)).log_density(times)) for y in starts],
            axis=0,
        )
        assert_allclose(np.exp(passage.log_density(times)), mean, rtol=1e-3)

    def test_no_range_is_no_average(self):
        parameters = row(1.0, 1.5, 0.4, 0.7)
        passage = UniformStart(leaky, lambda row: 0.0).solve(parameters)
        times = np.array([0.5])
        assert_allclose(
            passage.log_density(times), leaky.solve(parameters).log_density(times), rtol=1e-12
        )

    def test_starts_beyond_the_boundary_are_refused(self):
        with pytest.raises(ParameterError, match="starts within 0.9 of -0.2 boundaries"):
            UniformStart(leaky, lambda row: 0.9).solve(row(1.0, 1.5, 0.4, 0.7))


class TestNextToNothing:
    """Drift that turns late leaves nothing at one boundary but rounding."""

    @pytest.mark.parametrize(
        "parameters",
        [
            (1.8472, 2.4656, 0.8286, 0.0, 4.1336, 0.6713, -3.4067, 0.5065, 2.8532),
            (0.27, 2.6525, 0.1502, 0.0, 3.2707, -4.9663, -4.9021, 0.7284, 2.3466),
        ],
    )
    def test_densities_and_mass_stay_in_bounds(self, parameters):
        model = lk.models["shrink_spot"]
        passage = model.twin.solve(np.array(parameters))
        assert_allclose(passage.probabilities.sum(), 1.0, atol=1e-4)
        assert (passage.log_density(np.linspace(0.05, 12.0, 400)) < 3.0).all()
        trials = lk.simulate(model, parameters, 20_000, seed=1)
        upper = float((trials["choice"] == 1).mean())
        assert abs(upper - passage.probabilities[1]) < 4.0 * math.sqrt(0.25 / 20_000)


class TestRefusals:
    def test_a_drift_that_is_discontinuous_over_the_evidence(self):
        twin = fokker_planck_twin(
            lambda x, v: v if x > 0.0 else -v, still, relative, ("v", "a", "z")
        )
        with pytest.raises(
            ParameterError, match="takes a drift that is continuous over the evidence"
        ):
            twin.solve(row(1.0, 1.5, 0.4))

    def test_a_start_beyond_the_boundary(self):
        with pytest.raises(ParameterError, match="evidence starts at 1.4 boundaries"):
            leaky.solve(row(1.0, 1.5, 1.2, 0.7))

    def test_a_tolerance_below_rounding(self):
        with pytest.raises(ParameterError, match="is known to about .* only, not to 1e-15"):
            leaky.solve(row(1.0, 1.5, 0.4, 0.7), 1e-15)
