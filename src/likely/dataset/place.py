"""Folders on this machine, or anywhere that fsspec reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from likely.errors import LikelyError
from likely.writing import written_whole

_LEFTOVER = re.compile(r"\.(zarr\.json|c(\.\d+)+)\..+")  # what `written_whole` leaves when killed


@dataclass(frozen=True)
class Place:
    """A folder that may not exist yet.

    Args:
        address: how another process finds it: an absolute path, or an fsspec address.
        system: the file system it is on.
        root: its path there.
    """

    address: str
    system: Any
    root: str

    @property
    def is_local(self) -> bool:
        """Whether it is on a file system of this machine."""
        return isinstance(self.system, LocalFileSystem)

    def read(self, key: str) -> bytes | None:
        """Return the contents of a file, or None if there is no such file."""
        try:
            content: bytes = self.system.cat_file(f"{self.root}/{key}")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        return content

    def write(self, key: str, content: bytes) -> None:
        """Write a file: on this machine and on object stores whole, or not at all.

        Other file systems (sftp, hdfs) may show part of a file while it is written, and keep that
        part if the writer is killed.

        Raises:
            OSError: names the folder, not a file that nobody asked for.
        """
        path = f"{self.root}/{key}"
        if not self.is_local:
            self.system.pipe_file(path, content)
            return
        try:
            with written_whole(Path(path)) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise type(error)(error.errno, error.strerror, self.root) from error

    def names(self, folder: str = "") -> set[str]:
        """Return the names of what is in the folder, or in one below it; none if there is none.

        Raises:
            LikelyError: if it is a file.
        """
        path = f"{self.root}/{folder}".rstrip("/")
        self.system.invalidate_cache()
        try:
            found = self.system.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return set()
        if [str(f).rstrip("/") for f in found] == [path]:
            raise LikelyError(f"{path} is a file; name a folder that may be made.")
        return {str(f).rstrip("/").rpartition("/")[2] for f in found}

    def size(self) -> int:
        """Return the bytes of all its files."""
        return int(self.system.du(self.root))

    def leftovers(self, folder: str = "") -> set[str]:
        """Return the names of unfinished files that killed processes left in a folder."""
        return {name for name in self.names(folder) if _LEFTOVER.fullmatch(name)}

    def remove_leftovers(self, folder: str = "") -> None:
        """Remove unfinished files that killed processes left in a folder."""
        for name in self.leftovers(folder):
            Path(self.root, folder, name).unlink(missing_ok=True)


def place_at(address: str | Path) -> Place:
    """Return the folder at a path or an fsspec address.

    Raises:
        LikelyError: if no file system of this kind is known or installed.
    """
    given = str(address)
    if not given.strip():
        raise LikelyError("the name of the training set is empty; name a folder for it.")
    try:
        system, root = fsspec.core.url_to_fs(given)
    except (ValueError, ImportError) as error:
        raise LikelyError(f"{given!r} cannot be reached: {error}.") from error
    root = str(root).rstrip("/")
    return Place(root if isinstance(system, LocalFileSystem) else given, system, root)
