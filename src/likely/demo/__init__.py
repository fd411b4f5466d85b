"""`likely demo`: a Go/NoGo experiment, from a simulator to a posterior and a page that shows it."""

from likely.demo.experiment import TRUTH
from likely.demo.stages import Demo, run

__all__ = ["TRUTH", "Demo", "run"]
