"""Names and shapes of a perceptron's weights."""

from __future__ import annotations

import itertools


def weight_shapes(sizes: tuple[int, ...], *, skip: bool = True) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of a perceptron's weights, for widths from inputs to outputs."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (m, n) in enumerate(itertools.pairwise(sizes)):
        shapes[f"dense{i}/kernel"] = (m, n)
        shapes[f"dense{i}/bias"] = (n,)
    if skip:
        shapes["skip/kernel"] = (sizes[0], sizes[-1])
    return shapes
