"""Products of matrices in tiles."""

from __future__ import annotations

import numpy as np
import pytest

from likely.kernels.tiles import PADDED, add_products


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 3), (1, 1), (7, 5), (20, 48), (48, 23)])
@pytest.mark.parametrize("blocks", [1, 2, 3, 7])
def test_products_of_any_shape(inputs: int, outputs: int, blocks: int) -> None:
    rng = np.random.default_rng(inputs + outputs)
    x = rng.normal(size=(inputs, blocks * PADDED))
    stride, begin = outputs + 2, 3
    weights = rng.normal(size=begin + inputs * stride)
    matrix = weights[begin:].reshape(inputs, stride)[:, :outputs]
    y = rng.normal(size=(outputs, blocks * PADDED))
    expected = y + matrix.T @ x
    add_products(x, weights, begin, stride, y)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
