"""Turn a model's plain Python functions into compiled first-passage samplers.

A function's arguments are matched to parameters by name. The adapters below let the fixed inner
loops call any such function with one array of parameters.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numba
import numpy as np
from numba.core.errors import NumbaError

from likely.errors import ModelError
from likely.kernels.caching import cached
from likely.kernels.diffusion import (
    PACE,
    first_passage,
    first_passages,
    followed,
    varied_passages,
)
from likely.kernels.levy import levy_passages
from likely.kernels.rng import normal, stream, uniform
from likely.typing import FirstPassages, FloatArray

BLOCK = 1024  # trajectories of a per-trial simulator that share one random generator

_SAMPLER = """
def passages(rows, draws, first, seed, limit, times, choices):
    fill(rows, draws, first, seed, limit, times, choices, {given})
"""

_STAGES = """
def passages(rows, draws, first, seed, limit, times, choices):
    for i in range(times.shape[0]):
        row = rows[(first + i) // draws]
        times[i], choices[i] = fill(row, limit, stream(seed, first + i), {given})
"""

_DECIDED = """
def decided(row, limit, state):
    return first_passage(row, limit, state, pace, uniform, drift, boundary, start)
"""

_REST = """
def rest(x, s, row, limit, state):
    return followed(x, s, row, limit, state, pace, uniform, drift, boundary)
"""

_REDRAW = """
def redraw(row, mine, state):
    for k in range(row.shape[0]):
        mine[k] = row[k]
    {draws}
    return delay, state
"""

_TRIALS = """
def trials(rng, rows, draws, first, times, choices):
    for i in range(times.shape[0]):
        row = rows[(first + i) // draws]
        times[i], choices[i] = trial(rng, row)
"""


def row_adapter(function: Callable[..., Any], leading: Sequence[str], names: Sequence[str]) -> Any:
    """Compile `function` behind the signature (*leading, row), arguments matched by name."""
    columns = {name: f"row[{i}]" for i, name in enumerate(names)}
    arguments = ", ".join(columns.get(name, name) for name in argument_names(function))
    source = f"lambda {', '.join([*leading, 'row'])}: function({arguments})"
    scope = {"__name__": __name__, "function": numba.njit(_adopted(plain(function)))}
    adapter = eval(source, scope)  # noqa: S307
    return numba.njit(adapter)


def of_row(function: Callable[..., Any], names: Sequence[str]) -> Callable[[FloatArray], Any]:
    """Return a function of one parameter row that calls a plain `function` of named parameters."""
    columns = [list(names).index(name) for name in argument_names(function)]
    return lambda row: plain(function)(*(row[i] for i in columns))


def _adopted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy that names this module as its own.

    Compiled code kept on disk imports the module of each function in it, and a user's module may
    go by another name, or by none, in the next process.
    """
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__module__ = __name__
    return copy


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the Python function beneath one that numba has already wrapped."""
    return getattr(function, "py_func", function)


def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's arguments, without *args and **kwargs."""
    code = plain(function).__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def has_plain_arguments(function: Callable[..., Any]) -> bool:
    """Whether a function takes nothing but arguments that can be given by position."""
    code = plain(function).__code__
    variable = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    return not (code.co_kwonlyargcount or code.co_flags & variable)


def build(source: str, name: str, functions: dict[str, Any], identity: Sequence[Any]) -> Any:
    """Compile the function `name` of a source that calls `functions`, kept by its `identity`."""
    namespace = {"__name__": __name__, **functions}
    exec(source, namespace)  # noqa: S102
    return cached(namespace[name], identity, nogil=True, error_model="numpy")


def compile_diffusion(
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
    names: Sequence[str],
) -> FirstPassages:
    """Compile a diffusion; see `likely.diffusions.Diffusion` for the functions."""
    functions = {
        **_form([drift]),
        "drift": row_adapter(drift, ("x", "s"), names),
        "boundary": row_adapter(boundary, ("s",), names),
        "start": row_adapter(start, (), names),
    }
    return _sampler(first_passages, functions, names, (drift, boundary, start))


def compile_varied(
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
    names: Sequence[str],
    redrawn: Mapping[str, Callable[..., Any]],
    delay: Callable[..., Any] | None,
) -> FirstPassages:
    """Compile a diffusion whose parameters vary; see `likely.variability.VariableDiffusion`."""
    functions = {
        **_form([drift]),
        "drift": row_adapter(drift, ("x", "s"), names),
        "boundary": row_adapter(boundary, ("s",), names),
        "start": row_adapter(start, (), names),
        "redraw": _redraw(names, redrawn, delay),
    }
    identity = (drift, boundary, start, tuple(redrawn), *redrawn.values(), delay)
    return _sampler(varied_passages, functions, names, identity)


def _redraw(
    names: Sequence[str],
    redrawn: Mapping[str, Callable[..., Any]],
    delay: Callable[..., Any] | None,
) -> Any:
    """Compile a function (row, mine, state) -> (delay, state) that draws a trial's parameters."""
    scope: dict[str, Any] = {"normal": normal, "uniform": uniform}
    targets = [(f"mine[{list(names).index(name)}]", f) for name, f in redrawn.items()]
    lines = [] if delay is not None else ["delay = 0.0"]
    for i, (target, function) in enumerate([*targets, ("delay", delay)]):
        if function is not None:
            noise = "normal" if "normal" in argument_names(function) else "uniform"
            lines += [f"noise, state = {noise}(state)", f"{target} = function_{i}(noise, row)"]
            scope[f"function_{i}"] = row_adapter(function, (noise,), names)
    exec(_REDRAW.format(draws="\n    ".join(lines)), scope)  # noqa: S102
    return numba.njit(scope["redraw"])


def compile_levy_flight(
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
    stability: Callable[..., Any],
    names: Sequence[str],
) -> FirstPassages:
    """Compile a Levy flight's first passages; see `likely.levy_flight.LevyFlight`."""
    functions = {
        **_form([drift]),
        "drift": row_adapter(drift, ("x", "s"), names),
        "boundary": row_adapter(boundary, ("s",), names),
        "start": row_adapter(start, (), names),
        "stability": row_adapter(stability, (), names),
    }
    return _sampler(levy_passages, functions, names, (drift, boundary, start, stability))


def compile_two_stage(
    order: Any,
    boundary: Callable[..., Any],
    stages: Sequence[tuple[Callable[..., Any], Callable[..., Any]]],
    spared: Callable[..., Any] | None,
    names: Sequence[str],
) -> FirstPassages:
    """Compile decisions in two stages; see `likely.two_stage.TwoStage`.

    Args:
        order: one of the orders in `likely.kernels.two_stage`.
        boundary: of all three decisions.
        stages: drift and start of the high-level decision and of the two low-level ones.
        spared: share of low-level drift that is left before the high-level decision, for `mixed`.
        names: parameters in order.
    """
    scope = _form([drift for drift, _ in stages])
    scope["boundary"] = row_adapter(boundary, ("s",), names)
    if spared is not None:
        scope["spared"] = row_adapter(spared, (), names)
    for i, (drift, start) in enumerate(stages):
        scope[f"drift_{i}"] = row_adapter(drift, ("x", "s"), names)
        scope[f"start_{i}"] = row_adapter(start, (), names)
        one = {**scope, "drift": scope[f"drift_{i}"], "start": scope[f"start_{i}"]}
        one |= {"first_passage": first_passage, "followed": followed}
        exec(_DECIDED + _REST, one)  # noqa: S102
        for name in ("decided", "rest"):
            scope[f"{name}_{i}"] = numba.njit(one[name], error_model="numpy")
    needed = argument_names(order)[len(("row", "limit", "state")) :]
    identity = (order.__name__, boundary, *(f for stage in stages for f in stage), spared)
    return _sampler(order, {name: scope[name] for name in needed}, names, identity, _STAGES)


def _form(drifts: Sequence[Callable[..., Any]]) -> dict[str, Any]:
    """Say what drifts depend on: how often to look at them, and whether only time matters."""
    used = {name for drift in drifts for name in argument_names(drift)}
    return {"pace": PACE if "s" in used else math.inf, "uniform": "x" not in used}


def _sampler(
    fill: Any,
    functions: dict[str, Any],
    names: Sequence[str],
    identity: Sequence[Any],
    template: str = _SAMPLER,
) -> FirstPassages:
    """Compile a loop over trajectories that is given numbers and compiled functions, in order."""
    source = template.format(given=", ".join(functions))
    reached = {"fill": fill, "stream": stream, **functions}
    kernel = build(source, "passages", reached, (source, tuple(names), *identity))

    def passages(
        rows: FloatArray, draws: int, first: int, seed: int, limit: float,
        times: FloatArray, choices: FloatArray,
    ) -> None:  # fmt: skip
        kernel(rows, draws, first, np.uint64(seed), float(limit), times, choices)
        lost = np.flatnonzero(times == 0.0)
        if len(lost):
            raise ModelError(_lost(names, rows[(first + lost[0]) // draws]))

    compile_now(passages, len(names))
    return passages


def _lost(names: Sequence[str], row: FloatArray) -> str:
    """Say that a trajectory could not be followed, and at which parameters."""
    where = ", ".join(f"{name}={value:g}" for name, value in zip(names, row, strict=True))
    return (
        f"at {where} the evidence does not start between the boundaries, or the drift or the "
        "boundary is not a number."
    )


def compile_trials(simulate: Callable[..., Any], names: Sequence[str]) -> FirstPassages:
    """Compile a per-trial function(rng, **parameters) -> (rt, choice)."""
    functions = {"trial": row_adapter(simulate, ("rng",), names)}
    kernel = build(_TRIALS, "trials", functions, (_TRIALS, tuple(names), simulate))

    def passages(
        rows: FloatArray, draws: int, first: int, seed: int, limit: float,
        times: FloatArray, choices: FloatArray,
    ) -> None:  # fmt: skip
        for begin in range(0, len(times), BLOCK):
            block = slice(begin, begin + BLOCK)
            rng = block_generator(seed, first + begin)
            kernel(rng, rows, draws, first + begin, times[block], choices[block])
        undecided(times, choices, limit)

    return passages


def vectorized_trials(simulate: Callable[..., Any], names: Sequence[str]) -> FirstPassages:
    """Wrap a vectorised numpy function(rng, **parameters) -> (rt array, choice array)."""

    def passages(
        rows: FloatArray, draws: int, first: int, seed: int, limit: float,
        times: FloatArray, choices: FloatArray,
    ) -> None:  # fmt: skip
        for begin in range(0, len(times), BLOCK):
            block = slice(begin, min(begin + BLOCK, len(times)))
            index = (first + np.arange(block.start, block.stop)) // draws
            columns = {name: rows[index, i] for i, name in enumerate(names)}
            result = simulate(rng=block_generator(seed, first + begin), **columns)
            _store(result, times[block], choices[block])
        undecided(times, choices, limit)

    return passages


def block_generator(seed: int, first: int) -> np.random.Generator:
    """Return the generator of the block of trajectories that begins at `first`."""
    words = np.random.SeedSequence(seed, spawn_key=(first // BLOCK,))
    return np.random.Generator(np.random.SFC64(words))


def undecided(times: FloatArray, choices: FloatArray, limit: float) -> None:
    """Mark trajectories that have not decided by `limit` as (nan, nan)."""
    late = ~(times < limit)
    times[late] = np.nan
    choices[late] = np.nan


def _store(result: Any, times: FloatArray, choices: FloatArray) -> None:
    try:
        rt, choice = (np.asarray(part, dtype=np.float64) for part in result)
    except (TypeError, ValueError) as error:
        raise ModelError(
            "a vectorised simulator returns two numeric arrays: rt, choice."
        ) from error
    if rt.shape != times.shape or choice.shape != times.shape:
        raise ModelError(
            f"the simulator was given parameters of shape {times.shape} and returned rt of shape "
            f"{rt.shape} and choice of shape {choice.shape}; all must agree."
        )
    times[:] = rt
    choices[:] = choice


def compile_now(passages: FirstPassages, columns: int) -> None:
    """Compile on an empty run, so that a function numba cannot compile fails here."""
    try:
        passages(np.zeros((1, columns)), 1, 0, 0, 1.0, np.empty(0), np.empty(0))
    except NumbaError as error:
        raise ModelError(f"numba cannot compile the model's functions: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return the telling line of numba's long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if not line.startswith(("Failed", "During:", "File ", "- Resolution", "No implementation"))
    ]
    return (telling or lines or ["unknown reason"])[0]
