"""Mixtures after a non-decision time that is normal from trial to trial, without what is below 0.

With f the density of a mixture and g that of the delay, the density of response times t is the
integral of f(s) g(t - s) over decision times s from 0 to t. It is integrated by Gauss and
Legendre's rule in w, with s = sd log(1 + exp(w)) and sd that of the delay: the logarithm of time
where s is below sd, and linear above. In w both factors are as smooth as a standard normal curve or
smoother, so that few nodes do, and a network never sees the delay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json, typed
from likely.errors import FileFormatError
from likely.kernels.decision_nodes import DROP, NODES, REACH, ROUNDS
from likely.kernels.native import Kernels
from likely.kernels.normal_delay import NORMAL_DELAY, SHORTEST
from likely.networks.assembled import AssembledDensity
from likely.networks.inverse_gaussian import Mixture, relax, stretch
from likely.networks.later import jax, jnp, special
from likely.networks.mixture import MixtureDensity
from likely.networks.wiring import Wiring, wired

_X, _W = np.polynomial.legendre.leggauss(NODES)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class _Nodes(NamedTuple):
    """Decision times (NODES, n), logs of their weights, and the first of those integrated over."""

    times: jax.Array
    log_weights: jax.Array
    first: jax.Array


class NormallyDelayedMixture(NamedTuple):
    """The law of a mixture's decision times, each after a delay that is normal, given it is > 0.

    Args:
        mixture: what is delayed.
        mean: of the normal distribution in seconds, at least 0, (rows,).
        sd: its standard deviation in seconds, (rows,).
    """

    mixture: Mixture
    mean: jax.Array
    sd: jax.Array

    def log_density(self, s: jax.Array) -> jax.Array:
        """Log of the joint density of times (n,) and each choice: (n, C)."""
        nodes = self._nodes(s)
        u, slope = jax.vmap(stretch, (0, None))(nodes.times, self.mixture.closing)
        outer = nodes.log_weights + slope - 1.5 * jnp.log(u) - _HALF_LOG_2PI
        level, rate, barrier = self._exponents()
        inner = level - rate * u[:, :, None, None] - barrier / u[:, :, None, None]
        return special.logsumexp(inner + outer[:, :, None, None], axis=(0, 3))

    def log_survival(self, s: jax.Array) -> jax.Array:
        """Log probability of no decision by times (n,): (n,)."""
        nodes = self._nodes(s)
        values = jax.vmap(self.mixture.log_survival)(nodes.times)
        undecided = special.logsumexp(values + nodes.log_weights, axis=0)
        sd = self._sd
        longer = special.log_ndtr((self.mean + nodes.first - s) / sd)
        waiting = longer - special.log_ndtr(self.mean / sd)
        return jnp.minimum(jnp.logaddexp(undecided, waiting), 0.0)

    def log_choices(self) -> jax.Array:
        """Log probability of each choice, (n, C): that without delay."""
        return self.mixture.log_choices()

    def draws(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draw a time and the index of a choice at each row: (n,) and (n,)."""
        decision, delay = jax.random.split(key)
        times, index = self.mixture.draws(decision)
        sd = self._sd
        normal = jax.random.truncated_normal(delay, -self.mean / sd, jnp.inf, dtype=times.dtype)
        return times + jnp.maximum(self.mean + sd * normal, 0.0), index

    def _exponents(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return p, q and r (rows, C, K): exp(p - q s - r / s) s^-1.5 are the mixture's terms.

        But for a factor of sqrt(2 pi). Most of the time goes into these exponentials.
        """
        log_w, log_mu, log_lambda, _ = self.mixture
        by_mu = jnp.exp(log_lambda - log_mu)
        level = log_w + 0.5 * log_lambda + by_mu
        return level, 0.5 * by_mu * jnp.exp(-log_mu), 0.5 * jnp.exp(log_lambda)

    @property
    def _sd(self) -> jax.Array:
        return jnp.maximum(self.sd, SHORTEST)

    def _nodes(self, s: jax.Array) -> _Nodes:
        """Place nodes for integrals over decision times before response times s (n,).

        They are fixed shares of s as far as derivatives are concerned: those of the integral do not
        depend on where the nodes are.
        """
        sd = self._sd
        early, late = self._window(s)
        first, last = (x + jnp.log(-jnp.expm1(-x)) for x in (early, late))
        half = 0.5 * (last - first)
        w = first + half * (1.0 + jnp.asarray(_X, s.dtype)[:, None])
        fixed = jax.lax.stop_gradient
        shares, begin = fixed(jax.nn.softplus(w) * sd / s), fixed(early * sd / s)
        weights = jnp.asarray(_W, s.dtype)[:, None] * half * sd / s
        jacobian = fixed(jnp.log(weights) + jax.nn.log_sigmoid(w)) + jnp.log(s)
        deviation = (s - shares * s - self.mean) / sd
        whole = jnp.log(sd) + special.log_ndtr(self.mean / sd) + _HALF_LOG_2PI
        return _Nodes(shares * s, jacobian - 0.5 * deviation**2 - whole, begin * s)

    def _window(self, s: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the first and last decision times that matter, in standard deviations, (n,).

        The density of decision times s is about exp(-r / s - q s), so that with y = s / sd the log
        of what is integrated is about -(y - rest)^2 / 2 - (r / sd) / y, which has one peak. The
        rest is the time left after the mean delay and, as squares are completed, q sd before that.
        """
        sd = self._sd
        longest, barrier = s / sd, self._barrier() / sd
        fastest, slowest = self._rates()
        least, most = ((s - self.mean) / sd - rate * sd for rate in (fastest, slowest))
        first, last = (jnp.minimum(_peak(rest, barrier), longest) for rest in (least, most))
        b = DROP * first / barrier
        early = 2.0 * first / (2.0 + b + jnp.sqrt(b * b + 4.0 * b))
        beyond = jnp.full_like(last, REACH)
        for _ in range(ROUNDS):  # each is an upper bound
            beyond = REACH / jnp.sqrt(1.0 + 2.0 * barrier / (last * last * (last + beyond)))
        return jnp.maximum(early, least - REACH), jnp.minimum(last + beyond, longest)

    def _rates(self) -> tuple[jax.Array, jax.Array]:
        """Return how fast densities of late times fall, at most and at least, (rows,)."""
        _, rates, _ = self._exponents()
        shares = jnp.exp(self.mixture.log_w - self.mixture.log_choices()[..., None])
        return (shares * rates).sum(axis=2).max(axis=1), rates.min(axis=(1, 2))

    def _barrier(self) -> jax.Array:
        """Return r such that densities of early times s are about exp(-r / s), (rows,)."""
        share = self.mixture.log_w - self.mixture.log_choices()[..., None]
        left = jnp.maximum(1.0 + share / DROP, 1.0 / DROP)  # rare components begin as late as that
        barrier = (0.5 * jnp.exp(self.mixture.log_lambda) / left).min(axis=(1, 2))
        return DROP * relax(barrier / DROP, self.mixture.closing)


def _peak(rest: jax.Array, barrier: jax.Array) -> jax.Array:
    """Return the peak of -(y - rest)^2 / 2 - barrier / y over y > 0, by Newton's method."""
    before = jnp.maximum(-rest, 1e-30)
    y = jnp.maximum(rest, 0.0) + jnp.minimum(jnp.cbrt(barrier), jnp.sqrt(barrier / before))
    for _ in range(ROUNDS):  # from above, and the function is convex there
        y -= (y * y * (y - rest) - barrier) / (y * (3.0 * y - 2.0 * rest))
    return y


@dataclass(frozen=True)
class NormallyDelayedDensity(AssembledDensity):
    """Form of a mixture whose non-decision time is normal.

    Args:
        declaration: the model's, without a non-decision time: none is a pure shift.
        mixture: of the decision times. Its parameters are the model's, but for its own
            non-decision time.
        mean: name of the mean of the model's non-decision time.
        sd: name of its standard deviation.
    """

    declaration: Declaration
    mixture: MixtureDensity
    mean: str
    sd: str

    @classmethod
    def from_specification(
        cls, declaration: Declaration, given: Mapping[str, Any]
    ) -> NormallyDelayedDensity:
        """Build the form that `specification` describes.

        Raises:
            FileFormatError: if a parameter that it names is none of the model's.
        """
        steady = declaration_from_json(given["mixture"])
        mixture = MixtureDensity.from_specification(steady, given["mixture"]["network"])
        mean, sd = (typed(str, given[name]) for name in ("mean", "sd"))
        shared = set(steady.names) - {steady.non_decision}
        lacking = sorted({mean, sd, *shared} - set(declaration.names))
        if lacking:
            raise FileFormatError(f"'{lacking[0]}' is no parameter of '{declaration.name}'.")
        return cls(declaration, mixture, mean, sd)

    def specification(self) -> dict[str, Any]:
        """Return the mixture, and which parameters say how it is delayed."""
        declared = declaration_to_json(self.mixture.declaration)
        return {
            "mixture": {**declared, "network": self.mixture.specification()},
            "mean": self.mean,
            "sd": self.sd,
        }

    @property
    def part(self) -> MixtureDensity:
        """The form of the mixture."""
        return self.mixture

    @property
    def parts(self) -> Wiring:
        """Its parameters, which are the model's own, and no non-decision time."""
        steady = self.mixture.declaration
        return (tuple(0.0 if n == steady.non_decision else n for n in steady.names),)

    @property
    def others(self) -> tuple[str, ...]:
        """The names of mean and standard deviation of the delay."""
        return self.mean, self.sd

    @property
    def kernels(self) -> Kernels:
        """The loops of its compiled code."""
        return NORMAL_DELAY

    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> NormallyDelayedMixture:
        """Return the law at parameter rows (n, p)."""
        (wires,) = self.parts
        mixture = self.mixture.law(arrays, wired(self.declaration, wires, theta))
        mean, sd = (theta[:, self.declaration.names.index(name)] for name in self.others)
        return NormallyDelayedMixture(mixture, mean, sd)
