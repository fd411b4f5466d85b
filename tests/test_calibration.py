"""Simulation-based calibration: what is calibrated passes, and each kind of error is found."""

from __future__ import annotations

from collections.abc import Callable

import arviz_stats  # noqa: F401  (registers what datasets offer)
import numpy as np
import pandas as pd
import pytest
from handmade import handmade_ddm
from matplotlib.colors import to_hex

import likely as lk
from likely.calibration import Calibration, Draws, band, uniform_p
from likely.errors import ParameterError
from likely.trials import encode

# A normal mean with a standard normal prior, four observations of unit variance.
PRIOR = {"mu": np.random.default_rng(1).standard_normal(200)}
N = 4


def observe(parameters: dict[str, float], seed: int) -> np.ndarray:
    return parameters["mu"] + np.random.default_rng(seed).standard_normal(N)


def conjugate(shift: float = 0.0, scale: float = 1.0) -> Callable[[np.ndarray, int], Draws]:
    """Return a sampler of the exact posterior, or of one moved by SDs and scaled."""

    def sample(data: np.ndarray, seed: int) -> Draws:
        mean, sd = data.sum() / (N + 1), (N + 1) ** -0.5
        draws = np.random.default_rng(seed).standard_normal(400)
        return {"mu": mean + sd * (shift + scale * draws)}

    return sample


def ignorant(data: np.ndarray, seed: int) -> Draws:
    """Sample the prior, whatever the data."""
    return {"mu": np.random.default_rng(seed).standard_normal(400)}


def log_likelihood(data: np.ndarray, parameters: Draws) -> Draws:
    return {"log likelihood": -0.5 * np.square(data - parameters["mu"][:, None]).sum(axis=1)}


def calibrated(sample: Callable[[np.ndarray, int], Draws]) -> Calibration:
    return lk.calibrate(PRIOR, observe, sample, quantities=log_likelihood, seed=2, progress=False)


def test_the_exact_posterior_is_calibrated() -> None:
    result = calibrated(conjugate())
    assert result.calibrated
    assert list(result.ranks.columns) == ["mu", "log likelihood"]
    assert (result.table[["band_p", "chi_square_p"]] > 0.02).all(axis=None)
    assert result.table.loc["mu", "coverage_50"] == pytest.approx(0.5, abs=0.1)
    assert result.table.loc["mu", "coverage_90"] == pytest.approx(0.9, abs=0.07)
    assert "Calibrated" in str(result)


def test_a_moved_posterior_leaves_the_band() -> None:
    result = calibrated(conjugate(shift=0.6))
    assert "mu" in result.uncalibrated
    assert result.ranks["mu"].mean() < 42  # true values are below the posterior
    assert "Not calibrated: in 200 replications, ranks of mu" in result.verdict


@pytest.mark.parametrize(("scale", "covered"), [(0.5, (0.2, 0.36)), (2.0, (0.7, 0.9))])
def test_a_posterior_of_the_wrong_width_leaves_the_band(
    scale: float, covered: tuple[float, float]
) -> None:
    result = calibrated(conjugate(scale=scale))
    assert "mu" in result.uncalibrated
    assert covered[0] < result.table.loc["mu", "coverage_50"] < covered[1]


def test_a_posterior_that_ignores_the_data_is_found_out_by_their_likelihood() -> None:
    result = calibrated(ignorant)
    assert result.uncalibrated == ["log likelihood"]


def test_the_library_of_arviz_agrees() -> None:
    for shift, right in ((0.0, True), (0.6, False)):
        positions = calibrated(conjugate(shift)).positions()["prior_sbc"].to_dataset()
        p, *_ = positions.azstats.uniformity_test(dim=["chain", "draw"], method="pot_c")
        assert (float(p["mu"]) > 0.01) is right


def test_bands_hold_uniform_ranks_as_often_as_they_should() -> None:
    expected = band(20, 50)
    ranks = np.random.default_rng(5).integers(20, size=(4000, 50))
    shares = np.stack([(ranks < i).mean(axis=1) for i in range(1, 20)], axis=1)
    inside = ((shares >= expected.lower - 1e-12) & (shares <= expected.upper + 1e-12)).all(axis=1)
    assert inside.mean() == pytest.approx(0.95, abs=0.015)
    leaving = [uniform_p(s, 50) < 0.05 for s in shares[:500]]
    np.testing.assert_array_equal(leaving, ~inside[:500])


def test_shares_and_coverage_count_ranks() -> None:
    ranks = pd.DataFrame({"x": [0, 0, 1, 2, 2, 3]})
    result = Calibration(ranks, 3)
    np.testing.assert_allclose(result.shares("x"), [2 / 6, 3 / 6, 5 / 6])
    np.testing.assert_allclose(result.folded_shares("x"), [3 / 6])  # 1 and 2 are in the middle
    assert result.coverage("x", 0.5) == 0.5


