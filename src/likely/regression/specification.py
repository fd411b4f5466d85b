"""What a fit estimates: which parameters are fixed, which depend on what, and with which priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.declaration import Declaration, Parameter
from likely.errors import ParameterError, unknown
from likely.regression.design import Design, design, intercept_only
from likely.regression.lapses import Lapses, longest_time
from likely.regression.links import link_for
from likely.regression.predictors import (
    Predictor,
    Prior,
    priors_over_box,
    require_known_priors,
    with_priors,
)
from likely.trials import NO_RESPONSE, encode
from likely.typing import FloatArray

if TYPE_CHECKING:
    import pymc as pm

    from likely.likelihood import Likelihood

OBSERVED = "trials"  # what the observed variable is called in PyMC models


@dataclass(frozen=True, eq=False)
class Specification:
    """What a fit estimates.

    Args:
        predictors: parameters that are estimated, each with its design, link and priors.
        fixed: parameters held at a value.
        lapses: the share of trials that the likelihood does not describe, if any.
    """

    predictors: tuple[Predictor, ...]
    fixed: Mapping[str, float]
    lapses: Lapses | None = None

    @property
    def formula(self) -> dict[str, str]:
        """The formula of each parameter that is not fixed."""
        return {p.parameter: p.design.formula for p in self.predictors}

    @property
    def priors(self) -> pd.DataFrame:
        """One row a coefficient: parameter, link, and mean and sd of its normal prior."""
        return pd.DataFrame([_row(p, prior) for p in self.predictors for prior in p.priors])

    def build(self, likelihood: Likelihood, data: pd.DataFrame) -> pm.Model:
        """Return the PyMC model of the trials."""
        import pymc as pm

        encoded = encode(data, likelihood.declaration.choices)
        with pm.Model() as model:
            arguments: dict[str, Any] = {p.parameter: p.tensor() for p in self.predictors}
            arguments.update(self.fixed)
            if self.lapses is None:
                likelihood(OBSERVED, **arguments, observed=encoded)
            else:
                trials = likelihood.dist(**arguments, size=len(encoded))
                self.lapses.observe(OBSERVED, trials, encoded)
        return model

    def values(self, coefficients: Mapping[str, FloatArray], n: int) -> dict[str, FloatArray]:
        """Return parameters (draws, n trials), given draws (draws,) of each coefficient."""
        draws = len(next(iter(coefficients.values())))
        values = {name: np.full((draws, n), value) for name, value in self.fixed.items()}
        for p in self.predictors:
            values[p.parameter] = p.values(coefficients)[:, p.design.index]
        return values

    def outside(
        self, coefficients: Mapping[str, FloatArray], declaration: Declaration
    ) -> tuple[float, list[str]]:
        """Return the share of draws outside the box, and the parameters that leave it."""
        beyond = {}
        for p in self.predictors:
            lower, upper = declaration.box[p.parameter]
            values = p.values(coefficients)
            beyond[p.parameter] = ((values < lower) | (values > upper)).any(axis=1)
        share = float(np.mean(np.any(list(beyond.values()), axis=0)))
        return share, [name for name, outside in beyond.items() if outside.any()]


def specify(
    declaration: Declaration,
    data: pd.DataFrame,
    *,
    formula: Mapping[str, str],
    fixed: Mapping[str, float],
    priors: Mapping[str, tuple[float, float]],
    lapse: float = 0.0,
) -> Specification:
    """Check what `likely.fit` is asked for, and choose links and priors.

    Args:
        declaration: of the likelihood.
        data: the trials.
        formula: parameter -> formula; an intercept only for the others.
        fixed: parameter -> value.
        priors: coefficient -> mean and sd, in place of the default.
        lapse: probability of a lapse; 0 for none.

    Raises:
        TrialsError: for malformed trials and columns that are missing or incomplete.
        ParameterError: for formulas, values and priors that cannot be.
    """
    encoded = encode(data, declaration.choices)
    _require_sensible_names(declaration, formula, fixed)
    lapses = Lapses(lapse, longest_time(encoded), declaration.choices) if lapse != 0 else None
    shift = _Shift.observed(declaration, encoded, lapses)
    for p in declaration.parameters:
        if p.name in fixed:
            _require_possible(p, fixed[p.name], shift)
    predictors = tuple(
        _predictor(p, data, formula.get(p.name, "1"), shift)
        for p in declaration.parameters
        if p.name not in fixed
    )
    require_known_priors(priors, predictors)
    predictors = tuple(replace(p, priors=with_priors(p.priors, priors)) for p in predictors)
    if lapses is None and declaration.spread is None:
        _require_early_start(predictors, declaration.non_decision, data)
    return Specification(predictors, dict(fixed), lapses)


@dataclass(frozen=True)
class _Shift:
    """The non-decision time: its name, and the time in seconds that it must lie below."""

    name: str | None
    ceiling: float | None

    @classmethod
    def observed(
        cls, declaration: Declaration, encoded: FloatArray, lapses: Lapses | None
    ) -> _Shift:
        """Bound it by the fastest response; by the median one if responses may be faster than it.

        They may if they are lapses, or if it varies.
        """
        name = declaration.non_decision
        bounded = lapses is None and declaration.spread is None
        responded = np.isfinite(encoded[:, 0]) & (encoded[:, 1] != NO_RESPONSE)
        times = encoded[responded, 0]
        if not len(times):
            return cls(name, None)
        return cls(name, float(times.min() if bounded else np.median(times)))


def _predictor(parameter: Parameter, data: pd.DataFrame, formula: str, shift: _Shift) -> Predictor:
    matrix = _design(formula, data, parameter)
    bounded = parameter
    if parameter.name == shift.name and shift.ceiling is not None and matrix.intercept_only:
        bounded = _bounded(parameter, shift.ceiling)
    link = link_for(bounded)
    priors = priors_over_box(bounded, link, matrix, shift.ceiling)
    return Predictor(parameter.name, matrix, link, priors)


def _design(formula: str, data: pd.DataFrame, parameter: Parameter) -> Design:
    if formula.strip() == "1":
        return intercept_only(len(data))
    return design(formula, data, parameter.name)


def _bounded(parameter: Parameter, ceiling: float) -> Parameter:
    """Return the non-decision time with a support that ends at the ceiling."""
    lower = parameter.support[0] if math.isfinite(parameter.support[0]) else parameter.lower
    if ceiling <= lower:
        raise ParameterError(
            f"parameter '{parameter.name}' cannot be less than {lower:g} s, but the fastest "
            f"response took {ceiling:g} s; leave faster responses out."
        )
    return replace(parameter, lower=lower, upper=ceiling, support=(lower, ceiling))


def _require_sensible_names(
    declaration: Declaration, formula: Mapping[str, str], fixed: Mapping[str, float]
) -> None:
    for name in (*formula, *fixed):
        if name not in declaration.names:
            message = unknown("parameter", name, declaration.names)
            raise ParameterError(f"model '{declaration.name}': {message}")
    both = sorted(set(formula) & set(fixed))
    if both:
        raise ParameterError(f"parameter '{both[0]}' has both a formula and a fixed value.")
    if len(fixed) == len(declaration.names):
        raise ParameterError("every parameter is fixed; there is nothing to estimate.")


def _require_possible(parameter: Parameter, value: float, shift: _Shift) -> None:
    if not (math.isfinite(value) and parameter.lower <= value <= parameter.upper):
        raise ParameterError(
            f"parameter '{parameter.name}' is fixed at {value:g}, outside the box "
            f"[{parameter.lower:g}, {parameter.upper:g}] of the likelihood."
        )
    if parameter.name == shift.name and shift.ceiling is not None and value >= shift.ceiling:
        raise ParameterError(
            f"parameter '{parameter.name}' is fixed at {value:g} s, but responses begin at "
            f"{shift.ceiling:g} s; leave faster responses out or choose a smaller value."
        )


def _require_early_start(
    predictors: tuple[Predictor, ...], non_decision: str | None, data: pd.DataFrame
) -> None:
    """Refuse a non-decision time that exceeds a response time before sampling has begun."""
    rt = data["rt"].to_numpy(dtype=np.float64, na_value=np.nan)
    for p in predictors:
        start = p.start()
        late = np.flatnonzero(start >= rt)
        if p.parameter == non_decision and len(late):
            i = late[0]
            raise ParameterError(
                f"formula {p.design.formula!r} of parameter '{p.parameter}': priors are centred on "
                f"{start[i]:.3g} s, after the response at {rt[i]:.3g} s in row {data.index[i]}; "
                "add an intercept, or give priors."
            )


def _row(p: Predictor, prior: Prior) -> dict[str, object]:
    return {
        "coefficient": prior.coefficient,
        "parameter": p.parameter,
        "link": str(p.link),
        "distribution": "Normal",
        "mean": prior.mean,
        "sd": prior.sd,
    }
