"""The region of parameters that a certificate is about, and parameter sets drawn from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from likely.declaration import Declaration, pair_of_limits
from likely.errors import ParameterError
from likely.typing import Box, FloatArray

LONGEST_SHIFT = 2.0  # seconds: upper end of a non-decision time's box that has none
USUAL_SHIFT = (0.1, 0.5)  # seconds: non-decision times of true parameters, where the box allows
INNER = 0.05  # share of the box at each end that true parameters leave out
MARGIN = 0.005  # the same for sets compared: gradients need room


@dataclass(frozen=True)
class Region:
    """A finite box of parameters.

    Args:
        declaration: names of the parameters, and which is the non-decision time.
        lower: lower ends, (p,).
        upper: upper ends, (p,).
    """

    declaration: Declaration
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def of(cls, declaration: Declaration, box: Mapping[str, tuple[float, float]] | None) -> Region:
        """Return the likelihood's own box, with other limits for the parameters in `box`.

        Raises:
            ParameterError: if a name is unknown or limits are no finite interval in the support.
        """
        limits = {p.name: p.box for p in declaration.parameters}
        for name, given in (box or {}).items():
            if name not in limits:
                declaration.with_box(**{name: given})  # says that there is no such parameter
            limits[name] = _require_interval(declaration, name, given)
        ends = [(low, high if math.isfinite(high) else low + LONGEST_SHIFT)
                for low, high in limits.values()]  # fmt: skip
        lower, upper = np.array(ends, dtype=np.float64).T
        return cls(declaration, lower, upper)

    @property
    def width(self) -> FloatArray:
        """Widths, (p,)."""
        return self.upper - self.lower

    @property
    def box(self) -> Box:
        """Parameter name -> (lower, upper)."""
        ends = zip(self.lower.tolist(), self.upper.tolist(), strict=True)
        return dict(zip(self.declaration.names, ends, strict=True))

    def sets(self, n: int, seed: int) -> FloatArray:
        """Draw n parameter sets (n, p), evenly spread over all but the edge of the region."""
        return self._spread(self.lower + MARGIN * self.width, self.upper - MARGIN * self.width,
                            n, seed)  # fmt: skip

    def truths(self, n: int, seed: int) -> FloatArray:
        """Draw n true parameter sets (n, p) from the inner part, with usual non-decision times."""
        lower, upper = self.lower + INNER * self.width, self.upper - INNER * self.width
        column = self.declaration.non_decision_column
        if column is not None:
            low, high = np.clip(USUAL_SHIFT, self.lower[column], self.upper[column])
            if low < high:
                lower[column], upper[column] = low, high
        return self._spread(lower, upper, n, seed)

    def _spread(self, lower: FloatArray, upper: FloatArray, n: int, seed: int) -> FloatArray:
        rng = np.random.default_rng(seed)

        def draw(count: int) -> FloatArray:
            unit = qmc.LatinHypercube(len(lower), rng=rng).random(count)
            return np.ascontiguousarray(lower + (upper - lower) * unit)

        return self.declaration.only_allowed(draw, n)


def _require_interval(
    declaration: Declaration, name: str, given: tuple[float, float]
) -> tuple[float, float]:
    low, high = pair_of_limits(name, given)
    support = declaration.parameters[declaration.names.index(name)].support
    if not (math.isfinite(low) and support[0] <= low < high <= support[1]):
        raise ParameterError(
            f"parameter '{name}': the box ({low:g}, {high:g}) is no interval inside the support "
            f"{support}."
        )
    return low, high
