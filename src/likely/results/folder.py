"""The folder of a fit: JSON, CSV, netCDF, safetensors and PNG files, each written whole or not.

| file              | what it holds                                                              |
|-------------------|----------------------------------------------------------------------------|
| fit.json          | formulas, priors, seed, versions, the exact command, types of the columns  |
| reproduce.sh      | fits the same model to the same trials, from files of this folder; holds   |
|                   | the exact command, too. Of a fit in Python it is reproduce.py              |
| trials.csv        | the trials                                                                 |
| likelihood.likely | the likelihood                                                             |
| posterior.nc      | draws from posterior and prior, statistics of the sampler                  |
| summary.csv       | a row a coefficient, on the scale of its link                              |
| estimates.csv     | parameters in their own units, by condition and by group                   |
| predicted.nc      | trials drawn from the posterior predictive distribution                    |
| graph.png         | the graph of the model                                                     |
| log_likelihood.nc | the log likelihood of each trial at draws, for comparisons of models       |

They are written in this order, so that a run that is interrupted keeps what was finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import xarray as xr

from likely.declaration_json import parse
from likely.errors import FileFormatError, LikelyError
from likely.estimate_table import ABOUT, covariates
from likely.progress import Progress
from likely.regression.lapses import PROBABILITY
from likely.regression.workings import without_workings
from likely.results.columns import column_types, read_columns
from likely.results.pointwise import log_likelihood
from likely.results.record import (
    Request,
    Results,
    described,
    graph_png,
    predictions,
    require_fit,
    with_prior,
)
from likely.results.reproduce import script, shell_script
from likely.trials import first_line
from likely.writing import written_whole

if TYPE_CHECKING:
    from likely.regression import Fit

FORMAT = 1
ENGINE: Final = "h5netcdf"
SETTINGS, TRIALS, LIKELIHOOD = "fit.json", "trials.csv", "likelihood.likely"
POSTERIOR, PREDICTED = "posterior.nc", "predicted.nc"
SUMMARY, ESTIMATES = "summary.csv", "estimates.csv"
GRAPH, POINTWISE = "graph.png", "log_likelihood.nc"
SCRIPT, COMMAND = "reproduce.py", "reproduce.sh"
FILES = (
    SETTINGS, TRIALS, LIKELIHOOD, POSTERIOR, SUMMARY, ESTIMATES, PREDICTED, GRAPH, POINTWISE,
)  # fmt: skip
REPORT, QUANTILES = "report.html", "quantiles.png"  # that `likely fit` adds
OUTSIDE = "share of draws outside the box"


def save_fit(fit: Fit, folder: str | Path, *, request: Request | None = None) -> Results:
    """Write a fit to a folder, from which `open_fit` and `likely report` need nothing else.

    Files of an earlier fit in the folder are replaced. What was written when a run is interrupted
    stays, and the folder opens as soon as it holds the posterior.

    Args:
        fit: what `likely.fit` returned.
        folder: made if it is not there.
        request: the command line and its like, for the record; by default the equivalent call of
            `likely.fit` stands for it.

    Returns:
        What was written.

    Raises:
        OSError: if the files cannot be written.
        LikelyError: if it is no fit.
    """
    require_fit(fit)
    known = described(fit, request)
    settings = json.dumps(_settings(known), indent=2, allow_nan=False)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name in (*FILES, SCRIPT, COMMAND, REPORT, QUANTILES):
        (place / name).unlink(missing_ok=True)
    with Progress("saving the fit", 6) as progress:
        _write_text(place / SETTINGS, settings)
        command = known["request"].command
        if command is None:
            _write_text(place / SCRIPT, script(known))
        else:
            _write_text(place / COMMAND, shell_script(command, known["request"].again))
        with written_whole(place / TRIALS) as path:
            fit.data.to_csv(path, index=False)
        fit.likelihood.save(place / LIKELIHOOD)
        _write_tree(fit.idata, place / POSTERIOR)
        progress.update(1)
        summary = fit.summary()
        with written_whole(place / SUMMARY) as path:
            summary.to_csv(path, index_label="parameter")
        progress.update(2)
        estimates = fit.estimates()
        with written_whole(place / ESTIMATES) as path:
            estimates.to_csv(path, index=False)
        progress.update(3)
        idata = with_prior(fit)
        _write_tree(idata, place / POSTERIOR)
        progress.update(4)
        predicted = predictions(fit)
        _write_predicted(predicted, len(fit.data), place / PREDICTED)
        progress.update(5)
        graph = graph_png(fit)
        with written_whole(place / GRAPH) as path:
            path.write_bytes(graph)
        progress.update(6)
    _write_tree(log_likelihood(fit.model, idata), place / POINTWISE)
    return Results(
        idata=idata,
        summary=summary,
        estimates=estimates,
        predicted=predicted,
        graph=graph,
        **known,
    )


def open_fit(folder: str | Path, *, modules: Mapping[str, Any] = MappingProxyType({})) -> Results:
    """Read what `save_fit` wrote to a folder.

    Args:
        folder: that it wrote to.
        modules: of the likelihood, where it was trained with Flax modules of one's own; see
            `likely.load`.

    Raises:
        FileFormatError: if it is no folder of a fit, or a file in it is damaged.
    """
    from likely.likelihood import load

    place = Path(folder)
    settings = _read_settings(place)
    try:
        data = read_columns(place / TRIALS, settings["columns"])
        idata = _read_tree(place / POSTERIOR)
        likelihood = load(place / LIKELIHOOD, modules=modules)
        sample = settings["sampler"]
        return Results(
            idata=idata,
            likelihood=likelihood,
            data=data,
            summary=_read_summary(place, idata, likelihood.declaration.names),
            priors=pd.DataFrame(settings["priors"]),
            formula=settings["formula"],
            fixed=settings["fixed"],
            lapse=settings["lapse"],
            lapses=settings["lapses"],
            description=settings["description"],
            forewarned=[(what, remedy) for what, remedy in settings.get("forewarned", [])],
            outside=settings[OUTSIDE],
            seed=settings["seed"],
            request=Request(
                settings["command"],
                settings["trials"]["file"],
                settings["trials"]["where"],
                sample,
                settings["arguments"],
                settings.get("again"),
            ),
            versions=settings["versions"],
            estimates=_read_estimates(place / ESTIMATES, data),
            predicted=_read_predicted(place / PREDICTED, data),
            graph=(place / GRAPH).read_bytes() if (place / GRAPH).is_file() else None,
        )
    except LikelyError:
        raise
    except KeyError as error:
        raise FileFormatError(f"{place / SETTINGS} is damaged: there is no {error}.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{place / SETTINGS} is damaged: {first_line(error)}.") from error


def open_log_likelihood(folder: str | Path) -> xr.DataTree:
    """Read the log likelihood of each trial, and the posterior draws it is of.

    Raises:
        FileFormatError: if it is not there, or damaged.
    """
    path = Path(folder) / POINTWISE
    if not path.is_file():
        raise FileFormatError(
            f"there is no {POINTWISE} in {folder}: the run was interrupted before it was written. "
            "Fit again; the folder says how."
        )
    return _read_tree(path)


def storable(idata: xr.DataTree) -> xr.DataTree:
    """Return a copy that netCDF can hold: no None among messages of samplers, no "/" in names."""
    plain = idata.copy()
    for name, group in idata.children.items():
        objects = [v for v in map(str, group.data_vars) if group[v].dtype == object]
        kept = group.to_dataset().drop_vars(objects)
        names = {n: str(n).replace("/", "|") for n in (*kept.variables, *kept.dims)}
        kept = kept.rename({old: new for old, new in names.items() if old != new})
        plain[name] = type(idata)(kept)
    return plain


def _settings(known: dict[str, Any]) -> dict[str, Any]:
    request: Request = known["request"]
    data: pd.DataFrame = known["data"]
    return {
        "format": FORMAT,
        "command": request.command,
        "again": request.again,
        "versions": dict(known["versions"]),
        "model": known["likelihood"].declaration.name,
        "trials": {"file": request.trials, "where": request.where, "rows": len(data)},
        "columns": column_types(data),
        "formula": known["formula"],
        "fixed": known["fixed"],
        "lapse": known["lapse"],
        "lapses": known["lapses"],
        "description": known["description"],
        "forewarned": known["forewarned"],
        "priors": known["priors"].to_dict(orient="records"),
        "sampler": dict(request.sample),
        "arguments": dict(request.arguments),
        "seed": known["seed"],
        OUTSIDE: known["outside"],
    }


def _read_settings(place: Path) -> dict[str, Any]:
    path = place / SETTINGS
    if not path.is_file():
        raise FileFormatError(
            f"{place} is not the folder of a fit: there is no {SETTINGS} in it. Folders are "
            "written by likely fit -o and lk.save_fit."
        )
    try:
        settings = parse(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        found = settings.get("format") if isinstance(settings, dict) else None
        raise FileFormatError(
            f"{path}: format {found} cannot be read; this version of likely reads {FORMAT}."
        )
    return settings


def _read_summary(place: Path, idata: xr.DataTree, parameters: Sequence[str]) -> pd.DataFrame:
    """Return the summary; made anew if the run was interrupted before it was written."""
    import arviz as az

    if (place / SUMMARY).is_file():
        try:
            return pd.read_csv(place / SUMMARY, index_col="parameter")
        except (OSError, ValueError) as error:
            raise FileFormatError(f"{place / SUMMARY} is damaged: {error}") from error
    names = (*parameters, PROBABILITY.name)
    shown = without_workings(idata["posterior"].data_vars, names)
    return az.summary(idata, var_names=shown, ci_prob=0.94, ci_kind="eti", round_to="none")


def _read_estimates(path: Path, data: pd.DataFrame) -> pd.DataFrame | None:
    """Return what `Fit.estimates` returned, or None if it was not written."""
    if not path.is_file():
        return None
    try:
        read = pd.read_csv(path, dtype=str, keep_default_na=False)
        words = [name for name in covariates([*read.columns]) if _holds_words(name, data)]
        blocks = [read[name] for name in ABOUT]
        for name in read.columns.drop([*ABOUT, *words]):
            read[name] = read[name].where(read[name] != "", "nan").astype(float)
        for name in words:  # of which one may be the empty text, where there are others
            told = (read[name] != "").groupby(blocks).transform("any")
            read[name] = read[name].where(told, None)
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error
    return read


def _holds_words(covariate: str, data: pd.DataFrame) -> bool:
    """Whether a column of estimates, called as in the data or "mean (column)", is not numeric."""
    own = covariate if covariate in data.columns else covariate.removesuffix(" (column)")
    return own in data.columns and data[own].dtype.kind not in "iuf"


def _write_text(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _write_tree(idata: xr.DataTree, path: Path) -> None:
    with written_whole(path) as temporary:
        storable(idata).to_netcdf(temporary, engine=ENGINE)


def _read_tree(path: Path) -> xr.DataTree:
    if not path.is_file():
        raise FileFormatError(
            f"there is no {path.name} in {path.parent}: the run was interrupted before there were "
            "draws."
        )
    try:
        with xr.open_datatree(path, engine=ENGINE) as tree:
            return tree.load()
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error


def _write_predicted(predicted: pd.DataFrame, trials: int, path: Path) -> None:
    """Write times and choices, (draw, trial); covariates are those of the trials."""
    shape = (len(predicted) // trials, trials)
    values = {
        name: (("draw", "trial"), predicted[name].to_numpy(dtype=float).reshape(shape))
        for name in ("rt", "choice")
    }
    packed = dict.fromkeys(values, {"zlib": True, "complevel": 4})
    with written_whole(path) as temporary:
        xr.Dataset(values).to_netcdf(temporary, engine=ENGINE, encoding=packed)


def _read_predicted(path: Path, data: pd.DataFrame) -> pd.DataFrame | None:
    """Return what `Fit.predict` returned, or None if it was not written."""
    if not path.is_file():
        return None
    try:
        with xr.open_dataset(path, engine=ENGINE) as dataset:
            values = {name: dataset[name].to_numpy() for name in ("rt", "choice")}
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error
    draws, trials = values["rt"].shape
    if trials != len(data):
        raise FileFormatError(f"{path} holds {trials} trials a draw, {TRIALS} {len(data)}.")
    repeated = pd.concat([data] * draws, ignore_index=True)
    return repeated.assign(
        **{name: v.reshape(-1) for name, v in values.items()},
        draw=[d for d in range(draws) for _ in range(trials)],
    )
