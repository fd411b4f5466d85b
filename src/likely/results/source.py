"""Arguments of `likely.fit` as Python source, so that a call can be repeated as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import bambi as bmb

    from likely.regression.lapses import Lapses

LINE = 88
UNKNOWN = "..."  # what has no source, and is to be written in place of it


def source(value: Any) -> str:
    """Return Python source of a value: plain ones, priors of Bambi, lapses, and dicts of them.

    It needs `import bambi as bmb`, `import likely as lk`, `import numpy as np` and
    `from scipy import stats` where it mentions them. What cannot be told from a value, such as a
    function, is "..." in it.
    """
    from bambi import Prior

    from likely.regression.lapses import Lapses

    if isinstance(value, np.ndarray | np.generic):
        plain = source(value.tolist())
        return f"np.array({plain})" if np.ndim(value) else plain
    if isinstance(value, Mapping):
        return _dictionary(value)
    if isinstance(value, list | tuple):
        inner = ", ".join(source(v) for v in value)
        comma = "," if len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})"
    if isinstance(value, Prior):
        return _prior(value)
    if isinstance(value, Lapses):
        return _lapses(value)
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    known = isinstance(value, str | int | float | None) and value != UNKNOWN
    return repr(value) if known else UNKNOWN


def _dictionary(value: Mapping[Any, Any]) -> str:
    items = [f"{source(k)}: {source(v)}" for k, v in value.items()]
    line = f"{{{', '.join(items)}}}"
    return line if len(line) <= LINE else "".join(["{\n", *(f"    {i},\n" for i in items), "}"])


def _prior(prior: bmb.Prior) -> str:
    given = {name: value for name, value in prior.args.items() if name != "initval"}
    known = [source(prior.name), *(f"{name}={source(v)}" for name, v in given.items())]
    if not prior.auto_scale:
        known.append("auto_scale=False")
    if getattr(prior, "noncentered", None) is not None:
        known.append(f"noncentered={prior.noncentered!r}")
    if prior.dist is not None:
        known.append(f"dist={UNKNOWN}")
    return f"bmb.Prior({', '.join(known)})"


def _lapses(lapses: Lapses) -> str:
    known = [] if lapses.probability is None else [f"{lapses.probability!r}"]
    if lapses.density is not None:
        known.append(f"density={_density(lapses.density)}")
    return f"lk.Lapses({', '.join(known)})"


def _density(density: Any) -> str:
    """Return source of a frozen distribution of `scipy.stats`."""
    from scipy import stats

    name = getattr(getattr(density, "dist", None), "name", None)
    if not (isinstance(name, str) and hasattr(stats, name)):
        return UNKNOWN
    given = [source(v) for v in density.args] + [
        f"{k}={source(v)}" for k, v in density.kwds.items()
    ]
    return f"stats.{name}({', '.join(given)})"
