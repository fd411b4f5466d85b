"""Tails and segments of the normal distribution in JAX, in log space, with their derivatives.

The counterpart of `likely.densities.normal` for likelihoods: no loops over nodes, and derivatives
that neither overflow nor cancel. Mills' ratio R(y) = (1 - Phi(y)) / phi(y) and its falling slope
D(y) = -R'(y) = 1 - y R(y) carry every tail, so that no exponent is ever large and positive.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp

from likely.kernels.mills import HALF_LOG_2PI, TURN, mills_polynomials

THIN = 0.7  # lengths, times 1 + their distance from 0, below which Taylor's series is used
ORDERS = 13  # of Taylor's series, whose terms fall like (THIN / 2)^j / j!
EARLIEST = 1e-12  # seconds; earlier times are taken for this one, so that squares do not overflow

_RATIOS, _SLOPES = mills_polynomials()


@jax.custom_jvp
def mills(y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return Mills' ratio R and its falling slope D at y >= 0."""
    scale = 1.0 / (y + TURN)
    t = 1.0 - 2.0 * TURN * scale
    ratio, slope = jnp.full_like(t, _RATIOS[0]), jnp.full_like(t, _SLOPES[0])
    for of_ratio, of_slope in zip(_RATIOS[1:], _SLOPES[1:], strict=True):
        ratio, slope = ratio * t + float(of_ratio), slope * t + float(of_slope)
    return jax.lax.optimization_barrier((ratio * scale, slope * scale * scale))


@mills.defjvp
def _mills_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    (y,), (dy,) = primals, tangents
    ratio, slope = mills(y)
    return (ratio, slope), (-slope * dy, (y * slope - ratio) * dy)


def slope_derivatives(y: jax.Array) -> list[jax.Array]:
    """Return D(y) and its derivatives up to the ninth: D^(n) = n D^(n-2) + y D^(n-1)."""
    ratio, slope = mills(y)
    found = [slope, y * slope - ratio]
    for n in range(2, 10):
        found.append(n * found[n - 2] + y * found[n - 1])
    return found


def mean_slope(y: jax.Array, half: jax.Array) -> jax.Array:
    """Mean of D between y - half and y + half, for half (3 + y) < 0.3 or so, by its series."""
    even = list(enumerate(slope_derivatives(y)))[::2]
    return summed(derivative * half**n / math.factorial(n + 1) for n, derivative in even)


def slope_excess(y: jax.Array, half: jax.Array) -> jax.Array:
    """Return D(y - half) less the mean that `mean_slope` returns, over 2 half."""
    total = jnp.zeros_like(y)
    for n, derivative in list(enumerate(slope_derivatives(y)))[1:]:
        weight = (-1.0) ** n / math.factorial(n) - (1 - n % 2) / math.factorial(n + 1)
        total = total + 0.5 * weight * derivative * half ** (n - 1)
    return total


def summed(terms: Iterable[jax.Array]) -> jax.Array:
    """Sum of arrays, of which there is one at least."""
    return reduce(operator.add, terms)


def magnitude(y: jax.Array) -> jax.Array:
    """Absolute value, whose derivative at 0 is -1 (that of jnp.abs is 0, and would be lost)."""
    return jnp.where(y > 0.0, y, -y)


def bell(y: jax.Array) -> jax.Array:
    """Standard normal density."""
    return jnp.exp(-0.5 * y * y - HALF_LOG_2PI)


def log_cdf(y: jax.Array) -> jax.Array:
    """Log of the standard normal distribution function, to full relative precision below 0."""
    distance = magnitude(y)
    ratio, _ = mills(distance)
    below = jnp.log(ratio) - 0.5 * distance * distance - HALF_LOG_2PI
    return jnp.where(y > 0.0, jnp.log1p(-bell(distance) * ratio), below)


def log_positive(x: jax.Array) -> jax.Array:
    """Log of a number that is positive but for rounding."""
    return jnp.log(jnp.maximum(x, jnp.finfo(x.dtype).tiny))


def log_complement(x: jax.Array) -> jax.Array:
    """Log of 1 - x, for x that is at least 0 and below 1 but for rounding."""
    return jnp.log1p(-jnp.clip(x, 0.0, 1.0 - 4.0 * jnp.finfo(x.dtype).eps))


def hermite_terms(y: jax.Array, half: jax.Array) -> list[jax.Array]:
    """Return He_j(y) half^j / j! for j below `ORDERS`: what phi's Taylor series is made of."""
    product, squared = y * half, half * half
    terms = [jnp.ones_like(product), product]
    for j in range(1, ORDERS - 1):
        terms.append((product * terms[j] - squared * terms[j - 1]) / (j + 1))
    return terms


class Moments(NamedTuple):
    """Means of w^j phi(low + length w) over w in [0, 1], j = 0 to 3, in units of exp(exponent)."""

    exponent: jax.Array
    means: tuple[jax.Array, jax.Array, jax.Array, jax.Array]


