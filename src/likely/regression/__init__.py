"""Regression: parameters of a likelihood as formulas over the columns of a table of trials."""

from likely.regression.fitting import Fit, draw, fit, specify
from likely.regression.lapses import Lapses

__all__ = ["Fit", "Lapses", "draw", "fit", "specify"]
