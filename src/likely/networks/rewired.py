"""The density of a model that is a special case of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax

from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.networks.in_jax import LawDensity
from likely.networks.inverse_gaussian import Mixture
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wiring, wired, wiring_from_json, wiring_to_json


@dataclass(frozen=True)
class RewiredDensity(LawDensity):
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
