"""The classic networks: likelihood approximation (LAN), choice probability (CPN), omission (OPN).

A LAN maps parameters, time and choice to a log density (Fengler et al. 2021, eLife 10:e65074); a
CPN maps parameters to the log probability of each choice, an OPN parameters and a deadline to the
log probability of no response by then. They serve any simulator, but nothing makes a LAN
integrate to one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from likely.declaration import Declaration
from likely.errors import FileFormatError, ParameterError
from likely.kernels.classic import DEADLINES, SHORTEST, UNIT, Layout, pack
from likely.kernels.classic_draws import GRID, classic_draws
from likely.kernels.classic_pullback import classic_pullback
from likely.kernels.mixture import REACH
from likely.kernels.native import Kernels, Packed
from likely.networks.in_numba import CompiledDensity, is_plain
from likely.networks.law import supported
from likely.networks.network import ACTIVATIONS, Layers, Network
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

AT_ONCE = 64  # trials whose times are tabulated together when drawing in JAX


@dataclass(frozen=True)
class Inputs:
    """What classic networks see of parameters, times and choices.

    Parameters run from -1 to 1 over the box; the non-decision time, a pure shift, enters a LAN
    only.

    Args:
        declaration: the model's names, box and choices; every box finite.
        max_time: decision time in seconds at which the training data end.
        decision_time: whether the LAN sees the decision time rt - t, and its logarithm, in place of
            the response time rt and the non-decision time t.

    Raises:
        ParameterError: for an infinite box, a non-decision time that varies, or a shift where none
            is declared.
    """

    declaration: Declaration
    max_time: float
    decision_time: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no scale, and a spread."""
        if self.declaration.spread is not None:
            raise ParameterError(
                f"model '{self.declaration.name}': the classic networks know nothing of the spread "
                f"'{self.declaration.spread}'; use likely.train."
            )
        for p in self.declaration.parameters:
            if not math.isfinite(p.upper):
                raise ParameterError(
                    f"parameter '{p.name}' has an infinite box; networks need a finite one."
                )
        if self.decision_time and self.declaration.non_decision is None:
            raise ParameterError(
                f"model '{self.declaration.name}' declares no non-decision time to subtract."
            )

    @property
    def latest(self) -> float:
        """Response time in seconds at which the training data end."""
        column = self.declaration.non_decision_column
        latest_shift = 0.0 if column is None else self.declaration.parameters[column].upper
        return self.max_time + latest_shift

    @property
    def scaling(self) -> FloatArray:
        """Centre and half-width of each parameter's box, (p, 2)."""
        boxes = np.array([p.box for p in self.declaration.parameters])
        return np.stack([boxes.mean(axis=1), 0.5 * (boxes[:, 1] - boxes[:, 0])], axis=1)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many inputs a LAN, a CPN and an OPN have."""
        shaping = len(self.declaration.shaping)
        parameters = shaping if self.decision_time else len(self.declaration.parameters)
        times = 2 if self.decision_time else 1
        return parameters + times + len(self.declaration.choices), shaping, shaping + 1

    def decision_times(self, theta: jax.Array, rt: jax.Array) -> jax.Array:
        """Return times (...) less the non-decision times of parameter rows (..., p)."""
        column = self.declaration.non_decision_column
        return rt if column is None else rt - theta[..., column]

    def lan(self, theta: jax.Array, rt: jax.Array, chosen: jax.Array) -> jax.Array:
        """Return inputs (..., m) for rows (..., p), times (...) and choices one-hot (..., C)."""
        unit = UNIT / self.max_time
        if self.decision_time:
            time = jnp.minimum(self.decision_times(theta, rt), self.max_time) * unit
            times = [0.25 * time - 1.0, jnp.log(jnp.maximum(time, SHORTEST))]
            parameters = self.cpn(theta)
        else:
            times = [jnp.minimum(rt, self.latest) * unit]
            parameters = self._scaled(theta, range(len(self.declaration.parameters)))
        return jnp.concatenate([parameters, jnp.stack(times, axis=-1), chosen], axis=-1)

    def cpn(self, theta: jax.Array) -> jax.Array:
        """Return inputs (..., m) for parameter rows (..., p)."""
        return self._scaled(theta, self.declaration.shaping)

    def opn(self, theta: jax.Array, deadline: jax.Array) -> jax.Array:
        """Return inputs (..., m) for parameter rows (..., p) and deadlines (...)."""
        s = jnp.clip(self.decision_times(theta, deadline) / self.max_time, DEADLINES, 1.0)
        time = 1.0 - 2.0 * jnp.log(s) / math.log(DEADLINES)
        return jnp.concatenate([self.cpn(theta), time[..., None]], axis=-1)

    def one_hot(self, choice: jax.Array) -> jax.Array:
        """Return choices (...) as (..., C) of 0 and 1; all 0 for one that is not the model's."""
        known = jnp.asarray(self.declaration.choices, choice.dtype)
        return (choice[..., None] == known).astype(choice.dtype)

    def _scaled(self, theta: jax.Array, columns: Any) -> jax.Array:
        centre, half = self.scaling[list(columns)].T
        scaled = (theta[..., list(columns)] - centre) / half
        return jnp.clip(scaled, -REACH, REACH).astype(theta.dtype)


