"""Sampling without the chatter of PyMC: what matters is said by whoever asked for the draws."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_sampling() -> Iterator[None]:
    """Keep PyMC's log and numpy's notices of overflow in rejected proposals from the user."""
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
            yield
    finally:
        logger.setLevel(level)
