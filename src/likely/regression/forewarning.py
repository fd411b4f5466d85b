"""What the trials cannot tell, and what a formula may not mean, said before sampling."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import formulae
import pandas as pd

from likely.certificates.judgement import Grade
from likely.certificates.verdict import reasons
from likely.declaration import Declaration
from likely.description import FEWEST, MOST_CONDITIONS, NAMED
from likely.errors import (
    AmbiguousWarning,
    DistrustWarning,
    LikelyWarning,
    SubjectsWarning,
    UninformedWarning,
)
from likely.regression.formulas import factors_of, has_trials_of_subjects, is_category
from likely.regression.standard import HERE
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED, TWO_BOUNDARIES
from likely.typing import FloatArray

if TYPE_CHECKING:
    from likely.likelihood import Likelihood

FEWEST_NUMBERS = 3  # values of a column that may be quantities; two are the same as categories
MOST_CODES = 12  # whole numbers, written as text, that may be those of conditions
NEARLY_ALL = 0.9  # share of late trials from which estimates lean on their priors
LATE = "that responses come late."
CHECK = (
    "Check the deadline, which is in seconds, and which trials have no response; hold posteriors "
    "against priors, and fix what is known."
)


class Forewarning(NamedTuple):
    """Something to be wary of before anything is drawn.

    Args:
        what: what the trials or formulas are like.
        remedy: what follows, and what to do.
        kind: of the warning.
    """

    what: str
    remedy: str
    kind: type[LikelyWarning] = UninformedWarning


def forewarn(found: Iterable[Forewarning]) -> None:
    """Warn of all that was found."""
    for each in found:
        warnings.warn(f"{each.what} {each.remedy}", each.kind, skip_file_prefixes=(HERE,))


def of_unfit(likelihood: Likelihood) -> list[Forewarning]:
    """Return a warning if the certificate says that the likelihood should not be used."""
    certificate = likelihood.certificate
    if certificate is None or certificate.grade is not Grade.UNFIT:
        return []
    return [
        Forewarning(
            f"By its certificate the likelihood of '{likelihood.declaration.name}' should not be "
            f"used. {' '.join(reasons(certificate))}",
            "Let lk.verify(fit) judge the posterior, or train a likelihood on a narrower box.",
            DistrustWarning,
        )
    ]


def of_unobserved(
    declaration: Declaration,
    formulas: Mapping[str, str],
    fixed: Mapping[str, float],
    given: Iterable[str],
    encoded: FloatArray,
) -> list[Forewarning]:
    """Return warnings of parameters that trials without times, or without choices, cannot tell.

    Args:
        declaration: of the model.
        formulas: of the parameters that are estimated.
        fixed: parameter -> value.
        given: names of priors that replace the default.
        encoded: trials (n, 2).
    """
    found: list[Forewarning] = []
    if (encoded[:, 0] == TIME_UNOBSERVED).all():
        found += _of_choices_alone(declaration, formulas, given)
    responses = encoded[encoded[:, 1] != NO_RESPONSE, 1]
    if len(responses) and (responses == CHOICE_UNOBSERVED).all():
        found += _of_times_alone(declaration, formulas, fixed, given)
    return found


def of_late(
    encoded: FloatArray, data: pd.DataFrame, columns: Iterable[str], subject: str | None
) -> list[Forewarning]:
    """Return a warning if nearly all trials, or those of a subject or condition, were late.

    Args:
        encoded: trials (n, 2).
        data: the same trials.
        columns: those of conditions; columns of many values are left out.
        subject: the column of subjects, if there is one.
    """
    late = pd.Series(encoded[:, 1] == NO_RESPONSE, index=data.index)
    if late.all():
        return [
            Forewarning(f"no trial has a response; all that these trials tell is {LATE}", CHECK)
        ]
    if late.mean() >= NEARLY_ALL:
        missed = f"{int(late.sum()):,} of {len(late):,} trials have no response by the deadline"
        return [Forewarning(f"{missed}; they tell little more than {LATE}", CHECK)]
    return [
        warned
        for column in dict.fromkeys((*columns, *([] if subject is None else [subject])))
        for warned in _of_late_levels(late, data[column], column == subject)
    ]


def _of_late_levels(
    late: pd.Series[Any], column: pd.Series[Any], subjects: bool
) -> Iterator[Forewarning]:
    values = column.astype(object)
    if not subjects and values.nunique() > MOST_CONDITIONS:
        return
    levels = late.groupby(values).agg(["mean", "size"])
    bad = levels[(levels["mean"] >= NEARLY_ALL) & (levels["size"] >= FEWEST)].index
    if not len(bad):
        return
    named = ", ".join(map(str, bad[:NAMED])) + (
        f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    )
    yield Forewarning(
        f"{column.name} {named}: {NEARLY_ALL:.0%} or more of the trials have no response by the "
        f"deadline; they tell little more than {LATE}",
        f"What is estimated for them alone leans on its prior. {CHECK}",
    )


def of_lone_groups(formulas: Mapping[str, str], data: pd.DataFrame) -> Iterator[Forewarning]:
    """Yield a warning for effects of groups of which there is one only.

    Args:
        formulas: of the parameters that are estimated.
        data: the trials.
    """
    for name, text in formulas.items():
        for term in formulae.model_description(text).group_terms:
            columns = sorted(set(map(str, term.factor.var_names)) & set(map(str, data.columns)))
            if columns and len(data[columns].drop_duplicates()) == 1:
                yield Forewarning(
                    f"formula {text!r} of parameter '{name}' has effects of {term.factor.name}, of "
                    "which there is one only: they cannot be told from the rest of the formula, "
                    "and their sd will be its prior.",
                    f"Leave ({term.name}) out.",
                )


def of_numbers_as_text(
    formulas: Mapping[str, str], columns: Iterable[str], data: pd.DataFrame
) -> Iterator[Forewarning]:
    """Yield a warning for columns of text, mostly of numbers, that formulas take for categories.

    Args:
        formulas: of the parameters that are estimated.
        columns: columns that formulas use.
        data: the trials.
    """
    for column in columns:
        values = data[column].drop_duplicates()
        if not pd.api.types.is_string_dtype(values) or len(values) < FEWEST_NUMBERS:
            continue
        read = pd.to_numeric(values.astype(str).str.replace(",", "."), errors="coerce")
        odd = values[read.isna()].tolist()
        if not odd and (read % 1 == 0).all() and len(values) <= MOST_CODES:
            continue  # numbers of conditions, as it seems
        bare = any(_stands_bare(text, column) for text in formulas.values())
        if not bare or 2 * len(odd) > len(values):
            continue
        but = f", but for {', '.join(map(repr, odd[:NAMED]))}" if odd else ""
        one = next(value for value in values if value not in odd)
        yield Forewarning(
            f"column '{column}' is text, though its values are numbers, such as {one!r}{but}: "
            f"formulas take its {len(values)} values for categories.",
            f"If it is a quantity, make numbers of it, with points; if not, write C({column}).",
            AmbiguousWarning,
        )


def of_subjects(
    subject: str, formulas: Mapping[str, str], used: Iterable[str], data: pd.DataFrame
) -> list[Forewarning]:
    """Return warnings if no formula uses the subjects, or one takes their numbers for quantities.

    Args:
        subject: the column of subjects.
        formulas: of the parameters that are estimated.
        used: columns that formulas use.
        data: the trials.
    """
    counts = data[subject].astype(object).value_counts()
    if len(counts) < 2 or not has_trials_of_subjects(data[subject]):
        return []
    if subject not in used:
        if any(_tells_apart(text, subject, data) for text in formulas.values()):
            return []
        pooled = Forewarning(
            f"column '{subject}' has {len(counts)} values, and no formula uses it: all trials are "
            "taken for those of one subject.",
            f"Parameters vary over subjects with a formula such as '1 + (1|{subject})'.",
            SubjectsWarning,
        )
        return [pooled]
    if data[subject].dtype.kind not in "iuf" or len(counts) == 2:
        return []
    return [
        Forewarning(
            f"formula {text!r} of parameter '{name}' takes the numbers of column '{subject}' for "
            "quantities and estimates a slope over them.",
            f"If they are codes, write (1|{subject}) or C({subject}).",
            SubjectsWarning,
        )
        for name, text in formulas.items()
        if _stands_bare(text, subject)
    ]


def _of_choices_alone(
    declaration: Declaration, formulas: Mapping[str, str], given: Iterable[str]
) -> Iterator[Forewarning]:
    name = declaration.non_decision
    if name in formulas:
        yield Forewarning(
            f"no trial has a time, and choices tell nothing of '{name}': its posterior will be its "
            "prior.",
            f"Fix it, as in fixed={{'{name}': 0.3}} or --{name} 0.3.",
        )
    if declaration.choices == TWO_BOUNDARIES and not _any_of("a", given) and _all("va", formulas):
        yield Forewarning(
            "no trial has a time, and choices tell hardly more of drift 'v' and boundary 'a' than "
            "their product: the posterior will be a ridge.",
            "Fix one, as in fixed={'a': 1} or --a 1.",
        )


def _of_times_alone(
    declaration: Declaration,
    formulas: Mapping[str, str],
    fixed: Mapping[str, float],
    given: Iterable[str],
) -> Iterator[Forewarning]:
    both = "z" in formulas or fixed.get("z") == 0.5
    free = "v" in formulas and both and not _any_of("v", given) and not _any_of("z", given)
    if declaration.choices == TWO_BOUNDARIES and free:
        yield Forewarning(
            "no trial has a choice, and times fit drifts v and -v (with starts z and 1 - z) "
            "equally well: chains may end on either side.",
            "Say which is meant by a prior of v on one side of 0, or fix z elsewhere than at 0.5.",
        )
    if len(declaration.choices) > 1 and declaration.choices != TWO_BOUNDARIES:
        yield Forewarning(
            "no trial has a choice, and times do not tell which accumulator, or boundary, is "
            "which: chains may end with their parameters exchanged.",
            "Say which is meant by priors that differ, or fix the parameters of all but one.",
        )


def _all(names: Iterable[str], formulas: Mapping[str, str]) -> bool:
    return all(name in formulas for name in names)


def _any_of(parameter: str, given: Iterable[str]) -> bool:
    """Whether a prior of the parameter or one of its coefficients was given."""
    return any(name == parameter or name.startswith(f"{parameter}_") for name in given)


def _tells_apart(formula: str, subject: str, data: pd.DataFrame) -> bool:
    """Whether factors of the formula determine the subject, as another column of its codes does."""
    factors = factors_of(formula, data)
    if not factors:
        return False
    return bool(data.groupby(factors, observed=True)[subject].nunique().max() == 1)


def _stands_bare(formula: str, column: str) -> bool:
    """Whether the column is in a term that is none of groups, outside C()."""
    described = formulae.model_description(formula)
    return any(
        column in getattr(term, "var_names", ()) and not is_category(str(term.name), column)
        for term in described.common_terms
    )
