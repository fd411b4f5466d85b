"""Generate training sets: every shard by itself, on threads here or on any executor."""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from likely.checks import require_count, require_seed
from likely.dataset.place import Place, place_at
from likely.dataset.portable import packed
from likely.dataset.running import Submits, finished
from likely.dataset.shards import make_shard, make_shard_elsewhere
from likely.dataset.store import (
    Configuration,
    create_store,
    finished_shards,
    open_store,
    read_configuration,
    read_set,
    read_values,
    remove_leftovers,
    usual_shard,
)
from likely.errors import (
    FileFormatError,
    ModelError,
    ParameterError,
    UndecidedWarning,
    WorkersError,
)
from likely.labels import FLOOR, Labelling, labelled_sets
from likely.model import Model
from likely.progress import Progress
from likely.simulation import available_cores
from likely.zoo import resolve

AT_ONCE = 1024  # shards submitted to an executor and not finished, at most
TRIAL = 100  # draws that show whether a model can be simulated at all
SAME = 1e-3  # labels that differ by more, in the median, were made by another model
MANY = 0.2  # share of undecided trials above which labels are no good
LONGEST_SHIFT = 2.0  # seconds that a non-decision time is drawn from if its box is infinite
_USUAL = Labelling()
_PLAIN = ("declaration", "labelling", "parameters")  # left out where values are named


@dataclass(frozen=True)
class Generated:
    """What a run has done.

    Args:
        address: of the training set.
        sets: parameter sets made in this run.
        seconds: that making them took, positive. The model is tried out or compared before, which
            compiles it in this process; compiling it in other processes is part of this time.
    """

    address: str | Path
    sets: int
    seconds: float


