"""`likely zoo`: the likelihoods that come with the package."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def zoo() -> None:
    """Make the likelihoods that come with the package."""


@zoo.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--quick", is_flag=True, help="Quick certificates, seconds instead of minutes.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the files; the package's own by default.",
)
def build(names: tuple[str, ...], quick: bool, output: Path | None) -> None:
    """Train, certify and write the likelihoods called NAME, or all of them.

    Steps and seeds are fixed. A trained network takes five to ten minutes on two cores; those made
    from another one, and closed forms, only take their certificate.

    Example: likely zoo build ornstein weibull -o files
    """
    from likely.commands.messages import say
    from likely.shipped import SHIPPED
    from likely.shipped.build import build as make
    from likely.writing import require_writable

    require_writable(SHIPPED if output is None else output)
    for built in make(names, folder=SHIPPED if output is None else output, quick=quick):
        say(f"{built.path}: {built.likelihood!r}")
        assert built.likelihood.certificate is not None
        click.echo(f"{built.likelihood.declaration.name}: {built.likelihood.certificate.verdict}")
