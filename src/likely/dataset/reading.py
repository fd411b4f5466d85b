"""Training sets as networks learn from them: one or several stores, split by parameter set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from likely.checks import require_count, require_seed, require_share
from likely.dataset.kinds import CHOICES, DENSITIES, SURVIVALS
from likely.dataset.parts import Part, Store
from likely.dataset.pool import Examples
from likely.dataset.rows import MEMORY, Rows
from likely.dataset.store import Configuration
from likely.declaration import Declaration
from likely.errors import ParameterError
from likely.typing import FloatArray

_SPLIT = 2  # tells the randomness of a split from other uses of its seed


class TrainingSet:
    """Simulated and labelled parameter sets, from one or several stores of the same model.

    The stores may differ in seed, size and number of points. As a sequence it is `densities`, the
    labelled points, which torch's DataLoader and Grain take as they are.

    Args:
        stores: paths or fsspec addresses of what `likely.generate` made.
        memory: bytes that rows of one kind may take, positive.

    Raises:
        FileFormatError: if a store is missing, incomplete, damaged or no training set.
        ParameterError: if there is no store, if stores differ in the model, the longest time or
            the lowest label, or if two hold the same parameter sets.
    """

    def __init__(self, *stores: str | Path | Part, memory: int = MEMORY) -> None:
        require_count("memory", memory)
        if not stores:
            raise ParameterError("no training set is named; name at least one.")
        self._parts = tuple(s if isinstance(s, Part) else Part.whole(s) for s in stores)
        self._memory = memory
        for one, other in combinations([part.store for part in self._parts], 2):
            _require_like(one, other)

    def __repr__(self) -> str:
        """Say what there is to learn from."""
        addresses = ", ".join(store.address for store in self._stores)
        return f"TrainingSet({self.declaration.name}: {self.sets} parameter sets of {addresses})"

    def __len__(self) -> int:
        """Return the number of labelled points."""
        return len(self.densities)

    def __getitem__(self, index: int) -> Examples:
        """Return one labelled point: (theta, rt, choice) and its log density."""
        return self.densities[index]

    def __getitems__(self, indices: Sequence[int]) -> list[Examples]:
        """Return several labelled points."""
        return self.densities.__getitems__(indices)

    @property
    def declaration(self) -> Declaration:
        """Names, box and choices of the model."""
        return self.configurations[0].declaration

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """How each store was made."""
        return tuple(store.configuration for store in self._stores)

    @property
    def sets(self) -> int:
        """Number of parameter sets."""
        return sum(len(part.selected) for part in self._parts)

    @property
    def max_time(self) -> float:
        """Seconds of decision time at which simulations were given up."""
        return self.configurations[0].labelling.max_time

    @property
    def floor(self) -> float:
        """The lowest label, a log density."""
        return self._stores[0].floor

    def theta(self) -> FloatArray:
        """Return the parameters, (sets, p) in the model's order."""
        return np.concatenate([part.theta for part in self._parts])

    @cached_property
    def densities(self) -> Rows:
        """What a LAN learns from: (theta, rt, choice) and a log density, a row a labelled point."""
        return Rows(self._parts, DENSITIES, self._memory)

    @cached_property
    def choices(self) -> Rows:
        """What a CPN learns from: theta and the probability of each choice, a row a set."""
        return Rows(self._parts, CHOICES, self._memory)

    @cached_property
    def survivals(self) -> Rows:
        """What an OPN learns from: (theta, deadline) and the probability of no response by then."""
        return Rows(self._parts, SURVIVALS, self._memory)

    def split(self, *, validation: float = 0.1, seed: int) -> tuple[TrainingSet, TrainingSet]:
        """Divide the parameter sets at random, so that no set has rows on both sides.

        Args:
            validation: share of the sets for validation, between 0 and 1; at least one set is, and
                at least one is not.
            seed: any integer from 0 to 2^64 - 1.

        Returns:
            What to train on, and what to validate with.

        Raises:
            ParameterError: if the share makes no sense, or there is only one parameter set.
        """
        require_seed(seed)
        require_share("validation", validation, zero=False, one=False)
        if self.sets < 2:
            raise ParameterError(
                "there is only one parameter set, which cannot be split; generate more."
            )
        held_out = int(np.clip(round(validation * self.sets), 1, self.sets - 1))
        rng = np.random.default_rng([seed, _SPLIT])
        chosen = np.zeros(self.sets, dtype=bool)
        chosen[rng.permutation(self.sets)[:held_out]] = True
        return self._of(~chosen), self._of(chosen)

    def _of(self, chosen: np.ndarray) -> TrainingSet:
        """Return the chosen parameter sets, (sets,) of truth values."""
        ends = np.cumsum([len(part.selected) for part in self._parts])[:-1]
        masks = zip(self._parts, np.split(chosen, ends), strict=True)
        parts = [Part(part.store, part.selected[mask]) for part, mask in masks if mask.any()]
        return TrainingSet(*parts, memory=self._memory)

    @property
    def _stores(self) -> tuple[Store, ...]:
        return tuple(part.store for part in self._parts)


def _require_like(one: Store, other: Store) -> None:
    """Raise ParameterError unless two stores can be learnt from together."""
    both = f"{one.address} and {other.address}"
    first, second = _identity(one), _identity(other)
    for what in first | second:
        if first.get(what) != second.get(what):
            raise ParameterError(
                f"{both} differ in {what}: {first.get(what)} and {second.get(what)}. Only "
                "training sets of the same model can be learnt from together."
            )
    seed = one.configuration.seed
    if seed == other.configuration.seed:
        raise ParameterError(
            f"{both} were both made with seed {seed}, so they share parameter sets; leave one "
            "out, or generate it with another seed."
        )


def _identity(store: Store) -> dict[str, Any]:
    """Return what must be the same in all stores, by name."""
    d = store.configuration.declaration
    return {
        "the model": d.name,
        "the parameters": ", ".join(d.names),
        "the choices": d.choices,
        "the non-decision time": d.non_decision,
        **{f"the box of '{p.name}'": p.box for p in d.parameters},
        **{f"the support of '{p.name}'": p.support for p in d.parameters},
        "the longest time (max_time)": store.configuration.labelling.max_time,
        "the lowest label": store.floor,
    }
