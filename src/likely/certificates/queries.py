"""What a certificate asks a likelihood, at many parameter sets in one call."""

from __future__ import annotations

import numpy as np

from likely.likelihood import Likelihood
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

AT_ONCE = 200_000  # trials a call, which bounds memory


def log_densities(
    likelihood: Likelihood, rows: FloatArray, times: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log densities (n, C) and gradients (n, C, p) at decision times (n,) of rows (n, p)."""
    choices = np.array(likelihood.declaration.choices, dtype=np.float64)
    n, c, p = len(times), len(choices), rows.shape[1]
    rt = times + likelihood.declaration.onset(rows)
    values, gradients = np.empty((n, c)), np.empty((n, c, p))
    step = max(AT_ONCE // c, 1)
    for first in range(0, n, step):
        part = slice(first, first + step)
        trials = np.stack([np.repeat(rt[part], c), np.tile(choices, len(rt[part]))], axis=1)
        repeated = np.repeat(rows[part], c, axis=0)
        value, gradient = likelihood.density.evaluate(likelihood.weights, repeated, trials)
        values[part], gradients[part] = value.reshape(-1, c), gradient.reshape(-1, c, p)
    return values, gradients


def choice_probabilities(likelihood: Likelihood, rows: FloatArray) -> FloatArray | None:
    """Return choice probabilities (m, C) at rows (m, p); None if the likelihood knows none."""
    choice = float(likelihood.declaration.choices[0])
    if likelihood.density.unanswerable(np.array([[TIME_UNOBSERVED, choice]])) is not None:
        return None
    return likelihood.choice_probability(rows)


def answers_omissions(likelihood: Likelihood) -> bool:
    """Tell whether the likelihood knows the probability of no response by a deadline."""
    return likelihood.density.unanswerable(np.array([[1.0, NO_RESPONSE]])) is None


def survivals(likelihood: Likelihood, rows: FloatArray, times: FloatArray) -> FloatArray | None:
    """Return P(decision time > times), (n,), at rows (n, p); None if the likelihood knows none."""
    if not answers_omissions(likelihood):
        return None
    return np.exp(likelihood.log_survival(rows, times + likelihood.declaration.onset(rows)))
