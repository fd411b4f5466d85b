"""`likely models`: what there is to choose from."""

from __future__ import annotations

from pathlib import Path

import click

from likely.commands.messages import say
from likely.commands.model_options import model_named


@click.command()
@click.argument("name", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for a page about NAME, in Markdown with a figure.",
)
def models(name: str | None, output: Path | None) -> None:
    """List the models, or show the card of the one called NAME (or FILE.py:NAME).

    The number beside the grade of a shipped likelihood is the median error of its log density.

    Example: likely models angle -o pages
    """
    from likely.handbook import card, contents
    from likely.zoo import models as zoo

    if name is None:
        if output is not None:
            raise click.UsageError(
                "name the model that the page is about: likely models NAME -o FOLDER."
            )
        click.echo(contents(zoo))
        return
    model = model_named(name)
    if output is not None:
        from likely.handbook.page import write_page
        from likely.writing import require_writable

        require_writable(output)
        say(f"the page is {write_page(model, output)}.")
    click.echo(card(model))
