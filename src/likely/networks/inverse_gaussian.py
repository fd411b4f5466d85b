"""Mixtures of inverse Gaussians in JAX: log density, distribution and draws of trials."""

from __future__ import annotations

import math
from typing import NamedTuple

from likely.declaration import Declaration
from likely.kernels.closing import LAST
from likely.networks.later import jax, jnp, special
from likely.networks.law import onset, supported

LOG_TWO_PI = math.log(2.0 * math.pi)


class Mixture(NamedTuple):
    """Log weights, log means and log shapes, each (rows, choices, components), of a mixture.

    It is one of decision times, or of times stretched at closing rates (rows,). As a law (see
    `likely.networks.law`), it also knows of each choice whether it is made before or after a time.
    """

    log_w: jax.Array
    log_mu: jax.Array
    log_lambda: jax.Array
    closing: jax.Array | None = None

    def log_density(self, s: jax.Array) -> jax.Array:
        """Log of the joint density of times (n,) and each choice: (n, C)."""
        u, slope = self._stretched(s)
        return self._mixed(log_inverse_gaussian(u, self.log_mu, self.log_lambda)) + slope

    def log_survival(self, s: jax.Array) -> jax.Array:
        """Log probability of no decision by times (n,): (n,)."""
        return special.logsumexp(self.log_later(s), axis=-1)

    def log_later(self, s: jax.Array) -> jax.Array:
        """Log probability of each choice, made after times (n,): (n, C)."""
        u, _ = self._stretched(s)
        return self._mixed(log_survival(u, self.log_mu, self.log_lambda))

    def log_earlier(self, s: jax.Array) -> jax.Array:
        """Log probability of each choice, made by times (n,): (n, C)."""
        u, _ = self._stretched(s)
        return self._mixed(log_distribution(u, self.log_mu, self.log_lambda))

    def log_within(self, first: jax.Array, last: jax.Array) -> jax.Array:
        """Log probability of each choice, made between times (n,) and later ones (n,): (n, C)."""
        (begin, _), (end, _) = self._stretched(first), self._stretched(last)
        return self._mixed(log_between(begin, end, self.log_mu, self.log_lambda))

    def log_choices(self) -> jax.Array:
        """Log probability of each choice, (n, C)."""
        return special.logsumexp(self.log_w, axis=-1)

    def draws(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw a decision time and the index of a choice at each row: (n,) and (n,)."""
        uniform, normal = jax.random.split(key)
        rows = (len(self.log_w), 2)
        uniforms = jax.random.uniform(uniform, rows, self.log_w.dtype)
        normals = jax.random.normal(normal, rows[:1], self.log_w.dtype)
        return draw_decisions(self, uniforms, normals)

    def _stretched(self, s: jax.Array) -> tuple[jax.Array, jax.Array]:
        u, slope = stretch(s, self.closing)
        return u[:, None, None], slope[:, None]

    def _mixed(self, terms: jax.Array) -> jax.Array:
        return special.logsumexp(self.log_w + terms, axis=-1)


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
    return special.log_ndtr(-early) + jnp.log(-jnp.expm1(difference))


def log_distribution(s: jax.Array, log_mu: jax.Array, log_lambda: jax.Array) -> jax.Array:
    """Log probability that an inverse Gaussian time is at most s > 0."""
    root = jnp.exp(0.5 * log_lambda) / jnp.sqrt(s)
    scaled = s * jnp.exp(-log_mu)
    early, late = root * (scaled - 1.0), root * (scaled + 1.0)
    return jnp.logaddexp(special.log_ndtr(early), _log_scaled_tail(late) - 0.5 * early * early)


def log_between(
    first: jax.Array, last: jax.Array, log_mu: jax.Array, log_lambda: jax.Array
) -> jax.Array:
    """Log probability that an inverse Gaussian time is between first >= 0 and a later last > 0.

    It is a difference of whichever tails are the smaller ones.
    """
    begun = first > 0.0
    safe = jnp.where(begun, first, last)
    survivals = [log_survival(time, log_mu, log_lambda) for time in (safe, last)]
    late = begun & (survivals[0] < math.log(0.5))
    distributions = [log_distribution(time, log_mu, log_lambda) for time in (last, safe)]
    larger = jnp.where(late, survivals[0], distributions[0])
    smaller = jnp.where(late, survivals[1], distributions[1])
    ratio = jnp.where(begun, jnp.minimum(smaller - larger, -1e-15), -1.0)
    return larger + jnp.where(begun, jnp.log(-jnp.expm1(ratio)), 0.0)


def _log_scaled_tail(y: jax.Array) -> jax.Array:
    """Log of exp(y^2 / 2) P(Z > y) for a standard normal Z."""
    far = 20.0 if y.dtype == jnp.float64 else 8.0
    near = jnp.minimum(y, far)
    large = jnp.maximum(y, far)
    w = 1.0 / (large * large)
    series = 1.0 - w * (1.0 - 3.0 * w * (1.0 - 5.0 * w * (1.0 - 7.0 * w * (1.0 - 9.0 * w))))
    rest = jnp.log(series) - jnp.log(large) - 0.5 * LOG_TWO_PI
    return jnp.where(y < far, special.log_ndtr(-near) + 0.5 * near * near, rest)


def draw_decisions(
    mixture: Mixture, uniforms: jax.Array, normals: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Turn uniforms (n, 2) and normals (n,) into decision times (n,) and indices of choices."""
    n, components = len(normals), mixture.log_w.shape[-1]
    flat = [jnp.broadcast_to(p.reshape(len(p), -1), (n, p[0].size)) for p in mixture[:3]]
    cumulative = jnp.cumsum(jnp.exp(flat[0]), axis=1)
    level = uniforms[:, :1] * cumulative[:, -1:]
    index = jnp.minimum((cumulative <= level).sum(axis=1), cumulative.shape[1] - 1)
    mu, lam = (jnp.exp(jnp.take_along_axis(p, index[:, None], 1)[:, 0]) for p in flat[1:])
    w = 0.5 * mu * normals**2 / lam
    smaller = mu / (1.0 + w + jnp.sqrt(w * (2.0 + w)))
    s = jnp.where(uniforms[:, 1] * (mu + smaller) <= mu, smaller, mu * (mu / smaller))
    return relax(s, mixture.closing), index // components


def draw_trials(
    declaration: Declaration,
    mixture: Mixture,
    theta: jax.Array,
    uniforms: jax.Array,
    normals: jax.Array,
) -> jax.Array:
    """Turn uniforms (n, 2) and normals (n,) into trials (n, 2)."""
    s, index = draw_decisions(mixture, uniforms, normals)
    choice = jnp.asarray(declaration.choices, s.dtype)[index]
    trials = jnp.stack([s + onset(declaration, theta), choice], axis=1)
    return jnp.where(supported(declaration, theta)[:, None], trials, jnp.nan)
