"""`likely train`: a likelihood from a model, or from training sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from likely.commands.messages import say
from likely.commands.model_options import model_named
from likely.shipped import SUFFIX
from likely.text_table import aligned

if TYPE_CHECKING:
    from likely.likelihood import Likelihood

_STORE = ".zarr"
_OF_MODELS = ("seconds", "steps", "labels")
_OF_STORES = ("epochs", "batch", "rate", "hidden", "decision_time", "checkpoints")


class _Widths(click.ParamType[tuple[int, ...]]):
    """Widths of layers, such as 100,100,100."""

    name = "widths"

    def convert(self, value: Any, parameter: Any, context: Any) -> tuple[int, ...]:
        """Return whole numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(width) for width in value.split(","))
        except ValueError:
            self.fail(f"{value!r} are not widths such as 100,100,100.", parameter, context)


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="MODEL | STORE.zarr...")
@click.option("--seconds", type=float, help="Model: how long to train; 60 by default.")
@click.option("--steps", type=int, help="Model: steps instead; the same seed, the same weights.")
@click.option(
    "--labels",
    type=click.Choice(["exact", "draws"]),
    help="Model: learn from its exact density, or from simulations; what pays, by default.",
)
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Measure the errors, 20 s to some minutes, and store the certificate in the file.",
)
@click.option("--epochs", type=int, help="Stores: epochs of the LAN; 10 by default.")
@click.option("--batch", type=int, help="Stores: rows a step of the LAN; 2048 by default.")
@click.option("--rate", type=float, help="Stores: highest learning rate of the LAN; 0.003.")
@click.option("--hidden", type=_Widths(), help="Stores: widths of layers; 100,100,100.")
@click.option("--decision-time", is_flag=True, help="Stores: the LAN sees rt - t, not rt and t.")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, file_okay=False),
    help="Stores: folder that keeps the state of training; an interrupted run goes on from it.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the run.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File; NAME.likely by default."
)
def train(
    sources: tuple[str, ...], seed: int, output: Path | None, check: bool, **options: Any
) -> None:
    """Train a likelihood for MODEL, a name or FILE.py:NAME, and measure its errors.

    Given training sets that `likely generate` made instead, train the classic networks on them: a
    likelihood approximation network, and networks for choice probabilities and omissions.

    Examples: likely train my_models.py:mine --seconds 60 -o mine.likely

    likely train set.zarr --epochs 10 -o lan.likely
    """
    if output is not None:
        _require_name(output)
    given = {k: value for k, value in options.items() if value is not None and value is not False}
    if any(_is_store(source) for source in sources):
        _refuse(given, _OF_MODELS, "a training set")
        likelihood = _on_stores(sources, seed, output, given)
    else:
        _refuse(given, _OF_STORES, "a model")
        likelihood = _on_model(sources, seed, output, given)
    path = likelihood.save(output or _usual(likelihood.declaration.name))
    if check:
        likelihood = _certified(likelihood, sources[0], seed, path)
    record = likelihood.training
    head = ("model", "steps", "draws" if record.draws else "sets", "seconds", "loss", "file")
    loss = f"{record.history[-1][2]:.4f}" if record.history else ""
    done = (f"{record.steps}", f"{record.draws or record.sets}", f"{record.seconds:.1f}", loss)
    click.echo(aligned([head, (likelihood.declaration.name, *done, str(path))]))
    if likelihood.certificate is not None:
        click.echo(f"\n{likelihood.certificate.verdict}")


def _certified(likelihood: Likelihood, source: str, seed: int, path: Path) -> Likelihood:
    """Check a likelihood and write its file again with the certificate, if its model is known."""
    from likely.certificates.checking import check
    from likely.errors import LikelyError
    from likely.zoo import models

    if _is_store(source) and likelihood.declaration.name not in models:
        say(f"not checked, as its model is not at hand: likely check {path} --model FILE.py:NAME")
        return likelihood
    model = None if _is_store(source) else model_named(source)
    try:
        certificate = check(likelihood, model=model, quick=True, seed=seed)
    except LikelyError as error:
        say(f"{path} is written, but could not be checked: {error}")
        return likelihood
    certified = likelihood.certified(certificate)
    certified.save(path)
    return certified


def _is_store(source: str) -> bool:
    from likely.zoo import models

    if source.rstrip("/").endswith(_STORE) or "://" in source:
        return True
    return source not in models and Path(source).is_dir()


def _usual(name: str) -> Path:
    return Path(f"{name}{SUFFIX}")


def _require_name(path: Path) -> None:
    if path.suffix != SUFFIX:
        raise click.BadParameter(
            f"the name of a likelihood file ends in {SUFFIX}.", param_hint="-o"
        )


def _refuse(given: dict[str, Any], names: Sequence[str], kind: str) -> None:
    wrong = [name for name in names if name in given]
    if wrong:
        option = wrong[0].replace("_", "-")
        raise click.UsageError(f"--{option} does not go with {kind}; see likely train --help.")


def _on_model(
    sources: tuple[str, ...], seed: int, output: Path | None, options: dict[str, Any]
) -> Likelihood:
    if len(sources) > 1:
        raise click.UsageError(f"one model at a time; {sources[1]!r} is one too many.")
    model = model_named(sources[0])
    from likely.training import train as learn
    from likely.writing import require_writable

    require_writable((output or _usual(model.name)).parent)
    return learn(model, seed=seed, **options)


def _on_stores(
    sources: tuple[str, ...], seed: int, output: Path | None, options: dict[str, Any]
) -> Likelihood:
    from dataclasses import replace

    from likely.dataset.reading import TrainingSet
    from likely.lan import LAN, train_classic
    from likely.writing import require_writable

    data = TrainingSet(*sources)
    require_writable((output or _usual(data.declaration.name)).parent)
    recipe = replace(
        LAN, **{k: options.pop(k) for k in ("epochs", "batch", "rate") if k in options}
    )
    decision_time = options.pop("decision_time", False)
    try:
        return train_classic(data, decision_time=decision_time, lan=recipe, seed=seed, **options)
    except KeyboardInterrupt:
        if "checkpoints" in options:
            say(f"finished epochs are kept in {options['checkpoints']}; the same command goes on.")
        raise
