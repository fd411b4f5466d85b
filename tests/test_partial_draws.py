"""What samplers return is made fit for use."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import xarray as xr

from likely.regression.fitting import _thinned
from likely.regression.partial_draws import in_numpy


def test_draws_of_jax_samplers_can_be_picked() -> None:
    """Of several chains at once, with every group and coordinate kept."""
    draws = xr.Dataset({"a": (("chain", "draw"), jnp.arange(6.0).reshape(2, 3))})
    idata = xr.DataTree.from_dict({"posterior": draws, "sample_stats": draws.rename(a="lp")})
    kept = in_numpy(idata)
    assert set(kept.children) == {"posterior", "sample_stats"}
    chosen = _thinned(kept["posterior"].to_dataset(), np.array([1, 5]))
    np.testing.assert_array_equal(chosen["a"], [[1.0, 5.0]])
