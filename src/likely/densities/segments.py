"""Values between the nodes of a solution that is smooth but for breaks: splines between breaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from likely.typing import FloatArray

DEGREE = 5

Values = Callable[[FloatArray], FloatArray]


class Segments:
    """Splines over log time; after a break over the log of the time since it.

    After a break the solution is smooth in the square root of the time since.

    Args:
        times: nodes (m,), ascending and positive.
        values: there, (m, k).
        breaks: whether there is a break right before each node, (m,).
    """

    def __init__(self, times: FloatArray, values: FloatArray, breaks: NDArray[np.bool_]) -> None:
        firsts = np.flatnonzero(breaks)
        self._ends = times[firsts]
        self._origins = np.append(0.0, times[firsts - 1])
        parts = zip(np.split(times, firsts), np.split(values, firsts), strict=True)
        self._splines = [
            _spline(np.log(nodes - origin), part)
            for origin, (nodes, part) in zip(self._origins, parts, strict=True)
        ]
        self._limits = [(part[0], part[-1]) for part in np.split(times, firsts)]

    def __call__(self, times: FloatArray) -> FloatArray:
        """Return values (n, k) at times (n,); those beyond a segment's nodes are its last ones."""
        segment = np.searchsorted(self._ends, times, side="right")
        values = np.empty((len(times), 2))
        for k in np.unique(segment):
            chosen = segment == k
            inside = np.clip(times[chosen], *self._limits[k])
            values[chosen] = self._splines[k](np.log(inside - self._origins[k]))
        return values


def _spline(x: FloatArray, values: FloatArray) -> Values:
    if len(x) == 1:
        return lambda at: np.repeat(values, len(at), axis=0)
    fitting = len(x) - 1 if len(x) % 2 == 0 else len(x) - 2  # odd, and below the number of nodes
    from scipy.interpolate import make_interp_spline  # slow to import, and rarely needed

    return make_interp_spline(x, values, k=max(1, min(DEGREE, fitting)))
