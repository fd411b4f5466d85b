"""A likelihood as a family of Bambi, whose formulas may be for each of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import bambi as bmb
import numpy as np
import pandas as pd
import xarray as xr
from bambi.backend.utils import get_distribution_from_prior
from pytensor.tensor.variable import TensorVariable

from likely.declaration import Parameter
from likely.distribution import DEADLINE, EVENT
from likely.errors import TrialsError
from likely.likelihood import Likelihood
from likely.regression.ceilings import Ceiling
from likely.regression.drawing import drawn_trials
from likely.regression.formulas import INTERCEPT
from likely.regression.lapses import PROBABILITY, Lapses, mixed
from likely.regression.links import Link
from likely.regression.priors import constant_prior
from likely.trials import deadlines, encode, require_timely
from likely.typing import FloatArray

SAMPLE_DIMS = ("chain", "draw", "__obs__")


class TrialsFamily(bmb.Family):
    """The family of a likelihood; made by `Likelihood.family`.

    Args:
        likelihood: the likelihood.
        links: parameter -> its link, of all parameters.
        priors: parameter -> the prior that it has where no formula is given for it.
        parent: the parameter that the first formula of a model is for.
        lapses: trials among them that the likelihood does not describe.
        unseen: whether the trials are not known yet: the prior of a non-decision time that is the
            same in all of them then ends at the ceiling of those a model is built for.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        links: Mapping[str, Link],
        priors: Mapping[str, bmb.Prior],
        parent: str,
        lapses: Lapses | None = None,
        *,
        unseen: bool = False,
    ) -> None:
        self.trained = likelihood
        self.lapses = lapses
        self._ceiling: Ceiling | None = None
        name = likelihood.declaration.name
        estimated = lapses is not None and lapses.estimated
        names = (*likelihood.declaration.names, *((PROBABILITY.name,) if estimated else ()))
        response = Response(likelihood, lapses)
        bambi_links = {name: link.for_bambi() for name, link in links.items()}
        super().__init__(name, bmb.Likelihood(name, names, parent, response), bambi_links)
        self.set_default_priors(priors)
        column = likelihood.declaration.non_decision_column
        if unseen and column is not None:
            parameter = likelihood.declaration.parameters[column]
            bounded = partial(self._below_ceiling, parameter)
            prior = bmb.Prior("Below the fastest response", dist=bounded)
            self.set_default_priors({parameter.name: prior})

    @property
    def auxiliary_parameters(self) -> tuple[str, ...]:
        """All parameters but the parent, in order; Bambi's set would order models at random."""
        return tuple(name for name in self.likelihood.params if name != self.likelihood.parent)

    def get_data(self, response: Any) -> FloatArray:
        """Return the response as encoded trials (n, 2), or (n, 3) with deadlines in column 2.

        Raises:
            TrialsError: for malformed trials.
        """
        given = np.asarray(response.term.data, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] not in (2, 3):
            raise TrialsError(
                f"the response {response.name} is not that of trials; write c(rt, choice) or "
                "c(rt, choice, deadline)."
            )
        return _encoded(given, self.trained.declaration.choices)

    def get_coords(self, response: Any) -> dict[str, Any]:
        """Look at the trials, as Bambi begins to build a model, and name no dimension."""
        encoded = np.ascontiguousarray(self.get_data(response)[:, :2])
        declaration = self.trained.declaration
        self._ceiling = Ceiling.observed(declaration, encoded, self.lapses is not None)
        return {}

    def _below_ceiling(self, parameter: Parameter, name: str, **given: Any) -> TensorVariable:
        """Add a non-decision time to the PyMC model on the stack."""
        assert self._ceiling is not None
        link = self._ceiling.link(parameter, INTERCEPT, pd.DataFrame())
        prior = constant_prior(parameter, link, self._ceiling)
        return get_distribution_from_prior(prior)(name, **prior.args, **given)

    def posterior_predictive(
        self,
        model: bmb.Model,
        posterior: xr.Dataset,
        random_seed: Any,
        data: pd.DataFrame | None = None,
        **options: Any,
    ) -> xr.DataArray:
        """Draw trials at posterior draws: (chain, draw, __obs__, response), rt and choice.

        Both are NaN where a deadline passed: the third column of the response, or the column
        `deadline` of new data, if there is one.
        """
        values, coords = self._values(model, posterior)
        shape = next(iter(values.values())).shape
        seed = random_seed if isinstance(random_seed, int) else _seed(random_seed)
        flat = {name: x.reshape(-1) for name, x in values.items()}
        deadline = _deadlines(model.response_term.data) if data is None else deadlines(data)
        late = None if deadline is None else np.broadcast_to(deadline, shape).reshape(-1)
        trials = drawn_trials(self.trained, self.lapses, flat, late, seed)
        return xr.DataArray(
            trials.reshape(*shape, 2),
            coords={**coords, EVENT: ["rt", "choice"]},
            dims=(*SAMPLE_DIMS, EVENT),
        )

    def log_likelihood(
        self, model: bmb.Model, posterior: xr.Dataset, data: pd.DataFrame | None, **options: Any
    ) -> xr.DataArray:
        """Return the log density of each trial at posterior draws: (chain, draw, __obs__)."""
        choices = self.trained.declaration.choices
        term = model.response_term
        known = term.data if data is None else _encoded(term.evaluate_new_data(data), choices)
        encoded = np.ascontiguousarray(known[:, :2])
        values, coords = self._values(model, posterior)
        shape = next(iter(values.values())).shape
        rows = {name: x.reshape(-1) for name, x in values.items()}
        p = rows.pop(PROBABILITY.name, None) if self.lapses is not None else None
        repeats = int(np.prod(shape[:2]))
        density = self.trained.logp(rows, np.tile(encoded, (repeats, 1)))
        if self.lapses is not None:
            p = np.full(len(density), self.lapses.probability) if p is None else p
            lapses = np.tile(self.lapses.log_density(encoded, len(choices)), repeats)
            density = np.logaddexp(np.log1p(-p) + density, np.log(p) + lapses)
        return xr.DataArray(density.reshape(shape), coords=coords, dims=SAMPLE_DIMS)

    def _values(
        self, model: bmb.Model, posterior: xr.Dataset
    ) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        """Return each parameter at posterior draws, (chain, draw, n), and these coordinates."""
        coords = {name: posterior[name] for name in SAMPLE_DIMS}
        shape = tuple(posterior.sizes[name] for name in SAMPLE_DIMS)
        values = {}
        for name in self.likelihood.params:
            component = model.parameters[name]
            label = component.alias or name
            if label in posterior:
                found = posterior[label].transpose("chain", "draw", ...).to_numpy()
            else:
                found = np.full((1, 1), float(component.prior))
            found = found if found.ndim == 3 else found[:, :, None]
            values[name] = np.broadcast_to(found, shape)
        return values, coords


