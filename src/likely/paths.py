"""Sample paths of evidence, for figures: Euler's scheme on a fine, even grid.

Response times of data come from `likely.simulate`, whose scheme is far more accurate; a path here
is only to be looked at.

To add a kind of model, register a function for it with `sample_paths`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from likely.diffusions import Diffusion
from likely.kernels import compiled
from likely.levy_flight import LevyFlight
from likely.model import Model
from likely.model_functions import arguments, call
from likely.races import Race
from likely.typing import FloatArray
from likely.variability import VariableDiffusion

STEPS = 1000

Function = Callable[..., float]


@dataclass(frozen=True)
class Paths:
    """Evidence over decision time in several trials.

    Args:
        times: decision times (k,) in seconds, evenly spaced from 0.
        evidence: (trials, accumulators, k); NaN after the decision.
        boundary: where evidence decides, (1, k), or (accumulators, k) if each has its own; 0 from
            where it first gets there.
        mirrored: whether evidence also decides at minus the boundary.
        choices: which choice of the model's was made in each trial, (trials,), counted from 0; -1
            where none was yet.
    """

    times: FloatArray
    evidence: FloatArray
    boundary: FloatArray
    mirrored: bool
    choices: np.ndarray


@singledispatch
def sample_paths(model: Model, row: FloatArray, until: float, n: int, seed: int) -> Paths | None:
    """Return sample paths of a model, or None if it has no evidence to show.

    Args:
        model: what to simulate.
        row: its parameters, (p,).
        until: decision time in seconds up to which paths are followed.
        n: number of trials.
        seed: any integer from 0 to 2^64 - 1.
    """
    return None


@sample_paths.register
def _(model: Diffusion, row: FloatArray, until: float, n: int, seed: int) -> Paths:
    values = dict(zip(model.declaration.names, row.tolist(), strict=True))
    times = np.linspace(0.0, until, STEPS)
    noises = np.random.default_rng(seed).standard_normal((n, STEPS)) * math.sqrt(times[1])
    return _mirrored(model, [values] * n, times, noises)


@sample_paths.register
def _(model: LevyFlight, row: FloatArray, until: float, n: int, seed: int) -> Paths:
    values = dict(zip(model.declaration.names, row.tolist(), strict=True))
    times = np.linspace(0.0, until, STEPS)
    alpha = call(model.stability, values)
    noises = stable(alpha, (n, STEPS), np.random.default_rng(seed)) * times[1] ** (1.0 / alpha)
    return _mirrored(model, [values] * n, times, noises)


@sample_paths.register
def _(model: VariableDiffusion, row: FloatArray, until: float, n: int, seed: int) -> Paths:
    values = dict(zip(model.declaration.names, row.tolist(), strict=True))
    times = np.linspace(0.0, until, STEPS)
    rng = np.random.default_rng(seed)
    each = [
        values | {name: _drawn(function, values, rng) for name, function in model.redrawn.items()}
        for _ in range(n)
    ]
    noises = rng.standard_normal((n, STEPS)) * math.sqrt(times[1])
    paths = _mirrored(model.base, each, times, noises)
    if model.delay is not None:
        for trial in paths.evidence:
            _delay(trial, int(_drawn(model.delay, values, rng) / times[1]))
        paths.choices[np.isfinite(paths.evidence[:, 0, -1])] = -1  # not decided in time any more
    return paths


def _drawn(
    function: Callable[..., Any], values: Mapping[str, float], rng: np.random.Generator
) -> float:
    """Return what a function draws with one random number."""
    return call(function, {**values, "normal": rng.standard_normal(), "uniform": rng.random()})


def _delay(evidence: FloatArray, steps: int) -> None:
    """Let evidence (1, k) begin so many steps later."""
    if steps > 0:
        evidence[:, steps:] = evidence[:, :-steps].copy()
        evidence[:, :steps] = np.nan


def stable(alpha: float, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Draw symmetric stable noise of characteristic function exp(-|k|^alpha).

    Source: Chambers, Mallows and Stuck (1976), Journal of the American Statistical Association 71,
    340-344.
    """
    angle, waiting = math.pi * (rng.random(shape) - 0.5), rng.exponential(size=shape)
    slowed = (np.cos((1.0 - alpha) * angle) / waiting) ** ((1.0 - alpha) / alpha)
    return np.asarray(np.sin(alpha * angle) / np.cos(angle) ** (1.0 / alpha) * slowed)


