"""Laws of the PyMC distribution: the same values and gradients everywhere, and PyMC's own verbs."""

from __future__ import annotations

import warnings

import arviz as az
import cloudpickle
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import likely as lk
from likely.errors import OutsideBoxWarning, ParameterError, TrialsError

SIGN = np.repeat([1.0, -1.0], 30)


@pytest.fixture(scope="module")
def ddm() -> lk.Likelihood:
    return lk.load("ddm")


@pytest.fixture(scope="module")
def trials(ddm: lk.Likelihood) -> pd.DataFrame:
    """Go/NoGo trials: withheld presses have no time; some trials pass their deadline."""
    frame = ddm.sample({"v": SIGN, "a": 1.5, "z": 0.5, "t": 0.5}, n=1, seed=4)
    frame.loc[frame.choice == -1, "rt"] = np.nan
    frame["deadline"] = np.nan
    frame.loc[:2, ["rt", "choice", "deadline"]] = [np.nan, np.nan, 0.9]
    return frame


def go_nogo(likelihood: lk.Likelihood, trials: pd.DataFrame) -> pm.Model:
    with pm.Model() as model:
        v = pm.Normal("v", 0.0, 2.0)
        a = pm.Gamma("a", mu=1.5, sigma=0.75)
        t = pm.HalfNormal("t", 0.5)
        likelihood("trials", v=v * SIGN, a=a, z=0.5, t=t, observed=trials)
    return model


@pytest.fixture(scope="module")
def model(ddm: lk.Likelihood, trials: pd.DataFrame) -> pm.Model:
    return go_nogo(ddm, trials)


POINTS = [(0.9, 1.4, 0.45), (-2.0, 0.5, 0.1), (0.0, 2.2, 0.6), (2.5, 1.0, 0.05)]


@pytest.mark.parametrize("point", POINTS)
def test_logp_is_that_of_the_likelihood(
    ddm: lk.Likelihood, trials: pd.DataFrame, point: tuple[float, float, float]
) -> None:
    v, a, t = point
    observed = ddm.logp({"v": v * SIGN, "a": a, "z": 0.5, "t": t}, trials)
    from likely.trials import encode

    values = encode(trials, (-1, 1))
    variable = ddm.dist(v=v * SIGN, a=a, z=0.5, t=t)
    np.testing.assert_allclose(pm.logp(variable, values).eval(), observed, rtol=1e-12, atol=1e-14)
    with_nan = np.where(np.isinf(values), np.nan, values)[3:]
    variable = ddm.dist(v=v * SIGN[3:], a=a, z=0.5, t=t)
    np.testing.assert_allclose(
        pm.logp(variable, with_nan).eval(), observed[3:], rtol=1e-12, atol=1e-14
    )


def values_and_gradients(ddm: lk.Likelihood, trials: pd.DataFrame, mode: str | None) -> np.ndarray:
    from likely.trials import encode

    parameters = pt.dvector("parameters")
    v, a, z, t = (parameters[i] for i in range(4))
    variable = ddm.dist(v=v * SIGN, a=a, z=z, t=t)
    total = pm.logp(variable, encode(trials, (-1, 1))).sum()
    gradient = pytensor.grad(total, parameters)
    function = pytensor.function([parameters], [total, gradient], mode=mode)
    rows = np.array([(v, a, z, t) for v, a, t in POINTS for z in (0.3, 0.5)])
    results = [function(row) for row in rows]
    return np.array([[float(value), *gradient] for value, gradient in results])


def test_backends_agree_on_value_and_gradient(ddm: lk.Likelihood, trials: pd.DataFrame) -> None:
    default = values_and_gradients(ddm, trials, mode=None)
    assert np.isfinite(default).all()
    python = values_and_gradients(ddm, trials, mode="FAST_COMPILE")
    in_jax = values_and_gradients(ddm, trials, mode="JAX")
    np.testing.assert_allclose(python, default, rtol=1e-10)
    np.testing.assert_allclose(in_jax, default, rtol=1e-9)


def test_jax_differentiates_by_itself(ddm: lk.Likelihood, trials: pd.DataFrame) -> None:
    import jax

    from likely.trials import encode

    values = encode(trials, (-1, 1))
    theta = np.column_stack([0.9 * SIGN, *np.full((3, 60), [[1.4], [0.5], [0.4]])])
    _, expected = ddm.density.evaluate(ddm.weights, theta, values)
    gradient = jax.grad(lambda rows: ddm.density.log_density(ddm.weights, rows, values).sum())
    with jax.enable_x64(True):
        found = gradient(theta)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_gradient_is_that_of_finite_differences(model: pm.Model) -> None:
    logp, dlogp = model.compile_logp(), model.compile_dlogp()
    point = {"v": np.array(0.8), "a_log__": np.array(0.3), "t_log__": np.array(-0.9)}
    gradient = dlogp(point)
    for i, name in enumerate(point):
        up, down = (dict(point, **{name: point[name] + h}) for h in (1e-6, -1e-6))
        assert gradient[i] == pytest.approx((logp(up) - logp(down)) / 2e-6, rel=1e-5)


