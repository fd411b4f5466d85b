"""Comparison of models fitted to the same trials, by cross-validation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from likely.errors import DistrustWarning, LikelyError
from likely.results.folder import open_fit, open_log_likelihood
from likely.results.pointwise import log_likelihood
from likely.results.record import require_fit
from likely.trials import deadlines

if TYPE_CHECKING:
    from likely.regression import Fit

OBSERVED = ("rt", "choice", "deadline")
JITTER = 1e-6
BAD = 0.01  # share of trials whose Pareto k is too large, from which the comparison is in doubt


def compare(
    fits: Mapping[str, Fit | str | os.PathLike[str]], *, progress: bool = True
) -> pd.DataFrame:
    """Compare models by how well they predict trials that they have not seen.

    The expected log pointwise predictive density of each trial left out is estimated by
    Pareto-smoothed importance sampling (PSIS-LOO; Vehtari, Gelman & Gabry 2017, Statistics and
    Computing 27:1413), from at most 1,000 posterior draws.

    Args:
        fits: name -> what `likely.fit` returned, or the folder of a fit; two or more, of the same
            trials in the same order.
        progress: whether bars are shown for what takes more than two seconds.

    Returns:
        ArviZ's table, a row a model, the best first: rank; elpd_diff, how far its elpd is below the
        best one's, with standard error dse; p_worse, the probability that it predicts worse; elpd
        with standard error se; p, the effective number of parameters; weight, of stacking. The
        last column, waic, is the elpd by WAIC (Watanabe 2010, Journal of Machine Learning Research
        11:3571), without smoothing, beside which LOO is the one to trust.
        `likely.plots.comparison` draws it.

    Raises:
        LikelyError: if there are fewer than two fits, or they are of different trials.
        FileFormatError: if a folder is not one of a fit.

    Warns:
        DistrustWarning: if a model's estimate hangs on trials that it hardly expected.
    """
    import arviz as az

    if len(fits) < 2:
        raise LikelyError("a comparison needs two fits or more.")
    trials, estimates, waic = {}, {}, {}
    for name, fit in fits.items():
        trials[name], pointwise = _taken(fit, progress)
        waic[name] = _waic(pointwise)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of Pareto's k: said below, by name
            estimates[name] = az.loo(_untied(pointwise), var_name="trials", pointwise=True)
    _require_same(trials)
    for name, estimate in estimates.items():
        _warn_if_doubtful(name, estimate)
    table = az.compare(estimates, round_to="none")
    return table.assign(waic=[waic[str(name)] for name in table.index])


def _taken(fit: Fit | str | os.PathLike[str], progress: bool) -> tuple[pd.DataFrame, xr.DataTree]:
    """Return what was observed, and the log likelihood of each trial."""
    if isinstance(fit, str | os.PathLike):
        return _observed(open_fit(os.fspath(fit)).data), open_log_likelihood(os.fspath(fit))
    require_fit(fit)
    return _observed(fit.data), log_likelihood(fit.model, fit.idata, progress=progress)


def _observed(data: pd.DataFrame) -> pd.DataFrame:
    limit = deadlines(data)
    limited = data.assign(deadline=np.inf if limit is None else limit)
    return limited[list(OBSERVED)].astype(np.float64).reset_index(drop=True)


def _waic(pointwise: xr.DataTree) -> float:
    """Return the elpd: trials' log mean density, less the variance of its logarithm over draws."""
    values = pointwise["log_likelihood"].to_dataset()["trials"].values
    flat = values.reshape(-1, values.shape[-1])
    means = logsumexp(flat, axis=0) - np.log(len(flat))
    return float((means - flat.var(axis=0, ddof=1)).sum())


def _untied(pointwise: xr.DataTree) -> xr.DataTree:
    """Return log likelihoods moved by a millionth where they are the same at several draws.

    A response that only a lapse explains has the same likelihood at all draws. It needs no
    smoothing, but ArviZ refuses a Pareto tail of equal weights.
    """
    values = pointwise["log_likelihood"].to_dataset()["trials"]
    flat = values.values.reshape(-1, values.shape[-1])
    tied = (np.diff(np.sort(flat, axis=0), axis=0) == 0).any(axis=0)
    shifts = JITTER * np.random.default_rng(0).random((len(flat), int(tied.sum())))
    moved = flat.copy()
    moved[:, tied] += shifts
    untied = pointwise.copy()
    untied["log_likelihood"] = xr.DataTree(
        xr.Dataset({"trials": values.copy(data=moved.reshape(values.shape))})
    )
    return untied


def _require_same(trials: Mapping[str, pd.DataFrame]) -> None:
    (first, reference), *others = trials.items()
    for name, observed in others:
        if len(observed) != len(reference):
            raise LikelyError(
                f"'{first}' is a fit of {len(reference):,} trials, '{name}' of {len(observed):,}; "
                "only fits of the same trials can be compared."
            )
        same = (observed == reference) | (observed.isna() & reference.isna())
        if not same.all(axis=None):
            row = int(np.flatnonzero(~same.all(axis=1))[0])
            raise LikelyError(
                f"'{first}' and '{name}' are fits of different trials (the first one that differs "
                f"is number {row + 1}); only fits of the same trials, in the same order, can be "
                "compared."
            )


def _warn_if_doubtful(name: str, estimate: Any) -> None:
    k = np.asarray(estimate.pareto_k)
    bad = int(np.sum(~(k <= estimate.good_k)))
    if bad > BAD * k.size:
        warnings.warn(
            f"'{name}': {bad} of {k.size:,} trials have a Pareto k above {estimate.good_k:.2f}, "
            "and its elpd cannot be trusted: single trials, such as fast responses, move the "
            "posterior. Allow for lapses, or take more draws.",
            DistrustWarning,
            stacklevel=3,
        )
