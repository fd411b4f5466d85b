"""Shuffle rows that do not all fit into memory: a pool that shards enter and random rows leave.

A row in the pool is compact: the number of its parameter set and what it does not share with the
set's other rows, as 32-bit words. Its parameters are looked up when it leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from likely.kernels.caching import cached

type Examples = tuple[np.ndarray, np.ndarray]
"""Inputs (n, k) float32 and targets (n, ...) float32."""


class Form(NamedTuple):
    """How a record becomes a row.

    Args:
        theta: parameters of all sets that records may name, (sets, p) float32.
        inputs: how many of a record's own words are inputs.
        target: shape of a target, () or (C,).
    """

    theta: np.ndarray
    inputs: int
    target: tuple[int, ...]


def shuffled(
    pool: np.ndarray,
    filled: int,
    entering: Iterator[tuple[int, Callable[[np.ndarray], None]]],
    block: int,
    form: Form,
    rng: np.random.Generator,
) -> Iterator[Examples]:
    """Yield every row once, in blocks of random rows of the pool.

    Args:
        pool: room for records, (capacity, 1 + own words) int32; it must hold a block more than the
            largest group that enters.
        filled: how many records are in it already, at its beginning.
        entering: groups of records that are still to come: how many, and what writes them.
        block: rows yielded at a time; fewer only at the very end.
        form: how a record becomes a row.
        rng: which rows leave.
    """
    for count, write in entering:
        while filled + count > len(pool):
            yield _leaving(pool[:filled], block, form, rng)
            filled -= block
        write(pool[filled : filled + count])
        filled += count
    while filled:
        leaving = min(block, filled)
        yield _leaving(pool[:filled], leaving, form, rng)
        filled -= leaving


def _leaving(pool: np.ndarray, n: int, form: Form, rng: np.random.Generator) -> Examples:
    """Move n random records to the end of the pool, which gives them up, and return their rows."""
    _entry(_draw)(pool, rng.random(n))
    return rows_of(pool[len(pool) - n :], form)


def rows_of(records: np.ndarray, form: Form) -> Examples:
    """Return the rows of records (n, 1 + own words) int32."""
    n, width = records.shape
    inputs = np.empty((n, form.theta.shape[1] + form.inputs), np.float32)
    targets = np.empty((n, width - 1 - form.inputs), np.float32)
    _entry(_look_up)(records, records.view(np.float32), form.theta, inputs, targets)
    return inputs, targets.reshape(n, *form.target)


def _draw(records, uniforms):  # type: ignore[no-untyped-def]
    """Swap random records with the last ones (Fisher-Yates), one for each uniform number."""
    n, width = records.shape
    for u in uniforms:
        chosen = int(u * n)
        n -= 1
        for k in range(width):
            word = records[chosen, k]
            records[chosen, k] = records[n, k]
            records[n, k] = word


def _look_up(records, values, theta, inputs, targets):  # type: ignore[no-untyped-def]
    """Fill inputs with parameters and a record's own inputs, and targets with the rest of it."""
    p = theta.shape[1]
    own = inputs.shape[1] - p
    for i in range(records.shape[0]):
        row = records[i, 0]
        for k in range(p):
            inputs[i, k] = theta[row, k]
        for k in range(own):
            inputs[i, p + k] = values[i, 1 + k]
        for k in range(targets.shape[1]):
            targets[i, k] = values[i, 1 + own + k]


@functools.cache
def _entry(function: Callable[..., Any]) -> Any:
    """Compile a function when first asked for, or load it from disk."""
    return cached(function, [function], nogil=True)
