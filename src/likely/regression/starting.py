"""Where chains begin: near the parameters that suit all trials together best.

Regressions have many coefficients, and from a start at random some chains never find the posterior:
where a boundary has closed before most responses, say, nothing tells which way to go. One row of
parameters for all trials is found in well under a second, and is a place from which they can go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt

from likely.declaration import Parameter
from likely.regression.ceilings import Ceiling
from likely.regression.links import LogitByTrial
from likely.trials import encode
from likely.typing import FloatArray

if TYPE_CHECKING:
    import pymc as pm
    from pytensor.tensor.variable import TensorVariable

    from likely.regression.specification import Specification

ROWS, KEPT, ROUNDS = 240, 24, 6  # parameter rows of a round, and the best of them
TRIALS = 400  # that are looked at, at most
WIDER = 1.5  # than the best rows of a round are spread those of the next
LATEST = 0.95  # of its limit: a non-decision time to begin at
SCATTER = 0.1  # sd of starting points, on the scale of links
FARTHEST = 5.0  # of those sds, from the best: as far as starting points may lie
INSET = 0.01  # of the box, by which they are inside it
RAW = ("_offset", "_weights_raw")  # names of unit normals end so: group effects, hsgp
LONGEST = 1.0  # seconds: a non-decision time to begin at, where no response limits it
FLOOR = -20.0  # log density of a trial, at least, so that no single trial decides


def starting_points(specification: Specification, seed: int) -> dict[str, Any]:
    """Return name of an intercept or constant -> a random value near the best, for `pymc.sample`.

    Coefficients that are not named begin where their priors say: among them those whose prior rules
    such a value out.
    """
    found: dict[str, Any] = {}
    if not specification.likelihood.density.compilable:  # which takes long
        return found
    best = pooled(specification, seed)
    names = {variable.name for variable in specification.model.free_RVs}
    for name in specification.formula:
        if name not in best:
            continue
        link = specification.links[name]
        middle = link.forward(best[name])
        shapes: dict[str, Callable[[Any], TensorVariable]] = {
            f"{name}_Intercept": pt.as_tensor, f"{name}_link": pt.as_tensor,
            name: link.inverse_tensor,
        }  # fmt: skip
        for key, shaped in shapes.items():
            if key not in names:
                continue
            ends = (shaped(middle - FARTHEST * SCATTER), shaped(middle + FARTHEST * SCATTER))
            if all(_possible(specification.model, key, end) for end in ends):
                found[key] = shaped(middle + SCATTER * _normal())
    return found | _scattered(specification.model)


def _scattered(model: pm.Model) -> dict[str, Any]:
    """Return starts of unit normals: where they are 0, densities may not depend on their scale.

    Nutpie refuses to begin where any derivative is 0.
    """
    shapes = {v.name: _shape(model, v) for v in model.free_RVs if v.name.endswith(RAW)}
    return {name: SCATTER * _normal(shape) for name, shape in shapes.items() if None not in shape}


def _shape(model: pm.Model, variable: TensorVariable) -> tuple[int | None, ...]:
    """Return a variable's shape as far as it is known without evaluating anything."""
    dims = model.named_vars_to_dims.get(variable.name)
    if dims is None:
        return tuple(variable.type.shape)
    known = [model.coords.get(dim) for dim in dims]
    return tuple(None if values is None else len(values) for values in known)


def _possible(model: pm.Model, name: str, value: TensorVariable) -> bool:
    """Whether a variable's prior allows a value: if not, its transform is not finite."""
    variable = model[name]
    transform = model.rvs_to_transforms[variable]
    if transform is None:
        return True
    place = transform.forward(value, *variable.owner.inputs)
    return bool(np.isfinite(place.eval(mode="FAST_COMPILE")).all())


def _normal(size: Any = None) -> TensorVariable:
    """Return normal variates that are drawn anew for each chain."""
    rng = pt.random.shared_rng(np.random.default_rng())  # PyMC seeds it
    variate: TensorVariable = pt.random.normal(size=size, rng=rng, return_next_rng=True)[1]
    return variate


def pooled(specification: Specification, seed: int) -> dict[str, float]:
    """Return the parameters at which the trials, were they all alike, are most probable.

    None, where no row of parameters that may begin is allowed by the model's constraints.

    They are found among rows drawn from the box, then from around the best of them, and so on.
    """
    likelihood, rng = specification.likelihood, np.random.default_rng(seed)
    declaration = likelihood.declaration
    trials = encode(specification.data, declaration.choices)
    ceiling = Ceiling.observed(declaration, trials, specification.lapses is not None)
    limits = [_limits(specification, p, ceiling) for p in declaration.parameters]
    lower, upper = np.array(limits).T
    if len(trials) > TRIALS:
        trials = trials[rng.choice(len(trials), TRIALS, replace=False)]
    rows = rng.uniform(lower, upper, (ROWS, len(lower)))
    kept, values = np.empty((0, len(lower))), np.empty(0)
    for _ in range(ROUNDS):
        rows = rows[declaration.allowed(rows)]
        if not len(rows) and not len(kept):
            return {}
        kept = np.concatenate([kept, rows])
        values = np.concatenate([values, _log_likelihoods(specification, rows, trials)])
        order = np.argsort(-values)[:KEPT]
        kept, values = kept[order], values[order]
        spread = np.atleast_2d(np.cov(kept.T)) if len(kept) > 1 else np.zeros((len(lower),) * 2)
        rows = kept.mean(axis=0) + WIDER * rng.multivariate_normal(
            np.zeros(len(lower)), spread, ROWS, check_valid="ignore"
        )
        rows = np.clip(rows, lower, upper)
    return dict(zip(declaration.names, map(float, kept[0]), strict=True))


def _log_likelihoods(
    specification: Specification, rows: FloatArray, trials: FloatArray
) -> FloatArray:
    """Return the log likelihood (r,) of all trials at each of these rows (r, p)."""
    if not len(rows):
        return np.empty(0)
    likelihood = specification.likelihood
    each = likelihood.density.tabulate(likelihood.weights, rows, trials)
    return np.asarray(np.maximum(each, FLOOR).sum(axis=1))


def _limits(
    specification: Specification, parameter: Parameter, ceiling: Ceiling
) -> tuple[float, float]:
    """Return between which values a parameter may begin, all within the range of its link."""
    if parameter.name in specification.fixed:
        value = specification.fixed[parameter.name]
        return value, value
    lower, upper = parameter.box
    if parameter.name == ceiling.parameter:
        upper = min(upper, lower + LATEST * ((ceiling.overall or LONGEST) - lower))
    link = specification.links[parameter.name]
    if isinstance(link, LogitByTrial):  # whose lowest limit may be below that of all trials
        upper = min(upper, link.lower + LATEST * (float(link.upper.min()) - link.lower))
    inset = INSET * (upper - lower)
    return lower + inset, upper - inset
