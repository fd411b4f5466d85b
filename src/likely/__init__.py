"""From any simulator of behaviour to an accurate, fast, differentiable PyMC likelihood."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from likely import densities, plots
    from likely.about import About
    from likely.calibration import calibrate
    from likely.certificates.checking import check
    from likely.certificates.record import Certificate
    from likely.comparing import compare
    from likely.dataset.generation import generate
    from likely.dataset.reading import TrainingSet
    from likely.declaration import Declaration, Parameter
    from likely.description import describe
    from likely.diffusions import Diffusion
    from likely.labels import Labelling
    from likely.lan import from_networks, train_classic, train_cpn, train_lan, train_opn
    from likely.levy_flight import LevyFlight
    from likely.likelihood import Likelihood, load
    from likely.model import Model
    from likely.networks.network import Layers
    from likely.prediction import predict
    from likely.races import Race
    from likely.reference import exact
    from likely.regression import Fit, Lapses, fit, specify
    from likely.reporting import report
    from likely.results import open_fit, save_fit
    from likely.simulation import simulate
    from likely.simulators import Simulator
    from likely.supervised import Recipe
    from likely.training import train
    from likely.two_stage import PARALLEL, SEQUENTIAL, Stage, TwoStage, mixed
    from likely.variability import VariableDiffusion
    from likely.verification import verify
    from likely.zoo import models

_PACKAGES = {"densities", "plots"}
_HOMES = {
    "About": "likely.about",
    "Certificate": "likely.certificates.record",
    "Declaration": "likely.declaration",
    "Diffusion": "likely.diffusions",
    "Fit": "likely.regression",
    "Labelling": "likely.labels",
    "Lapses": "likely.regression",
    "Layers": "likely.networks.network",
    "LevyFlight": "likely.levy_flight",
    "Likelihood": "likely.likelihood",
    "Model": "likely.model",
    "PARALLEL": "likely.two_stage",
    "Parameter": "likely.declaration",
    "Race": "likely.races",
    "Recipe": "likely.supervised",
    "SEQUENTIAL": "likely.two_stage",
    "Simulator": "likely.simulators",
    "Stage": "likely.two_stage",
    "TrainingSet": "likely.dataset.reading",
    "TwoStage": "likely.two_stage",
    "VariableDiffusion": "likely.variability",
    "calibrate": "likely.calibration",
    "check": "likely.certificates.checking",
    "compare": "likely.comparing",
    "describe": "likely.description",
    "exact": "likely.reference",
    "fit": "likely.regression",
    "from_networks": "likely.lan",
    "generate": "likely.dataset.generation",
    "load": "likely.likelihood",
    "mixed": "likely.two_stage",
    "models": "likely.zoo",
    "open_fit": "likely.results",
    "predict": "likely.prediction",
    "report": "likely.reporting",
    "save_fit": "likely.results",
    "simulate": "likely.simulation",
    "specify": "likely.regression",
    "train": "likely.training",
    "train_classic": "likely.lan",
    "train_cpn": "likely.lan",
    "train_lan": "likely.lan",
    "train_opn": "likely.lan",
    "verify": "likely.verification",
}

__all__ = [
    "About",
    "Certificate",
    "Declaration",
    "Diffusion",
    "Fit",
    "Labelling",
    "Lapses",
    "Layers",
    "LevyFlight",
    "Likelihood",
    "Model",
    "PARALLEL",
    "Parameter",
    "Race",
    "Recipe",
    "SEQUENTIAL",
    "Simulator",
    "Stage",
    "TrainingSet",
    "TwoStage",
    "VariableDiffusion",
    "calibrate",
    "check",
    "compare",
    "densities",
    "describe",
    "exact",
    "fit",
    "from_networks",
    "generate",
    "load",
    "mixed",
    "models",
    "open_fit",
    "plots",
    "predict",
    "report",
    "save_fit",
    "simulate",
    "specify",
    "train",
    "train_classic",
    "train_cpn",
    "train_lan",
    "train_opn",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import likely` is quick."""
    if name in _PACKAGES:
        return import_module(f"likely.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'likely' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
