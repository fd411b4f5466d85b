"""Trials of a likelihood as a PyMC distribution."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import (
    Distribution,
    SymbolicRandomVariable,
    _support_point,
)
from pymc.distributions.shape_utils import rv_size_is_none
from pymc.logprob.abstract import _logprob
from pymc.pytensorf import normalize_rng_param
from pytensor.graph.basic import Variable
from pytensor.tensor.random.utils import normalize_size_param
from pytensor.tensor.variable import TensorConstant, TensorVariable

from likely.declaration import Parameter
from likely.errors import OutsideBoxWarning, ParameterError
from likely.kernels.native import NO_INDEX
from likely.likelihood import Likelihood
from likely.ops import trial_draws, trial_log_density
from likely.restraint import restraint
from likely.shared_draws import share_rows_of_draws  # noqa: F401  (registers it)
from likely.shared_rows import SharedRows, parameter_rows, shared_rows
from likely.silence import Silence, silence
from likely.trials import NO_RESPONSE, deadlines, encode, responded

EVENT = "response"  # the dimension that holds rt and choice
DEADLINE = "deadline"  # an argument that is no parameter
PYMC_ARGUMENTS = {"size", "shape", "dims", "observed", "initval", "total_size", "rng"}


class TrialsRV(SymbolicRandomVariable):
    """Random trials: rt and choice, drawn from a likelihood's own density.

    Every instance carries its likelihood; values of any shape (..., 2) have log densities (...).
    After the model's parameters comes the deadline, inf where there is none: later draws are NaN,
    and values of NaN say that nothing happened until then.
    """

    inline_logprob = False

    def __init__(self, *args: Any, likelihood: Likelihood, **kwargs: Any) -> None:
        self.likelihood = likelihood
        shown = likelihood.declaration.name
        self.name = f"likelihood {shown}"  # what model graphs show
        self._print_name = (shown, rf"\operatorname{{{shown}}}")
        super().__init__(*args, **kwargs)

    @classmethod
    def rv_op(
        cls, likelihood: Likelihood, *parameters: Any, size: Any = None, rng: Any = None
    ) -> TensorVariable:
        """Build the variable from one tensor for each parameter of the model, and the deadline."""
        rng = normalize_rng_param(rng)
        size = normalize_size_param(size)
        parameters = tuple(pt.as_tensor(p, dtype="float64") for p in parameters)
        *own, deadline = parameters
        batch = pt.broadcast_shape(*parameters) if rv_size_is_none(size) else tuple(size)
        n = pt.prod(pt.stack(batch)) if len(batch) else pt.constant(1)
        theta = parameter_rows(own, batch)
        next_rng, uniforms = pt.random.uniform(size=(n, 2), rng=rng, return_next_rng=True)
        next_rng, normals = pt.random.normal(size=(n,), rng=next_rng, return_next_rng=True)
        draws = trial_draws(likelihood.density, likelihood.weights, theta, uniforms, normals)
        trials = draws.reshape((*batch, 2)) if len(batch) else draws[0]
        if not _unlimited(deadline):
            late = pt.gt(trials[..., 0], deadline)
            trials = pt.switch(late[..., None], np.nan, trials)
        scalars = ",".join("()" for _ in parameters)
        return cls(
            inputs=[rng, size, *parameters],
            outputs=[next_rng, trials],
            extended_signature=f"[rng],[size],{scalars}->[rng],(2)",
            likelihood=likelihood,
        )(rng, size, *parameters)

    def rebuild_rv(self, *parameters: Any, **kwargs: Any) -> TensorVariable:
        """Build the variable again, with other parameters or of another size."""
        return self.rv_op(self.likelihood, *parameters, **kwargs)


class Trials(Distribution):
    """PyMC distribution of trials; made by calling a likelihood."""

    rv_type = TrialsRV
    rv_op = TrialsRV.rv_op

    @classmethod
    def dist(cls, likelihood: Likelihood, *parameters: Any, **kwargs: Any) -> TensorVariable:
        """Return an unnamed distribution of one tensor a parameter of the model, and a deadline."""
        return super().dist((likelihood, *parameters), **kwargs)


@_logprob.register(TrialsRV)
def trials_logprob(
    op: TrialsRV,
    values: Sequence[TensorVariable],
    rng: Variable,
    size: Variable,
    *parameters: TensorVariable,
    **kwargs: Any,
) -> TensorVariable:
    """Log density of each trial."""
    (value,) = values
    *own, deadline = parameters
    if not _unlimited(deadline) and not _complete(value):
        nothing = pt.isnan(value).all(axis=-1, keepdims=True)
        omitted = pt.stack([deadline, pt.full_like(deadline, NO_RESPONSE)], axis=-1)
        value = pt.switch(nothing, omitted, value)
    return log_density(op.likelihood, own, value)


def _unlimited(deadline: TensorVariable) -> bool:
    return isinstance(deadline, TensorConstant) and bool(np.isposinf(deadline.data).all())


def _complete(value: TensorVariable) -> bool:
    return isinstance(value, TensorConstant) and not np.isnan(value.data).any()


def log_density(
    likelihood: Likelihood, parameters: Sequence[TensorVariable], value: TensorVariable
) -> TensorVariable:
    """Return log densities (...) of values (..., 2), one tensor for each parameter."""
    n = value.type.shape[0] if value.type.ndim == 2 else None
    shared = None
    if n and all(p.type.ndim <= 1 for p in parameters):
        shared = shared_rows(parameters, n, replaceable=likelihood.density.compilable)
    density = _unrestrained(likelihood, parameters, value, shared)
    added = _restraint_of_trials(likelihood, parameters, shared)
    if None in added.type.shape:
        added = pt.broadcast_to(added, tuple(density.shape))
    return density + added


def _unrestrained(
    likelihood: Likelihood,
    parameters: Sequence[TensorVariable],
    value: TensorVariable,
    shared: SharedRows | None,
) -> TensorVariable:
    """Return log densities (...) as the network has them, outside its box too."""
    n = value.type.shape[0] if value.type.ndim == 2 else None
    if n and isinstance(value, TensorConstant):
        which = None if shared is None else shared.which
        if not isinstance(which, np.ndarray):
            which = np.arange(n)
        withheld = silence(value.data, likelihood.declaration.choices, which)
        if withheld is not None:
            return _with_silence(likelihood, parameters, shared, withheld, n)
    if shared is not None:
        return _by_rows(likelihood, shared, shared.which, value)
    batch = tuple(pt.broadcast_shape(value[..., 0], *parameters))
    theta = parameter_rows(parameters, batch)
    trials = pt.broadcast_to(value, (*batch, 2)).reshape((-1, 2))
    density = _judged(likelihood, theta, trials)
    return density.reshape(batch) if batch else density[0]


def _restraint_of_trials(
    likelihood: Likelihood, parameters: Sequence[TensorVariable], shared: SharedRows | None
) -> TensorVariable:
    """Return what is added to log densities outside the box, of a shape that broadcasts to them."""
    if shared is None:
        return restraint(likelihood, parameters)
    added = restraint(likelihood, shared.parameters)
    return added if all(added.type.broadcastable) else added[shared.which]


def _by_rows(
    likelihood: Likelihood,
    shared: SharedRows,
    which: np.ndarray | TensorVariable,
    trials: Any,
) -> TensorVariable:
    """Return log densities of trials whose parameter rows are known to be shared."""
    theta = parameter_rows(shared.parameters, (shared.number,))
    index = which if theta.type.shape[0] != 1 else NO_INDEX
    return _judged(likelihood, theta, trials, index)


def _judged(
    likelihood: Likelihood, theta: Any, trials: Any, index: Any = NO_INDEX
) -> TensorVariable:
    """Return log densities of trials at parameter rows, as the network has them."""
    return trial_log_density(
        likelihood.density, likelihood.weights, theta, trials, index, likelihood.threads
    )


def _with_silence(
    likelihood: Likelihood,
    parameters: Sequence[TensorVariable],
    shared: SharedRows | None,
    withheld: Silence,
    n: int,
) -> TensorVariable:
    """Return log densities (n,) of trials, some of which are withheld responses."""
    if shared is not None:
        values = _by_rows(likelihood, shared, shared.which[withheld.source], withheld.trials)
    else:
        theta = parameter_rows(parameters, (n,))
        own = theta[withheld.source] if theta.type.shape[0] != 1 else theta
        values = _judged(likelihood, own, withheld.trials)
    return withheld.combined(values)


@_support_point.register(TrialsRV)
def trials_support_point(op: TrialsRV, rv: TensorVariable, *inputs: Any) -> TensorVariable:
    """Return a trial with positive density: the last choice, a second after non-decision time."""
    declaration = op.likelihood.declaration
    parameters = op.dist_params(rv.owner)
    column = declaration.non_decision_column
    shift = pt.constant(0.0) if column is None else parameters[column]
    batch = tuple(rv.shape)[:-1]
    rt = pt.broadcast_to(shift + 1.0, batch)
    choice = pt.broadcast_to(pt.constant(float(declaration.choices[-1])), batch)
    return pt.stack([rt, choice], axis=-1)


def trials_dist(likelihood: Likelihood, **arguments: Any) -> TensorVariable:
    """Return trials as an unnamed distribution; see `Likelihood.dist`."""
    parameters, options = _split(likelihood, arguments)
    return Trials.dist(likelihood, *parameters, **options)


def add_trials(likelihood: Likelihood, name: str, **arguments: Any) -> TensorVariable:
    """Add trials to the PyMC model on the stack; see `Likelihood.__call__`."""
    observed = arguments.get("observed")
    given = deadlines(observed) if isinstance(observed, pd.DataFrame) else None
    if given is not None:
        if DEADLINE in arguments:
            raise ParameterError("the trials have deadlines, in a column; give none besides.")
        arguments[DEADLINE] = given
    parameters, options = _split(likelihood, arguments)
    if observed is not None and not isinstance(observed, Variable):
        options["observed"] = _encoded(likelihood, parameters, observed)
    if options.get("dims") is not None:
        options["dims"] = with_event(options["dims"])
    return Trials(name, likelihood, *parameters, **options)


def add_potential(
    likelihood: Likelihood, name: str, observed: Any, **arguments: Any
) -> TensorVariable:
    """Add the sum of log densities to the PyMC model on the stack; see `Likelihood.potential`."""
    parameters, options = _split(likelihood, arguments)
    if options:
        raise ParameterError(f"a potential takes no '{min(options)}'.")
    if not isinstance(observed, Variable):
        observed = pt.constant(_encoded(likelihood, parameters, observed))
    return pm.Potential(name, log_density(likelihood, parameters[:-1], observed).sum())


def _encoded(
    likelihood: Likelihood, parameters: Sequence[TensorVariable], observed: Any
) -> np.ndarray:
    """Check trials and encode them without NaN."""
    encoded = encode(observed, likelihood.declaration.choices)
    likelihood.require_answerable(encoded)
    _require_fit(likelihood, parameters, len(encoded))
    _require_later(likelihood, parameters, encoded)
    return encoded


def _require_later(
    likelihood: Likelihood, parameters: Sequence[TensorVariable], encoded: np.ndarray
) -> None:
    """Refuse responses that a constant non-decision time makes impossible."""
    declaration = likelihood.declaration
    column = declaration.non_decision_column
    if column is None or declaration.spread is not None:
        return
    t = parameters[column]
    if not isinstance(t, TensorConstant):
        return
    early = responded(encoded) & (encoded[:, 0] <= t.data)
    if early.any():
        i = int(np.flatnonzero(early)[0])
        value = float(np.broadcast_to(t.data, len(encoded))[i])
        raise ParameterError(
            f"{declaration.names[column]} is {value:g} s, but trial {i} has a response after "
            f"{encoded[i, 0]:g} s: no decision ends before {declaration.names[column]}."
        )


def _split(
    likelihood: Likelihood, arguments: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Separate the model's parameters, in order, and the deadline from PyMC's arguments."""
    declaration = likelihood.declaration
    options = {k: v for k, v in arguments.items() if k in PYMC_ARGUMENTS}
    given = {k: v for k, v in arguments.items() if k not in PYMC_ARGUMENTS}
    deadline = _as_tensor(DEADLINE, given.pop(DEADLINE, np.inf))
    if isinstance(deadline, TensorConstant) and not (deadline.data > 0.0).all():
        raise ParameterError("deadline must be positive seconds; infinity stands for none.")
    declaration.require_names(given)
    parameters = [_as_tensor(name, given[name]) for name in declaration.names]
    for parameter, declared in zip(parameters, declaration.parameters, strict=True):
        if isinstance(parameter, TensorConstant):
            _check_constant(declared, np.asarray(parameter.data))
    return [*parameters, deadline], options


