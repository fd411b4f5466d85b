"""`likely models`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from likely.shipped import SHIPPED, SUFFIX

if TYPE_CHECKING:
    from likely.model import Model


@click.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the models, or show the parameters of the one called NAME (or FILE.py:NAME)."""
    from likely.commands.model_options import model_named
    from likely.zoo import models as zoo

    click.echo(_table(list(zoo.values())) if name is None else _card(model_named(name)))


def _table(members: list[Model]) -> str:
    rows = [("model", "choices", "likelihood", "parameters")]
    rows += [(m.name, _choices(m), _shipped(m), " ".join(m.declaration.names)) for m in members]
    return aligned(rows)


def _card(model: Model) -> str:
    rows = [("parameter", "from", "to", "unit", "meaning")]
    rows += [
        (p.name, f"{p.lower:g}", f"{p.upper:g}", p.unit, p.description) for p in model.parameters
    ]
    head = f"{model.name}: choices {_choices(model)}; likelihood {_shipped(model)}"
    return f"{head}\n\n{aligned(rows)}"


def _choices(model: Model) -> str:
    return " ".join(f"{c:+d}" if min(model.choices) < 0 else str(c) for c in model.choices)


def _shipped(model: Model) -> str:
    return "shipped" if (SHIPPED / f"{model.name}{SUFFIX}").is_file() else "to be trained"


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as text in columns, the first row as heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
