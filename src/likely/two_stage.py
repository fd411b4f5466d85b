"""Decisions in two stages: between two branches, and within the one that is chosen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from likely.about import About
from likely.declaring import Given, Limits, declare, parameters_of, start_midway
from likely.densities.twin import ExactTwin
from likely.kernels import two_stage as orders
from likely.kernels.compiled import compile_two_stage
from likely.model import Model, set_fields
from likely.typing import FirstPassages


@dataclass(frozen=True)
class Stage:
    """One of the three decisions.

    Args:
        drift: function of x (its evidence), s and parameters: drift of the evidence per second.
        start: function of parameters: relative starting point in (-1, 1).
    """

    drift: Callable[..., Any]
    start: Callable[..., Any] = start_midway


@dataclass(frozen=True)
class Order:
    """How the decisions follow each other: `PARALLEL`, `SEQUENTIAL` or `mixed(...)`.

    Args:
        kernel: the compiled loop.
        spared: function of parameters, for `mixed`.
    """

    kernel: Any
    spared: Callable[..., Any] | None = None


PARALLEL = Order(orders.parallel)
"""Both levels are decided at once, and the later of the two ends the trial."""

SEQUENTIAL = Order(orders.sequential)
"""The low level starts, at its relative start, when the high level is decided."""


def mixed(spared: Callable[..., Any]) -> Order:
    """Return the order where both levels are decided at once, the low one hampered by the high.

    Until the high level is decided, low-level drift is multiplied by `spared`, a function of
    parameters, and by the high-level evidence for its branch: the share of the way from the other
    boundary. The later decision ends the trial.
    """
    return Order(orders.mixed, spared)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class TwoStage(Model):
    """A choice among four options in two stages, each a diffusion between the same boundaries.

    The high-level decision is between two branches, and the low-level decision is between the two
    options of a branch. Choices are 0 and 1 in the branch of the lower boundary of the high level,
    2 and 3 in that of its upper boundary; 1 and 3 are upper boundaries of the low level.

    Noise is of one unit per square root of a second. Functions are those of `Diffusion`; a
    parameter called `t` that none uses is the non-decision time.

    Args:
        name: what the model is called.
        parameters: name -> (lower, upper) of the box, or a Parameter.
        order: how the decisions follow each other.
        boundary: function of s and parameters, of all decisions.
        high: the decision between the branches.
        low: the decisions within the lower and the upper branch.
        twin: the exact density, where one is known.
        constraints: inequalities between parameters that must hold.
        about: what a page about the model says.

    Raises:
        ModelError: if an argument matches no parameter or a parameter is not used.

    Source: Fengler, Bera, Pedersen and Frank (2022), Journal of Cognitive Neuroscience 34,
    1780-1805, and ssm-simulators, whose conventions these are.
    """

    order: Order
    boundary: Callable[..., Any]
    high: Stage
    low: tuple[Stage, Stage]
    known_twin: ExactTwin | None

    def __init__(
        self,
        name: str,
        *,
        parameters: Limits,
        order: Order,
        boundary: Callable[..., Any],
        high: Stage,
        low: tuple[Stage, Stage],
        twin: ExactTwin | None = None,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        functions: list[Given] = [(boundary, ("s",))]
        for stage in (high, *low):
            functions += [(stage.drift, ("x", "s")), (stage.start, ())]
        if order.spared is not None:
            functions.append((order.spared, ()))
        set_fields(
            self,
            declare(name, parameters_of(parameters), (0, 1, 2, 3), functions, constraints),
            about,
            order=order,
            boundary=boundary,
            high=high,
            low=tuple(low),
            known_twin=twin,
        )

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The compiled sampler; compiled when first asked for, and kept on disk."""
        stages = [(stage.drift, stage.start) for stage in (self.high, *self.low)]
        return compile_two_stage(
            self.order.kernel, self.boundary, stages, self.order.spared, self.declaration.names
        )

    @property
    def twin(self) -> ExactTwin | None:
        """The exact density that the model was declared with, if it was."""
        return self.known_twin
