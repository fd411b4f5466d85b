"""Names of dimensions that samplers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr


@contextmanager
def without_commas(model: pm.Model) -> Iterator[Mapping[str, str]]:
    """Call dimensions such as "v_bs(x, df=4)_dim" by names without commas, until the block ends.

    nutpie writes the dimensions of a variable as one text, with commas between them.

    Yields:
        The name of a dimension during the block -> its own.
    """
    plain = {name: name.replace(",", ";") for name in model.coords if "," in name}
    own = dict(model.named_vars_to_dims)
    for name, other in plain.items():
        if other not in model.coords:
            model.add_coord(other, model.coords[name], length=model.dim_lengths[name])
    for variable, dims in own.items():
        model.named_vars_to_dims[variable] = tuple(plain.get(d, d) for d in dims)
    try:
        yield {other: name for name, other in plain.items()}
    finally:
        model.named_vars_to_dims.update(own)


def renamed(idata: xr.DataTree, names: Mapping[str, str]) -> xr.DataTree:
    """Return draws whose dimensions, and coordinates of them, have these names instead."""
    kept = idata.copy()
    for label, group in idata.children.items():
        data = group.to_dataset()
        found = {old: new for old, new in names.items() if old in data.dims or old in data.coords}
        kept[label] = type(idata)(data.rename(found))
    return kept
