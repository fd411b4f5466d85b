"""`likely check`: how wrong a likelihood is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from likely.commands.messages import say
from likely.commands.model_options import model_named

if TYPE_CHECKING:
    from likely.likelihood import Likelihood
    from likely.model import Model


@click.command()
@click.argument("likelihood", metavar="FILE | NAME")
@click.option("--model", help="Its model, a name or FILE.py:NAME, if not the one of its name.")
@click.option("--model-box", is_flag=True, help="Check over the model's box, not the likelihood's.")
@click.option("--quick", is_flag=True, help="Seconds instead of a minute or two: fewer sets.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the check.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for figures."
)
@click.option("--no-save", is_flag=True, help="Do not store the certificate in FILE.")
def check(
    likelihood: str,
    model: str | None,
    model_box: bool,
    quick: bool,
    seed: int,
    output: Path | None,
    no_save: bool,
) -> None:
    """Measure how wrong a likelihood is: FILE, or the shipped one called NAME.

    Prints tables and a verdict, and stores the certificate in FILE. Where the model has an exact
    density, densities and posteriors are compared with it; any likelihood is compared with fresh
    simulations.

    Example: likely check mine.likely --model my_models.py:mine -o figures
    """
    from likely.certificates.checking import check as measure
    from likely.likelihood import load
    from likely.writing import require_writable
    from likely.zoo import model_of

    given = load(likelihood)
    known = model_of(given.declaration, None if model is None else model_named(model), "model")
    path = Path(likelihood)
    saves = not no_save and path.is_file()
    for folder in [path.parent] * saves + ([] if output is None else [output]):
        require_writable(folder)
    certificate = measure(
        given, model=known, box=known.box if model_box else None, seed=seed, quick=quick
    )
    certified = given.certified(certificate)
    click.echo(str(certificate))
    if saves:
        certified.save(path)
        say(f"the certificate is stored in {path}.")
    if output is not None:
        _draw(certified, known, output)
        say(f"figures are in {output}.")


def _draw(likelihood: Likelihood, model: Model, folder: Path) -> None:
    """Write every figure that the certificate allows."""
    from likely.plots import certificate as figures
    from likely.writing import written_whole

    certificate = likelihood.certificate
    assert certificate is not None
    drawn = {"summary": figures.certificate_summary(certificate)}
    if certificate.exact is not None:
        drawn["by_parameter"] = figures.certificate_by_parameter(certificate)
        drawn["densities"] = figures.network_against_exact(likelihood, model)
    for name, figure in drawn.items():
        with written_whole(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=150)
