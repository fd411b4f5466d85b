"""A likelihood against fresh draws from its simulator: for models without an exact density too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom, chi2, norm

from likely.certificates.classifier import Separation, separation
from likely.certificates.measures import AgainstDraws, Spread, rounded, rounded_row
from likely.certificates.queries import choice_probabilities, log_densities
from likely.certificates.region import Region
from likely.certificates.transforms import CHANCE, band, departure, distance, transforms
from likely.errors import ModelError
from likely.likelihood import Likelihood
from likely.model import Model
from likely.simulation import MAX_TIME, decide, without_shift
from likely.typing import FloatArray

CLASSIFIED = 100  # trials of each set that the classifier sees
PATIENCE = 100.0  # decision time in seconds at which trials are given up
FEWEST = 20  # decided trials of a set that has any say
BINS = 512  # of the kernel density's grid of log times
ENOUGH = 5.0  # binomial variance of a count that has any say
EXTREME_Z = 8.0
IMPOSSIBLE = -100.0  # log densities of draws count as no smaller, so that scores stay finite


@dataclass(frozen=True)
class _Draws:
    """Trials of one parameter set.

    Args:
        row: the parameters, (p,).
        times: decision times (n,) up to `MAX_TIME`.
        chosen: indices of their choices, (n,).
        counts: how often each choice was made, whenever, (C,).
        draws: how many trials there were, those that never ended included.
    """

    row: FloatArray
    times: FloatArray
    chosen: np.ndarray
    counts: np.ndarray
    draws: int


def against_draws(
    likelihood: Likelihood,
    model: Model,
    region: Region,
    rows: FloatArray,
    draws: int,
    seed: int,
    advance: Callable[[float], None],
) -> AgainstDraws:
    """Compare a likelihood with fresh draws at parameter sets.

    Times are compared up to 20 s of decision time; shares of choices are of all that is decided.

    Args:
        likelihood: what to judge.
        model: what to simulate.
        region: the box of the sets.
        rows: parameter sets, (m, p).
        draws: trials at each.
        seed: of simulations and of the likelihood's draws.
        advance: told the share of the work just done.

    Raises:
        ModelError: if hardly a trial ends at any of the sets.
    """
    fresh, others = (_simulated(model, rows, draws, seed, which) for which in (1, 2))
    advance(0.3)
    kept = [
        i for i, pair in enumerate(zip(fresh, others, strict=True))
        if min(len(d.times) for d in pair) >= FEWEST
    ]  # fmt: skip
    if not kept:
        raise ModelError(f"model '{model.name}' hardly decides anywhere in the box.")
    fresh, others, rows = [fresh[i] for i in kept], [others[i] for i in kept], rows[kept]
    logs = _scores(likelihood, fresh)
    advance(0.2)
    references = [_kernel_scores(d, o, len(model.choices))
                  for d, o in zip(fresh, others, strict=True)]  # fmt: skip
    values, masses = zip(
        *(transforms(likelihood, d.row, d.times, d.chosen, MAX_TIME) for d in fresh), strict=True
    )
    excess = [_mass_error(mass, d) for mass, d in zip(masses, fresh, strict=True)]
    advance(0.2)
    told = _classified(likelihood, region, fresh, seed)
    advance(0.3)
    return _recorded(
        draws, logs, references, values, excess, told, _shares(likelihood, rows, fresh)
    )


def _simulated(model: Model, rows: FloatArray, draws: int, seed: int, which: int) -> list[_Draws]:
    stream = int(np.random.default_rng([seed, which]).integers(2**63))
    times, choices = decide(
        model, without_shift(model, rows), draws, seed=stream, max_time=PATIENCE
    )
    times, choices = times.reshape(len(rows), draws), choices.reshape(len(rows), draws)
    result = []
    for row, t, c in zip(rows, times, choices, strict=True):
        chosen = np.searchsorted(model.choices, c[np.isfinite(t)])
        counts = np.bincount(chosen, minlength=len(model.choices))
        soon = t[np.isfinite(t)] <= MAX_TIME
        result.append(_Draws(row, t[np.isfinite(t)][soon], chosen[soon], counts, draws))
    return result


def _scores(likelihood: Likelihood, fresh: list[_Draws]) -> list[FloatArray]:
    """Return log q of each set's draws."""
    sizes = [len(d.times) for d in fresh]
    rows = np.repeat(np.stack([d.row for d in fresh]), sizes, axis=0)
    log_q, _ = log_densities(likelihood, rows, np.concatenate([d.times for d in fresh]))
    chosen = np.concatenate([d.chosen for d in fresh])
    picked = np.maximum(log_q[np.arange(len(chosen)), chosen], IMPOSSIBLE)
    return np.split(picked, np.cumsum(sizes)[:-1])


def _mass_error(mass: float, draws: _Draws) -> float:
    """Return how far the mass of q up to `MAX_TIME` is from the share of draws, beyond chance."""
    share = len(draws.times) / draws.draws
    likely_share = (len(draws.times) + 1.0) / (draws.draws + 2.0)
    chance = 2.0 * np.sqrt(likely_share * (1.0 - likely_share) / draws.draws)
    return max(abs(mass - share) - float(chance), 0.0)


def _kernel_scores(draws: _Draws, others: _Draws, choices: int) -> FloatArray:
    """Return the log of a kernel density of other draws, in log time, at each draw."""
    result = np.empty(len(draws.times))
    for c in range(choices):
        mine, theirs = draws.chosen == c, np.log(others.times[others.chosen == c])
        share = (len(theirs) + 0.5) / (others.draws + 0.5 * choices)
        logs = np.log(draws.times[mine])
        pooled = theirs if len(theirs) > 1 else np.log(others.times)
        result[mine] = np.log(share) + _kernel_density(pooled, logs) - logs
    return result


