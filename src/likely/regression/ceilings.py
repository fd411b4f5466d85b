"""What a non-decision time must lie below: no response comes before it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from likely.declaration import Declaration, Parameter
from likely.errors import ParameterError
from likely.regression.formulas import is_intercept, lone_group
from likely.regression.links import Link, LogitByTrial, link_for
from likely.trials import counting, responded, row_words
from likely.typing import FloatArray

EXPECTED = 0.5
EXPECTED_OF_MEDIAN = 0.2  # above most responses there is a mode in which these are all lapses


@dataclass(frozen=True, eq=False)
class Ceiling:
    """Times that bound the non-decision time.

    The bound is the fastest response; the median one if some responses may come before the
    non-decision time: lapses, or where it varies from trial to trial.

    Args:
        parameter: name of the non-decision time; None if the model has none.
        times: response times (n,), NaN where there was no response or it has no time.
        firm: whether no response may come earlier.
    """

    parameter: str | None
    times: FloatArray
    firm: bool

    @classmethod
    def observed(cls, declaration: Declaration, encoded: FloatArray, lapses: bool) -> Ceiling:
        """Bound the non-decision time of a model by encoded trials (n, 2)."""
        times = np.where(responded(encoded), encoded[:, 0], math.nan)
        return cls(declaration.non_decision, times, not lapses and declaration.spread is None)

    @property
    def overall(self) -> float | None:
        """The bound of all trials in seconds, if there were responses."""
        return self._of(self.times)

    @property
    def share(self) -> float:
        """What share of the bound a non-decision time is expected to be."""
        return EXPECTED if self.firm else EXPECTED_OF_MEDIAN

    def link(self, parameter: Parameter, formula: str, data: pd.DataFrame) -> Link:
        """Return the link of a parameter: below the ceiling if it is the non-decision time.

        A non-decision time that is the same in all trials lies below the bound of all, one of each
        group below its group's. With other formulas it has the link of its support.

        Raises:
            ParameterError: if a bound is below the parameter's lower limit.
        """
        overall = self.overall
        if parameter.name != self.parameter or overall is None:
            return link_for(parameter)
        if is_intercept(formula):
            return link_for(self.bounded(parameter, overall))
        group = lone_group(formula)
        if group is None:
            return link_for(parameter)
        limits = self._by_group(data[group], overall)
        lowest = self.bounded(parameter, float(limits.min()))
        return LogitByTrial(lowest.support[0], limits)

    def _by_group(self, groups: pd.Series, overall: float) -> FloatArray:
        codes, _ = pd.factorize(groups.astype(object))
        limits = np.empty(len(codes))
        for code in np.unique(codes):
            limit = self._of(self.times[codes == code])
            limits[codes == code] = overall if limit is None else limit
        return limits

    def bounded(self, parameter: Parameter, limit: float) -> Parameter:
        """Return a non-decision time with a support that ends at the limit."""
        lower = parameter.support[0] if math.isfinite(parameter.support[0]) else parameter.lower
        least = max(lower, parameter.lower)
        if limit <= least:
            found = (
                f"the fastest response took {limit:g} s"
                if self.firm
                else f"half of the responses took {limit:g} s or less"
            )
            raise ParameterError(
                f"parameter '{parameter.name}' cannot be less than {least:g} s, but {found}; leave "
                "faster responses out."
            )
        return replace(parameter, lower=lower, upper=limit, support=(lower, limit))

    def _of(self, times: FloatArray) -> float | None:
        times = times[~np.isnan(times)]
        if not len(times):
            return None
        return float(times.min() if self.firm else np.median(times))

    def require_later(self, name: str, value: float) -> None:
        """Raise ParameterError if a fixed non-decision time is not below the ceiling."""
        overall = self.overall
        if name == self.parameter and overall is not None and value >= overall:
            found = (
                f"responses begin at {overall:g} s; leave faster responses out or"
                if self.firm
                else f"half of the responses come by {overall:g} s;"
            )
            raise ParameterError(
                f"parameter '{name}' is fixed at {value:g} s, but {found} choose a smaller value."
            )

    def require_early(self, name: str, start: FloatArray, rows: pd.Index, formula: str) -> None:
        """Raise ParameterError if a non-decision time exceeds a response before sampling begins.

        Args:
            name: of the parameter.
            start: its values (n,) with all coefficients at prior means.
            rows: labels of the trials.
            formula: its formula.
        """
        late = np.flatnonzero(start >= self.times)
        if name == self.parameter and self.firm and len(late):
            i = late[0]
            raise ParameterError(
                f"formula {formula!r} of parameter '{name}': priors are centred on {start[i]:.3g} "
                f"s, after the response at {self.times[i]:.3g} s in {row_words(rows, int(i))}; add "
                f"an intercept, or give priors.{counting(rows)}"
            )
