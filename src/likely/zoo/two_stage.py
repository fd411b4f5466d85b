"""Choices among four options in two stages: in parallel, in sequence, or one hampered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import itemgetter

from likely.about import About
from likely.declaration import Parameter
from likely.densities.constant import WienerPassage
from likely.densities.linear import LinearTwin
from likely.densities.twin import ExactTwin, FirstPassage
from likely.densities.two_stage import ParallelTwin, SequentialTwin
from likely.two_stage import PARALLEL, SEQUENTIAL, Order, Stage, TwoStage, mixed
from likely.typing import FloatArray
from likely.zoo.boundaries import constant_boundary, linear_boundary
from likely.zoo.collapsing import ANGLE, LINEAR
from likely.zoo.diffusion import CONSTANT, NEARER_BOUNDARY, NON_DECISION


def high_drift(vh: float) -> float:
    """Drift of the decision between the branches."""
    return vh


def low_drift_1(vl1: float) -> float:
    """Drift of the decision within the lower branch."""
    return vl1


def low_drift_2(vl2: float) -> float:
    """Drift of the decision within the upper branch."""
    return vl2


def high_start(zh: float) -> float:
    """Start of the decision between the branches."""
    return 2.0 * zh - 1.0


def low_start_1(zl1: float) -> float:
    """Start of the decision within the lower branch."""
    return 2.0 * zl1 - 1.0


def low_start_2(zl2: float) -> float:
    """Start of the decision within the upper branch."""
    return 2.0 * zl2 - 1.0


def spared(d: float) -> float:
    """Share of low-level drift that is left before the branch is chosen."""
    return 1.0 - d


_HIGH = Stage(high_drift, high_start)
_LOW = (Stage(low_drift_1, low_start_1), Stage(low_drift_2, low_start_2))
_HIGH_UNBIASED = Stage(high_drift)
_LOW_UNBIASED = (Stage(low_drift_1), Stage(low_drift_2))

_DRIFTS = {
    "vh": Parameter("vh", -4.0, 4.0, unit="1/s", description="drift between the branches"),
    "vl1": Parameter("vl1", -4.0, 4.0, unit="1/s", description="drift within the lower branch"),
    "vl2": Parameter("vl2", -4.0, 4.0, unit="1/s", description="drift within the upper branch"),
}
_BOUNDARY = {"a": NEARER_BOUNDARY}
_STARTS = {
    "zh": Parameter("zh", 0.2, 0.8, (0.0, 1.0), description="start between the branches"),
    "zl1": Parameter("zl1", 0.2, 0.8, (0.0, 1.0), description="start within the lower branch"),
    "zl2": Parameter("zl2", 0.2, 0.8, (0.0, 1.0), description="start within the upper branch"),
}
_DAMPING = {
    "d": Parameter(
        "d", 0.0, 1.0, (0.0, 1.0), description="loss of low-level drift before the high decision"
    )
}
_DELAY = {"t": NON_DECISION}

# Rows are vh, vl1, vl2, a, and zh, zl1, zl2 or none of these, then t, and theta if there is one.


def _high(row: FloatArray) -> FirstPassage:
    return WienerPassage(row[0], row[3], row[4])


def _low(row: FloatArray, branch: int) -> FirstPassage:
    return WienerPassage(row[1 + branch], row[3], row[5 + branch])


def _high_midway(row: FloatArray) -> FirstPassage:
    return WienerPassage(row[0], row[3], 0.5)


def _low_midway(row: FloatArray, branch: int) -> FirstPassage:
    return WienerPassage(row[1 + branch], row[3], 0.5)


def _high_falling(row: FloatArray) -> FirstPassage:
    return _falling(row, 0)


def _low_falling(row: FloatArray, branch: int) -> FirstPassage:
    return _falling(row, 1 + branch)


def _falling(row: FloatArray, drift: int) -> FirstPassage:
    twin = LinearTwin(itemgetter(drift), itemgetter(3), slope=_slope, start=_midway)
    return twin.solve(row)


def _slope(row: FloatArray) -> float:
    return math.tan(row[-1])


def _midway(row: FloatArray) -> float:
    return 0.0


SOURCE = (
    "Fengler, Bera, Pedersen and Frank (2022), Journal of Cognitive Neuroscience 34, 1780-1805; "
    "ssm-simulators"
)
_EVIDENCE = "dh = vh ds + dW, dl = vl ds + dW', vl = vl1 or vl2 as h ends at -b or b"
_STARTING = "h(0) = (2 zh - 1) b(0), l = (2 zl - 1) b at its start"
_CHOICE = "choice 2 [h ends at b] + [l ends at b]"

_PURPOSE = (
    "Choices among four options that fall into two branches, such as a rule and then a response: "
)
_IDLE = "nothing is known of a branch that is hardly ever chosen"


def _about(how: str, *equations: str) -> About:
    return About(
        purpose=f"{_PURPOSE}{how}.",
        equations=equations,
        source=SOURCE,
        hard={"vl1": _IDLE, "vl2": _IDLE},
    )


_AT_ONCE = "both are decided at once, and the later ends the trial"
_IN_TURN = "one is decided after the other"
_HAMPERED = "both are decided at once, but the second needs the evidence of the first"
_PARALLEL = (_EVIDENCE, "rt = t + max(s of h, s of l), both from 0", _STARTING, _CHOICE)
_SEQUENTIAL = (_EVIDENCE, "l starts where h ends; rt = t + s at the end of l", _STARTING, _CHOICE)
_MIXED = (
    _EVIDENCE,
    "before h ends, vl times (1 - d) times the share of h: (b - h) / 2b or (b + h) / 2b",
    "rt = t + max(s of h, s of l), both from 0",
    _STARTING,
    _CHOICE,
)


_Kind = tuple[Order, str, tuple[str, ...], Mapping[str, Parameter]]


def _biased(
    name: str,
    order: Order,
    how: str,
    equations: tuple[str, ...],
    more: Mapping[str, Parameter],
    twin: ExactTwin | None,
) -> TwoStage:
    """Declare a model whose boundaries are constant and whose starts are free."""
    return TwoStage(
        name,
        parameters={**_DRIFTS, **_BOUNDARY, **_STARTS, **more, **_DELAY},
        order=order,
        boundary=constant_boundary,
        high=_HIGH,
        low=_LOW,
        twin=twin,
        about=_about(how, *equations, CONSTANT),
    )


def _unbiased(
    name: str,
    order: Order,
    how: str,
    equations: tuple[str, ...],
    more: Mapping[str, Parameter],
    twins: tuple[ExactTwin | None, ExactTwin | None],
) -> tuple[TwoStage, TwoStage]:
    """Declare models that start midway, with constant and with linear boundaries."""
    parameters = {**_DRIFTS, **_BOUNDARY, **more, **_DELAY}
    level, falling = twins
    return (
        TwoStage(
            f"{name}_no_bias",
            parameters=parameters,
            order=order,
            boundary=constant_boundary,
            high=_HIGH_UNBIASED,
            low=_LOW_UNBIASED,
            twin=level,
            about=_about(f"{how}; without bias", *equations, CONSTANT),
        ),
        TwoStage(
            f"{name}_angle_no_bias",
            parameters={**parameters, "theta": ANGLE},
            order=order,
            boundary=linear_boundary,
            high=_HIGH_UNBIASED,
            low=_LOW_UNBIASED,
            twin=falling,
            about=_about(f"{how}; without bias, and with waning caution", *equations, LINEAR),
        ),
    )


_PAR2: _Kind = (PARALLEL, _AT_ONCE, _PARALLEL, {})
ddm_par2 = _biased("ddm_par2", *_PAR2, ParallelTwin(_high, _low))
ddm_par2_no_bias, ddm_par2_angle_no_bias = _unbiased(
    "ddm_par2",
    *_PAR2,
    (ParallelTwin(_high_midway, _low_midway), ParallelTwin(_high_falling, _low_falling)),
)

_SEQ2: _Kind = (SEQUENTIAL, _IN_TURN, _SEQUENTIAL, {})
ddm_seq2 = _biased("ddm_seq2", *_SEQ2, SequentialTwin(_high, _low))
# Where boundaries fall, the second decision depends on when it begins.
ddm_seq2_no_bias, ddm_seq2_angle_no_bias = _unbiased(
    "ddm_seq2", *_SEQ2, (SequentialTwin(_high_midway, _low_midway), None)
)

_MIC2: _Kind = (mixed(spared), _HAMPERED, _MIXED, _DAMPING)
ddm_mic2_adj = _biased("ddm_mic2_adj", *_MIC2, None)
ddm_mic2_adj_no_bias, ddm_mic2_adj_angle_no_bias = _unbiased("ddm_mic2_adj", *_MIC2, (None, None))

TWO_STAGE = (
    ddm_par2,
    ddm_par2_no_bias,
    ddm_par2_angle_no_bias,
    ddm_seq2,
    ddm_seq2_no_bias,
    ddm_seq2_angle_no_bias,
    ddm_mic2_adj,
    ddm_mic2_adj_no_bias,
    ddm_mic2_adj_angle_no_bias,
)
