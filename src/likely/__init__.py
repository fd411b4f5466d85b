"""From any simulator of behaviour to an accurate, fast, differentiable PyMC likelihood."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from likely import plots
    from likely.declaration import Declaration, Parameter
    from likely.likelihood import Likelihood, load
    from likely.model import Diffusion, Model, Simulator
    from likely.regression import fit
    from likely.simulation import simulate
    from likely.training import train
    from likely.zoo import models

_HOMES = {
    "Declaration": "likely.declaration",
    "Diffusion": "likely.model",
    "Likelihood": "likely.likelihood",
    "Model": "likely.model",
    "Parameter": "likely.declaration",
    "Simulator": "likely.model",
    "fit": "likely.regression",
    "load": "likely.likelihood",
    "models": "likely.zoo",
    "simulate": "likely.simulation",
    "train": "likely.training",
}

__all__ = [
    "Declaration",
    "Diffusion",
    "Likelihood",
    "Model",
    "Parameter",
    "Simulator",
    "fit",
    "load",
    "models",
    "plots",
    "simulate",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import likely` is quick."""
    if name == "plots":
        return import_module("likely.plots")
    if name not in _HOMES:
        raise AttributeError(f"module 'likely' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
