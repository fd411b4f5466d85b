"""The results of a fit: draws, tables and predictions, without the live model they came from."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.errors import LikelyError
from likely.progress import Progress
from likely.results.source import UNKNOWN, source

if TYPE_CHECKING:
    import xarray as xr

    from likely.likelihood import Likelihood
    from likely.regression import Fit

PACKAGES = (
    "likely", "pymc", "pytensor", "arviz", "bambi", "formulae", "nutpie", "numpy", "pandas",
)  # fmt: skip
PREDICTIVE_DRAWS = 50
PRIOR_DRAWS = 500
DPI = 120


@dataclass(frozen=True)
class Request:
    """What was asked for, as far as a fit does not know it itself.

    Args:
        command: the command line, if there was one.
        trials: path of the file of trials, if they came from one.
        where: the expression that chose rows of it.
        sample: arguments of the sampler.
        arguments: further arguments of `likely.fit`, such as priors, as Python source.
        again: the command line that fits the same with the files in the folder of the fit.
    """

    command: str | None = None
    trials: str | None = None
    where: str | None = None
    sample: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    again: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Everything a report tells of a fit.

    Args:
        idata: draws from the posterior, and from the prior in the group "prior".
        likelihood: the likelihood of the trials.
        data: the n trials: rt (seconds), choice, covariates.
        summary: one row a variable: mean, sd, interval, effective sample sizes, r-hat.
        priors: one row a coefficient.
        formula: parameter -> formula.
        fixed: parameter -> value.
        lapse: probability of a lapse, 0 for none, None if it is estimated.
        lapses: what lapses are like, in words.
        description: of the trials and how they were read, as it was said before fitting.
        forewarned: what was warned of before sampling, and what to do.
        outside: share of posterior draws with a parameter outside the box of the likelihood.
        seed: of the draws.
        request: what was asked for.
        versions: package -> version that fitted.
        estimates: of parameters in their own units, as `Fit.estimates` gives them; None if the run
            was interrupted before they were made.
        predicted: a frame like `data`, repeated for each predictive `draw`; None if the run was
            interrupted before it was made.
        graph: picture of the model's graph, a PNG file's bytes; None likewise.
    """

    idata: xr.DataTree
    likelihood: Likelihood
    data: pd.DataFrame
    summary: pd.DataFrame
    priors: pd.DataFrame
    formula: Mapping[str, str]
    fixed: Mapping[str, float]
    lapse: float | None
    lapses: str
    description: str
    forewarned: Sequence[tuple[str, str]]
    outside: float
    seed: int
    request: Request
    versions: Mapping[str, str]
    estimates: pd.DataFrame | None = None
    predicted: pd.DataFrame | None = None
    graph: bytes | None = None

    def __repr__(self) -> str:
        """Say what was fitted to what, and how much was drawn."""
        sizes = self.idata["posterior"].sizes
        formulas = ", ".join(f"{name} ~ {text}" for name, text in self.formula.items())
        return (
            f"<Results: {self.likelihood.declaration.name}, {formulas}; {len(self.data):,} trials, "
            f"{sizes['chain']} x {sizes['draw']:,} draws>"
        )


def results_of(fit: Fit, request: Request | None = None) -> Results:
    """Return the results of a fit; predictions and prior draws are made with its seed."""
    require_fit(fit)
    with Progress("summarising the fit", 5) as progress:
        idata = with_prior(fit)
        progress.update(1)
        summary = fit.summary()
        progress.update(2)
        estimates = fit.estimates()
        progress.update(3)
        predicted = predictions(fit)
        progress.update(4)
        graph = graph_png(fit)
        progress.update(5)
    return Results(
        idata=idata,
        summary=summary,
        estimates=estimates,
        predicted=predicted,
        graph=graph,
        **described(fit, request),
    )


def require_fit(fit: object) -> None:
    """Raise LikelyError for what cannot be a fit, such as the draws alone."""
    if not hasattr(fit, "specification"):
        raise LikelyError(
            f"a {type(fit).__name__} is not a fit; pass what lk.fit returned, or the folder of a "
            "fit."
        )


def described(fit: Fit, request: Request | None) -> dict[str, Any]:
    """Return the fields of the results that need no work."""
    lapses = fit.specification.lapses
    probability = 0.0 if lapses is None else lapses.probability  # None if it is estimated
    return {
        "likelihood": fit.likelihood,
        "data": fit.data,
        "priors": fit.specification.priors,
        "formula": dict(fit.specification.formula),
        "fixed": {name: float(value) for name, value in fit.specification.fixed.items()},
        "lapse": probability,
        "lapses": "" if lapses is None else str(lapses),
        "description": str(fit.specification.description),
        "forewarned": [(w.what, w.remedy) for w in fit.specification.forewarned],
        "outside": fit.outside_box(),
        "seed": fit.seed,
        "request": _completed(request or Request(), fit),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return what is installed: package -> version."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def with_prior(fit: Fit) -> xr.DataTree:
    """Return the draws of a fit, with a group "prior": draws of everything in the posterior."""
    import pymc as pm

    from likely.quiet import quiet_sampling

    if "prior" in fit.idata.children:
        return fit.idata
    found = set(map(str, fit.idata["posterior"].data_vars))
    names = [name for name in fit.specification.sampled if name in found]
    with fit.model, quiet_sampling():
        drawn = pm.sample_prior_predictive(
            PRIOR_DRAWS,
            var_names=names,
            random_seed=np.random.default_rng([fit.seed, _PRIOR]),
            compile_kwargs={"mode": "FAST_COMPILE"},
        )
    idata = fit.idata.copy()
    named = fit.specification.with_parent(drawn["prior"].to_dataset())
    idata["prior"] = type(idata)(named)
    return idata


def predictions(fit: Fit) -> pd.DataFrame:
    """Return trials from the posterior predictive distribution, with a column `draw`."""
    sizes = fit.idata["posterior"].sizes
    draws = min(PREDICTIVE_DRAWS, sizes["chain"] * sizes["draw"])
    return fit.predict(draws=draws, seed=fit.seed)


def graph_png(fit: Fit) -> bytes:
    """Return the picture of the model's graph."""
    from likely.plots import model_graph

    return png(model_graph(fit.model).figure)


def png(figure: Any) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.get_figure(root=True).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _completed(request: Request, fit: Fit) -> Request:
    """Return the request with what the fit knows of its own arguments."""
    asked = request.sample or fit.sample
    sample = {k: v for k, v in asked.items() if k != "progressbar"} or _sample_sizes(fit)
    plain = json.loads(json.dumps(dict(sample), default=_plain))  # as the folder will keep them
    arguments = {name: source(value) for name, value in fit.arguments.items()}
    return replace(request, sample=plain, arguments=request.arguments or arguments)


def _plain(value: object) -> Any:
    """Return what JSON has no type for as a number or a list; "..." in place of other objects."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else UNKNOWN


def _sample_sizes(fit: Fit) -> dict[str, int]:
    """Return how many draws there are, as arguments of the sampler."""
    posterior = fit.idata["posterior"]
    found = {"draws": int(posterior.sizes["draw"]), "chains": int(posterior.sizes["chain"])}
    tuned = posterior.attrs.get("tuning_steps")
    return found if tuned is None else {"tune": int(tuned), **found}


_PRIOR = 0x9817  # keeps prior draws independent of what else is drawn from the seed
