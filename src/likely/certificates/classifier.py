"""A classifier test of two samples: can anything tell a likelihood's draws from a simulator's?

Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR. The classifier is a
logistic regression on all products, up to the third degree, of parameters and log time, apart for
each choice, fitted by Newton's method: it has no seed and is the same anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata

from likely.typing import FloatArray

DEGREE = 3
FOLDS = 5
RIDGE = 1.0  # penalty of the squared coefficients, in rows
STEPS = 8  # of Newton's method at most; a handful suffice as nothing is separable
CONVERGED = 1e-3  # largest change of a coefficient after which it ends
EXTREME = 4.0  # standard deviations at which log times are cut off
TWO_SIDED = 1.96  # normal quantile that chance exceeds, either way, in 5% of tests


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells two samples apart.

    Args:
        area: area under the ROC curve on rows held out; 0.5 if it cannot.
        band: distance from 0.5 that chance exceeds in 5% of tests.
    """

    area: float
    band: float


def separation(first: FloatArray, second: FloatArray, choices: int) -> Separation:
    """Return how well the rows of two samples can be told apart.

    Args:
        first: rows (n, k + 2): parameters from -1 to 1, log time, index of the choice; in random
            order.
        second: as many rows of the other sample, at the same parameters.
        choices: how many there are.
    """
    n = len(first)
    rows = np.concatenate([first, second])
    features = _features(rows, choices)
    labels = np.repeat([0.0, 1.0], n)
    # Rows of the same parameters share a fold, lest it be recognised that they come in pairs.
    fold = np.tile(np.arange(n) * FOLDS // n, 2)
    areas = []
    for k in range(FOLDS):
        held = fold == k
        coefficients = _fitted(features[~held], labels[~held])
        areas.append(_area(features[held] @ coefficients, labels[held] > 0))
    # Mann and Whitney's variance of the area, of two samples of n rows that are alike.
    return Separation(float(np.mean(areas)), TWO_SIDED * float(np.sqrt((2 * n + 1) / (12 * n * n))))


def _features(rows: FloatArray, choices: int) -> FloatArray:
    time = rows[:, -2]
    centred = (time - time.mean()) / max(float(time.std()), 1e-12)
    variables = np.column_stack([rows[:, :-2], np.clip(centred, -EXTREME, EXTREME) / EXTREME])
    products = [np.ones(len(rows))]
    for degree in range(1, DEGREE + 1):
        for columns in combinations_with_replacement(range(variables.shape[1]), degree):
            products.append(np.prod(variables[:, columns], axis=1))
    polynomial = np.column_stack(products)
    apart = [np.where(rows[:, -1:] == c, polynomial, 0.0) for c in range(choices)]
    return np.hstack(apart)


def _fitted(features: FloatArray, labels: FloatArray) -> FloatArray:
    """Return coefficients of a logistic regression with a small penalty."""
    coefficients = np.zeros(features.shape[1])
    for _ in range(STEPS):
        share = expit(features @ coefficients)
        gradient = features.T @ (labels - share) - RIDGE * coefficients
        curvature = (features * (share * (1.0 - share))[:, None]).T @ features
        curvature[np.diag_indices_from(curvature)] += RIDGE
        change = np.linalg.solve(curvature, gradient)
        coefficients = coefficients + change
        if np.abs(change).max() < CONVERGED:
            break
    return coefficients


def _area(scores: FloatArray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative."""
    ranks = rankdata(scores)
    ones = int(positive.sum())
    zeros = len(scores) - ones
    return float((ranks[positive].sum() - 0.5 * ones * (ones + 1)) / (ones * zeros))
