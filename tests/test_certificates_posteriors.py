"""Posterior shifts of a known size, and certificates of networks: good, rough, narrow, damaged."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
from certified import plain
from scipy.special import logit, ndtr

import likely as lk
from likely.certificates.checking import examine
from likely.certificates.effort import Effort
from likely.certificates.judgement import Grade
from likely.certificates.measures import PosteriorShift, Reach
from likely.certificates.posterior_shift import _reach
from likely.certificates.posteriors import DataSet
from likely.certificates.region import Region
from likely.densities import ExactTwin, FirstPassage
from likely.densities.twin import TOLERANCE
from likely.errors import RoughTrainingWarning

BIAS = 0.03
MIXED = Effort(
    sets=60, gradients=10, posteriors=3, trials=(1000,), simulated=0, draws=0,
    simulates_always=False,
)  # fmt: skip


# Log times that are normal with unknown mean: the posterior, and so its shift, is known


@dataclass(frozen=True)
class LogNormalPassage(FirstPassage):
    mu: float

    @property
    def probabilities(self) -> np.ndarray:
        return np.ones(1)

    def log_density(self, times: np.ndarray) -> np.ndarray:
        return normal_values(np.full((len(times), 1), self.mu), np.stack([times, 0 * times], 1))[
            :, None
        ]

    def log_survival(self, times: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(ndtr(self.mu - np.log(times)))


class LogNormalTwin(ExactTwin):
    def solve(self, row: np.ndarray, tolerance: float = TOLERANCE) -> FirstPassage:
        return LogNormalPassage(float(row[0]))


def normal_values(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Return log densities, survivals and choice probabilities of times, log times N(mu, 1)."""
    rt, choice = trials.T
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(rt)
        timed = -0.5 * (logs - rows[:, 0]) ** 2 - 0.5 * np.log(2 * np.pi) - logs
        omitted = np.log(ndtr(rows[:, 0] - logs))
    values = np.where(np.isposinf(choice), omitted, np.where(rt > 0, timed, -np.inf))
    return np.where(np.isneginf(rt), 0.0, values)


