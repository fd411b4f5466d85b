"""Compiled inner loops: random streams and first passages."""