def test_value_and_gradient_take_one_pass(model: pm.Model) -> None:
    from likely.ops import TrialLogDensity, TrialPullback

    function = model.logp_dlogp_function(ravel_inputs=True)._pytensor_function
    kinds = [type(n.op) for n in function.maker.fgraph.apply_nodes]
    assert TrialLogDensity not in kinds
    assert kinds.count(TrialPullback) == 1


def test_default_backend_needs_no_object_mode(ddm: lk.Likelihood) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draws = pm.draw(ddm.dist(v=SIGN, a=1.4, z=0.5, t=0.3), random_seed=1)
    assert draws.shape == (60, 2)


def test_draws_follow_the_likelihood(ddm: lk.Likelihood) -> None:
    theta = {"v": 1.0, "a": 1.5, "z": 0.4, "t": 0.3}
    rt, choice = pm.draw(ddm.dist(**theta, size=20_000), random_seed=2).T
    probability = ddm.choice_probability(theta)[0, 1]
    assert (choice == 1).mean() == pytest.approx(probability, abs=0.01)
    for time in (0.6, 1.0, 2.0):
        survival = np.exp(ddm.log_survival(theta, time)[0])
        assert (rt > time).mean() == pytest.approx(survival, abs=0.015)
    assert rt.min() > 0.3


def test_draws_in_jax_follow_the_same_law(ddm: lk.Likelihood) -> None:
    theta = np.array([[1.0, 1.5, 0.4, 0.3]])
    rng = np.random.default_rng(3)
    uniforms, normals = rng.random((500, 2)), rng.standard_normal(500)
    expected = ddm.density.transform(ddm.weights, theta, uniforms, normals)
    drawn = ddm.density.draws(ddm.weights, theta, uniforms, normals)
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [(), (7,), (3, 4)])
def test_shapes(ddm: lk.Likelihood, size: tuple[int, ...]) -> None:
    scalars = ddm.dist(v=1.0, a=1.5, z=0.5, t=0.3, size=size)
    assert pm.draw(scalars, random_seed=1).shape == (*size, 2)
    assert pm.logp(scalars, np.full((*size, 2), 1.0)).eval().shape == size
    batch = ddm.dist(v=np.full(size, 1.0), a=1.5, z=0.5, t=0.3)
    assert pm.draw(batch, random_seed=1).shape == (*size, 2)
    assert pm.logp(batch, np.array([1.0, 1.0])).eval().shape == size


def test_meaningless_parameters_have_density_zero_and_finite_gradient(ddm: lk.Likelihood) -> None:
    a = pt.dscalar("a")
    logp = pm.logp(ddm.dist(v=1.0, a=a, z=0.5, t=0.3), np.array([1.0, 1.0]))
    assert logp.eval({a: -0.5}) == -np.inf
    assert pytensor.grad(logp, a).eval({a: -0.5}) == 0.0
    assert logp.eval({a: 1.0}) > -10


def test_predictive_sampling_and_pointwise_log_likelihood(model: pm.Model) -> None:
    with model:
        prior = pm.sample_prior_predictive(5, random_seed=1)
        idata = pm.sample(
            tune=50, draws=20, chains=2, cores=1, random_seed=2, progressbar=False,
            compute_convergence_checks=False,
        )  # fmt: skip
        pm.compute_log_likelihood(idata, progressbar=False)
        posterior = pm.sample_posterior_predictive(idata, random_seed=3, progressbar=False)
    assert prior["prior_predictive"]["trials"].shape == (1, 5, 60, 2)
    assert posterior["posterior_predictive"]["trials"].shape == (2, 20, 60, 2)
    pointwise = idata["log_likelihood"]["trials"]
    assert pointwise.shape == (2, 20, 60)
    assert np.isfinite(pointwise).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 40 draws are few
        assert np.isfinite(az.loo(idata).elpd)


def posterior_summary(model: pm.Model, sampler: str, **options: object) -> np.ndarray:
    """Return means and standard deviations of v, a and t, (2, 3)."""
    with model, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's samplers warn of their own affairs
        idata = pm.sample(
            nuts_sampler=sampler, tune=300, draws=300, chains=2, random_seed=5, progressbar=False,
            **options,
        )  # fmt: skip
    columns = [idata["posterior"][name].to_numpy().ravel() for name in ("v", "a", "t")]
    return np.array([np.mean(columns, axis=1), np.std(columns, axis=1)])


@pytest.fixture(scope="module")
def reference(model: pm.Model) -> np.ndarray:
    return posterior_summary(model, "pymc", cores=1)


@pytest.mark.parametrize(
    "sampler", ["numpyro", pytest.param("blackjax", marks=pytest.mark.slow), "nutpie"]
)
def test_every_sampler_finds_the_same_posterior(
    model: pm.Model, reference: np.ndarray, sampler: str
) -> None:
    vectorized = {"nuts_sampler_kwargs": {"chain_method": "vectorized"}}
    found = posterior_summary(model, sampler, **({} if sampler == "nutpie" else vectorized))
    assert (np.abs(found[0] - reference[0]) / reference[1]).max() < 0.35
    np.testing.assert_allclose(found[1], reference[1], rtol=0.3)


