"""The card of a model: what one wants to know before using it, as text for a terminal."""

from __future__ import annotations

import textwrap

from likely.handbook.facts import about, parameter_table, written_choices
from likely.handbook.standing import standing
from likely.model import Model
from likely.text_table import aligned

WIDTH = 96


def card(model: Model) -> str:
    """Return the card: purpose, equations, parameters, constraints, likelihood, source."""
    found, known = about(model), standing(model)
    parts = [f"{model.name}: choices {written_choices(model)}; likelihood {known.short}"]
    if found.purpose:
        parts.append(_wrapped(found.purpose))
    if found.equations:
        parts.append("\n".join(f"    {line}" for line in found.equations))
    parts.append(aligned(parameter_table(model)))
    if model.declaration.constraints:
        parts.append("where " + " and ".join(model.declaration.constraints))
    parts += [_wrapped(f"{name} is hard to recover: {why}") for name, why in found.hard.items()]
    parts.append(_wrapped(known.sentences.replace("`", "")))
    if found.source:
        parts.append(_wrapped(f"Source: {found.source}"))
    return "\n\n".join(parts)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
