"""Levy flights between two boundaries: evidence with heavy-tailed noise, from plain functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from likely.about import About
from likely.declaring import Given, Limits, declare, parameters_of, start_between
from likely.densities.twin import ExactTwin
from likely.kernels.compiled import compile_levy_flight
from likely.model import Model, set_fields
from likely.typing import FirstPassages


def _alpha(alpha: float) -> float:
    return alpha


@dataclass(frozen=True, init=False, eq=False, repr=False)
class LevyFlight(Model):
    """Evidence that moves in jumps: a diffusion with symmetric, Levy-stable noise.

    The evidence x obeys dx = drift ds + dL, where L is symmetric and stable of index alpha: its
    increments over ds have the characteristic function exp(-|k|^alpha ds). At alpha = 2 that is
    Brownian motion whose variance is 2 per second, at alpha = 1 the noise is Cauchy's. (So it is in
    ssm-simulators.) Evidence ends where it first is at or beyond +boundary(s) (choice +1) or
    -boundary(s) (choice -1); mostly it jumps across.

    Functions are those of `Diffusion`; parameters called `t` and `z` mean what they do there.

    Args:
        name: what the model is called.
        parameters: name -> (lower, upper) of the box, or a Parameter.
        drift: function of x, s and parameters: drift of the evidence per second.
        boundary: function of s and parameters: half the distance between the boundaries;
            positive at s = 0, continuous.
        start: function of parameters: relative starting point in (-1, 1); by default 2 z - 1, or 0
            without a z.
        stability: function of parameters: alpha, above 0 and at most 2; by default the parameter
            alpha.
        constraints: inequalities between parameters that must hold, such as "A < b".
        about: what a page about the model says.

    Raises:
        ModelError: if an argument matches no parameter or a parameter is not used. When simulated:
            if the evidence does not start between the boundaries, or alpha is not in (0, 2].

    Source: Voss, Lerche, Mertens and Voss (2019), Psychonomic Bulletin & Review 26, 813-832.
    """

    drift: Callable[..., Any]
    boundary: Callable[..., Any]
    start: Callable[..., Any]
    stability: Callable[..., Any]

    def __init__(
        self,
        name: str,
        *,
        parameters: Limits,
        drift: Callable[..., Any],
        boundary: Callable[..., Any],
        start: Callable[..., Any] | None = None,
        stability: Callable[..., Any] = _alpha,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        given = parameters_of(parameters)
        if start is None:
            start = start_between(given, (drift, boundary, stability))
        functions: list[Given] = [
            (drift, ("x", "s")),
            (boundary, ("s",)),
            (start, ()),
            (stability, ()),
        ]
        set_fields(
            self,
            declare(name, given, (-1, 1), functions, constraints),
            about,
            drift=drift,
            boundary=boundary,
            start=start,
            stability=stability,
        )

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The compiled sampler; compiled when first asked for, and kept on disk."""
        return compile_levy_flight(
            self.drift, self.boundary, self.start, self.stability, self.declaration.names
        )

    @property
    def twin(self) -> ExactTwin | None:
        """None: no exact density is known."""
        return None
