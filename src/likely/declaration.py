"""What a model is called, what its parameters may be, and what it can choose.

A `Declaration` is all that a trained likelihood needs to know of a model; it holds no code and is
stored in likelihood files. It is the only home of parameter names, boxes and choices.
"""

from __future__ import annotations

import keyword
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from likely.constraints import holds, names_in
from likely.errors import ModelError, ParameterError, unknown
from likely.typing import Box, FloatArray, Theta


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Args:
        name: a Python identifier, not a keyword.
        lower: lower end of the box, the region likelihoods are trained on; finite.
        upper: upper end of the box; may be infinite only for a non-decision time.
        support: lower and upper limit outside of which the model is meaningless (density 0).
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
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
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

    def require_supported(self, values: FloatArray) -> None:
        """Raise ParameterError naming the first value that is not within the support."""
        outside = ~((values >= self.support[0]) & (values <= self.support[1]))
        if outside.any():
            bad = values[outside].ravel()[0]
            raise ParameterError(
                f"parameter '{self.name}' is {bad:g}, outside its support {self.support}."
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
        spread: name of the half range of a non-decision time that varies from trial to trial,
            uniformly within it of `non_decision`, if it does.
        constraints: inequalities between parameters that a model needs, such as "A < b"; see
            `likely.constraints`.

    Raises:
        ModelError: if there are no parameters or their names repeat, choices are not whole numbers,
            fewer than one or not ascending, a parameter other than the non-decision time has an
            infinite box, a spread is no parameter of a model with a non-decision time, or a
            constraint is no inequality or hardly ever holds within the box.
    """

    name: str
    parameters: tuple[Parameter, ...]
    choices: tuple[int, ...] = (-1, 1)
    non_decision: str | None = None
    spread: str | None = None
    constraints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse declarations that cannot work."""
        if not self.parameters:
            raise ModelError(f"model '{self.name}': it has no parameters.")
        repeated = {n for n in self.names if self.names.count(n) > 1}
        if repeated:
            raise ModelError(f"model '{self.name}': parameters {sorted(repeated)} appear twice.")
        reserved = set(self.names) & _RESERVED
        if reserved:
            raise ModelError(
                f"model '{self.name}': '{min(reserved)}' cannot name a parameter; it means "
                "something else in calls."
            )
        self._require_choices()
        if self.non_decision is not None and self.non_decision not in self.names:
            raise ModelError(unknown("non-decision parameter", self.non_decision, self.names))
        for p in self.parameters:
            if not math.isfinite(p.upper) and p.name != self.non_decision:
                raise ModelError(
                    f"parameter '{p.name}': only a non-decision time may have an infinite box."
                )
        self._require_spread()
        self._require_constraints()

    def _require_spread(self) -> None:
        if self.spread is None:
            return
        if self.spread not in self.names or self.non_decision in (None, self.spread):
            raise ModelError(
                f"model '{self.name}': the spread '{self.spread}' must be a parameter beside a "
                "non-decision time."
            )

    def _require_constraints(self) -> None:
        for constraint in self.constraints:
            for name in sorted(names_in(constraint)):
                if name not in self.names:
                    message = unknown("parameter", name, self.names)
                    raise ModelError(f"model '{self.name}', constraint '{constraint}': {message}")
        if self.constraints:
            self.shaping_rows(np.random.default_rng(0), 1)

    def _require_choices(self) -> None:
        whole = all(isinstance(c, int | np.integer) for c in self.choices)
        if not self.choices or not whole or list(self.choices) != sorted(set(self.choices)):
            raise ModelError(
                f"model '{self.name}': choices {self.choices} must be ascending whole numbers."
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

    def onset(self, rows: FloatArray) -> FloatArray:
        """Return the earliest non-decision times (n,) of parameter rows (n, p).

        Response times begin there. It is 0 in a model without a non-decision time.
        """
        column = self.non_decision_column
        if column is None:
            return np.zeros(len(rows))
        if self.spread is None:
            return rows[:, column]
        return rows[:, column] - rows[:, self.names.index(self.spread)]

    def from_onset(self, rows: FloatArray) -> FloatArray:
        """Return parameter rows (n, p) with non-decision times such that responses begin at 0."""
        column = self.non_decision_column
        if column is None:
            return rows
        rows = rows.copy()
        rows[:, column] = 0.0 if self.spread is None else rows[:, self.names.index(self.spread)]
        return rows

    def without_spread(self) -> Declaration:
        """Return the same declaration without the spread of its non-decision time."""
        kept = tuple(p for p in self.parameters if p.name != self.spread)
        named = {p.name for p in kept}
        constraints = tuple(c for c in self.constraints if names_in(c) <= named)
        return replace(self, parameters=kept, spread=None, constraints=constraints)

    def allowed(self, rows: FloatArray) -> np.ndarray:
        """Tell of each parameter row (n, p) whether all constraints hold: (n,)."""
        values = dict(zip(self.names, rows.T, strict=True))
        allowed = np.ones(len(rows), dtype=bool)
        for constraint in self.constraints:
            allowed &= np.broadcast_to(holds(constraint, values), allowed.shape)
        return allowed

    def shaping_rows(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Draw parameter rows (n, p) uniformly from the box, whose responses begin at 0.

        Rows that a constraint forbids are drawn again.
        """
        lower = np.array([p.lower for p in self.parameters])
        upper = np.array([p.upper for p in self.parameters])
        column = self.non_decision_column
        if column is not None:
            lower[column] = upper[column] = 0.0

        def draw(count: int) -> FloatArray:
            return self.from_onset(lower + (upper - lower) * rng.random((count, len(lower))))

        return self.only_allowed(draw, n)

    def training_rows(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Draw parameter rows (n, p) to train at, whose responses begin at 0.

        They are uniform over the box, but where it spans more than three powers of ten, every other
        row has the logarithm of the parameter uniform: its small values would hardly be seen.
        """
        rows = self.shaping_rows(rng, n)
        shaping = [(j, self.parameters[j]) for j in self.shaping]
        far = [j for j, p in shaping if 0.0 < _FAR * p.lower < p.upper]
        if not far:
            return rows

        def draw(count: int) -> FloatArray:
            drawn = self.shaping_rows(rng, count)
            for j in far:
                lower, upper = np.log(self.parameters[j].lower), np.log(self.parameters[j].upper)
                drawn[:, j] = np.exp(lower + (upper - lower) * rng.random(count))
            return drawn

        rows[1::2] = self.only_allowed(draw, len(rows[1::2]))
        return rows

    def only_allowed(self, draw: Callable[[int], FloatArray], n: int) -> FloatArray:
        """Return n parameter rows that all constraints allow, from draw(count) -> rows.

        Raises:
            ModelError: if hardly any row is allowed.
        """
        rows = draw(n)
        for _ in range(_REDRAWS):
            bad = np.flatnonzero(~self.allowed(rows))
            if not len(bad):
                return rows
            rows[bad] = draw(len(bad))
        raise ModelError(
            f"model '{self.name}': hardly any parameters within its box are allowed by "
            f"{' and '.join(self.constraints)}."
        )

    def with_box(self, **limits: tuple[float, float]) -> Declaration:
        """Return the same declaration with other limits for the named parameters."""
        self._require_known(limits)
        boxes = {name: pair_of_limits(name, limit) for name, limit in limits.items()}
        parameters = tuple(
            replace(p, lower=boxes[p.name][0], upper=boxes[p.name][1]) if p.name in boxes else p
            for p in self.parameters
        )
        return replace(self, parameters=parameters)

    def _require_known(self, given: Mapping[str, Any]) -> None:
        for name in given:
            if name not in self.names:
                message = unknown("parameter", name, self.names)
                raise ParameterError(f"model '{self.name}': {message}")

    def require_names(self, given: Mapping[str, Any]) -> None:
        """Raise ParameterError unless exactly the model's parameters are given."""
        self._require_known(given)
        missing = [n for n in self.names if n not in given]
        if missing:
            raise ParameterError(
                f"model '{self.name}': no value for parameter '{missing[0]}'. "
                f"It needs {', '.join(self.names)}."
            )

    def rows(self, theta: Theta) -> FloatArray:
        """Return parameters as a finite array (rows, parameters).

        Args:
            theta: name -> scalar or (n,) array, broadcast against each other (a mapping, a data
                frame, or a series indexed by name); or an array (n, p) or (p,) in the model's
                order.

        Raises:
            ParameterError: names unknown or missing, shapes that do not fit, values not finite.
        """
        named = _by_name(theta)
        if named is not None:
            self.require_names(named)
            rows = self._broadcast(named)
        else:
            given = _floats(f"model '{self.name}': theta", theta)
            rows = np.atleast_2d(given)
            if rows.ndim != 2 or rows.shape[1] != len(self.names):
                raise ParameterError(
                    f"model '{self.name}': parameters of shape {given.shape} do not fit; "
                    f"expected (n, {len(self.names)}) in the order {', '.join(self.names)}."
                )
        self._require_finite(rows)
        return np.array(rows, order="C")

    def _broadcast(self, theta: Mapping[str, Any]) -> FloatArray:
        columns = []
        for name in self.names:
            column = _floats(f"parameter '{name}'", theta[name])
            if column.ndim > 1:
                raise ParameterError(
                    f"parameter '{name}' has shape {column.shape}; "
                    "give a scalar or one value a row."
                )
            columns.append(np.atleast_1d(column))
        try:
            return np.stack(np.broadcast_arrays(*columns), axis=1)
        except ValueError as error:
            named = zip(self.names, columns, strict=True)
            lengths = ", ".join(f"{name}: {len(column)}" for name, column in named)
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
        self.require_allowed(rows)

    def require_allowed(self, rows: FloatArray) -> None:
        """Raise ParameterError naming the first row that a constraint forbids."""
        bad = np.flatnonzero(~self.allowed(rows))
        if len(bad):
            values = dict(zip(self.names, rows[bad[0]], strict=True))
            broken = next(c for c in self.constraints if not holds(c, values))
            about = ", ".join(f"{n} = {values[n]:g}" for n in self.names if n in names_in(broken))
            raise ParameterError(
                f"model '{self.name}' needs {broken}, but row {bad[0]} has {about}."
            )


def pair_of_limits(name: str, given: Any) -> tuple[float, float]:
    """Return (lower, upper) of a parameter's box; raise ModelError if they are no such pair."""
    try:
        lower, upper = (float(limit) for limit in given)
    except (TypeError, ValueError) as error:
        raise ModelError(f"parameter '{name}': {given!r} is not a pair (lower, upper).") from error
    return lower, upper


def _by_name(theta: Any) -> Mapping[str, Any] | None:
    """Return parameters given by name as a mapping, or None for an array in the model's order."""
    if isinstance(theta, Mapping):
        return theta
    pandas = sys.modules.get("pandas")  # slow to import, and only who has done so can have a frame
    if pandas is None:
        return None
    if isinstance(theta, pandas.DataFrame) and all(isinstance(c, str) for c in theta.columns):
        return {name: theta[name] for name in theta.columns}
    if isinstance(theta, pandas.Series) and all(isinstance(label, str) for label in theta.index):
        return {str(label): value for label, value in theta.items()}
    return None


def _floats(what: str, values: Any) -> FloatArray:
    """Return values as float64; raise ParameterError naming the first that is not a number."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        try:
            flat = np.asarray(values, dtype=object).ravel()
        except ValueError:
            flat = np.empty(0, dtype=object)
        bad = next((v for v in flat if not _is_number(v)), values)
        raise ParameterError(f"{what} holds {bad!r}, which is not a number.") from error


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


_REDRAWS = 100  # of rows that a constraint forbids
_FAR = 1000.0  # a positive box that spans a larger factor is trained at small values too
_RESERVED = {
    "x", "s", "rng", "observed", "dims", "shape", "size", "name", "initval", "total_size",
    "deadline",
}  # fmt: skip
