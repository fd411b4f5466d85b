"""LAN, CPN and OPN: compiled code against JAX, against finite differences, and by definition."""

import math

import flax.linen as nn
import jax
import numpy as np
import pytest

from likely.declaration import Declaration, Parameter
from likely.errors import ParameterError
from likely.kernels.native import NO_INDEX
from likely.networks.classic import ClassicDensity, Inputs, log_choices
from likely.networks.flax_modules import LinenNetwork
from likely.networks.network import ACTIVATIONS, Layers
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED

BOX = (
    Parameter("v", -3, 3),
    Parameter("a", 0.3, 2.5, (0.0, math.inf)),
    Parameter("t", 0.0, 2.0, (0.0, math.inf)),
)


def density(
    choices=(-1, 1), *, decision_time=False, non_decision="t", activation=nn.tanh, wrap=lambda n: n
):
    declaration = Declaration("any", BOX, choices, non_decision)
    inputs = Inputs(declaration, 10.0, decision_time)
    cpn = Layers((8, 8), len(choices) - 1, activation) if len(choices) > 1 else None
    lan, opn = Layers((16, 12), 1, activation), Layers((8, 8), 1, activation)
    return ClassicDensity(inputs, wrap(lan), cpn and wrap(cpn), wrap(opn))


def weights_of(form, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.normal(0, 0.7 / np.sqrt(shape[0]), shape).ravel() for shape in form.shapes.values()]
    )


def every_kind_of_trial(choices, n, seed=1):
    """Trials of every kind of observation, some impossible; parameters in and out of the box."""
    rng = np.random.default_rng(seed)
    theta = np.column_stack([rng.uniform(-5, 5, n), rng.uniform(0.1, 4, n), rng.uniform(0, 2.5, n)])
    rt = theta[:, 2] + rng.exponential(1.5, n)
    choice = rng.choice(choices, n).astype(float)
    kind = rng.integers(0, 10, n)
    rt[kind == 1], choice[kind == 2] = TIME_UNOBSERVED, CHOICE_UNOBSERVED
    choice[kind == 3] = NO_RESPONSE
    rt[kind == 4] = np.nan
    choice[kind == 5] = 7.0
    rt[kind == 6] -= 3.0
    theta[kind == 7, 1] = -1.0
    rt[kind == 8] = np.inf
    rt[(kind == 9) & (rng.random(n) < 0.5)] = 40.0
    both = rng.random(n) < 0.05
    rt[both], choice[both] = np.nan, np.nan
    late = (kind == 3) & (rng.random(n) < 0.3)
    rt[late] = 0.01
    return theta, np.column_stack([rt, choice])


FORMS = {
    "response time": {},
    "decision time": {"decision_time": True},
    "no shift": {"non_decision": None},
    "one choice": {"choices": (0,)},
    "race": {"choices": (0, 1, 2)},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_compiled_code_agrees_with_jax_for_every_kind_of_trial(form):
    d = density(**form)
    weights = weights_of(d)
    theta, trials = every_kind_of_trial(d.declaration.choices, 3000)
    values, gradients = d.evaluate(weights, theta, trials)
    with jax.enable_x64(True):
        expected, pull = jax.vjp(lambda rows: d.log_density(weights, rows, trials), theta)
        by_theta = pull(np.where(np.isfinite(expected), 1.0, 0.0))[0]
    assert not np.isnan(values).any()
    assert np.isfinite(gradients).all()
    assert 0.1 < np.isfinite(values).mean() < 1
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradients, by_theta, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda f: f.__name__)
def test_every_activation_has_the_values_and_slopes_of_flax(activation):
    d = density(activation=activation, decision_time=True)
    weights = 2.0 * weights_of(d)
    theta, trials = every_kind_of_trial((-1, 1), 400)
    values, gradients = d.evaluate(weights, theta, trials)
    with jax.enable_x64(True):
        expected, pull = jax.vjp(lambda rows: d.log_density(weights, rows, trials), theta)
        by_theta = pull(np.where(np.isfinite(expected), 1.0, 0.0))[0]
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradients, by_theta, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("decision_time", [False, True])
def test_gradients_are_those_of_finite_differences(decision_time):
    d = density(decision_time=decision_time)
    weights = weights_of(d)
    theta, trials = every_kind_of_trial((-1, 1), 500, seed=3)
    theta = np.clip(theta, [-5, 0.2, 0.1], [5, 4, 2.4])
    _, gradients = d.evaluate(weights, theta, trials)
    step = 1e-6
    for j in range(3):
        moved = [theta + sign * step * np.eye(3)[j] for sign in (1, -1)]
        up, down = (d.evaluate(weights, rows, trials)[0] for rows in moved)
        smooth = np.isfinite(up) & np.isfinite(down)
        slope = (up[smooth] - down[smooth]) / (2 * step)
        kinks = np.abs(slope - gradients[smooth, j]) > 1e-5  # only where an input stands still
        assert kinks.mean() < 0.01


