"""The exact log density of trials, for models that have an exact twin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from likely.checks import require_count, require_positive
from likely.declaration import Declaration
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import ModelError, ParameterError
from likely.model import Model
from likely.silence import silence
from likely.simulation import available_cores
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED, any_encoded
from likely.typing import FloatArray, Theta
from likely.zoo import resolve


def exact(
    model: Model | str,
    theta: Theta,
    trials: pd.DataFrame | FloatArray,
    *,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
) -> FloatArray:
    """Return the exact log density of each trial.

    Distinct parameter rows are solved once each, on all cores; rows that differ in nothing but the
    non-decision time share a solution.

    Args:
        model: a model with an exact twin (every `likely.Diffusion` has one), or the name of one in
            `likely.models`.
        theta: parameters, name -> scalar or (n,) array, or an array (1, p) or (n, p).
        trials: n trials, as `Likelihood.logp` takes them: a frame with columns rt, choice and
            perhaps deadline, or numbers (n, 2) of rt and choice. Times and choices that were not
            observed contribute as they do there.
        tolerance: largest error of the log density, averaged over the density, for solutions that
            are refined until they reach one; series and closed forms are better.
        threads: threads to use; all cores by default.

    Returns:
        (n,), never NaN; -inf where rt is not after the non-decision time.

    Raises:
        ModelError: if the model has no exact twin.
        ParameterError: parameters unknown, missing, not finite, outside their support, not one row
            or n rows, or at which there is no solution.
        TrialsError: malformed trials.
    """
    model = resolve(model)
    twin = require_twin(model)
    require_positive("tolerance", tolerance)
    if threads is not None:
        require_count("threads", threads)
    encoded = any_encoded(trials, model.choices)
    rows = model.declaration.rows(theta)
    if len(rows) not in (1, len(encoded)):
        raise ParameterError(f"{len(rows)} parameter rows do not fit {len(encoded)} trials.")
    for parameter, column in zip(model.parameters, rows.T, strict=True):
        parameter.require_supported(column)
    model.declaration.require_allowed(rows)
    which = np.arange(len(encoded)) if len(rows) > 1 else np.zeros(len(encoded), dtype=np.int64)
    withheld = silence(encoded, model.choices, which)
    if withheld is not None:
        rows = rows[withheld.source] if len(rows) > 1 else rows
        encoded = withheld.trials
    problem = undelayed(model.declaration, rows, np.arange(len(rows)), encoded)
    values = np.empty(len(encoded))

    def fill(index: int) -> None:
        chosen = problem.which == index if len(rows) > 1 else slice(None)
        row = problem.rows[index]
        passage = twin.solve(row, tolerance)
        values[chosen] = log_density(model.declaration, passage, row, problem.trials[chosen])

    with ThreadPoolExecutor(threads or available_cores()) as pool:
        list(pool.map(fill, range(len(problem.rows))))
    return values if withheld is None else withheld.combine(values)


class Undelayed(NamedTuple):
    """Trials without non-decision times, and what has to be solved for them.

    Args:
        rows: distinct parameter rows (k, p), with non-decision times of 0.
        which: the row of each trial (n,).
        trials: encoded (n, 2), in decision times.
    """

    rows: FloatArray
    which: np.ndarray
    trials: FloatArray


def undelayed(
    declaration: Declaration, rows: FloatArray, which: np.ndarray, encoded: FloatArray
) -> Undelayed:
    """Take non-decision times out of parameter rows (m, p) and of encoded trials (n, 2).

    Args:
        declaration: of the model.
        rows: parameter rows, (m, p).
        which: the row of each trial, (n,), or (1,) if they share one.
        encoded: trials, (n, 2).
    """
    trials = encoded.copy()
    trials[:, 0] -= declaration.onset(rows)[which]
    rows = declaration.from_onset(rows)
    distinct, solution = np.unique(rows, axis=0, return_inverse=True)
    return Undelayed(distinct, solution[which], trials)


def require_twin(model: Model) -> ExactTwin:
    """Return the model's exact twin, or raise ModelError if it has none."""
    if model.twin is None:
        raise ModelError(
            f"model '{model.name}' has no exact density. A Diffusion has one; a Simulator can be "
            "given one, twin=..."
        )
    return model.twin


def log_density(
    declaration: Declaration, passage: FirstPassage, row: FloatArray, encoded: FloatArray
) -> FloatArray:
    """Return the log density (n,) of encoded trials (n, 2) that share a parameter row (p,)."""
    times, choices = encoded[:, 0] - declaration.onset(row[None])[0], encoded[:, 1]
    timed = ~(np.isnan(times) | (times == TIME_UNOBSERVED))
    omitted = choices == NO_RESPONSE
    chosen = _chosen(declaration, choices)
    values = np.full(len(encoded), -np.inf)
    observed = timed & ~omitted
    if observed.any():
        densities = passage.log_density(times[observed])
        values[observed] = _log_sum(densities, chosen[observed])
    if (timed & omitted).any():
        values[timed & omitted] = passage.log_survival(times[timed & omitted])
    if not timed.all():  # probabilities may take an integral
        with np.errstate(divide="ignore"):
            shares = np.log(passage.probabilities)[None]
        values[~timed] = _log_sum(np.broadcast_to(shares, chosen[~timed].shape), chosen[~timed])
        values[~timed & chosen.all(axis=1)] = 0.0
    return values


def _chosen(declaration: Declaration, choices: FloatArray) -> np.ndarray:
    """Tell which choices each trial's density sums over, (n, C): one, or all if unobserved."""
    unobserved = np.isinf(choices) | np.isnan(choices)
    known = np.array(declaration.choices, dtype=np.float64)
    return (choices[:, None] == known) | unobserved[:, None]


def _log_sum(values: FloatArray, among: np.ndarray) -> FloatArray:
    """Log of the sum of exp(values) (n, C) over the choices that each row of `among` allows."""
    return np.logaddexp.reduce(np.where(among, values, -np.inf), axis=1)
