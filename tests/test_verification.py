"""Posteriors judged by the exact density: right ones pass, wrong ones are found out, corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from handmade import handmade_ddm
from scipy.special import expit

import likely as lk
from likely.errors import DistrustWarning, ModelError, OutsideBoxWarning, ParameterError
from likely.networks.mixture import MixtureDensity
from likely.regression.fitting import Fit
from likely.regression.lapses import Lapses, longest_time
from likely.regression.specification import specify
from likely.trials import encode
from likely.verification import references
from likely.verification.importance import smoothed
from likely.verification.references import region_of

SHIPPED = lk.load("ddm")
V, A = np.linspace(0.5, 1.4, 31), np.linspace(0.98, 1.42, 31)
GRID = np.stack([x.ravel() for x in np.meshgrid(V, A, indexing="ij")], axis=1)


def perturbed(scale: float) -> lk.Likelihood:
    """Return the shipped likelihood with noise on its weights."""
    noise = np.random.default_rng(0).standard_normal(SHIPPED.weights.size)
    return replace(SHIPPED, weights=SHIPPED.weights * (1.0 + scale * noise), certificate=None)


def moved(shift: float) -> lk.Likelihood:
    """Return the shipped likelihood with drift rates taken for lower than they are."""
    density = SHIPPED.density
    assert isinstance(density, MixtureDensity)
    features = tuple(
        replace(one, lower=one.lower + shift, upper=one.upper + shift) if one.column == 0 else one
        for one in density.features
    )
    density = replace(density, features=features)
    return replace(SHIPPED, density=density, certificate=None)


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    """Return 200 trials; withheld presses have no time, and some trials passed a deadline."""
    frame = lk.simulate("ddm", {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 200, seed=3)
    frame.loc[frame.choice == -1, "rt"] = np.nan
    late = frame.rt > 2.0
    frame["deadline"] = np.where(late, 2.0, np.nan)
    frame.loc[late, ["rt", "choice"]] = np.nan
    assert late.sum() > 3
    assert frame.rt.isna().sum() > late.sum()
    return frame


def model_of(likelihood: lk.Likelihood, trials: pd.DataFrame) -> pm.Model:
    with pm.Model() as model:
        v, a = pm.Uniform("v", 0.5, 1.4), pm.Uniform("a", 0.98, 1.42)
        likelihood("trials", v=v, a=a, z=0.5, t=0.3, observed=trials)
    return model


def grid_weights(log_density: Callable[[dict[str, float]], np.ndarray]) -> np.ndarray:
    """Return the posterior probability of each grid point."""
    total = np.array([log_density({"v": v, "a": a, "z": 0.5, "t": 0.3}).sum() for v, a in GRID])
    weights = np.exp(total - total.max())
    return weights / weights.sum()


def drawn(likelihood: lk.Likelihood, trials: pd.DataFrame) -> xr.DataTree:
    """Draw 2 x 500 times from the posterior of a likelihood on the grid."""
    weights = grid_weights(lambda theta: likelihood.logp(theta, trials))
    picked = GRID[np.random.default_rng(4).choice(len(GRID), 1000, p=weights)]
    return posterior(v=picked[:, 0], a=picked[:, 1])


def posterior(chains: int = 2, **draws: np.ndarray) -> xr.DataTree:
    variables = {}
    for name, values in draws.items():
        rest = [f"{name}_dim_{i}" for i in range(values.ndim - 1)]
        shaped = values.reshape(chains, -1, *values.shape[1:])
        variables[name] = (("chain", "draw", *rest), shaped)
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


@pytest.fixture(scope="module")
def exact_moments(trials: pd.DataFrame) -> np.ndarray:
    """Return means and SDs of v and a under the exact density, (2, 2)."""
    weights = grid_weights(lambda theta: lk.exact("ddm", theta, trials))
    mean = weights @ GRID
    return np.array([mean, np.sqrt(weights @ (GRID - mean) ** 2)])


def test_the_shipped_likelihood_is_trusted(trials: pd.DataFrame, exact_moments: np.ndarray) -> None:
    result = lk.verify(drawn(SHIPPED, trials), model_of(SHIPPED, trials), progress=False)
    assert result.trusted
    assert result.k_hat < 0.5
    assert result.draws == 400
    assert result.weights.effective > 390
    assert result.outside == {"v": 0.0, "a": 0.0, "z": 0.0, "t": 0.0}
    assert result.largest_shift < 0.1
    np.testing.assert_allclose(
        result.table["mean"], exact_moments[0], atol=0.2 * exact_moments[1].min()
    )
    assert "can be trusted" in str(result)
    assert "the exact density of 'ddm'" in str(result)


def test_a_moderately_wrong_posterior_is_corrected(
    trials: pd.DataFrame, exact_moments: np.ndarray
) -> None:
    likelihood = moved(0.05)
    idata, model = drawn(likelihood, trials), model_of(likelihood, trials)
    with pytest.warns(DistrustWarning, match="moves the mean of v.*corrected posterior can be"):
        result = lk.verify(idata, model, draws=1000, seed=5, progress=False)
    mean, sd = exact_moments
    raw = (result.table["mean"] - mean) / sd
    right = (result.table["corrected_mean"] - mean) / sd
    assert abs(raw["v"]) > 0.3
    assert (right.abs() < 0.12).all()
    np.testing.assert_allclose(result.table["corrected_sd"], sd, rtol=0.1)
    assert result.corrected is not None
    resampled = result.corrected["posterior"]
    assert resampled["v"].shape == (1, 1000)
    np.testing.assert_allclose(
        [resampled["v"].mean(), resampled["a"].mean()],
        result.table["corrected_mean"],
        atol=0.01 * sd.min() + 1e-3,
    )


def test_a_bad_posterior_is_not_to_be_trusted(trials: pd.DataFrame) -> None:
    likelihood = perturbed(1.0)
    with pytest.warns(DistrustWarning, match="Do not trust this posterior: the network differs"):
        result = lk.verify(drawn(likelihood, trials), model_of(likelihood, trials), progress=False)
    assert not result.trusted
    assert result.k_hat > 0.7
    assert result.corrected is None
    assert "Do not trust" in repr(result)


@pytest.mark.filterwarnings("ignore::likely.errors.DistrustWarning")
def test_models_that_say_where_to_begin_are_judged_and_stay_as_they_are(
    trials: pd.DataFrame,
) -> None:
    data = trials.iloc[:80].reset_index(drop=True)
    plan = specify(HANDMADE, data, formula={}, fixed={"z": 0.5}, priors={}, lapses=Lapses(0.1))
    initial = dict(plan.model.rvs_to_initial_values)
    assert any(value is not None for value in initial.values())
    ends = {name: (0.9, 1.1) for name in plan.sampled}
    ends["t"] = (0.05, 0.1)
    draws = {name: np.linspace(*between, 40) for name, between in ends.items()}
    fit = Fit(posterior(**draws), HANDMADE, data, plan, 0)
    result = lk.verify(fit, draws=40, progress=False)
    assert "t" in result.table.index
    assert plan.model.rvs_to_initial_values == initial


@pytest.mark.filterwarnings("ignore::likely.errors.DistrustWarning")
def test_draws_outside_the_box_are_warned_of(trials: pd.DataFrame) -> None:
    with pm.Model() as model:
        SHIPPED("trials", v=0.9, a=1.2, z=pm.Uniform("z"), t=0.3, observed=trials)
    idata = posterior(z=np.where(np.arange(100) % 4 == 0, 0.03, 0.5))
    with pytest.warns(OutsideBoxWarning, match=r"z in 25.0% of posterior draws"):
        result = lk.verify(idata, model, draws=100, progress=False)
    assert result.outside == {"v": 0.0, "a": 0.0, "z": 0.25, "t": 0.0}
    assert "outside the likelihood's box: z in 25.0% of draws" in str(result)


def expected_weights(theta: Callable[[int], dict[str, object]], n: int, trials: pd.DataFrame,
                     lapse: tuple[float, np.ndarray]) -> np.ndarray:  # fmt: skip
    """Return importance weights worked out trial by trial; lapse: probability, log density."""
    ratios = np.empty(n)
    for i in range(n):
        pair = [lk.exact("ddm", theta(i), trials), HANDMADE.logp(theta(i), trials)]
        odds = (np.log1p(-lapse[0]), np.log(lapse[0]) + lapse[1])
        pair = [np.logaddexp(odds[0] + p, odds[1]) for p in pair]
        ratios[i] = pair[0].sum() - pair[1].sum()
    return smoothed(ratios).values


HANDMADE = handmade_ddm()


@pytest.mark.filterwarnings("ignore::likely.errors.DistrustWarning")
def test_regressions_with_lapses_are_weighed_trial_by_trial(trials: pd.DataFrame) -> None:
    rng = np.random.default_rng(6)
    data = trials.iloc[:80].reset_index(drop=True)
    data = data.assign(x=rng.choice([-1.0, 0.0, 1.0], 80))
    data.loc[0, ["rt", "choice", "deadline"]] = [0.05, 1.0, np.nan]  # before any decision
    plan = specify(
        HANDMADE, data, formula={"v": "x", "a": "1 + x"}, fixed={"z": 0.5, "t": 0.3}, priors={},
        lapses=Lapses(0.1),
    )  # fmt: skip
    n = 40
    draws = {"v_Intercept": 1.0, "v_x": 0.3, "a_Intercept": 0.2, "a_x": 0.0}
    draws = {name: mean + 0.05 * rng.standard_normal(n) for name, mean in draws.items()}
    idata = posterior(**draws)
    fit = Fit(idata, HANDMADE, data, plan, 0)
    result = lk.verify(fit, draws=n, progress=False)

    def theta(i: int) -> dict[str, object]:
        v = draws["v_Intercept"][i] + draws["v_x"][i] * data["x"].to_numpy()
        log_a = draws["a_Intercept"][i] + draws["a_x"][i] * data["x"].to_numpy()
        return {"v": v, "a": np.exp(log_a), "z": 0.5, "t": 0.3}

    encoded = encode(data, (-1, 1))
    longest = longest_time(encoded)
    lapses = np.where(np.isinf(encoded[:, 0]), 0.0, -np.log(longest)) - np.log(2)
    late = encoded[:, 1] == np.inf
    lapses[late] = np.log(1.0 - 2.0 / longest) if longest > 2.0 else -np.inf
    expected = expected_weights(theta, n, data, (0.1, lapses))
    np.testing.assert_allclose(result.weights.values, expected, rtol=1e-7)
    assert set(result.table.index) == set(draws)


@pytest.mark.filterwarnings("ignore::likely.errors.DistrustWarning")
def test_hierarchies_and_potentials_are_weighed_together(trials: pd.DataFrame) -> None:
    subject = np.arange(60) % 3
    first, second = trials.iloc[:60], trials.iloc[60:100]
    with pm.Model(coords={"subject": ["anna", "ben", "cleo"]}) as model:
        mean = pm.Normal("mean", 1.0, 1.0)
        v = pm.Normal("v", mean, 0.5, dims="subject")
        t = pm.Deterministic("t", 0.1 + 0.05 * pm.math.exp(v[subject]))
        HANDMADE("trials", v=v[subject], a=1.2, z=0.5, t=t, observed=first)
        HANDMADE.potential("more", v=mean, a=1.1, z=0.5, t=0.2, observed=second)
    rng = np.random.default_rng(7)
    n = 30
    means, values = 1.0 + 0.1 * rng.standard_normal(n), 1.0 + 0.1 * rng.standard_normal((n, 3))
    idata = posterior(mean=means, v=values)
    idata["posterior"] = idata["posterior"].to_dataset().rename(v_dim_0="subject").assign_coords(
        subject=["anna", "ben", "cleo"]
    )  # fmt: skip
    with model:
        result = lk.verify(idata, draws=n, progress=False)
    ratios = np.empty(n)
    for i in range(n):
        drift = values[i][subject]
        one = {"v": drift, "a": 1.2, "z": 0.5, "t": 0.1 + 0.05 * np.exp(drift)}
        two = {"v": means[i], "a": 1.1, "z": 0.5, "t": 0.2}
        ratios[i] = sum(
            lk.exact("ddm", theta, data).sum() - HANDMADE.logp(theta, data).sum()
            for theta, data in ((one, first), (two, second))
        )
    np.testing.assert_allclose(result.weights.values, smoothed(ratios).values, rtol=1e-7)
    assert list(result.table.index) == ["mean", "v[anna]", "v[ben]", "v[cleo]"]
    assert result.trials == 100


def law_of_handmade(rng: np.random.Generator, v: np.ndarray, a: np.ndarray, z: np.ndarray,
                    t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draw from the density that the handmade likelihood is."""
    upper = rng.random(len(v)) < expit(v + 3.0 * (z - 0.5) / 0.45)
    return t + rng.wald(a, a**2), np.where(upper, 1.0, -1.0)


