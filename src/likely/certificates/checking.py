"""Check a likelihood: measure its errors and return its certificate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from likely.certificates.against_draws import against_draws
from likely.certificates.against_exact import against_exact
from likely.certificates.effort import FULL, QUICK, Effort
from likely.certificates.measures import AgainstDraws, AgainstExact, PosteriorShift
from likely.certificates.posterior_shift import posterior_shift
from likely.certificates.record import Certificate, fingerprint
from likely.certificates.region import Region
from likely.checks import require_seed
from likely.declaration import Declaration
from likely.densities.twin import ExactTwin
from likely.errors import ModelError, ParameterError
from likely.likelihood import Likelihood
from likely.model import Model
from likely.progress import Progress
from likely.zoo import model_of

POSTERIORS = 6.0  # work of posteriors, in that of the other parts


def check(
    likelihood: Likelihood,
    *,
    model: Model | str | None = None,
    box: Mapping[str, tuple[float, float]] | None = None,
    seed: int = 0,
    quick: bool = False,
    progress: bool = True,
) -> Certificate:
    """Measure how wrong a likelihood is, and judge it.

    A likelihood of a model with an exact density is compared with it: densities, and posterior
    means at 100, 1,000 and 10,000 trials. Any is compared with fresh draws from the simulator.

    Args:
        likelihood: what to check.
        model: its model, or the name of one in `likely.models`; by default the one there that has
            the name of the likelihood's.
        box: parameter name -> (lower, upper), where not over the likelihood's own box, such as
            `model.box`. A non-decision time whose box is infinite goes up to 2 s.
        seed: any integer from 0 to 2^64 - 1.
        quick: whether to take a few seconds instead of a minute or two: fewer sets, no posteriors
            of 10,000 trials, and fresh draws only of models without an exact density.
        progress: whether to show progress on stderr.

    Returns:
        The certificate. `likelihood.certified(certificate)` is the likelihood that holds it.

    Raises:
        ModelError: if there is no such model, or its parameters, choices or non-decision time are
            not the likelihood's, or its simulator fails.
        ParameterError: for a seed or a box that makes no sense.
    """
    return examine(
        likelihood, model=model, box=box, seed=seed, progress=progress,
        effort=QUICK if quick else FULL,
    )  # fmt: skip


def examine(
    likelihood: Likelihood,
    *,
    effort: Effort,
    model: Model | str | None = None,
    box: Mapping[str, tuple[float, float]] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Certificate:
    """Do what `check` does, with a given effort."""
    began = time.monotonic()
    if not isinstance(likelihood, Likelihood):
        raise ParameterError(f"{likelihood!r} is no likelihood; load one with likely.load.")
    require_seed(seed)
    known = model_of(likelihood.declaration, model, "model")
    _require_same_delay(likelihood.declaration, known.declaration)
    region = Region.of(likelihood.declaration, box)
    with Progress(f"checking {known.name}", _total(known, effort), show=progress) as bar:
        seeds = np.random.default_rng(int(seed)).integers(2**63, size=5)
        work = _Work(likelihood, known, region, effort, tuple(seeds.tolist()), bar.advance)
        twin = known.twin
        exact = None if twin is None else work.against_exact(twin)
        shift = None if twin is None else work.posterior_shift(twin)
        draws = work.against_draws() if _simulates(known, effort) else None
    return Certificate(
        model=known.name,
        weights=fingerprint(likelihood.weights),
        box=region.box,
        seed=int(seed),
        seconds=round(time.monotonic() - began, 1),
        version=version("likely"),
        exact=exact,
        shift=shift,
        draws=draws,
    )


@dataclass(frozen=True)
class _Work:
    """The parts of a check, each with seeds of its own."""

    likelihood: Likelihood
    model: Model
    region: Region
    effort: Effort
    seeds: tuple[int, ...]
    advance: Callable[[float, str], None]

    def against_exact(self, twin: ExactTwin) -> AgainstExact:
        """Compare densities with exact ones."""
        rows = self.region.sets(self.effort.sets, self.seeds[0])
        return against_exact(
            self.likelihood, twin, self.region, rows, self.effort.gradients,
            lambda share: self.advance(share, "densities"),
        )  # fmt: skip

    def posterior_shift(self, twin: ExactTwin) -> PosteriorShift:
        """Compare posterior means with exact ones."""
        truths = self.region.truths(self.effort.posteriors, self.seeds[1])
        return posterior_shift(
            self.likelihood, self.model, twin, self.region, truths, self.effort.trials,
            self.seeds[2], lambda share: self.advance(POSTERIORS * share, "posteriors"),
        )  # fmt: skip

    def against_draws(self) -> AgainstDraws:
        """Compare densities with simulations."""
        rows = self.region.sets(self.effort.simulated, self.seeds[3])
        return against_draws(
            self.likelihood, self.model, self.region, rows, self.effort.draws,
            self.seeds[4], lambda share: self.advance(share, "simulations"),
        )  # fmt: skip


def _require_same_delay(trained: Declaration, given: Declaration) -> None:
    if trained.non_decision != given.non_decision:
        raise ModelError(
            f"likelihood '{trained.name}' has the non-decision time {trained.non_decision}, but "
            f"model '{given.name}' has {given.non_decision}; give the model that it was trained "
            "on: model=..."
        )


def _simulates(model: Model, effort: Effort) -> bool:
    return effort.simulates_always or model.twin is None


def _total(model: Model, effort: Effort) -> float:
    """Return the work to do: a unit for each part, more for posteriors."""
    exact = 0.0 if model.twin is None else 1.0 + POSTERIORS
    return exact + (1.0 if _simulates(model, effort) else 0.0)
