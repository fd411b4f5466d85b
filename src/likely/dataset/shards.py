"""Making one shard of a training set, in this process or on a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from platform import node

import numpy as np

from likely.dataset.place import Place, place_at
from likely.dataset.portable import unpacked
from likely.dataset.store import Configuration, read_configuration, write_shard
from likely.errors import FileFormatError, WorkersError
from likely.labels import labelled_sets
from likely.model import Model

QUICK = 0.2  # seconds: slices double in size while they take less


def make_shard(
    model: Model,
    place: Place,
    configuration: Configuration,
    shard: int,
    heard: Callable[[int], None],
) -> int:
    """Label the parameter sets of a shard and write it.

    Args:
        model: what to simulate.
        place: where the store is.
        configuration: of the store.
        shard: number of the shard.
        heard: called after each slice of it with the number of sets in it; what it raises ends the
            work.

    Returns:
        The number of the shard.
    """
    slices = []
    sets, size = configuration.sets_of(shard), 1
    while sets:
        now, sets = sets[:size], sets[size:]
        began = time.perf_counter()
        slices.append(
            labelled_sets(
                model,
                configuration.labelling,
                seed=configuration.seed,
                first=now.start,
                sets=len(now),
            )
        )
        heard(len(now))
        if time.perf_counter() - began < QUICK:
            size *= 2
    arrays = {name: np.concatenate([part[name] for part in slices]) for name in slices[0]}
    write_shard(place, configuration, shard, arrays)
    return shard


def make_shard_elsewhere(
    parcel: bytes, address: str, configuration: Configuration, shard: int
) -> int:
    """Make a shard on a worker, from what can be sent there.

    Args:
        parcel: the model, packed.
        address: of the store.
        configuration: of the store.
        shard: number of the shard.

    Raises:
        WorkersError: if the worker sees another store at this address, or none, or has another
            version of likely.
    """
    place = place_at(address)
    _require_same_store(place, configuration)
    return make_shard(unpacked(parcel), place, configuration, shard, lambda sets: None)


def _require_same_store(place: Place, configuration: Configuration) -> None:
    if version("likely") != configuration.version:
        raise WorkersError(
            f"the worker on {node()} has likely {version('likely')}, not {configuration.version}; "
            "install the same version everywhere."
        )
    try:
        same = read_configuration(place) == configuration
    except FileFormatError:
        same = False
    if not same:
        raise WorkersError(
            f"the worker on {node()} does not find this training set at {place.address}; put it "
            "where all workers see it under the same name, such as a shared folder."
        )
