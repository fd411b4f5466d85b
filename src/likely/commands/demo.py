"""`likely demo`: from a simulator to a posterior, before the user's eyes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--quick", is_flag=True, help="Use the shipped likelihood instead of training one.")
@click.option(
    "--classic",
    is_flag=True,
    help="Train a LAN and a CPN on 10,000 labelled parameter sets instead; ten minutes.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("likely-demo"),
    show_default=True,
    help="Folder for figures and the page.",
)
def demo(quick: bool, classic: bool, seed: int, output: Path) -> None:
    """Simulate a Go/NoGo experiment, train a likelihood, and recover the parameters."""
    if quick and classic:
        raise click.UsageError("--quick and --classic are two ways; take one.")
    from likely.demo import Classic, Fresh, Shipped, run

    run(output, road=Shipped() if quick else Classic() if classic else Fresh(), seed=seed)
