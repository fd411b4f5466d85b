"""Models: a declaration together with a way to simulate it.

To add a kind of model, subclass `Model` with a frozen dataclass and define `first_passages` and
`twin`.
"""

from __future__ import annotations

import abc
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba.core.errors import NumbaError

from likely.about import About
from likely.declaration import Declaration, Parameter, pair_of_limits
from likely.densities.constant import ConstantTwin
from likely.densities.fokker_planck import fokker_planck_twin
from likely.densities.twin import ExactTwin
from likely.errors import ModelError
from likely.kernels import compiled
from likely.model_functions import (
    arguments,
    call,
    require_known,
    require_plain,
    require_used,
)
from likely.typing import Box, FirstPassages, FloatArray

Limits = Mapping[str, Parameter | tuple[float, float]]

_COMPILED = {"first_passages", "twin"}
_CORNERS = 256  # corners of the box, at most, where boundary and start are tried
_SUPPORT = {"z": (0.0, 1.0), "t": (0.0, math.inf)}  # names that Diffusion gives a meaning to


class Model(abc.ABC):
    """A simulator of (response time, choice) with declared parameters."""

    declaration: Declaration
    about: About | None

    def __repr__(self) -> str:
        """Show the kind of model, its name, parameters and choices."""
        d = self.declaration
        return f"<{type(self).__name__} {d.name}({', '.join(d.names)}) -> {d.choices}>"

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.declaration.name

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in the order of the columns of every parameter array."""
        return self.declaration.parameters

    @property
    def box(self) -> Box:
        """Parameter name -> (lower, upper): the region likelihoods are trained on."""
        return self.declaration.box

    @property
    def choices(self) -> tuple[int, ...]:
        """The values a choice may take."""
        return self.declaration.choices

    def __getstate__(self) -> dict[str, Any]:
        """Leave out compiled code, which stays on the machine that compiled it."""
        return {name: value for name, value in vars(self).items() if name not in _COMPILED}

    def with_box(self, **limits: tuple[float, float]) -> Self:
        """Return the same model with other limits for the named parameters.

        Raises:
            ParameterError: if a name is not one of the model's parameters.
            ModelError: if a box is empty or leaves the parameter's support.
        """
        model = object.__new__(type(self))
        _set_fields(model, **vars(self))
        _set_fields(model, declaration=self.declaration.with_box(**limits))
        return model

    @property
    @abc.abstractmethod
    def first_passages(self) -> FirstPassages:
        """The model's compiled sampler of decision times and choices."""

    @property
    @abc.abstractmethod
    def twin(self) -> ExactTwin | None:
        """The model's exact density, if it has one."""


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Diffusion(Model):
    """A one-dimensional diffusion between two symmetric boundaries, from plain functions.

    The evidence x obeys dx = drift dt + dW with unit noise per square root of a second, starts at
    x(0) and ends at the first passage of +boundary(s) (choice +1) or -boundary(s) (choice -1),
    where s is the decision time in seconds. Functions are plain Python, compiled by numba; their
    arguments are matched by name to x, s and the parameters, in any order.

    A parameter called `t` that no function uses is the non-decision time, added to every decision
    time. A parameter called `z` that no function uses is the relative starting point:
    x(0) = (2 z - 1) boundary(0). Note that the boundaries are at plus and minus boundary(s): a
    boundary of `a` means a separation of 2 a (HSSM and ssm-simulators count so; HDDM's a is 2 a).

    Args:
        name: what the model is called.
        parameters: name -> (lower, upper) of the box, or a Parameter.
        drift: function of x, s and parameters: drift of the evidence per second.
        boundary: function of s and parameters: half the distance between the boundaries;
            positive at s = 0, continuous.
        start: function of parameters: relative starting point in (-1, 1); by default 2 z - 1, or 0
            without a z.
        twin: the exact density, where a formula is known; otherwise it is solved for numerically,
            or a series if neither drift nor boundary changes.
        constraints: inequalities between parameters that must hold, such as "A < b".
        about: what a page about the model says.

    Raises:
        ModelError: if an argument matches no parameter, a parameter is not used, a function fails,
            or the evidence does not start between positive boundaries at the centre of the box and
            at the corners of the parameters that place it.
    """

    declaration: Declaration
    drift: Callable[..., Any]
    boundary: Callable[..., Any]
    start: Callable[..., Any]
    known_twin: ExactTwin | None

    def __init__(
        self,
        name: str,
        *,
        parameters: Limits,
        drift: Callable[..., Any],
        boundary: Callable[..., Any],
        start: Callable[..., Any] | None = None,
        twin: ExactTwin | None = None,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        given = _parameters(parameters)
        used = {*arguments(drift), *arguments(boundary)}
        if start is None:
            start = _start_at_z if "z" in parameters and "z" not in used else _start_midway
        used.update(arguments(start))
        non_decision = "t" if "t" in parameters and "t" not in used else None
        declaration = Declaration(
            name, given, (-1, 1), non_decision, constraints=tuple(constraints)
        )
        for function, extra in ((drift, {"x", "s"}), (boundary, {"s"}), (start, set())):
            require_plain(function, name)
            require_known(function, set(declaration.names) | extra, name)
        require_used(set(declaration.names) - used - {non_decision}, name)
        _set_fields(
            self,
            declaration=declaration,
            drift=drift,
            boundary=boundary,
            start=start,
            known_twin=twin,
            about=checked_about(about, declaration),
        )
        self._try_functions()

    def _try_functions(self) -> None:
        placing = {*arguments(self.boundary), *arguments(self.start)}
        centre, *corners = _trial_points(self.declaration, placing)
        call(self.drift, {**centre, "x": 0.0, "s": 0.0})
        for point in (centre, *corners):
            self._require_room(point)

    def _require_room(self, point: Mapping[str, float]) -> None:
        """Raise ModelError unless the evidence starts between the boundaries."""
        width = call(self.boundary, {**point, "s": 0.0})
        start = call(self.start, point)
        where = ", ".join(f"{name}={value:g}" for name, value in point.items())
        if not width > 0:
            raise ModelError(
                f"model '{self.name}': boundary(s=0) is {width:g} at {where}; it must be > 0."
            )
        if not -1 < start < 1:
            raise ModelError(
                f"model '{self.name}': start is {start:g} at {where}; it must be in (-1, 1)."
            )

    @property
    def boundary_moves(self) -> bool:
        """Whether the boundary depends on the decision time."""
        return "s" in arguments(self.boundary)

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The compiled sampler; compiled when first asked for, and kept on disk."""
        names = self.declaration.names
        return compiled.compile_diffusion(self.drift, self.boundary, self.start, names)

    @functools.cached_property
    def twin(self) -> ExactTwin:
        """The exact density: as declared, or Wiener series where nothing changes, or solved for."""
        if self.known_twin is not None:
            return self.known_twin
        names = self.declaration.names
        if {"x", "s"}.isdisjoint((*arguments(self.drift), *arguments(self.boundary))):
            functions = (self.drift, self.boundary, self.start)
            return ConstantTwin(*(compiled.of_row(f, names) for f in functions))
        return fokker_planck_twin(self.drift, self.boundary, self.start, names)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Simulator(Model):
    """Any simulator of (response time, choice).

    Args:
        name: what the model is called.
        parameters: name -> (lower, upper) of the box, or a Parameter.
        choices: the values a choice may take, ascending.
        simulate: function(rng, **parameters) -> (rt, choice), one trial a call, in Python that
            numba can compile; rng is a numpy Generator. A trial that never ends returns rt = nan
            or inf. With `vectorized`, a numpy function of arrays that returns two arrays.
        vectorized: whether `simulate` takes and returns arrays (n,), one value a trial.
        non_decision: name of a parameter that `simulate` does nothing with but add it to rt. It is
            then a pure shift, which makes the likelihood's support exact.
        spread: name of the half range of a non-decision time that varies uniformly from trial to
            trial. `simulate` then draws it, from non_decision - spread to non_decision + spread.
        twin: the exact density, where one is known; likelihoods are then trained on it and judged
            by it.
        constraints: inequalities between parameters that must hold, such as "A < b".
        about: what a page about the model says.

    Raises:
        ModelError: if arguments and parameters do not match. When first simulated: if numba cannot
            compile the function, it returns times that are not positive or choices not declared,
            takes randomness from elsewhere than rng, or the non-decision parameter is not a pure
            shift.
    """

    declaration: Declaration
    simulate: Callable[..., Any]
    vectorized: bool
    known_twin: ExactTwin | None

    def __init__(
        self,
        name: str,
        *,
        parameters: Limits,
        choices: tuple[int, ...],
        simulate: Callable[..., Any],
        vectorized: bool = False,
        non_decision: str | None = None,
        spread: str | None = None,
        twin: ExactTwin | None = None,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        given = _parameters(parameters)
        declaration = Declaration(
            name, given, _choices(choices), non_decision, spread, tuple(constraints)
        )
        used = set(arguments(simulate))
        if not vectorized:
            require_plain(simulate, name)
        if not vectorized or used - {"rng"}:
            require_known(simulate, set(declaration.names) | {"rng"}, name)
            require_used(set(declaration.names) - used, name)
        _set_fields(
            self,
            declaration=declaration,
            simulate=simulate,
            vectorized=vectorized,
            known_twin=twin,
            about=checked_about(about, declaration),
        )

    @property
    def twin(self) -> ExactTwin | None:
        """The exact density that the simulator was declared with, if it was."""
        return self.known_twin

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The sampler; compiled, and tried once, when first asked for."""
        wrap = compiled.vectorized_trials if self.vectorized else compiled.compile_trials
        fill = _explaining(wrap(self.simulate, self.declaration.names), self.name)
        self._try(fill)
        return fill

    def _try(self, fill: FirstPassages) -> None:
        """Run one trial at 64 points of the box and check what comes back."""
        rows = self.declaration.shaping_rows(np.random.default_rng(0), 64)
        column = self.declaration.non_decision_column
        trials = _one_each(fill, rows)
        require_passages(self.declaration, *trials)
        if not _agree(_one_each(fill, rows), trials):
            raise ModelError(
                f"model '{self.name}': the same seed gives different trials; every random number "
                "must come from the argument rng."
            )
        if column is not None:
            rows[:, column] += 0.25
            times, choices = _one_each(fill, rows)
            if not _agree((times - 0.25, choices), trials):
                raise ModelError(
                    f"model '{self.name}': '{self.declaration.non_decision}' is declared as the "
                    "non-decision time but does more, or less, than being added to rt."
                )


def _one_each(fill: FirstPassages, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    times, choices = np.empty(len(rows)), np.empty(len(rows))
    fill(rows, 1, 0, 0, math.inf, times, choices)
    return times, choices


def _agree(one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]) -> bool:
    return all(np.allclose(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def _explaining(fill: FirstPassages, name: str) -> FirstPassages:
    """Return the sampler of a user's simulator, which says what failed in it."""

    def passages(
        rows: FloatArray, draws: int, first: int, seed: int, limit: float,
        times: FloatArray, choices: FloatArray,
    ) -> None:  # fmt: skip
        try:
            fill(rows, draws, first, seed, limit, times, choices)
        except ModelError:
            raise
        except NumbaError as error:
            raise ModelError(
                f"model '{name}': numba cannot compile the simulator: {compiled.reason(error)} "
                "Numpy code on arrays needs vectorized=True."
            ) from error
        except Exception as error:
            raise ModelError(
                f"model '{name}': the simulator failed: {type(error).__name__}: "
                f"{compiled.reason(error)}"
            ) from error

    return passages


def require_passages(declaration: Declaration, times: FloatArray, choices: FloatArray) -> None:
    """Raise ModelError if simulated times are not positive or choices not declared."""
    if (times <= 0).any():
        raise ModelError(
            f"model '{declaration.name}': the simulator returned rt = {np.nanmin(times):g}; "
            "response times are positive seconds."
        )
    known = ~np.isfinite(times)
    for choice in declaration.choices:
        known |= choices == choice
    if not known.all():
        raise ModelError(
            f"model '{declaration.name}': the simulator returned choice {choices[~known][0]:g}, "
            f"which is not one of {declaration.choices}."
        )


def _start_at_z(z: float) -> float:
    return 2.0 * z - 1.0


def _start_midway() -> float:
    return 0.0


def _parameters(limits: Limits) -> tuple[Parameter, ...]:
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


def _choices(given: Iterable[int]) -> tuple[int, ...]:
    try:
        return tuple(int(c) if isinstance(c, np.integer) else c for c in given)
    except TypeError as error:
        raise ModelError(f"choices is {given!r}; list the values, such as (0, 1).") from error


def _trial_points(declaration: Declaration, tried: set[str]) -> Iterator[dict[str, float]]:
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


def checked_about(about: About | None, declaration: Declaration) -> About | None:
    """Return what is said about a model; raise ModelError if it is about other parameters."""
    if about is not None:
        about.require_known(declaration.names, declaration.name)
    return about


def _finite_upper(parameter: Parameter) -> float:
    return parameter.upper if math.isfinite(parameter.upper) else parameter.lower + 1.0


def _set_fields(record: Model, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(record, name, value)
