"""The plain Python functions that a model is declared by: their arguments, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from likely.errors import ModelError, unknown
from likely.kernels import compiled


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments of a plain Python function."""
    try:
        return compiled.argument_names(function)
    except AttributeError as error:
        raise ModelError(f"{function!r} is not a plain Python function.") from error


def require_known(function: Callable[..., Any], known: set[str], model: str) -> None:
    """Raise ModelError if a function has an argument that is not known."""
    for argument in arguments(function):
        if argument not in known:
            message = unknown("argument", argument, sorted(known))
            raise ModelError(f"model '{model}', function '{function.__name__}': {message}")


def require_plain(function: Callable[..., Any], model: str) -> None:
    """Raise ModelError if a function takes more than plainly named arguments."""
    if not compiled.has_plain_arguments(function):
        raise ModelError(
            f"model '{model}', function '{function.__name__}': it takes *args, **kwargs or "
            "keyword-only arguments; name each argument plainly."
        )


def require_matched(function: Callable[..., Any], known: set[str], model: str) -> None:
    """Raise ModelError unless a function takes plainly named arguments that are known."""
    require_plain(function, model)
    require_known(function, known, model)


def require_used(idle: set[str], model: str) -> None:
    """Raise ModelError if a parameter is idle."""
    if idle:
        raise ModelError(f"model '{model}': no function uses parameter '{min(idle)}'.")


def call(function: Callable[..., Any], values: Mapping[str, float]) -> float:
    """Return the value of a function at named values, as a number."""
    function = compiled.plain(function)
    given = {n: values[n] for n in arguments(function)}
    try:
        with np.errstate(all="ignore"):
            return float(function(**given))
    except Exception as error:
        where = ", ".join(f"{n}={v:g}" for n, v in given.items())
        raise ModelError(f"function '{function.__name__}' failed at {where}: {error}") from error
