"""The log likelihood of each trial at draws from the posterior, for cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from likely.progress import Progress

if TYPE_CHECKING:
    import pymc as pm

DRAWS = 1000  # of all chains together: Pareto tails are well estimated with fewer
CHUNK = 1_000_000  # numbers evaluated at once: what bounds the memory


def log_likelihood(
    model: pm.Model, idata: xr.DataTree, *, draws: int = DRAWS, progress: bool = True
) -> xr.DataTree:
    """Return a group "log_likelihood", (chain, draw, trial), and the posterior draws it is of.

    Compiled code evaluates many draws at once; the trials are those of the model.

    Args:
        model: with one observed variable, the trials.
        idata: draws from its posterior.
        draws: how many of them at most, all chains together; evenly spaced.
        progress: whether a bar is shown once it takes more than two seconds.
    """
    posterior = _thinned(idata["posterior"].to_dataset(), draws)
    values = _evaluated(model, posterior, progress)
    dimensions = ("chain", "draw", "trial")
    trials = xr.Dataset(
        {"trials": (dimensions, values)}, coords=posterior[["chain", "draw"]].coords
    )
    return xr.DataTree.from_dict({"posterior": posterior, "log_likelihood": trials})


def _thinned(posterior: xr.Dataset, draws: int) -> xr.Dataset:
    each = max(1, min(posterior.sizes["draw"], draws // posterior.sizes["chain"]))
    chosen = np.linspace(0, posterior.sizes["draw"] - 1, each).astype(int)
    return posterior.isel(draw=chosen)


def _evaluated(model: pm.Model, posterior: xr.Dataset, progress: bool) -> np.ndarray:
    """Return (chain, draw, n)."""
    names, function = _compiled(model)
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    flat = [_flat(posterior[name]) for name in names]
    total = chains * draws
    n = int(np.prod(function(*[v[:1] for v in flat]).shape[1:]))
    step = max(1, CHUNK // n)
    values = np.empty((total, n))
    with Progress("log likelihood of each trial", total, show=progress) as bar:
        for start in range(0, total, step):
            here = slice(start, start + step)
            values[here] = function(*[v[here] for v in flat]).reshape(-1, n)
            bar.update(min(start + step, total))
    return values.reshape(chains, draws, n)


def _compiled(model: pm.Model) -> tuple[list[str], Any]:
    """Return names of the free variables, and draws of them (m, ...) -> log likelihoods (m, n)."""
    import pytensor
    import pytensor.tensor as pt
    from pytensor.graph.replace import vectorize_graph

    from likely.plain_models import untransformed

    plain = untransformed(model)
    (value,) = plain.logp(vars=plain.observed_RVs, sum=False)
    names = [rv.name for rv in plain.free_RVs]
    single = [plain.rvs_to_values[rv] for rv in plain.free_RVs]
    # Without their names: pytensor takes one with a comma, as of bs(x, df=4), for a dtype.
    batched = [pt.tensor(dtype=v.dtype, shape=(None, *v.type.shape)) for v in single]
    together = vectorize_graph(value, replace=dict(zip(single, batched, strict=True)))
    mode = "FAST_COMPILE"  # the kernel is compiled already; little else is done
    return names, pytensor.function(batched, together, mode=mode, on_unused_input="ignore")


def _flat(variable: xr.DataArray) -> np.ndarray:
    values = np.asarray(variable.values)
    return values.reshape(-1, *values.shape[2:])
