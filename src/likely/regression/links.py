"""Links: monotone maps between a parameter's support and the whole line, where regressions live.

To add one, define `forward`, `inverse` and `inverse_tensor`.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from likely.declaration import Parameter
from likely.errors import ParameterError
from likely.typing import FloatArray

if TYPE_CHECKING:
    import bambi
    from pytensor.tensor.variable import TensorVariable


class Link(abc.ABC):
    """A monotone map from a parameter's support onto the whole line."""

    @abc.abstractmethod
    def forward(self, value: float) -> float:
        """Return the linear predictor at which the parameter has this value."""

    @abc.abstractmethod
    def inverse(self, predictor: FloatArray) -> FloatArray:
        """Return parameter values, same shape as the linear predictor."""

    @abc.abstractmethod
    def inverse_tensor(self, predictor: TensorVariable) -> TensorVariable:
        """Return the same as `inverse`, symbolically."""

    @property
    def limits(self) -> tuple[float, float]:
        """Between which values the parameter lies."""
        return -math.inf, math.inf

    def for_bambi(self) -> bambi.Link:
        """Return the link as Bambi takes it."""
        from bambi.families.link import Link as BambiLink

        return BambiLink(
            str(self),
            link=self.forward,
            linkinv=self.inverse,
            linkinv_backend=self.inverse_tensor,
        )


@dataclass(frozen=True)
class Identity(Link):
    """For parameters that may take any value."""

    def __str__(self) -> str:
        """Name the link."""
        return "identity"

    def forward(self, value: float) -> float:
        """Return the value itself."""
        return value

    def inverse(self, predictor: FloatArray) -> FloatArray:
        """Return the predictor itself."""
        return predictor

    def inverse_tensor(self, predictor: TensorVariable) -> TensorVariable:
        """Return the predictor itself."""
        return predictor


@dataclass(frozen=True)
class Log(Link):
    """For parameters on one side of `origin`: above it, or below it with `sign` -1."""

    origin: float = 0.0
    sign: float = 1.0

    def __str__(self) -> str:
        """Name the link."""
        if self.sign < 0:
            return f"log({self.origin:g} - x)"
        return "log" if self.origin == 0 else f"log(x - {self.origin:g})"

    @property
    def limits(self) -> tuple[float, float]:
        """Between which values the parameter lies."""
        return (self.origin, math.inf) if self.sign > 0 else (-math.inf, self.origin)

    def forward(self, value: float) -> float:
        """Return the logarithm of the distance from the origin."""
        return math.log(self.sign * (value - self.origin))

    def inverse(self, predictor: FloatArray) -> FloatArray:
        """Return the value at the distance exp(predictor) from the origin."""
        with np.errstate(over="ignore"):
            return self.origin + self.sign * np.exp(predictor)

    def inverse_tensor(self, predictor: TensorVariable) -> TensorVariable:
        """Return the value at the distance exp(predictor) from the origin."""
        import pytensor.tensor as pt

        return self.origin + self.sign * pt.exp(predictor)


@dataclass(frozen=True)
class Logit(Link):
    """For parameters between `lower` and `upper`."""

    lower: float = 0.0
    upper: float = 1.0

    def __str__(self) -> str:
        """Name the link."""
        interval = f"({self.lower:g}, {self.upper:g})"
        return "logit" if interval == "(0, 1)" else f"logit on {interval}"

    @property
    def limits(self) -> tuple[float, float]:
        """Between which values the parameter lies."""
        return self.lower, self.upper

    def forward(self, value: float) -> float:
        """Return the log odds of the place between lower and upper."""
        return math.log((value - self.lower) / (self.upper - value))

    def inverse(self, predictor: FloatArray) -> FloatArray:
        """Return the value between lower and upper that has these log odds."""
        share: FloatArray = special.expit(predictor)
        return self.lower + (self.upper - self.lower) * share

    def inverse_tensor(self, predictor: TensorVariable) -> TensorVariable:
        """Return the value between lower and upper that has these log odds."""
        import pytensor.tensor as pt

        return self.lower + (self.upper - self.lower) * pt.sigmoid(predictor)


@dataclass(frozen=True, eq=False)
class LogitByTrial(Link):
    """For parameters between `lower` and a limit of each trial's own, `upper` (n,).

    `forward` is that at the lowest of these limits.
    """

    lower: float
    upper: FloatArray

    def __str__(self) -> str:
        """Name the link."""
        return f"logit on ({self.lower:g}, {self.upper.min():g} to {self.upper.max():g})"

    def forward(self, value: float) -> float:
        """Return the log odds of the place between lower and the lowest upper limit."""
        return Logit(self.lower, float(self.upper.min())).forward(value)

    def inverse(self, predictor: FloatArray) -> FloatArray:
        """Return values of all n trials, the last axis of the predictor.

        Raises:
            ParameterError: if the predictor is of other trials, whose limits are not known.
        """
        if np.shape(predictor)[-1:] not in ((1,), self.upper.shape):
            raise ParameterError(
                f"a parameter has the link '{self}', with limits of the {len(self.upper)} trials "
                f"that were fitted; it has no values for {np.shape(predictor)[-1]} others."
            )
        share: FloatArray = special.expit(predictor)
        return self.lower + (self.upper - self.lower) * share

    def inverse_tensor(self, predictor: TensorVariable) -> TensorVariable:
        """Return values of all n trials, (n,)."""
        import pytensor.tensor as pt

        return self.lower + (self.upper - self.lower) * pt.sigmoid(predictor)


def link_for(parameter: Parameter) -> Link:
    """Return the link that maps the parameter's support onto the whole line."""
    lower, upper = parameter.support
    if math.isfinite(lower) and math.isfinite(upper):
        return Logit(lower, upper)
    if math.isfinite(lower):
        return Log(lower)
    if math.isfinite(upper):
        return Log(upper, -1.0)
    return Identity()
