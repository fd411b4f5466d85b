"""`likely demo`: from a simulator to a posterior, before the user's eyes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--quick", is_flag=True, help="Use the shipped likelihood instead of training one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("likely-demo"),
    show_default=True,
    help="Folder for figures and the page.",
)
def demo(quick: bool, seed: int, output: Path) -> None:
    """Simulate a Go/NoGo experiment, train a likelihood, and recover the parameters."""
    from likely.demo import run

    run(output, quick=quick, seed=seed)
