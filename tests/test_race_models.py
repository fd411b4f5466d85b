"""Races of the zoo against exact densities and an independent reference; what `Race` refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import likely as lk
from likely.declaration import Parameter
from likely.densities.reflected import Reflected
from likely.errors import ModelError, ParameterError
from likely.model import Model
from likely.races import Race
from likely.simulation import decide
from likely.zoo.boundaries import constant_boundary
from likely.zoo.drifts import constant_drift
from likely.zoo.lba import LBA
from likely.zoo.lca import LCA
from likely.zoo.lognormal_race import LOGNORMAL_RACES
from likely.zoo.poisson_race import POISSON_RACES
from likely.zoo.race import RACES
from likely.zoo.racing_diffusion import RACING_DIFFUSIONS

EXACT = (*RACES, *LBA, *RACING_DIFFUSIONS, *LOGNORMAL_RACES, *POISSON_RACES)
ALL = {m.name: m for m in (*EXACT, *LCA)}
# Of races of one kind, the number of accumulators is only the length of a loop; other models have a
# function for each number.
REPRESENTATIVE = (
    *(ALL[name] for name in ("race_4", "race_no_bias_angle_2", "race_no_z_angle_3")),
    *LBA,
    *RACING_DIFFUSIONS,
    *LOGNORMAL_RACES,
    *POISSON_RACES,
)
DRAWS = 20_000
UNLIKELY = 1e-4
CONSTANT = {"drift": constant_drift, "boundary": constant_boundary}


def drawn(model: Model, row: np.ndarray, n: int = DRAWS, seed: int = 5) -> tuple[np.ndarray, ...]:
    """Return decision times and choices, counted from 0, of one parameter row."""
    times, choices = decide(model, row[None], n, seed=seed, max_time=1e6)
    return times, np.searchsorted(model.choices, choices)


@pytest.mark.parametrize("model", REPRESENTATIVE, ids=lambda m: m.name)
def test_simulator_has_the_exact_density(model: Model) -> None:
    row = model.declaration.shaping_rows(np.random.default_rng(1), 1)[0]
    times, choices = drawn(model, row)
    assert np.isfinite(times).all()
    passage = model.twin.solve(row)
    done = -np.expm1(passage.log_survival(times))
    assert stats.kstest(done, "uniform").pvalue > UNLIKELY
    assert passage.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    counts = np.bincount(choices, minlength=len(model.choices))
    likely_ = passage.probabilities * len(times) > 5
    off = (counts - len(times) * passage.probabilities)[likely_]
    spread = np.sqrt(len(times) * passage.probabilities * (1.0 - passage.probabilities) + 1e-9)
    assert np.all(np.abs(off) < 4.5 * spread[likely_] + 1e-6)
    assert_choices_go_with_times(passage.log_density(times), times, choices)


def assert_choices_go_with_times(log_density, times, choices) -> None:
    """Compare how often each choice was made, early and late, with what its time makes likely."""
    shares = np.exp(log_density - np.logaddexp.reduce(log_density, axis=1, keepdims=True))
    made = choices[:, None] == np.arange(shares.shape[1])
    early = times < np.median(times)
    for part in (early, ~early):
        off = (made - shares)[part].sum(axis=0)
        variance = (shares * (1.0 - shares))[part].sum(axis=0)
        assert np.all(np.abs(off) < 4.5 * np.sqrt(variance + 1.0))


@pytest.mark.parametrize("seed", range(4))
def test_reflection_is_exact_at_any_drift(seed: int) -> None:
    """One accumulator alone, from below to far above what the zoo's box holds."""
    drift, start = [(-0.7, 0.7), (0.0, 0.0), (8.0, 0.0), (2.0, 0.95)][seed]
    box = {"v": (-3, 9), "a": (0.5, 4), "z": (0, 0.99)}
    alone = Race("alone", accumulators=1, **CONSTANT, parameters=box)
    times, _ = drawn(alone, np.array([drift, 1.5, start]), n=50_000, seed=seed)
    done = -np.expm1(Reflected(drift, 1.5, 1.5 * start).log_survival(times))
    assert stats.kstest(done, "uniform").pvalue > UNLIKELY


LCA_POINTS = [
    ("lca_3", {"v0": 1.2, "v1": 0.8, "v2": 0.4, "a": 1.0, "z0": 0.5, "z1": 0.2, "z2": 0.0,
               "g": 0.8, "b": 0.6, "t": 0.0}),
    ("lca_no_bias_angle_4", {"v0": 1.5, "v1": 1.0, "v2": 0.5, "v3": 0.0, "a": 1.2, "z": 0.3,
                             "g": -0.9, "b": 0.9, "t": 0.0, "theta": 0.5}),
]  # fmt: skip


