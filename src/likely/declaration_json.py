"""Declarations as JSON, as the headers of likelihood files and of training sets hold them."""

from __future__ import annotations

import json
import math
from typing import Any

from likely.declaration import Declaration, Parameter


def declaration_to_json(declaration: Declaration) -> dict[str, Any]:
    """Return a declaration as JSON values; infinite limits become null."""
    return {
        "model": declaration.name,
        "parameters": [_parameter_to_json(p) for p in declaration.parameters],
        "choices": [int(choice) for choice in declaration.choices],
        "non_decision": declaration.non_decision,
        "spread": declaration.spread,
        "constraints": list(declaration.constraints),
    }


def declaration_from_json(given: dict[str, Any]) -> Declaration:
    """Return the declaration that JSON values describe.

    Raises:
        LookupError: if something is missing.
        TypeError: if a value is of another type.
        ModelError: if the values make no declaration.
    """
    return Declaration(
        typed(str, given["model"]),
        tuple(_parameter_from_json(p) for p in given["parameters"]),
        tuple(typed(int, choice) for choice in given["choices"]),
        given["non_decision"],
        given.get("spread"),
        tuple(typed(str, c) for c in given.get("constraints", ())),
    )


def _parameter_to_json(p: Parameter) -> dict[str, Any]:
    limits = {"box": p.box, "support": p.support}
    finite = {
        name: [float(x) if math.isfinite(x) else None for x in pair]
        for name, pair in limits.items()
    }
    return {"name": p.name, "unit": p.unit, "description": p.description, **finite}


def _parameter_from_json(given: dict[str, Any]) -> Parameter:
    lower, upper = _limits(given["box"])
    support = _limits(given["support"])
    name, unit, description = (typed(str, given[k]) for k in ("name", "unit", "description"))
    return Parameter(name, lower, upper, support, unit, description)


def _limits(pair: list[float | None]) -> tuple[float, float]:
    lower, upper = (None if x is None else float(typed(int | float, x)) for x in pair)
    return (-math.inf if lower is None else lower, math.inf if upper is None else upper)


def typed(kind: Any, value: Any) -> Any:
    """Return the value if it is of this kind; true and false are no numbers.

    Raises:
        TypeError: if it is of another kind.
    """
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of {kind}")
    return value


def parse(text: str | bytes) -> Any:
    """Parse JSON whose numbers are finite and, if whole, of at most 64 bits, as we write them.

    Raises:
        ValueError: if the text is no JSON or holds other numbers.
        RecursionError: if values are nested very deeply.
    """

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

    return json.loads(text, parse_float=finite, parse_constant=finite, parse_int=whole)
