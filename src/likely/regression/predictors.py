"""Linear predictors: one parameter of a model as a function of the trial, with its priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from likely.declaration import Parameter
from likely.errors import ParameterError, unknown
from likely.regression.design import INTERCEPT, Design
from likely.regression.links import Link
from likely.typing import FloatArray

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable


@dataclass(frozen=True)
class Prior:
    """A normal prior of one coefficient, on the scale of the link.

    Args:
        coefficient: such as "v_coherence".
        mean: finite.
        sd: positive and finite.

    Raises:
        ParameterError: if mean or sd cannot be.
    """

    coefficient: str
    mean: float
    sd: float

    def __post_init__(self) -> None:
        """Refuse what is no normal distribution."""
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ParameterError(
                f"prior of '{self.coefficient}': mean {self.mean:g} and sd {self.sd:g} must be "
                "finite, and the sd positive."
            )


@dataclass(frozen=True, eq=False)
class Predictor:
    """A parameter on its link's scale: the rows of a design times coefficients.

    Args:
        parameter: the parameter's name.
        design: the design matrix (n trials, k columns).
        link: from the parameter to the linear predictor.
        priors: one for each column of the design.
    """

    parameter: str
    design: Design
    link: Link
    priors: tuple[Prior, ...]

    def tensor(self) -> TensorVariable:
        """Add coefficients to the PyMC model on the stack and return the parameter.

        Returns:
            A scalar, named after the parameter, if it is the same in all trials; else (n,).
        """
        import pymc as pm
        import pytensor.tensor as pt

        coefficients = [pm.Normal(p.coefficient, p.mean, p.sd) for p in self.priors]
        if self.design.intercept_only:
            value = self.link.inverse_tensor(coefficients[0])
            return pm.Deterministic(self.parameter, value)
        predictor = pt.dot(self.design.rows, pt.stack(coefficients))
        return self.link.inverse_tensor(predictor)[self.design.index]

    def values(self, coefficients: Mapping[str, FloatArray]) -> FloatArray:
        """Return the parameter for each of m distinct rows, (draws, m).

        Args:
            coefficients: name -> (draws,); others than this predictor's are ignored.
        """
        columns = [coefficients[p.coefficient] for p in self.priors]
        return self.link.inverse(np.stack(columns, axis=1) @ self.design.rows.T)

    def start(self) -> FloatArray:
        """Return the parameter of each trial (n,) with all coefficients at prior means."""
        means = {p.coefficient: np.array([p.mean]) for p in self.priors}
        return self.values(means)[0, self.design.index]


def priors_over_box(
    parameter: Parameter, link: Link, design: Design, fastest: float | None
) -> tuple[Prior, ...]:
    """Return weakly informative normal priors, one a column of the design.

    They are centred on the middle of the box, on the scale of the link, and so wide that two
    standard deviations of each term reach the box's ends: of the intercept by itself, and of every
    other column at half its range (at its largest absolute value if there is no intercept). A
    parameter without an upper limit is taken to lie around half the fastest response time.

    Args:
        parameter: the parameter with its box and support.
        link: its link.
        design: its design.
        fastest: the shortest response time in seconds, if any was observed.
    """
    centre, sd = _middle_and_spread(parameter, link, fastest)
    matrix = design.rows
    if INTERCEPT in design.labels:
        means = np.where(np.array(design.labels) == INTERCEPT, centre, 0.0)
        half_range = 0.5 * (matrix.max(axis=0) - matrix.min(axis=0))
        scale = np.where(np.array(design.labels) == INTERCEPT, 1.0, half_range)
    else:
        means = _means_without_intercept(matrix, centre)
        scale = np.abs(matrix).max(axis=0)
    names = [coefficient_name(parameter.name, label) for label in design.labels]
    return tuple(
        Prior(name, float(mean), float(sd / s))
        for name, mean, s in zip(names, means, scale, strict=True)
    )


def with_priors(
    defaults: tuple[Prior, ...], given: Mapping[str, tuple[float, float]]
) -> tuple[Prior, ...]:
    """Return the priors with mean and sd replaced where they are given by name."""
    return tuple(Prior(p.coefficient, *given.get(p.coefficient, (p.mean, p.sd))) for p in defaults)


def require_known_priors(
    given: Mapping[str, tuple[float, float]], predictors: tuple[Predictor, ...]
) -> None:
    """Raise ParameterError if a prior is given for a coefficient that does not exist."""
    known = [prior.coefficient for p in predictors for prior in p.priors]
    for name in given:
        if name not in known:
            raise ParameterError(unknown("coefficient", name, known))


def coefficient_name(parameter: str, label: str) -> str:
    """Return the name of a coefficient; netCDF keeps the slash for itself."""
    return f"{parameter}_{label.replace('/', '|')}"


def _middle_and_spread(
    parameter: Parameter, link: Link, fastest: float | None
) -> tuple[float, float]:
    """Return mean and sd of a normal distribution over the box, on the scale of the link."""
    lower, upper = parameter.box
    if not math.isfinite(upper):
        origin = parameter.support[0] if math.isfinite(parameter.support[0]) else lower
        return link.forward(origin + 0.5 * (1.0 if fastest is None else fastest - origin)), 0.7
    margin = 0.05 * (upper - lower)  # links reach infinity at the ends of the support
    low = link.forward(max(lower, parameter.support[0] + margin))
    high = link.forward(min(upper, parameter.support[1] - margin))
    return 0.5 * (low + high), 0.25 * abs(high - low)


def _means_without_intercept(matrix: FloatArray, centre: float) -> FloatArray:
    """Return coefficients that make every row `centre`, as indicator columns can; otherwise 0."""
    target = np.full(len(matrix), centre)
    means = np.linalg.lstsq(matrix, target)[0]
    if np.allclose(matrix @ means, target, rtol=1e-9, atol=1e-9):
        return means + 0.0  # no negative zeros
    return np.zeros(matrix.shape[1])
