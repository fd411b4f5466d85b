"""Simulated trials: the same bits however they are made, and the right law."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from likely import simulation
from likely.densities import wiener
from likely.diffusions import Diffusion
from likely.errors import ModelError, ParameterError
from likely.kernels.compiled import BLOCK
from likely.simulation import simulate
from likely.simulators import Simulator
from likely.zoo import models

UNLIKELY = 1e-4  # a p-value below is a failure; seeds are fixed, so it stays passed or failed
DDM = {"v": 1.0, "a": 1.5, "z": 0.5, "t": 0.5}
ANGLE = {**DDM, "theta": 0.3}


def race_of_two(rng, v, w, t):
    left, right = rng.wald(1 / v, 1.0), rng.wald(1 / w, 1.0)
    return t + min(left, right), 0 if left < right else 1


def races_of_two(rng, v, w, t):
    left, right = rng.wald(1 / v, 1.0), rng.wald(1 / w, 1.0)
    return t + np.minimum(left, right), left >= right


RACE_BOX = {"v": (0.5, 4), "w": (0.5, 4), "t": (0, math.inf)}
RACE = {"v": 2.0, "w": 1.0, "t": 0.3}
race = Simulator(
    "race", parameters=RACE_BOX, choices=(0, 1), simulate=race_of_two, non_decision="t"
)
races = Simulator(
    "races",
    parameters=RACE_BOX,
    choices=(0, 1),
    simulate=races_of_two,
    vectorized=True,
    non_decision="t",
)
leaky = Diffusion(
    "leaky",
    parameters={"v": (-2, 2), "g": (-5, 5), "kick": (0, 10), "a": (0.2, 4), "wave": (0, 0.5)},
    drift=lambda x, v, g, kick: v - g * x + (kick if x > 0.3 else 0.0),
    boundary=lambda s, a, wave: a * (1 + wave * math.sin(30 * s)),
)
PULSED_BOX = {
    "v": (-2, 2),
    "pulse": (-30, 30),
    "a": (0.2, 4),
    "power": (0.5, 4),
    "drop": (0, 1),
}
pulsed = Diffusion(
    "pulsed",
    parameters=PULSED_BOX,
    drift=lambda s, v, pulse: v + (pulse if 0.3 < s < 0.35 else 0.0),
    boundary=lambda s, a, power, drop: a * math.exp(-(s**power)) * (1 - drop * (s > 0.6)),
)
WITH_STREAMS = [(models["ddm"], DDM), (models["angle"], ANGLE)]
ALL = [*WITH_STREAMS, (race, RACE), (races, RACE)]
NAMES = [model.name for model, _ in ALL]


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


class TestSameSeedSameBits:
    @pytest.mark.parametrize(("model", "theta"), ALL, ids=NAMES)
    def test_for_any_number_of_threads_and_any_chunks(self, model, theta, monkeypatch):
        several = {**theta, "v": [0.5, 1.0, 2.0]}
        n = 5 * BLOCK + 17
        reference = simulate(model, several, n, seed=9, threads=1)
        for threads in (1, 2, 7):
            same(simulate(model, several, n, seed=9, threads=threads), reference)
        for chunk, quick in ((BLOCK, 0.0), (10**9, math.inf)):
            monkeypatch.setattr(simulation, "CHUNK", chunk)
            monkeypatch.setattr(simulation, "QUICK", quick)
            same(simulate(model, several, n, seed=9), reference)

    @pytest.mark.parametrize(("model", "theta"), WITH_STREAMS, ids=NAMES[:2])
    def test_wherever_a_diffusion_is_cut(self, model, theta, rng):
        rows = model.declaration.rows({**theta, "z": [0.3, 0.5, 0.7]})
        n = 3 * 700
        cuts = [0, 1, *sorted(rng.integers(2, n, 20)), n]
        times, choices = np.empty(n), np.empty(n)
        for first, last in zip(cuts[:-1], cuts[1:], strict=True):
            part = slice(first, last)
            model.first_passages(rows, 700, int(first), 4, 20.0, times[part], choices[part])
        together = simulation.decide(model, rows, 700, seed=4)
        np.testing.assert_array_equal(times, together[0])
        np.testing.assert_array_equal(choices, together[1])

    @pytest.mark.parametrize(("model", "theta"), ALL, ids=NAMES)
    def test_other_seeds_give_other_trials(self, model, theta):
        seeds = (0, 1, 2, 2**32, 2**63, 2**64 - 1)
        runs = [simulate(model, theta, 500, seed=seed).rt.to_numpy() for seed in seeds]
        assert len(np.unique(np.concatenate(runs))) == 500 * len(seeds)

    def test_rows_are_independent_of_each_other(self):
        together = simulate("ddm", {**DDM, "v": [1.0, 1.0]}, 1000, seed=3)
        assert not set(together.rt[:1000]) & set(together.rt[1000:])
        same(together[:1000], simulate("ddm", DDM, 1000, seed=3))

    @pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint64])
    def test_whole_numbers_of_any_type(self, dtype):
        same(simulate("ddm", DDM, dtype(20), seed=dtype(7)), simulate("ddm", DDM, 20, seed=7))

    def test_parameters_in_any_form(self):
        reference = simulate("ddm", DDM, 20, seed=7)
        for theta in (pd.Series(DDM), pd.DataFrame(DDM, index=[5]), [1, 1.5, 0.5, 0.5]):
            same(simulate("ddm", theta, 20, seed=7), reference)
        integers = {"v": np.int16(1), "a": np.array(2), "z": np.float32(0.5), "t": 1}
        same(
            simulate("ddm", integers, 20, seed=7),
            simulate("ddm", {"v": 1.0, "a": 2.0, "z": 0.5, "t": 1.0}, 20, seed=7),
        )


class TestFrame:
    def test_trials_come_row_after_row(self):
        trials = simulate("ddm", {**DDM, "t": [1.0, 100.0, 10.0]}, 50, seed=0)
        assert trials.columns.tolist() == ["rt", "choice"]
        assert (trials.dtypes == np.float64).all()
        assert trials.index.tolist() == list(range(150))
        assert (trials.rt[:50] > 1).all()
        assert trials.rt[50:100].between(100, 121).all()
        assert trials.rt[100:].between(10, 31).all()
        assert set(trials.choice) <= {-1.0, 1.0}

    def test_one_trial_a_row_by_default(self):
        assert len(simulate("ddm", {**DDM, "v": [1, 2, 3]}, seed=0)) == 3

    def test_no_rows_no_trials(self):
        assert simulate("ddm", np.empty((0, 4)), seed=0).shape == (0, 2)

    def test_non_decision_time_is_a_pure_shift_without_limit(self):
        early = simulate("ddm", {**DDM, "t": 0}, 1000, seed=2)
        late = simulate("ddm", {**DDM, "t": 1000.0}, 1000, seed=2)
        np.testing.assert_array_equal(late.rt, early.rt + 1000.0)
        np.testing.assert_array_equal(late.choice, early.choice)
        assert (early.rt > 0).all()


class TestUndecided:
    def test_are_not_numbers_and_never_choices(self):
        theta = {"v": 0.0, "a": 4.0, "z": 0.5, "t": 0.5}
        trials = simulate("ddm", theta, 20_000, seed=1, max_time=0.5)
        assert trials.rt.isna().equals(trials.choice.isna())
        assert trials.rt.isna().mean() > 0.999
        assert (trials.rt.dropna() <= 1.0).all()

    def test_are_as_many_as_the_exact_survival_says(self):
        trials = simulate("ddm", DDM, 100_000, seed=5, max_time=1.0)
        expected = math.exp(wiener.log_survival(1.5, **DDM))
        error = math.sqrt(expected * (1 - expected) / len(trials))
        assert abs(trials.rt.isna().mean() - expected) < 4 * error

    @pytest.mark.parametrize("model", [race, races], ids=["race", "races"])
    def test_simulators_are_cut_off_too(self, model):
        free = simulate(model, RACE, 5000, seed=1)
        cut = simulate(model, RACE, 5000, seed=1, max_time=0.3)
        late = free.rt >= 0.6
        assert 0 < late.sum() < 5000
        assert cut[late].isna().all(axis=None)
        same(cut[~late], free[~late])

    def test_a_boundless_time_limit_decides_all(self):
        trials = simulate("ddm", {**DDM, "v": 0.0, "a": 4.0}, 2000, seed=1, max_time=math.inf)
        assert trials.notna().all(axis=None)


def against_exact(theta, n=40_000):
    """Compare draws of the DDM with the exact density: KS test by choice, and choice shares."""
    trials = simulate("ddm", theta, n, seed=31, max_time=400.0)
    assert trials.notna().all(axis=None)
    upper = float(wiener.choice_probability(1, theta["v"], theta["a"], theta["z"]))
    drawn = int((trials.choice == 1).sum())
    assert stats.binomtest(drawn, n, upper).pvalue > UNLIKELY
    for choice, probability in ((-1, 1 - upper), (1, upper)):
        rt = trials.rt[trials.choice == choice]
        if len(rt) > 50:
            tested = stats.kstest(
                rt,
                lambda x: np.exp(wiener.log_cdf(x, choice, **theta)) / probability,  # noqa: B023
            )
            assert tested.pvalue > UNLIKELY, (theta, choice, tested)


class TestLaw:
    @pytest.mark.parametrize(
        ("v", "a", "z"),
        [
            (1.0, 1.5, 0.5),
            (-0.7, 0.8, 0.3),
            (0.0, 1.0, 0.8),
            (0.0, 4.0, 0.5),
            (0.3, 4.0, 0.95),
            *[(v, a, z) for v in (-6.0, 6.0) for a in (0.2, 4.0) for z in (0.05, 0.95)],
        ],
    )
    def test_ddm_is_the_exact_first_passage(self, v, a, z):
        against_exact({"v": v, "a": a, "z": z, "t": 0.4})

    def test_mean_reaction_time_of_the_ddm_has_no_visible_bias(self):
        trials = simulate("ddm", DDM, 2_000_000, seed=8)
        upper = 1 / (1 + math.exp(-2 * 1.5))
        exact = 0.5 + (2 * upper - 1) * 1.5  # Wald's identity
        assert abs(trials.rt.mean() - exact) < 4 * trials.rt.std() / math.sqrt(len(trials))
        assert abs((trials.choice == 1).mean() - upper) < 4 * math.sqrt(upper * (1 - upper) / 2e6)

    @pytest.mark.parametrize("theta", [0.3, 1.4, -0.1])
    def test_angle_agrees_with_small_steps(self, theta):
        slope = math.tan(theta)
        agree(
            simulate("angle", {"v": 1, "a": 1.5, "z": 0.4, "t": 0, "theta": theta}, 40_000, seed=3),
            small_steps(lambda x, s: 1.0, lambda s: 1.5 - s * slope, start=-0.3),
        )

    @pytest.mark.parametrize(
        ("v", "g", "kick", "a", "wave"),
        [
            (0.5, 3.0, 0.0, 0.8, 0.0),
            (0.5, -4.0, 0.0, 1.5, 0.0),
            (0.3, 0.0, 10.0, 1.5, 0.0),
            (0.5, 0.0, 0.0, 1.5, 0.4),
        ],
        ids=["leak", "self-excitation", "jump in space", "waves"],
    )
    def test_drift_that_depends_on_the_evidence_and_waves(self, v, g, kick, a, wave):
        theta = {"v": v, "g": g, "kick": kick, "a": a, "wave": wave}
        agree(
            simulate(leaky, theta, 40_000, seed=4),
            small_steps(
                lambda x, s: v - g * x + kick * (x > 0.3), lambda s: leaky.boundary(s, a, wave)
            ),
        )

    @pytest.mark.parametrize(
        ("pulse", "a", "power", "drop", "n"),
        [
            (20.0, 2.0, 1.0, 0.0, 40_000),
            pytest.param(0.0, 2.0, 0.5, 0.0, 5_000, marks=pytest.mark.slow),  # 1.3 ms a trial
            (-10.0, 1.5, 3.0, 0.5, 40_000),
        ],
        ids=["pulse", "steep at first", "jump in time"],
    )
    def test_drift_and_boundary_that_depend_on_time(self, pulse, a, power, drop, n):
        theta = {"v": 0.5, "pulse": pulse, "a": a, "power": power, "drop": drop}
        agree(
            simulate(pulsed, theta, n, seed=4),
            small_steps(
                lambda x, s: 0.5 + pulse * (0.3 < s < 0.35),
                lambda s: pulsed.boundary(s, a, power, drop),
            ),
        )

    def test_per_trial_and_vectorised_simulators_obey_one_law(self):
        one, many = (simulate(model, RACE, 40_000, seed=6) for model in (race, races))
        agree(one, (many.rt.to_numpy(), many.choice.to_numpy()))

        def survival(s):
            return stats.invgauss.sf(s, 0.5) * stats.invgauss.sf(s, 1.0)

        for trials in (one, many):
            assert stats.kstest(trials.rt - 0.3, lambda s: 1 - survival(s)).pvalue > UNLIKELY


def small_steps(drift, boundary, *, start=0.0, n=15_000, dt=5e-4):
    """Simulate by Euler's method with small steps: decision times and choices, each (n,).

    The boundary is moved in by 0.5826 sqrt(dt), which makes up for crossings between steps
    (Broadie, Glasserman & Kou 1997).
    """
    rng = np.random.default_rng(12)
    times, choices = np.empty(n), np.empty(n)
    x, alive, s = np.full(n, start), np.arange(n), 0.0
    while len(alive):
        x = x + drift(x, s + 0.5 * dt) * dt + math.sqrt(dt) * rng.standard_normal(len(x))
        s += dt
        out = np.abs(x) >= boundary(s) - 0.5826 * math.sqrt(dt)
        times[alive[out]], choices[alive[out]] = s - 0.5 * dt, np.sign(x[out])
        x, alive = x[~out], alive[~out]
    return times, choices


def agree(trials, reference, tick=1e-3):
    """Assert that two samples of times and choices have one law, times counted in ticks."""
    times, choices = reference
    table = [[(c == k).sum() for k in np.unique(choices)] for c in (trials.choice, choices)]
    assert stats.chi2_contingency(table).pvalue > UNLIKELY
    for choice in np.unique(choices):
        one, other = trials.rt[trials.choice == choice], times[choices == choice]
        tested = stats.ks_2samp(np.round(one / tick), np.round(other / tick))
        assert tested.pvalue > UNLIKELY, (choice, tested)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"n": 0}, "n is 0; it must be a whole number, at least 1"),
            ({"n": -5}, "n is -5"),
            ({"n": 10.0}, "n is 10.0; it must be a whole number"),
            ({"n": "10"}, "n is '10'"),
            ({"n": True}, "n is True"),
            ({"n": None}, "n is None"),
            ({"seed": -1}, "seed is -1; it must be a whole number from 0 to"),
            ({"seed": 2**64}, "seed is 18446744073709551616"),
            ({"seed": 1.5}, "seed is 1.5"),
            ({"seed": None}, "seed is None"),
            ({"seed": "1"}, "seed is '1'"),
            ({"seed": True}, "seed is True"),
            ({"max_time": 0}, "max_time is 0; it must be a positive number of seconds"),
            ({"max_time": -1.0}, "max_time is -1.0"),
            ({"max_time": math.nan}, "max_time is nan"),
            ({"max_time": "20"}, "max_time is '20'"),
            ({"max_time": None}, "max_time is None"),
            ({"threads": 0}, "threads is 0; it must be a whole number, at least 1"),
            ({"threads": 1.5}, "threads is 1.5"),
            ({"threads": "2"}, "threads is '2'"),
            ({"theta": {**DDM, "a": 4.5}}, r"'a' is 4.5 in row 0, outside the box \[0.2, 4\]"),
            ({"theta": {**DDM, "z": [0.5, 1.0]}}, "'z' is 1 in row 1, outside the box"),
            ({"theta": {**DDM, "t": -0.1}}, "'t' is -0.1 in row 0, outside the box"),
            ({"theta": {**DDM, "v": math.nan}}, "'v' is nan in row 0"),
            ({"theta": {"v": 1}}, "no value for parameter 'a'. It needs v, a, z, t"),
            ({"theta": {**DDM, "theta": 1}}, "model 'ddm': unknown parameter 'theta'"),
            ({"theta": [1, 2, 3]}, r"of shape \(3,\) do not fit"),
            ({"theta": None}, "do not fit|is nan"),
        ],
    )
    def test_bad_input_is_named(self, changed, message):
        arguments = {"theta": DDM, "n": 2, "seed": 0} | changed
        with pytest.raises(ParameterError, match=message):
            simulate("ddm", **arguments)

    def test_a_seed_must_be_given(self):
        with pytest.raises(TypeError, match="seed"):
            simulate("ddm", DDM, 10)

    def test_a_wider_box_admits_more(self):
        wider = models["ddm"].with_box(a=(0.2, 9))
        assert simulate(wider, {**DDM, "a": 8, "v": 6}, 10, seed=0).notna().all(axis=None)

    def test_a_failure_on_another_thread_reaches_the_caller(self):
        def fails_late(rng, v):
            if len(v) < BLOCK and v[0] == 1:
                raise RuntimeError("broken")
            return v, 0 * v

        model = Simulator(
            "m", parameters={"v": (0.5, 2)}, choices=(0,), simulate=fails_late, vectorized=True
        )
        with pytest.raises(ModelError, match="'m': the simulator failed: RuntimeError: broken"):
            simulate(model, {"v": 1.0}, 20 * BLOCK + 1, seed=0, threads=2)


INTERRUPTED = """
from likely.simulators import Simulator
from likely.simulation import simulate

def slow(rng, v):
    total = 0.0
    for _ in range(50_000):
        total += rng.random()
    return total, 0

lengthy = Simulator("slow", parameters={"v": (1, 2)}, choices=(0,), simulate=slow)
for model, theta, threads in (("ddm", [0, 4, 0.5, 0], 2), (lengthy, [1], 1)):
    simulate(model, theta, 1, seed=0)
    print("ready", flush=True)
    try:
        simulate(model, theta, 200_000_000, seed=1, threads=threads, progress=False)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_long_simulation():
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        for _ in ("fast and on two threads", "slow and on one"):
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.3)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < 2
        _, errors = process.communicate(timeout=20)
    assert errors == ""
    assert process.returncode == 0