def _mirrored(
    model: Diffusion | LevyFlight,
    each: Sequence[Mapping[str, float]],
    times: FloatArray,
    noises: FloatArray,
) -> Paths:
    """Follow a path a trial between two boundaries, given each trial's parameters and noise."""
    boundary = boundary_over(bound(model.boundary, each[0], ("s",)), times)
    followed = []
    for values, noise in zip(each, noises, strict=True):
        drift, start = bound(model.drift, values, ("x", "s")), call(model.start, values)
        followed.append(_between(drift, boundary, times, start * boundary[0], noise))
    return _gathered(times, boundary[None], True, followed)


def _between(
    drift: Function, boundary: FloatArray, times: FloatArray, start: float, noise: FloatArray
) -> tuple[FloatArray, int]:
    """Follow one path to either boundary; return it and the column of its choice, or -1."""
    path, x, step = np.full((1, len(times)), np.nan), start, float(times[1])
    path[0, 0] = start
    for i in range(1, len(times)):
        x += drift(x, float(times[i - 1])) * step + noise[i]
        if abs(x) >= boundary[i]:
            path[0, i] = math.copysign(boundary[i], x)
            return path, int(x > 0)
        path[0, i] = x
    return path, -1


@sample_paths.register
def _(model: Race, row: FloatArray, until: float, n: int, seed: int) -> Paths:
    each = model.columns.of(row)
    times = np.linspace(0.0, until, STEPS)
    boundary = np.stack([boundary_over(bound(model.boundary, v, ("s",)), times) for v in each])
    drifts = [bound(model.drift, v, ("x", "others", "s")) for v in each]
    start = np.array([call(model.start, v) for v in each]) * boundary[:, 0]
    shape = (n, STEPS, len(each))
    noises = np.random.default_rng(seed).standard_normal(shape) * math.sqrt(times[1])
    followed = [_racing(drifts, boundary, times, start, noise) for noise in noises]
    lines = boundary if np.ptp(boundary, axis=0).any() else boundary[:1]
    return _gathered(times, lines, False, followed)


def _racing(
    drifts: list[Function], boundary: FloatArray, times: FloatArray, start: FloatArray,
    noise: FloatArray,
) -> tuple[FloatArray, int]:  # fmt: skip
    """Follow accumulators that 0 reflects until one wins; return them and the winner, or -1."""
    paths, x, step = np.full((len(start), len(times)), np.nan), start.copy(), float(times[1])
    paths[:, 0] = x
    for i in range(1, len(times)):
        s, total = float(times[i - 1]), float(x.sum())
        moved = [drift(own, total - own, s) for drift, own in zip(drifts, x.tolist(), strict=True)]
        x = np.abs(x + np.array(moved) * step + noise[i])
        beyond = x - boundary[:, i]
        paths[:, i] = np.minimum(x, boundary[:, i])
        if beyond.max() >= 0.0:
            return paths, int(beyond.argmax())
    return paths, -1


def _gathered(
    times: FloatArray, boundary: FloatArray, mirrored: bool, followed: list[tuple[FloatArray, int]]
) -> Paths:
    evidence = np.stack([paths for paths, _ in followed])
    return Paths(times, evidence, boundary, mirrored, np.array([choice for _, choice in followed]))


def bound(function: Callable[..., Any], values: Mapping[str, float], free: tuple[str, ...]) -> Any:
    """Return a plain function of the free arguments, in this order, at fixed values of the rest."""
    function = compiled.plain(function)
    names = arguments(function)
    fixed = {name: values[name] for name in names if name not in free}
    places = [(name, place) for place, name in enumerate(free) if name in names]
    if not places:
        constant = float(function(**fixed))
        return lambda *_: constant
    return lambda *given: float(function(**fixed, **{name: given[i] for name, i in places}))


def boundary_over(boundary: Function, times: FloatArray) -> FloatArray:
    """Return the boundary at times (k,), 0 from where it first gets there."""
    values = np.array([boundary(float(s)) for s in times])
    met = np.flatnonzero(~(values > 0.0))
    if len(met):
        values[met[0] :] = 0.0
    return values
