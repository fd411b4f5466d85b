"""`likely demo`: a Go/NoGo experiment, from a simulator to a posterior and a page that shows it."""

from likely.demo.stages import Demo, run

__all__ = ["Demo", "run"]
