"""Exact densities, which need no training: series, closed forms and numerical solutions."""

from likely.densities import wiener
from likely.densities.accumulator import Accumulator
from likely.densities.ballistic import FoldedBallistic, NormalBallistic, TruncatedBallistic
from likely.densities.constant import ConstantTwin
from likely.densities.counter import Counter
from likely.densities.delayed import Delayed
from likely.densities.fokker_planck import FokkerPlanckTwin
from likely.densities.full import FullTwin
from likely.densities.linear import LinearTwin
from likely.densities.lognormal import Lognormal
from likely.densities.moving import MovingReflected
from likely.densities.quadrature import refined_quadrature
from likely.densities.race import Race, RaceTwin
from likely.densities.reflected import Reflected
from likely.densities.starts import UniformStart
from likely.densities.twin import ExactTwin, FirstPassage
from likely.densities.two_stage import Parallel, ParallelTwin, Sequential, SequentialTwin
from likely.densities.variability import Averaged, VariableWiener, normal_nodes, uniform_nodes
from likely.densities.wald import Wald

__all__ = [
    "Accumulator",
    "Averaged",
    "ConstantTwin",
    "Counter",
    "Delayed",
    "ExactTwin",
    "FirstPassage",
    "FokkerPlanckTwin",
    "FoldedBallistic",
    "FullTwin",
    "LinearTwin",
    "Lognormal",
    "MovingReflected",
    "NormalBallistic",
    "Parallel",
    "ParallelTwin",
    "Race",
    "RaceTwin",
    "Reflected",
    "Sequential",
    "SequentialTwin",
    "TruncatedBallistic",
    "UniformStart",
    "VariableWiener",
    "Wald",
    "normal_nodes",
    "refined_quadrature",
    "uniform_nodes",
    "wiener",
]
