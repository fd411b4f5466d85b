"""Numerical first passages of any one-dimensional diffusion (being written)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from likely.densities.twin import ExactTwin


def fokker_planck_twin(
    drift: Callable[..., Any], boundary: Callable[..., Any], start: Callable[..., Any],
    names: Sequence[str],
) -> ExactTwin:  # fmt: skip
    raise NotImplementedError
