"""`likely train`: a likelihood from a model."""

from __future__ import annotations

from pathlib import Path

import click

from likely.commands.model_options import model_named
from likely.commands.models import aligned
from likely.shipped import SUFFIX


@click.command()
@click.argument("model")
@click.option("--seconds", type=float, help="How long to train; 60 by default.")
@click.option("--steps", type=int, help="Steps to take instead: the same seed, the same weights.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the run.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File; NAME.likely by default."
)
def train(
    model: str, seconds: float | None, steps: int | None, seed: int, output: Path | None
) -> None:
    """Train a likelihood for MODEL, a name or FILE.py:NAME, from simulations alone.

    Example: likely train my_models.py:mine --seconds 60 --seed 0 -o mine.likely
    """
    chosen = model_named(model)
    path = output or Path(f"{chosen.name}{SUFFIX}")
    if path.suffix != SUFFIX:
        raise click.BadParameter(
            f"the name of a likelihood file ends in {SUFFIX}.", param_hint="-o"
        )
    from likely.training import train as learn
    from likely.writing import require_writable

    require_writable(path.parent)
    likelihood = learn(chosen, seconds=seconds, steps=steps, seed=seed)
    likelihood.save(path)
    record = likelihood.training
    head = ("model", "steps", "draws", "seconds", "loss", "file")
    loss = f"{record.history[-1][2]:.4f}" if record.history else ""
    done = (f"{record.steps}", f"{record.draws}", f"{record.seconds:.1f}", loss)
    click.echo(aligned([head, (chosen.name, *done, str(path))]))
