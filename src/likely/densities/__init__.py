"""Exact densities, which need no training: series, closed forms and numerical solutions."""

from likely.densities import wiener
from likely.densities.twin import ExactTwin, FirstPassage

__all__ = ["ExactTwin", "FirstPassage", "wiener"]
