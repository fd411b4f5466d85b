"""First passages whose density is known at any time: choice probabilities and survival from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from likely.densities.twin import FirstPassage
from likely.typing import FloatArray

ERROR = 1e-3  # of the quadrature, where it is not known better
_PANEL, _WEIGHTS = np.polynomial.legendre.leggauss(6)


class IntegratedPassage(FirstPassage):
    """The distribution of which the density is given, by quadrature between nodes.

    Args:
        nodes: decision times (m,) in seconds, ascending, that resolve the density: it is smooth
            between two of them. Nothing ends before the first.
        log_density: function of decision times (n,) that returns (n, C); -inf where there is none.
        decay: rate per second at which the density decays after the last node.
        error: of the quadrature over the density; a larger share that is missing never ends.
    """

    def __init__(
        self,
        nodes: FloatArray,
        log_density: Callable[[FloatArray], FloatArray],
        decay: float,
        error: float = ERROR,
    ) -> None:
        self._nodes, self._log_density, self._decay = nodes, log_density, decay
        rest = np.exp(log_density(nodes[-1:]))[0] / decay
        ends = np.vstack([self._panels(nodes[:-1], nodes[1:]), rest])
        self._probabilities = ends.sum(axis=0)
        self._left = ends.sum(axis=1)[::-1].cumsum()[::-1]  # of all that ends, at each node
        missing = 1.0 - float(self._left[0])
        self._never = missing if missing > error else 0.0

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each choice, (C,)."""
        return self._probabilities

    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density, (n, C)."""
        return self._log_density(times)

    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of no decision yet, (n,)."""
        times = np.asarray(times, dtype=np.float64)
        first, last = self._nodes[0], self._nodes[-1]
        inside = np.clip(times, first, last)
        following = np.minimum(np.searchsorted(self._nodes, inside), len(self._nodes) - 1)
        left = self._left[following] + self._panels(inside, self._nodes[following]).sum(axis=1)
        left *= np.exp(-self._decay * np.maximum(times - last, 0.0))
        with np.errstate(divide="ignore"):
            logs = np.minimum(np.log(left + self._never), 0.0)
        return np.where(times <= first, 0.0, logs)

    def _panels(self, begins: FloatArray, ends: FloatArray) -> FloatArray:
        """Integrate the density from each beginning to each end, by Gauss in log time: (n, C)."""
        half = 0.5 * np.log(ends / begins)[:, None]
        times = np.sqrt(begins * ends)[:, None] * np.exp(half * _PANEL)
        density = np.exp(self._log_density(times.ravel())).reshape(*times.shape, -1)
        return ((half * _WEIGHTS * times)[:, :, None] * density).sum(axis=1)
