"""JAX, imported when it is first used: it takes seconds, and compiled code does without.

Modules that most likelihoods need take `jax`, `jnp` and `special` from here. What needs JAX when it
is imported, as `jax.custom_jvp` of a function does, has modules of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["jax", "jitted", "jnp", "special"]


class _Later:
    """What stands for a module until, and after, something of it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Return what the module has by that name."""
        return getattr(import_module(self._name), name)


if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import jax.scipy.special as special
else:
    jax, jnp, special = map(_Later, ("jax", "jax.numpy", "jax.scipy.special"))


def jitted[R](*static: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return what decorates a function as `jax.jit` does, when it is first called.

    Args:
        static: places of the arguments for whose values it is compiled, not for their shapes alone.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        compiled = cache(lambda: jax.jit(function, static_argnums=static))

        @wraps(function)
        def call(*arguments: Any) -> R:
            return compiled()(*arguments)

        return call

    return decorate
