"""Formulas such as "1 + coherence + (1|subject)": checked before Bambi reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import formulae
import numpy as np
import pandas as pd

from likely.description import subject_named
from likely.errors import ParameterError, TrialsError
from likely.trials import counting, first_line, missing_column, own_columns, row_words

if TYPE_CHECKING:
    import bambi as bmb

INTERCEPT = "1"
RESPONSE = ("rt", "choice")
_POWER = re.compile(r"([^\W\d][\w.]*|`[^`]+`)\s*\*\*\s*\d+")
SUBJECTS_TRIALS = 20  # a column whose values have fewer is hardly one of subjects


def columns_of(formula: str, data: pd.DataFrame, parameter: str) -> tuple[str, ...]:
    """Return the columns that a formula uses, in order of appearance.

    Args:
        formula: the right-hand side of a formula.
        data: the trials.
        parameter: the parameter that the formula is for; used in messages.

    Raises:
        ParameterError: if the formula cannot be read, has a response or no terms.
        TrialsError: if a column is missing, or a value in it is missing or infinite.
    """
    about = f"formula {formula!r} of parameter '{parameter}'"
    description = _described(formula, about, [str(c) for c in data.columns])
    # formulae lists the numbers among a call's arguments as '', a name of nothing.
    names = as_written(description.var_names - {""}, formula)
    for name in names:
        if name in RESPONSE:
            raise ParameterError(f"{about}: '{name}' is what the model explains; leave it out.")
        if name == "Intercept":  # as Bambi calls its own
            raise ParameterError(f"{about}: a column cannot be called 'Intercept'; rename it.")
        if name not in data.columns:
            spaced = next((str(c) for c in data.columns if name in re.split(r"\W+", str(c))), None)
            how = f" Names that are not one word take backticks: `{spaced}`." if spaced else ""
            raise TrialsError(f"{about}: {missing_column(name, own_columns(data))}{how}")
        _require_complete(data[name], about)
        if data[name].dtype.kind in "Mm":
            raise ParameterError(
                f"{about}: column '{name}' holds dates or durations; make numbers of them, such "
                "as days since the first."
            )
    return tuple(names)


def as_written(names: Iterable[str], formula: str) -> list[str]:
    """Return names in the order in which they appear in a formula."""
    return sorted(names, key=lambda name: (formula.find(name), name))


def is_intercept(formula: str) -> bool:
    """Tell whether a parameter with this formula is the same in all trials."""
    return formula.strip() == INTERCEPT


def written_out(formula: str) -> str:
    """Return a formula with every a/b as a + a:b; others unchanged.

    formulae lets the terms of a/b share their columns, so that the categories of a, which are coded
    differently in the two, have the levels of the second in both.

    Raises:
        ParameterError: if it cannot be written so.
    """
    description = formulae.model_description(formula)
    terms = [term for term in description.common_terms if term.name != "Intercept"]
    shared = [id(component) for term in terms for component in term.components]
    if len(set(shared)) == len(shared):
        return formula
    intercept = "0" if len(terms) == len(description.common_terms) else "1"
    groups = [
        f"({'' if term.expr.name == 'Intercept' else '0 + '}{_words(term.expr)}"
        f"|{_words(term.factor)})"
        for term in description.group_terms
    ]
    text = " + ".join([intercept, *map(_words, terms), *groups])
    try:
        same = _term_names(formulae.model_description(text)) == _term_names(description)
    except Exception:
        same = False
    if not same:
        raise ParameterError(f"formula {formula!r}: write a/b as a + a:b.")
    return text


def _term_names(description: Any) -> list[str]:
    return [str(term.name) for term in (*description.common_terms, *description.group_terms)]


def _words(term: Any) -> str:
    """Return a term as formulas have it."""
    if term.name == "Intercept":
        return "1"
    names = [str(component.name) for component in term.components]
    calls = [hasattr(component, "call") for component in term.components]
    quoted = [n if c or n.isidentifier() else f"`{n}`" for n, c in zip(names, calls, strict=True)]
    return ":".join(quoted)


def lone_group(formula: str) -> str | None:
    """Return the column whose groups alone the formula tells apart, as in "1 + (1|subject)"."""
    description = formulae.model_description(formula)
    common = [str(term.name) for term in description.common_terms]
    groups = list(description.group_terms)
    if len(groups) != 1 or common not in ([], ["Intercept"]):
        return None
    factor = groups[0].factor
    columns = sorted(map(str, factor.var_names))
    if groups[0].expr.name != "Intercept" or len(columns) != 1:
        return None
    own = str(factor.name) == columns[0] or is_category(str(factor.name), columns[0])
    return columns[0] if own else None


def subject_column(formulas: Iterable[str], data: pd.DataFrame) -> str | None:
    """Return the column of subjects: a group factor called so, a column called so, or the first.

    A factor of group effects may be sessions or items, beside which subjects are a column.
    """
    found = re.findall(r"\|\s*`?([^`()|]+?)`?\s*\)", " ".join(map(str, formulas)))
    factors = [factor for factor in found if factor in data.columns]
    beside = subject_named(data.columns)
    if beside is not None and not has_trials_of_subjects(data[beside]):
        beside = None  # an "id" of the trials, say
    return subject_named(factors) or (beside if factors else None) or next(iter(factors), None)


def has_trials_of_subjects(column: pd.Series[Any]) -> bool:
    """Whether values of a column have as many trials as subjects should have."""
    return bool(column.astype(object).value_counts().median() >= SUBJECTS_TRIALS)


def factors_of(formula: str, data: pd.DataFrame) -> list[str]:
    """Return the columns whose values a formula takes for categories or groups, not quantities."""
    described = formulae.model_description(formula)
    groups = {str(c) for term in described.group_terms for c in term.factor.var_names}
    categories = {
        str(c)
        for term in described.common_terms
        for c in getattr(term, "var_names", ())
        if c in data.columns
        and (data[c].dtype.kind not in "iuf" or is_category(str(term.name), str(c)))
    }
    return sorted((groups | categories) & set(map(str, data.columns)))


def is_category(term: str, column: str) -> bool:
    """Whether a term has this column in C()."""
    return re.search(rf"\bC\(\s*`?{re.escape(column)}(?!\w)", term) is not None


def mentioned(formulas: Iterable[str], data: pd.DataFrame) -> list[str]:
    """Return columns whose names appear in formulas, which may not be readable, in their order."""
    words = re.findall(r"`([^`]+)`|([^\W\d]\w*)", " ".join(map(str, formulas)))
    found = dict.fromkeys(word for pair in words for word in pair if word in data.columns)
    return [name for name in found if name not in RESPONSE]


def require_independent(component: bmb.model_components.DistributionalComponent) -> None:
    """Raise ParameterError if columns of a design are 0, not finite or linearly dependent."""
    labels: list[str] = []
    columns = []
    for term in component.terms.values():
        if term in component.common_terms.values() or term is component.intercept_term:
            if not term.term.labels:
                raise ParameterError(
                    f"formula of parameter '{component.name}': '{term.term.name}' has one value "
                    "only in these trials, so that there is nothing to compare; leave it out."
                )
            columns.append(np.reshape(term.data, (-1, len(term.term.labels))))  # of one trial, 0-d
            labels.extend(term.term.labels)
    if not columns:
        return
    matrix = np.column_stack(columns).astype(np.float64)
    about = f"formula of parameter '{component.name}'"
    if not np.isfinite(matrix).all():
        column = labels[int(np.argwhere(~np.isfinite(matrix))[0, 1])]
        raise ParameterError(f"{about}: '{column}' is not finite in every trial.")
    scale = np.abs(matrix).max(axis=0)
    if (scale == 0).any():
        idle = labels[int(np.argmin(scale))]
        raise ParameterError(f"{about}: '{idle}' is 0 in every trial; leave it out.")
    if np.linalg.matrix_rank(matrix / scale) < len(labels):
        raise ParameterError(
            f"{about}: its columns ({', '.join(labels)}) are linearly dependent in these trials; "
            "leave one out."
        )


def _described(formula: str, about: str, columns: Sequence[str]) -> Any:
    if not formula.strip():
        raise ParameterError(f"{about} is empty; write '1' for an intercept only.")
    if "||" in formula:
        raise ParameterError(f"{about}: write | for ||; effects of groups are uncorrelated anyway.")
    if (power := _POWER.search(_without_calls(formula))) is not None:
        raise ParameterError(
            f"{about}: in formulas {power[0]} is {power[1]} itself, as ** crosses terms; squares "
            f"are written I({power[1]}**2), calculations in general in I()."
        )
    if _has_bare_bar(formula):
        raise ParameterError(f"{about}: effects of groups stand in parentheses, as in (1|subject).")
    try:
        description = formulae.model_description(formula)
    except Exception as error:
        how = " Comparisons and calculations stand in I(), as in I(age > 50)." * bool(
            re.search(r"[<>]|[=!]=", formula)
        )
        spaced = next((c for c in columns if not c.isidentifier() and c in formula), None)
        if spaced is not None:
            how = f" Names that are not one word take backticks: `{spaced}`."
        why = first_line(error).rstrip(".")
        raise ParameterError(f"{about} cannot be read: {why}.{how}") from error
    if description.response is not None:
        raise ParameterError(f"{about}: leave out what is left of '~'.")
    if not (description.common_terms or description.group_terms):
        raise ParameterError(f"{about} has no terms; give the parameter a fixed value instead.")
    return description


def _without_calls(formula: str) -> str:
    """Return a formula with what functions and braces are given taken out."""
    before, text = "", formula
    while text != before:
        before, text = text, re.sub(r"(\w)\([^()]*\)|\{[^{}]*\}", r"\1", text)
    return text


def _has_bare_bar(formula: str) -> bool:
    """Whether there is a bar outside parentheses, of which formulae makes terms of the response."""
    depth = 0
    for sign in re.sub(r"`[^`]*`", "", formula):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            return True
    return False


def _require_complete(column: pd.Series[Any], about: str) -> None:
    bad = column.isna().to_numpy()
    if column.dtype.kind in "fc":
        bad = bad | ~np.isfinite(column.to_numpy())
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise TrialsError(
            f"column '{column.name}', {row_words(column.index, row)}: {column.iloc[row]} cannot "
            f"enter {about}; fill it in or leave the trial out.{counting(column.index)}"
        )
