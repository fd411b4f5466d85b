"""Reference densities that need no training: series and numerical solutions."""

from likely.exact import wiener

__all__ = ["wiener"]
