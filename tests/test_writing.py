"""Files are written whole or not at all, and folders tried before the work."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from likely.writing import require_writable, written_whole


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with written_whole(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("earlier")

    def fail_halfway() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_tried_without_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "to" / "be" / "made")
    monkeypatch.chdir(tmp_path)
    require_writable(Path("relative/folder"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["taken", "taken/below", "taken/far/below"])
def test_a_file_in_the_way_is_refused_by_the_name_of_the_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(NotADirectoryError) as caught:
        require_writable(tmp_path / below)
    assert caught.value.filename == str(tmp_path / below)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere/.x")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError) as caught:
        require_writable(tmp_path)
    assert caught.value.filename == str(tmp_path)
