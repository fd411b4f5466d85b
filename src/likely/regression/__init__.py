"""Regression: parameters of a likelihood as formulas over the columns of a table of trials."""

from likely.regression.fitting import Fit, fit

__all__ = ["Fit", "fit"]
