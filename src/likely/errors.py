"""Errors users meet. All are ValueErrors that say what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from likely.regression import Fit


class LikelyError(ValueError):
    """Any input `likely` cannot accept."""


class ModelError(LikelyError):
    """A model is declared wrongly, or its functions do not compile or run."""


class ParameterError(LikelyError):
    """A parameter is missing, unknown, not finite, of the wrong shape, or outside its box."""


class TrialsError(LikelyError):
    """Trials are malformed: a column, a row and a value are named."""


class FileFormatError(LikelyError):
    """A file is not what it should be."""


class WorkersError(LikelyError):
    """Workers on other processes or machines cannot be reached, died or do not fit."""


class SamplingInterrupted(KeyboardInterrupt):
    """Sampling was interrupted after some draws, which are kept.

    Args:
        fit: a `likely.Fit` of the draws that chains had made.
    """

    def __init__(self, fit: Fit) -> None:
        super().__init__("sampling was interrupted; the draws until then are in .fit")
        self.fit = fit


class LikelyWarning(UserWarning):
    """Any warning of `likely`."""


class RoughTrainingWarning(LikelyWarning):
    """A likelihood was trained for too short a time to be trusted."""


class UndecidedWarning(LikelyWarning):
    """Many simulated trials had not ended when they were given up."""


class OutsideBoxWarning(LikelyWarning):
    """Some parameters lie outside the region a likelihood was trained on."""


class RecodedWarning(LikelyWarning):
    """Choices were recognised, and read as those of the model."""


class UninformedWarning(LikelyWarning):
    """The trials tell nothing of a parameter that is to be estimated."""


class SubjectsWarning(LikelyWarning):
    """Trials of several subjects are taken for those of one, or their numbers for quantities."""


class AmbiguousWarning(LikelyWarning):
    """Values of a column are taken for categories that may be meant as quantities."""


class DistrustWarning(LikelyWarning):
    """A likelihood was found to be too wrong for the conclusions drawn with it."""


MANY, FEW = 20, 5  # names are listed in a sentence up to the one, else the other


def unknown(kind: str, name: object, known: Iterable[object]) -> str:
    """Say that `name` is not a known `kind`, what is, and which one may have been meant."""
    names = [str(k) for k in known]
    same = [n for n in names if n.lower() == str(name).lower()]
    close = same or difflib.get_close_matches(str(name), names, n=1)
    meant = f" Did you mean '{close[0]}'?" if close else ""
    return f"unknown {kind} '{name}'.{meant} Known: {_listed(str(name), names)}."


def _listed(name: str, names: list[str]) -> str:
    """Return names for a sentence: all of them, or the few most like `name` if they are many."""
    if len(names) <= MANY:
        return ", ".join(names) or "none"
    by_case = {n.lower(): n for n in names}
    like = [by_case[n] for n in difflib.get_close_matches(name.lower(), by_case, n=FEW, cutoff=0.0)]
    return f"{', '.join(like)} and {len(names) - len(like)} more"
