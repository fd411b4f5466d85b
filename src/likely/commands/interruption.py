"""Ctrl-C, and what it left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from likely.errors import SamplingInterrupted


class Interrupted(click.ClickException):
    """Ctrl-C, with what is to be said of it."""


@contextmanager
def ends_with(message: str) -> Iterator[None]:
    """Say this if Ctrl-C is pressed within, unless sampling was interrupted with draws to keep.

    Raises:
        Interrupted: on Ctrl-C.
    """
    try:
        yield
    except SamplingInterrupted:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if not was_interrupted(error):
            raise
        raise Interrupted(message) from error


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: compiled code turns it into errors of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
