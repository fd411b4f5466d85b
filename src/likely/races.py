"""Races between noisy accumulators, from plain functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from likely.about import About
from likely.checks import require_count
from likely.declaration import Declaration, Parameter
from likely.declaring import (
    Function,
    Limits,
    StartRange,
    arguments_of,
    non_decision_of,
    parameters_of,
    require_room,
    trial_points,
)
from likely.densities.accumulator import Accumulator
from likely.densities.race import RaceTwin
from likely.densities.reflected import Reflected
from likely.densities.twin import ExactTwin
from likely.errors import ModelError, unknown
from likely.kernels.compiled_race import compile_race
from likely.model import Model, set_fields
from likely.model_functions import arguments, call, require_matched, require_plain, require_used
from likely.typing import FirstPassages, FloatArray

_GIVEN = ("x", "others", "s")  # what the functions may ask for beside parameters
_ABOVE_0 = StartRange(lambda start: 0.0 <= start < 1.0, "[0, 1)")


@dataclass(frozen=True)
class Columns:
    """Where each accumulator finds its parameters in a parameter row.

    Args:
        arguments: names (k,) of all parameters that the functions of a race take.
        places: (n, k): the columns of accumulator i.
    """

    arguments: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]

    def of(self, row: FloatArray) -> list[dict[str, float]]:
        """Return what each accumulator's arguments are at a parameter row (p,)."""
        return [
            {name: float(row[c]) for name, c in zip(self.arguments, places, strict=True)}
            for places in self.places
        ]


@dataclass(frozen=True, eq=False)
class Reflecting:
    """Makes the exact accumulator of a race in which neither drift nor boundary ever changes.

    Args:
        drift, boundary, start: functions of parameters; see `Race`.
    """

    drift: Callable[..., Any]
    boundary: Callable[..., Any]
    start: Callable[..., Any]

    def __call__(self, **values: float) -> Reflected:
        """Return the accumulator that has these parameters."""
        boundary = call(self.boundary, values)
        return Reflected(call(self.drift, values), boundary, call(self.start, values) * boundary)


