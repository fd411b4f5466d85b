"""`likely simulate`: trials from a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from likely.commands.model_options import (
    ModelCommand,
    find_model,
    found,
    model_named,
    parameters,
)

if TYPE_CHECKING:
    import pandas as pd


@click.command(cls=ModelCommand, find=find_model, value=click.FLOAT)
@click.argument("model")
@click.option("-n", "--trials", type=int, default=1000, show_default=True, help="Trials to draw.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed, the same bits."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="CSV file; stdout if left out."
)
def simulate(model: str, trials: int, seed: int, output: Path | None, **options: Any) -> None:
    """Draw trials from MODEL, a name or FILE.py:NAME, into a CSV file with columns rt and choice.

    Each parameter of the model is an option, in the model's units: `likely simulate MODEL --help`
    lists them. A trial that never ended has neither rt nor choice.

    Example: likely simulate ddm --v 1 --a 1.5 --z 0.5 --t 0.3 -n 1000 -o trials.csv
    """
    chosen = found() or model_named(model)
    from likely.simulation import simulate as draw
    from likely.writing import require_writable, written_whole

    if output is not None:
        require_writable(output.parent)

    frame = draw(chosen, parameters(options), trials, seed=seed)
    if output is None:
        click.echo(frame.to_csv(index=False), nl=False)
        return
    with written_whole(output) as temporary:
        frame.to_csv(temporary, index=False)
    click.echo(_summary(frame))
    click.echo(f"\n{len(frame)} trials in {output}")


def _summary(frame: pd.DataFrame) -> str:
    groups = frame.groupby("choice", dropna=False)["rt"]
    table = groups.agg(["size", "mean", "std"]).rename(
        columns={"size": "trials", "mean": "mean rt", "std": "sd rt"}
    )
    return table.to_string(float_format="{:.4f}".format)
