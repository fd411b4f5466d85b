"""Decisions in two stages: simulators against exact densities, or small steps."""

import numpy as np
import pytest
from scipy import stats

from likely.errors import ModelError
from likely.simulation import decide
from likely.two_stage import PARALLEL, Stage, TwoStage
from likely.zoo import models
from likely.zoo.two_stage import (
    ddm_mic2_adj_angle_no_bias,
    ddm_par2_angle_no_bias,
    ddm_seq2,
    ddm_seq2_angle_no_bias,
)

UNLIKELY = 1e-4
DRAWS = 20_000
STEPPED = 5_000  # trials that are simulated in small steps
# Each takes long to compile.
EXACT = (pytest.param("ddm_par2_angle_no_bias", marks=pytest.mark.slow), "ddm_seq2")
VALUES = {
    "vh": 0.8, "vl1": -1.0, "vl2": 1.5, "a": 1.1, "zh": 0.4, "zl1": 0.6, "zl2": 0.3,
    "d": 0.3, "t": 0.0, "theta": 0.3,
}  # fmt: skip


def typical(model):
    return np.array([VALUES[name] for name in model.declaration.names])


@pytest.mark.parametrize("name", EXACT)
def test_simulator_obeys_the_exact_density(name):
    model = models[name]
    row = typical(model)
    passage = model.twin.solve(row)
    times, choices = decide(model, row[None], DRAWS, seed=3, max_time=100.0)
    counts = [(choices == k).sum() for k in model.choices]
    expected = DRAWS * passage.probabilities / passage.probabilities.sum()
    assert stats.chisquare(counts, expected).pvalue > UNLIKELY
    values = 1.0 - np.exp(passage.log_survival(times[:5000]))
    assert stats.kstest(values, "uniform").pvalue > UNLIKELY


def euler(order, *, vh, vl1, vl2, a, zh=0.5, zl1=0.5, zl2=0.5, d=0.0, slope=0.0, dt=2e-3):
    """Simulate two stages by Euler's method, all decisions at once or the low one after the high.

    Boundaries are moved in by 0.5826 sqrt(dt), which makes up for crossings between steps.
    """
    rng = np.random.default_rng(12)
    x = a * (2.0 * np.column_stack([np.full(STEPPED, z) for z in (zh, zl1, zl2)]) - 1.0)
    ends, sides = np.full((STEPPED, 3), np.inf), np.zeros((STEPPED, 3))
    for step in range(20_000):
        s = dt * step
        b = a - slope * s
        share = np.clip(0.5 + 0.5 * x[:, 0] / b, 0.0, 1.0)
        waiting = np.isinf(ends[:, 0])
        spared = np.where(waiting, 1.0 - d, 1.0) if order == "mixed" else 1.0
        shares = [
            np.where(waiting, w, 1.0) if order == "mixed" else 1.0 for w in (1 - share, share)
        ]
        drift = np.column_stack([np.full(STEPPED, vh), vl1 * spared * shares[0] + np.zeros(STEPPED),
                                 vl2 * spared * shares[1] + np.zeros(STEPPED)])  # fmt: skip
        running = np.isinf(ends)
        if order == "sequential":
            running[:, 1:] &= ~waiting[:, None]
            x[waiting, 1] = b * (2.0 * zl1 - 1.0)
            x[waiting, 2] = b * (2.0 * zl2 - 1.0)
        moves = drift * dt + np.sqrt(dt) * rng.standard_normal(x.shape)
        x = np.where(running, x + moves, x)
        out = running & (np.abs(x) >= b - slope * dt - 0.5826 * np.sqrt(dt))
        ends[out], sides[out] = s + 0.5 * dt, np.sign(x[out])
        branch = np.where(sides[:, 0] > 0.0, 2, 1)
        if step % 50 == 0:
            done = np.isfinite(ends[:, 0]) & np.isfinite(ends[np.arange(STEPPED), branch])
            if done.all():
                break
    each = np.arange(STEPPED)
    times = np.maximum(ends[:, 0], ends[each, branch])
    return times, 2 * (branch - 1) + (sides[each, branch] > 0.0)


@pytest.mark.parametrize(
    ("model", "order"),
    [
        (ddm_mic2_adj_angle_no_bias, "mixed"),
        pytest.param(ddm_seq2_angle_no_bias, "sequential", marks=pytest.mark.slow),
    ],
    ids=lambda given: getattr(given, "name", given),
)
def test_simulator_agrees_with_small_steps(model, order):
    row = typical(model)
    given = dict(zip(model.declaration.names, row.tolist(), strict=True))
    given.pop("t")
    if "theta" in given:
        given["slope"] = np.tan(given.pop("theta"))
    expected, chosen = euler(order, **given)
    times, choices = decide(model, row[None], DRAWS, seed=3)
    table = [[(c == k).sum() for k in range(4)] for c in (choices, chosen)]
    assert stats.chi2_contingency(table).pvalue > UNLIKELY
    ticks = [np.round(t / 4e-3) for t in (times, expected)]
    assert stats.ks_2samp(*ticks).pvalue > UNLIKELY


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ddm_par2_angle_no_bias, marks=pytest.mark.slow),
        ddm_seq2,
        ddm_mic2_adj_angle_no_bias,
    ],
    ids=lambda m: m.name,
)
def test_rows_of_their_own_give_what_single_rows_give(model, rng):
    rows = model.declaration.shaping_rows(rng, 3)
    times, choices = decide(model, rows, 50, seed=4)
    for i, row in enumerate(rows):
        alone, chosen = np.empty(50), np.empty(50)
        model.first_passages(row[None], 200, 50 * i, 4, 20.0, alone, chosen)
        np.testing.assert_array_equal(times[50 * i : 50 * (i + 1)], alone)
        np.testing.assert_array_equal(choices[50 * i : 50 * (i + 1)], chosen)


def test_idle_parameters_are_refused():
    stage = Stage(lambda v: v)
    with pytest.raises(ModelError, match="no function uses parameter 'k'"):
        TwoStage(
            "m",
            parameters={"v": (-1, 1), "a": (1, 2), "k": (0, 1)},
            order=PARALLEL,
            boundary=lambda a: a,
            high=stage,
            low=(stage, stage),
        )
