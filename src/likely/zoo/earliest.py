"""The winner of a race of which all finishing times are drawn."""

from __future__ import annotations

import numba


@numba.njit
def earliest(times):  # type: ignore[no-untyped-def]
    """Return the smallest of a tuple of times, and its index."""
    winner = 0
    for i in range(1, len(times)):
        if times[i] < times[winner]:
            winner = i
    return times[winner], winner