def euler(theta: dict[str, float], n: int, dt: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate an LCA in fixed steps with the clip at 0, by array operations.

    Between steps, a path may have touched the boundary: the chance that it did is that of a
    Brownian bridge. The clip at the ends of steps lets paths fall below 0 within them, which is as
    if 0 were 0.5826 sqrt(dt) lower (Broadie, Glasserman and Kou 1997): so it is put that much
    higher.
    """
    rng = np.random.default_rng(seed)
    v = np.array([theta[k] for k in sorted(theta) if k[0] == "v"])
    z = np.array([theta.get(f"z{i}", theta.get("z", 0.0)) for i in range(len(v))])
    slope, floor = math.tan(theta.get("theta", 0.0)), 0.5826 * math.sqrt(dt)
    x = np.maximum(np.tile(z * theta["a"], (n, 1)), floor)
    alive, times, choices = np.arange(n), np.full(n, np.nan), np.full(n, -1)
    step = 0
    while len(alive):
        before, after = (theta["a"] - slope * dt * k for k in (step, step + 1))
        drift = v - theta["g"] * x - theta["b"] * (x.sum(axis=1, keepdims=True) - x)
        end = np.maximum(x + drift * dt + math.sqrt(dt) * rng.standard_normal(x.shape), floor)
        touch = np.exp(-2.0 * (before - x) * np.maximum(after - end, 0.0) / dt)
        crossed = rng.random(x.shape) < touch
        over = crossed.any(axis=1)
        winner = np.where(crossed, end, -1.0)[over].argmax(axis=1)
        times[alive[over]], choices[alive[over]] = (step + 0.5) * dt, winner
        alive, x, step = alive[~over], end[~over], step + 1
    return times, choices


@pytest.mark.parametrize(("name", "theta"), LCA_POINTS, ids=[name for name, _ in LCA_POINTS])
def test_lca_against_small_euler_steps(name: str, theta: dict[str, float]) -> None:
    model = ALL[name]
    dt, n = 2e-3, 8_000
    times, choices = drawn(model, model.declaration.rows(theta)[0], n=40_000)
    slow_times, slow_choices = euler(theta, n, dt, seed=3)
    pooled = np.quantile(times, [0.1, 0.3, 0.5, 0.7, 0.9])
    for i in range(len(model.choices)):
        counted = [
            np.histogram(t[c == i], [0.0, *pooled, np.inf])[0]
            for t, c in ((times, choices), (slow_times, slow_choices))
        ]
        table = np.array(counted)[:, np.sum(counted, axis=0) > 20]
        shares = table / np.array([[len(times)], [n]])
        error = np.sqrt(shares[0] * (1.0 / len(times) + 1.0 / n))
        assert np.all(np.abs(shares[0] - shares[1]) < 4.5 * error + 2e-3)
    mean, slow = times.mean(), slow_times.mean()
    assert mean == pytest.approx(slow, abs=4.0 * slow_times.std() / math.sqrt(n) + 1e-3)


def test_uncoupled_lca_is_a_race() -> None:
    """Joint steps at g = b = 0 give the exact density of independent accumulators."""
    row = np.array([1.0, 0.5, 0.2, 1.5, 0.5, 0.2, 0.0, 0.0, 0.0, 0.0])
    times, choices = drawn(ALL["lca_3"], row, n=40_000)
    passage = ALL["race_3"].twin.solve(np.array([*row[:7], 0.0]))
    done = -np.expm1(passage.log_survival(times))
    assert stats.kstest(done, "uniform").pvalue > UNLIKELY
    assert_choices_go_with_times(passage.log_density(times), times, choices)


LEAKY = {"v0": (0, 9), "v1": (0, 9), "g": (0, 1e308), "a": (9, 11), "k": (0, 1000)}


def leak(x: float, v: float, g: float) -> float:
    return v - g * x


def drop(s: float, a: float, k: float) -> float:
    return a - k * max(s - 1.0, 0.0)


def halfway() -> float:
    return 0.5


def leaky() -> Race:
    """Return two leaky accumulators whose boundary stays at a for a second and then drops."""
    return Race("leaky", accumulators=2, parameters=LEAKY, drift=leak, boundary=drop, start=halfway)


def test_where_the_boundary_comes_down_the_highest_evidence_wins() -> None:
    """Far from 0 and the boundary, leaky evidence is normal: so is the difference of the two."""
    v, g, a = np.array([4.5, 5.0]), 1.0, 10.0
    times, choices = drawn(leaky(), np.array([*v, g, a, 1000.0]), n=10_000)
    assert np.all(np.abs(times - 1.0) < 0.02)
    mean = 0.5 * a * math.exp(-g) + v * (1.0 - math.exp(-g)) / g
    variance = (1.0 - math.exp(-2.0 * g)) / (2.0 * g)
    second = stats.norm.cdf((mean[1] - mean[0]) / math.sqrt(2.0 * variance))
    assert stats.binomtest(int(choices.sum()), len(choices), second).pvalue > UNLIKELY


def test_a_race_that_cannot_be_followed_says_where() -> None:
    overflowing = {"v0": 1.0, "v1": 1.0, "g": 1e308, "a": 10.0, "k": 0.0}
    with pytest.raises(ModelError, match=r"g=1e\+308, a=10, .* not a number"):
        lk.simulate(leaky(), overflowing, 100, seed=1)


@pytest.mark.parametrize(
    ("name", "n"),  # 1024 trials share a generator where trials have none of their own
    [("race_4", 50), ("race_no_bias_angle_2", 50), ("lca_3", 50), ("lba3", 1024),
     ("poisson_race", 1024)],
)  # fmt: skip
def test_rows_are_simulated_as_if_alone(name: str, n: int) -> None:
    model = ALL[name]
    rows = model.declaration.shaping_rows(np.random.default_rng(3), 3)
    times, choices = decide(model, rows, n, seed=9, max_time=5.0)
    for k in (1, 2):
        alone = decide(model, rows[[k]], 3 * n, seed=9, max_time=5.0, threads=1)
        part = slice(k * n, (k + 1) * n)
        np.testing.assert_array_equal(times[part], alone[0][part])
        np.testing.assert_array_equal(choices[part], alone[1][part])


@pytest.mark.parametrize("model", ALL.values(), ids=ALL.keys())
def test_races_without_interaction_have_an_exact_density(model: Model) -> None:
    assert (model.twin is None) == model.name.startswith("lca")


def test_shared_and_own_parameters_meet() -> None:
    box = {"v": (0, 3), "a0": (0.5, 2), "a1": (0.5, 2), "z": (0, 0.9), "t": (0, 1)}
    race = Race("uneven", accumulators=2, **CONSTANT, parameters=box)
    theta = {"v": 1.0, "a0": 1.0, "a1": 2.0, "z": 0.2, "t": 0.3}
    trials = lk.simulate(race, theta, 20_000, seed=4)
    one, two = Reflected(1.0, 1.0, 0.2), Reflected(1.0, 2.0, 0.4)
    done = -np.expm1(sum(r.log_survival(trials.rt.to_numpy() - 0.3) for r in (one, two)))
    assert stats.kstest(done, "uniform").pvalue > UNLIKELY
    assert (trials.choice == 0).mean() > 0.8


PLAIN = {"v0": (0, 3), "v1": (0, 3), "a": (1, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accumulators": 3}, "no 'v2'"),
        ({"parameters": {**PLAIN, "w": (0, 1)}}, "no function uses parameter 'w'"),
        ({"parameters": {"v": (0, 3)}}, "unknown argument 'a'"),
        ({"drift": lambda v, q: v}, "unknown argument 'q'"),
        ({"boundary": lambda a, x: a}, "only the drift may"),
        ({"start": lambda s: 0.5}, "only the drift may"),
        ({"boundary": lambda a: -a}, "accumulator 0: boundary"),
        ({"start": lambda: 1.0}, "accumulator 0: start is 1"),
        ({"parameters": {**PLAIN, "z0": (0, 0.5), "z1": (0, 1)}}, "accumulator 1: start is 1"),
        (
            {"parameters": {**PLAIN, "k": (0, 1.5)}, "boundary": lambda a, k: a - k},
            r"boundary\(s=0\) is -0.5 at .*k=1.5",
        ),
        ({"drift": lambda *v: v}, "name each argument plainly"),
        ({"drift": lambda v: 1.0 / (v - v)}, "failed at"),
        ({"accumulator": lambda q: Reflected(1.0, 1.0)}, "unknown argument 'q'"),
        ({"parameters": {**PLAIN, "z0": Parameter("z1", 0, 1)}}, "given as the Parameter 'z1'"),
    ],
)
def test_bad_races_are_refused(change: dict, message: str) -> None:
    good = {"accumulators": 2, "parameters": PLAIN, **CONSTANT}
    with pytest.raises(ModelError, match=message):
        Race("bad", **{**good, **change})


def test_a_race_needs_accumulators() -> None:
    with pytest.raises(ParameterError, match="accumulators is 0"):
        Race("none", accumulators=0, parameters=PLAIN, **CONSTANT)