@pytest.mark.parametrize("sharing", ["one row", "an index", "rows of their own"])
def test_derivatives_by_rows_that_trials_share(sharing):
    """Of which what is impossible is no part, whatever its cotangent."""
    d = density()
    weights, n = weights_of(d), 300
    theta, trials = every_kind_of_trial((-1, 1), n)
    rows = {"one row": [[1.0, 1.5, 0.3]], "an index": theta[:9]}.get(sharing, theta)
    rows, index = np.array(rows), np.arange(n) % len(rows) if sharing == "an index" else NO_INDEX
    own = rows[index] if len(index) else np.broadcast_to(rows, (n, 3))
    expected, slopes = d.evaluate_in_jax(weights, own, trials)
    possible = np.isfinite(expected)
    cotangents = np.where(possible, np.random.default_rng(2).normal(size=n), np.inf)
    summed = np.zeros_like(rows)
    places = (np.arange(n) % len(rows))[possible]
    np.add.at(summed, places, cotangents[possible, None] * slopes[possible])
    values, gradient = d.pull(weights, rows, index, trials, cotangents)
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradient, summed, rtol=1e-9, atol=1e-9)
    alone, none = d.pull(weights, rows, index, trials, None)
    np.testing.assert_array_equal(alone, values)
    assert none.shape == (0, 3)


def test_choice_probabilities_sum_to_one():
    d = density((0, 1, 2, 3))
    theta, _ = every_kind_of_trial((0, 1, 2, 3), 50)
    theta[:, 1] = np.abs(theta[:, 1])
    total = np.zeros(50)
    for c in range(4):
        trials = np.tile([TIME_UNOBSERVED, c], (50, 1))
        total += np.exp(d.evaluate(weights_of(d), theta, trials)[0])
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


@pytest.mark.parametrize("logit", [-1e4, -800.0, 0.0, 800.0, 1e4])
def test_log_probabilities_are_finite_at_any_logit(logit):
    d = density()
    weights = np.zeros(d.size)
    names = list(d.shapes)
    ends = np.cumsum([math.prod(s) for s in d.shapes.values()])
    weights[ends[names.index("cpn/dense2/bias")] - 1] = logit
    weights[ends[names.index("opn/dense2/bias")] - 1] = logit
    row = np.array([[1.0, 1.5, 0.3]])
    trials = np.array([[TIME_UNOBSERVED, -1.0], [TIME_UNOBSERVED, 1.0], [2.0, NO_RESPONSE]])
    expected = [-np.logaddexp(0, logit), -np.logaddexp(0, -logit), -np.logaddexp(0, -logit)]
    values, gradients = d.evaluate(weights, row, trials)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-300)
    assert np.isfinite(gradients).all()
    in_jax = log_choices(np.array([[logit]], dtype=np.float32))
    np.testing.assert_allclose(in_jax[0], expected[:2], rtol=1e-6)