def _as_tensor(name: str, value: Any) -> TensorVariable:
    value = value.to_numpy() if isinstance(value, pd.Series) else value
    try:
        return pt.as_tensor(value, dtype="float64")
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ParameterError(
            f"parameter '{name}': {value!r} is neither numbers nor a tensor."
        ) from error


def _check_constant(declared: Parameter, value: np.ndarray) -> None:
    """Refuse constants outside the support, warn of constants outside the box."""
    declared.require_supported(value)
    if ((value < declared.lower) | (value > declared.upper)).any():
        warnings.warn(
            f"parameter '{declared.name}' has values outside the box {declared.box} that the "
            "likelihood was trained on.",
            OutsideBoxWarning,
            stacklevel=5,
        )


def _require_fit(likelihood: Likelihood, parameters: Sequence[TensorVariable], n: int) -> None:
    for name, p in zip((*likelihood.declaration.names, DEADLINE), parameters, strict=True):
        if p.type.ndim > 1 or (p.type.ndim == 1 and p.type.shape[0] not in (None, 1, n)):
            raise ParameterError(
                f"parameter '{name}' has shape {p.type.shape}; {n} trials need a scalar or ({n},)."
            )


def with_event(dims: str | Sequence[str]) -> tuple[str, ...]:
    """Add the dimension of rt and choice to the dimension of trials."""
    dims = (dims,) if isinstance(dims, str) else tuple(dims)
    if EVENT in dims[-1:]:
        return dims
    if len(dims) > 1:
        raise ParameterError(
            f"dims {dims}: give the dimension of trials only; '{EVENT}', that of rt and choice, "
            "is added."
        )
    model = pm.modelcontext(None)
    if EVENT not in model.coords:
        model.add_coord(EVENT, ("rt", "choice"))
    return (*dims, EVENT)
