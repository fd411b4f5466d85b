"""Certificates: right densities pass, each measure fails where it should, figures and files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from certified import DDM, changed, ddm_draws, ddm_values, handwritten, plain
from commandline import assert_refused, command
from handmade import handmade_ddm

import likely as lk
from likely.certificates import checking
from likely.certificates.against_draws import against_draws
from likely.certificates.against_exact import _errors, _solved, against_exact
from likely.certificates.checking import examine
from likely.certificates.classifier import separation
from likely.certificates.effort import Effort
from likely.certificates.judgement import Grade, Judgement, of_draws, of_exact, of_shift
from likely.certificates.region import Region
from likely.certificates.transforms import band, distance
from likely.certificates.verdict import reasons
from likely.errors import FileFormatError, ModelError, ParameterError
from likely.likelihood import Likelihood
from likely.networks.delayed import DelayedDensity
from likely.plots.certificate import (
    certificate_by_parameter,
    certificate_shift,
    certificate_summary,
    certificate_transforms,
    network_against_exact,
)

SMALL = Effort(
    sets=40, gradients=10, posteriors=1, trials=(20, 40), simulated=30, draws=200,
    simulates_always=True,
)  # fmt: skip


def silent(share: float) -> None:
    """Stand in for a progress bar."""


def failed(judgements: tuple[Judgement, ...]) -> set[str]:
    return {j.measure for j in judgements if not j.trusted}


def exact_failures(likelihood: Likelihood) -> set[str]:
    region = Region.of(likelihood.declaration, None)
    found = against_exact(likelihood, DDM.twin, region, region.sets(30, 1), 8, silent)
    return failed(of_exact(found))


def draws_failures(likelihood: Likelihood) -> set[str]:
    region = Region.of(likelihood.declaration, None)
    rows = region.sets(60, 2)
    return failed(of_draws(against_draws(likelihood, DDM, region, rows, 500, 3, silent)))


@pytest.fixture(scope="module")
def right() -> Likelihood:
    return plain(DDM.declaration, ddm_values, ddm_draws)


# Each measure passes for the exact density, and can fail


def test_the_exact_density_has_no_errors(right: Likelihood) -> None:
    region = Region.of(right.declaration, None)
    found = against_exact(right, DDM.twin, region, region.sets(30, 1), 8, silent)
    assert found.log_density.largest < 1e-12
    assert found.mass.largest < 1e-6
    assert found.choice is not None
    assert found.choice.largest < 1e-12
    assert found.gradient.largest < 1e-3
    assert found.slope is not None
    assert found.slope.largest < 1e-3
    assert failed(of_exact(found)) == set()


def leaking(rows: np.ndarray, trials: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return np.where(trials[:, 0] <= rows[:, 3], -6.0, exact)


def wavy_in_time(rows: np.ndarray, trials: np.ndarray, exact: np.ndarray) -> np.ndarray:
    s = np.maximum(trials[:, 0] - rows[:, 3], 1e-300)
    return exact + 0.002 * np.sin(100 * np.log(s))


def surer(rows: np.ndarray, trials: np.ndarray, exact: np.ndarray) -> np.ndarray:
    shares = np.exp(exact) ** 1.2
    return np.log(shares / (shares + (1 - np.exp(exact)) ** 1.2))


WRONG: list[tuple[str, str, Callable[..., np.ndarray], set[str]]] = [
    ("log density", "times", lambda rows, trials, exact: exact + 0.1 * np.sin(5 * rows[:, 0]),
     {"log density, median", "log density, 95%", "divergence, 95%", "mass, 95%"}),
    ("faint points", "times", lambda rows, trials, exact: np.where(exact < -9, exact - 9, exact),
     {"single points, 95%"}),
    ("mass", "times", lambda rows, trials, exact: exact + 0.003, {"mass, 95%"}),
    ("early", "times", leaking, {"mass before t, largest"}),
    ("gradient", "times", lambda rows, trials, exact: exact + 9e-4 * np.sin(500 * rows[:, 0]),
     {"gradient, median"}),
    ("slope", "times", wavy_in_time, {"slope in log time, median"}),
    ("choice", "choices", surer, {"choice probability, 95%"}),
    ("survival", "omissions", lambda rows, trials, exact: exact - 0.03, {"survival, 95%"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "of", "change", "measures"), WRONG, ids=[w[0] for w in WRONG])
def test_each_measure_against_the_exact_density_can_fail(
    name: str, of: str, change: Callable[..., np.ndarray], measures: set[str]
) -> None:
    assert exact_failures(changed(change, of)) >= measures


def test_a_gradient_that_is_no_number_fails() -> None:
    def cut(rows: np.ndarray, trials: np.ndarray, exact: np.ndarray) -> np.ndarray:
        return np.where(rows[:, 1] > 1.0, np.nan, exact)

    fails = exact_failures(changed(cut))
    assert {"log density, 95%", "divergence, 95%", "single points, 95%"} <= fails
    region = Region.of(DDM.declaration, None)
    row = region.sets(1, 1)
    exact = _solved(DDM.twin, region, row[0], True)
    assert exact is not None
    nothing = np.full((*exact.log_p.shape, 4), np.nan)
    found = _errors(region, exact, exact.log_p, nothing)
    assert found.gradient == pytest.approx(1000.0, rel=1e-3)
    assert found.slope == pytest.approx(1000.0, rel=1e-3)


def test_what_could_not_be_judged_counts_against_a_likelihood() -> None:
    certificate = handwritten(handmade_ddm())
    assert certificate.exact is not None
    assert certificate.shift is not None
    unsolved = replace(certificate, exact=replace(certificate.exact, unsolved=1))
    assert "sets without an exact density, share" in failed(unsolved.judgements)
    assert "1 more sets could not be judged" in unsolved.verdict
    lower_bounds = replace(certificate.shift.shifts[0], at_least=2)
    shift = replace(certificate.shift, shifts=(lower_bounds,))
    judged = of_shift(shift)
    assert min(j.grade for j in judged) is Grade.UNFIT
    assert failed(judged) == {"hardly overlapping posteriors at 1,000 trials, share"}


def test_a_change_of_one_kind_fails_that_measure_alone() -> None:
    assert exact_failures(changed(surer, "choices")) == {"choice probability, 95%"}
    assert exact_failures(changed(leaking)) == {"mass before t, largest"}


def test_the_error_is_the_one_that_was_put_in() -> None:
    likelihood = changed(lambda rows, trials, exact: exact + 0.25 * (rows[:, 1] > 1.25))
    region = Region.of(likelihood.declaration, None)
    found = against_exact(likelihood, DDM.twin, region, region.sets(40, 1), 2, silent)
    assert found.log_density.largest == pytest.approx(0.25, rel=1e-3)
    assert found.mass.largest == pytest.approx(np.expm1(0.25), rel=1e-3)
    medians = {q.parameter: q.medians for q in found.quarters}
    assert medians["a"] == pytest.approx((0.0, 0.0, 0.25, 0.25), rel=1e-3)
    assert set(medians) == {"v", "a", "z"}
    assert all(place.parameters["a"] > 1.25 for place in found.worst)


def test_draws_of_the_exact_density_pass(right: Likelihood) -> None:
    assert draws_failures(right) == set()


def slower(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Return the log density of decision times that are a fifth longer."""
    shift = rows[:, 3]
    scaled = trials.copy()
    scaled[:, 0] = shift + (trials[:, 0] - shift) / 1.2
    return ddm_values(rows, scaled) - np.where(np.isfinite(trials[:, 1]), np.log(1.2), 0.0)


