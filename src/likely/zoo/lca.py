"""Leaky, competing accumulators (Usher and McClelland 2001).

Names and order of parameters are those of ssm-simulators. By the start: `lca_n` has one for each
accumulator, `lca_no_bias_n` one for all, `lca_no_z_n` starts at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from likely.about import About
from likely.declaration import Parameter
from likely.races import Race
from likely.zoo.boundaries import constant_boundary, linear_boundary
from likely.zoo.diffusion import NON_DECISION, POSITIVE
from likely.zoo.race import (
    ANGLE,
    CONSTANT,
    ENDING,
    LINEAR,
    NO_START,
    ONE_START,
    OWN_STARTS,
    SHARED_START,
    named,
    starts,
)

SIZES = (3, 4)

BOUNDARY = Parameter("a", 1.0, 3.0, POSITIVE, description="boundary")
LEAK = Parameter("g", -1.0, 1.0, unit="1/s", description="leak; below 0 evidence feeds itself")
INHIBITION = Parameter(
    "b", -1.0, 1.0, unit="1/s", description="inhibition by each other accumulator"
)
WIDE_ANGLE = replace(ANGLE, lower=-1.0)  # as in ssm-simulators with three accumulators

_RISING = (
    " Where theta is below 0 boundaries rise, and decisions may never end. The likelihood knows of "
    "no such trials: densities of times are right there, but its choice probabilities and draws "
    "give them to some choice, ages later."
)
_UNCERTAIN = (
    "leak and inhibition are not recovered reliably from choices and response times (Miletić, "
    "Turner, Forstmann and van Maanen 2017, Journal of Mathematical Psychology 76, 25-50)"
)


def competing_drift(x: float, others: float, v: float, g: float, b: float) -> float:
    """Drift that the evidence itself takes from, at rate g, and that of the others, at rate b."""
    return v - g * x - b * others


def _drifts(count: int) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(f"v{i}", 0.0, 2.5, unit="1/s", description=f"input of accumulator {i}")
        for i in range(count)
    )


def _lca(
    name: str,
    count: int,
    start: tuple[Parameter, ...],
    where: str,
    *,
    boundary: Callable[..., float] = constant_boundary,
    angle: tuple[Parameter, ...] = (),
    remark: str = "",
) -> Race:
    """Return a model by its starting points and what its boundary takes beside a."""
    parameters = (*_drifts(count), BOUNDARY, *start, LEAK, INHIBITION, NON_DECISION, *angle)
    return Race(
        name,
        accumulators=count,
        parameters=named(*parameters),
        drift=competing_drift,
        boundary=boundary,
        about=About(
            purpose=f"Decisions between {count} options whose accumulators of noisy evidence leak "
            f"and inhibit each other.{remark}",
            equations=(
                "dx_i = (v_i - g x_i - b Σ_{j≠i} x_j) ds + dW_i, reflected at 0",
                LINEAR if angle else CONSTANT,
                where,
                ENDING,
            ),
            source="Usher and McClelland (2001), Psychological Review 108, 550-592",
            hard={"g": _UNCERTAIN, "b": _UNCERTAIN},
        ),
    )


def _angle_lca(
    name: str, count: int, start: tuple[Parameter, ...], where: str, angle: Parameter
) -> Race:
    """Return a model whose boundary falls on a straight line."""
    remark = _RISING if angle is WIDE_ANGLE else ""
    return _lca(name, count, start, where, boundary=linear_boundary, angle=(angle,), remark=remark)


LCA = (
    *(_lca(f"lca_{n}", n, starts(n), OWN_STARTS) for n in SIZES),
    *(_lca(f"lca_no_bias_{n}", n, (SHARED_START,), ONE_START) for n in SIZES),
    *(_lca(f"lca_no_z_{n}", n, (), NO_START) for n in SIZES),
    _angle_lca("lca_no_bias_angle_3", 3, (SHARED_START,), ONE_START, WIDE_ANGLE),
    _angle_lca("lca_no_bias_angle_4", 4, (SHARED_START,), ONE_START, ANGLE),
    _angle_lca("lca_no_z_angle_3", 3, (), NO_START, WIDE_ANGLE),
    _angle_lca("lca_no_z_angle_4", 4, (), NO_START, ANGLE),
)