def trained_quickly(model: lk.Model, *, seconds: float, **options: object) -> lk.Likelihood:
    """Train as many steps as it takes to learn the law above, whatever the machine is doing."""
    return lk.train(model, steps=600, hidden=(16,), **options)


def test_without_an_exact_density_simulations_near_the_posterior_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(references, "train", trained_quickly)
    simulator = lk.Simulator(
        "ddm", parameters={p.name: p for p in HANDMADE.declaration.parameters}, choices=(-1, 1),
        simulate=law_of_handmade, vectorized=True, non_decision="t",
    )  # fmt: skip
    data = HANDMADE.sample({"v": 0.5, "a": 1.0, "z": 0.5, "t": 0.2}, 100, seed=1)
    rng = np.random.default_rng(8)
    idata = posterior(v=0.5 + 0.2 * rng.standard_normal(200), a=1.0 + 0.05 * rng.random(200))
    with pm.Model() as model:
        v, a = pm.Normal("v"), pm.Uniform("a", 0.9, 1.2)
        HANDMADE("trials", v=v, a=a, z=0.5, t=0.2, observed=data)
        result = lk.verify(idata, reference=simulator, progress=False)
    assert result.trusted
    assert result.largest_shift < 0.1
    assert "trained near the posterior" in result.reference
    with model, pytest.warns(DistrustWarning):
        lk.verify(idata, reference="ddm", progress=False)


