"""The zoo's one-dimensional families: each simulator against an independent law."""

import math
import pickle

import numpy as np
import pytest
from scipy import special, stats

from likely.errors import ModelError
from likely.levy_flight import LevyFlight
from likely.simulation import decide, simulate
from likely.variability import VariableDiffusion
from likely.zoo.collapsing import COLLAPSING
from likely.zoo.conflict import CONFLICT
from likely.zoo.diffusion import DIFFUSION, ddm, ddm_sdv, full_ddm, normal_drift
from likely.zoo.gamma_drift import GAMMA_DRIFT
from likely.zoo.leaky import LEAKY
from likely.zoo.levy import LEVY, levy
from likely.zoo.spotlight import SPOTLIGHT

UNLIKELY = 1e-4
WITH_TWIN = (*DIFFUSION, *COLLAPSING, *LEAKY, *GAMMA_DRIFT, *SPOTLIGHT, *CONFLICT)
DRAWS = 20_000


def typical(model):
    """Return a parameter row a third of the way into the box, with non-decision time 0."""
    lower = np.array([p.lower for p in model.parameters])
    upper = np.array([min(p.upper, p.lower + 1e3) for p in model.parameters])
    row = lower + np.linspace(0.35, 0.65, len(lower)) * (upper - lower)
    column = model.declaration.non_decision_column
    spread = model.declaration.spread
    row[column] = 0.0 if spread is None else row[model.declaration.names.index(spread)]
    return row


@pytest.mark.parametrize("model", WITH_TWIN, ids=lambda model: model.name)
def test_simulator_obeys_the_exact_density(model):
    row = typical(model)
    passage = model.twin.solve(row)
    times, choices = decide(model, row[None], DRAWS, seed=3, max_time=100.0)
    decided = ~np.isnan(times)
    values = 1.0 - np.exp(passage.log_survival(times[decided]))
    ever = 1.0 - math.exp(passage.log_survival(np.array([100.0]))[0])
    assert stats.kstest(values / ever, "uniform").pvalue > UNLIKELY
    upper = passage.probabilities[1] / passage.probabilities.sum()
    drawn = int((choices[decided] == 1.0).sum())
    assert stats.binomtest(drawn, int(decided.sum()), upper).pvalue > UNLIKELY


@pytest.mark.parametrize(
    "model", [ddm_sdv, full_ddm, *LEAKY, *LEVY, *GAMMA_DRIFT], ids=lambda model: model.name
)
def test_rows_of_their_own_give_what_single_rows_give(model, rng):
    rows = model.declaration.shaping_rows(rng, 3)
    times, choices = decide(model, rows, 50, seed=4)
    for i, row in enumerate(rows):
        alone, chosen = np.empty(50), np.empty(50)
        model.first_passages(row[None], 200, 50 * i, 4, 20.0, alone, chosen)
        np.testing.assert_array_equal(times[50 * i : 50 * (i + 1)], alone)
        np.testing.assert_array_equal(choices[50 * i : 50 * (i + 1)], chosen)


def euler_levy(v, a, z, alpha, slope, n, dt=1e-3):
    """Simulate a Levy flight by Euler's method: decision times and choices, each (n,).

    Noise is drawn by the formula of Chambers, Mallows and Stuck (1976). The boundary is moved in by
    -zeta(1 - 1/alpha) E[X+] dt^(1/alpha), which makes up for crossings between steps: the first
    term of the ladder height's Laplace exponent for small arguments.
    """
    rng = np.random.default_rng(12)
    nearer = 0.0
    if alpha > 1.0:
        order = 1.0 - 1.0 / alpha
        # zeta is needed between 0 and 1, by its functional equation from beyond 1 or below 0
        zeta = 2.0**order * math.pi ** (order - 1.0) * math.sin(0.5 * math.pi * order)
        zeta *= special.gamma(1.0 - order) * special.zeta(1.0 - order) if order < 0.0 else math.nan
        if math.isnan(zeta):
            k = np.arange(1, 200_001)
            zeta = float((k**-order).sum() - 200_000.5 ** (1.0 - order) / (1.0 - order))
        nearer = -zeta * special.gamma(order) / math.pi * dt ** (1.0 / alpha)
    times, choices = np.empty(n), np.empty(n)
    x, alive, s = np.full(n, (2.0 * z - 1.0) * a), np.arange(n), 0.0
    while len(alive):
        angle = math.pi * (rng.random(len(x)) - 0.5)
        wait = rng.standard_exponential(len(x))
        noise = np.sin(alpha * angle) / np.cos(angle) ** (1.0 / alpha)
        noise *= (np.cos((1.0 - alpha) * angle) / wait) ** ((1.0 - alpha) / alpha)
        x = x + v * dt + dt ** (1.0 / alpha) * noise
        s += dt
        out = np.abs(x) >= a - slope * s - nearer
        times[alive[out]], choices[alive[out]] = s - 0.5 * dt, np.sign(x[out])
        x, alive = x[~out], alive[~out]
    return times, choices


