"""Training sets on disk: a Zarr store, format 3, written shard by shard.

A shard is one chunk of every array, whole in one file. The group's metadata is the first file of
a store and holds everything that determines the others; the chunk of `theta` is the last file of a
shard, so that a shard which has one is complete.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from zarr.codecs import ZstdCodec
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from likely.dataset.place import Place, place_at
from likely.declaration import Declaration
from likely.declaration_json import declaration_from_json, declaration_to_json, parse, typed
from likely.errors import FileFormatError
from likely.labels import BINS, FLOOR, Labelling

FORMAT = 1
KIND = "likely training set"
LAST = "theta"  # the array of a shard that is written last
SHARD_BYTES = 16e6  # size of a shard, at most, before compression
SHARDS = 32  # a small training set is cut into so many, so that cores share the work
_METADATA = "zarr.json"
LEVEL = 1  # of compression: halves the size; more would hardly gain
_CHUNK_NAMES = {"name": "default", "separator": "."}  # one folder an array
# What zarr and its stores raise for chunks that are gone or damaged.
_DAMAGED = (OSError, RuntimeError, ValueError, LookupError)


@dataclass(frozen=True)
class Layout:
    """One array of a training set.

    Args:
        name: what it is called.
        dimensions: names of its dimensions, `set` first.
        shape: its shape for one parameter set.
        dtype: its type.
        attributes: labels of its last dimension, by name.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    attributes: Mapping[str, Any]

    @property
    def bytes_a_set(self) -> int:
        """Bytes a parameter set takes before compression."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Configuration:
    """Everything that determines the contents of a training set, but for the model's code.

    Args:
        declaration: of the model; its box is finite.
        labelling: draws and points of each parameter set.
        seed: seed of the sequence of parameter sets.
        sets: number of parameter sets.
        sets_a_shard: parameter sets in each shard but the last, which may hold fewer.
        version: version of likely that makes it.
    """

    declaration: Declaration
    labelling: Labelling
    seed: int
    sets: int
    sets_a_shard: int
    version: str = version("likely")

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.sets // self.sets_a_shard)

    def sets_of(self, shard: int) -> range:
        """Return the numbers of the parameter sets in a shard."""
        first = shard * self.sets_a_shard
        return range(first, min(first + self.sets_a_shard, self.sets))

    def by_shard(self, sets: slice) -> list[slice]:
        """Cut consecutive parameter sets where shards end."""
        first, last = (k // self.sets_a_shard for k in (sets.start, sets.stop - 1))
        ends = [k * self.sets_a_shard for k in range(first + 1, last + 1)]
        return [slice(*pair) for pair in pairwise((sets.start, *ends, sets.stop))]

    @property
    def rows(self) -> int:
        """Number of labelled points."""
        return self.sets * self.labelling.points

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The arrays, in the order in which those of a shard are written."""
        return layouts(self.declaration, self.labelling)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the store, JSON values."""
        return {
            "format": FORMAT,
            "kind": KIND,
            "likely": self.version,
            "declaration": declaration_to_json(self.declaration),
            "labelling": _labelling_to_json(self.labelling),
            "points": self.labelling.counts._asdict(),
            "floor": FLOOR,
            "seed": int(self.seed),
            "sets": int(self.sets),
            "sets_a_shard": int(self.sets_a_shard),
        }

    @classmethod
    def from_attributes(cls, given: dict[str, Any]) -> Configuration:
        """Return the configuration that attributes describe.

        Raises:
            LookupError: if something is missing.
            TypeError: if a value is of another type.
            LikelyError: if the values make no declaration or labelling.
        """
        sets, a_shard = typed(int, given["sets"]), typed(int, given["sets_a_shard"])
        if sets < 1 or a_shard < 1:
            raise ValueError(f"{sets} sets, {a_shard} a shard")
        return cls(
            declaration_from_json(given["declaration"]),
            Labelling(**given["labelling"]),
            typed(int, given["seed"]),
            sets,
            a_shard,
            typed(str, given["likely"]),
        )


def layouts(declaration: Declaration, labelling: Labelling) -> tuple[Layout, ...]:
    """Return the arrays of a training set, in the order in which those of a shard are written."""
    choices = [int(choice) for choice in declaration.choices]
    c, points, deadlines = len(choices), labelling.points, labelling.deadlines
    by_choice = {"choices": choices}
    response = {"response": ["rt", "choice"]}
    parameters = {"parameters": list(declaration.names)}
    return (
        Layout("data", ("set", "point", "response"), (points, 2), "float32", response),
        Layout("labels", ("set", "point"), (points,), "float32", {}),
        Layout("choice_p", ("set", "choice"), (c,), "float64", by_choice),
        Layout("undecided", ("set",), (), "float64", {}),
        Layout("deadlines", ("set", "deadline"), (deadlines,), "float32", {}),
        Layout("survival", ("set", "deadline"), (deadlines,), "float64", {}),
        *(
            Layout(f"histogram_{n}", ("set", f"bin_{n}", "choice"), (n, c), "float64", by_choice)
            for n in BINS
        ),
        Layout(LAST, ("set", "parameter"), (len(declaration.names),), "float64", parameters),
    )


def usual_shard(declaration: Declaration, labelling: Labelling, sets: int) -> int:
    """Return how many parameter sets to put in a shard; it does not depend on the machine."""
    size = sum(layout.bytes_a_set for layout in layouts(declaration, labelling))
    return max(1, min(-(-sets // SHARDS), int(SHARD_BYTES / size)))


def open_store(address: str | Path) -> tuple[zarr.Group, Configuration]:
    """Open a complete training set for reading.

    Args:
        address: path or fsspec address.

    Returns:
        The Zarr group, whose arrays are those of `Configuration.layouts`, and its configuration.

    Raises:
        FileFormatError: if there is no training set, or it is incomplete, damaged or of another
            format version.
    """
    place = place_at(address)
    configuration = read_configuration(place)
    missing = configuration.shards - len(finished_shards(place, configuration))
    if missing:
        raise FileFormatError(
            f"{place.address} is incomplete: {missing} of its {configuration.shards} shards are "
            "missing; generate it again with the same arguments to finish it."
        )
    return _group(place, configuration), configuration


def read_set(place: Place, configuration: Configuration, index: int, name: str) -> np.ndarray:
    """Return one array's values for one parameter set, whose shard is complete.

    Raises:
        FileFormatError: as `read_values`, or if the metadata is damaged.
    """
    group, sets = _group(place, configuration), slice(index, index + 1)
    return read_values(group, configuration, place.address, name, sets)[0]


def read_values(
    group: zarr.Group, configuration: Configuration, address: str, name: str, sets: slice
) -> np.ndarray:
    """Return an array's values for consecutive parameter sets, (n, ...), all of them finite.

    Raises:
        FileFormatError: if they are damaged, missing, or not finite; it says how to mend that.
    """
    try:
        return _finite(group, name, sets)
    except _DAMAGED as error:
        parts = configuration.by_shard(sets)
        if len(parts) > 1:  # one by one, to find the shard to blame
            return np.concatenate(
                [read_values(group, configuration, address, name, part) for part in parts]
            )
        last = _last_chunk(sets.start // configuration.sets_a_shard)
        raise FileFormatError(
            f"{address}: '{name}' of the sets {sets.start} to {sets.stop - 1} cannot be read "
            f"({error}); if the training set is damaged, delete {address}/{LAST}/{last} and "
            "generate it again with the same arguments, which makes that shard anew."
        ) from error


def _finite(group: zarr.Group, name: str, sets: slice) -> np.ndarray:
    """Return an array's values for consecutive parameter sets; raise ValueError for NaN."""
    array = group[name]
    assert isinstance(array, zarr.Array)
    values = np.asarray(array[sets])
    if not np.isfinite(values).all():
        raise ValueError("values are missing or not finite")
    return values


