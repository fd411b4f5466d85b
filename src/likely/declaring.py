"""How models are declared: limits become parameters, and plain functions are matched to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from likely.declaration import Declaration, Parameter, pair_of_limits
from likely.errors import ModelError
from likely.model_functions import arguments, call, require_matched, require_used

Function = Callable[..., Any]
Limits = Mapping[str, Parameter | tuple[float, float]]
Given = tuple[Function, tuple[str, ...]]
"""A function of a model, and the names of what it may take beside parameters."""

_CORNERS = 256  # corners of the box, at most, where boundary and start are tried
_SUPPORT = {"z": (0.0, 1.0), "t": (0.0, math.inf)}  # of names that mean the same in most models


def parameters_of(limits: Limits) -> tuple[Parameter, ...]:
    """Return parameters given as name -> (lower, upper), or name -> Parameter."""
    if not isinstance(limits, Mapping):
        raise ModelError(f"parameters is {limits!r}; give a dict of name -> (lower, upper).")
    return tuple(_parameter(name, given) for name, given in limits.items())


def _parameter(name: str, given: Parameter | tuple[float, float]) -> Parameter:
    if not isinstance(given, Parameter):
        lower, upper = pair_of_limits(name, given)
        return Parameter(name, lower, upper, _SUPPORT.get(name, (-math.inf, math.inf)))
    if given.name != name:
        raise ModelError(f"parameter '{name}' is given as the Parameter '{given.name}'.")
    return given


def choices_of(given: Iterable[int]) -> tuple[int, ...]:
    """Return choices as a tuple of plain integers, where they are whole numbers."""
    try:
        return tuple(int(c) if isinstance(c, np.integer) else c for c in given)
    except TypeError as error:
        raise ModelError(f"choices is {given!r}; list the values, such as (0, 1).") from error


def declare(
    name: str,
    parameters: tuple[Parameter, ...],
    choices: tuple[int, ...],
    functions: Sequence[Given],
    constraints: Iterable[str],
) -> Declaration:
    """Return the declaration of a model whose functions are matched to parameters by name.

    Args:
        name: what the model is called.
        parameters: the model's.
        choices: the values a choice may take, ascending.
        functions: all that the model has.
        constraints: inequalities between parameters.

    Raises:
        ModelError: if an argument matches no parameter or a parameter is not used.
    """
    used = arguments_of([function for function, _ in functions])
    non_decision = non_decision_of(parameters, used)
    declaration = Declaration(
        name, parameters, choices, non_decision, constraints=tuple(constraints)
    )
    for function, others in functions:
        require_matched(function, {*declaration.names, *others}, name)
    require_used(set(declaration.names) - used - {non_decision}, name)
    return declaration


def arguments_of(functions: Iterable[Function]) -> set[str]:
    """Return the names of all arguments of some plain functions."""
    return {argument for function in functions for argument in arguments(function)}


def non_decision_of(parameters: tuple[Parameter, ...], used: set[str]) -> str | None:
    """Return the name of the non-decision time: `t`, where that is a parameter that is not used."""
    return "t" if "t" in {p.name for p in parameters} - used else None


def start_between(parameters: tuple[Parameter, ...], functions: Iterable[Function]) -> Function:
    """Return the relative start between two boundaries: 2 z - 1 for an unused z, midway without."""
    idle = {p.name for p in parameters} - arguments_of(functions)
    return start_at_z if "z" in idle else start_midway


def start_at_z(z: float) -> float:
    """Start that is 0 at the lower boundary and 1 at the upper one, from -1 to 1."""
    return 2.0 * z - 1.0


def start_midway() -> float:
    """Start as far from one boundary as from the other."""
    return 0.0


class StartRange(NamedTuple):
    """Where evidence may start, relative to the boundary.

    Args:
        holds: function of a relative start.
        named: the range, for messages.
    """

    holds: Callable[[float], bool]
    named: str


def require_room(
    whose: str,
    boundary: Function,
    start: Function,
    values: Mapping[str, float],
    within: StartRange,
) -> None:
    """Raise ModelError unless evidence starts below a positive boundary, at named values."""
    width = call(boundary, {**values, "s": 0.0})
    first = call(start, values)
    where = ", ".join(f"{name}={value:g}" for name, value in values.items())
    if not width > 0.0:
        raise ModelError(f"{whose}: boundary(s=0) is {width:g} at {where}; it must be > 0.")
    if not within.holds(first):
        raise ModelError(f"{whose}: start is {first:g} at {where}; it must be in {within.named}.")


def trial_points(declaration: Declaration, tried: set[str]) -> Iterator[dict[str, float]]:
    """Yield the centre of the box, then its allowed corners by the parameters that are tried.

    The other parameters stay at their centre, so that large models are as quick to declare.
    """
    ends = [(p.lower, _finite_upper(p)) for p in declaration.parameters]
    centre = [0.5 * (low + high) for low, high in ends]
    yield dict(zip(declaration.names, centre, strict=True))
    named = zip(declaration.names, ends, centre, strict=True)
    ranges = [pair if name in tried else (middle,) for name, pair, middle in named]
    corners = np.array(list(itertools.islice(itertools.product(*ranges), _CORNERS)))
    for corner in corners[declaration.allowed(corners)]:
        yield dict(zip(declaration.names, corner.tolist(), strict=True))


def _finite_upper(parameter: Parameter) -> float:
    return parameter.upper if math.isfinite(parameter.upper) else parameter.lower + 1.0