def test_the_region_holds_the_draws_and_stays_within_the_support() -> None:
    rows = np.array([[-1.0, 0.5, 0.5, 0.2], [1.0, 0.6, 0.5, 0.9]])
    region = region_of(SHIPPED.declaration, rows)
    assert set(region) == {"v", "a", "z"}
    assert region["v"] == (-1.5, 1.5)
    assert region["z"][0] < 0.5 < region["z"][1]
    edge = region_of(SHIPPED.declaration, np.array([[0.0, 0.01, 0.001, 0.2], [0, 3, 0.999, 0.2]]))
    assert 0 < edge["a"][0] < 0.01
    assert 0 < edge["z"][0] < 0.001
    assert 0.999 < edge["z"][1] < 1
    lk.models["ddm"].with_box(**edge)


def test_weights_of_a_known_tail() -> None:
    rng = np.random.default_rng(9)
    for shape in (0.2, 0.9):
        ratios = rng.exponential(shape, 4000)  # their exponentials have a Pareto tail
        assert smoothed(ratios).k_hat == pytest.approx(shape, abs=0.25)
    equal = smoothed(np.zeros(50))
    assert equal.reliable
    assert equal.effective == pytest.approx(50)
    tiny = smoothed(1e-4 * np.random.default_rng(1).pareto(1.0, 400))
    assert tiny.k_hat > tiny.limit
    assert tiny.reliable
    few = smoothed(np.where(np.arange(100) < 15, 0.0, -np.inf))
    assert few.k_hat == np.inf
    assert not few.reliable
    assert few.effective == pytest.approx(15)
    some = smoothed(np.where(np.arange(400) < 200, rng.normal(size=400), -np.inf))
    assert np.isfinite(some.k_hat)
    np.testing.assert_allclose(some.values[200:], 0.0)


