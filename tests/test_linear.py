"""The closed form for straight boundaries against other formulas, quadrature and its mirror."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad

import likely as lk
from likely.densities.linear import LinearTwin
from likely.densities.moving import MovingReflected
from likely.errors import ParameterError

ANGLE = LinearTwin(
    drift=lambda row: row[0], boundary=lambda row: row[1], slope=lambda row: row[2],
    start=lambda row: row[3],
)  # fmt: skip

slopes = st.one_of(st.floats(0.01, 5.0), st.floats(-0.1, -0.01))


def solve(v: float, a: float, k: float, y0: float):
    return ANGLE.solve(np.array([v, a, k, y0]))


def anderson(s: float, v: float, a: float, k: float, x0: float) -> float:
    """Density of ending at the upper boundary, by Anderson (1960), theorem 4.3, term by term.

    A Wiener process from 0 without drift, between the lines c1 + d1 s above and c2 + d2 s below,
    into which the drift goes.
    """
    c1, d1, c2, d2 = a - x0, -k - v, -a - x0, k - v
    total = 0.0
    for r in range(60):
        early = (2 * r + 1) * c1 - 2 * r * c2
        late = (2 * r + 1) * c1 - 2 * (r + 1) * c2
        tilt = -2.0 * ((c1 - c2) / s + d1 - d2)
        total += early * math.exp(tilt * r * ((r + 1) * c1 - r * c2))
        total -= late * math.exp(tilt * (r + 1) * (r * c1 - (r + 1) * c2))
    spread = math.exp(-0.5 * (c1 + d1 * s) ** 2 / s)
    return spread * total / math.sqrt(2.0 * math.pi * s**3)


@pytest.mark.parametrize(
    ("v", "a", "k", "x0"),
    [(1.0, 1.5, 0.3, 0.0), (-2.0, 1.0, 0.8, 0.4), (0.5, 2.0, 1.5, -1.0), (3.0, 0.8, 0.05, 0.2)],
)
def test_anderson(v, a, k, x0):
    end = min(a / k, 3.0)
    for s in np.linspace(0.1, 0.9, 9) * end:
        found = np.exp(solve(v, a, k, x0 / a).log_density(np.array([s])))[0]
        assert_allclose(found[1], anderson(s, v, a, k, x0), rtol=1e-9, atol=1e-12)
        assert_allclose(found[0], anderson(s, -v, a, k, -x0), rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(-6.0, 6.0), st.floats(0.2, 4.0), slopes, st.floats(-0.9, 0.9))
def test_probabilities_and_survival_are_integrals_of_the_density(v, a, k, y0):
    passage = solve(v, a, k, y0)
    if k > 0.0:
        assert_allclose(passage.probabilities.sum(), 1.0, atol=1e-6)
        half = 0.3 * a / k
        before = quad(
            lambda x: math.exp(x) * np.exp(passage.log_density(np.exp([x]))).sum(),
            math.log(1e-5 * half), math.log(half), limit=200, epsabs=1e-9,
        )[0]  # fmt: skip
        survival = math.exp(passage.log_survival(np.array([half]))[0])
        assert_allclose(survival, 1.0 - before, atol=1e-6)
    else:
        assert passage.probabilities.sum() <= 1.0 + 1e-6


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(-6.0, 6.0), st.floats(0.2, 4.0), slopes, st.floats(-0.9, 0.9))
def test_the_mirror_image_is_the_same(v, a, k, y0):
    times = np.geomspace(1e-3, 0.99 * a / k if k > 0.0 else 10.0, 20)
    one, other = solve(v, a, k, y0), solve(-v, a, k, -y0)
    assert_allclose(one.log_density(times), other.log_density(times)[:, ::-1], rtol=1e-9)


def test_no_slope_is_the_wiener_model():
    times = np.geomspace(0.01, 20.0, 30)
    exact = lk.models["ddm"].twin.solve(np.array([1.0, 1.5, 0.6, 0.0]))
    found = solve(1.0, 1.5, 0.0, 0.2)
    assert_allclose(found.log_density(times), exact.log_density(times), rtol=1e-10)
    assert_allclose(found.probabilities, exact.probabilities, atol=1e-8)
    assert_allclose(found.log_survival(times), exact.log_survival(times), rtol=1e-6, atol=1e-8)


def test_nothing_is_left_when_the_boundaries_have_met():
    passage = solve(1.0, 1.5, 0.5, 0.0)
    assert (passage.log_density(np.array([-1.0, 0.0, 3.0, 4.0, np.inf])) == -np.inf).all()
    assert passage.log_survival(np.array([3.0]))[0] < -15.0


@pytest.mark.parametrize("parameters", [(1.0, -1.0, 0.3, 0.0), (1.0, 1.0, 0.3, 1.0)])
def test_a_start_that_is_not_between_the_boundaries_is_refused(parameters):
    with pytest.raises(ParameterError, match="evidence starts at"):
        solve(*parameters)


@pytest.mark.parametrize(
    ("a", "slope", "y"), [(1.5, -0.1, 0.87), (3.0, -0.1, 0.1), (1.0, 0.3, 0.2)]
)
def test_survival_holds_those_that_never_finish(a: float, slope: float, y: float) -> None:
    """Without drift, evidence between boundaries is, but for its sign, that reflected at 0."""
    twin = LinearTwin(lambda r: 0.0, lambda r: a, slope=lambda r: slope, start=lambda r: y)
    reflected = MovingReflected(0.0, a, slope, y * a)
    times = np.array([0.03, 0.3, 1.0, 3.0, 27.0, 100.0])
    survival = np.exp(twin.solve(np.zeros(1)).log_survival(times))
    np.testing.assert_allclose(survival, np.exp(reflected.log_survival(times)), atol=1e-9)
