"""Variables of a posterior that are only steps on the way to others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

OFFSET = "_offset"  # unit normals that Bambi makes effects of groups from
LINK = "_link"  # coefficients before a prior on the scale of the parameter is imposed


def without_workings(variables: Iterable[Hashable]) -> list[str]:
    """Return names of variables, except those that are there as another one already.

    A column may be called "stim_offset" or "stim_link" as well; its coefficient stays.
    """
    names = [str(name) for name in variables]
    return [name for name in names if not _is_working(name, set(names))]


def _is_working(name: str, names: set[str]) -> bool:
    if name.endswith(OFFSET) and "|" in name:
        return name.removesuffix(OFFSET) in names
    return name.endswith(LINK) and name.removesuffix(LINK) in names
