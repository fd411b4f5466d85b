"""Checks of arguments that several verbs share."""

from __future__ import annotations

import numpy as np

from likely.errors import ParameterError


def require_count(name: str, value: object) -> None:
    """Raise ParameterError unless value is a whole number of at least 1."""
    if not _is_whole(value) or value < 1:  # type: ignore[operator]
        raise ParameterError(f"{name} is {value!r}; it must be a whole number, at least 1.")


def require_positive(name: str, value: object, unit: str = "") -> None:
    """Raise ParameterError unless value is a positive number."""
    if not _is_real(value) or not value > 0:  # type: ignore[operator]
        of_unit = f" of {unit}" if unit else ""
        raise ParameterError(f"{name} is {value!r}; it must be a positive number{of_unit}.")


def require_share(name: str, value: object, *, zero: bool = True, one: bool = True) -> None:
    """Raise ParameterError unless value is a number from 0 to 1; `zero`, `one`: ends allowed."""
    inside = _is_real(value) and 0 <= value <= 1  # type: ignore[operator]
    if not inside or (value == 0 and not zero) or (value == 1 and not one):
        ends = f"{'at least' if zero else 'above'} 0 and {'at most' if one else 'below'} 1"
        raise ParameterError(f"{name} is {value!r}; it must be a share, {ends}.")


def require_seed(seed: object) -> None:
    """Raise ParameterError unless seed is an integer from 0 to 2^64 - 1."""
    if not _is_whole(seed) or not 0 <= seed < 2**64:  # type: ignore[operator]
        raise ParameterError(f"seed is {seed!r}; it must be a whole number from 0 to 2^64 - 1.")


def _is_real(value: object) -> bool:
    real = isinstance(value, float | int | np.floating | np.integer)
    return real and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
