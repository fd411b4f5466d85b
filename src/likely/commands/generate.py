"""`likely generate`: a training set from a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from likely.commands.messages import say
from likely.commands.model_options import model_named
from likely.text_table import aligned


@click.command()
@click.argument("model")
@click.option("--sets", type=int, default=1000, show_default=True, help="Parameter sets.")
@click.option("--draws", type=int, default=10_000, show_default=True, help="Trials a set.")
@click.option("--points", type=int, default=2_000, show_default=True, help="Labelled points a set.")
@click.option(
    "--uniform", type=float, default=0.1, show_default=True, help="Share of points at any time."
)
@click.option(
    "--impossible",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of points before the non-decision time.",
)
@click.option("--deadlines", type=int, default=16, show_default=True, help="Deadlines a set.")
@click.option(
    "--max-time",
    type=float,
    default=20.0,
    show_default=True,
    help="Seconds of decision time after which a trial is undecided.",
)
@click.option(
    "--box",
    "boxes",
    type=(str, float, float),
    multiple=True,
    metavar="PARAMETER LOWER UPPER",
    help="Other limits of a parameter; for ddm, t runs from 0 to 2 s.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed, the same set.")
@click.option("--sets-a-shard", type=int, help="Parameter sets written in one go.")
@click.option("--workers", type=int, help="Threads; all cores by default. Or tasks at a time.")
@click.option("--scheduler", help="Address, or scheduler file, of a Dask cluster that does it.")
@click.option("-o", "--output", required=True, help="Folder NAME.zarr, or an fsspec address.")
def generate(
    model: str,
    sets: int,
    draws: int,
    points: int,
    uniform: float,
    impossible: float,
    deadlines: int,
    max_time: float,
    boxes: tuple[tuple[str, float, float], ...],
    seed: int,
    sets_a_shard: int | None,
    workers: int | None,
    scheduler: str | None,
    output: str,
) -> None:
    """Generate a training set for MODEL, a name or FILE.py:NAME: labelled points in a Zarr store.

    If it is stopped, what is finished is kept, and the same command goes on from there.

    Example: likely generate ddm --sets 1000 --box v -3 3 -o ddm.zarr
    """
    named = model_named(model).with_box(**{name: (low, high) for name, low, high in boxes})
    from likely.dataset.cluster import dask_executor
    from likely.dataset.generation import configure, run_generation, with_finite_box
    from likely.dataset.place import place_at
    from likely.labels import Labelling

    chosen = with_finite_box(named)
    labelling = Labelling(draws, points, uniform, impossible, deadlines, max_time)
    configuration = configure(chosen, labelling, seed, sets, sets_a_shard)
    place = place_at(output)
    with nullcontext() if scheduler is None else dask_executor(scheduler) as executor, _notes():
        done = run_generation(chosen, place, configuration, executor, workers, True)
    head = ("model", "sets", "made now", "rows", "seconds", "sets/s", "file", "MB")
    cells = (
        f"{configuration.sets}",
        f"{done.sets}",
        f"{configuration.rows}",
        f"{done.seconds:.1f}",
        f"{done.sets / done.seconds:.3g}",
        output,
        f"{place.size() / 1e6:.3g}",
    )
    click.echo(aligned([head, (chosen.name, *cells)]))


@contextmanager
def _notes() -> Iterator[None]:
    """Say what is noted on Ctrl-C: what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        for note in getattr(error, "__notes__", ()):
            say(note)
        raise
