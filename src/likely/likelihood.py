"""A trained likelihood: density, choice probabilities, survival, draws, and a PyMC distribution."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.certificates.record import Certificate, fingerprint
from likely.checks import require_count, require_seed
from likely.declaration import Declaration
from likely.errors import FileFormatError, ParameterError, TrialsError, unknown
from likely.kernels.threads import available
from likely.networks.density import Density
from likely.shipped import SHIPPED, SUFFIX
from likely.silence import silence
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED, any_encoded
from likely.typing import Box, FloatArray, Theta

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

    from likely.regression.family import TrialsFamily
    from likely.regression.lapses import Lapses


@dataclass(frozen=True)
class Training:
    """How a likelihood was trained.

    Args:
        labels: what it learnt from: "draws", "exact" densities, or "kernel densities" of draws.
        seed: the seed of the run.
        steps: optimisation steps taken.
        draws: simulated trials used.
        seconds: how long it took.
        version: version of `likely`.
        history: rows of (seconds, steps, loss), the last that of the weights kept. The loss is the
            mean negative log density of fresh trials, the divergence from exact densities, or that
            of a LAN's labels held out.
        sets: parameter sets solved for exact densities.
    """

    labels: str
    seed: int
    steps: int
    draws: int
    seconds: float
    version: str
    history: tuple[tuple[float, int, float], ...] = field(default=(), repr=False)
    sets: int = 0


@dataclass(frozen=True, eq=False, repr=False)
class Likelihood:
    """A density of (response time, choice) given parameters, with its trained weights.

    Its density is 0 before the non-decision time and its gradients are finite. A mixture has mass 1
    over all choices and times by construction; nothing makes a LAN integrate to one. Outside the
    box it was trained on the network extrapolates, up to half a box's width, and is constant from
    there on; parameters outside their support have density 0.

    Args:
        density: the form of the density.
        weights: its weights, flat and finite.
        training: how it was trained.
        certificate: its measured error, once it has been checked; see `likely.check`.
        threads: among which a model divides the trials of one gradient; see `on_threads`.

    Raises:
        FileFormatError: if the weights are of the wrong size or not finite, or the certificate is
            one of other weights.
    """

    density: Density
    weights: FloatArray
    training: Training
    certificate: Certificate | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse weights of the wrong size or that are not finite; keep them from change."""
        # Compiled code reads them as contiguous float64 through a bare pointer.
        weights = np.array(self.weights, dtype=np.float64, order="C")
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)
        if self.weights.shape != (self.density.size,):
            raise FileFormatError(
                f"likelihood '{self.declaration.name}' has {self.weights.size} weights; its "
                f"network needs {self.density.size}."
            )
        if not np.isfinite(self.weights).all():
            raise FileFormatError(f"likelihood '{self.declaration.name}': weights are not finite.")
        if self.certificate is not None and self.certificate.weights != fingerprint(weights):
            raise FileFormatError(
                f"likelihood '{self.declaration.name}': the certificate is one of other weights; "
                "check it again with likely.check."
            )

    def __repr__(self) -> str:
        """Show the model and how the likelihood was trained."""
        t = self.training
        by = "" if t.labels == "draws" else f" by {t.labels}"
        source = f"{t.draws:,} draws{by}" if t.draws else f"{t.sets:,} exact densities"
        return (
            f"<Likelihood {self.declaration.name}({', '.join(self.declaration.names)}): "
            f"{type(self.density).__name__}, {self.density.size:,} weights, trained on "
            f"{source} in {t.seconds:.0f} s>"
        )

    @property
    def declaration(self) -> Declaration:
        """Names, box and choices of the model."""
        return self.density.declaration

    @property
    def box(self) -> Box:
        """Parameter name -> (lower, upper) of the region it was trained on."""
        return self.declaration.box

    @property
    def digest(self) -> str:
        """Hexadecimal fingerprint of form and weights."""
        return hashlib.sha256(repr(self.density).encode() + self.weights.tobytes()).hexdigest()

    def certified(self, certificate: Certificate) -> Likelihood:
        """Return the likelihood with its certificate, which its file then holds.

        Raises:
            FileFormatError: if the certificate is one of other weights.
        """
        return replace(self, certificate=certificate)

    def on_threads(self, threads: int) -> Likelihood:
        """Return the likelihood with which models judge trials on several threads.

        Of use where there are more cores than chains, and many trials or many distinct parameter
        rows: give each chain its share of the cores. A thread takes 0.1 ms to begin, so that where
        there is little to do there are fewer of them. In JAX on a GPU, and for densities that have
        no compiled code (LANs), nothing changes.

        Args:
            threads: at most so many in one evaluation, at least 1.

        Raises:
            ParameterError: if that is no such number, or the system has no POSIX threads.
        """
        require_count("threads", threads)
        if threads > 1 and not available():
            raise ParameterError("threads need a POSIX system; leave them at 1 here.")
        return replace(self, threads=int(threads))

    def logp(self, theta: Theta, trials: pd.DataFrame | FloatArray) -> FloatArray:
        """Return the log density of each trial.

        Args:
            theta: parameters, name -> scalar or (n,) array, or an array (1, p) or (n, p).
            trials: n trials: a frame with columns rt, choice and perhaps deadline, which is
                checked as data are; or any numbers (n, 2) of rt and choice. An rt of NaN with a
                choice contributes the choice's probability; with a deadline as well, the
                probability of that choice or of a time after the deadline, as for a withheld press;
                both NaN with a deadline contribute the probability of no response by then; in an
                array, both NaN contribute 0.

        Returns:
            (n,), never NaN; -inf where rt is not after the non-decision time or a parameter is
            outside its support. Outside the box that a network was trained on, they may be far off.

        Raises:
            ParameterError: parameters unknown, missing, not finite, or not one row or n rows.
            TrialsError: malformed trials.
        """
        encoded = any_encoded(trials, self.declaration.choices)
        rows = self.declaration.rows(theta)
        if len(rows) not in (1, len(encoded)):
            raise ParameterError(f"{len(rows)} parameter rows do not fit {len(encoded)} trials.")
        return self._evaluate(rows, encoded)

    def require_answerable(self, encoded: FloatArray) -> None:
        """Raise TrialsError if the likelihood has nothing to judge some encoded trials by."""
        reason = self.density.unanswerable(self._spelt_out(encoded))
        if reason is not None:
            raise TrialsError(f"likelihood '{self.declaration.name}': {reason}.")

    def _spelt_out(self, encoded: FloatArray) -> FloatArray:
        """Return the trials of kinds that densities know by which encoded ones are judged."""
        withheld = silence(encoded, self.declaration.choices, np.zeros(len(encoded)))
        return encoded if withheld is None else withheld.trials

    def _evaluate(self, rows: FloatArray, encoded: FloatArray) -> FloatArray:
        self.require_answerable(encoded)
        which = np.arange(len(encoded)) if len(rows) > 1 else np.zeros(len(encoded))
        withheld = silence(encoded, self.declaration.choices, which)
        if withheld is None:
            return self.density.log_densities(self.weights, rows, encoded)
        own = rows[withheld.source] if len(rows) > 1 else rows
        return withheld.combine(self.density.log_densities(self.weights, own, withheld.trials))

    def choice_probability(self, theta: Theta) -> FloatArray:
        """Return the probability of each choice, (rows of theta, choices)."""
        rows = self.declaration.rows(theta)
        columns = []
        for choice in self.declaration.choices:
            trials = np.tile([TIME_UNOBSERVED, float(choice)], (len(rows), 1))
            columns.append(np.exp(self._evaluate(rows, trials)))
        return np.stack(columns, axis=1)

    def log_survival(self, theta: Theta, rt: Any) -> FloatArray:
        """Return log P(T > rt) for each of n times, of one parameter row or n of them."""
        times = np.atleast_1d(np.asarray(rt, dtype=np.float64))
        if np.isnan(times).any():
            raise ParameterError("rt contains NaN; a survival probability needs times.")
        rows = self.declaration.rows(theta)
        if times.ndim != 1 or not (len(times) == len(rows) or 1 in (len(times), len(rows))):
            raise ParameterError(
                f"{len(rows)} parameter rows do not fit times of shape {times.shape}."
            )
        n = max(len(times), len(rows))
        trials = np.stack([np.broadcast_to(times, n), np.full(n, NO_RESPONSE)], axis=1)
        return self._evaluate(rows, trials)

    def sample(self, theta: Theta, n: int, seed: int) -> pd.DataFrame:
        """Draw n trials per parameter row, row after row, without a simulator.

        Returns:
            A frame with columns rt (seconds) and choice, as `likely.simulate` gives.

        Raises:
            ParameterError: parameters unknown, missing, not finite or outside their support, or a
                seed that is not an integer from 0 to 2^64 - 1.
        """
        require_count("n", n)
        require_seed(seed)
        rows = self.declaration.rows(theta)
        for parameter, column in zip(self.declaration.parameters, rows.T, strict=True):
            parameter.require_supported(column)
        rng = np.random.default_rng(seed)
        uniforms, normals = rng.random((n * len(rows), 2)), rng.standard_normal(n * len(rows))
        theta_rows = rows if len(rows) == 1 else np.repeat(rows, n, axis=0)
        trials = self.density.transform(self.weights, theta_rows, uniforms, normals)
        return pd.DataFrame(trials, columns=["rt", "choice"])

    def __call__(self, name: str, /, **arguments: Any) -> TensorVariable:
        """Add trials of this likelihood to the PyMC model on the stack; see `dist`.

        Args:
            name: name of the variable.
            arguments: one value or tensor for each parameter of the model, perhaps a `deadline`
                (seconds; infinity, the default, for none), and PyMC's own `observed`, `dims`,
                `shape`, `size`, `initval`, `total_size`. A column `deadline` of a frame of observed
                trials is the deadline, of all trials that have one.

        Returns:
            A variable of event shape (2,): rt and choice. As PyMC imputes NaN, it holds observed
            trials as `likely.trials.encode` writes them: an rt of -inf was not observed, a choice
            of inf means no response by the deadline that stands in place of rt. Predictive draws
            are of all trials, times and choices, whatever was observed of them, but for deadlines:
            of a trial that would end later, time and choice are NaN. (Observed arrays hold the
            deadlines of trials without a response only; give others as `deadline`.)
            Outside the box that the likelihood was trained on its log density falls, so that
            samplers stay near it; see `likely.restraint`.

        Raises:
            ParameterError: parameters unknown or missing, or of a length that does not fit.
            TrialsError: malformed observed trials.
        """
        from likely.distribution import add_trials

        return add_trials(self, name, **arguments)

    def potential(self, name: str, /, *, observed: Any, **arguments: Any) -> TensorVariable:
        """Add the sum of the trials' log likelihoods to the PyMC model on the stack.

        That is all a sampler needs of the trials; unlike a distribution, a potential cannot draw
        trials, and keeps no log likelihood of each.

        Args:
            name: name of the potential.
            observed: trials, as `logp` takes them, or a tensor (n, 2) of encoded ones.
            arguments: one value or tensor for each parameter of the model.

        Raises:
            ParameterError: parameters unknown or missing, or of a length that does not fit.
            TrialsError: malformed trials.
        """
        from likely.distribution import add_potential

        return add_potential(self, name, observed, **arguments)

    def dist(self, **arguments: Any) -> TensorVariable:
        """Return trials of this likelihood as an unnamed PyMC distribution.

        Args:
            arguments: one value or tensor for each parameter of the model; `deadline` as in a
                call; `size` or `shape` as in PyMC (a shape ends in 2).
        """
        from likely.distribution import trials_dist

        return trials_dist(self, **arguments)

    def family(
        self,
        trials: pd.DataFrame | None = None,
        *,
        parent: str | None = None,
        lapses: Lapses | None = None,
    ) -> TrialsFamily:
        """Return the likelihood as a family of Bambi.

        `bambi.Model("c(rt, choice) ~ x", data, family=likelihood.family(data))` then works by
        itself; with `bambi.Formula` there is one formula for each parameter. Bambi refuses NaN: an
        unobserved time or choice is coded by `likely.trials.without_nan` first. With the response
        c(rt, choice, deadline) predictive draws end at deadlines, too. Columns of words are best
        made categories, `data.astype({"condition": "category"})`: of pandas' own strings formulas
        warn. (`likely.fit` does all of that by itself.)

        Args:
            trials: the trials to be explained, which tell below what time the non-decision time
                must lie. One without a formula finds that in the trials of the model by itself; one
                with a formula, given no trials, may exceed the fastest response, which is
                impossible, and sampling may find no place to begin.
            parent: the parameter that the first formula is for; the first one by default.
            lapses: trials among them that the likelihood does not describe.

        Raises:
            ParameterError: if there is no such parameter.
            TrialsError: for malformed trials.
        """
        from likely.regression.specification import family_of

        return family_of(self, trials, parent, lapses)

    def save(self, path: str | Path) -> Path:
        """Write the likelihood to one safetensors file and return its path."""
        from likely.files import write

        return write(self, Path(path))