def _kernel_density(logs: FloatArray, at: FloatArray) -> FloatArray:
    """Return the log of a Gaussian kernel density with Silverman's bandwidth, on a fine grid."""
    spread = max(float(logs.std()), 1e-3)
    bandwidth = 0.9 * spread * len(logs) ** -0.2
    low, high = logs.min() - 4 * bandwidth, logs.max() + 4 * bandwidth
    counts, edges = np.histogram(logs, BINS, (low, high))
    width = edges[1] - edges[0]
    smooth = gaussian_filter1d(counts / (len(logs) * width), bandwidth / width, mode="constant")
    centres = 0.5 * (edges[1:] + edges[:-1])
    beyond = 1e-3 / len(logs)  # density where no draw is near: what few draws cannot rule out
    return np.log(np.interp(at, centres, smooth, left=0.0, right=0.0) + beyond)


def _shares(
    likelihood: Likelihood, rows: FloatArray, fresh: list[_Draws]
) -> tuple[FloatArray, FloatArray, np.ndarray] | None:
    """Return errors of choice probabilities, z-scores of shares and which have a say, (sets, C).

    Where a choice is all but sure, by q and by the draws, its share says nothing. z-scores come
    from mid-p-values of the binomial distribution, right for small probabilities too.
    """
    probabilities = choice_probabilities(likelihood, rows)
    if probabilities is None:
        return None
    counts = np.stack([d.counts for d in fresh])
    n = counts.sum(axis=1, keepdims=True)
    below = binom.cdf(counts - 1, n, probabilities) + 0.5 * binom.pmf(counts, n, probabilities)
    above = binom.sf(counts, n, probabilities) + 0.5 * binom.pmf(counts, n, probabilities)
    z = np.where(below < above, norm.ppf(below), norm.isf(above))
    middle = 0.5 * (counts / n + probabilities)
    informative = n * middle * (1.0 - middle) >= ENOUGH
    return np.abs(counts / n - probabilities), np.clip(z, -EXTREME_Z, EXTREME_Z), informative


def _classified(
    likelihood: Likelihood, region: Region, fresh: list[_Draws], seed: int
) -> Separation:
    """Tell the simulator's draws from the likelihood's, at the same parameters."""
    rng = np.random.default_rng([seed, 3])
    ours, theirs = [], []
    rows = np.stack([d.row for d in fresh])
    sample = likelihood.sample(rows, CLASSIFIED, int(rng.integers(2**63))).to_numpy()
    shift = np.repeat(likelihood.declaration.onset(rows), CLASSIFIED)
    times = np.split(sample[:, 0] - shift, len(rows))
    chosen = np.split(np.searchsorted(likelihood.declaration.choices, sample[:, 1]), len(rows))
    for draws, t, c in zip(fresh, times, chosen, strict=True):
        usable = np.flatnonzero((t > 0.0) & (t < MAX_TIME))
        n = min(len(usable), CLASSIFIED, len(draws.times))
        scaled = 2.0 * (draws.row - region.lower) / region.width - 1.0
        shaping = np.broadcast_to(scaled[list(region.declaration.shaping)],
                                  (n, len(region.declaration.shaping)))  # fmt: skip
        theirs.append(np.column_stack([shaping, np.log(draws.times[:n]), draws.chosen[:n]]))
        ours.append(np.column_stack([shaping, np.log(t[usable[:n]]), c[usable[:n]]]))
    order = rng.permutation(sum(len(part) for part in ours))
    return separation(
        np.concatenate(theirs)[order], np.concatenate(ours)[order], len(region.declaration.choices)
    )


def _recorded(
    draws: int,
    logs: list[FloatArray],
    references: list[FloatArray],
    values: Sequence[FloatArray],
    excess: Sequence[float],
    told: Separation,
    shares: tuple[FloatArray, FloatArray, np.ndarray] | None,
) -> AgainstDraws:
    every, pooled = np.concatenate(logs), np.concatenate(values)
    distances = np.array([distance(v) for v in values])
    bands = np.array([band(len(v), len(values)) for v in values])
    spread, z, z_band = None, None, None
    if shares is not None:
        spread, z, z_band = _of_shares(*shares)
    behind = [float(r.mean() - q.mean()) for r, q in zip(references, logs, strict=True)]
    return AgainstDraws(
        sets=len(logs),
        draws=draws,
        score=rounded(float(every.mean())),
        score_error=rounded(float(every.std() / np.sqrt(len(every)))),
        behind=Spread.of(behind),
        distance=Spread.of(distances),
        band=rounded(float(np.median(bands))),
        outside=int((distances > bands).sum()),
        pooled=rounded(distance(pooled)),
        pooled_band=rounded(band(len(pooled))),
        transform=rounded_row(departure(pooled)),
        choice=spread,
        choice_z=z,
        choice_z_band=z_band,
        classifier=rounded(told.area),
        classifier_band=rounded(told.band),
        mass=Spread.of(excess),
    )


def _of_shares(
    errors: FloatArray, z: FloatArray, informative: np.ndarray
) -> tuple[Spread, float, float]:
    """Return the spread of errors, and the root mean square of z-scores with its band."""
    # The last choice's share follows from the others.
    free = z[:, :-1][informative[:, :-1]] if z.shape[1] > 1 else z[:, :0]
    size = max(free.size, 1)
    limit = np.sqrt(chi2.ppf(1.0 - CHANCE, size) / size)
    return (
        Spread.of(errors.max(axis=1)),
        rounded(float(np.sqrt((free**2).sum() / size))),
        rounded(float(limit)),
    )
