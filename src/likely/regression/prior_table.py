"""The priors of a regression as a table, one row a coefficient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import bambi as bmb
import numpy as np
import pandas as pd
from bambi.utils import get_aliased_name

from likely.regression.links import Link
from likely.regression.priors import coefficient_names

ENDS = ("lower", "upper")


def prior_table(model: bmb.Model, links: Mapping[str, Link]) -> pd.DataFrame:
    """Return columns coefficient, parameter, link and prior of a Bambi model."""
    rows = []
    for name, component in model.conditional_parameters.items():
        for coefficient, prior in _coefficients(component):
            rows.append((coefficient, name, str(links[name]), prior))
    for name, component in model.marginal_parameters.items():
        if isinstance(component.prior, bmb.Prior):
            rows.append((name, name, "", _shown(component.prior)))
    return pd.DataFrame(rows, columns=["coefficient", "parameter", "link", "prior"])


def _coefficients(component: Any) -> Iterator[tuple[str, str]]:
    intercept = component.intercept_term
    common = [] if intercept is None else [intercept]
    for term in [*common, *component.common_terms.values()]:
        for i, name in enumerate(coefficient_names(term)):
            yield name, _shown(term.prior, i)
    for term in component.hsgp_terms.values():
        for name, prior in term.prior.items():
            yield f"{get_aliased_name(term)}_{name}", _shown(prior)
    for term in component.group_specific_terms.values():
        own = get_aliased_name(term)
        how = "non-centred" if term.prior.noncentered else "centred"
        inner = {k: v for k, v in term.prior.args.items() if isinstance(v, bmb.Prior)}
        shown = [f"{own}_{k}" if k in inner else _value(v) for k, v in term.prior.args.items()]
        yield own, f"{term.prior.name}({', '.join(shown)}), {how}"
        for name, prior in inner.items():
            yield f"{own}_{name}", _shown(prior)


def _shown(prior: Any, i: int = 0) -> str:
    """Describe a prior; of several coefficients, that of number i."""
    if not isinstance(prior, bmb.Prior):
        return f"fixed at {prior:g}"
    named = ENDS if prior.name == "TruncatedNormal" else ()
    values = ", ".join(
        f"{k}={_value(v, i)}" if k in named else _value(v, i)
        for k, v in prior.args.items()
        if k != "initval"
    )
    return f"{prior.name}({values})"


def _value(value: Any, i: int = 0) -> str:
    if isinstance(value, bmb.Prior):
        return _shown(value)
    numbers = np.ravel(value)
    if not len(numbers):
        return str(value)
    return f"{float(numbers[min(i, len(numbers) - 1)]):.4g}"