def log_choices(logits: jax.Array) -> jax.Array:
    """Return log probabilities (..., C) from the logits (..., C - 1) of all choices but the first.

    For two choices they are log-sigmoids of minus and plus the logit, finite at any logit.
    """
    first = jnp.zeros((*logits.shape[:-1], 1), logits.dtype)
    return jax.nn.log_softmax(jnp.concatenate([first, logits], axis=-1), axis=-1)


def _module(name: str, described: str, modules: Mapping[str, Any]) -> Network:
    """Return the network that a user's module stands for."""
    if name not in modules:
        unknown = [f"'{other}'" for other in modules if other not in ("lan", "cpn", "opn")]
        if unknown:
            raise FileFormatError(f"modules: {unknown[0]} is none of 'lan', 'cpn', 'opn'.")
        raise FileFormatError(
            f"its network '{name}' is a Flax module, whose code a file cannot hold; give it in "
            f'Python to load: modules={{"{name}": {described.split("(")[0]}(...)}}.'
        )
    from likely.networks.flax_modules import as_network

    try:
        return as_network(modules[name])
    except ParameterError as error:
        raise FileFormatError(f"modules: {error}") from error


@dataclass(frozen=True)
class ClassicDensity(CompiledDensity):
    """Form of a density made of a LAN and, for trials without a time, a CPN and an OPN.

    Args:
        inputs: what the networks see.
        lan: one output, the log density.
        cpn: an output for each choice but the first, their logits; or None.
        opn: one output, the logit of no response by the deadline; or None.
    """

    inputs: Inputs
    lan: Network
    cpn: Network | None = None
    opn: Network | None = None

    @property
    def declaration(self) -> Declaration:  # type: ignore[override]
        """Names, box and choices of the model."""
        return self.inputs.declaration

    @property
    def networks(self) -> dict[str, tuple[Network, int]]:
        """The networks there are, each with its number of inputs."""
        named = zip(("lan", "cpn", "opn"), (self.lan, self.cpn, self.opn), strict=True)
        pairs = zip(named, self.inputs.counts, strict=True)
        return {name: (network, m) for (name, network), m in pairs if network is not None}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weight arrays."""
        return {
            f"{name}/{array}": shape
            for name, (network, m) in self.networks.items()
            for array, shape in network.shapes(m).items()
        }

    def specification(self) -> dict[str, Any]:
        """Return the networks and what they see."""
        networks = {name: network.specification() for name, (network, _) in self.networks.items()}
        return {
            "max_time": self.inputs.max_time,
            "decision_time": self.inputs.decision_time,
            "networks": networks,
        }

    @classmethod
    def from_specification(
        cls,
        declaration: Declaration,
        specification: Mapping[str, Any],
        modules: Mapping[str, Any] = MappingProxyType({}),
    ) -> ClassicDensity:
        """Build the form that `specification` describes.

        Args:
            declaration: of the model.
            specification: what `specification()` returned.
            modules: "lan", "cpn", "opn" -> the Flax modules that stand in place of our layers.
        """
        seconds, decision_time = float(specification["max_time"]), specification["decision_time"]
        networks: dict[str, Network] = {}
        for name, described in specification["networks"].items():
            if "module" in described:
                networks[name] = _module(name, described["module"], modules)
            else:
                networks[name] = Layers.from_specification(described)
        idle = [n for n in modules if n not in networks or isinstance(networks[n], Layers)]
        if idle:
            raise FileFormatError(f"it has no module '{idle[0]}', for which one is given.")
        return cls(Inputs(declaration, seconds, bool(decision_time)), **networks)

    @property
    def compilable(self) -> bool:
        """Whether all networks are our own layers, and there are no constraints."""
        ours = all(isinstance(network, Layers) for network, _ in self.networks.values())
        return ours and is_plain(self.declaration)

    @property
    def kernels(self) -> Kernels:
        """The loops of its compiled code."""
        return Kernels(classic_pullback, classic_draws)

    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return them as they are."""
        return weights

    def unanswerable(self, trials: FloatArray) -> str | None:
        """Say which network encoded trials would need that is not there, if one is."""
        untimed = (trials[:, 0] == TIME_UNOBSERVED) & np.isfinite(trials[:, 1])
        if self.cpn is None and len(self.declaration.choices) > 1 and untimed.any():
            return "there is no choice probability network (CPN) for trials without a time"
        if self.opn is None and (trials[:, 1] == NO_RESPONSE).any():
            return "there is no omission network (OPN) for trials without a response"
        return None

    @property
    def packed(self) -> Packed:
        """What compiled code must know."""
        column = self.declaration.non_decision_column
        ours = {k: (v, m) for k, (v, m) in self.networks.items() if isinstance(v, Layers)}
        sizes = {k: np.array(v.sizes(m), dtype=np.int64) for k, (v, m) in ours.items()}
        kinds = {k: ACTIVATIONS[v.activation] for k, (v, _) in ours.items()}
        none = np.empty(0, dtype=np.int64)
        layout = Layout(
            non_decision=-1 if column is None else column,
            shifted=int(self.inputs.decision_time),
            activations=np.array([kinds.get(k, 0) for k in ("lan", "cpn", "opn")]),
            lan=sizes["lan"],
            cpn=sizes.get("cpn", none),
            opn=sizes.get("opn", none),
            longest=self.inputs.max_time,
            latest=self.inputs.latest,
            scaling=self.inputs.scaling,
            support=np.array([p.support for p in self.declaration.parameters]),
            choices=np.array(self.declaration.choices, dtype=np.float64),
        )
        return pack(layout)

    def evaluate_in_jax(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities (n,) and their gradients (n, p)."""
        with jax.enable_x64(True):
            values, gradients = _value_and_gradient(self, weights, theta, trials)
            return np.array(values), np.array(gradients)

    def log_density(self, weights: jax.Array, theta: jax.Array, trials: jax.Array) -> jax.Array:
        """Log density of each trial, (n,)."""
        rt, choice = trials[:, 0], trials[:, 1]
        theta = jnp.broadcast_to(theta, (len(rt), theta.shape[1]))
        shift = -self.inputs.decision_times(theta, jnp.zeros_like(rt))
        s = rt - shift
        timed = ~(jnp.isnan(rt) | jnp.isneginf(rt))
        late, unknown = jnp.isposinf(choice), jnp.isneginf(choice) | jnp.isnan(choice)
        named = self.inputs.one_hot(choice).any(axis=1)
        possible = (s > 0.0) & jnp.isfinite(s)
        # Trials that do not need a network get harmless stand-ins, so that no gradient is NaN.
        safe = jnp.where(timed & possible, rt, shift + 1.0)
        arrays = self.unflatten(weights)

        dense = timed & named & possible
        value = jnp.where(dense, self._lan(arrays, theta, safe, choice), -jnp.inf)
        summed = timed & unknown & possible
        value = _where_any(summed, lambda: self._marginal(arrays, theta, safe), value)
        if self.cpn is not None:
            by_choice = ~timed & named
            value = _where_any(by_choice, lambda: self._choice(arrays, theta, choice), value)
        if self.opn is not None:
            omitted = timed & late & possible
            value = _where_any(omitted, lambda: self._survival(arrays, theta, safe), value)
        sure = (late & ((s <= 0.0) | ~timed)) | (unknown & ~timed)
        if len(self.declaration.choices) == 1:
            sure |= named & ~timed
        value = jnp.where(sure, 0.0, value)
        return jnp.where(supported(self.declaration, theta), value, -jnp.inf)

    def log_density_of_rows(
        self, weights: jax.Array, theta: jax.Array, index: jax.Array, trials: jax.Array
    ) -> jax.Array:
        """Log density of each trial, (n,), at row theta[index]."""
        return self.log_density(weights, theta[index], trials)

    def _apply(self, name: str, arrays: dict[str, Any], x: jax.Array) -> jax.Array:
        network, _ = self.networks[name]
        own = {k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(f"{name}/")}
        return network.apply(own, x)

    def _lan(
        self, arrays: dict[str, Any], theta: jax.Array, rt: jax.Array, choice: jax.Array
    ) -> jax.Array:
        x = self.inputs.lan(theta, rt, self.inputs.one_hot(choice))
        return self._apply("lan", arrays, x)[..., 0]

    def _marginal(self, arrays: dict[str, Any], theta: jax.Array, rt: jax.Array) -> jax.Array:
        each = [
            self._lan(arrays, theta, rt, jnp.full_like(rt, c)) for c in self.declaration.choices
        ]
        return logsumexp(jnp.stack(each), axis=0)

    def _choice(self, arrays: dict[str, Any], theta: jax.Array, choice: jax.Array) -> jax.Array:
        logs = log_choices(self._apply("cpn", arrays, self.inputs.cpn(theta)))
        return jnp.where(self.inputs.one_hot(choice) > 0, logs, 0.0).sum(axis=1)

    def _survival(self, arrays: dict[str, Any], theta: jax.Array, rt: jax.Array) -> jax.Array:
        return jax.nn.log_sigmoid(self._apply("opn", arrays, self.inputs.opn(theta, rt))[..., 0])

    def draws(
        self, weights: jax.Array, theta: jax.Array, uniforms: jax.Array, normals: jax.Array
    ) -> jax.Array:
        """Trials (n, 2) from uniforms, by the inverse of the cumulative distribution."""
        arrays = self.unflatten(weights)
        theta = jnp.broadcast_to(theta, (len(uniforms), theta.shape[1]))

        def draw(row_and_uniforms: tuple[jax.Array, jax.Array]) -> jax.Array:
            return self._draw(arrays, *row_and_uniforms)

        trials = jax.lax.map(draw, (theta, uniforms), batch_size=AT_ONCE)
        return jnp.where(supported(self.declaration, theta)[:, None], trials, jnp.nan)

    def _draw(self, arrays: dict[str, Any], row: jax.Array, uniforms: jax.Array) -> jax.Array:
        """Return one trial (2,)."""
        s = self.inputs.max_time * (jnp.arange(GRID) / (GRID - 1)) ** 3
        shift = -self.inputs.decision_times(row, jnp.zeros((), row.dtype))
        choices = jnp.asarray(self.declaration.choices, row.dtype)
        rows = jnp.broadcast_to(row, (len(choices), GRID - 1, len(row)))
        times = jnp.broadcast_to(s[1:] + shift, rows.shape[:2]).astype(row.dtype)
        chosen = jnp.broadcast_to(choices[:, None], times.shape)
        density = jnp.exp(self._lan(arrays, rows, times, chosen))
        density = jnp.concatenate([jnp.zeros((len(choices), 1)), density], axis=1)
        steps = 0.5 * jnp.diff(s) * (density[:, 1:] + density[:, :-1])
        start = jnp.zeros((len(choices), 1))
        cumulative = jnp.concatenate([start, jnp.cumsum(steps, axis=1)], axis=1)
        shares = cumulative[:, -1]
        if self.cpn is not None:
            shares = jnp.exp(log_choices(self._apply("cpn", arrays, self.inputs.cpn(row))))
        reached = jnp.cumsum(shares)
        c = jnp.minimum((reached <= uniforms[0] * reached[-1]).sum(), len(choices) - 1)
        rt = shift + jnp.interp(uniforms[1] * cumulative[c, -1], cumulative[c], s)
        return jnp.stack([rt, choices[c]]).astype(row.dtype)


def _where_any(condition: jax.Array, compute: Any, otherwise: jax.Array) -> jax.Array:
    """Compute values where a condition holds; nothing is computed if it holds nowhere."""
    return jax.lax.cond(
        condition.any(),
        lambda: jnp.where(condition, compute().astype(otherwise.dtype), otherwise),
        lambda: otherwise,
    )


@jax.jit(static_argnums=0)
def _value_and_gradient(
    density: ClassicDensity, weights: jax.Array, theta: jax.Array, trials: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return log densities (n,) and gradients (n, p), each trial's by its own parameters."""
    rows = jnp.broadcast_to(theta, (len(trials), theta.shape[1]))
    values, pull = jax.vjp(lambda rows: density.log_density(weights, rows, trials), rows)
    return values, pull(jnp.ones_like(values))[0]