class Response:
    """The distribution of trials, as Bambi calls it.

    Args:
        likelihood: the likelihood.
        lapses: trials among them that it does not describe.
    """

    def __init__(self, likelihood: Likelihood, lapses: Lapses | None) -> None:
        self._likelihood, self._lapses = likelihood, lapses

    def __call__(
        self, name: str, *, observed: FloatArray, dims: tuple[str, ...] | None = None, **given: Any
    ) -> TensorVariable:
        """Add observed trials, perhaps with deadlines, to the PyMC model on the stack."""
        known = np.atleast_2d(observed)
        encoded, deadline = np.ascontiguousarray(known[:, :2]), _deadlines(known)
        late = {} if deadline is None else {DEADLINE: deadline}
        dims = dims and dims[:1]
        if self._lapses is None:
            return self._likelihood(name, **given, **late, observed=encoded, dims=dims)
        lapses = self._lapses.over(encoded)
        probability = given.pop(PROBABILITY.name, lapses.probability)
        self._likelihood.require_answerable(encoded)
        trials = self._likelihood.dist(**given, **late, size=len(encoded))
        choices = self._likelihood.declaration.choices
        late_lapses = lapses.dist(choices, deadline)
        return mixed(name, trials, late_lapses, encoded, probability, dims)

    def dist(self, **given: Any) -> TensorVariable:
        """Return trials as an unnamed distribution, without lapses."""
        given.pop(PROBABILITY.name, None)
        return self._likelihood.dist(**given)


def _encoded(given: FloatArray, choices: tuple[int, ...]) -> FloatArray:
    """Return trials (n, 2 or 3) with time and choice encoded, which they may be already."""
    encoded = encode(given[:, :2], choices)
    deadline = _deadlines(given)
    if deadline is None:
        return encoded
    require_timely(encoded, deadline)
    return np.column_stack([encoded, deadline])


def _deadlines(trials: FloatArray) -> FloatArray | None:
    """Return the third column (n,) of trials, if there is one."""
    return trials[:, 2] if trials.shape[1] == 3 else None


def _seed(random_seed: Any) -> int:
    return int(np.random.default_rng(random_seed).integers(2**63))
