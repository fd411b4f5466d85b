"""Find the distinct rows of a parameter array, and which trials share them."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _hash(row):  # type: ignore[no-untyped-def]
    """Hash a row of floats by their bits (FNV-1a over 64-bit words, then a final mix)."""
    value = np.uint64(14695981039346656037)
    for word in row.view(np.uint64):
        value = (value ^ word) * np.uint64(1099511628211)
        value ^= value >> np.uint64(32)
    return value


@numba.njit(cache=True, nogil=True)
def distinct_rows(theta, n):  # type: ignore[no-untyped-def]
    """Return the index of a representative of each distinct row, and which one each trial has.

    theta is (1, p), shared by all n trials, or (n, p) and contiguous.
    """
    which = np.zeros(n, dtype=np.int64)
    if theta.shape[0] == 1:
        return np.zeros(min(n, 1), dtype=np.int64), which
    slots = 16
    while slots < 2 * n:
        slots *= 2
    table = np.full(slots, -1, dtype=np.int64)
    representatives = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        slot = np.int64(_hash(theta[i]) & np.uint64(slots - 1))
        while table[slot] >= 0 and not np.array_equal(
            theta[representatives[table[slot]]].view(np.uint64), theta[i].view(np.uint64)
        ):
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot] = count
            representatives[count] = i
            count += 1
        which[i] = table[slot]
    return representatives[:count], which


@numba.njit(cache=True, nogil=True)
def group_by(which, groups):  # type: ignore[no-untyped-def]
    """Return the trials ordered by group, and where each group begins, (groups + 1,)."""
    begins = np.zeros(groups + 1, dtype=np.int64)
    for w in which:
        begins[w + 1] += 1
    for g in range(groups):
        begins[g + 1] += begins[g]
    position = begins[:-1].copy()
    order = np.empty(len(which), dtype=np.int64)
    for i in range(len(which)):
        order[position[which[i]]] = i
        position[which[i]] += 1
    return order, begins
