"""Laws of every shipped likelihood: exact mass and support, agreement of its own parts, files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

import likely as lk
from likely.densities import wiener
from likely.errors import FileFormatError, ParameterError, TrialsError
from likely.networks.assembled import AssembledDensity
from likely.networks.race import RaceDensity
from likely.networks.rewired import RewiredDensity
from likely.shipped import SHIPPED

NAMES = sorted(p.stem for p in SHIPPED.glob("*.likely"))
# The first of those that share weights, as races of 2, 3 and 4 do; test_assembled has special cases
# and what runs in JAX, test_parts_kernel what is made of parts, and test_closed_race_kernel what
# has no weights.
OWN = [n for n in NAMES if not isinstance(lk.load(n).density, RewiredDensity)]
LEARNED = [
    n
    for n in OWN
    if lk.load(n).density.size and not isinstance(lk.load(n).density, AssembledDensity)
]
COMPILED = sorted(
    {
        lk.load(n).weights.tobytes(): n for n in reversed(LEARNED) if lk.load(n).density.compilable
    }.values()
)
# Simulators take seconds each to compile: one of each kind of model is tried by default.
KINDS = {"ddm", "angle", "levy", "ornstein", "shrink_spot", "ddm_seq2", "lca_3"}
TIMES = np.exp(np.linspace(np.log(1e-7), np.log(1e5), 12_000))


@pytest.fixture(scope="module", params=COMPILED)
def likelihood(request: pytest.FixtureRequest) -> lk.Likelihood:
    return lk.load(request.param)


def corners_and_inside(likelihood: lk.Likelihood, n: int) -> np.ndarray:
    """Return rows at random points and at random corners of the box, t up to 1 s."""
    rng = np.random.default_rng(8)
    limits = np.array([(low, min(high, 1.0) if n_ == "t" else high)
                       for n_, (low, high) in likelihood.box.items()])  # fmt: skip
    inside = rng.random((n, len(limits)))
    corners = rng.integers(0, 2, (n, len(limits)))
    return limits[:, 0] + np.ptp(limits, axis=1) * np.vstack([inside, corners])


def trials_at(times: np.ndarray, choice: float) -> np.ndarray:
    return np.column_stack([times, np.full(len(times), choice)])


def test_ddm_and_angle_are_shipped() -> None:
    assert {"ddm", "angle"} <= set(NAMES)


@pytest.mark.parametrize("name", ["ddm", "angle"])
def test_box_is_at_least_as_wide_as_promised(name: str) -> None:
    promised = {"v": (-6, 6), "a": (0.2, 4), "z": (0.05, 0.95), "theta": (-0.1, 1.4)}
    for parameter, (lower, upper) in lk.load(name).box.items():
        if parameter == "t":
            assert upper == np.inf
        else:
            assert lower <= promised[parameter][0]
            assert upper >= promised[parameter][1]


def test_boxes_are_those_of_the_models(likelihood: lk.Likelihood) -> None:
    """So that a file is trained again when its model is declared anew."""
    assert likelihood.declaration == lk.models[likelihood.declaration.name].declaration


def test_mass_is_one_and_shared_as_choice_probabilities_say(likelihood: lk.Likelihood) -> None:
    for row in corners_and_inside(likelihood, 10):
        shift = likelihood.declaration.names.index("t")
        masses = []
        for choice in likelihood.declaration.choices:
            density = np.exp(likelihood.logp(row, trials_at(TIMES + row[shift], choice)))
            masses.append(np.trapezoid(density, TIMES))
        # At a corner where the model never decides, a mixture's mass lies beyond all these times.
        left = float(np.exp(likelihood.log_survival(row, TIMES[-1:] + row[shift]))[0])
        beyond = likelihood.choice_probability(row)[0] - masses
        assert (np.abs(beyond) <= 2e-4 + left).all()
        assert beyond.sum() == pytest.approx(left, abs=4e-4)
        # Those of races come by quadrature; at corners where boundaries close it is off by 7e-7.
        quadrature = 1e-6 if isinstance(likelihood.density, RaceDensity) else 0.0
        assert abs(likelihood.choice_probability(row).sum() - 1.0) <= 1e-8 + quadrature


def test_density_is_zero_until_the_non_decision_time(likelihood: lk.Likelihood) -> None:
    row = corners_and_inside(likelihood, 1)[0]
    t = row[likelihood.declaration.names.index("t")]
    for choice in likelihood.declaration.choices:
        before = likelihood.logp(row, trials_at(np.array([-1.0, 0.0, 0.5 * t, t]), choice))
        assert (before == -np.inf).all()
        assert likelihood.logp(row, trials_at(np.array([t + 0.05]), choice)) > -np.inf


def test_survival_falls_from_one_as_the_density_says(likelihood: lk.Likelihood) -> None:
    for row in corners_and_inside(likelihood, 3):
        t = row[likelihood.declaration.names.index("t")]
        survival = np.exp(likelihood.log_survival(row, TIMES + t))
        density = sum(
            np.exp(likelihood.logp(row, trials_at(TIMES + t, c)))
            for c in likelihood.declaration.choices
        )
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(TIMES)
        np.testing.assert_allclose(1.0 - np.cumsum(steps), survival[1:], atol=3e-4)
        assert (likelihood.log_survival(row, [0.0, t]) == 0.0).all()


def test_gradients_are_finite_everywhere_in_the_box(likelihood: lk.Likelihood) -> None:
    rows = corners_and_inside(likelihood, 200)
    rng = np.random.default_rng(1)
    rt = np.exp(rng.normal(0.0, 3.0, len(rows)))
    choice = rng.choice([*likelihood.declaration.choices, np.inf, -np.inf, np.nan], len(rows))
    rt[:50] = np.nan
    values, gradients = likelihood.density.evaluate(
        likelihood.weights, rows, np.column_stack([rt, choice])
    )
    assert not np.isnan(values).any()
    assert np.isfinite(gradients).all()


def test_samples_follow_density_and_choice_probabilities(likelihood: lk.Likelihood) -> None:
    row = corners_and_inside(likelihood, 1)[0]
    sample = likelihood.sample(row, 40_000, seed=3)
    probabilities = likelihood.choice_probability(row)[0]
    for choice, probability in zip(likelihood.declaration.choices, probabilities, strict=True):
        assert (sample.choice == choice).mean() == pytest.approx(probability, abs=0.01)
    levels = np.quantile(sample.rt, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        np.exp(likelihood.log_survival(row, levels)), [0.9, 0.5, 0.1], atol=0.01
    )
    pd.testing.assert_frame_equal(sample, likelihood.sample(row, 40_000, seed=3))


@pytest.mark.parametrize(
    "likelihood",
    [pytest.param(n, marks=[] if n in KINDS else [pytest.mark.slow]) for n in COMPILED],
    indirect=True,
)
def test_it_agrees_with_its_simulator(likelihood: lk.Likelihood) -> None:
    model = lk.models[likelihood.declaration.name]
    rng = np.random.default_rng(2)
    for row in corners_and_inside(likelihood, 4)[:4]:
        trials = lk.simulate(model, row, n=20_000, seed=int(rng.integers(1000)), max_time=1000.0)
        probability = likelihood.choice_probability(row)[0, 1]
        assert (trials.choice == 1).mean() == pytest.approx(probability, abs=0.015)
        levels = np.quantile(trials.rt, [0.1, 0.5, 0.9])
        survival = np.exp(likelihood.log_survival(row, levels))
        np.testing.assert_allclose(survival, [0.9, 0.5, 0.1], atol=0.02)


def test_shipped_ddm_is_close_to_the_exact_density() -> None:
    ddm = lk.load("ddm")
    errors = []
    for row in corners_and_inside(ddm, 60)[:60]:
        times = np.exp(np.linspace(np.log(1e-4), np.log(200.0), 1500))
        error = 0.0
        for choice in (-1.0, 1.0):
            exact = wiener.log_density(times + row[3], choice, *row)
            learnt = ddm.logp(row, trials_at(times + row[3], choice))
            error += np.trapezoid(np.exp(exact) * np.abs(exact - learnt), times)
        errors.append(error)
    assert np.median(errors) < 0.006
    assert np.quantile(errors, 0.95) < 0.02


def test_unobserved_times_and_choices_contribute_what_they_should() -> None:
    ddm = lk.load("ddm")
    theta = {"v": 1.0, "a": 1.5, "z": 0.4, "t": 0.3}
    frame = pd.DataFrame(
        {
            "rt": [0.8, np.nan, np.nan, 0.8],
            "choice": [1.0, -1.0, np.nan, np.nan],
            "deadline": [np.nan, np.nan, 1.2, np.nan],
        }
    )
    density, choice, omission, time_only = ddm.logp(theta, frame)
    assert choice == pytest.approx(np.log(ddm.choice_probability(theta)[0, 0]))
    assert omission == ddm.log_survival(theta, 1.2)[0]
    both = ddm.logp(theta, np.array([[0.8, 1.0], [0.8, -1.0]]))
    assert density == both[0]
    assert time_only == pytest.approx(np.logaddexp(*both))


def test_files_round_trip(likelihood: lk.Likelihood, tmp_path: Path) -> None:
    path = likelihood.save(tmp_path / "deep" / "x.likely")
    copy = lk.load(path)
    assert copy.digest == likelihood.digest
    assert copy.training == likelihood.training
    assert copy.declaration == likelihood.declaration
    assert [p.name for p in path.parent.iterdir()] == ["x.likely"]


def rewrite(path: Path, **changes: object) -> None:
    """Change entries of a likelihood file's description."""
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["likely"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    arrays.update(changes.pop("arrays", {}))
    header.update(changes)
    safetensors.numpy.save_file(arrays, path, metadata={"likely": json.dumps(header)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99 cannot be read"),
        ({"network": {"kind": "oracle"}}, "unknown kind of network 'oracle'"),
        ({"network": {"kind": "first-passage mixture", "hidden": [4], "components": 2}}, "shapes"),
        ({"parameters": []}, "FILE"),
        ({"choices": [1, 0]}, "ascending"),
        ({"training": {}}, "damaged"),
        ({"non_decision": "tt"}, "Did you mean 't'"),
        ({"arrays": {"dense0/bias": np.full(48, np.nan, np.float32)}}, "not finite"),
        ({"arrays": {"extra": np.zeros(3, np.float32)}}, "extra"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = lk.load("ddm").save(tmp_path / "FILE.likely")
    rewrite(path, **changes)
    with pytest.raises(FileFormatError, match=message):
        lk.load(path)


def test_what_is_no_likelihood_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.likely"
    text.write_text("rt,choice\n1,1\n")
    with pytest.raises(FileFormatError, match="not a likelihood file"):
        lk.load(text)
    text.write_bytes(b"")
    with pytest.raises(FileFormatError, match="not a likelihood file"):
        lk.load(text)
    safetensors.numpy.save_file({"x": np.zeros(2)}, text)
    with pytest.raises(FileFormatError, match="does not describe"):
        lk.load(text)
    with pytest.raises(FileFormatError, match="there is no file"):
        lk.load(tmp_path / "none.likely")
    with pytest.raises(FileFormatError, match="Did you mean 'angle'"):
        lk.load("angel")


def test_careless_calls_are_refused() -> None:
    ddm = lk.load("ddm")
    good = {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.3}
    with pytest.raises(ParameterError, match="2 parameter rows do not fit 3 trials"):
        ddm.logp({**good, "v": [1.0, 2.0]}, np.ones((3, 2)))
    with pytest.raises(TrialsError, match=r"shape \(3,\)"):
        ddm.logp(good, np.ones(3))
    with pytest.raises(ParameterError, match="outside its support"):
        ddm.sample({**good, "a": -1.0}, 3, seed=1)
    with pytest.raises(ParameterError, match="seed"):
        ddm.sample(good, 3, seed=-1)
    with pytest.raises(ParameterError, match="do not fit times"):
        ddm.log_survival({**good, "v": [1.0, 2.0]}, [1.0, 2.0, 3.0])


def test_outside_the_box_it_extrapolates_and_then_stands_still() -> None:
    ddm = lk.load("ddm")
    near, far, further = ({"v": v, "a": 1.5, "z": 0.5, "t": 0.0} for v in (7.0, 20.0, 30.0))
    times = np.linspace(0.02, 1.0, 400)
    exact = wiener.log_density(times, 1.0, **near)
    wrong = np.abs(exact - ddm.logp(near, trials_at(times, 1.0)))
    assert np.trapezoid(np.exp(exact) * wrong, times) < 0.1
    trials = np.array([[0.6, 1.0], [0.9, -1.0]])
    np.testing.assert_array_equal(ddm.logp(far, trials), ddm.logp(further, trials))
    _, gradients = ddm.density.evaluate(
        ddm.weights, ddm.declaration.rows({"v": [20.0, 7.0], "a": 1.5, "z": 0.5, "t": 0.0}), trials
    )
    assert gradients[0, 0] == 0.0
    assert gradients[1, 0] != 0.0
    meaningless = {"v": 1.0, "a": -1.5, "z": 0.5, "t": 0.3}
    assert (ddm.logp(meaningless, trials) == -np.inf).all()


def test_only_training_waits_for_flax() -> None:
    code = (
        "import sys, pandas as pd, likely as lk; theta = dict(v=1.0, a=1.2, z=0.5, t=0.3); "
        "lk.load('ddm').logp(theta, pd.DataFrame({'rt': [0.7], 'choice': [1]})); "
        "sys.exit(bool({'flax', 'optax'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
