"""Diffusions whose parameters vary from trial to trial, from plain functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from likely.about import About
from likely.declaration import Declaration
from likely.declaring import Limits, arguments_of, parameters_of
from likely.densities.twin import ExactTwin
from likely.diffusions import Diffusion
from likely.errors import ModelError, unknown
from likely.kernels.compiled import compile_varied
from likely.model import Model, set_fields
from likely.model_functions import arguments, require_matched, require_used
from likely.typing import FirstPassages

_NOISE = {"normal", "uniform"}


@dataclass(frozen=True, init=False, eq=False, repr=False)
class VariableDiffusion(Model):
    """A diffusion some of whose parameters are drawn anew in every trial.

    Each function that draws takes one random number, called `normal` (standard normal) or
    `uniform` (from 0 to 1), and parameters, matched by name:

        likely.VariableDiffusion(
            "ddm_sdv",
            base=likely.models["ddm"],
            parameters={**likely.models["ddm"].box, "sv": (0, 2)},
            redrawn={"v": lambda normal, v, sv: v + sv * normal},
        )

    Args:
        name: what the model is called.
        base: the diffusion within a trial.
        parameters: name -> (lower, upper) of the box, or a Parameter: those of the base, and those
            that say how they vary.
        redrawn: name of a parameter of the base -> function that draws it.
        delay: function that draws seconds to be added to the decision time, at least 0.
        spread: name of the half range of the non-decision time, where that varies uniformly; the
            delay, from 0 to twice the spread, is then part of the times, which count from the
            earliest response, t - spread.
        twin: the exact density, where one is known.
        constraints: inequalities between parameters that must hold, such as "sz < a".
        about: what a page about the model says.

    Raises:
        ModelError: if an argument matches no parameter or a parameter is not used, a parameter of
            the base is missing, what is redrawn is none of them, or a function that draws does not
            take one random number.
    """

    base: Diffusion
    redrawn: Mapping[str, Callable[..., Any]]
    delay: Callable[..., Any] | None
    known_twin: ExactTwin | None

    def __init__(
        self,
        name: str,
        *,
        base: Diffusion,
        parameters: Limits,
        redrawn: Mapping[str, Callable[..., Any]],
        delay: Callable[..., Any] | None = None,
        spread: str | None = None,
        twin: ExactTwin | None = None,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        for needed in base.declaration.names:
            if needed not in parameters:
                raise ModelError(f"model '{name}': parameter '{needed}' of its base is missing.")
        declaration = Declaration(
            name,
            parameters_of(parameters),
            base.choices,
            base.declaration.non_decision,
            spread,
            tuple(constraints),
        )
        for varies in redrawn:
            if varies not in _shaping(base):
                raise ModelError(unknown("parameter to redraw", varies, base.declaration.names))
        draws = [*redrawn.values(), *([] if delay is None else [delay])]
        _require_noise(draws, declaration)
        used = arguments_of(draws).union(base.declaration.names)
        require_used(set(declaration.names) - used, name)
        set_fields(
            self,
            declaration,
            about,
            base=base,
            redrawn=dict(redrawn),
            delay=delay,
            known_twin=twin,
        )

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The compiled sampler; compiled when first asked for, and kept on disk."""
        base, names = self.base, self.declaration.names
        return compile_varied(
            base.drift, base.boundary, base.start, names, self.redrawn, self.delay
        )

    @property
    def twin(self) -> ExactTwin | None:
        """The exact density that the model was declared with, if it was."""
        return self.known_twin


def _require_noise(draws: list[Callable[..., Any]], declaration: Declaration) -> None:
    """Raise ModelError unless each function takes one random number and known parameters."""
    name = declaration.name
    for function in draws:
        require_matched(function, _NOISE.union(declaration.names), name)
        if len(_NOISE & set(arguments(function))) != 1:
            raise ModelError(
                f"model '{name}', function '{function.__name__}': it must take one random number, "
                "`normal` or `uniform`."
            )


def _shaping(base: Diffusion) -> set[str]:
    """Return the names of all parameters but the non-decision time."""
    return set(base.declaration.names) - {base.declaration.non_decision}
