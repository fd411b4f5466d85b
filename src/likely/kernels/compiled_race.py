"""Turn the plain Python functions of a race into a compiled first-passage sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from likely.errors import ModelError
from likely.kernels.compiled import argument_names, build, compile_now, row_adapter
from likely.kernels.race import PACE, coupled_passages, independent_passages
from likely.typing import FirstPassages, FloatArray

_INDEPENDENT = """
def passages(rows, draws, first, seed, limit, times, choices, table):
    fill(rows, draws, first, seed, limit, times, choices, table, moves, drift, boundary, start)
"""

_COUPLED = """
def passages(rows, draws, first, seed, limit, times, choices, table):
    fill(rows, draws, first, seed, limit, times, choices, table, pace, drift, boundary, start)
"""


def compile_race(
    drift: Callable[..., Any],
    boundary: Callable[..., Any],
    start: Callable[..., Any],
    arguments: Sequence[str],
    columns: Sequence[Sequence[int]],
    names: Sequence[str],
) -> FirstPassages:
    """Compile the first passages of a race; see `likely.races.Race` for the functions.

    Args:
        drift: plain function of x, others, s and `arguments`.
        boundary: plain function of s and `arguments`.
        start: plain function of `arguments`.
        arguments: names (k,) of all parameters that the functions take.
        columns: (n, k): where each of the n accumulators finds them in a parameter row.
        names: names of the columns of the parameter rows.
    """
    used = set(argument_names(drift))
    constant = used.isdisjoint({"x", "others", "s"})
    source = _INDEPENDENT if constant else _COUPLED
    table = np.array(columns, dtype=np.int64).reshape(len(columns), len(arguments))
    functions = {
        "fill": independent_passages if constant else coupled_passages,
        "pace": PACE if "s" in used else math.inf,
        "moves": "s" in argument_names(boundary),
        "drift": row_adapter(drift, ("x", "others", "s"), arguments),
        "boundary": row_adapter(boundary, ("s",), arguments),
        "start": row_adapter(start, (), arguments),
    }
    # What differs between races of the same functions is the table: they share compiled code.
    kernel = build(
        source, "passages", functions, (source, tuple(arguments), drift, boundary, start)
    )

    def passages(
        rows: FloatArray, draws: int, first: int, seed: int, limit: float,
        times: FloatArray, choices: FloatArray,
    ) -> None:  # fmt: skip
        kernel(rows, draws, first, np.uint64(seed), float(limit), times, choices, table)
        lost = np.flatnonzero(times == 0.0)
        if len(lost):
            raise ModelError(_lost(names, rows[(first + lost[0]) // draws]))

    compile_now(passages, len(names))
    return passages


def _lost(names: Sequence[str], row: FloatArray) -> str:
    """Say that a race could not be followed, and at which parameters."""
    where = ", ".join(f"{name}={value:g}" for name, value in zip(names, row, strict=True))
    return (
        f"at {where} an accumulator does not start between 0 and its boundary, or a drift or a "
        "boundary is not a number."
    )
