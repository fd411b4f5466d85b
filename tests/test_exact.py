"""lk.exact: shapes, rows, trials that were not observed whole, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad

import likely as lk
from likely.densities.linear import LinearTwin
from likely.errors import LikelyError, ModelError, ParameterError

THETA = {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.3, "theta": 0.4}
TRIALS = pd.DataFrame({"rt": [0.8, 1.2, 2.0], "choice": [1, -1, 1]})


def angle(rt: float, choice: int, theta: dict[str, float] = THETA) -> float:
    """Return the density of one trial, from the twin itself."""
    twin = lk.models["angle"].twin
    passage = twin.solve(np.array(list(theta.values())))
    logs = passage.log_density(np.array([rt - theta["t"]]))
    return float(np.exp(logs[0, (choice + 1) // 2]))


def test_a_trial_is_the_density_after_the_non_decision_time():
    values = lk.exact("angle", THETA, TRIALS)
    assert values.shape == (3,)
    expected = [angle(rt, choice) for rt, choice in TRIALS.itertuples(index=False)]
    assert_allclose(np.exp(values), expected)


def test_numbers_are_read_as_a_frame_is():
    assert_allclose(
        lk.exact("angle", THETA, TRIALS.to_numpy(dtype=float)), lk.exact("angle", THETA, TRIALS)
    )


def test_rows_go_with_their_trials():
    drifts = np.array([1.0, -2.0, 1.0])
    values = lk.exact("angle", THETA | {"v": drifts}, TRIALS)
    for value, v, (rt, choice) in zip(values, drifts, TRIALS.itertuples(index=False), strict=True):
        assert_allclose(np.exp(value), angle(rt, choice, THETA | {"v": v}))


def test_threads_change_nothing():
    theta = THETA | {"v": np.array([1.0, -2.0, 1.0])}
    one, two = (lk.exact("angle", theta, TRIALS, threads=n) for n in (1, 2))
    assert (one == two).all()


def test_before_the_non_decision_time_there_is_nothing():
    assert lk.exact("angle", THETA, np.array([[0.2, 1.0], [0.3, -1.0]])).tolist() == [-np.inf] * 2


def test_a_time_that_was_not_observed_is_a_choice_probability():
    trials = pd.DataFrame({"rt": [np.nan, np.nan], "choice": [1, -1]})
    values = np.exp(lk.exact("angle", THETA, trials))
    upper = quad(lambda rt: angle(rt, 1), 0.3, 0.3 + 1.5 / math.tan(0.4), limit=200)[0]
    assert_allclose(values, [upper, 1.0 - upper], atol=1e-6)


def test_an_omission_is_survival_beyond_the_deadline():
    trials = pd.DataFrame({"rt": [np.nan], "choice": [np.nan], "deadline": [1.0]})
    value = math.exp(lk.exact("angle", THETA, trials)[0])
    before = quad(lambda rt: angle(rt, 1) + angle(rt, -1), 0.3, 1.0, limit=200)[0]
    assert_allclose(value, 1.0 - before, atol=1e-6)


def test_the_tolerance_is_passed_on():
    model = lk.Diffusion(
        "leaky",
        parameters={"v": (-3, 3), "a": (0.3, 2.5), "t": (0, 2), "g": (-1, 1)},
        drift=lambda x, v, g: v - g * x,
        boundary=lambda a: a,
    )
    theta = {"v": 1.0, "a": 1.5, "t": 0.3, "g": 0.7}
    loose, tight = (lk.exact(model, theta, TRIALS, tolerance=t) for t in (1e-2, 1e-5))
    assert_allclose(loose, tight, atol=1e-2)
    with pytest.raises(LikelyError, match="tolerance"):
        lk.exact(model, theta, TRIALS, tolerance=0.0)


class TestRefusals:
    @pytest.mark.parametrize(
        ("theta", "said"),
        [
            (THETA | {"w": 1.0}, "w"),
            ({"v": 1.0}, "a"),
            (THETA | {"v": np.nan}, "v"),
            (THETA | {"z": 1.2}, "z"),
            (THETA | {"a": -1.0}, "a"),
            (THETA | {"v": np.zeros(2)}, "2"),
        ],
    )
    def test_parameters(self, theta, said):
        with pytest.raises(ParameterError, match=said):
            lk.exact("angle", theta, TRIALS)

    def test_a_model_without_a_twin(self):
        model = lk.Simulator(
            "coin", parameters={"p": (0.1, 0.9)}, choices=(0, 1),
            simulate=lambda rng, p: (rng.random() + 0.1, 1 if rng.random() < p else 0),
        )  # fmt: skip
        with pytest.raises(ModelError, match="no exact density"):
            lk.exact(model, {"p": 0.5}, np.array([[1.0, 1.0]]))

    def test_a_name_that_is_none(self):
        with pytest.raises(ModelError, match="angel"):
            lk.exact("angel", THETA, TRIALS)


def test_a_simulator_may_bring_its_twin():
    twin = LinearTwin(
        drift=lambda row: row[0], boundary=lambda row: 1.0, slope=lambda row: 0.0,
        start=lambda row: 0.0,
    )  # fmt: skip
    model = lk.Simulator(
        "walk", parameters={"v": (-1, 1)}, choices=(-1, 1), twin=twin,
        simulate=lambda rng, v: (rng.random() + v + 2.0, 1),
    )  # fmt: skip
    expected = lk.exact("ddm", {"v": 0.5, "a": 1.0, "z": 0.5, "t": 0.0}, TRIALS)
    assert_allclose(lk.exact(model, {"v": 0.5}, TRIALS), expected, rtol=1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.floats(-6.0, 6.0), st.floats(0.2, 4.0), st.floats(0.05, 0.95), st.floats(0.0, 2.0),
    st.floats(-0.1, 1.4), st.floats(1e-6, 100.0),
)  # fmt: skip
def test_over_the_angle_box_nothing_is_nan_and_choices_are_mirror_images(v, a, z, t, theta, rt):
    trials = np.array([[rt, 1.0], [rt, -1.0], [np.nan, 1.0], [np.nan, -1.0]])
    one = lk.exact("angle", {"v": v, "a": a, "z": z, "t": t, "theta": theta}, trials)
    other = lk.exact("angle", {"v": -v, "a": a, "z": 1.0 - z, "t": t, "theta": theta}, trials)
    assert not np.isnan(one).any()
    assert_allclose(one, other[[1, 0, 3, 2]], rtol=1e-6, atol=1e-7)
    assert np.exp(one[2]) + np.exp(one[3]) <= 1.0 + 1e-6


def test_rows_that_differ_in_the_delay_alone_are_solved_once(monkeypatch):
    solve, solved = LinearTwin.solve, []
    monkeypatch.setattr(LinearTwin, "solve", lambda *args: solved.append(1) or solve(*args))
    delays = np.array([0.1, 0.2, 0.3])
    values = lk.exact("angle", THETA | {"t": delays}, TRIALS)
    assert len(solved) == 1
    for value, t, (rt, choice) in zip(values, delays, TRIALS.itertuples(index=False), strict=True):
        assert_allclose(np.exp(value), angle(rt, choice, THETA | {"t": t}))
