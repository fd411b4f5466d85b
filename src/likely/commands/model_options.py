"""Commands that have one option for each parameter of the model named on the command line."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from likely.errors import ModelError, unknown

if TYPE_CHECKING:
    from likely.declaration import Declaration
    from likely.model import Model

_PREFIX = "parameter_"
_FOUND = "likely.commands.found"
_FLAGS = ("-h", "--help")


class Declared(Protocol):
    """Anything with a declaration: a model or a likelihood."""

    @property
    def declaration(self) -> Declaration:
        """Names and boxes of the parameters."""
        ...


class ModelCommand(click.Command):
    """A command with one option for each parameter of the model its arguments name.

    Args:
        find: function of the words of the command line that returns what they name, or None.
        value: type of the options.
        arguments: everything that click.Command takes.
    """

    def __init__(
        self,
        *arguments: Any,
        find: Callable[[Sequence[str]], Declared | None],
        value: click.ParamType[Any],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._find, self._value = find, value

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the model first, for its parameters are options."""
        found = self._find(args)
        ctx.meta[_FOUND] = found
        if found is None:  # let the command itself say that it knows no such model
            ctx.ignore_unknown_options = ctx.allow_extra_args = True
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and those of the model."""
        own = super().get_params(ctx)
        found: Declared | None = ctx.meta.get(_FOUND)
        return own if found is None else [*own, *self._options(found.declaration, own)]

    def _options(
        self, declaration: Declaration, own: Sequence[click.Parameter]
    ) -> list[click.Option]:
        taken = {option for parameter in own for option in parameter.opts}
        options = []
        for p in declaration.parameters:
            if f"--{p.name}" in taken:
                raise ModelError(
                    f"model '{declaration.name}': parameter '{p.name}' has the name of an option "
                    "of this command; rename it."
                )
            unit = f" [{p.unit}]" if p.unit else ""
            text = f"{p.description}{unit}; box {p.lower:g} to {p.upper:g}".lstrip("; ")
            options.append(
                click.Option([f"--{p.name}", _PREFIX + p.name], type=self._value, help=text)
            )
        return options


def found() -> Any:
    """Return what the command line names, or None."""
    return click.get_current_context().meta.get(_FOUND)


def parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that were given, by name."""
    return {
        name.removeprefix(_PREFIX): value
        for name, value in options.items()
        if name.startswith(_PREFIX) and value is not None
    }


def find_model(words: Sequence[str]) -> Model | None:
    """Return the model named by the first argument that names one, if any does."""
    from likely.zoo import models

    for word in _arguments(words):
        if word in models or word.endswith(".py") or ".py:" in word:
            return model_named(word)
    return None


def _arguments(words: Sequence[str]) -> Iterator[str]:
    """Leave out options, which all but --help have a value, and their values."""
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            yield from remaining
        elif not word.startswith("-"):
            yield word
        elif word not in _FLAGS and (len(word) == 2 or (word[:2] == "--" and "=" not in word)):
            next(remaining, None)


def model_named(text: str) -> Model:
    """Return the model of the zoo called so, or the one at FILE.py:NAME.

    Raises:
        ModelError: if there is none, or the file fails.
    """
    from likely.zoo import resolve

    path, _, name = text.rpartition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), name)
    if text.endswith(".py"):
        raise ModelError(f"{text!r} is a file; say which model in it: {text}:NAME.")
    return resolve(text)


def _from_file(path: Path, name: str) -> Model:
    from likely.model import Model

    if not path.is_file():
        raise ModelError(f"there is no file {str(path)!r}.")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise ModelError(f"{str(path)!r} is not a Python file.")
    module = importlib.util.module_from_spec(specification)
    sys.path.insert(0, str(path.parent.resolve()))  # as if `python FILE.py` ran it
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise ModelError(f"{str(path)!r} fails: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    known = [n for n, value in vars(module).items() if isinstance(value, Model)]
    if name not in known:
        raise ModelError(f"{str(path)!r}: {unknown('model', name, known)}")
    model: Model = getattr(module, name)
    return model
