"""Likelihoods made from that of a part: races, spread non-decision times, parallel stages."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import likely as lk
from likely.assembly import assembly_of
from likely.likelihood import Likelihood, Training, load
from likely.networks.delayed import DelayedDensity
from likely.networks.density import Density
from likely.networks.mixture import MixtureDensity
from likely.networks.parallel import ParallelDensity
from likely.networks.race import RaceDensity
from likely.networks.rewired import RewiredDensity
from likely.shipped.recipes import RECIPES, ClosedForm
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

RECORD = Training("draws", 0, 0, 0, 0.0, "0")


def untrained(name: str) -> Likelihood:
    """Return the likelihood of a model whose part has arbitrary weights."""
    model = lk.models[name]
    assembly = assembly_of(model)
    assert assembly is not None
    part = MixtureDensity.for_model(assembly.part.declaration, (8,), 8, products=True)
    return _with_weights(assembly.density(part))


def _with_weights(density: Density) -> Likelihood:
    weights = 0.5 * np.random.default_rng(3).standard_normal(density.size)
    return Likelihood(density, weights, RECORD)


def _parallel() -> Likelihood:
    stage = MixtureDensity.for_model(lk.models["ddm"].declaration, (8,), 8)
    wiring = (("vh", "a", "zh", 0.0), ("vl1", "a", "zl1", 0.0), ("vl2", "a", "zl2", 0.0))
    return _with_weights(ParallelDensity(lk.models["ddm_par2"].declaration, stage, wiring))


def _rewired() -> Likelihood:
    general = MixtureDensity.for_model(lk.models["lca_3"].declaration, (8,), 8)
    wires = {"z0": "z", "z1": "z", "z2": 0.1}
    wiring = (tuple(wires.get(n, n) for n in general.declaration.names),)
    return _with_weights(RewiredDensity(lk.models["lca_no_bias_3"].declaration, general, wiring))


MADE = {
    "race": lambda: untrained("race_no_bias_3"),
    "closing race": lambda: untrained("race_no_z_angle_2"),
    "delayed": lambda: untrained("full_ddm"),
    "parallel": _parallel,
    "rewired": _rewired,
    "closed form": lambda: RECIPES["lba3"].likelihood(lk.models["lba3"]),
}


@pytest.fixture(params=MADE, scope="module")
def likelihood(request: pytest.FixtureRequest) -> Likelihood:
    """One of each kind."""
    return MADE[request.param]()


@pytest.fixture(scope="module")
def row(likelihood: Likelihood) -> FloatArray:
    """Parameters in the box."""
    row = likelihood.declaration.shaping_rows(np.random.default_rng(5), 1)[0]
    column = likelihood.declaration.non_decision_column
    if column is not None:
        row[column] += 0.2
    return row


def _seen(likelihood: Likelihood, row: FloatArray, n: int = 7) -> FloatArray:
    """Return trials (n, 2) drawn from the likelihood."""
    return np.ascontiguousarray(likelihood.sample(row, n, seed=1).to_numpy())


def test_densities_integrate_to_choice_probabilities(
    likelihood: Likelihood, row: FloatArray
) -> None:
    """And those sum to one."""
    begin = likelihood.declaration.onset(row[None])[0]
    found = likelihood.choice_probability(row)[0]
    for choice, probability in zip(likelihood.declaration.choices, found, strict=True):
        logs = np.linspace(-12.0, 7.0, 1024)
        trials = np.stack([begin + np.exp(logs), np.full(len(logs), choice)], axis=1)
        mass = np.trapezoid(np.exp(likelihood.logp(row, trials) + logs), logs)
        assert mass == pytest.approx(probability, abs=1e-5)
    assert found.sum() == pytest.approx(1.0, abs=2e-6)


def test_survival_is_what_is_left(likelihood: Likelihood, row: FloatArray) -> None:
    """Of the sum over choices of the density."""
    times = np.sort(_seen(likelihood, row)[:, 0])
    begin = likelihood.declaration.onset(row[None])[0]

    places, shares = np.polynomial.legendre.leggauss(400)
    low, high = np.log(times[[1, 5]] - begin)
    logs = low + 0.5 * (high - low) * (1.0 + places)
    mass = 0.0
    for choice in likelihood.declaration.choices:
        trials = np.stack([begin + np.exp(logs), np.full(len(logs), choice)], axis=1)
        mass += 0.5 * (high - low) * shares @ np.exp(likelihood.logp(row, trials) + logs)
    before, after = np.exp(likelihood.log_survival(row, times[[1, 5]]))
    assert before - after == pytest.approx(mass, abs=1e-6)
    np.testing.assert_allclose(likelihood.log_survival(row, [begin, begin - 1.0]), 0.0)


def test_gradients_are_those_of_finite_differences(likelihood: Likelihood, row: FloatArray) -> None:
    """By every parameter, for observed trials, unobserved times and omissions."""
    seen = _seen(likelihood, row, 4)
    choice = float(likelihood.declaration.choices[-1])
    coded = np.array([[TIME_UNOBSERVED, choice], [seen[0, 0], NO_RESPONSE]])
    trials = np.concatenate([seen, coded])
    density, weights = likelihood.density, likelihood.weights
    values, gradients = density.evaluate(weights, row[None], trials)
    assert np.isfinite(values).all()
    step = 1e-6
    for j in range(len(row)):
        ends = []
        for sign in (1.0, -1.0):
            moved = row.copy()
            moved[j] += sign * step
            ends.append(density.evaluate(weights, moved[None], trials)[0])
        numeric = (ends[0] - ends[1]) / (2.0 * step)
        np.testing.assert_allclose(gradients[:, j], numeric, rtol=2e-5, atol=2e-5)


@pytest.mark.slow
def test_rows_of_their_own_give_what_one_row_gives(likelihood: Likelihood, row: FloatArray) -> None:
    """Trials judged together are as they are alone, and as in JAX."""
    trials = _seen(likelihood, row, 5)
    rows = np.tile(row, (5, 1))
    column = likelihood.declaration.shaping[0]
    rows[::2, column] *= 1.01
    values, gradients = likelihood.density.evaluate(likelihood.weights, rows, trials)
    for i in range(5):
        alone, slope = likelihood.density.evaluate(
            likelihood.weights, rows[[i]], np.ascontiguousarray(trials[[i]])
        )
        np.testing.assert_allclose(values[i], alone[0], rtol=1e-10)
        np.testing.assert_allclose(gradients[i], slope[0], rtol=1e-7, atol=1e-10)
    with jax.enable_x64(True):
        in_jax = likelihood.density.log_density(likelihood.weights, rows, trials)
    np.testing.assert_allclose(in_jax, values, rtol=1e-10)


def test_draws_have_its_choice_probabilities_and_survival(
    likelihood: Likelihood, row: FloatArray
) -> None:
    """So that predictive trials are those of the density."""
    trials = likelihood.sample(row, 20_000, seed=2)
    probabilities = likelihood.choice_probability(row)[0]
    for choice, probability in zip(likelihood.declaration.choices, probabilities, strict=True):
        assert abs((trials.choice == choice).mean() - probability) < 0.014
    times = np.quantile(trials.rt, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        np.exp(likelihood.log_survival(row, times)), [0.9, 0.5, 0.1], atol=0.014
    )


def test_files_hold_them(
    likelihood: Likelihood, row: FloatArray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is loaded is what was saved."""
    path = likelihood.save(tmp_path_factory.mktemp("files") / "made.likely")
    again = load(path)
    assert again.density.specification() == likelihood.density.specification()
    trials = _seen(likelihood, row, 3)
    np.testing.assert_array_equal(again.logp(row, trials), likelihood.logp(row, trials))