def slower_draws(rows: np.ndarray, seed: int) -> np.ndarray:
    trials = ddm_draws(rows, seed)
    trials[:, 0] += 0.2 * (trials[:, 0] - rows[:, 3])
    return trials


def test_draws_tell_wrong_times() -> None:
    wrong = draws_failures(plain(DDM.declaration, slower, slower_draws))
    assert wrong >= {
        "times' transforms, pooled",
        "classifier, area beyond 0.5",
        "log score behind draws, median",
    }


def test_draws_tell_wrong_times_of_single_sets() -> None:
    def some(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
        early = plain(DDM.declaration, slower, ddm_draws).density
        return np.where(rows[:, 1] > 1.8, early.values(rows, trials), ddm_values(rows, trials))

    wrong = draws_failures(plain(DDM.declaration, some, ddm_draws))
    assert "times' transforms, one set" in wrong


def test_draws_tell_wrong_choices() -> None:
    assert draws_failures(changed(surer, "choices")) == {"choice z-scores"}


def test_the_classifier_test_holds_its_level(rng: np.random.Generator) -> None:
    def sample() -> np.ndarray:
        rows = np.column_stack([rng.uniform(-1, 1, (800, 2)), rng.normal(size=800)])
        return np.column_stack([rows, rng.integers(2, size=800)])

    beyond = [abs(found.area - 0.5) > found.band
              for found in (separation(sample(), sample(), 2) for _ in range(20))]  # fmt: skip
    assert sum(beyond) <= 4  # 1 expected; 5 or more once in 400


def test_the_band_of_transforms_holds_its_level(rng: np.random.Generator) -> None:
    distances = [distance(rng.random(400)) for _ in range(2000)]
    assert np.mean(np.array(distances) > band(400)) == pytest.approx(0.05, abs=0.02)
    several = np.reshape(distances, (200, 10)).max(axis=1)
    assert np.mean(several > band(400, 10)) == pytest.approx(0.05, abs=0.05)


def test_a_density_of_times_alone_is_judged_by_times(right: Likelihood) -> None:
    density = replace(right.density, times_only=True)  # type: ignore[type-var]
    certificate = examine(replace(right, density=density), model=DDM, effort=SMALL)
    assert certificate.exact is not None
    assert certificate.exact.choice is None
    assert certificate.exact.survival is None
    assert certificate.draws is not None
    assert certificate.draws.choice_z is None
    assert certificate.shift is not None
    assert certificate.shift.shifts[-1].largest < 1e-6
    assert certificate.trusted
    assert "By these measures the likelihood is accurate." in str(certificate)
    assert lk.Certificate.from_json(certificate.to_json()) == certificate


# Records, files and words


def test_a_certificate_survives_json_and_a_file(tmp_path: Path) -> None:
    likelihood = handmade_ddm()
    certificate = handwritten(likelihood)
    text = json.dumps(certificate.to_json(), allow_nan=False)
    assert lk.Certificate.from_json(json.loads(text)) == certificate
    path = likelihood.certified(certificate).save(tmp_path / "certified.likely")
    assert lk.load(path).certificate == certificate


def test_a_certificate_of_other_weights_is_refused() -> None:
    likelihood = handmade_ddm().certified(handwritten(handmade_ddm()))
    with pytest.raises(FileFormatError, match="one of other weights; check it again"):
        replace(likelihood, weights=likelihood.weights + 0.1)


def test_words_hold_the_numbers() -> None:
    certificate = handwritten(handmade_ddm())
    assert "log density, mean |error|" in str(certificate)
    for number in ("0.002", "0.013", "16,000", "4,000", "0.05", "0.501"):
        assert number in certificate.verdict
    assert "the former extrapolated" in certificate.verdict


def test_the_verdict_says_what_keeps_a_likelihood_from_being_accurate() -> None:
    certificate = replace(handwritten(handmade_ddm()), exact=None)
    assert certificate.draws is not None
    assert certificate.grade is Grade.ACCURATE
    assert "differ by less than 0.008 in 95% of the sets and by 0.013" in certificate.verdict
    assert not reasons(certificate)
    worse = replace(certificate, draws=replace(certificate.draws, choice_z=2.0))
    assert worse.grade is Grade.USABLE
    assert reasons(worse) == ["What keeps it from being accurate: choice z-scores is 2, above 1.3."]
    assert worse.verdict.endswith(f"is usable with care. {reasons(worse)[0]}")


def test_the_worst_measure_decides() -> None:
    certificate = handwritten(handmade_ddm())
    assert certificate.shift is not None
    shift = certificate.shift.shifts[0]
    grades = []
    for high in (0.15, 0.6, 2.0):
        parts = replace(certificate.shift, shifts=(replace(shift, high=high),))
        judged = [j for j in replace(certificate, shift=parts).judgements if "90%" in j.measure]
        grades.append(judged[0].grade)
    assert grades == [Grade.ACCURATE, Grade.USABLE, Grade.UNFIT]
    assert certificate.grade == min(j.grade for j in certificate.judgements)


def test_figures_are_drawn() -> None:
    likelihood = handmade_ddm()
    likelihood = likelihood.certified(handwritten(likelihood))
    assert likelihood.certificate is not None
    certificate = likelihood.certificate
    assert len(certificate_summary(certificate).axes) == 3
    assert len([ax for ax in certificate_by_parameter(certificate).axes if ax.get_visible()]) == 1
    assert len(network_against_exact(likelihood, lk.models["ddm"]).axes) == 3
    with pytest.raises(ParameterError, match="no posterior shifts"):
        certificate_shift(replace(certificate, shift=None))
    with pytest.raises(ParameterError, match="no fresh draws"):
        certificate_transforms(replace(certificate, draws=None))


# Refusals


def test_bad_requests_are_refused() -> None:
    likelihood = handmade_ddm()
    with pytest.raises(ModelError, match="has the parameters"):
        lk.check(likelihood, model="angle")
    with pytest.raises(ParameterError, match="seed is -1"):
        lk.check(likelihood, seed=-1)
    with pytest.raises(ParameterError, match="unknown parameter 'w'"):
        lk.check(likelihood, box={"w": (0, 1)})
    with pytest.raises(ParameterError, match="no interval inside the support"):
        lk.check(likelihood, box={"z": (0.5, 1.5)})
    with pytest.raises(ParameterError, match="is no likelihood"):
        lk.check("ddm")  # type: ignore[arg-type]


def test_a_likelihood_of_no_known_model_needs_one() -> None:
    declaration = replace(DDM.declaration, name="mine")
    likelihood = plain(declaration, ddm_values, ddm_draws)
    with pytest.raises(ModelError, match="unknown model 'mine'.*model="):
        lk.check(likelihood)
    one_way = lk.Simulator(
        "mine", parameters=dict(DDM.box), choices=(-1, 1), non_decision=None, vectorized=True,
        simulate=lambda rng, v, a, z, t: (1 + 0 * v, np.sign(v)),
    )  # fmt: skip
    with pytest.raises(ModelError, match="non-decision time t, but model 'mine' has None"):
        lk.check(likelihood, model=one_way)


# The command


def test_the_command_certifies_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "QUICK", replace(SMALL, posteriors=1, trials=(20,), sets=10))
    path = handmade_ddm().save(tmp_path / "handmade.likely")
    done = command("check", path, "--quick", "--seed", "3", "-o", tmp_path / "figures")
    assert done.code == 0, done
    assert "ddm: do not use" in done.out
    assert "should not be used" in done.out
    certificate = lk.load(path).certificate
    assert certificate is not None
    assert certificate.seed == 3
    names = {p.name for p in (tmp_path / "figures").iterdir()}
    assert names == {"summary.png", "by_parameter.png", "densities.png"}


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    assert_refused(command("check", "dmd"), "Did you mean 'ddm'?")
    assert_refused(command("check", tmp_path / "none.likely"), "there is no file")
    assert_refused(command("check", "ddm", "--model", "angle"), "has the parameters")
    assert_refused(command("check", "ddm", "--seed", "-1"), "seed is -1")


def test_the_same_seed_gives_the_same_certificate() -> None:
    effort = replace(SMALL, sets=10, posteriors=1, trials=(20,), simulated=5)
    first, second = (examine(handmade_ddm(), effort=effort, seed=4) for _ in range(2))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)


@pytest.mark.slow
def test_gradients_by_a_spread_of_the_non_decision_time_are_compared_where_both_are_known() -> None:
    """The exact density counts times from the onset, which moves with the spread; rt does not."""
    model = lk.models["ddm_st"]
    base = lk.load("ddm")
    likelihood = Likelihood(
        DelayedDensity(model.declaration, base.density), base.weights, base.training
    )
    region = Region.of(likelihood.declaration, None)
    rows = region.sets(12, 0)
    found = against_exact(likelihood, model.twin, region, rows, len(rows), silent)
    assert found.gradient.median < 0.1
