"""Models as bytes that a worker in another process, or on another machine, turns into models."""

from __future__ import annotations

import functools
import pickle
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import cloudpickle

from likely.errors import ModelError
from likely.model import Model

_PACKAGES = {"site-packages", "dist-packages"}  # folders of installed packages
_PYTHON = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
_LOCK = threading.Lock()  # a model is unpacked and compiled once, however many threads ask


def packed(model: Model) -> bytes:
    """Return a model as bytes, with whatever code of the user's own it needs.

    Raises:
        ModelError: if it refers to something that cannot leave this process.
    """
    try:
        with _LOCK, _own_modules_by_value():
            parcel: bytes = cloudpickle.dumps(model)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ModelError(
            f"model '{model.name}' cannot be sent to other processes: {error}. Let its functions "
            "refer to plain numbers, arrays and functions only."
        ) from error
    return parcel


def unpacked(parcel: bytes) -> Model:
    """Return the model, compiled; the same one for the same bytes."""
    with _LOCK:
        return _unpacked(parcel)


@functools.lru_cache(maxsize=8)
def _unpacked(parcel: bytes) -> Model:
    model: Model = pickle.loads(parcel)
    _ = model.first_passages
    return model


@contextmanager
def _own_modules_by_value() -> Iterator[None]:
    """Send functions and classes of the user's own modules as code, for workers lack the files."""
    already = cloudpickle.list_registry_pickle_by_value()
    own = [m for name, m in list(sys.modules.items()) if _is_own(name, m) and name not in already]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def _is_own(name: str, module: object) -> bool:
    """Whether a module is neither installed nor a part of Python or of likely."""
    if not isinstance(module, ModuleType) or module.__name__ != name:
        return False
    file = getattr(module, "__file__", None)
    if file is None or name.partition(".")[0] in ("likely", "__main__", "__mp_main__"):
        return False
    path = Path(file).resolve()
    return not (_PACKAGES & set(path.parts)) and not any(map(path.is_relative_to, _PYTHON))