def test_forbidden_parameters_are_impossible() -> None:
    """Constraints hold in densities and draws as supports do."""
    lba = MADE["closed form"]()
    row = {"A": 0.9, "b": 0.5, "v0": 1.0, "v1": 1.0, "v2": 1.0}
    assert lba.logp(row, np.array([[0.5, 0.0]]))[0] == -np.inf
    assert np.isnan(lba.sample(row, 2, seed=0).to_numpy()).all()


def _of_two_or_four(name: str) -> bool:
    """Tell whether the same race of three accumulators is tested always."""
    return name.endswith(("2", "4"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.slow] if _of_two_or_four(n) else [])
        for n, recipe in RECIPES.items()
        if isinstance(recipe, ClosedForm)
    ],
)
def test_closed_forms_are_exact(name: str) -> None:
    """They are the twin's density, choice by choice."""
    model = lk.models[name]
    made = RECIPES[name].likelihood(model)
    rows = model.declaration.shaping_rows(np.random.default_rng(0), 3)
    for row in rows:
        trials = lk.simulate(model, row, 20, seed=1)
        np.testing.assert_allclose(
            made.logp(row, trials), lk.exact(model, row, trials), rtol=1e-8, atol=1e-9
        )
        twin = model.twin
        assert twin is not None
        np.testing.assert_allclose(
            made.choice_probability(row)[0], twin.solve(row).probabilities, atol=1e-6
        )


