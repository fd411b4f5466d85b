"""What keeps samplers within the box that a likelihood was trained on.

Outside it a network extrapolates, and far outside it stands still. A chain that gets there, as some
do early in warm-up, may find a maximum that is none of the model's, and stay. So the log density
that samplers see falls with the distance from the box. Within the box, and close to it, nothing
changes; nor do a likelihood's own methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from likely.declaration import Declaration, Parameter
from likely.likelihood import Likelihood
from likely.networks.mixture import WIDE
from likely.shipped import CLOSED_FORM

MARGIN = 0.1  # of half the box, by which parameters may leave it freely
STEEP = 20.0  # log density that a trial loses for each half of a box farther on
BEND = 0.1  # halves of a box over which it gets so steep
NEAREST = 1e-3  # share of the lower end down to which distance grows


def restraint(likelihood: Likelihood, parameters: Sequence[TensorVariable]) -> TensorVariable:
    """Return what is added to a trial's log density: 0 within the box, less outside.

    Args:
        likelihood: whose box it is. Closed forms hold everywhere, and so are their non-decision
            time and its spread.
        parameters: one tensor for each parameter of the model.

    Returns:
        At most 0, of the shape of those tensors together.
    """
    declaration, total = likelihood.declaration, pt.constant(0.0)
    if likelihood.training.labels == CLOSED_FORM:
        return total
    for declared, value in zip(declaration.parameters, parameters, strict=True):
        if _learned(declaration, declared):
            total = total - STEEP * _bent(_excess(declared, value) - MARGIN)
    return total


def _learned(declaration: Declaration, parameter: Parameter) -> bool:
    """Whether a network has seen a parameter within its box only."""
    exact = (declaration.non_decision, declaration.spread)
    return parameter.name not in exact and math.isfinite(parameter.upper)


def _excess(declared: Parameter, value: TensorVariable) -> TensorVariable:
    """Return how far outside its box a value lies, in halves of the box; negative inside."""
    lower, upper = declared.box
    half = 0.5 * (upper - lower)
    below = (lower - value) / half
    # Distance is one of ratios below boxes whose parameter enters networks by its logarithm.
    if lower > 0.0 and upper > WIDE * lower:
        below = (lower / pt.maximum(value, NEAREST * lower) - 1.0) / (0.5 * math.log(upper / lower))
    return pt.maximum(below, (value - upper) / half)


def _bent(distance: TensorVariable) -> TensorVariable:
    """Return 0 for negative distances, and a hyperbola that ends as a straight line."""
    return pt.sqrt(pt.maximum(distance, 0.0) ** 2 + BEND**2) - BEND
