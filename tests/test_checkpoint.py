"""Checkpoints: what was kept comes back, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from likely.checkpoint import Checkpoint
from likely.errors import FileFormatError, ParameterError

RUN = {"network": "lan", "seed": 3, "recipe": {"epochs": 2, "rate": 0.1}, "shape": (1, 2)}
TREE = {
    "arrays": {"dense0/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)},
    "optimiser": {"0": np.array(7, dtype=np.int32), "1": np.zeros(3, np.float32)},
    "history": np.array([[1.5, 10, 0.3, 0.25]]),
}


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoint:
    checkpoint = Checkpoint(tmp_path / "deeper" / "lan.checkpoint", RUN)
    checkpoint.write(TREE)
    return checkpoint


def test_what_was_kept_comes_back(kept: Checkpoint) -> None:
    found = kept.read()
    assert found is not None
    assert found.keys() == TREE.keys()
    for above in ("arrays", "optimiser"):
        assert found[above].keys() == TREE[above].keys()
        for name, array in TREE[above].items():
            np.testing.assert_array_equal(found[above][name], array)
            assert (found[above][name].dtype, found[above][name].shape) == (
                array.dtype, array.shape
            )  # fmt: skip
    np.testing.assert_array_equal(found["history"], TREE["history"])


def test_there_is_nothing_to_begin_with(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none", RUN).read() is None


def test_the_last_state_replaces_those_before(kept: Checkpoint) -> None:
    kept.write({**TREE, "history": np.zeros((2, 4))})
    found = kept.read()
    assert found is not None
    assert found["history"].shape == (2, 4)
    assert [path.name for path in kept.path.parent.iterdir()] == ["lan.checkpoint"]


def test_a_failed_write_leaves_the_state_before(
    kept: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    before = kept.path.read_bytes()
    monkeypatch.setattr("likely.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="no space"):
        kept.write({**TREE, "history": np.zeros((2, 4))})
    assert kept.path.read_bytes() == before
    assert len(list(kept.path.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 4}, "its seed is 3, not 4"),
        ({"network": "cpn"}, "its network is 'lan', not 'cpn'"),
        ({"recipe": {"epochs": 3, "rate": 0.1}}, "its recipe is"),
        ({"new": 1}, "its new is None, not 1"),
    ],
)
def test_another_run_is_refused(kept: Checkpoint, change: dict[str, object], told: str) -> None:
    with pytest.raises(ParameterError, match=told) as caught:
        Checkpoint(kept.path, {**RUN, **change}).read()
    assert str(kept.path) in str(caught.value)
    assert "Delete it" in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    run = {"likely checkpoint": json.dumps(RUN)}
    weights = {"a": np.zeros(2)}
    files = [
        lambda: path.write_text("rt,choice\n0.5,1\n"),
        lambda: path.write_bytes(b""),
        lambda: save_file(weights, path),
        lambda: save_file(weights, path, metadata={"likely": "{}"}),
        lambda: save_file(weights, path, metadata=run),
        lambda: save_file(weights, path, metadata={"likely checkpoint": "[]", "sha256": ""}),
        lambda: save_file(weights, path, metadata={"likely checkpoint": "{", "sha256": ""}),
    ]
    for make in files:
        make()
        with pytest.raises(FileFormatError, match="is no checkpoint of likely") as caught:
            Checkpoint(path, RUN).read()
        assert str(path) in str(caught.value)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="is no checkpoint"):
        Checkpoint(tmp_path, RUN).read()


def test_no_byte_can_be_cut_off_or_changed_unnoticed(kept: Checkpoint) -> None:
    whole = kept.path.read_bytes()
    for i in range(0, len(whole), 7):
        for damaged in (whole[:i], whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :]):
            kept.path.write_bytes(damaged)
            try:
                found = kept.read()
            except (FileFormatError, ParameterError):
                continue
            # Padding of the header, or a name that nothing depends on.
            assert found is not None
            for name, array in TREE["arrays"].items():
                np.testing.assert_array_equal(found["arrays"][name], array)
