"""What the trials cannot tell, and what a formula may not mean, said before sampling."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping

import formulae
import pandas as pd

from likely.declaration import Declaration
from likely.errors import SubjectsWarning, UninformedWarning
from likely.regression.formulas import factors_of, has_trials_of_subjects, is_category
from likely.regression.standard import HERE
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED, TWO_BOUNDARIES
from likely.typing import FloatArray


def forewarn(
    declaration: Declaration,
    formulas: Mapping[str, str],
    fixed: Mapping[str, float],
    given: Iterable[str],
    encoded: FloatArray,
) -> None:
    """Warn of parameters that these trials cannot tell.

    Args:
        declaration: of the model.
        formulas: of the parameters that are estimated.
        fixed: parameter -> value.
        given: names of priors that replace the default.
        encoded: trials (n, 2).
    """
    found = _silent(encoded)
    if (encoded[:, 0] == TIME_UNOBSERVED).all():
        found = [*found, *_of_choices_alone(declaration, formulas, given)]
    responses = encoded[encoded[:, 1] != NO_RESPONSE, 1]
    if len(responses) and (responses == CHOICE_UNOBSERVED).all():
        found = [*found, *_of_times_alone(declaration, formulas, fixed, given)]
    for text in found:
        warnings.warn(text, UninformedWarning, skip_file_prefixes=(HERE,))


def forewarn_of_subjects(
    subject: str, formulas: Mapping[str, str], used: Iterable[str], data: pd.DataFrame
) -> None:
    """Warn if no formula uses the subjects, or one takes their numbers for quantities.

    Args:
        subject: the column of subjects.
        formulas: of the parameters that are estimated.
        used: columns that formulas use.
        data: the trials.
    """
    counts = data[subject].value_counts()
    if len(counts) < 2 or not has_trials_of_subjects(data[subject]):
        return
    found = []
    if subject not in used:
        if any(_tells_apart(text, subject, data) for text in formulas.values()):
            return
        found.append(
            f"column '{subject}' has {len(counts)} values, and no formula uses it: all trials are "
            "taken for those of one subject. Parameters vary over subjects with a formula such as "
            f"'1 + (1|{subject})'."
        )
    elif data[subject].dtype.kind in "iuf" and len(counts) > 2:
        found += [
            f"formula {text!r} of parameter '{name}' takes the numbers of column '{subject}' for "
            f"quantities and estimates a slope over them. If they are codes, write (1|{subject}) "
            f"or C({subject})."
            for name, text in formulas.items()
            if _has_slope(text, subject)
        ]
    for text in found:
        warnings.warn(text, SubjectsWarning, skip_file_prefixes=(HERE,))


def _silent(encoded: FloatArray) -> list[str]:
    if not (encoded[:, 1] == NO_RESPONSE).all():
        return []
    return ["no trial has a response; all that these trials tell is that responses come late."]


def _of_choices_alone(
    declaration: Declaration, formulas: Mapping[str, str], given: Iterable[str]
) -> Iterator[str]:
    name = declaration.non_decision
    if name in formulas:
        yield (
            f"no trial has a time, and choices tell nothing of '{name}': its posterior will be its "
            f"prior. Fix it, as in fixed={{'{name}': 0.3}} or --{name} 0.3."
        )
    if declaration.choices == TWO_BOUNDARIES and not _any_of("a", given) and _all("va", formulas):
        yield (
            "no trial has a time, and choices tell hardly more of drift 'v' and boundary 'a' than "
            "their product: the posterior will be a ridge. Fix one, as in fixed={'a': 1} or --a 1."
        )


def _of_times_alone(
    declaration: Declaration,
    formulas: Mapping[str, str],
    fixed: Mapping[str, float],
    given: Iterable[str],
) -> Iterator[str]:
    both = "z" in formulas or fixed.get("z") == 0.5
    free = "v" in formulas and both and not _any_of("v", given) and not _any_of("z", given)
    if declaration.choices == TWO_BOUNDARIES and free:
        yield (
            "no trial has a choice, and times fit drifts v and -v (with starts z and 1 - z) "
            "equally well: chains may end on either side. Say which is meant by a prior of v on "
            "one side of 0, or fix z elsewhere than at 0.5."
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


def _has_slope(formula: str, column: str) -> bool:
    """Whether the column is a number in a term that is none of groups."""
    described = formulae.model_description(formula)
    return any(
        column in getattr(term, "var_names", ()) and not is_category(str(term.name), column)
        for term in described.common_terms
    )
