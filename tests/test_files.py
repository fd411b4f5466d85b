"""Damaged likelihood files: refused, whatever the damage, or valid after all."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certified import handwritten
from handmade import handmade_ddm
from hypothesis import given, settings
from hypothesis import strategies as st

from likely.errors import FileFormatError
from likely.files import read

DEEP = "[" * 100_000 + "]" * 100_000
JUNK = [
    "null", "true", "0", "3", "-1", "0.5", "1e300", "1e999", "NaN", "-Infinity", "9" * 19, "9" * 25,
    '"x"', '""', '"\\ud800"', "[]", "{}", "[1]", "[1, 2]", '["a", "b"]', "[[1, 2, 3]]", '{"a": 1}',
    "[null, null]", "[NaN, 1]", "[0.1, 1e999]", DEEP,
]  # fmt: skip
MARK = "\N{REPLACEMENT CHARACTER}"


def paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to every part of a JSON value, the whole first."""
    yield before
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    for key, part in parts:
        yield from paths(part, (*before, key))


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the JSON header of a safetensors file and what follows it."""
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def join(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def redescribed(content: bytes, text: str) -> bytes:
    """Return the file with another description."""
    header, rest = split(content)
    header["__metadata__"]["likely"] = text
    return join(header, rest)


def with_part(description: Any, path: tuple[str | int, ...], junk: str) -> str:
    """Return the description as JSON, with junk in place of the part at the path."""
    if not path:
        return junk
    changed = json.loads(json.dumps(description))
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = MARK
    return json.dumps(changed).replace(json.dumps(MARK), junk)


def without_part(description: Any, path: tuple[str | int, ...]) -> str:
    changed = json.loads(json.dumps(description))
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return json.dumps(changed)


def assert_refused_or_valid(path: Path) -> None:
    """Require FileFormatError, or a likelihood that can be shown, evaluated and saved."""
    try:
        likelihood = read(path)
    except FileFormatError:
        return
    assert repr(likelihood)
    row = np.full(len(likelihood.declaration.names), 0.5)
    assert not np.isnan(likelihood.logp(row, np.array([[0.8, 1.0], [np.nan, -1.0]]))).any()
    copy = read(likelihood.save(path.with_name("copy.likely")))
    assert copy.declaration == likelihood.declaration
    assert copy.training == likelihood.training
    assert copy.certificate == likelihood.certificate
    assert str(copy.certificate)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return where to write damaged files, and a sound one."""
    path = handmade_ddm().save(tmp_path_factory.mktemp("files") / "damaged.likely")
    description = json.loads(split(path.read_bytes())[0]["__metadata__"]["likely"])
    description["training"]["history"] = [[0.5, 10, 1.25]]
    description["certificate"] = handwritten(handmade_ddm()).to_json()
    return path, redescribed(path.read_bytes(), json.dumps(description))


def description_of(content: bytes) -> Any:
    return json.loads(split(content)[0]["__metadata__"]["likely"])


@settings(derandomize=True, deadline=None, max_examples=400)
@given(data=st.data())
def test_damaged_descriptions_are_refused(file: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = file
    description = description_of(content)
    part = data.draw(st.sampled_from(list(paths(description))))
    junk = data.draw(st.one_of(st.none(), st.sampled_from(JUNK)))
    gone = junk is None and part
    text = without_part(description, part) if gone else with_part(description, part, junk or "")
    path.write_bytes(redescribed(content, text))
    assert_refused_or_valid(path)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(data=st.data())
def test_damaged_bytes_are_refused(file: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = file
    end = len(content) - len(split(content)[1])
    at = data.draw(st.integers(0, end - 1))
    damaged = bytearray(content)
    damaged[at] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    assert_refused_or_valid(path)


@pytest.mark.parametrize(
    ("part", "junk"),
    [
        (("training",), '"x"'),
        (("training", "draws"), '"x"'),
        (("training", "seconds"), "NaN"),
        (("parameters", 0, "name"), "3"),
        (("parameters", 0, "box"), "[-1, 1e999]"),
        (("choices",), "[true, false]"),
        (("choices", 1), "9" * 25),
        (("certificate",), "7"),
        (("certificate",), '{"error": 0.01}'),
        (("certificate", "exact", "sets"), "3"),
        (("certificate", "exact", "mass", "high"), '"x"'),
        (("certificate", "shift", "reach", "extrapolated"), "1"),
        (("certificate",), DEEP),
        ((), DEEP),
        ((), "[1, 2]"),
    ],
)
def test_parts_of_the_wrong_kind_are_refused(
    file: tuple[Path, bytes], part: tuple[str | int, ...], junk: str
) -> None:
    path, content = file
    path.write_bytes(redescribed(content, with_part(description_of(content), part, junk)))
    with pytest.raises(FileFormatError, match=r"damaged\.likely: the description is damaged"):
        read(path)


@pytest.mark.parametrize(("kind", "size"), [("I64", 8), ("BOOL", 1), ("F8_E4M3", 1), ("BF16", 2)])
def test_weights_that_are_no_plain_numbers_are_refused(
    file: tuple[Path, bytes], kind: str, size: int
) -> None:
    path, content = file
    header, _ = split(content)
    end = 0
    for name in header.keys() - {"__metadata__"}:
        begin, end = end, end + size * int(np.prod(header[name]["shape"]))
        header[name].update(dtype=kind, data_offsets=[begin, end])
    path.write_bytes(join(header, bytes(end)))
    with pytest.raises(FileFormatError, match=r"damaged\.likely"):
        read(path)


def test_a_sound_file_is_read(file: tuple[Path, bytes]) -> None:
    path, content = file
    path.write_bytes(content)
    likelihood = read(path)
    assert likelihood.training.history == ((0.5, 10, 1.25),)
    assert likelihood.certificate == handwritten(handmade_ddm())
