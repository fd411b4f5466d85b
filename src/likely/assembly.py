"""Models whose likelihood is made from that of a part, which is all that has to be trained.

- A race of independent accumulators is made from one accumulator (`networks/race.py`).
- A spread of the non-decision time is a closed form (`networks/delayed.py`).

To add a way, write a function for the kind of model and register it with `assembly_of`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from likely.declaration import Parameter
from likely.densities.full import FullTwin
from likely.model import Model
from likely.model_functions import arguments
from likely.networks.delayed import DelayedDensity
from likely.networks.density import Density
from likely.networks.learned import LearnedAccumulator
from likely.networks.mixture import MixtureDensity
from likely.networks.race import RaceDensity
from likely.networks.wiring import Wiring
from likely.races import Race
from likely.variability import VariableDiffusion


@dataclass(frozen=True)
class Assembly:
    """How a model's density is made.

    Args:
        part: the model that is trained in its place.
        density: function of the part's density that returns the model's, which has its weights.
    """

    part: Model
    density: Callable[[MixtureDensity], Density]


@functools.singledispatch
def assembly_of(model: Model) -> Assembly | None:
    """Return how a model's density is made from that of a part, or None if it is trained whole."""
    return None


@assembly_of.register
def _race(model: Race) -> Assembly | None:
    if "others" in arguments(model.drift):
        return None

    def density(trained: MixtureDensity) -> Density:
        return RaceDensity(model.declaration, LearnedAccumulator(trained), _wiring(model))

    return Assembly(_alone(model), density)


@assembly_of.register
def _spread(model: VariableDiffusion) -> Assembly | None:
    if model.declaration.spread is None:
        return None

    def density(trained: MixtureDensity) -> Density:
        return DelayedDensity(model.declaration, trained)

    return Assembly(_steady(model), density)


def _steady(model: VariableDiffusion) -> VariableDiffusion:
    """Return the same model with a non-decision time that does not vary."""
    steady = model.declaration.without_spread()
    twin = model.known_twin
    return VariableDiffusion(
        f"{model.name} without {model.declaration.spread}",
        base=model.base,
        parameters={p.name: p for p in steady.parameters},
        redrawn=model.redrawn,
        twin=FullTwin(steady.names) if isinstance(twin, FullTwin) else None,
        constraints=steady.constraints,
    )


def _alone(model: Race) -> Race:
    """Return the race of one accumulator, whose box holds what every accumulator may have."""
    places = zip(*model.columns.places, strict=True)
    boxes = [[model.parameters[c] for c in columns] for columns in places]
    names = model.columns.arguments
    return Race(
        f"accumulator({', '.join(names)})",
        accumulators=1,
        parameters={
            name: Parameter(
                name, min(p.lower for p in box), max(p.upper for p in box), box[0].support
            )
            for name, box in zip(names, boxes, strict=True)
        },
        drift=model.drift,
        boundary=model.boundary,
        start=model.start,
        accumulator=model.accumulator,
    )


def _wiring(model: Race) -> Wiring:
    names = model.declaration.names
    return tuple(tuple(names[c] for c in places) for places in model.columns.places)
