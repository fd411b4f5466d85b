"""Predictive checks in numbers: what was observed, and the interval predicted for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from likely.plots.columns import ANY, are_times_alone, of_any_choice
from likely.plots.conditions import by_draw, conditions, named, within
from likely.plots.style import choice_label
from likely.reporting.design import ALL
from likely.trials import numeric_column

PROBABILITY = 0.94
FEWEST = 10  # response times of which a median is compared
MOST = 24


@dataclass(frozen=True)
class Check:
    """One number of the data against its predictive distribution.

    Args:
        by: the column of conditions.
        condition: value of that column.
        choice: whose; None of trials without a response.
        measure: "share", "median rt" or "no response".
        observed: in the data.
        lower: end of the 94% predictive interval.
        upper: the other end.
    """

    by: str
    condition: Hashable
    choice: int | None
    measure: str
    observed: float
    lower: float
    upper: float

    @property
    def outside(self) -> bool:
        """Whether the observed number lies outside its interval."""
        return not self.lower <= self.observed <= self.upper


def predictive_checks(
    data: pd.DataFrame, predicted: pd.DataFrame, by: str, choices: Sequence[int]
) -> list[Check]:
    """Return shares of choices and median response times by condition, with their intervals.

    So is the share of trials without a response, where there are any; of times without choices,
    the median of all. Of choices, trials whose choice alone was not observed tell nothing; they are
    left out of data and predictions.
    """
    checks: list[Check] = []
    omissions = bool(data[["rt", "choice"]].isna().all(axis=1).any())
    alone = are_times_alone(data)
    if alone:
        data, predicted, choices = of_any_choice(data), of_any_choice(predicted), (ANY,)
    counted = () if alone else choices[1:] if len(choices) == 2 else choices
    for (condition,) in conditions(data, [by], MOST):
        observed = within(data, [by], (condition,))
        drawn = list(by_draw(within(predicted, [by], (condition,))))
        known = ~_lacks_choice(observed)
        seen, alike = observed[known], [each[known] for each in drawn]
        asked: list[tuple[str, int | None]] = [("share", choice) for choice in counted]
        asked += [("no response", None)] if omissions else []
        asked += [("median rt", choice) for choice in choices]
        for measure, choice in asked:
            trials, draws = (observed, drawn) if choice is None else (seen, alike)
            for value, low, high in _check(measure, choice, trials, draws):
                checks.append(Check(by, condition, choice, measure, value, low, high))
    return checks


def _lacks_choice(trials: pd.DataFrame) -> np.ndarray:
    """Tell of which trials there is a time, but no choice."""
    rt, choice = numeric_column(trials, "rt"), numeric_column(trials, "choice")
    return np.isfinite(rt) & np.isnan(choice)


def check_table(checks: Sequence[Check], choices: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the checks as text, the head first."""
    rows: list[tuple[str, ...]] = [
        ("condition", "choice", "measure", "observed", "94% predicted", "")
    ]
    rows += [
        (
            ALL if c.by == ALL else named([c.by], [c.condition]),
            "" if c.choice is None else choice_label(c.choice, choices),
            c.measure, f"{c.observed:.3f}",
            f"{c.lower:.3f} to {c.upper:.3f}", "outside" if c.outside else "",
        )
        for c in checks
    ]  # fmt: skip
    return rows


@dataclass(frozen=True)
class Tally:
    """How many numbers of one way to sort trials into conditions lie outside their intervals.

    Args:
        by: the column of conditions.
        outside: how many do.
        checks: of how many.
    """

    by: str
    outside: int
    checks: int

    @property
    def expected(self) -> float:
        """How many do by chance."""
        return (1.0 - PROBABILITY) * self.checks

    @property
    def most(self) -> int:
        """How many seldom more than, as independent ones."""
        return int(self.expected + 2.0 * math.sqrt(self.expected))

    @property
    def excess(self) -> int:
        """How many more than that do."""
        return self.outside - self.most


def tallies(checks: Sequence[Check]) -> list[Tally]:
    """Count the checks of each way to sort trials, which look at the same trials again."""
    counts = Counter(check.by for check in checks)
    outside = Counter(check.by for check in checks if check.outside)
    return [Tally(by, outside[by], count) for by, count in counts.items()]


def _check(
    measure: str, choice: int | None, observed: pd.DataFrame, drawn: Sequence[pd.DataFrame]
) -> Iterator[tuple[float, float, float]]:
    """Yield a number of the data and the ends of its predictive interval, if there are any."""
    value = _measure(measure, observed, choice)
    if not np.isfinite(value):
        return
    values = np.array([_measure(measure, each, choice) for each in drawn])
    values = values[np.isfinite(values)]
    if len(values):
        low, high = np.quantile(values, [0.5 - 0.5 * PROBABILITY, 0.5 + 0.5 * PROBABILITY])
        yield value, float(low), float(high)


def _measure(measure: str, trials: pd.DataFrame, choice: int | None) -> float:
    if measure == "no response":
        return float(trials[["rt", "choice"]].isna().all(axis=1).mean())
    here = numeric_column(trials, "choice") == choice
    if measure == "share":
        return float(here.mean()) if len(here) else np.nan
    rt = numeric_column(trials, "rt")[here]
    rt = rt[np.isfinite(rt)]
    return float(np.median(rt)) if len(rt) >= FEWEST else np.nan
