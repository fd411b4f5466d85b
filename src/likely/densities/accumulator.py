"""What races are made of: accumulators that finish at a time of their own, if they do.

To add a kind, define `log_density` and `log_survival`; `race.Race` does the rest.
"""

from __future__ import annotations

import abc
import math

from likely.errors import ParameterError
from likely.typing import FloatArray


class Accumulator(abc.ABC):
    """The distribution of the time at which one accumulator finishes; no choices."""

    @abc.abstractmethod
    def log_density(self, times: FloatArray) -> FloatArray:
        """Log density of finishing at each of the times (n,): (n,).

        -inf where there is none, as at times that are not positive or infinite; never NaN.
        """

    @abc.abstractmethod
    def log_survival(self, times: FloatArray) -> FloatArray:
        """Log probability of not having finished by each of the times (n,): (n,).

        0 at times that are not positive. At infinity, the log probability of never finishing.
        """


def require_finite(what: str, name: str, value: float) -> None:
    """Raise ParameterError unless a parameter of an accumulator is a finite number."""
    if not math.isfinite(value):
        raise ParameterError(f"{what}: {name} is {value!r}; it must be a finite number.")


def require_above(what: str, name: str, value: float, low: float) -> None:
    """Raise ParameterError unless a parameter of an accumulator is finite and above `low`."""
    if not low < value < math.inf:
        raise ParameterError(f"{what}: {name} is {value!r}; it must be finite and above {low:g}.")


def require_start_range(what: str, start_range: float, boundary: float) -> None:
    """Raise ParameterError unless starts from 0 to `start_range` are below the boundary."""
    if not 0.0 <= start_range < boundary:
        raise ParameterError(
            f"{what}: start_range is {start_range!r}; it must be at least 0 and below the boundary "
            f"{boundary:g}."
        )
