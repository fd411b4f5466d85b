"""Diffusions between two symmetric boundaries, from plain functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from likely.about import About
from likely.declaring import (
    Given,
    Limits,
    StartRange,
    declare,
    parameters_of,
    require_room,
    start_between,
    trial_points,
)
from likely.densities.constant import ConstantTwin
from likely.densities.fokker_planck import fokker_planck_twin
from likely.densities.twin import ExactTwin
from likely.kernels import compiled
from likely.model import Model, set_fields
from likely.model_functions import arguments, call
from likely.typing import FirstPassages

_BETWEEN = StartRange(lambda start: -1.0 < start < 1.0, "(-1, 1)")


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
        given = parameters_of(parameters)
        if start is None:
            start = start_between(given, (drift, boundary))
        functions: list[Given] = [(drift, ("x", "s")), (boundary, ("s",)), (start, ())]
        set_fields(
            self,
            declare(name, given, (-1, 1), functions, constraints),
            about,
            drift=drift,
            boundary=boundary,
            start=start,
            known_twin=twin,
        )
        self._try_functions()

    def _try_functions(self) -> None:
        placing = {*arguments(self.boundary), *arguments(self.start)}
        centre, *corners = trial_points(self.declaration, placing)
        call(self.drift, {**centre, "x": 0.0, "s": 0.0})
        for point in (centre, *corners):
            require_room(f"model '{self.name}'", self.boundary, self.start, point, _BETWEEN)

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
