"""Likelihood files: weights in safetensors, everything else as JSON in its header."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save_file

from likely.declaration import Declaration, Parameter
from likely.errors import FileFormatError
from likely.likelihood import Likelihood, Training
from likely.networks.density import Density
from likely.networks.mixture import MixtureDensity
from likely.writing import written_whole

FORMAT = 1
KINDS: dict[str, Callable[[Declaration, dict[str, Any]], Density]] = {
    "first-passage mixture": MixtureDensity.from_specification,
}
_NAMES: dict[type[Density], str] = {MixtureDensity: "first-passage mixture"}


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
    d = likelihood.declaration
    return {
        "format": FORMAT,
        "model": d.name,
        "parameters": [_parameter_to_json(p) for p in d.parameters],
        "choices": list(d.choices),
        "non_decision": d.non_decision,
        "network": {"kind": _NAMES[type(likelihood.density)], **likelihood.density.specification()},
        "training": asdict(likelihood.training),
        "certificate": likelihood.certificate,
    }


def _parameter_to_json(p: Parameter) -> dict[str, Any]:
    limits = {"box": p.box, "support": p.support}
    finite = {k: [x if math.isfinite(x) else None for x in pair] for k, pair in limits.items()}
    return {"name": p.name, "unit": p.unit, "description": p.description, **finite}


def _parameter_from_json(given: dict[str, Any]) -> Parameter:
    lower, upper = _limits(given["box"])
    support = _limits(given["support"])
    name, unit, description = (_typed(str, given[k]) for k in ("name", "unit", "description"))
    return Parameter(name, lower, upper, support, unit, description)


def _limits(pair: list[float | None]) -> tuple[float, float]:
    lower, upper = (None if x is None else float(_typed(int | float, x)) for x in pair)
    return (-math.inf if lower is None else lower, math.inf if upper is None else upper)


def _training_from_json(given: dict[str, Any]) -> Training:
    for name in ("labels", "version"):
        _typed(str, given[name])
    for name in ("seed", "steps", "draws"):
        _typed(int, given[name])
    _typed(int | float, given["seconds"])
    history = tuple((float(s), int(n), float(x)) for s, n, x in given["history"])
    return Training(**{**given, "history": history})


def _typed(kind: Any, value: Any) -> Any:
    """Return the value if it is of this kind; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of {kind}")
    return value


def read(path: Path) -> Likelihood:
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
        return _build(_parse(header), arrays)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise FileFormatError(f"{path}: the description is damaged ({error!r}).") from error


def _parse(header: str) -> Any:
    """Parse JSON whose numbers are finite and, if whole, of at most 64 bits, as we write them."""

    def finite(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"{text} is not a finite number")
        return value

    def whole(text: str) -> int:
        value = int(text)
        if abs(value) >= 2**64:
            raise ValueError(f"{text} is too large")
        return value

    return json.loads(header, parse_float=finite, parse_constant=finite, parse_int=whole)


def _build(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Likelihood:
    if header["format"] != FORMAT:
        raise FileFormatError(
            f"format {header['format']} cannot be read; this version of likely reads {FORMAT}."
        )
    kind = header["network"]["kind"]
    if kind not in KINDS:
        raise FileFormatError(f"unknown kind of network '{kind}'.")
    declaration = Declaration(
        _typed(str, header["model"]),
        tuple(_parameter_from_json(p) for p in header["parameters"]),
        tuple(_typed(int, c) for c in header["choices"]),
        header["non_decision"],
    )
    density = KINDS[kind](declaration, header["network"])
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != density.shapes:
        raise FileFormatError(f"weights have shapes {shapes}, not {density.shapes}.")
    wrong = [name for name, array in arrays.items() if array.dtype.kind != "f"]
    if wrong:
        raise FileFormatError(f"weights {wrong} are not floating-point numbers.")
    training = _training_from_json(header["training"])
    certificate = _typed(dict | None, header["certificate"])
    return Likelihood(density, density.flatten(arrays), training, certificate)