@pytest.mark.parametrize("alpha", [1.0, 1.5, 1.9, 2.0])
def test_levy_flight_agrees_with_small_steps(alpha):
    slope = math.tan(0.3)
    row = np.array([[1.0, 1.0, 0.4, alpha, 0.0, 0.3]])
    times, choices = decide(LEVY[1], row, DRAWS, seed=3)
    expected, chosen = euler_levy(1.0, 1.0, 0.4, alpha, slope, DRAWS)
    table = [[(c == k).sum() for k in (-1, 1)] for c in (choices, chosen)]
    assert stats.chi2_contingency(table).pvalue > UNLIKELY
    ticks = [np.round(t / 2e-3) for t in (times, expected)]
    assert stats.ks_2samp(*ticks).pvalue > UNLIKELY


def test_levy_flight_of_index_2_is_a_wiener_process_of_twice_the_variance():
    v, a, z = 0.8, 1.2, 0.6
    passage = ddm.twin.solve(np.array([v / math.sqrt(2.0), a / math.sqrt(2.0), z, 0.0]))
    times, choices = decide(levy, np.array([[v, a, z, 2.0, 0.0]]), 100_000, seed=5)
    values = 1.0 - np.exp(passage.log_survival(times))
    assert stats.kstest(values, "uniform").pvalue > UNLIKELY
    drawn = int((choices == 1.0).sum())
    assert stats.binomtest(drawn, 100_000, passage.probabilities[1]).pvalue > UNLIKELY


def test_spread_times_begin_at_the_earliest_non_decision_time():
    theta = {"v": 1.0, "a": 0.5, "z": 0.5, "t": 0.4, "sz": 0.1, "sv": 0.5, "st": 0.3}
    trials = simulate(full_ddm, theta, 20_000, seed=1)
    assert 0.1 < trials.rt.min() < 0.2
    wald = simulate("ddm", {n: theta[n] for n in "vazt"}, 20_000, seed=1).rt
    assert trials.rt.mean() == pytest.approx(wald.mean(), abs=0.02)


def test_models_pickle():
    for model in (ddm_sdv, levy, LEAKY[0]):
        again = pickle.loads(pickle.dumps(model))
        assert again.declaration == model.declaration
        assert again.first_passages is not None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"parameters": {"v": (-1, 1), "sv": (0, 1)}}, "parameter 'a' of its base is missing"),
        ({"redrawn": {"t": normal_drift}}, "unknown parameter to redraw 't'"),
        ({"redrawn": {"v": lambda v, sv: v + sv}}, "must take one random number"),
        ({"redrawn": {"v": lambda normal, v: v + normal}}, "no function uses parameter 'sv'"),
    ],
)
def test_variability_that_means_nothing_is_refused(changed, message):
    given = {
        "base": ddm,
        "parameters": {**ddm.box, "sv": (0, 1)},
        "redrawn": {"v": normal_drift},
    }
    with pytest.raises(ModelError, match=message):
        VariableDiffusion("m", **{**given, **changed})


def test_levy_flight_that_means_nothing_is_refused():
    with pytest.raises(ModelError, match="alpha"):
        LevyFlight(
            "m", parameters={"v": (-1, 1), "a": (1, 2)}, drift=lambda v: v, boundary=lambda a: a
        )
