"""The forms of accumulators, by the names that files give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from likely.declaration import Declaration
from likely.declaration_json import typed
from likely.errors import FileFormatError
from likely.networks.ballistic import FoldedBallistic
from likely.networks.gamma import Gamma
from likely.networks.learned import LearnedAccumulator
from likely.networks.lognormal import Lognormal
from likely.networks.race import AccumulatorForm, RaceDensity
from likely.networks.wald import Wald
from likely.networks.wiring import wiring_from_json

FORMS: Mapping[str, Callable[[Mapping[str, Any]], AccumulatorForm]] = {
    "learned": LearnedAccumulator.from_specification,
    "folded_ballistic": lambda given: FoldedBallistic(float(typed(int | float, given["sd"]))),
    "gamma": lambda given: Gamma(),
    "lognormal": lambda given: Lognormal(),
    "wald": lambda given: Wald(),
}


def race_from_specification(declaration: Declaration, given: Mapping[str, Any]) -> RaceDensity:
    """Build the race that its specification describes.

    Raises:
        FileFormatError: if there is no such accumulator, or one is wired to no parameter.
    """
    described = given["accumulator"]
    if described["kind"] not in FORMS:
        raise FileFormatError(f"unknown kind of accumulator '{described['kind']}'.")
    form = FORMS[described["kind"]](described)
    return RaceDensity(declaration, form, wiring_from_json(declaration, given["wiring"]))
