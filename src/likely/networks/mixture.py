"""The first-passage mixture: a normalised density of (decision time, choice).

A first-passage density falls like exp(-d^2 / 2s) at small decision times s and like exp(-kappa s)
at large ones. The inverse Gaussian has exactly these two tails, so the density of choice c is

    p(s, c | theta) = sum_k w_ck(theta) IG(s; mu_ck(theta), lambda_ck(theta)),

with weights that sum to one over choices and components. A small network of theta alone gives w,
log mu and log lambda. Mass is 1 and the support is s > 0 by construction; choice probabilities
are sums of weights; survival functions are closed forms.

Decisions between closing boundaries end at a finite time. There the mixture is one of the
stretched time s / (1 - c s), with one more output for the closing rate c >= 0; all that was said
holds still. For straight boundaries that fall at k from a, this is, up to a factor, the clock on
which they stand still if c = k / a (see `likely.densities.linear`), and on which the density has
both tails of a mixture.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from likely.declaration import Declaration
from likely.kernels.along import mixture_along
from likely.kernels.mixture import (
    REACH,
    SMALLEST,
    Layout,
    mixture_draws,
    pack,
)
from likely.kernels.native import Kernels, Packed
from likely.kernels.perceptron import transposed
from likely.kernels.pullback import mixture_pullback
from likely.networks.in_jax import WrittenInJax
from likely.networks.in_numba import CompiledDensity, is_plain
from likely.networks.inverse_gaussian import Mixture, draw_trials
from likely.networks.later import jax, jnp, special
from likely.networks.shapes import weight_shapes
from likely.typing import FloatArray

if TYPE_CHECKING:
    from likely.networks.perceptron import Perceptron

WIDE = 3.0  # a positive box that spans a factor of more than this also enters by its logarithm


@dataclass(frozen=True)
class Feature:
    """One input of the network: a shaping parameter, scaled to run from -1 to 1 over its box.

    Args:
        column: column of the parameter in parameter rows.
        lower: lower end of the box.
        upper: upper end of the box.
        logarithm: whether the logarithm of the parameter enters.
    """

    column: int
    lower: float
    upper: float
    logarithm: bool

    @property
    def centre(self) -> float:
        """Middle of the box, on the feature's scale."""
        return 0.5 * (self._scaled(self.lower) + self._scaled(self.upper))

    @property
    def half_width(self) -> float:
        """Half the width of the box, on the feature's scale."""
        return 0.5 * (self._scaled(self.upper) - self._scaled(self.lower))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithm else value