def test_graph_shows_the_likelihood(model: pm.Model) -> None:
    source = pm.model_to_graphviz(model).source
    assert "trials" in source
    assert "Likelihood ddm" in source


def test_model_and_variable_survive_pickling(model: pm.Model) -> None:
    copy = cloudpickle.loads(cloudpickle.dumps(model))
    point = model.initial_point()
    assert copy.compile_logp()(point) == model.compile_logp()(point)


def test_dims_gain_one_for_rt_and_choice(ddm: lk.Likelihood, trials: pd.DataFrame) -> None:
    with pm.Model(coords={"trial": range(60)}) as model:
        ddm("y", v=1.0, a=1.5, z=0.5, t=0.3, observed=trials, dims="trial")
    assert model.named_vars_to_dims["y"] == ("trial", "response")
    assert list(model.coords["response"]) == ["rt", "choice"]


def test_several_parameters_may_vary_by_trial(ddm: lk.Likelihood, trials: pd.DataFrame) -> None:
    x = np.linspace(-1.0, 1.0, 60)
    with pm.Model() as model:
        slope = pm.Normal("slope")
        ddm("y", v=slope * x, a=pt.exp(0.1 * x), z=0.5, t=0.2, observed=trials)
    theta = {"v": 0.7 * x, "a": np.exp(0.1 * x), "z": 0.5, "t": 0.2}
    expected = ddm.logp(theta, trials).sum() + pm.logp(pm.Normal.dist(), 0.7).eval()
    assert model.compile_logp()({"slope": 0.7}) == pytest.approx(expected, rel=1e-12)


def test_equal_rows_from_different_predictors_keep_their_own_gradients(ddm: lk.Likelihood) -> None:
    b = pt.dvector("b")
    first, second = np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    variable = ddm.dist(v=first * b[0] + second * b[1], a=1.0, z=0.5, t=0.2)
    values = np.array([[0.7, 1.0], [0.6, -1.0], [1.1, 1.0]])
    gradient = pytensor.function([b], pytensor.grad(pm.logp(variable, values).sum(), b))
    separate = [ddm.logp({"v": 0.8 + h, "a": 1, "z": 0.5, "t": 0.2}, values) for h in (1e-6, -1e-6)]
    slopes = (separate[0] - separate[1]) / 2e-6
    expected = [slopes[[0, 2]].sum(), slopes[1]]
    np.testing.assert_allclose(gradient(np.array([0.8, 0.8])), expected, rtol=1e-5)


def test_no_parameter_can_be_taken_for_an_argument_of_pymc() -> None:
    from likely.declaration import _RESERVED
    from likely.distribution import DEADLINE, PYMC_ARGUMENTS

    assert PYMC_ARGUMENTS | {DEADLINE} <= _RESERVED


def test_careless_calls_are_refused(ddm: lk.Likelihood, trials: pd.DataFrame) -> None:
    good = {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.3}
    with pm.Model():
        with pytest.raises(ParameterError, match="Did you mean 'v'"):
            ddm("y", **{"V": 1.0, **{k: good[k] for k in "azt"}}, observed=trials)
        with pytest.raises(ParameterError, match="no value for parameter 't'"):
            ddm("y", v=1.0, a=1.5, z=0.5, observed=trials)
        with pytest.raises(ParameterError, match=r"'v' has shape \(59,\); 60 trials"):
            ddm("y", **{**good, "v": np.ones(59)}, observed=trials)
        with pytest.raises(ParameterError, match="'a' is -1, outside its support"):
            ddm("y", **{**good, "a": -1.0}, observed=trials)
        with pytest.raises(ParameterError, match="neither numbers nor a tensor"):
            ddm("y", **{**good, "a": "wide"}, observed=trials)
        with pytest.raises(TrialsError, match="choice"):
            ddm("y", **good, observed=trials.drop(columns="choice"))
        with pytest.raises(ParameterError, match="give the dimension of trials only"):
            ddm("y", **good, observed=trials, dims=("trial", "column"))
        early = trials.assign(rt=trials["rt"].where(trials.index != 7, 0.1))
        with pytest.raises(ParameterError, match=r"t is 0.3 s, but trial 7 .* after 0.1 s"):
            ddm("y", **good, observed=early)
        withheld = early.assign(rt=early["rt"].where(early["rt"] > 0.1))
        ddm("withheld", **good, observed=withheld)
        ddm("withheld for a while", **good, observed=withheld.assign(deadline=20.0))
        silent = early.iloc[[7]].assign(rt=np.nan, deadline=0.2)
        ddm("withheld until then", **good, observed=silent)
        with pytest.warns(OutsideBoxWarning, match="'v' has values outside the box"):
            ddm("y", **{**good, "v": 40.0}, observed=trials)
