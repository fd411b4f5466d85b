"""What a finished fit leaves: a record of everything its report tells, and the folder it is in."""

from likely.results.folder import open_fit, save_fit
from likely.results.record import Request, Results, results_of

__all__ = ["Request", "Results", "open_fit", "results_of", "save_fit"]
