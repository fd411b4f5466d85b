"""Parameters at which a model is shown if nobody says otherwise."""

from __future__ import annotations

import math
import re

import numpy as np

from likely.declaration import Declaration, Parameter
from likely.typing import FloatArray

SHARES = (0.25, 0.5, 0.75)  # of the box: low, middle, high
USUAL_SHIFT = (0.1, 0.5)  # seconds: low and high non-decision time, where the box allows
ABOVE_ZERO = 7 / 12  # share of a box around 0 in place of its middle, where nothing would happen
APART = 0.15  # share of the box by which members of a family such as v0, v1 differ from its middle
WIDE = 8.0  # ratio of limits from which a positive parameter is looked at in logarithms
CANDIDATES = 4096


def typical_row(declaration: Declaration) -> FloatArray:
    """Return a parameter row (p,) that shows what a model does.

    The middle of the box, except that parameters that may have either sign are positive, and
    members of a family such as v0, v1, v2 descend. Where constraints forbid that, the nearest of
    many random rows that they allow.
    """
    row = np.array([_typical(declaration, p) for p in declaration.parameters])
    if declaration.allowed(row[None])[0]:
        return row
    column = declaration.non_decision_column
    candidates = declaration.shaping_rows(np.random.default_rng(0), CANDIDATES)
    if column is not None:
        candidates[:, column] = row[column]
    candidates = candidates[declaration.allowed(candidates)]
    widths = np.array([p.upper - p.lower for p in declaration.parameters])
    distances = ((candidates - row) / widths) ** 2  # an endless box has none
    return np.asarray(candidates[np.argmin(distances.sum(axis=1))])


def rows_of_levels(declaration: Declaration, row: FloatArray, name: str) -> FloatArray:
    """Return rows (at most 3, p) with a low, a middle and a high value of one parameter.

    Args:
        declaration: of the model.
        row: what the other parameters are, (p,).
        name: of the parameter; where constraints leave fewer values, fewer rows.
    """
    column = declaration.names.index(name)
    parameter = declaration.parameters[column]
    rows = np.tile(row, (len(SHARES), 1))
    delays = name == declaration.non_decision
    rows[:, column] = [_level(parameter, share, delays) for share in SHARES]
    return rows[declaration.allowed(rows)]


def _typical(declaration: Declaration, parameter: Parameter) -> float:
    delays = parameter.name == declaration.non_decision
    width = parameter.upper - parameter.lower
    if not delays and abs(parameter.lower + parameter.upper) < 0.1 * width:
        return _level(parameter, ABOVE_ZERO, delays)
    return _level(parameter, 0.5 + APART * _place(declaration, parameter.name), delays)


def _place(declaration: Declaration, name: str) -> float:
    """Return 1 for the first of a family such as v0, v1, v2, -1 for the last, 0 for others."""
    stem = re.sub(r"\d+$", "", name)
    family = [n for n in declaration.names if re.fullmatch(re.escape(stem) + r"\d+", n)]
    if len(family) < 2 or name not in family:
        return 0.0
    return 1.0 - 2.0 * family.index(name) / (len(family) - 1)


def _level(parameter: Parameter, share: float, delays: bool) -> float:
    """Return what lies at a share of the box: of its logarithm, if it spans a wide range."""
    lower, upper = parameter.box
    if delays:
        low, high = np.clip(USUAL_SHIFT, lower, upper)
        return float(low + (high - low) * (share - SHARES[0]) / (SHARES[-1] - SHARES[0]))
    if lower > 0.0 and upper > WIDE * lower and not math.isfinite(parameter.support[1]):
        return float(lower * (upper / lower) ** share)
    return lower + (upper - lower) * share
