"""Where a PyMC model asks likelihoods for the density of its trials, at any posterior draw.

The log density of trials is one operation in the graph of a model's log probability, whatever is
built around it: regressions, lapses, potentials, several experiments. Cutting the graph there gives
parameters and trials on one side, and on the other the model's log likelihood as a function of the
trials' log densities, whoever says what these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors

from likely.distribution import TrialsRV
from likely.errors import ModelError
from likely.ops import TrialLogDensity
from likely.plain_models import untransformed
from likely.typing import FloatArray

# Compiling takes longer than a few hundred evaluations of what surrounds the compiled densities.
MODE = "FAST_COMPILE"

Point = Mapping[str, Any]
"""Free variable -> its value, not transformed."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a likelihood was asked at one point, and what it said.

    Args:
        rows: distinct parameter rows (m, p).
        which: the row of each trial (n,).
        log_density: of each trial (n,).
    """

    rows: FloatArray
    which: np.ndarray
    log_density: FloatArray


class Sites:
    """All places in a PyMC model where trials are judged.

    Args:
        model: the PyMC model.

    Attributes:
        free: free variable -> the type of its value.
        declarations: of the likelihood at each site.

    Raises:
        ModelError: if no likelihood judges observed trials in it.
    """

    def __init__(self, model: pm.Model) -> None:
        plain = untransformed(model)
        _require_data(plain)
        names = {variable.name: plain.rvs_to_values[variable] for variable in plain.free_RVs}
        total = pt.as_tensor(plain.logp(vars=[*plain.observed_RVs, *plain.potentials], sum=True))
        nodes = _nodes(total)
        free = list(names.values())
        densities = [node.outputs[0] for node in nodes]
        told = [pt.dvector() for _ in nodes]
        by_told = graph_replace(total, dict(zip(densities, told, strict=True)), strict=False)
        self.free = {name: value.type for name, value in names.items()}
        self.declarations = tuple(node.op.density.declaration for node in nodes)
        self._trials = _compiled(free, [node.inputs[2] for node in nodes])
        self._ask = _compiled(
            free, [x for n in nodes for x in (n.inputs[1], n.inputs[3], n.outputs[0])]
        )
        self._tell = _compiled([*free, *told], [by_told])

    def trials(self, point: Point) -> list[FloatArray]:
        """Return the encoded trials (n, 2) of each site; any point will do."""
        return [np.array(x, order="C") for x in self._trials(*self._values(point))]

    def ask(self, point: Point) -> list[Answer]:
        """Return parameters and log densities at each site."""
        found = self._ask(*self._values(point))
        return [_answer(*found[i : i + 3]) for i in range(0, len(found), 3)]

    def log_likelihood(self, point: Point, log_densities: Sequence[FloatArray]) -> float:
        """Return the model's log likelihood, given the log densities (n,) of each site's trials."""
        (value,) = self._tell(*self._values(point), *log_densities)
        return float(value)

    def _values(self, point: Point) -> list[np.ndarray]:
        return [np.asarray(point[name], dtype=kind.dtype) for name, kind in self.free.items()]


def _nodes(total: Any) -> list[Apply]:
    """Return the operations that judge trials, in the order in which they are met."""
    found: list[Apply] = []
    for variable in ancestors([total]):
        node = variable.owner
        if node is not None and isinstance(node.op, TrialLogDensity) and node not in found:
            found.append(node)
    if not found:
        raise ModelError(
            "the PyMC model holds no likelihood with observed trials; give the model that the "
            "draws are from. (Likelihoods that run in JAX only, with networks of other kinds than "
            "ours, cannot be verified.)"
        )
    return found


def _require_data(model: pm.Model) -> None:
    """Raise ModelError unless all trials are data."""
    for variable in model.free_RVs:
        if isinstance(variable.owner.op, TrialsRV):
            raise ModelError(
                f"variable '{variable.name}' holds trials that are not observed; verify a "
                "posterior given observed trials."
            )


def _compiled(inputs: list[Any], outputs: list[Any]) -> Any:
    return pytensor.function(inputs, outputs, mode=MODE, on_unused_input="ignore")


def _answer(theta: FloatArray, index: np.ndarray, log_density: FloatArray) -> Answer:
    n = len(log_density)
    if len(theta) == 1:
        return Answer(np.array(theta), np.zeros(n, dtype=np.int32), np.array(log_density))
    rows, which = np.unique(theta, axis=0, return_inverse=True)
    if len(index):
        which = which[index]
    return Answer(rows, which.astype(np.int32), np.array(log_density))
