"""Judge posterior draws by a reference density, and weigh them by it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm

from likely.checks import require_count, require_positive, require_seed
from likely.declaration import Declaration
from likely.densities.twin import TOLERANCE
from likely.errors import DistrustWarning, ModelError, OutsideBoxWarning, ParameterError
from likely.model import Model
from likely.progress import Progress
from likely.regression.fitting import Fit
from likely.simulation import available_cores
from likely.typing import FloatArray
from likely.verification.importance import FEWEST, Weights, smoothed
from likely.verification.judgement import Verification, compare
from likely.verification.references import ExactReference, Reference, train_near
from likely.verification.sites import Answer, Point, Sites
from likely.zoo import model_of, resolve

if TYPE_CHECKING:
    import xarray as xr

DRAWS = 400
SECONDS = 30.0
KEPT = ("observed_data", "constant_data")  # groups that do not depend on the likelihood
SAMPLE = ("chain", "draw")


def verify(
    posterior: xr.DataTree | Fit,
    model: pm.Model | None = None,
    *,
    reference: Model | str | None = None,
    draws: int = DRAWS,
    tolerance: float = TOLERANCE,
    seconds: float = SECONDS,
    seed: int = 0,
    progress: bool = True,
) -> Verification:
    """Judge a posterior by the exact density of its trials, and correct it.

    Posterior draws get importance weights, the ratio of the exact likelihood of all trials to that
    of the network. Where the weights are even enough, by their Pareto k-hat, they say how wrong
    means and SDs are, and correct them. A model without an exact density is judged by a likelihood
    trained on fresh simulations of the region in which the draws lie.

    Args:
        posterior: what `pm.sample` or `likely.fit` returns.
        model: the PyMC model that was sampled; by default that of the fit, or the one on the model
            stack (`with model:`).
        reference: the model that the likelihood was trained on, or its name; by default the one
            of `likely.models` that has the likelihood's name.
        draws: posterior draws to judge, evenly spaced in every chain; at least 25.
        tolerance: largest error of exact log densities; see `likely.exact`.
        seconds: how long to train where there is no exact density.
        seed: of resampling and training, from 0 to 2^64 - 1.
        progress: whether to show progress on stderr.

    Raises:
        ModelError: if there is no PyMC model, it judges no trials by a likelihood, or the
            likelihood's own model is not known.
        ParameterError: if the draws lack a variable of the PyMC model, are not finite, are fewer
            than 25, or are impossible under it; or draws, tolerance, seconds or seed make no sense.

    Warns:
        OutsideBoxWarning: with the share of draws outside the box that the network was trained on.
        DistrustWarning: if the posterior should not be trusted as it is.
    """
    require_count("draws", draws)
    require_positive("tolerance", tolerance)
    require_positive("seconds", seconds, "seconds")
    require_seed(seed)
    if isinstance(posterior, Fit):
        posterior, model = posterior.idata, posterior.model if model is None else model
    sites = Sites(_model_or_current(model))
    chosen = _thinned(posterior, list(sites.free), draws)
    models = _models(sites.declarations, reference)
    asked = _ask(sites, chosen)
    near = partial(train_near, seconds=seconds, seed=seed, progress=progress)
    references = _references(models, asked, tolerance, near)
    weights = smoothed(_log_ratios(asked, references, progress))
    result = Verification(
        reference=" and ".join(dict.fromkeys(map(str, references))),
        trials=sum(map(len, asked.trials)),
        weights=weights,
        table=compare(*_scalars(chosen, sites), weights),
        outside=_outside(asked),
        corrected=_corrected(posterior, chosen, weights, seed) if weights.reliable else None,
    )
    _warn(result)
    return result


@dataclass(frozen=True, eq=False)
class _Asked:
    """What likelihoods said at posterior draws.

    Args:
        sites: where a PyMC model judges trials.
        points: the values of its free variables at each draw.
        answers: of each site, at each draw.
        trials: of each site, (n, 2).
    """

    sites: Sites
    points: Sequence[Point]
    answers: Sequence[Sequence[Answer]]
    trials: Sequence[FloatArray]


def _ask(sites: Sites, chosen: xr.Dataset) -> _Asked:
    columns = {name: chosen[name].values for name in sites.free}
    points = [{n: x[i] for n, x in columns.items()} for i in range(chosen.sizes["sample"])]
    return _Asked(sites, points, [sites.ask(point) for point in points], sites.trials(points[0]))


def _model_or_current(model: pm.Model | None) -> pm.Model:
    try:
        return pm.modelcontext(model)
    except TypeError as error:
        raise ModelError(
            "give the PyMC model that the draws are from: verify(idata, model)."
        ) from error


def _models(declarations: Sequence[Declaration], reference: Model | str | None) -> list[Model]:
    """Return each likelihood's model; the one given is for all, or for those of its name."""
    if reference is None or len({d.name for d in declarations}) == 1:
        return [model_of(declaration, reference, "reference") for declaration in declarations]
    name = resolve(reference).name
    return [model_of(d, reference if d.name == name else None, "reference") for d in declarations]


