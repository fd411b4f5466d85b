"""Models: a declaration together with a way to simulate it.

Kinds of models: `diffusions`, `variability`, `levy_flight`, `races`, `two_stage`, and `simulators`
for everything else. To add one, subclass `Model` with a frozen dataclass, whose fields `set_fields`
sets, and define `first_passages` and `twin`; `declaring` has what models made of plain functions
share.
"""

from __future__ import annotations

import abc
from typing import Any, Self

import numpy as np

from likely.about import About
from likely.declaration import Declaration, Parameter
from likely.densities.twin import ExactTwin
from likely.errors import ModelError
from likely.typing import Box, FirstPassages, FloatArray

_COMPILED = {"first_passages", "twin"}


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
        vars(model).update(vars(self), declaration=self.declaration.with_box(**limits))
        return model

    @property
    @abc.abstractmethod
    def first_passages(self) -> FirstPassages:
        """The model's compiled sampler of decision times and choices."""

    @property
    @abc.abstractmethod
    def twin(self) -> ExactTwin | None:
        """The model's exact density, if it has one."""


def set_fields(model: Model, declaration: Declaration, about: About | None, **fields: Any) -> None:
    """Set the fields of a model that is being made; it is frozen otherwise.

    Raises:
        ModelError: if what is said about it is about other parameters.
    """
    if about is not None:
        about.require_known(declaration.names, declaration.name)
    vars(model).update(fields, declaration=declaration, about=about)


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
