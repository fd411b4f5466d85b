"""The table of all models, one family after the other."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from likely.handbook.facts import written_choices
from likely.handbook.standing import standing
from likely.model import Model
from likely.text_table import aligned

_FAMILIES = "likely.zoo."
WIDTH = 96
LEGEND = (
    "The number beside a grade is the median error of the log density; grades without one rest on "
    "simulated trials alone."
)
HEAD = ("model", "choices", "likelihood", "parameters")


def contents(models: Mapping[str, Model]) -> str:
    """Return the table of the models as text for a terminal."""
    grouped = families(models)
    rows = [HEAD, *(line(model) for members in grouped.values() for model in members)]
    head, *lines = aligned(rows).splitlines()
    remaining = iter(lines)
    parts = [head]
    for family, members in grouped.items():
        parts += ["", f"{family}:", *(next(remaining) for _ in members)]
    return "\n".join([*parts, "", *textwrap.wrap(LEGEND, WIDTH)])


def line(model: Model) -> tuple[str, ...]:
    """Return the row of one model: name, choices, likelihood, parameters."""
    parameters = " ".join(model.declaration.names)
    return (model.name, written_choices(model), standing(model).short, parameters)


def families(models: Mapping[str, Model]) -> dict[str, list[Model]]:
    """Return what families are called -> their members, in the order of the models.

    A family is a module of the zoo, called by the first sentence of its documentation; it has the
    members that it lists in a tuple, or else those that it has a name for.
    """
    found: dict[str, list[Model]] = {}
    listed = _members(listed=True)
    named = _members(listed=False)
    for model in models.values():
        module = listed.get(id(model)) or named.get(id(model), "Models of your own")
        found.setdefault(module, []).append(model)
    return found


def _members(*, listed: bool) -> dict[int, str]:
    """Return identity of model -> family; `listed`: members of tuples, not names of modules."""
    found: dict[int, str] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(_FAMILIES):
            family = (module.__doc__ or name).strip().split(".\n")[0].split("\n\n")[0]
            for model in _models_in(list(vars(module).values()), listed):
                found.setdefault(id(model), " ".join(family.split()).removesuffix("."))
    return found


def _models_in(values: Iterable[object], listed: bool) -> Iterator[Model]:
    for value in values:
        if listed and isinstance(value, tuple):
            yield from (member for member in value if isinstance(member, Model))
        elif not listed and isinstance(value, Model):
            yield value
