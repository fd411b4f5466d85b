"""What `likely fit` leaves behind: the posterior, its summary, a record, and a figure."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likely.writing import written_whole

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from likely.regression import Fit

PACKAGES = ("likely", "pymc", "pytensor", "arviz", "numpy", "pandas", "bambi", "formulae")
PREDICTIVE_DRAWS = 50
MOST_CONDITIONS = 8  # in the figure; a covariate with more values is cut into quintiles


@dataclass(frozen=True)
class Record:
    """What was asked for.

    Args:
        command: the command line.
        trials: path of the file of trials.
        where: the expression that chose rows.
        sample: arguments of the sampler.
    """

    command: str
    trials: str
    where: str | None
    sample: dict[str, Any]


def write(result: Fit, folder: Path, record: Record) -> None:
    """Write posterior.nc, summary.csv, fit.json and quantiles.png, each of them whole or not."""
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / "posterior.nc") as path:
        storable(result.idata).to_netcdf(path, engine="h5netcdf")
    with written_whole(folder / "summary.csv") as path:
        result.summary().to_csv(path, index_label="parameter")
    with written_whole(folder / "fit.json") as path:
        path.write_text(json.dumps(_describe(result, record), indent=2) + "\n", encoding="utf-8")
    with written_whole(folder / "quantiles.png") as path:
        _draw_quantiles(result, path)


def _describe(result: Fit, record: Record) -> dict[str, Any]:
    plan = result.specification
    return {
        "command": record.command,
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        "model": result.likelihood.declaration.name,
        "trials": {"file": record.trials, "where": record.where, "rows": len(result.data)},
        "formula": dict(plan.formula),
        "fixed": dict(plan.fixed),
        "choices": None if plan.description.coding is None else str(plan.description.coding),
        "lapses": None if plan.lapses is None else str(plan.lapses),
        "priors": plan.priors.to_dict(orient="records"),
        "sampler": record.sample,
        "seed": result.seed,
        "share of draws outside the box": result.outside_box(),
    }


def storable(idata: xr.DataTree) -> xr.DataTree:
    """Return a copy without what netCDF cannot hold: None among the messages of samplers."""
    plain = idata.copy()
    for name, group in idata.children.items():
        objects = [v for v in map(str, group.data_vars) if group[v].dtype == object]
        plain[name] = type(idata)(group.to_dataset().drop_vars(objects))
    return plain


def _draw_quantiles(result: Fit, path: Path) -> None:
    """Draw observed and predicted quantiles of response times by condition."""
    from likely.plots import quantile_probability

    predicted = result.predict(draws=_predictive_draws(result), seed=result.seed)
    by, observed = _conditions(result, result.data)
    _, predicted = _conditions(result, predicted)
    axes = quantile_probability(observed, predicted, by=by)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(path, format="png", dpi=150)


def _predictive_draws(result: Fit) -> int:
    sizes = result.idata["posterior"].sizes
    return min(PREDICTIVE_DRAWS, sizes["chain"] * sizes["draw"])


def _conditions(result: Fit, data: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the column to condition on, and the data with it: the first that a formula uses."""
    import numpy as np
    import pandas as pd

    plan = result.specification
    used = [column for column in plan.columns if column not in plan.groups] or list(plan.columns)
    if not used:
        return "condition", data.assign(condition="all trials")
    name = used[0]
    values = result.data[name]
    if values.nunique() <= MOST_CONDITIONS or not pd.api.types.is_numeric_dtype(values.dtype):
        return name, data
    edges = np.unique(values.quantile([0.2, 0.4, 0.6, 0.8]))
    return name, data.assign(**{name: np.searchsorted(edges, data[name]) + 1})
