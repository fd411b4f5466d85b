"""Variables of a posterior that are only steps on the way to others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

OFFSET = "_offset"  # unit normals that Bambi makes effects of groups from
LINK = "_link"  # coefficients before a prior on the scale of the parameter is imposed
INTERCEPT = "_Intercept"  # of a parameter that is nothing else


def without_workings(variables: Iterable[Hashable], parameters: Iterable[str]) -> list[str]:
    """Return names of variables, except those that are there as another one already.

    A column may be called "stim_offset" or "stim_link" as well; its coefficient stays.

    Args:
        variables: of a posterior.
        parameters: of the model; one that is the same in all trials may have a prior imposed.
    """
    names = [str(name) for name in variables]
    before = {f"{p}{end}" for p in parameters if p in names for end in (LINK, INTERCEPT)}
    return [n for n in names if n not in before and not _is_offset(n, set(names))]


def _is_offset(name: str, names: set[str]) -> bool:
    return name.endswith(OFFSET) and "|" in name and name.removesuffix(OFFSET) in names
