"""Mixtures of inverse Gaussians in JAX: log density, survival and draws of trials.

Values that a trial does not need are computed from harmless stand-ins, never from ones that would
turn the gradient into NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, logsumexp

from likely.declaration import Declaration
from likely.kernels.closing import LAST

LOG_TWO_PI = math.log(2.0 * math.pi)


class Mixture(NamedTuple):
    """Log weights, log means and log shapes, each (rows, choices, components), of a mixture.

    It is one of decision times, or of times stretched at closing rates (rows,).
    """

    log_w: jax.Array
    log_mu: jax.Array
    log_lambda: jax.Array
    closing: jax.Array | None = None


def stretch(s: jax.Array, closing: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Return stretched times s / (1 - c s) and the log of their derivative.

    From 1 - c s = `LAST` on they go on linearly, so that no time is impossible.
    """
    if closing is None:
        return s, jnp.zeros_like(s)
    left = 1.0 - closing * s
    inside = left > LAST
    left = jnp.where(inside, left, LAST)
    turn = (1.0 - LAST) / jnp.where(inside, 1.0, closing)
    u = jnp.where(inside, s / left, turn / LAST + (s - turn) / LAST**2)
    return u, -2.0 * jnp.log(left)


def relax(u: jax.Array, closing: jax.Array | None) -> jax.Array:
    """Return the times whose stretched times are u."""
    if closing is None:
        return u
    inside = closing * u < (1.0 - LAST) / LAST
    turn = (1.0 - LAST) / jnp.where(inside, 1.0, closing)
    return jnp.where(inside, u / (1.0 + closing * u), turn + (u - turn / LAST) * LAST**2)


def log_inverse_gaussian(s: jax.Array, log_mu: jax.Array, log_lambda: jax.Array) -> jax.Array:
    """Log density of the inverse Gaussian at s > 0."""
    root = jnp.sqrt(s)
    excess = root * jnp.exp(-log_mu) - 1.0 / root  # its square does not overflow in float32
    exponent = 0.5 * jnp.exp(log_lambda) * excess * excess
    return 0.5 * (log_lambda - LOG_TWO_PI - 3.0 * jnp.log(s)) - exponent


def log_survival(s: jax.Array, log_mu: jax.Array, log_lambda: jax.Array) -> jax.Array:
    """Log probability that an inverse Gaussian time exceeds s > 0.

    As in `likely.kernels.inverse_gaussian`, tails are scaled before they are subtracted.
    """
    root = jnp.exp(0.5 * log_lambda) / jnp.sqrt(s)
    scaled = s * jnp.exp(-log_mu)
    early, late = root * (scaled - 1.0), root * (scaled + 1.0)
    difference = jnp.minimum(_log_scaled_tail(late) - _log_scaled_tail(early), -1e-15)
    return log_ndtr(-early) + jnp.log(-jnp.expm1(difference))


def _log_scaled_tail(y: jax.Array) -> jax.Array:
    """Log of exp(y^2 / 2) P(Z > y) for a standard normal Z."""
    far = 20.0 if y.dtype == jnp.float64 else 8.0
    near = jnp.minimum(y, far)
    large = jnp.maximum(y, far)
    w = 1.0 / (large * large)
    series = 1.0 - w * (1.0 - 3.0 * w * (1.0 - 5.0 * w * (1.0 - 7.0 * w * (1.0 - 9.0 * w))))
    rest = jnp.log(series) - jnp.log(large) - 0.5 * LOG_TWO_PI
    return jnp.where(y < far, log_ndtr(-near) + 0.5 * near * near, rest)


def log_density(
    declaration: Declaration, mixture: Mixture, theta: jax.Array, trials: jax.Array
) -> jax.Array:
    """Log density of trials (n, 2), encoded, under mixtures of 1 or n rows: (n,)."""
    rt, choice = trials[:, 0], trials[:, 1]
    timed = ~(jnp.isnan(rt) | jnp.isneginf(rt))
    omitted = jnp.isposinf(choice)
    chosen = _chosen(declaration, choice)
    s = rt - _shift(declaration, theta)
    possible = (s > 0.0) & jnp.isfinite(s)
    safe, slope = stretch(jnp.where(timed & possible, s, 1.0), mixture.closing)
    safe, slope = safe[:, None, None], slope[:, None, None]
    densities = log_inverse_gaussian(safe, mixture.log_mu, mixture.log_lambda) + slope
    times = jnp.where((timed & ~omitted)[:, None, None], densities, 0.0)
    times = jax.lax.cond(
        jnp.any(timed & omitted),
        lambda: jnp.where(
            (timed & omitted)[:, None, None],
            log_survival(safe, mixture.log_mu, mixture.log_lambda),
            times,
        ),
        lambda: times,
    )
    terms = jnp.where(chosen[:, :, None], mixture.log_w + times, -1e30)
    value = logsumexp(terms, axis=(1, 2))
    certain = (omitted & timed & (s <= 0.0)) | (~timed & chosen.all(axis=1))
    value = jnp.where(certain, 0.0, value)
    impossible = ~chosen.any(axis=1) | (timed & ~possible & ~certain) | (value < -1e29)
    return jnp.where(impossible | ~supported(declaration, theta), -jnp.inf, value)


def draw_trials(
    declaration: Declaration,
    mixture: Mixture,
    theta: jax.Array,
    uniforms: jax.Array,
    normals: jax.Array,
) -> jax.Array:
    """Turn uniforms (n, 2) and normals (n,) into trials (n, 2)."""
    n, components = len(normals), mixture.log_w.shape[-1]
    flat = [jnp.broadcast_to(p.reshape(len(p), -1), (n, p[0].size)) for p in mixture[:3]]
    cumulative = jnp.cumsum(jnp.exp(flat[0]), axis=1)
    level = uniforms[:, :1] * cumulative[:, -1:]
    index = jnp.minimum((cumulative <= level).sum(axis=1), cumulative.shape[1] - 1)
    mu, lam = (jnp.exp(jnp.take_along_axis(p, index[:, None], 1)[:, 0]) for p in flat[1:])
    w = 0.5 * mu * normals**2 / lam
    smaller = mu / (1.0 + w + jnp.sqrt(w * (2.0 + w)))
    s = jnp.where(uniforms[:, 1] * (mu + smaller) <= mu, smaller, mu * (mu / smaller))
    s = relax(s, mixture.closing)
    choice = jnp.asarray(declaration.choices, s.dtype)[index // components]
    trials = jnp.stack([s + _shift(declaration, theta), choice], axis=1)
    return jnp.where(supported(declaration, theta)[:, None], trials, jnp.nan)


def supported(declaration: Declaration, theta: jax.Array) -> jax.Array:
    """Tell of each parameter row whether it lies within every parameter's support."""
    lower = jnp.asarray([p.support[0] for p in declaration.parameters])
    upper = jnp.asarray([p.support[1] for p in declaration.parameters])
    return ((theta >= lower) & (theta <= upper)).all(axis=-1)


def _shift(declaration: Declaration, theta: jax.Array) -> jax.Array:
    column = declaration.non_decision_column
    return jnp.zeros(len(theta)) if column is None else theta[:, column]


def _chosen(declaration: Declaration, choice: jax.Array) -> jax.Array:
    """Tell which choices a trial's density sums over, (n, C): one, or all if none was observed."""
    unobserved = jnp.isinf(choice) | jnp.isnan(choice)
    known = jnp.asarray(declaration.choices, choice.dtype)
    return (choice[:, None] == known) | unobserved[:, None]