def _group(place: Place, configuration: Configuration) -> zarr.Group:
    store = LocalStore(place.root) if place.is_local else FsspecStore.from_url(place.address)
    try:
        group = zarr.open_group(store.with_read_only(True), mode="r")
        _require_layout(group, configuration)
    except (LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"{place.address}: the metadata is damaged ({error}).") from error
    return group


def _require_layout(group: zarr.Group, configuration: Configuration) -> None:
    """Raise ValueError unless the arrays are there, in the right shapes and types."""
    for layout in configuration.layouts:
        array = group[layout.name]
        if not isinstance(array, zarr.Array):
            raise ValueError(f"'{layout.name}' is not an array")
        expected = (configuration.sets, *layout.shape)
        chunks = (configuration.sets_a_shard, *layout.shape)
        if (array.shape, array.chunks, array.dtype) != (expected, chunks, layout.dtype):
            raise ValueError(f"'{layout.name}' is {array.dtype} of shape {array.shape}")


def read_configuration(place: Place) -> Configuration:
    """Return the configuration of the training set at a place, complete or not.

    Raises:
        FileFormatError: if there is none, or it is damaged or of another format version.
    """
    text = place.read(_METADATA)
    if text is None:
        what = "is not a training set" if place.names() else "does not exist"
        raise FileFormatError(f"{place.address} {what}.")
    try:
        attributes = parse(text)["attributes"]
        if attributes.get("kind") != KIND:
            raise FileFormatError(f"{place.address} is not a training set.")
        if attributes["format"] != FORMAT:
            raise FileFormatError(
                f"{place.address}: format {attributes['format']} cannot be read; this version of "
                f"likely reads {FORMAT}."
            )
        return Configuration.from_attributes(attributes)
    except FileFormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{place.address}: the metadata is damaged ({error!r}).") from error


