"""The density of a model that is a special case of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.kernels.native import Kernels, Packed
from likely.kernels.rewired import draws_caller, gather, pullback_caller, scatter
from likely.networks.in_jax import WrittenInJax
from likely.networks.in_numba import CompiledDensity, is_plain
from likely.networks.inverse_gaussian import Mixture, draw_trials
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wiring, wired, wiring_from_json, wiring_to_json
from likely.typing import FloatArray

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class RewiredDensity(WrittenInJax, CompiledDensity):
    """Form of the density of a special case: a mixture some of whose parameters are tied or fixed.

    Args:
        declaration: the special case's.
        general: the mixture of the general model.
        wiring: what the general model's parameters are, but for the non-decision time; one part.
    """

    declaration: Declaration
    general: MixtureDensity
    wiring: Wiring

    @classmethod
    def from_specification(
        cls, declaration: Declaration, given: Mapping[str, Any]
    ) -> RewiredDensity:
        """Build the form that `specification` describes."""
        general = MixtureDensity.from_specification(
            declaration_from_json(given["general"]), given["general"]["network"]
        )
        return cls(declaration, general, wiring_from_json(declaration, given["wiring"]))

    def specification(self) -> dict[str, Any]:
        """Return the general model, and how its parameters are wired."""
        declared = declaration_to_json(self.general.declaration)
        return {
            "general": {**declared, "network": self.general.specification()},
            "wiring": wiring_to_json(self.wiring),
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weight arrays."""
        return self.general.shapes

    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> Mixture:
        """Return the mixtures at parameter rows (n, p)."""
        rows = wired(self.declaration, self.wiring[0], theta)
        return self.general.law(arrays, rows)

    @property
    def compilable(self) -> bool:
        """Whether nothing is constrained or spread, here and in the general model."""
        return is_plain(self.declaration) and self.general.compilable

    @property
    def kernels(self) -> Kernels:
        """The loops of the general model's compiled code."""
        return self.general.kernels

    @property
    def packed(self) -> Packed:
        """What compiled code must know of the general model."""
        return self.general.packed

    @property
    def wires(self) -> tuple[np.ndarray, FloatArray]:
        """For each parameter of the general model its column here or -1, and its value if fixed."""
        names = self.declaration.names
        columns = [names.index(w) if isinstance(w, str) else -1 for w in self.wiring[0]]
        values = [0.0 if isinstance(w, str) else w for w in self.wiring[0]]
        return np.array(columns, dtype=np.int64), np.array(values, dtype=np.float64)

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return them as the general model wants them."""
        return self.general.prepared(weights)

    def unanswerable(self, trials: FloatArray) -> str | None:
        """Say why encoded trials (n, 2) are of a kind that it cannot judge; None if it can."""
        return self.general.unanswerable(trials)

    def evaluate(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities (n,) and their gradients (n, p)."""
        if not self.compilable:
            return self.evaluate_in_jax(weights, theta, trials)
        columns, fixed = self.wires
        values, slopes = self.general.evaluate(weights, gather(theta, columns, fixed), trials)
        return values, scatter(slopes, columns, theta.shape[1])

    def log_densities(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> FloatArray:
        """Return log densities (n,)."""
        if not self.compilable:
            return super().log_densities(weights, theta, trials)
        return self.general.log_densities(weights, gather(theta, *self.wires), trials)

    def transform(
        self, weights: FloatArray, theta: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        """Return trials (n, 2)."""
        if not self.compilable:
            return super().transform(weights, theta, uniforms, normals)
        return self.general.transform(weights, gather(theta, *self.wires), uniforms, normals)

    def pull(
        self,
        weights: FloatArray,
        theta: FloatArray,
        index: np.ndarray,
        trials: FloatArray,
        cotangents: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities (n,) and the gradient (r, p)."""
        columns, fixed = self.wires
        rows = gather(theta, columns, fixed)
        values, slopes = self.general.pull(weights, rows, index, trials, cotangents)
        return values, scatter(slopes, columns, theta.shape[1])

    def compiled_pullback(self, threads: int = 1) -> Any:
        """Return the numba function(weights, theta, index, trials, cotangents, wanted)."""
        size = len(self.declaration.parameters)
        return pullback_caller(self.general.compiled_pullback(threads), *self.wires, size)

    def compiled_draws(self) -> Any:
        """Return the numba function(weights, theta, uniforms, normals)."""
        return draws_caller(self.general.compiled_draws(), *self.wires)

    def draws(
        self, weights: jax.Array, theta: jax.Array, uniforms: jax.Array, normals: jax.Array
    ) -> jax.Array:
        """Trials (n, 2) from uniforms and normals."""
        law = self.law(self.unflatten(weights), theta)
        return draw_trials(self.declaration, law, theta, uniforms, normals)
