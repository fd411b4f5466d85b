"""Frozen records as JSON and back, with every type checked."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from likely.declaration_json import typed


def record_to_json(record: Any) -> dict[str, Any]:
    """Return a record of numbers, strings, tuples, dicts and records as JSON values."""
    values: dict[str, Any] = asdict(record)
    return values


def record_from_json(kind: Any, value: Any) -> Any:
    """Return the value of type `kind` that JSON describes.

    Args:
        kind: a dataclass, bool, int, float, str, tuple[X, ...], dict[str, X] or X | None.
        value: what `record_to_json` made of it, or the same with lists for tuples.

    Raises:
        LookupError: if something is missing that has no default.
        TypeError: if a value is of another type, or there is one too many.
        ValueError: if values do not belong together.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _record(kind, value)
    if origin in (Union, UnionType):
        return None if value is None else record_from_json(inner[0], value)
    if origin is tuple:
        given = typed(list | tuple, value)
        if inner[-1] is Ellipsis:
            return tuple(record_from_json(inner[0], v) for v in given)
        return tuple(record_from_json(k, v) for k, v in zip(inner, given, strict=True))
    if origin is dict:
        return {typed(str, k): record_from_json(inner[1], v) for k, v in typed(dict, value).items()}
    if kind is float:
        return float(typed(int | float, value))
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError(f"{value!r} is neither true nor false")
        return value
    return typed(kind, value)


def _record(kind: Any, value: Any) -> Any:
    types = get_type_hints(kind)
    names = [f.name for f in fields(kind)]
    optional = {f.name for f in fields(kind) if f.default is not MISSING}
    unknown = set(typed(dict, value)) - set(names)
    if unknown:
        raise TypeError(f"{kind.__name__} has no '{min(unknown)}'")
    given = [name for name in names if name in value or name not in optional]
    return kind(**{name: record_from_json(types[name], value[name]) for name in given})
