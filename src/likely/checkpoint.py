"""The state of a training run on disk, to go on from after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save_file

from likely.declaration_json import typed
from likely.errors import FileFormatError, ParameterError
from likely.writing import written_whole

SUFFIX = ".checkpoint"
_KEY = "likely checkpoint"
_DIGEST = "sha256"
_BETWEEN = "|"  # stands between the names of nested arrays; weights are named with slashes

# Attribute and type errors are for kinds of numbers that numpy does not have.
_UNREADABLE = (
    safetensors.SafetensorError, OSError, LookupError, ValueError, AttributeError, TypeError
)  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of one run.

    Args:
        path: where it is, or will be.
        run: everything that determines the run, JSON values. A file of another run is refused.
    """

    path: Path
    run: Mapping[str, Any]

    def read(self) -> dict[str, Any] | None:
        """Return the nested arrays that were kept, or None if there is no file.

        Raises:
            FileFormatError: if the file is no checkpoint, or a damaged one.
            ParameterError: if it is that of another run.
        """
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, framework="numpy") as file:
                metadata = file.metadata() or {}
                kept, digest = typed(dict, json.loads(metadata[_KEY])), metadata[_DIGEST]
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except _UNREADABLE as error:
            raise FileFormatError(
                f"{self.path} is no checkpoint of likely: {error}. Delete it, or name another."
            ) from error
        if _digest(arrays) != digest:
            raise FileFormatError(f"{self.path} is damaged; delete it to start again.")
        self._require_same(kept)
        tree: dict[str, Any] = {}
        for name, array in arrays.items():
            above, _, own = name.rpartition(_BETWEEN)
            (tree.setdefault(above, {}) if above else tree)[own] = array
        return tree

    def _require_same(self, kept: Mapping[str, Any]) -> None:
        run = json.loads(json.dumps(self.run))
        for what in run:
            if kept.get(what) != run[what]:
                raise ParameterError(
                    f"{self.path} is a checkpoint of another run: its {what} is "
                    f"{kept.get(what)!r}, not {run[what]!r}. Delete it, or name another."
                )

    def write(self, tree: Mapping[str, Any]) -> None:
        """Keep nested arrays, two levels at most, in place of what was kept before."""
        flat: dict[str, np.ndarray] = {}
        for name, value in tree.items():
            inner = value.items() if isinstance(value, Mapping) else [("", value)]
            for own, array in inner:
                key = f"{name}{_BETWEEN}{own}" if own else name
                flat[key] = np.array(array, order="C")
        with written_whole(self.path) as temporary:
            save_file(
                flat, temporary, metadata={_KEY: json.dumps(self.run), _DIGEST: _digest(flat)}
            )


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the fingerprint of names, types, shapes and values."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return found.hexdigest()
