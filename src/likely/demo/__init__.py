"""`likely demo`: a Go/NoGo experiment, from a simulator to a posterior and a page that shows it."""

from likely.demo.roads import Classic, Fresh, Road, Shipped
from likely.demo.stages import Demo, run

__all__ = ["Classic", "Demo", "Fresh", "Road", "Shipped", "run"]
