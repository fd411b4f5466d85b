"""Priors of regressions: weakly informative by default, over the box of the likelihood."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bambi as bmb
import numpy as np
from bambi.terms import CommonTerm, GroupSpecificTerm, HSGPTerm
from bambi.utils import get_aliased_name

from likely.declaration import Parameter
from likely.errors import ParameterError, unknown
from likely.regression.ceilings import Ceiling
from likely.regression.lapses import PROBABILITY
from likely.regression.links import Identity, Link, Log, Logit, LogitByTrial
from likely.typing import FloatArray

Given = Mapping[str, "bmb.Prior | tuple[float, float]"]
"""Name of a coefficient or parameter -> its prior, or mean and sd of a normal one."""

MANY_TRIALS = 100  # a group, from which on centred group effects mix better


@dataclass(frozen=True)
class Scale:
    """Mean and sd of a normal distribution over a box, on the scale of the link."""

    centre: float
    sd: float

    @classmethod
    def over(cls, parameter: Parameter, link: Link, ceiling: Ceiling) -> Scale:
        """Return a distribution of which two sds reach the ends of the box.

        A parameter without an upper limit is taken to lie around a share of the ceiling.

        Args:
            parameter: the parameter with its box and support.
            link: its link.
            ceiling: of the non-decision time.
        """
        lower, upper = parameter.box
        if isinstance(link, LogitByTrial):
            return cls(Logit().forward(ceiling.share), 1.5)  # hardly a share is improbable
        if not math.isfinite(upper):
            origin = parameter.support[0] if math.isfinite(parameter.support[0]) else lower
            above = 1.0 if ceiling.overall is None else ceiling.overall - origin
            middle = origin + ceiling.share * above
            return cls(link.forward(middle), 0.7)
        support = parameter.support
        if isinstance(link, Logit):  # of a non-decision time, which ends at the fastest response
            support = link.lower, link.upper
            lower, upper = max(lower, link.lower), min(upper, link.upper)
        margin = 0.05 * (upper - lower)  # links reach infinity at the ends of the support
        low = link.forward(max(lower, support[0] + margin))
        high = link.forward(min(upper, support[1] - margin))
        middle = round(0.5 * (low + high), 12) + 0.0  # no -0
        return cls(middle, 0.25 * abs(high - low))


def constant_prior(parameter: Parameter, link: Link, ceiling: Ceiling) -> bmb.Prior:
    """Return the default prior of a parameter that is the same in all trials, on its own scale."""
    if parameter.name == PROBABILITY.name:
        return bmb.Prior("Beta", alpha=1.0, beta=19.0)
    if isinstance(link, Logit) and parameter.name == ceiling.parameter:
        upper = min(link.upper, parameter.upper)
        start = link.lower + ceiling.share * (upper - link.lower)
        return bmb.Prior("Uniform", lower=link.lower, upper=upper, initval=start)
    scale = Scale.over(parameter, link, ceiling)
    return on_the_link(link, scale.centre, scale.sd)


def on_the_link(link: Link, mean: float, sd: float) -> bmb.Prior:
    """Return the prior of a parameter that is normal on the scale of its link."""
    match link:
        case Identity():
            return bmb.Prior("Normal", mu=mean, sigma=sd)
        case Log(origin=0.0, sign=1.0):
            return bmb.Prior("LogNormal", mu=mean, sigma=sd)
        case Logit(lower=0.0, upper=1.0):
            return bmb.Prior("LogitNormal", dist=_logit_normal, mu=mean, sigma=sd)
        case _:
            normal = partial(_normal_on_the_link, link)
            return bmb.Prior(f"Normal on {link}", dist=normal, mu=mean, sigma=sd)


def on_own_scale(name: str, link: Link, mean: float, sd: float) -> bmb.Prior:
    """Return the prior of a parameter that is normal on its own scale, within its limits.

    Raises:
        ParameterError: if the mean is outside them.
    """
    lower, upper = link.limits
    if not lower < mean < upper:
        raise ParameterError(
            f"prior of '{name}': the mean is {mean:g}; it must be between {lower:g} and {upper:g}, "
            "between which the parameter lies in these trials."
        )
    given = {"lower": lower} if math.isfinite(lower) else {}
    given |= {"upper": upper} if math.isfinite(upper) else {}
    return bmb.Prior("TruncatedNormal" if given else "Normal", mu=mean, sigma=sd, **given)


def _logit_normal(name: str, *, mu: Any, sigma: Any, **options: Any) -> Any:
    """Return PyMC's, which by itself lets samplers leave the interval from 0 to 1."""
    import pymc as pm

    return pm.LogitNormal(name, mu, sigma, transform=pm.distributions.transforms.logodds, **options)


