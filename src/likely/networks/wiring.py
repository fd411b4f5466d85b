"""Which parameters of a model its parts have: accumulators of a race, stages of a decision."""

from __future__ import annotations

from typing import Any

from likely.declaration import Declaration
from likely.declaration_json import typed
from likely.errors import FileFormatError
from likely.networks.later import jax, jnp

Wire = str | float
"""What one parameter of a part is: a parameter of the model, by name, or a number."""

Wiring = tuple[tuple[Wire, ...], ...]
"""The wires of each part."""


def wired(declaration: Declaration, wires: tuple[Wire, ...], theta: jax.Array) -> jax.Array:
    """Return the parameters (n, m) of a part at the model's parameter rows (n, p)."""
    columns = [
        theta[:, declaration.names.index(wire)]
        if isinstance(wire, str)
        else jnp.full(len(theta), wire, theta.dtype)
        for wire in wires
    ]
    return jnp.stack(columns, axis=-1)


def wiring_from_json(declaration: Declaration, given: Any) -> Wiring:
    """Return the wiring that JSON values describe.

    Raises:
        FileFormatError: if a part is wired to what is no parameter.
        TypeError: if a wire is neither a name nor a number.
    """
    return tuple(tuple(_wire(declaration, wire) for wire in wires) for wires in given)


def wiring_to_json(wiring: Wiring) -> list[list[Wire]]:
    """Return a wiring as JSON values."""
    return [list(wires) for wires in wiring]


def _wire(declaration: Declaration, given: Any) -> Wire:
    if isinstance(given, str):
        if given not in declaration.names:
            raise FileFormatError(f"a part is wired to '{given}', which is no parameter.")
        return given
    return float(typed(int | float, given))