@dataclass(frozen=True, eq=False)
class Members:
    """The exact accumulators of a race, as a function of a parameter row.

    Args:
        accumulator: function of an accumulator's own parameters, by name.
        taken: the names of those that it takes.
        columns: where each accumulator finds them.
    """

    accumulator: Callable[..., Accumulator]
    taken: tuple[str, ...]
    columns: Columns

    def __call__(self, row: FloatArray) -> list[Accumulator]:
        """Return the accumulators at a parameter row (p,)."""
        every = self.columns.of(row)
        return [self.accumulator(**{n: values[n] for n in self.taken}) for values in every]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Race(Model):
    """A race of noisy accumulators: the first to reach its boundary makes the choice.

    The evidence x of accumulator i, from 0 to n - 1, obeys dx = drift dt + dW with unit noise per
    square root of a second, independent of the others' noise; is reflected at 0; starts at
    x(0) = start * boundary(0); and if it is the first of all to reach boundary(s), where s is the
    decision time in seconds, then choice i is made at that time.

    Functions are plain Python, compiled by numba; their arguments are matched by name, in any
    order, to x, others (the sum of the evidence of the other accumulators), s, and the parameters.
    Each accumulator has parameters of its own: the argument `v` is v0 for the first, v1 for the
    second, and so on, where the model has these parameters, and v for all of them otherwise.

    A parameter called `t` that no function uses is the non-decision time, added to every decision
    time. A parameter `z`, or parameters z0, z1 and so on, that no function uses are the relative
    starting points.

        likely.Race(
            "leaky_race",
            accumulators=2,
            parameters={"v0": (0, 3), "v1": (0, 3), "a": (1, 3), "g": (-1, 1), "t": (0, 2)},
            drift=lambda x, v, g: v - g * x,
            boundary=lambda a: a,
        )

    Args:
        name: what the model is called.
        accumulators: how many there are.
        parameters: name -> (lower, upper) of the box, or a Parameter.
        drift: function of x, others, s and parameters: drift of the evidence per second.
        boundary: function of s and parameters; positive at s = 0, continuous. Where it comes down
            to 0 the race ends, since all evidence is between the two.
        start: function of parameters: relative starting point from 0 to below 1; by default z, or
            0 without a z.
        accumulator: function of parameters that returns the exact distribution of an accumulator's
            finishing time, one of `likely.densities`, for independent accumulators; it makes the
            race's density exact. It need not be given where neither drift nor boundary changes.
        constraints: inequalities between parameters that must hold, such as "A < b".
        about: what a page about the model says.

    Raises:
        ModelError: if an argument matches no parameter, a parameter is not used, a function fails,
            or an accumulator does not start between 0 and its boundary at the centre of the box or
            at a corner of the parameters that place it.
        ParameterError: if the number of accumulators is not a whole number above 0.
    """

    drift: Callable[..., Any]
    boundary: Callable[..., Any]
    start: Callable[..., Any]
    columns: Columns
    accumulator: Callable[..., Accumulator] | None

    def __init__(
        self,
        name: str,
        *,
        accumulators: int,
        parameters: Limits,
        drift: Callable[..., Any],
        boundary: Callable[..., Any],
        start: Callable[..., Any] | None = None,
        accumulator: Callable[..., Accumulator] | None = None,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        require_count("accumulators", accumulators)
        given = parameters_of(parameters)
        if start is None:
            start = _default_start(given, (drift, boundary))
        used = arguments_of((drift, boundary, start))
        _require_arguments(name, drift, boundary, start)
        declaration = Declaration(
            name,
            given,
            tuple(range(int(accumulators))),
            non_decision_of(given, used),
            constraints=tuple(constraints),
        )
        own = used - set(_GIVEN)
        if accumulator is not None:
            require_matched(accumulator, own, name)
        columns = _columns(declaration, tuple(sorted(own)))
        set_fields(
            self,
            declaration,
            about,
            drift=drift,
            boundary=boundary,
            start=start,
            columns=columns,
            accumulator=accumulator,
        )
        self._try_functions()

    def _try_functions(self) -> None:
        for i in range(len(self.choices)):
            whose = f"model '{self.name}', accumulator {i}"
            centre, *corners = trial_points(self.declaration, self._placing(i))
            call(self.drift, {**self._values(i, centre), "x": 0.0, "others": 0.0, "s": 0.0})
            for point in (centre, *corners):
                values = self._values(i, point)
                require_room(whose, self.boundary, self.start, values, _ABOVE_0)

    def _placing(self, i: int) -> set[str]:
        """Return the parameters that boundary and start of an accumulator depend on."""
        needed = {*arguments(self.boundary), *arguments(self.start)}
        named = zip(self.columns.arguments, self.columns.places[i], strict=True)
        return {self.declaration.names[column] for name, column in named if name in needed}

    def _values(self, i: int, point: Mapping[str, float]) -> dict[str, float]:
        """Return the arguments of an accumulator at parameters given by name."""
        return self.columns.of(np.array(list(point.values())))[i]

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The compiled sampler; compiled when first asked for, and kept on disk."""
        functions = (self.drift, self.boundary, self.start)
        names = self.declaration.names
        return compile_race(*functions, self.columns.arguments, self.columns.places, names)

    @functools.cached_property
    def twin(self) -> ExactTwin | None:
        """The exact density: as declared, or a formula where nothing changes, or None."""
        made = self.accumulator
        if made is not None:
            return RaceTwin(Members(made, arguments(made), self.columns))
        if set(_GIVEN).isdisjoint((*arguments(self.drift), *arguments(self.boundary))):
            reflecting = Reflecting(self.drift, self.boundary, self.start)
            return RaceTwin(Members(reflecting, self.columns.arguments, self.columns))
        return None


def _require_arguments(
    name: str,
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
) -> None:
    """Raise ModelError if a function asks for evidence or time that it is not given."""
    for function, given in ((drift, _GIVEN), (boundary, ("s",)), (start, ())):
        require_plain(function, name)
        for argument in arguments(function):
            if argument in _GIVEN and argument not in given:
                raise ModelError(
                    f"model '{name}', function '{function.__name__}': it cannot depend on "
                    f"'{argument}'; only the drift may."
                )


def _columns(declaration: Declaration, used: tuple[str, ...]) -> Columns:
    """Match arguments to the parameters of each accumulator, or to the one they share.

    Raises:
        ModelError: if an argument matches no parameter or a parameter is not used.
    """
    indices = declaration.choices
    by_argument = [_places(declaration, argument, len(indices)) for argument in used]
    taken = {declaration.names[column] for places in by_argument for column in places}
    idle = set(declaration.names) - taken - {declaration.non_decision}
    require_used(idle, declaration.name)
    return Columns(used, tuple(tuple(places[i] for places in by_argument) for i in indices))


def _places(declaration: Declaration, argument: str, count: int) -> list[int]:
    """Return the column of an argument for each accumulator."""
    names = declaration.names
    own = [f"{argument}{i}" for i in range(count)]
    if all(name in names for name in own):
        return [names.index(name) for name in own]
    if argument in names:
        return [names.index(argument)] * count
    missing = [name for name in own if name not in names]
    if len(missing) < count:
        raise ModelError(
            f"model '{declaration.name}': argument '{argument}' has parameters for some "
            f"accumulators, but there is no '{missing[0]}'."
        )
    message = unknown("argument", argument, sorted({*names, *_GIVEN}))
    raise ModelError(f"model '{declaration.name}': {message}")


def _default_start(parameters: tuple[Parameter, ...], functions: tuple[Function, ...]) -> Function:
    """Return the start at z, or at z0, z1 and so on, where no function takes it; 0 without."""
    named = {"z", "z0"} & {p.name for p in parameters}
    return _start_at_z if named and "z" not in arguments_of(functions) else _start_at_zero


def _start_at_z(z: float) -> float:
    return z


def _start_at_zero() -> float:
    return 0.0