@pytest.mark.parametrize("form", [{}, {"decision_time": True}, {"choices": (0, 1, 2)}])
def test_draws_follow_the_density(form):
    d = density(**form)
    weights, row = weights_of(d), np.array([[0.5, 1.0, 0.4]])
    rng = np.random.default_rng(5)
    n = 40_000
    trials = d.transform(weights, row, rng.random((n, 2)), np.zeros(n))
    times = np.linspace(0.4, 10.4, 4001)[1:]
    for choice in d.declaration.choices:
        untimed = np.array([[TIME_UNOBSERVED, float(choice)]])
        probability = np.exp(d.evaluate(weights, row, untimed)[0][0])
        chosen = trials[:, 1] == choice
        assert chosen.mean() == pytest.approx(probability, abs=4 * 0.5 / math.sqrt(n))
        pairs = np.column_stack([times, np.full(len(times), float(choice))])
        cumulative = np.cumsum(np.exp(d.evaluate(weights, row, pairs)[0]))
        empirical = np.searchsorted(np.sort(trials[chosen, 0]), times) / chosen.sum()
        assert np.abs(empirical - cumulative / cumulative[-1]).max() < 0.02


def test_draws_in_jax_are_those_of_compiled_code():
    d = density((0, 1, 2))
    weights = weights_of(d)
    rng = np.random.default_rng(6)
    theta = np.column_stack([rng.uniform(-3, 3, 50), rng.uniform(0.3, 2, 50), rng.random(50)])
    theta[7, 1] = -1.0
    uniforms = rng.random((50, 2))
    compiled = d.transform(weights, theta, uniforms, np.zeros(50))
    with jax.enable_x64(True):
        in_jax = d.draws(weights, theta, uniforms, uniforms[:, 0])
    np.testing.assert_allclose(compiled, in_jax, rtol=1e-9)
    assert np.isnan(compiled[7]).all()


def test_a_flax_module_gives_what_our_layers_give():
    ours, theirs = density(), density(wrap=lambda n: LinenNetwork(n.module))
    assert not theirs.compilable
    arrays = ours.unflatten(weights_of(ours))
    theta, trials = every_kind_of_trial((-1, 1), 300)
    uniforms = np.random.default_rng(2).random((300, 2))
    for form in (ours, theirs):
        assert set(form.shapes) == set(arrays)
    results = [form.evaluate(form.flatten(arrays), theta, trials) for form in (ours, theirs)]
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-9)
    finite = np.isfinite(results[0][0])
    np.testing.assert_allclose(results[0][1][finite], results[1][1][finite], rtol=1e-8, atol=1e-10)
    draws = [
        f.transform(f.flatten(arrays), theta, uniforms, uniforms[:, 0]) for f in (ours, theirs)
    ]
    np.testing.assert_allclose(*draws, rtol=1e-8)


def test_what_a_network_is_missing_for_is_said():
    d = density()
    lan_only = ClassicDensity(d.inputs, d.lan)
    assert lan_only.unanswerable(np.array([[1.0, 1.0]])) is None
    assert "CPN" in lan_only.unanswerable(np.array([[TIME_UNOBSERVED, 1.0]]))
    assert "OPN" in lan_only.unanswerable(np.array([[1.0, NO_RESPONSE]]))
    assert d.unanswerable(np.array([[TIME_UNOBSERVED, 1.0], [1.0, NO_RESPONSE]])) is None


def test_inputs_need_a_finite_box_and_a_shift_to_subtract():
    endless = Declaration("any", (Parameter("v", -1, 1), Parameter("t", 0, math.inf)), (0,), "t")
    with pytest.raises(ParameterError, match="'t' has an infinite box"):
        Inputs(endless, 10.0)
    with pytest.raises(ParameterError, match="no non-decision time"):
        Inputs(Declaration("any", BOX, (0, 1)), 10.0, decision_time=True)
