"""The report of a fit: one HTML file that a colleague can open."""

from likely.reporting.writing import report

__all__ = ["report"]
