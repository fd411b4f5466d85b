"""The standardised posterior shift: what a likelihood's errors do to posterior means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np

from likely.certificates.measures import PosteriorShift, Reach, Shift, rounded, rounded_row
from likely.certificates.posteriors import DataSet, Difference, difference
from likely.certificates.queries import answers_omissions
from likely.certificates.region import Region
from likely.densities.twin import ExactTwin
from likely.likelihood import Likelihood
from likely.model import Model
from likely.simulation import available_cores, decide, without_shift
from likely.trials import NO_RESPONSE
from likely.typing import FloatArray

FIFTH = 0.2  # posterior standard deviations of bias that `Reach` is about
HIGH = 0.9
PATIENCE = 100.0  # decision time in seconds at which a trial counts as an omission
SMALLEST, MOST = 1e-6, 10**9  # shifts and numbers of trials beyond which nothing is said


def posterior_shift(
    likelihood: Likelihood,
    model: Model,
    twin: ExactTwin,
    region: Region,
    truths: FloatArray,
    trials: Sequence[int],
    seed: int,
    advance: Callable[[float], None],
) -> PosteriorShift:
    """Compare posterior means under a likelihood and under the exact density.

    Each true parameter set gets one data set of every size, simulated from the model; all
    parameters are free, with a flat prior over the region.

    Args:
        likelihood: what to judge.
        model: what to simulate from.
        twin: its exact density.
        region: the box of the prior.
        truths: true parameter sets, (m, p).
        trials: numbers of trials, ascending.
        seed: of simulations and draws.
        advance: told the share of the work just done.
    """
    data = _simulated(likelihood, model, truths, max(trials), seed)

    def compare(index: int, n: int) -> Difference:
        given = DataSet.of(likelihood, twin, region, data[index][:n])
        return difference(given, truths[index], np.random.default_rng([seed, index, n]))

    work = [(i, n) for n in sorted(trials, reverse=True) for i in range(len(truths))]
    total = sum(_cost(n) for _, n in work)
    found: dict[tuple[int, int], Difference] = {}
    with ThreadPoolExecutor(available_cores()) as pool:
        futures = {pool.submit(compare, *task): task for task in work}
        for future in as_completed(futures):
            task = futures[future]
            found[task] = future.result()
            advance(_cost(task[1]) / total)
    shifts = tuple(
        _shift(region, n, [found[i, n] for i in range(len(truths))]) for n in sorted(trials)
    )
    return PosteriorShift(
        len(truths), shifts,
        _reach([(s.trials, s.median) for s in shifts]),
        _reach([(s.trials, s.high) for s in shifts]),
    )  # fmt: skip


def _cost(n: int) -> float:
    """Return the rough work of a data set: its adaptation, then every trial at every draw."""
    return 1.0 + n / 5000.0


def _simulated(
    likelihood: Likelihood, model: Model, truths: FloatArray, n: int, seed: int
) -> list[FloatArray]:
    """Return encoded trials (n, 2) of each truth; fewer where some never end and are no data."""
    times, choices = decide(model, without_shift(model, truths), n, seed=seed, max_time=PATIENCE)
    shift = model.declaration.onset(truths)
    late = np.isnan(times)
    rt = np.where(late, PATIENCE, times).reshape(len(truths), n) + shift[:, None]
    encoded = np.stack([rt, np.where(late, NO_RESPONSE, choices).reshape(rt.shape)], axis=-1)
    if answers_omissions(likelihood):
        return list(encoded)
    decided = ~late.reshape(rt.shape)
    return [np.ascontiguousarray(e[d]) for e, d in zip(encoded, decided, strict=True)]


def _shift(region: Region, n: int, found: Sequence[Difference]) -> Shift:
    sizes = np.abs(np.stack([d.shifts for d in found]))
    largest = sizes.max(axis=1)
    return Shift(
        trials=n,
        median=rounded(float(np.median(largest))),
        high=rounded(float(np.quantile(largest, HIGH))),
        largest=rounded(float(largest.max())),
        by_parameter=dict(
            zip(region.declaration.names, rounded_row(np.median(sizes, axis=0)), strict=True)
        ),
        at_least=sum(d.at_least for d in found),
        values=rounded_row(largest),
    )


def _reach(shifts: Sequence[tuple[int, float]]) -> Reach:
    """Return where the line through (trials, shift), both logarithmic, reaches `FIFTH`."""
    points = [(n, max(shift, SMALLEST)) for n, shift in shifts]
    for (n, low), (more, high) in zip(points, points[1:], strict=False):
        if low < FIFTH <= high:
            share = np.log(FIFTH / low) / np.log(high / low)
            return Reach(round(float(n * (more / n) ** share)), False)
    n, shift = points[0] if points[0][1] >= FIFTH else points[-1]
    return Reach(int(np.clip(n * (FIFTH / shift) ** 2, 1, MOST)), True)
