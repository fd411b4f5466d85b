"""The Go/NoGo experiment: trials, their model in PyMC, and the posterior."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from likely.likelihood import Likelihood
from likely.progress import Progress
from likely.quiet import quiet_sampling
from likely.simulation import simulate

TRUTH = MappingProxyType({"v": 1.0, "a": 1.5, "t": 0.5})
START = 0.5  # relative starting point, known to the model
TRIALS = 500  # of each kind
CHAINS = 4
PROBABILITY = 0.94  # of the interval that is reported
GO, NO_GO = 1.0, -1.0

MODEL = """
with pm.Model(coords={"trial": range(1000)}) as model:
    sign = pm.Data("sign", trials["sign"], dims="trial")
    v = pm.Normal("v", 0, 2)                # drift
    a = pm.Gamma("a", mu=1.5, sigma=0.75)   # boundaries at -a, +a
    t = pm.HalfNormal("t", 0.5)             # non-decision time
    lik("trials", v=v * sign, a=a, z=0.5, t=t,
        observed=trials, dims="trial")
    idata = pm.sample()
"""


def simulate_experiment(seed: int, *, progress: bool = True) -> pd.DataFrame:
    """Return 1,000 trials: columns sign (+1 Go, -1 NoGo), rt in seconds, choice.

    A press is choice +1 and has a time; a press withheld is choice -1 and has none.
    """
    sign = np.repeat([GO, NO_GO], TRIALS)
    theta = {"v": TRUTH["v"] * sign, "a": TRUTH["a"], "z": START, "t": TRUTH["t"]}
    trials = simulate("ddm", theta, 1, seed=seed, progress=progress)
    trials["rt"] = trials["rt"].where(trials["choice"] == 1.0)
    return trials.assign(sign=sign)


def build_model(likelihood: Likelihood, trials: pd.DataFrame) -> pm.Model:
    """Return the PyMC model of the trials, as `MODEL` shows it."""
    with pm.Model(coords={"trial": range(len(trials))}) as model:
        sign = pm.Data("sign", trials["sign"].to_numpy(), dims="trial")
        v = pm.Normal("v", 0, 2)
        a = pm.Gamma("a", mu=1.5, sigma=0.75)
        t = pm.HalfNormal("t", 0.5)
        likelihood("trials", v=v * sign, a=a, z=START, t=t, observed=trials, dims="trial")
    return model


def sample(model: pm.Model, *, draws: int, seed: int, progress: bool = True) -> xr.DataTree:
    """Draw from the posterior with PyMC's own sampler, in this process.

    Other processes would cost more to start than they save, and forking one that has run JAX is
    not safe.

    Args:
        model: what `build_model` returns.
        draws: draws a chain, after as many to tune the sampler.
        seed: 0 to 2^32 - 1.
        progress: whether to show a progress bar on stderr.
    """
    with (
        quiet_sampling(),
        Progress("sampling", CHAINS * 2 * draws, show=progress, delay=0.0) as bar,
    ):
        watch = _Watch(bar, 2 * draws)
        try:
            idata = pm.sample(
                draws, tune=draws, chains=CHAINS, cores=1, nuts_sampler="pymc", random_seed=seed,
                initvals={"t": 0.1}, progressbar=False, callback=watch, model=model,
            )  # fmt: skip
        except _Unfinished:
            raise KeyboardInterrupt from None
        if watch.done < CHAINS * 2 * draws:
            raise KeyboardInterrupt
    return idata


def summarise(idata: xr.DataTree) -> pd.DataFrame:
    """Return a row a parameter: truth, mean, sd, lower, upper, r_hat, ess."""
    names = list(TRUTH)
    table = az.summary(
        idata, var_names=names, ci_prob=PROBABILITY, ci_kind="eti", round_to="none"
    ).astype(float)
    lower, upper = (c for c in table.columns if c.startswith("eti"))
    return pd.DataFrame(
        {
            "truth": pd.Series(dict(TRUTH)),
            "mean": table["mean"],
            "sd": table["sd"],
            "lower": table[lower],
            "upper": table[upper],
            "r_hat": table["r_hat"],
            "ess": table["ess_bulk"],
        },
        index=names,
    )


class _Unfinished(Exception):
    """A chain began although the one before had been cut short."""


class _Watch:
    """Counts draws, for PyMC ends a chain at Ctrl-C and goes on with the next."""

    def __init__(self, bar: Progress, each: int) -> None:
        self._bar, self._each = bar, each
        self.done = 0

    def __call__(self, trace: Any, draw: Any) -> None:
        if self.done < draw.chain * self._each:
            raise _Unfinished
        self.done += 1
        self._bar.update(self.done, f"chain {draw.chain + 1} of {CHAINS}")
