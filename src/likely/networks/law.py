"""Distributions of decision time and choice in JAX, and what they say of encoded trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from likely.constraints import holds
from likely.declaration import Declaration
from likely.networks.later import jax, jnp, special
from likely.typing import FloatArray

_NONE = -1e30  # stands for -inf where infinity would spoil a gradient


class Law(Protocol):
    """The distribution of decision time and choice at n parameter rows, or one that all share.

    A pytree whose leaves have the rows as their first dimension. Decision times are positive, and
    choices are counted in the order of the declaration.
    """

    def log_density(self, s: jax.Array) -> jax.Array:
        """Log of the joint density of times (n,) and each choice: (n, C)."""
        ...

    def log_survival(self, s: jax.Array) -> jax.Array:
        """Log probability of no decision by times (n,): (n,)."""
        ...

    def log_choices(self) -> jax.Array:
        """Log probability of each choice, (n, C)."""
        ...

    def draws(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw a decision time and the index of a choice at each row: (n,) and (n,)."""
        ...


def all_observed(trials: FloatArray) -> bool:
    """Tell whether all encoded trials (n, 2) have a time and a response."""
    rt, choice = trials.T
    return bool(np.isfinite(rt).all() and not np.isposinf(choice).any())


def coded_log_density(
    declaration: Declaration,
    law: Law,
    onset: jax.Array,
    trials: jax.Array,
    observed: bool = False,
) -> jax.Array:
    """Log density of trials (n, 2), encoded, whose responses begin at `onset` (1,) or (n,): (n,).

    Values that a trial does not need are computed from harmless stand-ins, never from ones that
    would turn the gradient into NaN. Parameters are taken to be within their support. If all trials
    are known to be observed, time and response, no code is made for others.
    """
    rt, choice = trials[:, 0], trials[:, 1]
    timed = ~(jnp.isnan(rt) | jnp.isneginf(rt))
    omitted = jnp.isposinf(choice)
    chosen = _chosen(declaration, choice)
    s = rt - onset
    possible = (s > 0.0) & jnp.isfinite(s)
    safe = jnp.where(timed & possible, s, 1.0)
    value = _over(chosen, law.log_density(safe))
    if not observed:
        value = _where(timed & omitted, lambda: law.log_survival(safe), value)
        value = _where(~timed, lambda: _over(chosen, law.log_choices()), value)
    certain = (omitted & timed & (s <= 0.0)) | (~timed & chosen.all(axis=1))
    value = jnp.where(certain, 0.0, value)
    impossible = ~chosen.any(axis=1) | (timed & ~possible & ~certain) | (value < 0.1 * _NONE)
    return jnp.where(impossible, -jnp.inf, value)


def _over(chosen: jax.Array, each: jax.Array) -> jax.Array:
    """Log of the sum of exp(each) (n, C) over the choices that a trial may have made."""
    return special.logsumexp(jnp.where(chosen, jnp.maximum(each, _NONE), _NONE), axis=1)


def _where(condition: jax.Array, compute: Callable[[], jax.Array], value: jax.Array) -> jax.Array:
    """Replace values where a condition holds; nothing is computed if it holds nowhere."""
    return jax.lax.cond(
        condition.any(), lambda: jnp.where(condition, compute(), value), lambda: value
    )


def _chosen(declaration: Declaration, choice: jax.Array) -> jax.Array:
    """Tell which choices a trial's density sums over, (n, C): one, or all if none was observed."""
    unobserved = jnp.isinf(choice) | jnp.isnan(choice)
    known = jnp.asarray(declaration.choices, choice.dtype)
    return (choice[:, None] == known) | unobserved[:, None]


def onset(declaration: Declaration, theta: jax.Array) -> jax.Array:
    """Return the earliest non-decision times (n,) of parameter rows (n, p)."""
    column = declaration.non_decision_column
    if column is None:
        return jnp.zeros(len(theta), theta.dtype)
    if declaration.spread is None:
        return theta[:, column]
    return theta[:, column] - theta[:, declaration.names.index(declaration.spread)]


def supported(declaration: Declaration, theta: jax.Array) -> jax.Array:
    """Tell of each parameter row (n, p) whether supports and constraints hold: (n,)."""
    lower = jnp.asarray([p.support[0] for p in declaration.parameters])
    upper = jnp.asarray([p.support[1] for p in declaration.parameters])
    inside = ((theta >= lower) & (theta <= upper)).all(axis=-1)
    values = dict(zip(declaration.names, theta.T, strict=True))
    for constraint in declaration.constraints:
        inside &= holds(constraint, values)
    return inside
