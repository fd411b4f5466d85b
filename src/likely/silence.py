"""Withheld responses: trials on which nothing was seen until a deadline, as one choice is silent.

In a Go/NoGo task a press is seen and a decision not to press is not. No press by the deadline means
that the silent choice was made, at any time, or that a press would have come too late:

    P(withheld) = P(c) + sum over other choices o of the integral of f(t, o) from the deadline on

(Gomez, Ratcliff & Perea, 2007, J. Exp. Psychol. Gen. 136, 389-413; the same as DDMGNG of EMC2).
The tail is integrated by a double-exponential rule (Takahasi & Mori, 1974) over densities, so that
every likelihood that has densities and choice probabilities answers it. Such trials are replaced by
others of kinds that likelihoods know, in front, and put together again from their log densities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from likely.trials import SILENT, TIME_UNOBSERVED
from likely.typing import FloatArray

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

_NONE = -1e30  # stands for -inf where infinity would spoil a gradient
_STEP = 0.2
_X = np.arange(-3.0, 7.0, _STEP)
AFTER = np.exp(_X - np.exp(-_X))  # seconds after the deadline: 4e-11 to 900
LOG_WEIGHTS = np.log(_STEP * (1.0 + np.exp(-_X))) + np.log(AFTER)


class Silence(NamedTuple):
    """Withheld responses among n trials, and the trials that answer for them.

    Args:
        where: places of withheld responses among the trials, (q,).
        group: which of g different ones each is, (q,).
        trials: encoded, (n + m, 2): the n trials, with P(choice) in place of withheld responses,
            and m = g * nodes later ones, group by group.
        source: the trial whose parameters each has, (n + m,).
        log_weights: of the later ones of a group, (nodes,).
    """

    where: np.ndarray
    group: np.ndarray
    trials: FloatArray
    source: np.ndarray
    log_weights: FloatArray

    def combined(self, values: TensorVariable) -> TensorVariable:
        """Do what `combine` does, in PyTensor."""
        import pytensor.tensor as pt

        n = len(self.source) - len(self.log_weights) * (self.group.max() + 1)
        silent = values[self.where]
        late = values[n:].reshape((-1, len(self.log_weights))) + self.log_weights
        late = pt.logsumexp(pt.maximum(late, _NONE), axis=1)[self.group]
        either = pt.minimum(pt.logaddexp(pt.maximum(silent, _NONE), late), 0.0)
        return values[:n][self.where].set(pt.switch(pt.isinf(silent), -np.inf, either))

    def combine(self, values: FloatArray) -> FloatArray:
        """Return log densities (n,) of the trials from those of `trials`, (n + m,)."""
        n = len(self.source) - len(self.log_weights) * (self.group.max() + 1)
        late = values[n:].reshape(-1, len(self.log_weights)) + self.log_weights
        late = np.logaddexp.reduce(late, axis=1)[self.group]
        combined = values[:n].copy()
        combined[self.where] = np.minimum(np.logaddexp(combined[self.where], late), 0.0)
        return combined


def silence(encoded: FloatArray, choices: Sequence[int], which: np.ndarray) -> Silence | None:
    """Replace withheld responses; None if there are none.

    Args:
        encoded: trials (n, 2) as `likely.trials.encode` writes them.
        choices: of the model.
        which: the parameter row of each trial, (n,), by which equal ones are told.
    """
    codes = encoded[:, 1]
    where = np.flatnonzero(np.isin(codes, np.asarray(choices) + SILENT))
    if not len(where):
        return None
    keys = np.column_stack([which[where], encoded[where]])
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    leading = encoded.copy()
    leading[where] = np.column_stack([np.full(len(where), TIME_UNOBSERVED), codes[where] - SILENT])
    later = [_later(encoded[where[i]], choices) for i in first]
    nodes = len(later[0])
    source = np.concatenate([np.arange(len(encoded)), np.repeat(where[first], nodes)])
    log_weights = np.tile(LOG_WEIGHTS, len(choices) - 1)
    return Silence(where, group.ravel(), np.concatenate([leading, *later]), source, log_weights)


def _later(withheld: FloatArray, choices: Sequence[int]) -> FloatArray:
    """Return trials after the deadline of a withheld one, (2,), of all choices but the silent."""
    deadline, code = withheld
    others = [float(c) for c in choices if c != code - SILENT]
    times = np.tile(deadline + AFTER, len(others))
    return np.column_stack([times, np.repeat(others, len(AFTER))])
