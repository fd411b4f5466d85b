"""What a model has to offer in place of a likelihood, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from likely.certificates.judgement import judged_shift
from likely.certificates.record import Certificate
from likely.certificates.verdict import of_choices, reasons
from likely.diffusions import Diffusion
from likely.model import Model
from likely.shipped.headers import is_closed_form, is_shipped, shipped_certificate
from likely.zoo import models


@dataclass(frozen=True)
class Standing:
    """How a model's likelihood is to be had.

    Args:
        short: for a table: the grade and the median error of a shipped likelihood, or what there
            is in its place.
        sentences: the same for a reader.
    """

    short: str
    sentences: str


def standing(model: Model) -> Standing:
    """Return what there is for a model: a shipped likelihood, an exact density, or neither.

    Only the zoo's own models have the shipped likelihoods of their names. Of those, no weights are
    read.
    """
    if models.get(model.name) is model and is_shipped(model.name):
        return _shipped(model.name)
    train = "lk.train makes a likelihood of it."
    # Every diffusion has an exact twin, which is slow to make where it takes a solver.
    if not isinstance(model, Diffusion) and model.twin is None:
        return Standing(
            "to be trained", f"No likelihood is shipped and there is no exact density; {train}"
        )
    return Standing(
        "exact density",
        f"No likelihood is shipped; lk.exact gives the exact density, and {train}",
    )


def _shipped(name: str) -> Standing:
    certificate = shipped_certificate(name)
    what = "the likelihood in closed form" if is_closed_form(name) else "a trained likelihood"
    load = f'`lk.load("{name}")` loads {what}'
    if certificate is None:
        return Standing("not certified", f"{load}; how wrong it is has not been measured.")
    grade = certificate.grade.words
    found = certificate.exact
    error = "" if found is None else f" {found.log_density.median:.1g}"
    return Standing(
        f"{grade}{error}", f"{load}; its certificate says: {grade}. {verdict_in_short(certificate)}"
    )


def verdict_in_short(certificate: Certificate) -> str:
    """Return the most telling numbers of a certificate, in a sentence or two."""
    sentences = []
    if certificate.exact is not None:
        errors = certificate.exact.log_density
        sentences.append(
            f"Its log density is off by {errors.median:.2g} in the median of "
            f"{certificate.exact.sets:,} parameter sets (95%: below {errors.high:.2g})."
        )
    if certificate.shift is not None:
        shift = judged_shift(certificate.shift)
        sentences.append(
            f"With {shift.trials:,} trials it moves posterior means by {shift.median:.2g} "
            f"posterior standard deviations in the median data set (90%: below {shift.high:.2g})."
        )
    if certificate.draws is not None and certificate.exact is None:
        draws = certificate.draws
        sentences.append(
            f"Against {draws.sets:,} times {draws.draws:,} simulated trials, the distribution of "
            f"decision times is off by at most {draws.pooled:.2g} (chance: "
            f"{draws.pooled_band:.2g})."
        )
        sentences += of_choices(draws)
    return " ".join([*sentences, *reasons(certificate)])