def _normal_on_the_link(link: Link, name: str, *, mu: Any, sigma: Any, **options: Any) -> Any:
    import pymc as pm

    return pm.Deterministic(name, link.inverse_tensor(pm.Normal(f"{name}_link", mu, sigma)))


@dataclass
class Chosen:
    """Priors of the terms of one component, and the names by which they may be replaced.

    Args:
        component: the component of a Bambi model that the parameter is.
        scale: of the parameter.
        noncentered: whether group effects are scaled unit normals; None to decide by the trials.
        given: priors to take in place of the defaults; what is used is removed from `unused`.
        unused: names in `given` that no term has had.
    """

    component: Any
    scale: Scale
    noncentered: bool | None
    given: Given
    unused: set[str] = field(default_factory=set)

    def priors(self) -> dict[str, bmb.Prior]:
        """Return term -> prior."""
        chosen = self._common()
        for key, term in self.component.group_specific_terms.items():
            chosen[key] = self._group(term)
        for key, term in self.component.hsgp_terms.items():
            chosen[key] = self._covariance(term)
        return chosen

    def _covariance(self, term: HSGPTerm) -> dict[str, bmb.Prior]:
        """Return the priors of a Gaussian process's sd and length scale."""
        own = get_aliased_name(term)
        chosen = dict(term.prior)
        names = {f"{own}_{part}": part for part in chosen}
        if own in self.given:
            raise ParameterError(
                f"prior of '{own}': give those of {' and '.join(map(repr, names))}."
            )
        for name, part in names.items():
            if name in self.given:
                self.unused.discard(name)
                if not isinstance(self.given[name], bmb.Prior):
                    raise ParameterError(f"prior of '{name}': it must be a bambi.Prior.")
                chosen[part] = self.given[name]
        return chosen

    def _common(self) -> dict[str, bmb.Prior]:
        intercept, terms = self.component.intercept_term, self.component.common_terms
        columns = [np.reshape(t.data, (len(t.data), -1)).astype(float) for t in terms.values()]
        means, sds = self._slopes(columns, intercept is not None)
        chosen: dict[str, bmb.Prior] = {}
        for (key, term), mu, sigma in zip(terms.items(), means, sds, strict=True):
            chosen[key] = self._replaced(term, mu, sigma)
        if intercept is not None:
            sd = self._intercept_sd(columns, sds)
            chosen["Intercept"] = self._replaced(
                intercept, np.array([self.scale.centre]), np.array([sd])
            )
        return chosen

    def _slopes(
        self, columns: Sequence[FloatArray], intercept: bool
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return means and sds of each term's coefficients.

        Two sds of a coefficient times the range of its column (its largest absolute value if there
        is no intercept) reach from the middle of the box to its ends.
        """
        if intercept:
            means = [np.zeros(c.shape[1]) for c in columns]
            reach = [c.max(axis=0) - c.min(axis=0) for c in columns]
        else:
            means = _means_without_intercept(columns, self.scale.centre)
            reach = [np.abs(c).max(axis=0) for c in columns]
        return means, [self.scale.sd / np.where(r > 0, r, 1.0) for r in reach]

    def _intercept_sd(self, columns: Sequence[FloatArray], sds: Sequence[FloatArray]) -> float:
        """Widen the intercept's prior where columns are far from 0 all along, such as an age."""
        extra = 0.0
        for column, sd in zip(columns, sds, strict=True):
            far = np.minimum(np.abs(column.min(axis=0)), np.abs(column.max(axis=0)))
            away = np.where(column.min(axis=0) * column.max(axis=0) > 0, far, 0.0)
            extra += float(((sd * away) ** 2).sum())
        return math.sqrt(self.scale.sd**2 + extra)

    def _replaced(self, term: CommonTerm, mu: FloatArray, sigma: FloatArray) -> bmb.Prior:
        own = get_aliased_name(term)
        mu, sigma = mu.copy(), sigma.copy()
        for i, name in enumerate(coefficient_names(term)):
            if name in self.given:
                self.unused.discard(name)
                mean_sd = self.given[name]
                if isinstance(mean_sd, bmb.Prior):
                    if len(mu) > 1:
                        raise ParameterError(
                            f"prior of '{name}': give mean and sd, or a prior of all of '{own}'."
                        )
                    return mean_sd
                mu[i], sigma[i] = mean_and_sd(name, mean_sd)
        whole = self.given.get(own)
        if len(mu) > 1 and whole is not None:
            self.unused.discard(own)
            if isinstance(whole, bmb.Prior):
                return whole
            mu[:], sigma[:] = mean_and_sd(own, whole)
        return bmb.Prior("Normal", mu=mu, sigma=sigma)

    def _group(self, term: GroupSpecificTerm) -> bmb.Prior:
        """Return the prior of group effects, whose sd is half as wide as the parameter's prior."""
        own = get_aliased_name(term)
        require_one(self.given, own, f"{own}_sigma")
        for name in (own, f"{own}_sigma"):
            self.unused.discard(name)
        whole = self.given.get(own)
        if whole is not None:
            if not isinstance(whole, bmb.Prior):
                raise ParameterError(
                    f"prior of '{own}': group effects need a bambi.Prior with a prior of "
                    f"their sd; or give one of '{own}_sigma'."
                )
            if whole.noncentered is None:
                whole = copy(whole)
                whole.noncentered = self._noncentered(term)
            return whole
        predictor = np.reshape(term.predictor, (len(term.predictor), -1)).astype(float)
        reach = np.abs(predictor).max(axis=0)
        width = np.squeeze(0.5 * self.scale.sd / np.where(reach > 0, reach, 1.0))
        sigma = self._group_sd(f"{own}_sigma", width)
        return bmb.Prior("Normal", mu=0.0, sigma=sigma, noncentered=self._noncentered(term))

    def _group_sd(self, name: str, width: FloatArray) -> bmb.Prior:
        given = self.given.get(name)
        if given is None:
            return bmb.Prior("HalfNormal", sigma=width)
        if isinstance(given, bmb.Prior):
            return given
        mean, sd = mean_and_sd(name, given)
        if mean != 0:
            raise ParameterError(
                f"prior of '{name}': the mean is {mean:g}; it must be 0, that of the normal "
                "distribution of which the prior is the upper half."
            )
        return bmb.Prior("HalfNormal", sigma=sd)

    def _noncentered(self, term: GroupSpecificTerm) -> bool:
        if self.noncentered is not None:
            return self.noncentered
        return bool(np.median(np.bincount(term.group_index)) < MANY_TRIALS)


def for_the_intercept(given: Given, name: str, link: Link) -> Given:
    """Return priors with that of a parameter that is all intercept under the intercept's name.

    Raises:
        ParameterError: if the scale of the link is another than its own, or both names have priors.
    """
    if name not in given:
        return given
    own = f"{name}_Intercept"
    require_one(given, name, own)
    if not isinstance(link, Identity):
        raise ParameterError(
            f"prior of '{name}': as the first parameter of the model it needs one of '{own}', on "
            f"the scale of its link ({link})."
        )
    return {own if key == name else key: prior for key, prior in given.items()}


def coefficient_names(term: CommonTerm) -> list[str]:
    """Return the names of a term's coefficients, as ArviZ's tables have them."""
    name: str = get_aliased_name(term)
    if not term.coords:
        return [name]
    (levels,) = term.coords.values()
    return [f"{name}[{level}]" for level in levels]


def mean_and_sd(name: str, given: Any) -> tuple[float, float]:
    """Return mean and sd of a normal prior.

    Raises:
        ParameterError: if they are no two numbers, not finite, or the sd is not positive.
    """
    try:
        mean, sd = (float(x) for x in given)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"prior of '{name}': {given!r} is neither mean and sd nor a bambi.Prior."
        ) from error
    if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0):
        raise ParameterError(
            f"prior of '{name}': mean {mean:g} and sd {sd:g} must be finite, and the sd positive."
        )
    return mean, sd


def require_one(given: Given, first: str, second: str) -> None:
    """Raise ParameterError if there are priors under two names of which one suffices."""
    if first in given and second in given:
        raise ParameterError(f"give a prior of '{first}' or of '{second}', not of both.")


def require_all_used(unused: set[str], known: Sequence[str], fixed: Collection[str]) -> None:
    """Raise ParameterError if a prior is given for a coefficient that does not exist."""
    if held := unused & set(fixed):
        raise ParameterError(f"parameter '{min(held)}' is fixed, and has no prior; give one only.")
    if unused:
        raise ParameterError(unknown("coefficient", min(unused), known))


def _means_without_intercept(columns: Sequence[FloatArray], centre: float) -> list[FloatArray]:
    """Return coefficients that make every row `centre`, as indicator columns can; otherwise 0."""
    if not columns:
        return []
    matrix = np.column_stack(columns)
    target = np.full(len(matrix), centre)
    means = np.linalg.lstsq(matrix, target)[0] + 0.0  # no negative zeros
    if not np.allclose(matrix @ means, target, rtol=1e-9, atol=1e-9):
        means = np.zeros(matrix.shape[1])
    ends = np.cumsum([c.shape[1] for c in columns])[:-1]
    return list(np.split(means, ends))
