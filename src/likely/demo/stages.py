"""The demonstration from beginning to end: simulate, train, sample, draw, write."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from likely.checks import require_seed
from likely.demo.roads import Fresh, Road, Workplace
from likely.demo.tables import table
from likely.errors import ParameterError
from likely.writing import require_writable, written_whole

# What else is needed is imported in the stage that needs it: PyMC and JAX take seconds to import.
if TYPE_CHECKING:
    import xarray as xr

    from likely.likelihood import Likelihood

DRAWS = 400
STAGES = 4  # besides those of the road
PAGE = "index.html"
FRESH = Fresh()


@dataclass(frozen=True)
class Demo:
    """What a run of the demonstration leaves.

    Args:
        trials: columns sign, rt, choice.
        likelihood: trained in the run, or shipped.
        idata: the posterior.
        summary: a row a parameter: truth, mean, sd, lower, upper, r_hat, ess.
        files: what was written.
        seconds: stage -> how long it took.
    """

    trials: pd.DataFrame
    likelihood: Likelihood
    idata: xr.DataTree
    summary: pd.DataFrame
    files: tuple[Path, ...]
    seconds: Mapping[str, float]


def run(
    output: Path,
    *,
    road: Road = FRESH,
    seed: int = 0,
    draws: int = DRAWS,
    progress: bool = True,
) -> Demo:
    """Recover the parameters of a simulated Go/NoGo experiment, and show how.

    The table of results goes to stdout. Files are written at the end, each whole or not at all, so
    an interrupted run leaves what was there before.

    Args:
        output: folder for the figures and the page index.html; made if it is not there.
        road: how to come by the likelihood; trained on fresh draws by default.
        seed: of everything drawn, from 0 to 2^64 - 1.
        draws: draws of each of four chains, after as many to tune the sampler.
        progress: whether to say on stderr what is being done.

    Raises:
        OSError: if the folder cannot be made or written to; found out before anything else.
        ParameterError: for a seed, draws or a road that make no sense.
    """
    if draws < 10:
        raise ParameterError(f"draws is {draws!r}; it must be at least 10.")
    seeds = _seeds(seed)
    require_writable(Path(output))
    clock = _Clock(progress, STAGES + road.stages)
    with clock.stage("simulating 500 Go and 500 NoGo trials"):
        from likely.demo import experiment

        trials = experiment.simulate_experiment(seeds[0], progress=progress)
    likelihood = road.likelihood(Workplace(Path(output), seeds[1], progress, clock.stage))
    with clock.stage("drawing from the posterior of v, a and t"):
        model = experiment.build_model(likelihood, trials)
        idata = experiment.sample(model, draws=draws, seed=seeds[2], progress=progress)
        summary = experiment.summarise(idata)
    with clock.stage("drawing figures"):
        from likely.demo.story import Results, tell

        results = Results(trials, likelihood, road, model, idata, summary, seed, seeds)
        pictures, page = tell(results)
    with clock.stage(f"writing {output}"):
        files = _write(Path(output), pictures, page)
    print(f"\n{table(summary)}\n\n{clock.total():.0f} s in all; see {files[-1]}")
    return Demo(trials, likelihood, idata, summary, files, clock.seconds)


def _seeds(seed: int) -> list[int]:
    """Return independent seeds for trials, training, sampling and figures."""
    require_seed(seed)
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(4)]


def _write(folder: Path, pictures: Mapping[str, bytes], page: str) -> tuple[Path, ...]:
    contents = {f"{name}.png": png for name, png in pictures.items()}
    contents[PAGE] = page.encode()
    for name, content in contents.items():
        with written_whole(folder / name) as temporary:
            temporary.write_bytes(content)
    return tuple(folder / name for name in contents)


class _Clock:
    """Says which stage begins, and keeps how long each took."""

    def __init__(self, show: bool, stages: int) -> None:
        self._show, self._stages = show, stages
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        if self._show:
            print(f"[{len(self.seconds) + 1}/{self._stages}] {label}", file=sys.stderr, flush=True)
        began = time.monotonic()
        yield
        self.seconds[label] = time.monotonic() - began

    def total(self) -> float:
        return sum(self.seconds.values())
