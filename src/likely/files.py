"""Likelihood files: weights in safetensors, everything else as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save_file

from likely.certificates.record import Certificate
from likely.declaration_json import declaration_from_json, declaration_to_json, parse, typed
from likely.errors import FileFormatError
from likely.likelihood import Likelihood, Training
from likely.networks.density import Density
from likely.writing import written_whole

FORMAT = 1
Modules = Mapping[str, Any]
"""Name of a network -> the Flax module that it was, whose code a file cannot hold."""
KINDS: Mapping[str, str] = {
    "first-passage mixture": "likely.networks.mixture:MixtureDensity",
    "LAN": "likely.networks.classic:ClassicDensity",
    "race": "likely.networks.race:RaceDensity",
    "delayed mixture": "likely.networks.delayed:DelayedDensity",
    "normally delayed mixture": "likely.networks.normal_delay:NormallyDelayedDensity",
    "parallel mixtures": "likely.networks.parallel:ParallelDensity",
    "special case": "likely.networks.rewired:RewiredDensity",
}
"""Kind -> its class, imported when it is needed, whose `from_specification` builds the form."""
_OF_MODULES = {"LAN"}  # kinds whose networks may be Flax modules
_NAMES = {home: kind for kind, home in KINDS.items()}


def write(likelihood: Likelihood, path: Path) -> Path:
    """Write a likelihood file; weights are kept in float32 where that loses nothing."""
    arrays = likelihood.density.unflatten(likelihood.weights)
    single = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}
    exact = all(np.array_equal(single[n].astype(np.float64), a) for n, a in arrays.items())
    header = {"likely": json.dumps(_describe(likelihood), allow_nan=False)}
    with written_whole(path) as temporary:
        save_file(single if exact else arrays, temporary, metadata=header)
    return path


def _describe(likelihood: Likelihood) -> dict[str, Any]:
    certificate = likelihood.certificate
    form = type(likelihood.density)
    kind = _NAMES[f"{form.__module__}:{form.__qualname__}"]
    return {
        "format": FORMAT,
        **declaration_to_json(likelihood.declaration),
        "network": {"kind": kind, **likelihood.density.specification()},
        "training": asdict(likelihood.training),
        "certificate": certificate and certificate.to_json(),
    }


def _training_from_json(given: dict[str, Any]) -> Training:
    for name in ("labels", "version"):
        typed(str, given[name])
    for name in ("seed", "steps", "draws"):
        typed(int, given[name])
    typed(int, given.get("sets", 0))
    typed(int | float, given["seconds"])
    history = tuple((float(s), int(n), float(x)) for s, n, x in given["history"])
    return Training(**{**given, "history": history})


def read(path: Path, modules: Modules = MappingProxyType({})) -> Likelihood:
    """Read a likelihood file.

    Raises:
        FileFormatError: if the file is missing, is no likelihood, has another format version, or
            its contents are incomplete, of wrong shapes or not finite.
    """
    if not path.is_file():
        raise FileFormatError(f"there is no file {path}.")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get("likely")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, AttributeError, TypeError) as error:
        # The last two are for kinds of numbers that numpy does not have.
        raise FileFormatError(f"{path} is not a likelihood file: {error}") from error
    if header is None:
        raise FileFormatError(f"{path} holds weights but does not describe a likelihood.")
    try:
        return _build(parse(header), arrays, modules)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise FileFormatError(f"{path}: the description is damaged ({error!r}).") from error


def _build(header: dict[str, Any], arrays: dict[str, np.ndarray], modules: Modules) -> Likelihood:
    if header["format"] != FORMAT:
        raise FileFormatError(
            f"format {header['format']} cannot be read; this version of likely reads {FORMAT}."
        )
    density = _density(header, modules)
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != density.shapes:
        raise FileFormatError(f"weights have shapes {shapes}, not {density.shapes}.")
    wrong = [name for name, array in arrays.items() if array.dtype.kind != "f"]
    if wrong:
        raise FileFormatError(f"weights {wrong} are not floating-point numbers.")
    training = _training_from_json(header["training"])
    given = header["certificate"]
    certificate = None if given is None else Certificate.from_json(given)
    return Likelihood(density, density.flatten(arrays), training, certificate)


def _density(header: dict[str, Any], modules: Modules) -> Density:
    kind = header["network"]["kind"]
    if kind not in KINDS:
        raise FileFormatError(f"unknown kind of network '{kind}'.")
    given = [declaration_from_json(header), header["network"]]
    if kind in _OF_MODULES:
        given.append(modules)
    density: Density = resolve_name(KINDS[kind]).from_specification(*given)
    return density
