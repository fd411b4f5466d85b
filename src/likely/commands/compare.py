"""`likely compare`: which of several fitted models predicts best."""

from __future__ import annotations

from pathlib import Path

import click

COLUMNS = ("rank", "elpd", "se", "p", "elpd_diff", "dse", "p_worse", "weight", "waic")


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for comparison.csv and comparison.png.",
)
def compare(folders: tuple[Path, ...], output: Path | None) -> None:
    """Compare fits of the same trials by how well they predict trials left out (PSIS-LOO).

    elpd_diff is how far a model is below the best one, dse the standard error of that; a difference
    of less than two of them decides nothing.

    Example: likely compare fitted_ddm fitted_angle
    """
    from likely import comparing
    from likely.errors import LikelyError
    from likely.writing import require_writable, written_whole

    if output is not None:
        require_writable(output)
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise LikelyError("a folder was given twice; a comparison needs different fits.")
    table = comparing.compare(dict(zip(_names(folders), folders, strict=True)))
    if output is not None:
        from likely.plots import comparison
        from likely.results.record import png

        with written_whole(output / "comparison.csv") as path:
            table.to_csv(path, index_label="model")
        with written_whole(output / "comparison.png") as path:
            path.write_bytes(png(comparison(table).figure))
    shown = table[[c for c in COLUMNS if c in table.columns]]
    click.echo(shown.to_string(float_format="{:.4g}".format, na_rep=""))
    if output is not None:
        click.echo(f"\ntable and figure in {output}")


def _names(folders: tuple[Path, ...]) -> list[str]:
    """Return the last parts of the paths, or all of them where those are not distinct."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]
