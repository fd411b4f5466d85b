"""lk.predict: trials drawn from the posterior predictive distribution, one data set at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.checks import require_count, require_seed
from likely.errors import ModelError, ParameterError, unknown
from likely.typing import FloatArray

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr


def predict(
    idata: xr.DataTree,
    model: pm.Model,
    *,
    draws: int | None = None,
    name: str | None = None,
    seed: int,
) -> Iterator[pd.DataFrame]:
    """Draw whole data sets from the posterior predictive distribution, one at a time.

    However many draws and trials there are, memory holds one data set; keep of each what you need,
    such as quantiles by condition. `pymc.sample_posterior_predictive` draws the same and keeps all
    of it: 16 bytes a trial and draw.

    Args:
        idata: draws from the posterior, with a group `posterior`.
        model: the PyMC model that they are from, with observed trials of a likelihood.
        draws: posterior draws to use, evenly spaced over all chains; all of them by default.
        name: the variable of the trials; needed only if several variables hold trials.
        seed: any integer from 0 to 2^64 - 1.

    Returns:
        An iterator over frames of n trials, rt (seconds) and choice, in the order of the observed
        trials. Both are NaN where a trial's deadline passed without a response.

    Raises:
        ModelError: if no variable of the model holds observed trials, or several do and none is
            named.
        ParameterError: draws that cannot be, or posterior draws that lack a variable of the model.
    """
    require_seed(seed)
    variable = _trials(model, name)
    values = _posterior(idata, model)
    available = len(next(iter(values.values()), ()))
    if draws is not None:
        require_count("draws", draws)
    if draws is not None and draws > available:
        raise ParameterError(f"draws is {draws}; the posterior has {available}.")
    chosen = np.linspace(0, available - 1, draws or available).astype(int)
    return _drawn(variable, model, values, chosen, seed)


def _drawn(
    variable: Any,
    model: pm.Model,
    values: dict[str, FloatArray],
    chosen: np.ndarray,
    seed: int,
) -> Iterator[pd.DataFrame]:
    import pymc as pm

    inputs = [model[name] for name in values]
    with model:
        function = pm.compile(inputs, variable, random_seed=seed, on_unused_input="ignore")
    for i in chosen:
        drawn = function(*(value[i] for value in values.values()))
        yield pd.DataFrame(drawn, columns=["rt", "choice"])


def _trials(model: pm.Model, name: str | None) -> Any:
    """Return the variable that holds the observed trials."""
    found = {v.name: v for v in model.observed_RVs if v.type.shape[-1:] == (2,)}
    if name is not None:
        if name not in found:
            raise ModelError(unknown("variable with observed trials", name, found))
        return found[name]
    if len(found) != 1:
        which = "several variables hold" if found else "no variable of the model holds"
        remedy = f"; give one as name=: {', '.join(found)}" if found else ""
        raise ModelError(f"{which} observed trials{remedy}.")
    return next(iter(found.values()))


def _posterior(idata: xr.DataTree, model: pm.Model) -> dict[str, FloatArray]:
    """Return the draws of each free variable, (chains * draws, ...)."""
    if "posterior" not in idata.children:
        raise ParameterError("idata has no group 'posterior'; give what pymc.sample returned.")
    posterior = idata["posterior"].to_dataset()
    values = {}
    for variable in model.free_RVs:
        if variable.name not in posterior:
            raise ParameterError(
                f"the posterior has no variable '{variable.name}' of the model; give the model "
                "that the draws are from."
            )
        array = posterior[variable.name].transpose("chain", "draw", ...).to_numpy()
        flat = array.reshape(math.prod(array.shape[:2]), *array.shape[2:])
        values[variable.name] = flat.astype(variable.type.dtype)
    return values
