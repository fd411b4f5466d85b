"""Specifications: links, priors and starting points, and arguments that are refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from scipy import stats

from likely.declaration import Declaration, Parameter
from likely.errors import LikelyError, ParameterError, TrialsError
from likely.regression.links import Identity, Link, Log, Logit, link_for
from likely.regression.specification import Specification, specify
from likely.zoo import models

DDM, ANGLE = models["ddm"].declaration, models["angle"].declaration
DATA = pd.DataFrame(
    {
        "rt": [0.4, 0.6, 0.8, np.nan],
        "choice": [1, -1, 1, -1],
        "coherence": [0.0, 0.1, 0.5, 0.5],
        "condition": ["a", "b", "a", "b"],
    }
)


def specified(declaration: Declaration = DDM, **arguments: Any) -> Specification:
    given: dict[str, Any] = {"formula": {}, "fixed": {}, "priors": {}, **arguments}
    return specify(declaration, DATA, **given)


def start(specification: Specification) -> dict[str, np.ndarray]:
    return {p.parameter: p.start() for p in specification.predictors}


@pytest.mark.parametrize(
    ("link", "values"),
    [
        (Identity(), [-3.0, 0.0, 7.0]),
        (Log(), [0.01, 1.0, 30.0]),
        (Log(2.0), [2.01, 3.0, 30.0]),
        (Log(2.0, -1.0), [-30.0, 0.0, 1.9]),
        (Logit(), [0.01, 0.5, 0.99]),
        (Logit(-1.5, 1.5), [-1.4, 0.0, 1.4]),
    ],
    ids=str,
)
def test_links_invert_and_agree_with_their_tensors(link: Link, values: list[float]) -> None:
    predictors = np.array([link.forward(value) for value in values])
    np.testing.assert_allclose(link.inverse(predictors), values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        link.inverse_tensor(pt.as_tensor(predictors)).eval(), values, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("support", "link"),
    [
        ((-math.inf, math.inf), Identity()),
        ((0.0, math.inf), Log(0.0)),
        ((-math.inf, 2.0), Log(2.0, -1.0)),
        ((0.0, 1.0), Logit(0.0, 1.0)),
    ],
)
def test_links_follow_the_support(support: tuple[float, float], link: Link) -> None:
    assert link_for(Parameter("p", 0.2, 0.8, support)) == link


def test_every_parameter_starts_somewhere_sensible() -> None:
    expected = {"v": 0.0, "a": math.sqrt(0.8), "z": 0.5, "t": 0.2}
    for name, values in start(specified()).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-12)
    for p in specified(ANGLE).predictors:
        low, high = ANGLE.box[p.parameter]
        assert (low < p.start()).all()
        assert (p.start() < high).all()


@pytest.mark.parametrize("declaration", [DDM, ANGLE], ids=lambda d: d.name)
def test_priors_of_intercepts_hold_most_of_their_mass_in_the_box(declaration: Declaration) -> None:
    for p in specified(declaration).predictors:
        low, high = declaration.box[p.parameter]
        prior = stats.norm(p.priors[0].mean, p.priors[0].sd)
        ends = [prior.ppf(0.05), prior.ppf(0.95)]
        values = p.values({p.priors[0].coefficient: np.array(ends)})[:, 0]
        assert low <= values[0] < values[1] <= high


def test_two_standard_deviations_of_a_slope_reach_the_ends_of_the_box() -> None:
    (v,) = [p for p in specified(formula={"v": "0 + coherence"}).predictors if p.parameter == "v"]
    assert v.priors[0].coefficient == "v_coherence"
    assert 2 * v.priors[0].sd * DATA["coherence"].max() == pytest.approx(6.0)


def test_indicators_without_intercept_start_where_an_intercept_would() -> None:
    a = start(specified(formula={"a": "0 + condition"}))["a"]
    np.testing.assert_allclose(a, math.sqrt(0.8))


def test_priors_can_be_replaced_and_are_listed() -> None:
    table = specified(formula={"v": "coherence"}, priors={"v_coherence": (10, 5)}).priors
    row = table.set_index("coefficient").loc["v_coherence"]
    assert row[["parameter", "link", "mean", "sd"]].tolist() == ["v", "identity", 10, 5]
    assert table["coefficient"].tolist()[:2] == ["v_Intercept", "v_coherence"]
    assert set(table["distribution"]) == {"Normal"}


def test_non_decision_time_stays_below_the_fastest_response() -> None:
    (t,) = [p for p in specified().predictors if p.parameter == "t"]
    assert t.link == Logit(0.0, 0.4)
    (t,) = [p for p in specified(lapse=0.02).predictors if p.parameter == "t"]
    assert t.link == Logit(0.0, 0.6)
    (t,) = [p for p in specified(formula={"t": "condition"}).predictors if p.parameter == "t"]
    assert t.link == Log(0.0)
    np.testing.assert_allclose(t.start(), 0.2)


def test_slashes_stay_out_of_names() -> None:
    names = specified(formula={"v": "0 + I(coherence / 2)"}).priors["coefficient"]
    assert "v_I(coherence | 2)" in names.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"formula": {"w": "1"}}, ParameterError, "model 'ddm': unknown parameter 'w'"),
        ({"fixed": {"zz": 0.5}}, ParameterError, "Did you mean 'z'?"),
        ({"formula": {"z": "1"}, "fixed": {"z": 0.5}}, ParameterError, "both a formula and"),
        ({"fixed": {"v": 0, "a": 1, "z": 0.5, "t": 0.1}}, ParameterError, "nothing to estimate"),
        ({"fixed": {"z": 1.5}}, ParameterError, "'z' is fixed at 1.5, outside the box"),
        ({"fixed": {"v": math.nan}}, ParameterError, "'v' is fixed at nan"),
        ({"fixed": {"t": 0.5}}, ParameterError, "fixed at 0.5 s, but responses begin at 0.4 s"),
        ({"priors": {"v": (0, 1)}}, ParameterError, "unknown coefficient 'v'. Known: v_Intercept"),
        ({"priors": {"v_Intercept": (0, 0)}}, ParameterError, "sd 0 must be finite.*positive"),
        ({"formula": {"t": "0 + coherence"}}, ParameterError, "centred on 1 s, after.*row 0"),
        ({"formula": {"v": "cohrence"}}, TrialsError, "Did you mean 'coherence'?"),
        ({"lapse": 1.5}, ParameterError, "lapse probability is 1.5"),
        ({"lapse": math.nan}, ParameterError, "lapse probability is nan"),
    ],
)
def test_impossible_arguments_are_refused(
    arguments: dict[str, Any], error: type[LikelyError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        specified(**arguments)
    assert "\n" not in str(caught.value)
