"""Scalars of a posterior, one by one, as figures need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import gaussian_kde

from likely.errors import ParameterError, unknown
from likely.typing import FloatArray

GRID = 400


def marginals(
    idata: Any, names: Sequence[str] | None = None, group: str = "posterior"
) -> Iterator[tuple[str, FloatArray]]:
    """Yield label and draws of every scalar: v, or, of a variable with dimensions, v[left].

    Args:
        idata: what `pm.sample` returns, or one group of it as a dataset.
        names: variables; by default all.
        group: of the draws.

    Raises:
        ParameterError: unknown names, no such group, or draws that are not finite.
    """
    given = idata if isinstance(idata, xr.Dataset) else _group(idata, group)
    dataset: xr.Dataset = given
    for name in map(str, dataset.data_vars) if names is None else names:
        if name not in dataset.data_vars:
            raise ParameterError(unknown(f"{group} variable", name, dataset.data_vars))
        variable = dataset[name]
        rest = [d for d in variable.dims if d not in ("chain", "draw")]
        for position in product(*(range(variable.sizes[d]) for d in rest)):
            element = variable.isel(dict(zip(rest, position, strict=True)))
            labels = ", ".join(str(element.coords[d].item()) if d in element.coords else str(i)
                               for d, i in zip(rest, position, strict=True))  # fmt: skip
            draws = np.asarray(element.values, dtype=np.float64).ravel()
            label = f"{name}[{labels}]" if rest else name
            if not np.isfinite(draws).all():
                raise ParameterError(f"{group} of '{label}' has draws that are not finite.")
            yield label, draws


def _group(idata: Any, group: str) -> xr.Dataset:
    if group not in getattr(idata, "children", {group: None}):
        raise ParameterError(unknown("group of draws", group, idata.children))
    dataset: xr.Dataset = idata[group].to_dataset()
    return dataset


def smooth_density(draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a grid and the kernel density estimate on it; a spike if all draws are equal."""
    low, high = float(draws.min()), float(draws.max())
    if high - low <= 1e-12 * max(1.0, abs(high)):
        x = np.array([low - 0.5, low, low + 0.5])
        return x, np.array([0.0, 1.0, 0.0])
    margin = 0.05 * (high - low)
    x = np.linspace(low - margin, high + margin, GRID)
    return x, gaussian_kde(draws)(x)
