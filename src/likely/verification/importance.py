"""Pareto-smoothed importance weights (Vehtari, Simpson, Gelman, Yao & Gabry 2024)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from arviz_stats.base.array import array_stats

from likely.typing import FloatArray

FEWEST = 25  # draws of which a fifth, the tail, are as many as a fit of it needs
EVEN = 0.99  # share of draws that count, above which no mean can be off by a tenth of its SD


@dataclass(frozen=True, eq=False)
class Weights:
    """Importance weights of draws, and how far they can be relied on.

    Args:
        values: (n,), they sum to 1.
        k_hat: shape of the generalised Pareto distribution that fits their upper tail; -inf if
            the largest are equal, inf if too few are positive.
    """

    values: FloatArray
    k_hat: float

    @property
    def effective(self) -> float:
        """How many equally weighted draws are worth as much (Kish): 1 / sum of squares."""
        return float(1.0 / np.square(self.values).sum())

    @property
    def limit(self) -> float:
        """Largest k-hat at which estimates from so many draws are reliable, as the paper finds."""
        return min(1.0 - 1.0 / math.log10(len(self.values)), 0.7)

    @property
    def reliable(self) -> bool:
        """Whether k-hat is below the limit, or the weights hardly differ.

        As k-hat does not depend on their scale, it may be large by chance where nothing is wrong.
        """
        return self.k_hat < self.limit or self.effective > EVEN * len(self.values)

    def resample(self, seed: int) -> np.ndarray:
        """Return indices (n,) of draws, each as often as its weight says, to less than one.

        Systematic resampling: one random offset for all, which adds the least noise.
        """
        n = len(self.values)
        offset = np.random.default_rng(seed).random()
        reached = np.cumsum(self.values)
        steps = (np.arange(n) + offset) / n * reached[-1]
        return np.minimum(np.searchsorted(reached, steps, side="right"), n - 1)


def smoothed(log_ratios: FloatArray) -> Weights:
    """Return the weights of draws from their log density ratios (n,), -inf for none; n >= 25."""
    n = len(log_ratios)
    finite = np.isfinite(log_ratios)
    if finite.sum() <= _tail(n):
        values = np.where(finite, 1.0, 0.0) if finite.any() else np.ones(n)
        return Weights(values / values.sum(), math.inf)
    if np.ptp(np.sort(log_ratios)[-_tail(n) :]) < 1e-9:
        values = np.exp(log_ratios - log_ratios.max())
        return Weights(values / values.sum(), -math.inf)
    with np.errstate(all="ignore"):  # no tail can be fitted to a few values that repeat
        log_weights, k_hat = array_stats.psislw(-log_ratios)
    return Weights(np.exp(log_weights), math.inf if np.isnan(k_hat) else float(k_hat))


def _tail(n: int) -> int:
    """Return how many of the largest weights the tail's distribution is fitted to."""
    return int(3 * math.sqrt(n)) if n > 225 else n // 5