def load(source: str | Path, *, modules: Mapping[str, Any] = MappingProxyType({})) -> Likelihood:
    """Load a likelihood.

    Args:
        source: the name of a shipped likelihood, such as "ddm", or the path of a file.
        modules: "lan", "cpn" or "opn" -> the Flax module that was trained in its place, for a file
            with such networks: it holds their weights, but not their code.

    Raises:
        FileFormatError: if there is no such likelihood or file, or the file is not one.
    """
    from likely.files import read

    if not isinstance(source, str | Path):
        raise FileFormatError(f"{source!r} is neither the name nor the path of a likelihood.")
    path = Path(source)
    if path.suffix == SUFFIX or path.is_file():
        return read(path, modules)
    shipped = {p.stem: p for p in sorted(SHIPPED.glob(f"*{SUFFIX}"))}
    if str(source) in shipped:
        return read(shipped[str(source)], modules)
    _refuse_unshipped(str(source))
    message = unknown("shipped likelihood", source, shipped)
    raise FileFormatError(f"{message} A path ends in {SUFFIX}.")


def _refuse_unshipped(name: str) -> None:
    """Say how to get a likelihood of a model of the zoo that none is shipped of."""
    from likely.zoo import models

    if name in models:
        exact = ', labels="exact"' if models[name].twin is not None else ""
        raise FileFormatError(
            f"no likelihood of '{name}' is shipped. Train one, lk.train('{name}'{exact}), and save "
            "it: its path can stand wherever the name of a likelihood can."
        )


def likelihood_of(model: str | os.PathLike[str] | Likelihood) -> Likelihood:
    """Return a likelihood, given itself, the name of a shipped one or the path of a file."""
    from likely.model import Model

    if isinstance(model, Likelihood):
        return model
    if isinstance(model, str | os.PathLike):
        return load(os.fspath(model))
    if isinstance(model, Model):
        raise ParameterError(
            f"'{model.name}' is a model, not a likelihood; train it first: lk.train(model)."
        )
    raise ParameterError(
        f"model is {model!r}; it must be a likelihood, the name of a shipped one, or a path."
    )
