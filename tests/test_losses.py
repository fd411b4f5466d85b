"""Losses: their formulas, in double precision, and extreme outputs."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from likely.losses import cross_entropy, huber, squared_error

ERRORS = np.array([-1e6, -3.0, -1.0, -0.999, -0.1, 0.0, 1e-3, 0.5, 1.0, 1.001, 40.0])
EXTREME = [-1e30, -1e4, -100.0, -30.0, 0.0, 30.0, 100.0, 1e4, 1e30]

Formula = Callable[[np.ndarray], np.ndarray]


def single(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (huber, lambda e: np.where(np.abs(e) <= 1, 0.5 * e**2, np.abs(e) - 0.5)),
        (squared_error, np.square),
    ],
)
def test_losses_of_errors_are_their_formulas(loss: Callable, formula: Formula) -> None:
    targets = np.linspace(-4, 4, len(ERRORS))
    outputs, targets = single(targets + ERRORS)[:, None], single(targets)[:, None]
    expected = formula(outputs.astype(float) - targets)[:, 0]
    np.testing.assert_allclose(loss(outputs, targets), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", [huber, squared_error])
def test_several_outputs_are_averaged(loss: Callable) -> None:
    outputs, targets = single([[1.0, 5.0], [2.0, 2.0]]), single([[1.5, 1.0], [2.0, 3.0]])
    columns = [loss(outputs[:, [k]], targets[:, [k]]) for k in (0, 1)]
    np.testing.assert_allclose(loss(outputs, targets), np.mean(columns, axis=0), rtol=1e-6)


@pytest.mark.parametrize("choices", [2, 3, 5])
def test_cross_entropy_is_its_formula(choices: int, rng: np.random.Generator) -> None:
    logits = single(rng.normal(0, 3, (50, choices - 1)))
    p = single(rng.dirichlet(np.ones(choices), 50))
    whole = np.column_stack([np.zeros(50), logits.astype(float)])
    expected = -(p * (whole - logsumexp(whole, axis=1, keepdims=True))).sum(axis=1)
    np.testing.assert_allclose(cross_entropy(logits, p), expected, rtol=2e-6)
    slopes = jax.grad(lambda z: cross_entropy(z, p).sum())(logits)
    np.testing.assert_allclose(slopes, (softmax(whole, axis=1) - p)[:, 1:], atol=2e-6)


@pytest.mark.parametrize("logit", EXTREME)
@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_cross_entropy_of_extreme_logits(logit: float, p: float) -> None:
    targets = single([[1 - p, p]])
    expected = max(logit, 0.0) - logit * p + np.log1p(np.exp(-abs(logit)))
    value, slope = jax.value_and_grad(lambda z: cross_entropy(z, targets)[0])(single([[logit]]))
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert slope[0, 0] == pytest.approx(softmax([0.0, logit])[1] - p, abs=1e-6)


@pytest.mark.parametrize("error", [-1e18, 1e18])
def test_huber_of_an_enormous_error_has_a_slope_of_one(error: float) -> None:
    zero = single([[0.0]])
    value, slope = jax.value_and_grad(lambda z: huber(z, zero)[0])(single([[error]]))
    assert value == pytest.approx(1e18, rel=1e-6)
    assert slope[0, 0] == np.sign(error)
