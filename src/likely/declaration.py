"""What a model is called, what its parameters may be, and what it can choose.

A `Declaration` is all that a trained likelihood needs to know of a model; it holds no code and is
stored in likelihood files. It is the only home of parameter names, boxes and choices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from likely.errors import ModelError, ParameterError, unknown
from likely.typing import Box, FloatArray, Theta


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Args:
        name: a Python identifier.
        lower: lower end of the box, the region likelihoods are trained on; finite.
        upper: upper end of the box; may be infinite only for a non-decision time.
        support: open interval outside of which the model is meaningless (the density is 0 there).
        unit: unit of measurement, such as "s".
        description: what the parameter means, in a few words.

    Raises:
        ModelError: if the name is no identifier or the box is empty or leaves the support.
    """

    name: str
    lower: float
    upper: float
    support: tuple[float, float] = (-math.inf, math.inf)
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse names and boxes that cannot work."""
        if not self.name.isidentifier():
            raise ModelError(f"parameter name {self.name!r} is not a Python identifier.")
        if not (math.isfinite(self.lower) and self.lower < self.upper):
            raise ModelError(
                f"parameter '{self.name}': the box ({self.lower}, {self.upper}) needs a finite "
                "lower end below its upper end."
            )
        if not (self.support[0] <= self.lower and self.upper <= self.support[1]):
            raise ModelError(
                f"parameter '{self.name}': the box ({self.lower}, {self.upper}) leaves the support "
                f"{self.support}."
            )

    @property
    def box(self) -> tuple[float, float]:
        """Lower and upper end of the box."""
        return (self.lower, self.upper)


@dataclass(frozen=True)
class Declaration:
    """Name, parameters, choices and non-decision time of a model.

    Args:
        name: what the model is called.
        parameters: in the order of the columns of every parameter array.
        choices: the values a choice may take, ascending: (-1, 1) for two boundaries, 0..n-1 for
            races.
        non_decision: name of the parameter that only delays the response time, if there is one.

    Raises:
        ModelError: if names repeat, choices are fewer than one or not ascending, or a parameter
            other than the non-decision time has an infinite box.
    """

    name: str
    parameters: tuple[Parameter, ...]
    choices: tuple[int, ...] = (-1, 1)
    non_decision: str | None = None

    def __post_init__(self) -> None:
        """Refuse declarations that cannot work."""
        repeated = {n for n in self.names if self.names.count(n) > 1}
        if repeated:
            raise ModelError(f"model '{self.name}': parameters {sorted(repeated)} appear twice.")
        reserved = set(self.names) & _RESERVED
        if reserved:
            raise ModelError(
                f"model '{self.name}': '{min(reserved)}' cannot name a parameter; it means "
                "something else in calls."
            )
        if not self.choices or list(self.choices) != sorted(set(self.choices)):
            raise ModelError(f"model '{self.name}': choices {self.choices} must be ascending.")
        if self.non_decision is not None and self.non_decision not in self.names:
            raise ModelError(unknown("non-decision parameter", self.non_decision, self.names))
        for p in self.parameters:
            if not math.isfinite(p.upper) and p.name != self.non_decision:
                raise ModelError(
                    f"parameter '{p.name}': only a non-decision time may have an infinite box."
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def box(self) -> Box:
        """Parameter name -> (lower, upper)."""
        return {p.name: p.box for p in self.parameters}

    @property
    def shaping(self) -> tuple[int, ...]:
        """Columns of the parameters that shape the density: all but the non-decision time."""
        return tuple(i for i, n in enumerate(self.names) if n != self.non_decision)

    @property
    def non_decision_column(self) -> int | None:
        """Column of the non-decision time, if there is one."""
        return None if self.non_decision is None else self.names.index(self.non_decision)

    def with_box(self, **limits: tuple[float, float]) -> Declaration:
        """Return the same declaration with other limits for the named parameters."""
        for name in limits:
            if name not in self.names:
                raise ParameterError(f"model '{self.name}': {unknown('parameter', name, self.names)}")
        parameters = tuple(
            replace(p, lower=float(limits[p.name][0]), upper=float(limits[p.name][1]))
            if p.name in limits
            else p
            for p in self.parameters
        )
        return replace(self, parameters=parameters)

    def require_names(self, given: Mapping[str, Any]) -> None:
        """Raise ParameterError unless exactly the model's parameters are given."""
        for name in given:
            if name not in self.names:
                raise ParameterError(f"model '{self.name}': {unknown('parameter', name, self.names)}")
        missing = [n for n in self.names if n not in given]
        if missing:
            raise ParameterError(
                f"model '{self.name}': no value for parameter '{missing[0]}'. "
                f"It needs {', '.join(self.names)}."
            )

    def rows(self, theta: Theta) -> FloatArray:
        """Return parameters as a finite array (rows, parameters).

        Args:
            theta: name -> scalar or (n,) array, broadcast against each other; or an array (n, p)
                or (p,) in the model's order.

        Raises:
            ParameterError: names unknown or missing, shapes that do not fit, values not finite.
        """
        if isinstance(theta, Mapping):
            self.require_names(theta)
            rows = self._broadcast(theta)
        else:
            rows = np.atleast_2d(np.asarray(theta, dtype=np.float64))
            if rows.ndim != 2 or rows.shape[1] != len(self.names):
                raise ParameterError(
                    f"model '{self.name}': parameters of shape {np.shape(theta)} do not fit; "
                    f"expected (n, {len(self.names)}) in the order {', '.join(self.names)}."
                )
        self._require_finite(rows)
        return np.ascontiguousarray(rows)

    def _broadcast(self, theta: Mapping[str, Any]) -> FloatArray:
        columns = []
        for name in self.names:
            try:
                column = np.asarray(theta[name], dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise ParameterError(f"parameter '{name}': {theta[name]!r} is not a number.") from error
            if column.ndim > 1:
                raise ParameterError(
                    f"parameter '{name}' has shape {column.shape}; give a scalar or one value a row."
                )
            columns.append(np.atleast_1d(column))
        try:
            return np.stack(np.broadcast_arrays(*columns), axis=1)
        except ValueError as error:
            lengths = ", ".join(f"{n}: {len(c)}" for n, c in zip(self.names, columns, strict=True))
            raise ParameterError(f"parameters differ in length ({lengths}).") from error

    def _require_finite(self, rows: FloatArray) -> None:
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            row, column = bad[0]
            raise ParameterError(
                f"parameter '{self.names[column]}' is {rows[row, column]} in row {row}; "
                "it must be finite."
            )

    def outside_box(self, rows: FloatArray) -> np.ndarray:
        """Return a boolean array like `rows` (..., parameters): True outside the box."""
        lower = np.array([p.lower for p in self.parameters])
        upper = np.array([p.upper for p in self.parameters])
        return (rows < lower) | (rows > upper)

    def require_inside_box(self, rows: FloatArray) -> None:
        """Raise ParameterError naming the first parameter outside the box."""
        bad = np.argwhere(self.outside_box(rows))
        if len(bad):
            row, column = bad[0]
            p = self.parameters[column]
            raise ParameterError(
                f"parameter '{p.name}' is {rows[row, column]:g} in row {row}, outside the box "
                f"[{p.lower:g}, {p.upper:g}] of model '{self.name}'. Widen it with "
                f"model.with_box({p.name}=(..., ...)) if you mean it."
            )


_RESERVED = {"x", "s", "rng", "observed", "dims", "shape", "size", "name", "initval", "total_size"}
