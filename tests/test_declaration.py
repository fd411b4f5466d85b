"""Parameters, boxes and the many ways of giving parameter values."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from likely.declaration import Declaration, Parameter
from likely.errors import LikelyError, ModelError, ParameterError, unknown
from likely.zoo import models

V, A, T = Parameter("v", -6, 6), Parameter("a", 0.2, 4, (0, math.inf)), Parameter("t", 0, math.inf)
ONE = Declaration("one", (V, A, T), (-1, 1), "t")
EXPECTED = np.array([[1.0, 1.5, 0.3]])


class TestParameter:
    def test_keeps_its_box(self):
        assert A.box == (0.2, 4)
        assert ONE.box == {"v": (-6, 6), "a": (0.2, 4), "t": (0, math.inf)}

    @pytest.mark.parametrize("name", ["", "two words", "2a", "a-b", "lambda", "class"])
    def test_refuses_a_name_python_cannot_use(self, name):
        with pytest.raises(ModelError, match=f"parameter name '{name}'"):
            Parameter(name, 0, 1)

    @pytest.mark.parametrize(
        ("lower", "upper"),
        [(1, 1), (2, 1), (-math.inf, 1), (math.nan, 1), (0, math.nan), (math.inf, math.inf)],
    )
    def test_refuses_an_empty_or_endless_box(self, lower, upper):
        with pytest.raises(ModelError, match=re.escape(f"'v': the box ({lower}, {upper})")):
            Parameter("v", lower, upper)

    @pytest.mark.parametrize(("lower", "upper"), [(-0.1, 0.5), (0.5, 1.1)])
    def test_refuses_a_box_that_leaves_the_support(self, lower, upper):
        with pytest.raises(ModelError, match=r"'z': the box .* leaves the support \(0, 1\)"):
            Parameter("z", lower, upper, (0, 1))


class TestDeclaration:
    def test_names_columns_and_choices(self):
        assert ONE.names == ("v", "a", "t")
        assert ONE.shaping == (0, 1)
        assert ONE.non_decision_column == 2
        assert Declaration("two", (V, A)).non_decision_column is None
        assert Declaration("two", (V, A)).shaping == (0, 1)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"parameters": ()}, "model 'm': it has no parameters"),
            ({"parameters": (V, V)}, r"parameters \['v'\] appear twice"),
            ({"parameters": (Parameter("observed", 0, 1),)}, "'observed' cannot name a parameter"),
            ({"parameters": (Parameter("s", 0, 1),)}, "'s' cannot name a parameter"),
            ({"choices": ()}, r"choices \(\) must be ascending whole numbers"),
            ({"choices": (1, 0)}, r"choices \(1, 0\) must be ascending"),
            ({"choices": (0, 0, 1)}, r"choices \(0, 0, 1\) must be ascending"),
            ({"choices": (0.5, 1)}, r"choices \(0.5, 1\) must be ascending whole"),
            ({"choices": ("go", "stop")}, r"choices \('go', 'stop'\) must be ascending whole"),
            ({"non_decision": "T"}, "unknown non-decision parameter 'T'.*Known: v"),
            ({"parameters": (T,)}, "'t': only a non-decision time may have an infinite box"),
        ],
    )
    def test_refuses_what_cannot_work(self, arguments, message):
        with pytest.raises(ModelError, match=message):
            Declaration(**{"name": "m", "parameters": (V,)} | arguments)

    def test_with_box_changes_only_the_named_box(self):
        wider = ONE.with_box(a=(0.1, 9))
        assert wider.box == {**ONE.box, "a": (0.1, 9.0)}
        assert ONE.box["a"] == (0.2, 4)

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            ({"b": (0, 1)}, "model 'one': unknown parameter 'b'"),
            ({"a": (-1, 1)}, "'a': the box .* leaves the support"),
            ({"a": (2, 1)}, "'a': the box"),
            ({"a": 3}, r"'a': 3 is not a pair \(lower, upper\)"),
            ({"a": (1, 2, 3)}, "'a': .* is not a pair"),
            ({"a": ("low", "high")}, "'a': .* is not a pair"),
        ],
    )
    def test_with_box_refuses_what_cannot_work(self, limits, message):
        with pytest.raises(LikelyError, match=message):
            ONE.with_box(**limits)


class TestRows:
    @pytest.mark.parametrize(
        "theta",
        [
            {"v": 1, "a": 1.5, "t": 0.3},
            {"t": 0.3, "a": 1.5, "v": 1},
            {"v": np.int8(1), "a": np.float32(1.5), "t": np.array(0.3)},
            {"v": [1], "a": (1.5,), "t": np.array([0.3])},
            {"v": pd.Series([1], index=[7]), "a": 1.5, "t": 0.3},
            pd.DataFrame({"t": [0.3], "v": [1], "a": [1.5]}),
            pd.Series({"t": 0.3, "v": 1.0, "a": 1.5}),
            pd.Series([1, 1.5, 0.3]),
            pd.DataFrame([[1, 1.5, 0.3]]),
            [1, 1.5, 0.3],
            (1, 1.5, 0.3),
            [[1, 1.5, 0.3]],
            np.array([1, 1.5, 0.3]),
        ],
    )
    def test_one_row_in_any_form(self, theta):
        rows = ONE.rows(theta)
        assert rows.dtype == np.float64
        np.testing.assert_allclose(rows, EXPECTED, rtol=1e-7)

    def test_scalars_and_columns_broadcast(self):
        rows = ONE.rows({"v": [1, 2, 3], "a": 1.5, "t": pd.Series([0.1, 0.2, 0.3])})
        np.testing.assert_array_equal(rows, [[1, 1.5, 0.1], [2, 1.5, 0.2], [3, 1.5, 0.3]])

    def test_integers_fortran_order_and_read_only_arrays_become_plain_rows(self):
        given = np.asfortranarray([[1, 2, 0], [3, 4, 0]])
        given.flags.writeable = False
        rows = ONE.rows(given)
        assert rows.flags.c_contiguous
        assert rows.flags.writeable
        np.testing.assert_array_equal(rows, given)

    def test_rows_are_a_copy(self):
        given = np.array([[1.0, 2.0, 0.0]])
        ONE.rows(given)[:] = 9
        assert given[0, 0] == 1

    def test_no_rows_are_no_rows(self):
        assert ONE.rows(np.empty((0, 3))).shape == (0, 3)
        assert ONE.rows({"v": [], "a": 1, "t": 0}).shape == (0, 3)

    @pytest.mark.parametrize(
        ("theta", "message"),
        [
            ({"v": 1, "a": 1}, "model 'one': no value for parameter 't'. It needs v, a, t"),
            ({"v": 1, "a": 1, "t": 0, "zz": 1}, "unknown parameter 'zz'"),
            (pd.DataFrame({"v": [1], "A": [1], "t": [0]}), "unknown parameter 'A'"),
            ({1: 2}, "unknown parameter '1'"),
            ({}, "no value for parameter 'v'"),
            ({"v": "fast", "a": 1, "t": 0}, "parameter 'v' holds 'fast', which is not a number"),
            ({"v": [1, "x"], "a": 1, "t": 0}, "parameter 'v' holds 'x'"),
            ({"v": None, "a": 1, "t": 0}, "parameter 'v' is nan in row 0; it must be finite"),
            ({"v": pd.NA, "a": 1, "t": 0}, "parameter 'v' holds <NA>"),
            ({"v": [1, math.nan], "a": 1, "t": 0}, "'v' is nan in row 1"),
            ({"v": 1, "a": math.inf, "t": 0}, "'a' is inf in row 0"),
            ({"v": [1, 2], "a": [1, 2, 3], "t": 0}, r"differ in length \(v: 2, a: 3, t: 1\)"),
            ({"v": [[1, 2]], "a": 1, "t": 0}, r"'v' has shape \(1, 2\); give a scalar or one"),
            ([1, 2], r"of shape \(2,\) do not fit; expected \(n, 3\) in the order v, a, t"),
            (np.zeros((3, 2)), r"of shape \(3, 2\) do not fit"),
            (np.zeros((3, 1)), r"of shape \(3, 1\) do not fit"),
            (np.zeros((2, 2, 3)), r"of shape \(2, 2, 3\) do not fit"),
            (np.array(1.0), r"of shape \(\) do not fit"),
            (1.0, r"of shape \(\) do not fit"),
            ([], r"of shape \(0,\) do not fit"),
            (["v", "a", "t"], "model 'one': theta holds 'v', which is not a number"),
            ([[1, 2, 3], [1, 2]], r"theta holds \[1, 2, 3\], which is not a number"),
            ("ddm", "theta holds 'ddm'"),
            (object(), "theta holds <object"),
        ],
    )
    def test_refuses_and_names_what_is_wrong(self, theta, message):
        with pytest.raises(ParameterError, match=message):
            ONE.rows(theta)


class TestBox:
    def test_outside_box_marks_each_parameter(self):
        rows = ONE.rows({"v": [0, 7, -7], "a": [0.2, 4.0, 4.1], "t": [0, 5, 99]})
        expected = [[False, False, False], [True, False, False], [True, True, False]]
        np.testing.assert_array_equal(ONE.outside_box(rows), expected)

    def test_the_first_value_outside_is_named_with_the_remedy(self):
        rows = ONE.rows({"v": [0, 7], "a": 1.5, "t": 0})
        message = r"'v' is 7 in row 1, outside the box \[-6, 6\] of model 'one'.*with_box\(v="
        with pytest.raises(ParameterError, match=message):
            ONE.require_inside_box(rows)

    def test_ddm_and_angle_cover_the_ranges_the_field_uses(self):
        wanted = {"v": (-6, 6), "a": (0.2, 4), "z": (0.05, 0.95), "theta": (-0.1, 1.4)}
        for model in (models["ddm"], models["angle"]):  # the others: test_zoo, against the peer
            assert model.declaration.non_decision == "t"
            assert model.box["t"][1] == math.inf
            for name, (lower, upper) in model.box.items():
                assert name == "t" or (lower <= wanted[name][0] and upper >= wanted[name][1])


def test_unknown_suggests_a_close_name_only():
    assert unknown("model", "angel", ["ddm", "angle"]) == (
        "unknown model 'angel'. Did you mean 'angle'? Known: ddm, angle."
    )
    assert unknown("model", "q", ["ddm"]) == "unknown model 'q'. Known: ddm."
    assert unknown("model", "q", []) == "unknown model 'q'. Known: none."


def test_of_many_names_the_nearest_are_listed() -> None:
    """So that a misspelt name of the zoo is answered in one line."""
    names = [f"race_{i}" for i in range(40)] + ["angle"]
    message = unknown("model", "angel", names)
    assert message.startswith("unknown model 'angel'. Did you mean 'angle'? Known: angle, ")
    assert message.endswith(" and 36 more.")


def test_training_sees_small_values_of_a_box_that_spans_powers_of_ten() -> None:
    """Half of the rows are uniform, half on a logarithmic scale; another box is drawn uniformly."""
    far = Declaration("far", (Parameter("v", 0.0, 2.0), Parameter("r", 0.01, 50.0)), (-1, 1))
    rows = far.training_rows(np.random.default_rng(0), 4001)
    far.require_inside_box(rows)
    assert (rows[:, 1] < 1.0).mean() == pytest.approx(
        0.5 * (0.02 + math.log(100) / math.log(5000)), abs=0.03
    )
    assert rows[:, 0].mean() == pytest.approx(1.0, abs=0.05)
    near = models["ddm"].declaration
    drawn = [draw(np.random.default_rng(0), 9) for draw in (near.training_rows, near.shaping_rows)]
    np.testing.assert_array_equal(*drawn)
