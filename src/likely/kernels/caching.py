"""Keep compiled model functions on disk, so that a second process starts at once.

Numba's own cache finds functions by source file; those of a model are often lambdas, or built here.
They are found by what they compute instead: byte code, constants and everything global they reach.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numba
import numpy as np
from numba.core.caching import CacheImpl, _CacheLocator
from platformdirs import user_cache_path

_STEADY = {"cmath", "math", "numba", "numpy"}  # modules whose members never change meaning
_KEYS: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()


class _NotCacheable(Exception):
    """A function reaches something that has no stable identity."""


class _ByContent(_CacheLocator):
    """Finds a function in the user's cache folder by the key it was registered with."""

    def __init__(self, key: str, file: str) -> None:
        self._key = key
        self._py_file = file  # numba names it where it warns that code cannot be kept

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return self._key

    def get_disambiguator(self) -> str:
        return self._key[:16]

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _ByContent | None:
        key = _KEYS.get(py_func)
        return None if key is None else cls(key, py_file)


CacheImpl._locator_classes.insert(0, _ByContent)  # type: ignore[arg-type]


def cache_folder() -> Path:
    """Return the folder of compiled functions; it can be deleted at any time."""
    return user_cache_path("likely") / "compiled"


def cached(function: Callable[..., Any], identity: Sequence[Any], **options: Any) -> Any:
    """Compile `function` with numba, on disk if its `identity` can be told across processes."""
    return numba.njit(cache=_keep(function, identity), **options)(function)


def cached_entry(function: Callable[..., Any], signature: Any, name: str) -> Any:
    """Compile `function`, one of ours and told apart by `name`, to a C function, on disk."""
    return numba.cfunc(signature, cache=_keep(function, [name]))(function)


def _keep(function: Callable[..., Any], identity: Sequence[Any]) -> bool:
    """Arrange for `function` to be kept on disk; tell whether that is possible."""
    try:
        key = _key(identity)
        _ByContent(key, "").ensure_cache_path()
    except (_NotCacheable, OSError):
        return False
    _KEYS[function] = key
    return True


def _key(identity: Sequence[Any]) -> str:
    digest = hashlib.sha256(f"{version('likely')} {_engine_source()}".encode())
    for part in identity:
        digest.update(_describe(part, {}).encode())
    return digest.hexdigest()


def engine_version() -> int:
    """Return a number that changes with the source of the compiled code."""
    return int(hashlib.sha256(_engine_source().encode()).hexdigest()[:12], 16)


@functools.cache
def _engine_source() -> str:
    return "".join(p.read_text("utf8") for p in sorted(Path(__file__).parent.glob("*.py")))


def _describe(value: Any, seen: dict[int, int]) -> str:
    """Describe a value so that equal descriptions mean equal behaviour.

    `seen` numbers the functions met so far, by identity: a function may reach itself.
    """
    function = getattr(value, "py_func", value)
    if isinstance(function, types.FunctionType):
        options = getattr(value, "targetoptions", {})
        return f"{_describe_function(function, seen)}{sorted(options.items())}"
    if isinstance(value, types.CodeType):
        return _describe_code(value, seen)
    if isinstance(value, types.ModuleType | types.BuiltinFunctionType | np.ufunc | type):
        return _describe_member(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if type(value) in (tuple, list, frozenset):
        return "(" + ",".join(_describe(v, seen) for v in value) + ")"
    if isinstance(value, str | int | float | complex | bool | bytes | None | np.generic):
        return f"{type(value).__name__}:{value!r}"
    raise _NotCacheable


def _describe_member(value: Any) -> str:
    """Describe a module, or something of it, by name: what the user may edit is not cacheable."""
    module = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    if isinstance(value, np.ufunc):
        module = "numpy"
    if str(module).split(".")[0] not in _STEADY | {"builtins"}:
        raise _NotCacheable
    return f"{module}.{value.__name__}"


def _describe_function(function: types.FunctionType, seen: dict[int, int]) -> str:
    if id(function) in seen:
        return f"function {seen[id(function)]}"
    seen[id(function)] = len(seen)
    reached = [cell.cell_contents for cell in function.__closure__ or ()]
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            reached.append(function.__globals__[name])
    defaults = function.__defaults__ or ()
    described = _describe([*reached, *defaults], seen)
    return f"{function.__module__}{_describe_code(function.__code__, seen)}{described}"


def _global_names(code: types.CodeType) -> list[str]:
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(_global_names(constant))
    return sorted(names)


def _describe_code(code: types.CodeType, seen: dict[int, int]) -> str:
    constants = _describe(code.co_consts, seen)
    return f"{code.co_code.hex()}{code.co_names}{code.co_varnames}{constants}"
