"""Types shared across the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Box = dict[str, tuple[float, float]]
Theta = Mapping[str, Any] | ArrayLike
"""Parameters: name -> scalar or (n,) array, or an array (n, p) in the model's order."""


class FirstPassages(Protocol):
    """Fills times and choices with first passages of consecutive trajectories.

    Trajectory `first + i` takes its parameters from `rows[(first + i) // draws]` and its
    randomness from stream `first + i` of `seed`, so the result does not depend on how a run is
    cut into calls. Times exclude the non-decision time. A trajectory that has not decided by
    `limit` seconds gets (nan, nan). Calls release the GIL where they can.
    """

    def __call__(
        self,
        rows: FloatArray,
        draws: int,
        first: int,
        seed: int,
        limit: float,
        times: FloatArray,
        choices: FloatArray,
    ) -> None:
        """Fill `times` and `choices`, both (n,)."""
        ...
