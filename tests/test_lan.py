"""LAN, CPN and OPN: trained on a known target, made into a likelihood, and used in PyMC."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from learnable import (
    LONGEST,
    Bumps,
    Waves,
    choice_p,
    log_density,
    smooth_set,
    survival,
    uniform_theta,
)

import likely as lk
from likely import lan
from likely.dataset.reading import TrainingSet
from likely.errors import FileFormatError, ParameterError, TrialsError
from likely.lan import (
    TrainedNetwork,
    from_networks,
    train_classic,
    train_cpn,
    train_lan,
    train_opn,
)
from likely.networks.network import ACTIVATIONS, Layers
from likely.supervised import Recipe
from likely.trials import encode

QUICK = Recipe(epochs=1, batch=256)
NO_NETWORK = "no choice probability network"
NO_OMISSIONS = "no omission network"


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    path = tmp_path_factory.mktemp("smooth") / "set.zarr"
    return TrainingSet(smooth_set(path, sets=400, points=60))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return TrainingSet(smooth_set(tmp_path_factory.mktemp("small") / "set.zarr"))


@pytest.fixture(scope="module")
def networks(smooth: TrainingSet) -> dict[str, TrainedNetwork]:
    hidden = (24, 24)
    usual = {"seed": 1, "progress": False}
    long = Recipe(epochs=60, batch=64, rate=1e-2, patience=60)
    return {
        "lan": train_lan(
            smooth, network=Layers(hidden), recipe=Recipe(epochs=12, batch=256, rate=1e-2), **usual
        ),
        "cpn": train_cpn(smooth, network=Layers(hidden, 2), recipe=long, **usual),
        "opn": train_opn(
            smooth, network=Layers(hidden), recipe=Recipe(epochs=12, batch=64, rate=1e-2), **usual
        ),
    }


@pytest.fixture(scope="module")
def full(networks: dict[str, TrainedNetwork]) -> lk.Likelihood:
    return from_networks(networks["lan"], networks["cpn"], networks["opn"])


@pytest.fixture(scope="module")
def lan_only(networks: dict[str, TrainedNetwork]) -> lk.Likelihood:
    return from_networks(networks["lan"])


@pytest.fixture(scope="module", params=[pytest.param("linen", marks=pytest.mark.slow), "nnx"])
def foreign(request: pytest.FixtureRequest, small: TrainingSet) -> tuple[lk.Likelihood, Any]:
    """A likelihood of modules that are not ours, and fresh modules of the same form."""

    def modules() -> dict[str, Any]:
        counts = {"lan": (7, 1), "cpn": (2, 2), "opn": (3, 1)}
        if request.param == "linen":
            return {role: Bumps(m) for role, (_, m) in counts.items()}
        return {role: Waves(k, m) for role, (k, m) in counts.items()}

    own = modules()
    recipe = Recipe(epochs=4, batch=64, rate=1e-2)
    trained = [
        train(small, network=own[role], recipe=recipe, progress=False)
        for role, train in (("lan", train_lan), ("cpn", train_cpn), ("opn", train_opn))
    ]
    for network in trained:
        assert network.best.validation < network.history[0].validation
    return from_networks(*trained), modules()


# What networks learn


def test_every_network_lowers_its_validation_loss(networks: dict[str, TrainedNetwork]) -> None:
    for trained in networks.values():
        losses = [epoch.validation for epoch in trained.history]
        assert trained.best.validation == min(losses)
        assert min(losses) < losses[0]


def test_a_lan_finds_the_density(full: lk.Likelihood, rng: np.random.Generator) -> None:
    theta = uniform_theta(rng, 2000)
    rt = theta[:, 2] + rng.uniform(0.02, LONGEST - 0.02, 2000)
    choice = rng.integers(3, size=2000).astype(float)
    found = full.logp(theta, np.column_stack([rt, choice]))
    errors = np.abs(found - log_density(theta, rt, choice))
    assert errors.mean() < 0.04
    assert errors.max() < 0.6


def test_a_cpn_finds_the_choice_probabilities(
    full: lk.Likelihood, rng: np.random.Generator
) -> None:
    theta = uniform_theta(rng, 500)
    found = full.choice_probability(theta)
    np.testing.assert_allclose(found, choice_p(theta), atol=0.06)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


def test_an_opn_finds_the_survival(full: lk.Likelihood, rng: np.random.Generator) -> None:
    theta = uniform_theta(rng, 500)
    deadline = theta[:, 2] + rng.uniform(0.01, LONGEST, 500)
    errors = np.abs(np.exp(full.log_survival(theta, deadline)) - survival(theta, deadline))
    assert errors.mean() < 0.03
    assert errors.max() < 0.1


def test_validation_is_by_parameter_set(
    small: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    learn = lan.learn

    def spy(problem: Any, training: Any, validation: Any, *rest: Any, **options: Any) -> Any:
        seen.extend([training, validation])
        return learn(problem, training, validation, *rest, **options)

    monkeypatch.setattr(lan, "learn", spy)
    recipe = Recipe(epochs=1, batch=256, validation=0.25)
    train_lan(small, network=Layers((4,)), recipe=recipe, progress=False)
    sets = []
    for rows in seen:
        with rows.batches(len(rows), seed=0) as batches:
            inputs, _ = next(batches)
        sets.append({tuple(theta) for theta in inputs[:, :3].tolist()})
        assert len(inputs) == 40 * len(sets[-1])
    assert [len(s) for s in sets] == [15, 5]
    assert not sets[0] & sets[1]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda f: f.__name__)
def test_every_activation_trains(small: TrainingSet, activation: Any) -> None:
    network = Layers((6,), 1, activation)
    trained = train_lan(small, network=network, recipe=QUICK, progress=False)
    trials = np.array([[0.8, 1.0], [1.2, 2.0]])
    theta = np.array([[0.3, 0.9, 0.2]])
    kernels, biases = (
        [trained.arrays[f"dense{i}/{part}"] for i in (0, 1)] for part in ("kernel", "bias")
    )
    one_hot = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    with jax.enable_x64(True):
        inputs = trained.inputs.lan(np.repeat(theta, 2, axis=0), trials[:, 0], one_hot)
        hidden = np.asarray(activation(inputs @ kernels[0] + biases[0]))
    expected = (hidden @ kernels[1] + biases[1])[:, 0]
    found = from_networks(trained).logp(theta, trials)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_train_classic_makes_and_resumes_all_three(small: TrainingSet, tmp_path: Path) -> None:
    def train() -> lk.Likelihood:
        return train_classic(
            small, hidden=(6,), activation=nn.relu, lan=QUICK, cpn=QUICK, opn=QUICK, seed=4,
            checkpoints=tmp_path / "new", progress=False,
        )  # fmt: skip

    likelihood = train()
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["cpn.checkpoint", "lan.checkpoint", "opn.checkpoint"]
    np.testing.assert_array_equal(train().weights, likelihood.weights)
    assert {name.split("/")[0] for name in likelihood.density.shapes} == {"lan", "cpn", "opn"}
    assert likelihood.training.draws == 20 * 10_000
    assert likelihood.training.seed == 4


def test_one_choice_needs_no_cpn(tmp_path: Path) -> None:
    model = lk.Simulator(
        "wait", parameters={"m": (0.5, 2.0)}, choices=(0,), vectorized=True,
        simulate=lambda rng, m: (rng.exponential(m), np.zeros(len(m))),
    )  # fmt: skip
    labelling = lk.Labelling(draws=200, points=20, deadlines=4)
    path = lk.generate(
        model, tmp_path / "set.zarr", sets=6, labelling=labelling, seed=1, progress=False
    )
    data = TrainingSet(path)
    with pytest.raises(ParameterError, match="only one choice"):
        train_cpn(data)
    likelihood = train_classic(data, hidden=(4,), lan=QUICK, opn=QUICK, progress=False)
    np.testing.assert_array_equal(likelihood.choice_probability({"m": 1.0}), [[1.0]])
    assert np.isfinite(likelihood.logp({"m": 1.0}, np.array([[0.7, 0.0]]))).all()


def test_networks_of_other_roles_or_models_are_refused(
    networks: dict[str, TrainedNetwork], tmp_path: Path
) -> None:
    cpn, opn = networks["cpn"], networks["opn"]
    with pytest.raises(ParameterError, match="as LAN a network trained as CPN"):
        from_networks(cpn)
    with pytest.raises(ParameterError, match="as CPN a network trained as OPN"):
        from_networks(networks["lan"], opn)
    with pytest.raises(ParameterError, match="as OPN a network trained as CPN"):
        from_networks(networks["lan"], None, cpn)
    model = lk.models["ddm"].with_box(t=(0.0, 1.0))
    labelling = lk.Labelling(draws=100, points=10, deadlines=2)
    path = lk.generate(
        model, tmp_path / "set.zarr", sets=4, labelling=labelling, seed=1, progress=False
    )
    other = train_cpn(TrainingSet(path), network=Layers((4,)), recipe=QUICK, progress=False)
    with pytest.raises(ParameterError, match="the LAN and the CPN are not of the same model"):
        from_networks(networks["lan"], other)


# Likelihoods of them


FRAME = pd.DataFrame(
    {
        "rt": [0.9, math.nan, math.nan, 1.4],
        "choice": [1.0, 2.0, math.nan, 0.0],
        "deadline": [math.nan, math.nan, 1.5, math.nan],
    }
)
ROW = {"v": 0.4, "a": 1.1, "t": 0.2}


def test_a_lan_alone_refuses_what_it_cannot_judge(lan_only: lk.Likelihood) -> None:
    assert np.isfinite(lan_only.logp(ROW, FRAME.iloc[[0, 3]])).all()
    refused = [
        (NO_NETWORK, lambda: lan_only.logp(ROW, FRAME.iloc[:2])),
        (NO_NETWORK, lambda: lan_only.logp(ROW, encode(FRAME.iloc[:2], (0, 1, 2)))),
        (NO_OMISSIONS, lambda: lan_only.logp(ROW, FRAME.iloc[2:])),
        (NO_NETWORK, lambda: lan_only.choice_probability(ROW)),
        (NO_OMISSIONS, lambda: lan_only.log_survival(ROW, 1.0)),
    ]
    for told, call in refused:
        with pytest.raises(TrialsError, match=f"likelihood 'smooth': there is {told}"):
            call()
    for rows, told in ((FRAME.iloc[:2], NO_NETWORK), (FRAME.iloc[2:], NO_OMISSIONS)):
        with pm.Model():
            with pytest.raises(TrialsError, match=told):
                lan_only("y", **ROW, observed=rows)
            with pytest.raises(TrialsError, match=told):
                lan_only.potential("y", **ROW, observed=rows)


def test_cpn_and_opn_answer_for_trials_without_a_time(full: lk.Likelihood) -> None:
    found = full.logp(ROW, FRAME)
    theta = np.array(list(ROW.values()))[None]
    expected = [
        log_density(theta, np.array([0.9]), np.array([1.0]))[0],
        np.log(choice_p(theta)[0, 2]),
        np.log(survival(theta, np.array([1.5]))[0]),
        log_density(theta, np.array([1.4]), np.array([0.0]))[0],
    ]
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_a_file_brings_the_likelihood_back(full: lk.Likelihood, tmp_path: Path) -> None:
    again = lk.load(full.save(tmp_path / "smooth.likelihood"))
    np.testing.assert_array_equal(again.logp(ROW, FRAME), full.logp(ROW, FRAME))
    assert again.training == full.training


def test_a_file_of_flax_modules_asks_for_them(
    foreign: tuple[lk.Likelihood, Any], tmp_path: Path
) -> None:
    likelihood, modules = foreign
    path = likelihood.save(tmp_path / "foreign.likelihood")
    again = lk.load(path, modules=modules)
    np.testing.assert_array_equal(again.logp(ROW, FRAME), likelihood.logp(ROW, FRAME))
    name = type(modules["lan"]).__name__
    told = rf"'lan' is a Flax module.*in Python to load: modules=\{{\"lan\": {name}\(...\)\}}"
    with pytest.raises(FileFormatError, match=told):
        lk.load(path)
    with pytest.raises(FileFormatError, match="weights have shapes"):
        lk.load(path, modules={**modules, "lan": modules["cpn"]})


def test_a_flax_module_is_followed_exactly(foreign: tuple[lk.Likelihood, Any]) -> None:
    likelihood, _ = foreign
    arrays = likelihood.density.unflatten(likelihood.weights)
    first, last = ("Dense_0", "Dense_1") if "lan/Dense_0/kernel" in arrays else ("first", "last")
    bend = (lambda h: np.exp(-(h**2))) if first == "Dense_0" else np.sin
    inputs = np.array([0.4, 0.2, -0.2, 9.0, 0.0, 1.0, 0.0])  # v, a, t, 10 rt, and choice 1 of 0-2
    hidden = bend(inputs @ arrays[f"lan/{first}/kernel"] + arrays[f"lan/{first}/bias"])
    expected = hidden @ arrays[f"lan/{last}/kernel"] + arrays[f"lan/{last}/bias"]
    found = likelihood.logp(ROW, FRAME.iloc[[0]])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_pickles_bring_the_likelihood_back(full: lk.Likelihood) -> None:
    again = pickle.loads(pickle.dumps(full))
    np.testing.assert_array_equal(again.logp(ROW, FRAME), full.logp(ROW, FRAME))
    assert again.digest == full.digest


def test_pickles_bring_foreign_modules_back(foreign: tuple[lk.Likelihood, Any]) -> None:
    likelihood, _ = foreign
    again = pickle.loads(pickle.dumps(likelihood))
    np.testing.assert_array_equal(again.logp(ROW, FRAME), likelihood.logp(ROW, FRAME))


# In PyMC


def model_of(likelihood: lk.Likelihood, add: Any, trials: pd.DataFrame) -> pm.Model:
    with pm.Model() as model:
        v = pm.Uniform("v", -1, 1)
        t = pm.Uniform("t", 0, 0.5)
        add(likelihood)("y", v=v * np.linspace(0.5, 1, len(trials)), a=1.1, t=t, observed=trials)
    return model


POINT = {"v_interval__": np.array(0.4), "t_interval__": np.array(-0.3)}


def test_distribution_and_potential_are_one(full: lk.Likelihood) -> None:
    models = [model_of(full, add, FRAME) for add in (lambda one: one, lambda one: one.potential)]
    values = [model.compile_logp()(POINT) for model in models]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    gradients = [model.compile_dlogp()(POINT) for model in models]
    np.testing.assert_allclose(*gradients, rtol=1e-12)
    v = 2 / (1 + math.exp(-0.4)) - 1
    t = 0.5 / (1 + math.exp(0.3))
    theta = {"v": v * np.linspace(0.5, 1, 4), "a": 1.1, "t": t}
    bare = models[1].compile_logp(models[1].potentials)
    assert bare(POINT) == pytest.approx(full.logp(theta, FRAME).sum(), rel=1e-10)


def value_and_gradient(likelihood: lk.Likelihood, mode: str | None) -> tuple[Any, Any]:
    """Return log densities of the trials and the gradient of their sum, through PyTensor."""
    theta = pt.dvector("theta")
    variable = likelihood.dist(v=theta[0], a=theta[1], t=theta[2], size=4)
    logp = pm.logp(variable, encode(FRAME, (0, 1, 2)))
    outputs = [logp, pytensor.grad(logp.sum(), theta)]
    function = pytensor.function([theta], outputs, **({} if mode is None else {"mode": mode}))
    value, gradient = function(np.array(list(ROW.values())))
    return np.asarray(value), np.asarray(gradient)


def in_jax(likelihood: lk.Likelihood) -> tuple[Any, Any]:
    """Return the same from JAX, without PyTensor."""
    trials = encode(FRAME, (0, 1, 2))

    def total(row: jax.Array) -> tuple[jax.Array, jax.Array]:
        values = likelihood.density.log_density(likelihood.weights, row[None], trials)
        return values.sum(), values

    with jax.enable_x64(True):
        row = jax.numpy.array(list(ROW.values()))
        gradient, values = jax.grad(total, has_aux=True)(row)
    return np.asarray(values), np.asarray(gradient)


@pytest.mark.parametrize("mode", [None, "JAX"])
def test_every_backend_has_the_value_and_gradient_of_jax(
    full: lk.Likelihood, mode: str | None
) -> None:
    # Numba would warn of object mode, and warnings are errors.
    for found, expected in zip(value_and_gradient(full, mode), in_jax(full), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_flax_modules_serve_every_backend(foreign: tuple[lk.Likelihood, Any]) -> None:
    likelihood, _ = foreign
    with pytest.warns(UserWarning, match="object mode"):
        default = value_and_gradient(likelihood, None)
    expected = in_jax(likelihood)
    for found in (default, value_and_gradient(likelihood, "JAX")):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(default[0], likelihood.logp(ROW, FRAME), rtol=1e-9)