def biased_values(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
    return normal_values(rows + BIAS, trials)


def normal_draws(rows: np.ndarray, seed: int) -> np.ndarray:
    times = np.exp(rows[:, 0] + np.random.default_rng(seed).standard_normal(len(rows)))
    return np.stack([times, np.zeros(len(rows))], axis=1)


def simulate(rng, mu):  # type: ignore[no-untyped-def]
    """Return log-normal times."""
    return np.exp(mu + rng.standard_normal(len(mu))), np.zeros(len(mu))


def log_normal(twin: ExactTwin | None) -> lk.Simulator:
    return lk.Simulator(
        "log-normal", parameters={"mu": (-2.0, 2.0)}, choices=(0,), simulate=simulate,
        vectorized=True, twin=twin,
    )  # fmt: skip


def shift_of(values, trials: tuple[int, ...]) -> PosteriorShift:  # type: ignore[no-untyped-def]
    model = log_normal(LogNormalTwin())
    likelihood = plain(model.declaration, values, normal_draws)
    effort = replace(MIXED, sets=5, gradients=2, posteriors=6, trials=trials)
    found = examine(likelihood, model=model, effort=effort).shift
    assert found is not None
    return found


def test_a_known_bias_shifts_the_posterior_by_its_known_size() -> None:
    found = shift_of(biased_values, (100, 900, 3600))
    for shift in found.shifts:
        known = BIAS * np.sqrt(shift.trials)  # the posterior of mu is N(mean log time, 1/trials)
        assert shift.values == pytest.approx([known] * 6, rel=0.2)
        assert shift.median == pytest.approx(known, rel=0.1)
        assert shift.at_least == 0
    assert found.reach.trials == pytest.approx((0.2 / BIAS) ** 2, rel=0.25)
    assert found.reach.extrapolated


def test_no_bias_shifts_nothing() -> None:
    for shift in shift_of(normal_values, (100, 2000)).shifts:
        assert shift.largest < 1e-9


def test_posteriors_that_do_not_overlap_are_said_to_be_so() -> None:
    (shift,) = shift_of(lambda rows, trials: normal_values(rows + 0.5, trials), (1000,)).shifts
    assert shift.at_least == 6
    assert 2.0 < shift.median < 20.0
    (shift,) = shift_of(lambda r, t: np.full(len(t), -np.inf), (100,)).shifts
    assert shift.at_least == 6
    assert shift.median == 10.0


def test_trials_at_which_the_bias_counts() -> None:
    assert _reach([(100, 0.02), (1000, 0.1), (10_000, 0.4)]) == Reach(3162, False)
    assert _reach([(100, 0.02), (1000, 0.1)]) == Reach(4000, True)
    assert _reach([(100, 0.4), (1000, 1.2)]) == Reach(25, True)
    assert _reach([(100, 0.0), (1000, 0.0)]) == Reach(10**9, True)


def test_a_model_without_an_exact_density_is_judged_by_draws() -> None:
    model = log_normal(None)
    effort = replace(MIXED, simulated=20, draws=300)
    right, wrong = (
        examine(plain(model.declaration, values, normal_draws), model=model, effort=effort)
        for values in (normal_values, lambda r, t: normal_values(r + 0.3, t))
    )
    for certificate in (right, wrong):
        assert certificate.exact is None
        assert certificate.shift is None
        assert certificate.draws is not None
        assert certificate.draws.sets == 20
    assert right.trusted
    assert {"times' transforms, pooled", "log score behind draws, median"} <= {
        j.measure for j in wrong.judgements if not j.trusted
    }
    assert "fresh simulations at each of 20 parameter sets" in right.verdict


def test_draws_tell_a_density_that_is_not_normalised() -> None:
    def tilted(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
        return normal_values(rows, trials) + np.where(np.isfinite(trials[:, 0]), rows[:, 0], 0.0)

    model = log_normal(None)
    likelihood = plain(model.declaration, tilted, normal_draws)
    certificate = examine(likelihood, model=model, effort=replace(MIXED, simulated=20, draws=300))
    assert certificate.grade is Grade.UNFIT
    refused = {j.measure for j in certificate.judgements if not j.trusted}
    assert refused == {"mass beside draws, 95%"}


# Networks


@pytest.fixture(scope="module")
def narrow() -> lk.Likelihood:
    """Trained on a box that is too small, until that is what is most wrong with it."""
    model = lk.models["ddm"].with_box(v=(-3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RoughTrainingWarning)
        return lk.train(model, steps=1500, seed=1, hidden=(32, 32), progress=False)


@pytest.fixture(scope="module")
def rough() -> lk.Likelihood:
    """Trained for two seconds on the whole box."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RoughTrainingWarning)
        return lk.train("ddm", seconds=2, seed=1, hidden=(32, 32), progress=False)


def refused_measures(likelihood: lk.Likelihood, **options) -> tuple[Grade, set[str]]:  # type: ignore[no-untyped-def]
    certificate = examine(likelihood, effort=MIXED, **options)
    return certificate.grade, {j.measure for j in certificate.judgements if not j.trusted}


def test_the_shipped_likelihood_is_good() -> None:
    certificate = examine(lk.load("ddm"), effort=MIXED)
    assert certificate.grade is not Grade.UNFIT
    assert certificate.exact is not None
    assert certificate.shift is not None
    assert certificate.exact.log_density.median < 0.005
    assert certificate.shift.shifts[0].median < 0.2


def test_a_network_trained_for_two_seconds_fails(rough: lk.Likelihood) -> None:
    grade, measures = refused_measures(rough)
    assert grade is Grade.UNFIT
    assert measures >= {
        "log density, median", "log density, 95%", "divergence, 95%", "choice probability, 95%",
        "survival, 95%", "posterior shift at 1,000 trials, median",
    }  # fmt: skip


@pytest.mark.slow
def test_a_network_trained_on_too_small_a_box_fails_over_the_models(
    narrow: lk.Likelihood,
) -> None:
    own = examine(narrow, effort=MIXED)
    assert own.exact is not None
    wide = examine(narrow, effort=MIXED, box=lk.models["ddm"].box)
    assert wide.exact is not None
    assert wide.grade is Grade.UNFIT
    assert wide.box["v"] == (-6.0, 6.0)
    assert wide.exact.log_density.median > 2 * own.exact.log_density.median
    medians = {q.parameter: q.medians for q in wide.exact.quarters}["v"]
    assert min(medians[0], medians[3]) > 2 * max(medians[1], medians[2])


def test_a_network_with_damaged_weights_fails() -> None:
    shipped = lk.load("ddm")
    noise = 0.02 * np.random.default_rng(0).standard_normal(shipped.weights.shape)
    damaged = replace(shipped, weights=shipped.weights + noise, certificate=None)
    grade, measures = refused_measures(damaged)
    assert grade is Grade.UNFIT
    assert {"log density, median", "posterior shift at 1,000 trials, median"} <= measures


def test_what_constraints_forbid_has_no_exact_posterior() -> None:
    model = lk.models["ddm_st"]  # st <= t; a density can be computed beyond that too
    region = Region.of(model.declaration, None)
    rows = np.array([[1.0, 1.2, 0.5, 0.4, 0.3], [1.0, 1.2, 0.5, 0.3, 0.4]])
    trials = np.array([[0.9, 1.0], [1.4, -1.0]])
    assert model.twin is not None
    data = DataSet.of(lk.load("ddm_st"), model.twin, region, trials)
    values = data.under_exact(logit((rows - region.lower) / region.width))
    assert np.isfinite(values).tolist() == [True, False]