def moments(low: jax.Array, length: jax.Array) -> Moments:
    """Return the first moments of phi on a segment that begins at low and may have no length."""
    middle = low + 0.5 * length
    thin = length * (1.0 + jnp.abs(middle)) < THIN
    narrow = _thin_moments(jnp.where(thin, middle, 0.0), jnp.where(thin, 0.5 * length, 0.0))
    wide = _wide_moments(jnp.where(thin, 0.0, low), jnp.where(thin, 1.0, length))
    chosen: Moments = jax.tree.map(lambda a, b: jnp.where(thin, a, b), narrow, wide)
    return chosen


def _thin_moments(middle: jax.Array, half: jax.Array) -> Moments:
    """Moments by Taylor's series of phi, in powers of t = 2 w - 1."""
    terms = hermite_terms(middle, half)
    even, odd = list(enumerate(terms))[::2], list(enumerate(terms))[1::2]
    t0 = summed(term / (j + 1) for j, term in even)
    t1 = -summed(term / (j + 2) for j, term in odd)
    t2 = summed(term / (j + 3) for j, term in even)
    t3 = -summed(term / (j + 4) for j, term in odd)
    means = (
        t0,
        0.5 * (t0 + t1),
        0.25 * (t0 + 2.0 * t1 + t2),
        0.125 * (t0 + 3.0 * (t1 + t2) + t3),
    )
    return Moments(-0.5 * middle * middle - HALF_LOG_2PI, means)


def _wide_moments(low: jax.Array, length: jax.Array) -> Moments:
    """Moments in closed form, from the end of the segment nearest 0, or plainly if it is astride.

    With p the distance of that end and K_j the integral of u^j exp(-p u - u^2 / 2) over the length:
    K_0 = R(p) - e R(q), K_1 = D(p) - e (D(q) + length R(q)), q = p + length, e = phi(q) / phi(p),
    and K_(j+1) = j K_(j-1) - p K_j - e length^j.
    """
    high = low + length
    right, left = low >= 0.0, high <= 0.0
    first, last = jnp.where(right, low, -low), jnp.where(left, -high, high)
    (first_r, first_d), (last_r, last_d) = mills(first), mills(last)
    first_bell, last_bell = bell(first), bell(last)
    within = 1.0 - first_bell * first_r - last_bell * last_r  # of a segment astride 0

    p, p_r, p_d = (jnp.where(left, b, a) for a, b in
                   ((first, last), (first_r, last_r), (first_d, last_d)))  # fmt: skip
    q_r, q_d = jnp.where(left, first_r, last_r), jnp.where(left, first_d, last_d)
    tail = right | left
    fall = jnp.exp(-0.5 * length * (first + last))
    start = jnp.where(tail, jnp.where(left, p, low), low)
    end = jnp.where(tail, fall, last_bell)
    k0 = jnp.where(tail, p_r - fall * q_r, within)
    k1 = p_d - fall * (q_d + length * q_r)
    k1 = jnp.where(tail, k1, first_bell - last_bell - low * within)
    k2 = k0 - start * k1 - end * length
    k3 = 2.0 * k1 - start * k2 - end * length * length

    scale = 1.0 / length
    u0, u1, u2, u3 = k0 * scale, k1 * scale**2, k2 * scale**3, k3 * scale**4
    means = (
        u0,
        jnp.where(left, u0 - u1, u1),
        jnp.where(left, u0 - 2.0 * u1 + u2, u2),
        jnp.where(left, u0 - 3.0 * (u1 - u2) - u3, u3),
    )
    return Moments(jnp.where(tail, -0.5 * p * p - HALF_LOG_2PI, 0.0), means)


@jax.custom_jvp
def log_mean_ramp(
    low: jax.Array, length: jax.Array, level: jax.Array, rise: jax.Array
) -> jax.Array:
    """Log of the mean of (level + rise w) phi(low + length w) over w in [0, 1].

    Args:
        low: where the segment begins.
        length: its length, at least 0.
        level: the ramp at its beginning, positive.
        rise: what is added to it by the end, at least 0.
    """
    exponent, means = moments(low, length)
    return log_positive(level * means[0] + rise * means[1]) + exponent


@log_mean_ramp.defjvp
def _log_mean_ramp_jvp(
    primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array]:
    """The derivative of phi(y) is -y phi(y), so that of each moment is made of the next one."""
    low, length, level, rise = primals
    exponent, means = moments(low, length)
    zeroth, once, twice = (level * means[j] + rise * means[j + 1] for j in range(3))
    share = 1.0 / jnp.maximum(zeroth, jnp.finfo(zeroth.dtype).tiny)
    slopes = (
        -low - length * once * share,
        -(low * once + length * twice) * share,
        means[0] * share,
        means[1] * share,
    )
    tangent = summed(slope * given for slope, given in zip(slopes, tangents, strict=True))
    return log_positive(zeroth) + exponent, tangent
