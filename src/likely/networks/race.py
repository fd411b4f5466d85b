"""The density of a race of independent accumulators, from the density of one of them.

The first accumulator to finish decides, so that p(s, c) = f_c(s) prod_{j != c} S_j(s). The density
f and survival S of one are a closed form, or a network that has learnt it: accumulators are alike
but for their parameters, so that one network serves any number of them, and races of 2, 3 and 4 are
equally exact. Races have compiled code, unless the form of their accumulators has none.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from likely.constraints import compiled
from likely.declaration import Declaration
from likely.kernels.abreast import Accumulator
from likely.kernels.closed_race import Race, closed_race, pack_closed_race
from likely.kernels.native import Kernels, Packed
from likely.kernels.perceptron import transposed
from likely.kernels.race_mixture import Wires, pack_race, race_draws
from likely.kernels.race_pullback import race_pullback
from likely.networks.accumulators import form_from_specification
from likely.networks.in_jax import WrittenInJax
from likely.networks.in_numba import CompiledDensity, is_plain
from likely.networks.later import jax, jnp
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wiring, wired, wiring_from_json, wiring_to_json
from likely.typing import FloatArray

if TYPE_CHECKING:
    from likely.networks.race_law import RaceLaw


class AccumulatorForm(abc.ABC):
    """The form of the finishing time of one accumulator, given parameters of its own, in JAX.

    To add one, write a frozen, hashable dataclass that defines everything below, and add it to
    `likely.networks.accumulators.FORMS`. Arrays of any shape (...) are finishing times s > 0;
    `state` turns parameters (..., m) into whatever does not depend on time, a pytree whose leaves
    begin with the dimensions (...). Logarithms are finite, so that they can be subtracted.
    """

    @property
    @abc.abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight array; none for a closed form."""

    @abc.abstractmethod
    def specification(self) -> dict[str, Any]:
        """Return what is needed to build this form again, for JSON."""

    @abc.abstractmethod
    def state(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> Any:
        """Return what does not depend on time, from weights and parameters (..., m)."""

    @abc.abstractmethod
    def log_density(self, state: Any, s: jax.Array) -> jax.Array:
        """Log density of finishing at s (...): (...)."""

    @abc.abstractmethod
    def log_survival(self, state: Any, s: jax.Array) -> jax.Array:
        """Log probability of not having finished by s (...): (...)."""

    @abc.abstractmethod
    def draws(self, state: Any, key: jax.Array) -> jax.Array:
        """Draw a finishing time for each of the parameters: (...)."""


class CompiledForm(AccumulatorForm):
    """The form of an accumulator whose races have compiled code.

    To add one, derive it from one of the two forms below, or define what they do.
    """

    @abc.abstractmethod
    def compiles(self, declaration: Declaration) -> bool:
        """Whether the compiled code knows all that is declared."""

    @property
    @abc.abstractmethod
    def kernels(self) -> Kernels:
        """The loops of the compiled code."""

    @abc.abstractmethod
    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return weights as the compiled code wants them."""

    @abc.abstractmethod
    def packed(self, declaration: Declaration, wires: Wires) -> Packed:
        """Return what compiled code must know of a race of accumulators wired so."""


class MixtureForm(CompiledForm):
    """The form of an accumulator whose finishing time is a mixture with a network, of one choice.

    To add one, define what an `AccumulatorForm` must, and `mixture`, whose weights are the form's.
    """

    mixture: MixtureDensity

    def compiles(self, declaration: Declaration) -> bool:
        """Whether nothing is constrained or spread."""
        return is_plain(declaration)

    @property
    def kernels(self) -> Kernels:
        """The loops for mixtures of so many terms."""
        return Kernels(race_pullback(self.mixture.components), race_draws)

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return them, and after them the same with transposed kernels."""
        return np.concatenate([weights, transposed(weights, self.mixture.sizes)])

    def packed(self, declaration: Declaration, wires: Wires) -> Packed:
        """Return wires and the layout of the mixture."""
        return pack_race(wires, self.mixture.packed)


class ClosedForm(CompiledForm):
    """The form of an accumulator without a network that has compiled functions of its own.

    To add one, define what an `AccumulatorForm` must, `accumulator` and `fixed`.
    """

    @property
    @abc.abstractmethod
    def accumulator(self) -> Accumulator:
        """The compiled functions, module-level ones."""

    @property
    @abc.abstractmethod
    def fixed(self) -> tuple[float, ...]:
        """Numbers that they are given besides parameters."""

    def compiles(self, declaration: Declaration) -> bool:
        """Whether nothing is spread."""
        return declaration.spread is None

    @property
    def kernels(self) -> Kernels:
        """The loops for such accumulators."""
        return closed_race(self.accumulator)

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return them as they are: there are none."""
        return weights

    def packed(self, declaration: Declaration, wires: Wires) -> Packed:
        """Return wires, constraints and the form's numbers."""
        program = compiled(declaration.constraints, declaration.names)
        return pack_closed_race(Race(wires, program, np.array(self.fixed, dtype=np.float64)))


@dataclass(frozen=True)
class RaceDensity(WrittenInJax, CompiledDensity):
    """Form of the density of a race.

    Args:
        declaration: the model's names, box and choices.
        form: of the accumulators.
        wiring: for each choice, what the parameters of its accumulator are.
    """

    declaration: Declaration
    form: AccumulatorForm
    wiring: Wiring

    @classmethod
    def from_specification(cls, declaration: Declaration, given: Mapping[str, Any]) -> RaceDensity:
        """Build the race that `specification` describes.

        Raises:
            FileFormatError: if there is no such accumulator, or one is wired to no parameter.
        """
        form = form_from_specification(given["accumulator"])
        return cls(declaration, form, wiring_from_json(declaration, given["wiring"]))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weight arrays."""
        return self.form.shapes

    def specification(self) -> dict[str, Any]:
        """Return the form of the accumulators, and how they are wired."""
        return {
            "accumulator": self.form.specification(),
            "wiring": wiring_to_json(self.wiring),
        }

    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> RaceLaw:
        """Return the law at parameter rows (n, p)."""
        from likely.networks.race_law import RaceLaw

        own = [wired(self.declaration, wires, theta) for wires in self.wiring]
        return RaceLaw(self.form, self.form.state(arrays, jnp.stack(own, axis=1)))

    @property
    def compilable(self) -> bool:
        """Whether the form of its accumulators has compiled code that knows its declaration."""
        return isinstance(self.form, CompiledForm) and self.form.compiles(self.declaration)

    @property
    def kernels(self) -> Kernels:
        """The loops of its compiled code, if it has any."""
        return self._compiled_form.kernels

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return weights as compiled code wants them, or, without any, as they are."""
        return self._compiled_form.prepared(weights) if self.compilable else weights

    @functools.cached_property
    def packed(self) -> Packed:
        """What compiled code must know, if there is any."""
        names, column = self.declaration.names, self.declaration.non_decision_column
        columns = [[names.index(w) if isinstance(w, str) else -1 for w in ws] for ws in self.wiring]
        constants = [[0.0 if isinstance(w, str) else w for w in ws] for ws in self.wiring]
        wires = Wires(
            columns=np.array(columns, dtype=np.int64),
            constants=np.array(constants, dtype=np.float64),
            support=np.array([p.support for p in self.declaration.parameters]),
            choices=np.array(self.declaration.choices, dtype=np.float64),
            non_decision=-1 if column is None else column,
        )
        return self._compiled_form.packed(self.declaration, wires)

    @property
    def _compiled_form(self) -> CompiledForm:
        assert isinstance(self.form, CompiledForm)
        return self.form

    def unanswerable(self, trials: FloatArray) -> str | None:
        """Return None: it knows densities, choice probabilities and survival."""
        return None
