"""What a page about a model says that its declaration does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from likely.errors import ModelError


@dataclass(frozen=True)
class About:
    """What a model is for, and where it comes from.

    Args:
        purpose: what it is for, in a sentence or two.
        equations: how it works, line by line, in plain text.
        source: author, year and journal of the paper that proposed it.
        hard: names of parameters known to be hard to recover -> why, and who says so.
    """

    purpose: str
    equations: tuple[str, ...] = ()
    source: str = ""
    hard: Mapping[str, str] = field(default_factory=dict)

    def require_known(self, names: tuple[str, ...], model: str) -> None:
        """Raise ModelError if a hard parameter is not one of the model's."""
        for name in self.hard:
            if name not in names:
                raise ModelError(
                    f"model '{model}': '{name}' is said to be hard to recover, but its parameters "
                    f"are {', '.join(names)}."
                )
