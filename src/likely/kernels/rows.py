"""Find the distinct rows of a parameter array, and which trials share them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from likely.kernels.caching import cached

FEW = 4  # rows are few if there are that many trials to a distinct one


def _kept(function: Callable[..., Any]) -> Any:
    """Compile a function, on disk: Python calls it, and every model compiles it in."""
    return cached(function, [function.__name__], nogil=True)


@numba.njit(nogil=True)
def _hash(words, i):  # type: ignore[no-untyped-def]
    """Hash row i of 64-bit words (FNV-1a, with a mix of high into low bits)."""
    value = np.uint64(14695981039346656037)
    for j in range(words.shape[1]):
        value = (value ^ words[i, j]) * np.uint64(1099511628211)
        value ^= value >> np.uint64(32)
    return value


@numba.njit(nogil=True)
def _same(words, i, j):  # type: ignore[no-untyped-def]
    """Tell whether rows i and j are bitwise equal."""
    for k in range(words.shape[1]):
        if words[i, k] != words[j, k]:
            return False
    return True


@_kept
def distinct_rows(theta, n):  # type: ignore[no-untyped-def]
    """Return the index of a representative of each distinct row, and which one each trial has.

    theta is (1, p), shared by all n trials, or (n, p) and contiguous.
    """
    which = np.zeros(n, dtype=np.int64)
    if theta.shape[0] == 1:
        return np.zeros(min(n, 1), dtype=np.int64), which
    words = theta.view(np.uint64)
    slots = 16
    while slots < 2 * n:
        slots *= 2
    table = np.full(slots, -1, dtype=np.int64)
    representatives = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        slot = np.int64(_hash(words, i) & np.uint64(slots - 1))
        while table[slot] >= 0 and not _same(words, representatives[table[slot]], i):
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot] = count
            representatives[count] = i
            count += 1
        which[i] = table[slot]
    return representatives[:count], which


@_kept
def shared(theta):  # type: ignore[no-untyped-def]
    """Return rows that trials share, and which of them each has, given rows that come one a trial.

    Where few are alike, these are the rows as they are, and no index.
    """
    representatives, which = distinct_rows(theta, theta.shape[0])
    if FEW * representatives.shape[0] <= theta.shape[0]:
        return theta[representatives], which
    return theta, which[:0]


@numba.njit(nogil=True)
def group_by(which, groups):  # type: ignore[no-untyped-def]
    """Return the trials ordered by group, and where each group begins, (groups + 1,)."""
    begins = np.zeros(groups + 1, dtype=np.int64)
    for w in which:
        begins[w + 1] += 1
    for g in range(groups):
        begins[g + 1] += begins[g]
    position = begins.copy()
    order = np.empty(len(which), dtype=np.int64)
    for i in range(len(which)):
        order[position[which[i]]] = i
        position[which[i]] += 1
    return order, begins


@numba.njit(nogil=True)
def row_of(index, rows, i):  # type: ignore[no-untyped-def]
    """Return the parameter row of trial i: without an index the only one, or the trial's own."""
    if index.shape[0] > 0:
        return index[i]
    return 0 if rows == 1 else i
