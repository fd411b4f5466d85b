"""The forms of accumulators, by the names that files give them."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from likely.errors import FileFormatError

if TYPE_CHECKING:
    from likely.networks.race import AccumulatorForm

FORMS: Mapping[str, str] = {
    "learned": "likely.networks.learned:LearnedAccumulator",
    "folded_ballistic": "likely.networks.ballistic:FoldedBallistic",
    "gamma": "likely.networks.gamma:Gamma",
    "lognormal": "likely.networks.lognormal:Lognormal",
    "wald": "likely.networks.wald:Wald",
}
"""Kind -> its class, imported when it is needed, whose `from_specification` builds the form."""


def form_from_specification(given: Mapping[str, Any]) -> AccumulatorForm:
    """Build the form that its specification describes.

    Raises:
        FileFormatError: if there is no such accumulator.
    """
    if given["kind"] not in FORMS:
        raise FileFormatError(f"unknown kind of accumulator '{given['kind']}'.")
    form: AccumulatorForm = resolve_name(FORMS[given["kind"]]).from_specification(given)
    return form