def _thinned(posterior: Any, free: Sequence[str], draws: int) -> xr.Dataset:
    """Return evenly spaced draws of each chain, along the dimension `sample`."""
    try:
        dataset = posterior["posterior"].to_dataset()
    except (KeyError, TypeError, AttributeError) as error:
        raise ParameterError(
            "posterior holds no group 'posterior'; give what pm.sample returned."
        ) from error
    missing = [name for name in free if name not in dataset.data_vars]
    if missing:
        raise ParameterError(
            f"the posterior has no draws of '{missing[0]}', a variable of the PyMC model; give the "
            "model that the draws are from."
        )
    chains, length = (dataset.sizes[d] for d in SAMPLE)
    each = min(-(-draws // chains), length)
    if each * chains < FEWEST:
        raise ParameterError(f"{each * chains} draws are too few to verify; use {FEWEST} or more.")
    thin = dataset.isel(draw=np.linspace(0, length - 1, each).astype(int))
    stacked: xr.Dataset = thin.stack(sample=SAMPLE, create_index=False)
    for name in free:
        if not np.isfinite(stacked[name].values).all():
            raise ParameterError(f"posterior of '{name}' has draws that are not finite.")
    return stacked.transpose("sample", ...)


def _outside(asked: _Asked) -> dict[str, float]:
    """Return parameter -> share of draws in which any trial has it outside the box."""
    found: dict[str, np.ndarray] = {}
    for index, d in enumerate(asked.sites.declarations):
        beyond = np.array([d.outside_box(a[index].rows).any(axis=0) for a in asked.answers])
        for name, column in zip(d.names, beyond.T, strict=True):
            found[name] = found.get(name, False) | column
    return {name: float(np.mean(column)) for name, column in found.items()}


def _references(
    models: Sequence[Model],
    asked: _Asked,
    tolerance: float,
    near: Callable[[Model, Sequence[Answer]], Reference],
) -> list[Reference]:
    """Return the reference of each site; sites that share a model share it."""
    made: dict[int, Reference] = {}
    for model in models:
        if id(model) in made:
            continue
        if model.twin is not None:
            made[id(model)] = ExactReference(model, tolerance)
        else:
            places = [i for i, other in enumerate(models) if other is model]
            made[id(model)] = near(model, [a[i] for a in asked.answers for i in places])
    return [made[id(model)] for model in models]


def _log_ratios(asked: _Asked, references: Sequence[Reference], progress: bool) -> FloatArray:
    """Return the log likelihood by the references less that by the networks, a draw each."""

    def judge(answers: Sequence[Answer]) -> list[FloatArray]:
        judged = zip(references, answers, asked.trials, strict=True)
        return [reference.log_density(answer, trials) for reference, answer, trials in judged]

    ratios = np.empty(len(asked.points))
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="likely-verify")
    try:
        with Progress("verifying", len(ratios), show=progress) as bar:
            for i, right in enumerate(pool.map(judge, asked.answers)):
                ratios[i] = _log_ratio(asked.sites, asked.points[i], right, asked.answers[i])
                bar.advance(1)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return ratios


def _log_ratio(
    sites: Sites, point: Point, right: Sequence[FloatArray], answer: Sequence[Answer]
) -> float:
    by_network = sites.log_likelihood(point, [a.log_density for a in answer])
    if not np.isfinite(by_network):
        raise ParameterError(
            f"a posterior draw has likelihood {np.exp(by_network):g} under the PyMC model; give "
            "the model and the trials that the draws are from."
        )
    return sites.log_likelihood(point, right) - by_network


def _scalars(chosen: xr.Dataset, sites: Sites) -> tuple[list[str], FloatArray]:
    """Return labels and draws (n, parameters) of free variables and of other scalars."""
    names, columns = [], []
    for name, variable in chosen.data_vars.items():
        if name not in sites.free and variable.ndim > 1:
            continue  # a value for every trial, as a rule
        names += _labels(str(name), variable)
        columns.append(np.asarray(variable.values, dtype=np.float64).reshape(len(variable), -1))
    return names, np.concatenate(columns, axis=1)


def _labels(name: str, variable: xr.DataArray) -> list[str]:
    """Return what each element of a draw is called, as v[left]."""
    dims = variable.dims[1:]
    along = [variable.coords[d].values if d in variable.coords else range(variable.sizes[d])
             for d in dims]  # fmt: skip
    return [f"{name}[{', '.join(map(str, at))}]" if dims else name for at in product(*along)]


def _corrected(posterior: Any, chosen: xr.Dataset, weights: Weights, seed: int) -> xr.DataTree:
    """Return the draws resampled by their weights, as one chain, with the groups of the data."""
    import xarray as xr

    picked = chosen.isel(sample=weights.resample(seed)).drop_vars(SAMPLE, errors="ignore")
    draws = picked.rename(sample="draw").expand_dims(chain=[0])
    draws = draws.assign_coords(draw=np.arange(draws.sizes["draw"]))
    groups = {name: posterior[name].to_dataset() for name in KEPT if name in posterior.children}
    return xr.DataTree.from_dict({"posterior": draws, **groups})


def _warn(result: Verification) -> None:
    leaving = {name: share for name, share in result.outside.items() if share > 0}
    if leaving:
        shares = ", ".join(f"{name} in {share:.1%}" for name, share in leaving.items())
        warnings.warn(
            f"parameters lie outside the box that the likelihood was trained on, {shares} of "
            "posterior draws. Train one with a wider box.",
            OutsideBoxWarning,
            stacklevel=3,
        )
    if not result.trusted:
        warnings.warn(result.verdict, DistrustWarning, stacklevel=3)
