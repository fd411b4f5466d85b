"""Turn simulations of a parameter set into labelled points: empirical likelihoods.

Each parameter set is simulated, the density of its response times is estimated for each choice on
a log scale of decision time, and points are labelled with the log of that estimate. Beside them
stand the shares of the choices, survival at random deadlines, and histograms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from likely.checks import require_count, require_positive, require_seed, require_share
from likely.declaration import Declaration
from likely.errors import ParameterError
from likely.kernels import kde
from likely.kernels.classic import DEADLINES
from likely.model import Model, require_passages
from likely.simulation import without_shift
from likely.typing import FloatArray
from likely.zoo import resolve

FLOOR = math.log(1e-7)  # labels are never below
BINS = (128, 256)  # bins of the histograms


class PointCounts(NamedTuple):
    """Labelled points of a parameter set, by kind, in the order in which they are stored."""

    kde: int
    uniform: int
    impossible: int


@dataclass(frozen=True)
class Labelling:
    """How simulations of one parameter set become training rows.

    Args:
        draws: simulated trials, at least 1.
        points: labelled points, at least 1.
        uniform: share of the points, from 0 to 1, that are uniform over decision times and choices;
            the rest is drawn from the density.
        impossible: share of the points, from 0 to 1, before the non-decision time.
        deadlines: random deadlines, at least 1, with the probability of no response by then.
        max_time: seconds of decision time, positive, at which trials are given up as undecided and
            uniform points and deadlines end.

    Raises:
        ParameterError: for any other value.
    """

    draws: int = 10_000
    points: int = 2_000
    uniform: float = 0.1
    impossible: float = 0.1
    deadlines: int = 16
    max_time: float = 20.0

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name in ("draws", "points", "deadlines"):
            require_count(name, getattr(self, name))
        require_positive("max_time", self.max_time, "seconds")
        if not math.isfinite(self.max_time):
            raise ParameterError("max_time is infinite; uniform points need an end, such as 20.")
        for name in ("uniform", "impossible"):
            require_share(name, getattr(self, name))
        if self.uniform + self.impossible > 1:
            raise ParameterError(
                f"uniform={self.uniform:g} and impossible={self.impossible:g} are shares of the "
                "points; together they must not exceed 1."
            )

    @property
    def counts(self) -> PointCounts:
        """Points by kind; they sum to `points`."""
        uniform = round(self.uniform * self.points)
        impossible = min(round(self.impossible * self.points), self.points - uniform)
        return PointCounts(self.points - uniform - impossible, uniform, impossible)


def labelled_sets(
    model: Model | str, labelling: Labelling, *, seed: int, first: int, sets: int
) -> dict[str, np.ndarray]:
    """Simulate and label consecutive parameter sets of the endless sequence a seed stands for.

    Set i depends on the model, the labelling, the seed and i alone. Calls run side by side on
    threads: the GIL is free while a compiled model simulates and while points are labelled.

    Args:
        model: a model, or the name of one in `likely.models`; its box must be finite.
        labelling: how many draws and points of which kind.
        seed: any integer from 0 to 2^64 - 1.
        first: number of the first set, from 0.
        sets: how many sets, at least 1.

    Returns:
        For n sets, p parameters, P points, D deadlines and C choices: `theta` (n, p), uniform over
        the box; `data` (n, P, 2) float32, rt in seconds and choice, points from the density first,
        then uniform ones, then impossible ones; `labels` (n, P) float32, log density, not below
        FLOOR; `choice_p` (n, C) and `undecided` (n,), shares of all draws; `deadlines` (n, D)
        float32, seconds from the stimulus; `survival` (n, D), share of draws without a response by
        then; `histogram_128` (n, 128, C) and `histogram_256` (n, 256, C), shares of draws in
        equal bins of rt from 0 to max_time, the last of which holds everything later. float64
        unless said otherwise.

    Raises:
        ParameterError: if the box is infinite, or seed, first or sets make no sense.
        ModelError: if the simulator fails or returns impossible values.
    """
    model = resolve(model)
    require_seed(seed)
    require_count("sets", sets)
    if first != 0:
        require_count("first", first)
    _require_finite_box(model.declaration)
    results = _empty(model, labelling, int(sets))
    for i in range(int(sets)):
        words = np.random.SeedSequence(int(seed), spawn_key=(int(first) + i,))
        rng = np.random.default_rng(words)
        row = _parameters(model.declaration, rng)
        for name, values in labelled_set(model, labelling, row, rng).items():
            results[name][i] = values
    return results


def _empty(model: Model, labelling: Labelling, sets: int) -> dict[str, np.ndarray]:
    """Return arrays for so many sets."""
    choices, points, deadlines = len(model.choices), labelling.points, labelling.deadlines
    return {
        "theta": np.empty((sets, len(model.parameters))),
        "data": np.empty((sets, points, 2), np.float32),
        "labels": np.empty((sets, points), np.float32),
        "choice_p": np.empty((sets, choices)),
        "undecided": np.empty(sets),
        "deadlines": np.empty((sets, deadlines), np.float32),
        "survival": np.empty((sets, deadlines)),
        **{f"histogram_{bins}": np.empty((sets, bins, choices)) for bins in BINS},
    }


def labelled_set(
    model: Model, labelling: Labelling, row: FloatArray, rng: np.random.Generator
) -> dict[str, Any]:
    """Simulate and label one parameter set.

    Args:
        model: the model.
        labelling: how many draws and points of which kind.
        row: the parameters, (p,).
        rng: where all randomness comes from.

    Returns:
        What `labelled_sets` returns, without the leading dimension.
    """
    shift = _shift(model.declaration, row)
    draws = _simulate(model, row, labelling, int(rng.integers(2**63)))
    deadlines = (shift + _deadlines(labelling, rng)).astype(np.float32)
    survival, fine = kde.tally(
        draws, shift, deadlines.astype(np.float64), len(model.choices), BINS[-1]
    )
    data, labels = _points(model, labelling, draws, shift, rng)
    choice_p = np.bincount(draws.which + 1, minlength=len(model.choices) + 1) / labelling.draws
    return {
        "theta": row,
        "data": data,
        "labels": labels.astype(np.float32),
        "choice_p": choice_p[1:],
        "undecided": choice_p[0],
        "deadlines": deadlines,
        "survival": survival,
        **{f"histogram_{n}": fine.reshape(n, BINS[-1] // n, -1).sum(axis=1) for n in BINS},
    }


def _parameters(declaration: Declaration, rng: np.random.Generator) -> FloatArray:
    """Draw parameters (p,) uniformly from the box."""
    lower = np.array([p.lower for p in declaration.parameters])
    upper = np.array([p.upper for p in declaration.parameters])

    def draw(count: int) -> FloatArray:
        return lower + (upper - lower) * rng.random((count, len(lower)))

    return declaration.only_allowed(draw, 1)[0]


def _shift(declaration: Declaration, row: FloatArray) -> float:
    """Return the earliest non-decision time, 0 in a model that declares none."""
    return float(declaration.onset(row[None])[0])


def _simulate(model: Model, row: FloatArray, labelling: Labelling, seed: int) -> kde.Draws:
    n, limit = int(labelling.draws), float(labelling.max_time)
    times, choices = np.empty(n), np.empty(n)
    model.first_passages(without_shift(model, row[None]), n, 0, seed, limit, times, choices)
    require_passages(model.declaration, times, choices)
    late = np.isnan(times)
    which = np.searchsorted(model.choices, np.where(late, model.choices[0], choices))
    which[late] = -1
    return kde.Draws(times, which, limit)


def _deadlines(labelling: Labelling, rng: np.random.Generator) -> FloatArray:
    """Draw decision times (D,) log-uniformly between DEADLINES max_time and max_time."""
    return labelling.max_time * DEADLINES ** rng.random(labelling.deadlines)


def _points(
    model: Model, labelling: Labelling, draws: kde.Draws, shift: float, rng: np.random.Generator
) -> tuple[np.ndarray, FloatArray]:
    """Return points (P, 2) float32 and their labels (P,).

    Points of the density are draws plus the kernel's noise, whatever is later done to its bias.
    """
    estimated, counts = kde.estimate(draws, len(model.choices)), labelling.counts
    times = labelling.max_time * rng.random(labelling.points)
    which = rng.integers(len(model.choices), size=labelling.points)
    decided = np.flatnonzero(draws.which >= 0)
    if len(decided):  # without any decision there is no density to draw from: all stay uniform
        of = decided[(rng.random(counts.kde) * len(decided)).astype(np.int64)]
        which[: counts.kde] = draws.which[of]
        noise = estimated.bandwidth[draws.which[of]] * rng.standard_normal(counts.kde)
        times[: counts.kde] = draws.times[of] * np.exp(noise)
    before = min(0.0, shift - 1.0) - shift
    impossible = slice(labelling.points - counts.impossible, None)
    times[impossible] = before * (1.0 - rng.random(counts.impossible))
    data = np.stack([times + shift, np.array(model.choices)[which]], axis=1).astype(np.float32)
    # A label is that of the rounded time which is stored, and which a network will see.
    times = data[:, 0].astype(np.float64) - shift
    labels = kde.label(estimated, times, which, FLOOR)
    labels[impossible] = FLOOR
    return data, labels


def _require_finite_box(declaration: Declaration) -> None:
    """Raise ParameterError if parameters cannot be drawn from the box."""
    for p in declaration.parameters:
        if not math.isfinite(p.upper):
            raise ParameterError(
                f"the box of parameter '{p.name}' of model '{declaration.name}' is infinite; "
                f"limit it with model.with_box({p.name}=(0, 2))."
            )
