"""What the trials are: how many of them, of whom, and what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from likely.plots.columns import choices_in
from likely.plots.conditions import written
from likely.plots.style import choice_label
from likely.reporting.design import Design
from likely.trials import deadlines, numeric_column

FEW = 6  # values of a column that are listed
QUANTILES = (0.1, 0.5, 0.9)


def trial_facts(data: pd.DataFrame, design: Design) -> list[tuple[str, str]]:
    """Return name -> value of what there is to say of all trials."""
    rt, choice = numeric_column(data, "rt"), numeric_column(data, "choice")
    known = rt[np.isfinite(rt)]
    facts = [("trials", f"{len(data):,}")]
    facts += [(g, f"{data[g].nunique():,} groups") for g in design.groups]
    facts += [(c, _values(data[c])) for c in design.covariates]
    if len(known):
        low, middle, high = np.quantile(known, QUANTILES)
        facts.append(("response times", f"{known.min():.3f} to {known.max():.3f} s"))
        facts.append(("10%, 50%, 90% of them", f"{low:.3f}, {middle:.3f}, {high:.3f} s"))
    unobserved = int((np.isnan(rt) & ~np.isnan(choice)).sum())
    silent = int((np.isnan(rt) & np.isnan(choice)).sum())
    if unobserved:
        facts.append(("choice without a time", f"{unobserved:,} ({unobserved / len(data):.1%})"))
    facts += _deadline(data)
    if silent:
        facts.append(("no response by the deadline", f"{silent:,} ({silent / len(data):.1%})"))
    return facts


def _deadline(data: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the deadlines of trials, if they have any."""
    given = deadlines(data)
    finite = [] if given is None else sorted(set(given[np.isfinite(given)].tolist()))
    if not finite:
        return []
    ends = f"{finite[0]:g}" if len(finite) == 1 else f"{finite[0]:g} to {finite[-1]:g}"
    return [("deadline", f"{ends} s")]


def choice_table(data: pd.DataFrame, choices: tuple[int, ...]) -> list[tuple[str, ...]]:
    """Return a head and a row a choice: share, and quantiles of its response times in seconds."""
    rows: list[tuple[str, ...]] = [("choice", "trials", "share", "rt 10%", "median", "90%")]
    rt, choice = numeric_column(data, "rt"), numeric_column(data, "choice")
    for c in [c for c in choices_in(choice) if c in choices]:
        here = rt[choice == c]
        known = here[np.isfinite(here)]
        times = [f"{q:.3f}" for q in np.quantile(known, QUANTILES)] if len(known) else ["–"] * 3
        name = choice_label(c, choices)
        rows.append((name, f"{len(here):,}", f"{len(here) / len(data):.1%}", *times))
    return rows


def _values(column: pd.Series) -> str:
    values = column.dropna()
    found = sorted(values.unique()) if values.dtype.kind != "O" else sorted(map(str, set(values)))
    if len(found) <= FEW:
        return ", ".join(written(v) for v in found)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return f"{values.min():.4g} to {values.max():.4g} ({len(found)} values)"
    return f"{len(found)} values"
