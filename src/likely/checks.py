"""Checks of arguments that several verbs share."""

from __future__ import annotations

import numpy as np

from likely.errors import ParameterError


def require_count(name: str, value: object) -> None:
    """Raise ParameterError unless value is a whole number of at least 1."""
    if not _is_whole(value) or value < 1:  # type: ignore[operator]
        raise ParameterError(f"{name} is {value!r}; it must be a whole number, at least 1.")


def require_positive(name: str, value: object, unit: str) -> None:
    """Raise ParameterError unless value is a positive number."""
    if isinstance(value, bool) or not isinstance(value, float | int | np.number) or not value > 0:
        raise ParameterError(f"{name} is {value!r}; it must be a positive number of {unit}.")


def require_seed(seed: object) -> None:
    """Raise ParameterError unless seed is an integer from 0 to 2^64 - 1."""
    if not _is_whole(seed) or not 0 <= seed < 2**64:  # type: ignore[operator]
        raise ParameterError(f"seed is {seed!r}; it must be a whole number from 0 to 2^64 - 1.")


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
