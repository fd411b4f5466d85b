"""Which trials share their parameters, told from expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable

import likely as lk
from likely.shared_rows import shared_rows

GROUP = np.array([0, 1, 2, 0, 1])
COVARIATE = np.array([1.0, 2.0, 3.0, 1.0, 2.5])
DESIGN = np.stack([np.ones(5), COVARIATE], axis=1)
Expression = Callable[[TensorVariable, TensorVariable, TensorVariable], TensorVariable]


@pytest.fixture
def variables() -> tuple[TensorVariable, ...]:
    """Return random values: three of one kind, a single one, two of another."""
    return pm.Normal.dist(shape=3), pm.Normal.dist(), pm.Normal.dist(shape=2)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        (lambda group, single, slopes: group[GROUP], 3),
        (lambda group, single, slopes: pt.exp(group[GROUP]) + single * COVARIATE, 4),
        (lambda group, single, slopes: pt.as_tensor(DESIGN) @ slopes, 4),
        (lambda group, single, slopes: pt.dot(DESIGN, slopes), 4),
        (lambda group, single, slopes: (DESIGN * slopes).sum(axis=-1), 4),
        (lambda group, single, slopes: pt.switch(pt.eq(GROUP, 0), single, 1.0), 3),
        (lambda group, single, slopes: pt.outer(slopes, group)[(GROUP > 0).astype(int), GROUP], 3),
        (lambda group, single, slopes: pt.outer(group, slopes)[GROUP][:, 1], 3),
        (lambda group, single, slopes: pt.full(5, single), 1),
        (lambda group, single, slopes: pt.stack([single, single, 0.0, single, 0.0]), 3),
        (lambda group, single, slopes: pt.stack([group[i] for i in GROUP]), 5),
        (lambda group, single, slopes: single, 1),
        (lambda group, single, slopes: pt.as_tensor(COVARIATE), 4),
        (lambda group, single, slopes: pytensor.compile.ops.view_op(group[GROUP]), 3),
    ],
)
def test_rows_give_what_trials_had(
    variables: tuple[TensorVariable, ...], expression: Expression, rows: int
) -> None:
    group, single, slopes = variables
    parameter = pt.as_tensor(expression(group, single, slopes))
    found = shared_rows([parameter, single], 5)
    assert found is not None
    assert found.which.max() + 1 == rows
    values = pt.broadcast_to(found.parameters[0], (rows,))[found.which]
    one, other = pm.draw([pt.broadcast_to(parameter, (5,)), values], random_seed=1)
    np.testing.assert_array_equal(one, other)


def test_trials_share_what_all_parameters_share(variables: tuple[TensorVariable, ...]) -> None:
    group, single, _ = variables
    found = shared_rows([group[GROUP], single * np.array([1.0, 1.0, 1.0, 2.0, 1.0])], 5)
    assert found is not None
    assert len(set(found.which)) == 4
    assert found.which[1] == found.which[4] != found.which[0]


@pytest.mark.parametrize(
    "expression",
    [
        lambda group, single, slopes: pm.Normal.dist(shape=5),
        lambda group, single, slopes: group[pt.lvector()],
        lambda group, single, slopes: pt.outer(slopes, group)[:, GROUP][0],
        lambda group, single, slopes: pt.cumsum(single * COVARIATE),
        lambda group, single, slopes: group[GROUP][::-1],
        lambda group, single, slopes: pt.full((5, 3), single).sum(axis=1),
        lambda group, single, slopes: (pt.broadcast_to(COVARIATE, (5, 5)) * 2.0).sum(axis=1),
        lambda group, single, slopes: pt.full(pt.lscalar(), single),
        lambda group, single, slopes: group[np.ones(3, dtype=bool)],
        lambda group, single, slopes: (group[GROUP] * COVARIATE)[np.ones(5, dtype=bool)],
        lambda group, single, slopes: pt.as_tensor(COVARIATE[:3]),
    ],
)
def test_nothing_is_told_of_other_expressions(
    variables: tuple[TensorVariable, ...], expression: Expression
) -> None:
    assert shared_rows([expression(*variables), variables[1]], 5) is None


def test_expressions_that_are_used_again_are_rebuilt_once(
    variables: tuple[TensorVariable, ...],
) -> None:
    x = variables[1] * COVARIATE
    for _ in range(60):
        x = x / (1.0 + x)
    found = shared_rows([x], 5)
    assert found is not None
    assert found.which.max() == 3


def test_gradients_that_are_cut_off_stay_so(variables: tuple[TensorVariable, ...]) -> None:
    group = pt.dvector(shape=(3,))
    found = shared_rows([disconnected_grad(group[GROUP]), group[GROUP]], 5)
    assert found is not None
    cut = pytensor.grad(found.parameters[0].sum() + group.sum(), group)
    np.testing.assert_array_equal(cut.eval({group: np.ones(3)}), 1.0)


def test_a_single_trial(variables: tuple[TensorVariable, ...]) -> None:
    found = shared_rows([variables[0][np.array([2])], variables[1]], 1)
    assert found is not None
    np.testing.assert_array_equal(found.which, [0])


def test_data_that_may_be_replaced_tell_it_when_evaluated(
    variables: tuple[TensorVariable, ...],
) -> None:
    group, single, _ = variables
    index, covariate = pytensor.shared(GROUP), pytensor.shared(COVARIATE)
    parameter = pt.exp(group[index]) + single * covariate
    found = shared_rows([parameter, group[GROUP]], 5)
    assert found is not None
    values = found.parameters[0][found.which]
    for replaced, rows in ((GROUP, 4), (np.zeros(5, dtype=int), 4), (np.array([0, 1, 2, 1, 1]), 5)):
        index.set_value(replaced)
        one, other, number = pm.draw([parameter, values, found.number], random_seed=1)
        np.testing.assert_array_equal(one, other)
        assert number == rows


def test_models_with_data_that_may_be_replaced() -> None:
    """On every backend, and after they were."""
    ddm, rng = lk.load("ddm"), np.random.default_rng(3)
    first, second = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    trials = ddm.sample({"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 40, seed=1)

    def model(index: Any) -> pm.Model:
        with pm.Model() as made:
            given = pm.Data("index", index) if index is first else index
            v = pm.Normal("v", 0.0, 1.0, shape=3)
            ddm("y", v=v[given], a=pm.Normal("a", 1.2, 0.1), z=0.5, t=0.2, observed=trials)
        return made

    replaced, fixed = model(first), model(second)
    point = np.array([0.5, 1.0, -1.0, 1.3])
    expected = _value_and_gradient(fixed, None)(point)
    for mode in (None, "JAX"):
        function = _value_and_gradient(replaced, mode)
        with replaced:
            pm.set_data({"index": first})
            before = function(point)[0]
            pm.set_data({"index": second})
        found = function(point)
        assert before != pytest.approx(expected[0])
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-10)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-8)


@pytest.mark.parametrize("length", [20, 80])
def test_data_of_other_length_than_the_trials_are_refused(length: int) -> None:
    ddm = lk.load("ddm")
    trials = ddm.sample({"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 40, seed=1)
    with pm.Model() as model:
        x = pm.Data("x", np.linspace(-1.0, 1.0, 40))
        ddm("y", v=0.5 + pm.Normal("b", 0.0, 1.0) * x, a=1.2, z=0.5, t=0.2, observed=trials)
    logp = model.compile_logp()
    assert np.isfinite(logp({"b": 0.3}))
    with model:
        pm.set_data({"x": np.linspace(-1.0, 1.0, length)})
    with pytest.raises(AssertionError, match=f"has shape {length}, expected 40"):
        logp({"b": 0.3})


def test_densities_without_compiled_code_take_such_data(monkeypatch: pytest.MonkeyPatch) -> None:
    ddm = lk.load("ddm")
    trials = ddm.sample({"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 5, seed=1)
    expected = ddm.logp(
        {"v": np.array([0.5, 1.0, -1.0])[GROUP], "a": 1.2, "z": 0.5, "t": 0.2}, trials
    )
    monkeypatch.setattr(type(ddm.density), "compilable", False)
    v, index = pt.dvector(shape=(3,)), pytensor.shared(GROUP, shape=(5,))
    density = pm.logp(ddm.dist(v=v[index], a=1.2, z=0.5, t=0.2), trials.to_numpy())
    found = density.sum().eval({v: np.array([0.5, 1.0, -1.0])}, mode="JAX")
    np.testing.assert_allclose(found, expected.sum(), rtol=1e-9)


def _value_and_gradient(model: pm.Model, mode: str | None) -> Any:
    function = model.logp_dlogp_function(ravel_inputs=True, mode=mode)
    function.set_extra_values({})
    return function
