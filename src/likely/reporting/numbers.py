"""Posterior means, sds and intervals as text."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def interval_of(columns: Iterable[Hashable]) -> list[str]:
    """Return the columns of a table that are the ends of its intervals."""
    return [str(c) for c in columns if str(c).startswith(("eti", "hdi"))]


def heading(interval: Sequence[str]) -> str:
    """Return what stands over intervals: "94% interval"."""
    name = (interval or ["eti94"])[0].split("_")[0]
    return f"{name.removeprefix('eti').removeprefix('hdi')}% interval"


def moments(row: Mapping[Hashable, Any], interval: Sequence[str]) -> tuple[str, str, str]:
    """Return mean, sd and interval of a row of a table."""
    ends = " to ".join(_rounded(row[c], row["sd"]) for c in interval)
    return _rounded(row["mean"], row["sd"]), f"{row['sd']:.2g}", ends


def _rounded(value: float, sd: float) -> str:
    """Write a value to a hundredth of its standard deviation."""
    if not (np.isfinite(sd) and sd > 0):
        text = f"{value:.4g}"
    else:
        decimals = int(np.clip(1 - np.floor(np.log10(sd)), 0, 6))
        text = f"{value:.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")
