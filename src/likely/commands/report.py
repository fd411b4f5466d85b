"""`likely report`: the report of a finished fit, from its folder alone."""

from __future__ import annotations

from pathlib import Path

import click

from likely.commands.messages import say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The HTML file to write; report.html in the folder by default.",
)
def report(folder: Path, output: Path | None) -> None:
    """Write the report of a fit again, from the folder that likely fit -o wrote.

    One HTML file that needs no other: data, model, priors, diagnostics, posterior, predictive
    checks, how wrong the likelihood can be, and how to do it again.

    Example: likely report fitted
    """
    from likely import reporting
    from likely.reporting.writing import diagnosis_of
    from likely.results import open_fit
    from likely.results.folder import REPORT
    from likely.writing import require_writable

    path = output or folder / REPORT
    results = open_fit(folder)
    require_writable(path.parent)
    reporting.report(results, path)
    for warning in diagnosis_of(results).warnings:
        say(f"warning: {warning.what} {warning.remedy}")
    click.echo(f"report in {path}")