def create_store(place: Place, configuration: Configuration) -> None:
    """Write the metadata of a training set, or what is missing of it.

    The group's comes first: it names all that follows, so that whoever finds it can go on.
    """
    for key, content in _metadata(configuration).items():
        if place.read(key) is None:
            place.write(key, content)


def finished_shards(place: Place, configuration: Configuration) -> set[int]:
    """Return the shards that are complete."""
    found = place.names(LAST)
    return {shard for shard in range(configuration.shards) if _last_chunk(shard) in found}


def _last_chunk(shard: int) -> str:
    """Return the name of the file of `LAST` that marks a shard as complete."""
    return f"c.{shard}.0"


def write_shard(
    place: Place, configuration: Configuration, shard: int, arrays: Mapping[str, np.ndarray]
) -> None:
    """Write one chunk of every array.

    Args:
        place: where the store is; its metadata is there.
        configuration: of the store.
        shard: number of the shard.
        arrays: what `labelled_sets` returns for the shard's sets.

    """
    for key, content in _chunks(configuration, shard, arrays):
        place.write(key, content)


def remove_leftovers(place: Place, configuration: Configuration) -> None:
    """Remove unfinished files of processes that were killed."""
    if place.is_local:
        for folder in ("", *(layout.name for layout in configuration.layouts)):
            place.remove_leftovers(folder)


def _chunks(
    configuration: Configuration, shard: int, arrays: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file of a shard, in the order they are written.

    They are what the metadata promises, and what Zarr itself would write, which takes it 30 ms of
    Python that threads cannot share.
    """
    for layout in configuration.layouts:
        values = arrays[layout.name]
        whole = (configuration.sets_a_shard, *layout.shape)
        chunk = np.full(whole, math.nan, np.dtype(layout.dtype).newbyteorder("<"))
        chunk[: len(values)] = values
        key = ".".join(["c", str(shard), *("0" for _ in layout.shape)])
        yield f"{layout.name}/{key}", Zstd(level=LEVEL).encode(chunk)


def _metadata(configuration: Configuration) -> dict[str, bytes]:
    """Return name and contents of the files of metadata, the group's first."""
    files: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(files), attributes=configuration.attributes())
    for layout in configuration.layouts:
        group.create_array(
            layout.name,
            shape=(configuration.sets, *layout.shape),
            chunks=(configuration.sets_a_shard, *layout.shape),
            dtype=layout.dtype,
            fill_value=math.nan,
            compressors=[ZstdCodec(level=LEVEL)],
            chunk_key_encoding=_CHUNK_NAMES,  # type: ignore[arg-type]
            dimension_names=layout.dimensions,
            attributes=dict(layout.attributes),
        )
    with warnings.catch_warnings():  # xarray reads what is not in the specification yet
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(group.store)
    names = sorted(files, key=lambda key: key != _METADATA)
    return {name: files[name].to_bytes() for name in names}


def _labelling_to_json(labelling: Labelling) -> dict[str, Any]:
    """Return the values as plain numbers, whichever kinds of them were given."""
    kinds = {name: type(default) for name, default in asdict(Labelling()).items()}
    return {name: kinds[name](value) for name, value in asdict(labelling).items()}
