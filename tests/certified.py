"""Densities written as plain functions, right or wrong on purpose, and a certificate by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import likely as lk
from likely.certificates.measures import (
    AgainstDraws,
    AgainstExact,
    Place,
    PosteriorShift,
    Quarters,
    Reach,
    Shift,
    Spread,
)
from likely.certificates.record import Certificate, fingerprint
from likely.densities import wiener
from likely.likelihood import Likelihood, Training
from likely.networks.density import Density
from likely.simulation import decide
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED

DDM = lk.models["ddm"].with_box(v=(-3, 3), a=(0.5, 2), z=(0.2, 0.8), t=(0, 1))
STEP = 1e-5  # of the central differences that are the gradients

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Function of rows (n, p) and encoded trials (n, 2): log densities (n,)."""


@dataclass(frozen=True)
class Plain(Density):
    """A density that is a function of parameters and trials, without weights."""

    declaration: lk.Declaration
    values: Values
    draw: Callable[[np.ndarray, int], np.ndarray]
    times_only: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"none": (0,)}

    def specification(self) -> dict[str, Any]:
        return {}

    @property
    def compilable(self) -> bool:
        return False

    def unanswerable(self, trials: np.ndarray) -> str | None:
        other = np.isneginf(trials[:, 0]) | np.isposinf(trials[:, 1])
        return "it knows times only" if self.times_only and other.any() else None

    def evaluate(
        self, weights: np.ndarray, theta: np.ndarray, trials: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = np.broadcast_to(theta, (len(trials), theta.shape[1]))
        gradients = np.zeros(rows.shape)
        values = self.values(rows, trials)
        usable = np.isfinite(values)
        for j in range(rows.shape[1]):
            step = np.zeros(rows.shape[1])
            step[j] = STEP
            up, down = self.values(rows + step, trials), self.values(rows - step, trials)
            usable = usable & np.isfinite(up) & np.isfinite(down)
            gradients[usable, j] = (up[usable] - down[usable]) / (2 * STEP)
        return values, gradients

    def transform(
        self, weights: np.ndarray, theta: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        return self.draw(theta, int(uniforms[0, 0] * 2**53))

    def prepared(self, weights: np.ndarray) -> np.ndarray:
        return weights

    def pull(self, *arguments: Any) -> Any:
        raise NotImplementedError

    def compiled_pullback(self, threads: int = 1) -> Any:
        raise NotImplementedError

    def compiled_draws(self) -> Any:
        raise NotImplementedError

    def log_density(self, weights: Any, theta: Any, trials: Any) -> Any:
        raise NotImplementedError

    def log_density_of_rows(self, weights: Any, theta: Any, index: Any, trials: Any) -> Any:
        raise NotImplementedError

    def draws(self, weights: Any, theta: Any, uniforms: Any, normals: Any) -> Any:
        raise NotImplementedError


def plain(
    declaration: lk.Declaration, values: Values, draw: Callable[[np.ndarray, int], np.ndarray]
) -> Likelihood:
    training = Training("none", 0, 0, 0, 0.0, "0")
    return Likelihood(Plain(declaration, values, draw), np.empty(0), training)


def ddm_values(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Return the exact log densities of the drift diffusion model."""
    v, a, z, t = rows.T
    rt, choice = trials.T
    values = np.empty(len(rt))
    omitted, untimed = choice == NO_RESPONSE, rt == TIME_UNOBSERVED
    timed = ~omitted & ~untimed
    values[timed] = wiener.log_density(*(x[timed] for x in (rt, choice, v, a, z, t)))
    values[omitted] = wiener.log_survival(*(x[omitted] for x in (rt, v, a, z, t)))
    values[untimed] = np.log(wiener.choice_probability(*(x[untimed] for x in (choice, v, a, z))))
    return values


def ddm_draws(rows: np.ndarray, seed: int) -> np.ndarray:
    times, choices = decide(DDM, rows * [1, 1, 1, 0], 1, seed=seed, max_time=100.0)
    return np.stack([times + rows[:, 3], choices], axis=1)


def changed(
    change: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], of: str = "times"
) -> Likelihood:
    """Return the exact density with a change of its values for one kind of trial.

    Args:
        change: function of rows, trials and exact values that returns others.
        of: "times", "choices" or "omissions": which trials' values it changes.
    """

    def values(rows: np.ndarray, trials: np.ndarray) -> np.ndarray:
        omitted, untimed = trials[:, 1] == NO_RESPONSE, trials[:, 0] == TIME_UNOBSERVED
        kind = {"times": ~omitted & ~untimed, "choices": untimed, "omissions": omitted}[of]
        result = ddm_values(rows, trials)
        result[kind] = change(rows[kind], trials[kind], result[kind])
        return result

    return plain(DDM.declaration, values, ddm_draws)


def handwritten(likelihood: Likelihood) -> Certificate:
    """Return a certificate of a likelihood that holds every measure, none of them measured."""
    names, spread = likelihood.declaration.names, Spread(0.002, 0.008, 0.0125)
    rows = ((0.5, 1.0, 0.5, 0.25), (1.0, 2.0, 0.25, 0.5))
    place = Place(dict(zip(names, rows[0], strict=True)), 0.0125)
    exact = AgainstExact(
        2, 0, spread, spread, spread, spread, spread, spread, spread, spread, spread,
        (place,), (Quarters("v", (0.001, 0.002, 0.003, 0.004)),), rows, (0.002, 0.0125),
    )  # fmt: skip
    shift = Shift(1000, 0.05, 0.1, 0.125, dict.fromkeys(names, 0.05), 0, (0.05, 0.125))
    draws = AgainstDraws(
        2, 500, -0.5, 0.01, spread, spread, 0.05, 0, 0.002, 0.01, (0.0, 0.001, 0.0),
        spread, 1.0, 1.1, 0.501, 0.01,
    )  # fmt: skip
    return Certificate(
        "ddm", fingerprint(likelihood.weights), dict.fromkeys(names, (0.25, 0.75)), 7, 12.5, "0",
        exact, PosteriorShift(2, (shift,), Reach(16_000, True), Reach(4000, False)), draws,
    )  # fmt: skip
