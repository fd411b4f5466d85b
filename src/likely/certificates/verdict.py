"""A certificate in words that a scientist can paste into a paper."""

from __future__ import annotations

from likely.certificates.judgement import Grade, judged_shift
from likely.certificates.measures import AgainstDraws, AgainstExact, PosteriorShift
from likely.certificates.record import Certificate

TWICE = 2.0  # the median error of a quarter of a box, over that of all, that is worth a word
_ADVICE = {
    Grade.ACCURATE: "By these measures the likelihood is accurate.",
    Grade.USABLE: "By these measures the likelihood is usable with care.",
    Grade.UNFIT: "By these measures the likelihood should not be used.",
}


def verdict(certificate: Certificate) -> str:
    """Return the verdict: what was measured, then what follows."""
    box = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in certificate.box.items())
    sentences = [f"The likelihood of the model '{certificate.model}' was checked over {box}."]
    if certificate.exact is not None:
        sentences += _of_exact(certificate.exact)
    if certificate.shift is not None:
        sentences += _of_shift(certificate.shift)
    if certificate.draws is not None:
        sentences += _of_draws(certificate.draws)
    sentences.append(_ADVICE[certificate.grade])
    return " ".join([*sentences, *reasons(certificate)])


def reasons(certificate: Certificate) -> list[str]:
    """Return a sentence on what keeps the likelihood from being accurate, or none if it is."""
    failed = [j for j in certificate.judgements if not j.trusted]
    if not failed:
        return []
    named = "; ".join(f"{j.measure} is {j.value:.3g}, above {j.accurate:.2g}" for j in failed)
    return [f"What keeps it from being accurate: {named}."]


def _of_exact(found: AgainstExact) -> list[str]:
    errors, sentences = found.log_density, []
    sentences.append(
        f"Against the exact density, its log density is off by {errors.median:.2g} on average in "
        f"the median of {found.sets:,} parameter sets (95% of sets: below {errors.high:.2g}; "
        f"worst: {errors.largest:.2g})."
    )
    if found.unsolved:
        sentences.append(
            f"{found.unsolved:,} more sets could not be judged: the exact density could not be "
            "had there."
        )
    if found.choice is not None:
        sentences.append(
            f"Choice probabilities are within {found.choice.high:.2g} of the exact ones in 95% of "
            "the sets."
        )
    high = [
        (max(q.medians), q) for q in found.quarters
        if q.medians and max(q.medians) > TWICE * errors.median
    ]  # fmt: skip
    if high:
        size, quarter = max(high, key=lambda pair: pair[0])
        where = _PLACES[min(quarter.medians.index(size), len(_PLACES) - 1)]
        sentences.append(
            f"Errors are largest in the {where} quarter of the box of {quarter.parameter} (median "
            f"{size:.2g})."
        )
    return sentences


_PLACES = ("lowest", "second", "third", "highest")


def _of_shift(found: PosteriorShift) -> list[str]:
    shift = judged_shift(found)
    unknown = (
        f" In {shift.at_least} of {found.sets} data sets the two posteriors hardly overlap, and "
        "the shift is at least as large as stated." if shift.at_least else ""
    )  # fmt: skip
    return [
        f"With {shift.trials:,} trials, posterior means move by {shift.median:.2g} posterior "
        f"standard deviations in the median data set (90% of data sets: below {shift.high:.2g}; "
        f"the parameter that moves most counts).{unknown}",
        f"The bias reaches a fifth of a posterior standard deviation at {_trials(found)}.",
    ]


def _trials(found: PosteriorShift) -> str:
    return (
        f"{found.reach.trials:,} trials in the median data set and {found.reach_high.trials:,} in "
        f"the worst tenth{_how(found)}"
    )


def _how(found: PosteriorShift) -> str:
    first, last = found.shifts[0].trials, found.shifts[-1].trials
    beyond = [reach.extrapolated for reach in (found.reach, found.reach_high)]
    if not any(beyond):
        return ""
    which = "both" if all(beyond) else ("the former" if beyond[0] else "the latter")
    return (
        f" ({which} extrapolated from data sets of {first:,} to {last:,} trials, as a bias grows "
        "like the square root of their number)"
    )


def of_choices(found: AgainstDraws) -> list[str]:
    """Return a sentence on how far choice probabilities are from shares, or none if q has none."""
    if found.choice is None:
        return []
    return [
        f"Choice probabilities and shares differ by less than {found.choice.high:.2g} in 95% of "
        f"the sets and by {found.choice.largest:.2g} in the worst, chance included."
    ]


def _of_draws(found: AgainstDraws) -> list[str]:
    sentences = [
        f"Against {found.draws:,} fresh simulations at each of {found.sets:,} parameter sets, the "
        f"distribution of decision times given the choice is off by at most {found.pooled:.2g} "
        f"overall (chance: {found.pooled_band:.2g}), and beyond chance in {found.outside} sets."
    ]
    sentences += of_choices(found)
    if found.choice_z is not None and found.choice_z_band is not None:
        sentences.append(
            f"Shares of choices have z-scores of root mean square {found.choice_z:.2f} (1 by "
            f"chance, up to {found.choice_z_band:.2f})."
        )
    sentences.append(
        f"A classifier tells its draws from the simulator's with an area under the ROC curve of "
        f"{found.classifier:.3f} (chance: 0.5 within {found.classifier_band:.3f})."
    )
    return sentences