@dataclass(frozen=True)
class MixtureDensity(WrittenInJax, CompiledDensity):
    """Form of a first-passage mixture.

    Args:
        declaration: the model's names, box and choices.
        features: the network's inputs, in order.
        hidden: widths of the hidden layers.
        components: inverse Gaussians per choice.
        products: whether products of two features are inputs as well.
        closing: whether there is a closing rate.
    """

    declaration: Declaration
    features: tuple[Feature, ...]
    hidden: tuple[int, ...] = (64, 64, 64)
    components: int = 8
    products: bool = False
    closing: bool = False

    @classmethod
    def for_model(
        cls,
        declaration: Declaration,
        hidden: tuple[int, ...] = (64, 64, 64),
        components: int = 8,
        *,
        products: bool = False,
        closing: bool = False,
    ) -> MixtureDensity:
        """Return the form for a model, with the inputs its box asks for."""
        return cls(declaration, features_of(declaration), hidden, components, products, closing)

    @classmethod
    def from_specification(
        cls, declaration: Declaration, specification: dict[str, Any]
    ) -> MixtureDensity:
        """Build the form that `specification` describes."""
        return cls.for_model(
            declaration,
            tuple(int(width) for width in specification["hidden"]),
            int(specification["components"]),
            products=bool(specification.get("products", False)),
            closing=bool(specification.get("closing", False)),
        )

    def specification(self) -> dict[str, Any]:
        """Return widths, number of components, and what else there is."""
        return {
            "hidden": list(self.hidden),
            "components": self.components,
            "products": self.products,
            "closing": self.closing,
        }

    @property
    def terms(self) -> int:
        """Inverse Gaussians in all."""
        return len(self.declaration.choices) * self.components

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, inputs and outputs included."""
        count = len(self.features)
        products = count * (count + 1) // 2 if self.products else 0
        return (count + products, *self.hidden, self.outputs_wanted)

    @property
    def outputs_wanted(self) -> int:
        """Number of the network's outputs."""
        return 3 * self.terms + int(self.closing)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weight arrays."""
        return weight_shapes(self.sizes)

    @property
    def layout(self) -> Layout:
        """What compiled code must know."""
        column = self.declaration.non_decision_column
        return Layout(
            sizes=np.array(self.sizes, dtype=np.int64),
            features=np.array([[f.column, f.lower, f.upper, f.logarithm] for f in self.features]),
            support=np.array([p.support for p in self.declaration.parameters]),
            choices=np.array(self.declaration.choices, dtype=np.float64),
            components=self.components,
            non_decision=-1 if column is None else column,
        )

    @property
    def packed(self) -> Packed:
        """What compiled code must know, as it reads it."""
        return pack(self.layout)

    @property
    def compilable(self) -> bool:
        """Whether there are no constraints and no spread."""
        return is_plain(self.declaration)

    @property
    def kernels(self) -> Kernels:
        """The loops of its compiled code."""
        pullback = mixture_pullback(self.components)
        return Kernels(pullback, mixture_draws, mixture_along)

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return them, and after them the same with transposed kernels."""
        return np.concatenate([weights, transposed(weights, self.sizes)])

    def unanswerable(self, trials: FloatArray) -> str | None:
        """Return None: it knows densities, choice probabilities and survival."""
        return None

    @property
    def network(self) -> Perceptron:
        """The perceptron, in Flax."""
        from likely.networks.perceptron import Perceptron

        return Perceptron(self.hidden, self.outputs_wanted)

    def outputs(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> jax.Array:
        """Return the network's outputs (..., 3CK) for parameter rows (..., p)."""
        from flax.traverse_util import unflatten_dict

        variables = {"params": unflatten_dict(dict(arrays), sep="/")}
        return self.network.apply(variables, self.inputs(theta))

    def inputs(self, theta: jax.Array) -> jax.Array:
        """Return the network's inputs (..., features) for parameter rows (..., p)."""
        columns = []
        for f in self.features:
            value = theta[..., f.column]
            value = jnp.log(jnp.maximum(value, SMALLEST)) if f.logarithm else value
            columns.append(jnp.clip((value - f.centre) / f.half_width, -REACH, REACH))
        if self.products:
            pairs = itertools.combinations_with_replacement(range(len(columns)), 2)
            columns += [columns[i] * columns[j] for i, j in pairs]
        return jnp.stack(columns, axis=-1)

    def mixture(self, outputs: jax.Array) -> Mixture:
        """Read log w, log mu, log lambda, each (..., C, K), and closing rates off the outputs."""
        shape = (3, len(self.declaration.choices), self.components)
        parts = outputs[..., : 3 * self.terms].reshape(outputs.shape[:-1] + shape)
        logits = parts[..., 0, :, :]
        log_w = logits - special.logsumexp(logits, axis=(-2, -1), keepdims=True)
        rate = jax.nn.softplus(outputs[..., -1]) if self.closing else None
        return Mixture(log_w, parts[..., 1, :, :], parts[..., 2, :, :], rate)

    def law(self, arrays: Mapping[str, jax.Array], theta: jax.Array) -> Mixture:
        """Return the mixtures at parameter rows (n, p)."""
        return self.mixture(self.outputs(arrays, theta))

    def draws(
        self, weights: jax.Array, theta: jax.Array, uniforms: jax.Array, normals: jax.Array
    ) -> jax.Array:
        """Trials (n, 2) from uniforms and normals."""
        law = self.law(self.unflatten(weights), theta)
        return draw_trials(self.declaration, law, theta, uniforms, normals)


def features_of(declaration: Declaration) -> tuple[Feature, ...]:
    """Choose the inputs: each shaping parameter, and the logarithm of those that span factors."""
    features = []
    for column in declaration.shaping:
        p = declaration.parameters[column]
        features.append(Feature(column, p.lower, p.upper, logarithm=False))
        if p.lower > 0 and p.upper / p.lower > WIDE:
            features.append(Feature(column, p.lower, p.upper, logarithm=True))
    return tuple(features)
