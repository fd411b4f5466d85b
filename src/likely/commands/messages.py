"""Messages on stderr."""

from __future__ import annotations

import click


def say(message: str) -> None:
    """Print a message on stderr, as one line that begins with the name of the command."""
    click.echo(f"likely: {' '.join(message.split())}", err=True)
