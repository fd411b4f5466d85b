"""The zoo: models the field uses, by name.

To add a model, declare it in the file of its family, in the tuple that `models` takes from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from likely.declaration import Declaration
from likely.errors import ModelError, unknown
from likely.model import Model
from likely.zoo.collapsing import COLLAPSING
from likely.zoo.conflict import CONFLICT
from likely.zoo.diffusion import DIFFUSION
from likely.zoo.gamma_drift import GAMMA_DRIFT
from likely.zoo.lba import LBA
from likely.zoo.lca import LCA
from likely.zoo.leaky import LEAKY
from likely.zoo.levy import LEVY
from likely.zoo.lognormal_race import LOGNORMAL_RACES
from likely.zoo.poisson_race import POISSON_RACES
from likely.zoo.race import RACES
from likely.zoo.racing_diffusion import RACING_DIFFUSIONS
from likely.zoo.spotlight import SPOTLIGHT
from likely.zoo.two_stage import TWO_STAGE


class UnknownModelError(ModelError, KeyError):
    """There is no model of this name; a KeyError too, so that `models.get` works."""

    __str__ = Exception.__str__  # that of KeyError would put the sentence in quotes


class Zoo(Mapping[str, Model]):
    """Read-only mapping of names to models, which knows what a misspelt name may have meant."""

    def __init__(self, *members: Model) -> None:
        self._members = {m.name: m for m in members}

    def __getitem__(self, name: str) -> Model:
        """Return the model called `name`; raise UnknownModelError if there is none."""
        try:
            return self._members[name]
        except KeyError:
            raise UnknownModelError(unknown("model", name, self._members)) from None

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a model of this name."""
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._members)

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self._members)

    def __repr__(self) -> str:
        """Show the names."""
        return f"Zoo({', '.join(self._members)})"


models = Zoo(
    *DIFFUSION,
    *COLLAPSING,
    *LEAKY,
    *LEVY,
    *GAMMA_DRIFT,
    *SPOTLIGHT,
    *CONFLICT,
    *RACES,
    *RACING_DIFFUSIONS,
    *LCA,
    *LBA,
    *LOGNORMAL_RACES,
    *POISSON_RACES,
    *TWO_STAGE,
)


def resolve(model: Model | str) -> Model:
    """Return the model itself, or the one of the zoo that has this name."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str):
        return models[model]
    raise ModelError(f"{model!r} is neither a model nor the name of one.")


def model_of(declaration: Declaration, given: Model | str | None, argument: str) -> Model:
    """Return the model that a likelihood was trained on.

    Args:
        declaration: the likelihood's.
        given: the model, or the name of one of the zoo; None for the one there that has the
            likelihood's name.
        argument: what the caller calls `given`, for messages.

    Raises:
        ModelError: if there is no such model, or its parameters or choices are not the
            likelihood's.
    """
    if given is None and declaration.name not in models:
        known = unknown("model", declaration.name, models)
        raise ModelError(
            f"{known} Give the model that the likelihood was trained on: {argument}=..."
        )
    model = resolve(declaration.name if given is None else given)
    pairs = {
        "parameters": (declaration.names, model.declaration.names),
        "choices": (tuple(declaration.choices), tuple(model.declaration.choices)),
    }
    for what, (of_likelihood, of_model) in pairs.items():
        if of_likelihood != of_model:
            raise ModelError(
                f"likelihood '{declaration.name}' has the {what} {of_likelihood}, but model "
                f"'{model.name}' has {of_model}; give the model that it was trained on: "
                f"{argument}=..."
            )
    return model
