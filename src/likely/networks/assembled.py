"""Densities of models made of parts that a network knows: what they share."""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from likely.constraints import compiled
from likely.kernels.native import Packed
from likely.kernels.parts import Form, pack_form
from likely.kernels.perceptron import transposed
from likely.networks.in_jax import WrittenInJax
from likely.networks.in_numba import CompiledDensity
from likely.networks.law import Law
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wiring
from likely.typing import FloatArray

if TYPE_CHECKING:
    import jax


class AssembledDensity(WrittenInJax, CompiledDensity):
    """A density given by a law in JAX and, in compiled code, by one made of the same parts.

    To add one, write a frozen, hashable dataclass with `declaration`, `specification`, `part`,
    `parts`, `others`, `law` and `kernels`, and add it to `likely.files.KINDS`.
    """

    @property
    @abc.abstractmethod
    def part(self) -> MixtureDensity:
        """The form of a part."""

    @property
    @abc.abstractmethod
    def parts(self) -> Wiring:
        """What the parameters of each part are."""

    @property
    @abc.abstractmethod
    def others(self) -> tuple[str, ...]:
        """Names of the parameters that the law takes besides the parts, in order."""

    @abc.abstractmethod
    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> Law:
        """Return the law at parameter rows (n, p), given named weights."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weight arrays."""
        return self.part.shapes

    @property
    def compilable(self) -> bool:
        """Always."""
        return True

    @functools.cached_property
    def packed(self) -> Packed:
        """What compiled code must know."""
        names, column = self.declaration.names, self.declaration.non_decision_column
        columns = [[names.index(w) if isinstance(w, str) else -1 for w in ws] for ws in self.parts]
        constants = [[0.0 if isinstance(w, str) else w for w in ws] for ws in self.parts]
        program = compiled(self.declaration.constraints, names)
        form = Form(
            columns=np.array(columns, dtype=np.int64),
            constants=np.array(constants, dtype=np.float64),
            others=np.array([names.index(name) for name in self.others], dtype=np.int64),
            support=np.array([p.support for p in self.declaration.parameters]),
            program=program,
            choices=np.array(self.declaration.choices, dtype=np.float64),
            non_decision=-1 if column is None else column,
            part=self.part.layout,
        )
        return pack_form(form)

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return them, and after them the same with transposed kernels."""
        return np.concatenate([weights, transposed(weights, self.part.sizes)])

    def unanswerable(self, trials: FloatArray) -> str | None:
        """Return None: it knows densities, choice probabilities and survival."""
        return None
