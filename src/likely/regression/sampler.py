"""Arguments of PyMC's samplers that suit posteriors of response times, where none were given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from likely.errors import ParameterError

if TYPE_CHECKING:
    from likely.regression.specification import Specification


def adaptive(sample: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `pymc.sample` with which samplers work, and nutpie learns correlations.

    Boundary, drift and non-decision time are correlated in most posteriors; a diagonal mass matrix
    takes two to six times as many steps there.
    """
    if sample.get("nuts_sampler") == "blackjax" and find_spec("fastprogress") is None:
        return {"progressbar": False, **sample}  # its bars are of that package
    if sample.get("nuts_sampler") not in (None, "nutpie") or "step" in sample:
        return sample
    if find_spec("nutpie") is None:
        return sample
    nuts = {"adaptation": "low_rank", **(sample.get("nuts") or {})}
    return {**sample, "nuts_sampler": "nutpie", "nuts": nuts}


def begun(sample: dict[str, Any], specification: Specification, seed: int) -> dict[str, Any]:
    """Return arguments of `pymc.sample` with which chains begin where trials are probable.

    Samplers would move every coefficient by up to one from there, far beyond most posteriors.
    """
    if "initvals" in sample or "step" in sample:
        return sample
    from likely.regression.starting import starting_points

    found = starting_points(specification, seed)
    if not found:  # then chains that differ from the start tell more
        return sample
    sample = {**sample, "initvals": found}
    sampler = sample.get("nuts_sampler")
    if sampler == "nutpie":
        unmoved = {"jitter_rvs": set(), **(sample.get("compile_kwargs") or {})}
        return {**sample, "compile_kwargs": unmoved}
    if sampler in ("numpyro", "blackjax"):
        return {**sample, "nuts": {"jitter": False, **(sample.get("nuts") or {})}}
    return {"init": "adapt_diag", **sample}


@contextmanager
def begins() -> Iterator[None]:
    """Say in one line that nutpie found no place to begin at."""
    try:
        yield
    except RuntimeError as error:
        if "initialization points failed" not in str(error):
            raise
        raise ParameterError(
            "sampling cannot begin: where chains start, the density or its gradient is not "
            "finite. Give narrower priors, or start elsewhere (initvals)."
        ) from error
