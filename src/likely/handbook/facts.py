"""The facts of a model that cards and pages share."""

from __future__ import annotations

import math

from likely.about import About
from likely.declaration import Parameter
from likely.model import Model

UNKNOWN = About(purpose="")


def about(model: Model) -> About:
    """Return what a model says of itself; nothing if it says nothing."""
    return model.about or UNKNOWN


def written_choices(model: Model) -> str:
    """Return the choices as they are written: signed if they are boundaries."""
    return " ".join(f"{c:+d}" if min(model.choices) < 0 else str(c) for c in model.choices)


def parameter_table(model: Model) -> list[tuple[str, ...]]:
    """Return a head and a row a parameter: name, box, unit, meaning."""
    rows: list[tuple[str, ...]] = [("parameter", "from", "to", "unit", "meaning")]
    rows += [
        (p.name, _limit(p.lower), _limit(p.upper), p.unit, _meaning(model, p))
        for p in model.parameters
    ]
    return rows


def _limit(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "endless"


def _meaning(model: Model, parameter: Parameter) -> str:
    hard = " (hard to recover)" if parameter.name in about(model).hard else ""
    return f"{parameter.description}{hard}".strip()