def test_a_delay_without_spread_is_none() -> None:
    """The window shrinks to a point."""
    delayed = untrained("full_ddm")
    row = {"v": 1.0, "a": 1.0, "z": 0.5, "t": 0.3, "sz": 0.1, "sv": 0.5, "st": 0.0}
    assert isinstance(delayed.density, DelayedDensity)
    steady = Likelihood(delayed.density.mixture, delayed.weights, RECORD)
    trials = np.array([[0.7, 1.0], [1.4, -1.0]])
    without = {name: value for name, value in row.items() if name != "st"}
    np.testing.assert_allclose(delayed.logp(row, trials), steady.logp(without, trials), atol=2e-4)


def test_races_do_not_depend_on_who_is_called_what() -> None:
    """Accumulators that change places change nothing but names."""
    race = untrained("race_3")
    assert isinstance(race.density, RaceDensity)
    row = {"v0": 1.0, "v1": 2.0, "v2": 0.5, "a": 1.5, "z0": 0.1, "z1": 0.3, "z2": 0.7, "t": 0.2}
    swapped = {**row, "v0": 2.0, "v1": 1.0, "z0": 0.3, "z1": 0.1}
    one = race.logp(row, np.array([[0.8, 0.0], [0.8, 2.0]]))
    other = race.logp(swapped, np.array([[0.8, 1.0], [0.8, 2.0]]))
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_smaller_recipe_trains_a_race(recwarn: pytest.WarningsRecorder) -> None:
    """From one accumulator, which the next race of the same kind takes over."""
    from likely.shipped.recipes import Trained, TrainedAccumulator

    recipe = TrainedAccumulator(Trained(steps=64, sets=250, hidden=(8,)))
    two, three = (recipe.likelihood(lk.models[f"race_no_z_{n}"]) for n in (2, 3))
    np.testing.assert_array_equal(two.weights, three.weights)
    assert three.training is two.training
    assert replace(two.training, seconds=0.0).sets == 250


def test_special_cases_are_compiled_as_they_run_in_jax() -> None:
    """Values, derivatives and draws, with parameters tied, fixed and outside the support."""
    made = _rewired()
    density, weights = made.density, made.weights
    assert density.compilable
    rng = np.random.default_rng(2)
    rows = made.declaration.shaping_rows(rng, 6)
    rows[:, made.declaration.non_decision_column] = 0.1
    rows[5, made.declaration.names.index("a")] = -1.0
    index = rng.integers(0, 6, 60)
    trials = made.sample(rows[:5][index % 5], 1, seed=1).to_numpy().copy(order="C")
    trials[:4, 0], trials[4:8, 1] = TIME_UNOBSERVED, NO_RESPONSE
    cotangents = rng.normal(size=60)

    own = rows[index]
    values, gradients = density.evaluate(weights, own, trials)
    theirs, slopes = density.evaluate_in_jax(weights, own, trials)
    np.testing.assert_allclose(values, theirs, rtol=1e-9, atol=1e-9)
    judged = np.isfinite(theirs)
    np.testing.assert_allclose(gradients[judged], slopes[judged], rtol=1e-7, atol=1e-9)

    prepared = density.prepared(weights)
    pulled, gradient = density.pull(prepared, rows, index, trials, cotangents)
    expected = np.zeros_like(rows)
    np.add.at(expected, index[judged], cotangents[judged, None] * slopes[judged])
    np.testing.assert_allclose(pulled, theirs, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-8)
    compiled = density.compiled_pullback()(prepared, rows, index, trials, cotangents, True)
    np.testing.assert_allclose(compiled[0], pulled)
    np.testing.assert_allclose(compiled[1], gradient)

    uniforms, normals = rng.random((60, 2)), rng.standard_normal(60)
    drawn = density.transform(weights, own, uniforms, normals)
    with jax.enable_x64(True):
        in_jax = np.asarray(density.draws(jnp.asarray(weights), own, uniforms, normals))
    seen = index < 5
    np.testing.assert_allclose(drawn[seen], in_jax[seen], rtol=1e-7)
    again = density.compiled_draws()(weights, own, uniforms, normals)
    np.testing.assert_array_equal(again, drawn)