def test_ranks_depend_on_the_seed_alone_and_ties_are_broken() -> None:
    constant = {"mu": np.zeros(40)}

    def same(data: np.ndarray, seed: int) -> Draws:
        return {"mu": np.zeros(99)}

    first, second, other = (
        lk.calibrate(constant, observe, same, seed=s, progress=False).ranks for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)
    assert first["mu"].between(0, 99).all()
    assert first["mu"].std() > 20


def grid_posterior(likelihood: lk.Likelihood) -> Callable[[np.ndarray, int], Draws]:
    """Return a sampler of the drift, uniform on [-2, 2], on a grid."""
    grid = np.linspace(-2, 2, 161)
    rows = np.stack([grid, *np.full((3, len(grid)), [[1.0], [0.5], [0.3]])], axis=1)

    def sample(trials: np.ndarray, seed: int) -> Draws:
        total = np.array([likelihood.logp(row, trials).sum() for row in rows])
        weights = np.exp(total - total.max())
        rng = np.random.default_rng(seed)
        drawn = rng.choice(grid, 99, p=weights / weights.sum())
        return {"v": drawn + rng.uniform(-0.0125, 0.0125, 99)}

    return sample


def test_a_bad_likelihood_leaves_the_band_and_the_shipped_one_does_not() -> None:
    prior = {"v": np.random.default_rng(3).uniform(-2, 2, 60)}

    def simulate(parameters: dict[str, float], seed: int) -> np.ndarray:
        theta = {**parameters, "a": 1.0, "z": 0.5, "t": 0.3}
        return encode(lk.simulate("ddm", theta, 60, seed=seed), (-1, 1))

    good, bad = (
        lk.calibrate(prior, simulate, grid_posterior(each), seed=1, progress=False)
        for each in (lk.load("ddm"), handmade_ddm())
    )
    assert good.calibrated
    assert not bad.calibrated


def test_figures_mark_what_strays() -> None:
    good, bad = calibrated(conjugate()), calibrated(conjugate(scale=0.5))
    for draw in (lk.plots.calibration, lk.plots.coverage):
        calm, straying = draw(good), draw(bad)
        assert [ax.get_title() for ax in calm] == ["mu", "log likelihood"]
        colours = [to_hex(axes[0].lines[-1].get_color()) for axes in (calm, straying)]
        assert colours == ["#0072b2", "#d55e00"]
        line = calm[0].lines[-1].get_ydata()
        assert line[0] == line[-1] == 0.0
        assert draw(good, axes=calm) == calm
    expected = good.shares("mu") - np.arange(1, 100) / 100
    np.testing.assert_allclose(lk.plots.calibration(good)[0].lines[-1].get_ydata()[1:-1], expected)
    with pytest.raises(ParameterError, match="2 quantities need as many axes, not 1"):
        lk.plots.coverage(good, axes=lk.plots.coverage(good)[:1])


def test_careless_calls_are_refused() -> None:
    with pytest.raises(ParameterError, match="3 replications are too few"):
        lk.calibrate({"mu": np.zeros(3)}, observe, conjugate(), seed=1)
    with pytest.raises(ParameterError, match="draws is 100; it must be odd"):
        lk.calibrate(PRIOR, observe, conjugate(), draws=100, seed=1)
    with pytest.raises(ParameterError, match="400 draws of 'mu' are fewer than the 401"):
        lk.calibrate(PRIOR, observe, conjugate(), draws=401, seed=1)
    with pytest.raises(ParameterError, match="no draws of parameter 'sigma'"):
        lk.calibrate({**PRIOR, "sigma": np.ones(200)}, observe, conjugate(), seed=1)
    with pytest.raises(ParameterError, match="draws of 'mu' that are not finite"):
        lk.calibrate(PRIOR, observe, lambda data, seed: {"mu": np.full(99, np.nan)}, seed=1)
    with pytest.raises(ParameterError, match="as many of each parameter"):
        lk.calibrate({"mu": np.zeros(30), "s": np.zeros(29)}, observe, conjugate(), seed=1)


def test_one_bad_quantity_among_hundreds_is_found() -> None:
    ranks = np.random.default_rng(1).integers(100, size=(200, 300))
    names = [f"q{i}" for i in range(300)]
    fine = Calibration(pd.DataFrame(ranks, columns=names), 99)
    ranks[:, 7] //= 2
    spoilt = Calibration(pd.DataFrame(ranks, columns=names), 99)
    assert fine.calibrated
    assert spoilt.uncalibrated == ["q7"]
