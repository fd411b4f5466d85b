"""What the files of shipped likelihoods say of themselves, read without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors

from likely.certificates.record import Certificate
from likely.declaration_json import parse
from likely.shipped import CLOSED_FORM, SHIPPED, SUFFIX


def shipped_certificate(name: str) -> Certificate | None:
    """Return the certificate of the shipped likelihood of this name, if it has one."""
    given = _header(name)["certificate"]
    return None if given is None else Certificate.from_json(given)


def is_closed_form(name: str) -> bool:
    """Tell whether the shipped likelihood of this name was written down, not trained."""
    return bool(_header(name)["training"]["labels"] == CLOSED_FORM)


def _header(name: str) -> dict[str, Any]:
    with safetensors.safe_open(shipped_file(name), framework="numpy") as file:
        return parse(file.metadata()["likely"])


def is_shipped(name: str) -> bool:
    """Tell whether a likelihood of this name comes with the package."""
    return shipped_file(name).is_file()


def shipped_file(name: str) -> Path:
    """Return where the shipped likelihood of this name is, or would be."""
    return SHIPPED / f"{name}{SUFFIX}"
