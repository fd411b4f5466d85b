"""Probabilities of each choice before and after a time, in log space, from any density."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from likely.densities.panels import Panels, panels
from likely.densities.twin import FirstPassage
from likely.densities.variability import LAGUERRE_LOG_WEIGHTS, LAGUERRE_NODES, SEARCHED
from likely.typing import FloatArray

TABULATED = 1e-4  # shares of a choice below are integrals of their own, for their precision
_STEP = 1e-3  # of time, relative, over which the slope of the log density is taken


@dataclass(frozen=True, eq=False)
class Cumulated:
    """Integrals over time of a density, of which tails keep their relative precision.

    Args:
        passage: the solution with that density.
    """

    passage: FirstPassage

    @functools.cached_property
    def _log_chosen(self) -> FloatArray:
        """Log probability of each choice, (C,); 0 of those that are never made."""
        chosen = self.passage.probabilities
        return np.log(np.where(chosen > 0.0, chosen, 1.0))

    @functools.cached_property
    def _panels(self) -> Panels:
        """Density of each choice among its own: rare choices are as precise as others."""
        return panels(lambda s: self.passage.log_density(s) - self._log_chosen, SEARCHED)

    def log_before(self, times: FloatArray) -> FloatArray:
        """Log probability of each choice by each of the times (n,): (n, C)."""
        table = self._panels
        return self._with_tails(times, table.probabilities - table.later(times), early=True)

    def log_after(self, times: FloatArray) -> FloatArray:
        """Log probability of each choice after each of the times (n,): (n, C)."""
        return self._with_tails(times, self._panels.later(times), early=False)

    def _with_tails(self, times: FloatArray, shares: FloatArray, early: bool) -> FloatArray:
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(shares, 0.0)) + self._log_chosen
        inside = (times > 0.0) & (times < np.inf)
        few = (shares < TABULATED).any(axis=1) & inside
        if few.any():
            tail = self._tail(times[few], early)
            replaced = (shares[few] < TABULATED) & ~np.isnan(tail)
            logs[few] = np.where(replaced, tail, logs[few])
        logs[~(times > 0.0) if early else times == np.inf] = -np.inf
        return logs

    def _tail(self, times: FloatArray, early: bool) -> FloatArray:
        """Log integrals (n, C) from 0 to, or on from, each time; NaN where there is no tail.

        Gauss and Laguerre's rule in time, or early in its inverse: densities fall like exp(-r s)
        late, and like exp(-c / s) early. The rate is that at which they fall at the time.
        """
        clock = 1.0 / times if early else times
        step = _STEP * clock
        here = self._on_clock(clock[:, None], early)
        ahead = self._on_clock((clock + step)[:, None], early)
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = (here - ahead)[:, 0] / step[:, None]
        out = np.full(rate.shape, np.nan)
        for choice in range(out.shape[1]):
            falls = (rate[:, choice] > 0.0) & np.isfinite(rate[:, choice])
            if falls.any():
                nodes = clock[falls, None] + LAGUERRE_NODES / rate[falls, choice, None]
                terms = self._on_clock(nodes, early)[:, :, choice] + LAGUERRE_LOG_WEIGHTS
                sums = np.logaddexp.reduce(terms, axis=1)
                out[falls, choice] = sums - np.log(rate[falls, choice])
        out[np.isneginf(here[:, 0])] = -np.inf
        return out

    def _on_clock(self, clock: FloatArray, early: bool) -> FloatArray:
        """Log density (n, k, C) per unit of time (n, k), or of its inverse."""
        times = 1.0 / clock if early else clock
        logs = self.passage.log_density(times.ravel()).reshape(*times.shape, -1)
        return np.asarray(logs - 2.0 * np.log(clock)[:, :, None] if early else logs)