def test_resampling_is_as_often_as_weights_say() -> None:
    weights = smoothed(np.random.default_rng(2).normal(size=200))
    counts = np.bincount(weights.resample(3), minlength=200)
    assert (np.abs(counts - 200 * weights.values) < 1.0).all()
    np.testing.assert_array_equal(weights.resample(3), weights.resample(3))


def test_careless_calls_are_refused(trials: pd.DataFrame) -> None:
    model, few = model_of(SHIPPED, trials), posterior(v=np.ones(10), a=np.ones(10))
    fine = posterior(v=np.linspace(0.8, 1.0, 50), a=np.linspace(1.1, 1.2, 50))
    with pytest.raises(ModelError, match=r"give the PyMC model .*verify\(idata, model\)"):
        lk.verify(fine)
    with pytest.raises(ParameterError, match="no draws of 'a', a variable of the PyMC model"):
        lk.verify(posterior(v=np.ones(50)), model)
    with pytest.raises(ParameterError, match="no group 'posterior'"):
        lk.verify(xr.DataTree(), model)
    with pytest.raises(ParameterError, match="10 draws are too few"):
        lk.verify(few, model)
    with pytest.raises(ParameterError, match="'v' has draws that are not finite"):
        lk.verify(posterior(v=np.full(50, np.nan), a=np.ones(50)), model)
    with pytest.raises(ParameterError, match="draws is 0"):
        lk.verify(fine, model, draws=0)
    with pm.Model() as other:
        v, a = pm.Normal("v"), pm.Normal("a")
        pm.Normal("y", v, pm.math.exp(a), observed=np.zeros(5))
    with pytest.raises(ModelError, match="no likelihood with observed trials"):
        lk.verify(fine, other)
    with pm.Model() as unobserved:
        SHIPPED("trials", v=pm.Normal("v"), a=1.0, z=0.5, t=0.3, size=5)
    with pytest.raises(ModelError, match="'trials' holds trials that are not observed"):
        lk.verify(fine, unobserved)


def test_a_reference_must_fit(trials: pd.DataFrame) -> None:
    fine = posterior(v=np.linspace(0.8, 1.0, 50), a=np.linspace(1.1, 1.2, 50))
    with pytest.raises(ModelError, match="has the parameters .*'theta'.*reference="):
        lk.verify(fine, model_of(SHIPPED, trials), reference="angle")
    renamed = replace(SHIPPED.density, declaration=replace(SHIPPED.declaration, name="mine"))
    mine = replace(SHIPPED, density=renamed)
    with pytest.raises(ModelError, match="unknown model 'mine'.*reference="):
        lk.verify(fine, model_of(mine, trials))
    assert lk.verify(fine, model_of(mine, trials), reference="ddm", progress=False).k_hat < 0.7


def test_draws_of_another_experiment_are_impossible(trials: pd.DataFrame) -> None:
    with pm.Model() as model:
        SHIPPED("trials", v=1.0, a=1.2, z=0.5, t=pm.HalfNormal("t"), observed=trials)
    with pytest.raises(ParameterError, match="likelihood 0 under the PyMC model"):
        lk.verify(posterior(t=np.linspace(1.0, 2.0, 50)), model, progress=False)
