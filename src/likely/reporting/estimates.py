"""The section of a report that tells each parameter in its own unit, by condition and by group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pandas as pd

from likely.estimate_table import FIXED, POPULATION
from likely.page import Folded, Item, Paragraph, Section, Table
from likely.plots.conditions import named
from likely.plots.estimates import condition_columns, group_columns, group_labels
from likely.plots.style import number
from likely.regression.estimates import averaged, levels
from likely.regression.formulas import is_intercept
from likely.reporting import figures
from likely.reporting.numbers import heading, interval_of, moments
from likely.results.folder import ESTIMATES
from likely.results.record import Results

MOST_ROWS = 40  # of the population's table
MOST_OF_GROUPS = 400  # of a table of groups, which is folded
NUMBERS = 3  # columns: mean, sd, interval


def estimates(r: Results) -> Section:
    """Tell what was found, in the units of the parameters."""
    if r.estimates is None:
        text = "The run was interrupted before these were made, or an earlier version wrote it."
        return Section("Estimates", [Paragraph(text)])
    table = r.estimates
    items: list[Item] = [Paragraph(_about(r)), *_tables(of_population(table), (), MOST_ROWS)]
    for level in (str(n) for n in table["level"].unique()):
        if level in (POPULATION, FIXED):
            continue
        rows, groups = table[table["level"] == level], group_columns(table, level)
        title = f"Table of every {level} ({len(rows[groups].drop_duplicates()):,})"
        items.append(Folded(title, _tables(rows, groups, MOST_OF_GROUPS)))
        items += [figures.of_groups(table, str(p), level) for p in rows["parameter"].unique()]
    return Section("Estimates", items)


def of_population(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without effects of groups."""
    return table[table["level"].isin([POPULATION, FIXED])]


def _about(r: Results) -> str:
    """Say what the rows are of."""
    text = "Parameters in their own units, by condition: formulas and links applied to all draws."
    formulas = {n: f for n, f in r.formula.items() if not is_intercept(f)}
    found = {name: levels(text) for name, text in formulas.items()}
    groups = dict.fromkeys(x.name for all_ in found.values() for x in all_ if x.groups)
    if groups:
        text += f" Effects of groups ({', '.join(groups)}) are at zero in this table."
    means: dict[str, float] = {}
    for name, formula in formulas.items():
        for level in found[name]:
            means |= averaged(level, formula, r.data)
    if means:
        known = ", ".join(f"{name} at {number(float(f'{m:.3g}'))}" for name, m in means.items())
        text += f" Covariates of many values are held at their means: {known}."
    links = {row["parameter"]: str(row["link"]) for row in r.priors.to_dict(orient="records")}
    for name in (n for n in formulas if " to " in links.get(n, "")):
        text += (
            f" {name} lies below a limit of each group's own (its fastest response, or the median "
            "with lapses or a variable non-decision time): the value here is the mean over groups "
            "without effects of their own."
        )
    return text


def _tables(rows: pd.DataFrame, groups: Sequence[str], most: int) -> list[Item]:
    """Return the rows as a table, and a word on those that are left out."""
    head, *cells = estimate_table(rows.head(most), groups)
    items: list[Item] = [Table(head, cells, words=len(head) - NUMBERS)]
    if len(rows) > most:
        items.append(Paragraph(f"{len(rows) - most:,} more rows are in {ESTIMATES}."))
    return items


def estimate_table(rows: pd.DataFrame, groups: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Return estimates as text, the head first.

    Args:
        rows: of what `Fit.estimates` returns.
        groups: the columns that tell groups apart, if the rows are of groups.
    """
    by = [c for c in condition_columns(rows) if c not in groups and not _is_held(rows[c])]
    interval = interval_of(rows.columns)
    words = [*(["group"] if groups else []), *(["condition"] if by else [])]
    found: list[tuple[str, ...]] = [("parameter", *words, "mean", "sd", heading(interval))]
    labels = group_labels(rows, groups)
    for label, row in zip(labels, rows.to_dict(orient="records"), strict=True):
        unit = f" ({row['unit']})" if row["unit"] else ""
        known = [c for c in by if not pd.isna(row[c])]
        here = [label] if groups else []
        here += [named(known, [_short(row[c]) for c in known])] if by else []
        mean, *spread = moments(row, interval)
        spread = ["fixed", ""] if row["level"] == FIXED else spread
        found.append((f"{row['parameter']}{unit}", *here, mean, *spread))
    return found


def _is_held(column: pd.Series) -> bool:
    """Whether a covariate is a number that is the same in all rows, which `_about` tells."""
    values = column.dropna().unique()
    return len(values) == 1 and isinstance(values[0], float)


def _short(value: Hashable) -> Hashable:
    return float(f"{value:.4g}") if isinstance(value, float) else value
