"""What the columns and levels of a table of estimates are called (`likely.Fit.estimates`).

After the columns of `ABOUT` come covariates and groups, and at the end the statistics.
"""

from __future__ import annotations

ABOUT = ("parameter", "unit", "level")
POPULATION, FIXED = "population", "fixed"  # levels that are no groups


def statistics(probability: float) -> tuple[str, ...]:
    """Return the columns of numbers, called as ArviZ calls those of a summary."""
    interval = f"eti{100.0 * probability:g}"
    return ("mean", "sd", f"{interval}_lb", f"{interval}_ub")


def covariates(columns: list[str]) -> list[str]:
    """Return the columns of covariates and groups among those of a table."""
    return columns[len(ABOUT) : columns.index("mean")]
