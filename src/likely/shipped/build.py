"""Make the likelihoods that come with the package, and certify them: `likely zoo build`.

Numbers of steps and seeds are fixed, so that anyone can make them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from likely.certificates.checking import check
from likely.errors import ModelError, unknown
from likely.likelihood import Likelihood
from likely.shipped import SHIPPED, SUFFIX
from likely.shipped.recipes import RECIPES, From
from likely.zoo import models


class Built(NamedTuple):
    """A likelihood that was made, and its file."""

    likelihood: Likelihood
    path: Path


def build(
    names: Iterable[str] = (), *, folder: Path = SHIPPED, quick: bool = False
) -> Iterator[Built]:
    """Make likelihoods, certify them, and write their files, one after the other.

    Args:
        names: of the likelihoods; all of them by default. Those made from others come after them.
        folder: where files are written. Others that a likelihood is made from are those shipped.
        quick: whether certificates are quick ones.

    Raises:
        ModelError: if there is no recipe for one of them.
    """
    wanted = list(names) or list(RECIPES)
    for name in wanted:
        if name not in RECIPES:
            raise ModelError(unknown("recipe", name, RECIPES))
    for name in sorted(wanted, key=lambda name: isinstance(RECIPES[name], From)):
        made = RECIPES[name].likelihood(models[name])
        path = made.save(folder / f"{name}{SUFFIX}")  # a check that fails does not lose it
        certified = made.certified(check(made, model=models[name], quick=quick))
        yield Built(certified, certified.save(path))
