"""The log density that samplers see falls outside the box, and is the network's inside."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

import likely as lk
from likely.errors import OutsideBoxWarning
from likely.restraint import MARGIN

TRIALS = lk.simulate("angle", {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3, "theta": 0.2}, 60, seed=1)
INSIDE = {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.1, "theta": 0.2}


def log_densities(likelihood: lk.Likelihood, **parameters: object) -> np.ndarray:
    """Return what PyMC sees of each trial, choices as the likelihood codes them."""
    rt_and_choice = TRIALS[["rt", "choice"]].to_numpy()
    rt_and_choice[:, 1] = np.maximum(rt_and_choice[:, 1], likelihood.declaration.choices[0])
    return np.asarray(pm.logp(likelihood.dist(**parameters), rt_and_choice).eval())


@pytest.fixture(scope="module")
def angle() -> lk.Likelihood:
    """Return a likelihood of a network."""
    return lk.load("angle")


def test_inside_the_box_and_close_to_it_nothing_is_added(angle: lk.Likelihood) -> None:
    """Up to the margin, which is one of half the box."""
    lower, upper = angle.declaration.box["a"]
    near = upper + 0.99 * MARGIN * 0.5 * (upper - lower)
    for a in (1.2, upper):
        found = log_densities(angle, **{**INSIDE, "a": a})
        np.testing.assert_allclose(found, angle.logp({**INSIDE, "a": a}, TRIALS), rtol=1e-9)
    with pytest.warns(OutsideBoxWarning):
        found = log_densities(angle, **{**INSIDE, "a": near})
    np.testing.assert_allclose(found, angle.logp({**INSIDE, "a": near}, TRIALS), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "values"),
    [("a", [4.5, 6.0, 20.0, 400.0]), ("a", [0.15, 0.05, 0.005]), ("theta", [1.5, 1.53, 1.55]),
     ("v", [-7.0, -9.0, -90.0])],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::likely.errors.OutsideBoxWarning")
def test_it_falls_with_the_distance(angle: lk.Likelihood, name: str, values: list[float]) -> None:
    """Trials lose more and more, however far away."""
    lost = []
    for value in values:
        parameters = {**INSIDE, name: value}
        lost.append(angle.logp(parameters, TRIALS) - log_densities(angle, **parameters))
    lost_by_value = np.array(lost)
    np.testing.assert_allclose(
        lost_by_value,
        lost_by_value[:, :1] * np.ones(len(TRIALS)),
        rtol=1e-5,  # of log densities of -1e9
    )
    assert (np.diff(lost_by_value[:, 0], prepend=0.0) > 0.0).all()
    assert np.isfinite(lost_by_value).all()


@pytest.mark.filterwarnings("ignore::likely.errors.OutsideBoxWarning")
def test_each_trial_loses_by_its_own_parameters(angle: lk.Likelihood) -> None:
    """With rows shared by an index, and with a row for each."""
    which = np.arange(len(TRIALS)) % 2
    spread = np.linspace(3.9, 6.0, len(TRIALS))
    with pm.Model() as model:
        two = pm.Normal("two", 0.0, 1.0, shape=2)
        angle.potential("trials", observed=TRIALS, **{**INSIDE, "a": pm.math.exp(two)[which]})
    value = model.compile_logp(vars=model.potentials, sum=False)
    found = value({"two": np.log([1.2, 6.0])})[0]
    at_six = log_densities(angle, **{**INSIDE, "a": 6.0})[which == 1].sum()
    at_home = angle.logp(INSIDE, TRIALS)[which == 0].sum()
    assert float(found) == pytest.approx(at_six + at_home, rel=1e-9)
    own = log_densities(angle, **{**INSIDE, "a": spread})
    alone = [log_densities(angle, **{**INSIDE, "a": a})[i] for i, a in enumerate(spread[:3])]
    np.testing.assert_allclose(own[:3], alone, rtol=1e-9)


def test_closed_forms_hold_everywhere() -> None:
    """Nothing was learned, so that there is no end of what was seen."""
    likelihood = lk.load("lognormal_race_2")
    start = {
        name: 0.5 * sum(box) for name, box in likelihood.declaration.box.items() if name != "t"
    }
    zero_or_one = TRIALS.replace({"choice": {-1: 0}})
    far = {**start, "t": 0.1, likelihood.declaration.names[0]: 30.0}
    with pytest.warns(OutsideBoxWarning):
        found = log_densities(likelihood, **far)
    np.testing.assert_allclose(found, likelihood.logp(far, zero_or_one), rtol=1e-6)