def generate(
    model: Model | str,
    output: str | Path,
    *,
    sets: int = 1000,
    labelling: Labelling = _USUAL,
    seed: int,
    sets_a_shard: int | None = None,
    executor: Submits | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> str | Path:
    """Generate a training set of labelled points, as a Zarr store that xarray can open.

    The same arguments give the same files, bit by bit, whoever does the work and however often it
    was stopped: what is finished is kept, and the same call goes on from there.

    Args:
        model: a model, or the name of one in `likely.models`. Where the box of its non-decision
            time is infinite, times up to 2 s above its lower end are drawn.
        output: folder to make, or any fsspec address. Workers write there themselves.
        sets: parameter sets, at least 1.
        labelling: draws and points of each parameter set.
        seed: any integer from 0 to 2^64 - 1.
        sets_a_shard: parameter sets in a shard, which is written in one go; by default chosen so
            that a shard has at most 16 MB and there are at least 32 of them.
        executor: any concurrent.futures.Executor, such as a ProcessPoolExecutor or Dask's
            client.get_executor(); by default threads of this process.
        workers: threads, all cores by default; with an executor, shards submitted at a time, 1024
            by default.
        progress: whether a run of more than two seconds shows a progress bar on stderr.

    Returns:
        The address of the training set: a Path, or the fsspec address.

    Raises:
        ParameterError: for numbers that make no sense.
        ModelError: if the simulator fails, or is not the one the finished part was made with.
        FileFormatError: if something else is at the address, or another training set, or if the
            first finished part of this one is damaged.
        WorkersError: if workers died, or cannot write to the address.

    Warns:
        UndecidedWarning: if more than a fifth of the trials were given up as undecided.
    """
    model = with_finite_box(resolve(model))
    return run_generation(
        model,
        place_at(output),
        configure(model, labelling, seed, sets, sets_a_shard),
        executor,
        workers,
        progress,
    ).address


def run_generation(
    model: Model,
    place: Place,
    configuration: Configuration,
    executor: Submits | None,
    workers: int | None,
    progress: bool,
) -> Generated:
    """Generate what is missing of a training set; see `generate`."""
    if workers is not None:
        require_count("workers", workers)
    missing = _claim(place, configuration, model)
    job = _Job(model, place, configuration, missing)
    began = time.perf_counter()
    with (
        Progress(f"generating {model.name}", job.sets, show=progress) as bar,
        _saying_how_to_go_on(place, configuration),
    ):
        if executor is None:
            job.run_here(workers or available_cores(), bar)
        else:
            job.run_elsewhere(executor, workers or AT_ONCE, bar)
            _require_all(place, configuration)
    seconds = max(time.perf_counter() - began, 1e-6)
    remove_leftovers(place, configuration)
    address = Path(place.root) if place.is_local else place.address
    _warn_if_undecided(address, configuration)
    return Generated(address, job.sets, seconds)


def _warn_if_undecided(address: str | Path, configuration: Configuration) -> None:
    """Warn if many trials were given up: labels then rest on few, and P(choice) on fewer."""
    group, _ = open_store(address)
    every = slice(0, configuration.sets)
    share = read_values(group, configuration, str(address), "undecided", every).mean()
    if share > MANY:
        limit = configuration.labelling.max_time
        warnings.warn(
            f"{share:.0%} of the trials were undecided after {limit:g} s. Raise max_time, narrow "
            "the box, or make the simulator return seconds if it does not.",
            UndecidedWarning,
            stacklevel=3,
        )


def with_finite_box(model: Model) -> Model:
    """Return the model with an end to the box of its non-decision time, if it has none."""
    endless = [p for p in model.parameters if not math.isfinite(p.upper)]
    return model.with_box(**{p.name: (p.lower, p.lower + LONGEST_SHIFT) for p in endless})


def configure(
    model: Model, labelling: Labelling, seed: int, sets: int, sets_a_shard: int | None
) -> Configuration:
    """Check the arguments that determine what a training set holds."""
    require_seed(seed)
    require_count("sets", sets)
    if not isinstance(labelling, Labelling):
        raise ParameterError(f"labelling is {labelling!r}; give a likely.labels.Labelling.")
    if sets_a_shard is None:
        sets_a_shard = usual_shard(model.declaration, labelling, sets)
    require_count("sets_a_shard", sets_a_shard)
    shard = min(int(sets_a_shard), int(sets))
    return Configuration(model.declaration, labelling, int(seed), int(sets), shard)


def _claim(place: Place, configuration: Configuration, model: Model) -> list[int]:
    """Make the store, or make sure that it is ours to go on with; return the missing shards."""
    if not place.names() - place.leftovers():
        trial = replace(configuration.labelling, draws=min(TRIAL, configuration.labelling.draws))
        labelled_sets(model, trial, seed=configuration.seed, first=0, sets=1)
    else:
        _require_same(place, configuration)
    create_store(place, configuration)
    done = finished_shards(place, configuration)
    if done:
        _require_same_model(place, configuration, model, configuration.sets_of(min(done)).start)
    return [shard for shard in range(configuration.shards) if shard not in done]


def _require_same(place: Place, configuration: Configuration) -> None:
    """Raise FileFormatError unless the training set at the place is the one asked for."""
    try:
        existing = read_configuration(place)
    except FileFormatError as error:
        raise FileFormatError(f"{error} It is left as it is; choose another name.") from error
    there, here = (_flat(c.attributes()) for c in (existing, configuration))
    different = [
        f"{name} is {there[name]} there and {here[name]} here"
        for name in there
        if name in here and there[name] != here[name]
    ]
    if different:
        raise FileFormatError(
            f"{place.address} is another training set: {', '.join(different[:3])}. "
            "Choose another name, or delete it."
        )


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested JSON values by name, those of parameters by the parameter's name."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name == "parameters":
            value = {p["name"]: p for p in value}
            flat["parameters"] = ", ".join(value)
        if isinstance(value, Mapping):
            flat.update(_flat(value, "" if name in _PLAIN else f"{name} "))
        else:
            flat[f"{above}{name}"] = value
    return flat


def _require_same_model(
    place: Place, configuration: Configuration, model: Model, index: int
) -> None:
    """Raise ModelError if the model does not give again what is stored of a parameter set.

    Code is no part of the configuration, and a training set made by two models would look sound.
    Another processor may round differently, so that bits need not agree. Changes that this set
    does not show are not found.

    Raises:
        ModelError: if the median label, of those above the floor, is off by more than `SAME`.
        FileFormatError: if the stored labels are damaged.
    """
    again = labelled_sets(
        model, configuration.labelling, seed=configuration.seed, first=index, sets=1
    )["labels"][0]
    stored = read_set(place, configuration, index, "labels")
    telling = (again > FLOOR) | (stored > FLOOR)
    if telling.any() and np.median(np.abs(again - stored)[telling]) > SAME:
        raise ModelError(
            f"model '{model.name}' is not the one that made {place.address}: parameter set {index} "
            "comes out otherwise. Choose another name, or delete it."
        )


def _require_all(place: Place, configuration: Configuration) -> None:
    """Raise WorkersError unless what the workers have written can be seen from here."""
    missing = configuration.shards - len(finished_shards(place, configuration))
    if missing:
        raise WorkersError(
            f"{missing} shards have been made but are not in {place.address}; put the training set "
            "where all workers see it under the same name, such as a shared folder."
        )


@contextmanager
def _saying_how_to_go_on(place: Place, configuration: Configuration) -> Iterator[None]:
    """Note on whatever stops a run what is kept; say in one sentence that workers died."""
    try:
        yield
    except BaseException as error:
        done = len(finished_shards(place, configuration))
        kept = (
            f"{done} of {configuration.shards} shards are kept in {place.address}; "
            "run the same again to go on from there."
        )
        if isinstance(error, BrokenExecutor | CancelledError):
            raise WorkersError(f"the workers died or were lost; {kept}") from error
        error.add_note(kept)
        raise


@dataclass(frozen=True)
class _Job:
    """The shards still to be made."""

    model: Model
    place: Place
    configuration: Configuration
    missing: list[int]

    @property
    def sets(self) -> int:
        """Parameter sets still to be made."""
        return self.sets_of(self.missing)

    def sets_of(self, shards: Iterable[int]) -> int:
        """Return how many parameter sets some shards hold."""
        return sum(len(self.configuration.sets_of(shard)) for shard in shards)

    def run_here(self, threads: int, bar: Progress) -> None:
        """Make the shards on threads, which stop soon after Ctrl-C."""
        meter = _Meter(bar)
        # Work is done on other threads even if it is only one, so that this one hears Ctrl-C.
        pool = ThreadPoolExecutor(threads, thread_name_prefix="likely-generate")

        def submit(shard: int) -> Future[int]:
            return pool.submit(
                make_shard, self.model, self.place, self.configuration, shard, meter.count
            )

        try:
            for _ in finished(submit, self.missing, 2 * threads):
                meter.show()
        finally:
            meter.stop()
            pool.shutdown(cancel_futures=True)

    def run_elsewhere(self, executor: Submits, at_once: int, bar: Progress) -> None:
        """Make the shards on an executor, whose workers write them."""
        if not self.missing:
            return
        meter, parcel = _Meter(bar), packed(self.model)

        def submit(shard: int) -> Any:
            return executor.submit(
                make_shard_elsewhere, parcel, self.place.address, self.configuration, shard
            )

        for shards in finished(submit, self.missing, at_once):
            meter.count(self.sets_of(shards))
            meter.show()


class _Meter:
    """Counts parameter sets on any thread, and shows how many and how fast on one."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self._sets, self._stopped = bar, 0, False
        self._lock, self._began = threading.Lock(), time.monotonic()

    def count(self, sets: int) -> None:
        """Count parameter sets; raise CancelledError once all is to stop."""
        if self._stopped:
            raise CancelledError
        with self._lock:
            self._sets += sets

    def show(self) -> None:
        """Bring the bar up to date."""
        rate = self._sets / max(time.monotonic() - self._began, 1e-3)
        self._bar.update(self._sets, f"{rate:.3g} sets/s")

    def stop(self) -> None:
        """End the work of whoever counts next."""
        self._stopped = True
