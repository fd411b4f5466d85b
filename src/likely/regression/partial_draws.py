"""What samplers leave: arrays of JAX; if interrupted, chains of different lengths with NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def in_numpy(idata: xr.DataTree) -> xr.DataTree:
    """Return the same in numpy's arrays: of JAX's, xarray cannot pick draws of several chains."""
    kept = idata.copy()
    for name, group in idata.children.items():
        data = group.to_dataset()
        arrays = {key: np.asarray(variable.data) for key, variable in data.data_vars.items()}
        kept[name] = type(idata)(data.copy(data=arrays))
    return kept


def common_draws(idata: xr.DataTree) -> xr.DataTree:
    """Return draws without those that were never made.

    Of chains of different lengths as many are kept, cut to the shortest of them, as make the most
    draws together.
    """
    lengths = _lengths(idata["posterior"].to_dataset())
    if lengths.min() == idata["posterior"].sizes["draw"]:
        return idata
    longest = np.argsort(-lengths, kind="stable")
    together = lengths[longest] * np.arange(1, len(lengths) + 1)
    most = int(np.argmax(together))
    chains, draws = np.sort(longest[: most + 1]), int(lengths[longest[most]])
    kept = idata.copy()
    for name in ("posterior", "sample_stats"):
        if name in idata.children:
            group = idata[name].to_dataset().isel(chain=chains, draw=slice(draws))
            kept[name] = type(idata)(group)
    return kept


def _lengths(posterior: xr.Dataset) -> np.ndarray:
    """Return how many draws each chain has: up to the last that is not NaN throughout."""
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    if not sizes[1]:
        return np.zeros(sizes[0], dtype=int)
    made = np.zeros(sizes, dtype=bool)
    for variable in posterior.data_vars.values():
        values = variable.transpose("chain", "draw", ...).to_numpy().reshape(*sizes, -1)
        made |= ~np.isnan(values).all(axis=2)
    return np.where(made.any(axis=1), sizes[1] - np.argmax(made[:, ::-1], axis=1), 0)
