"""A finished fit that nobody sampled: draws made up around the truth, for folders and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from handmade import handmade_ddm

from likely.likelihood import Likelihood
from likely.regression.forewarning import Forewarning

TRUTH = {"v_Intercept": 0.3, "v_coherence": 2.0, "a": 1.0, "t": 0.3}
SUBJECTS = ["ann", "bob", "cy", "dee"]
CHAINS, DRAWS, TRIALS = 2, 50, 240


@dataclass(frozen=True, eq=False)
class Finished:
    """What reports and folders need of a fit."""

    idata: xr.DataTree
    model: pm.Model
    likelihood: Likelihood
    data: pd.DataFrame
    specification: Any
    seed: int = 3
    sample: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(
        default_factory=lambda: {"priors": {"v_coherence": (0.1, 1.0)}, "lapse": 0.0}
    )

    def summary(self) -> pd.DataFrame:
        return az.summary(self.idata, ci_prob=0.94, ci_kind="eti", round_to="none")

    def estimates(self) -> pd.DataFrame:
        posterior = self.idata["posterior"]
        rows = [("v", "1/s", "population", c, np.nan) for c in (0.0, 0.25, 0.5)]
        rows += [("v", "1/s", "subject", c, s) for s in SUBJECTS for c in (0.0, 0.25, 0.5)]
        rows += [(n, u, "population", np.nan, np.nan) for n, u in (("a", ""), ("t", "s"))]
        rows.append(("z", "", "fixed", np.nan, np.nan))
        columns = ["parameter", "unit", "level", "coherence", "subject"]
        mean = float(posterior["v_Intercept"].mean())
        numbers = {"mean": mean, "sd": 0.1, "eti94_lb": mean - 0.2, "eti94_ub": mean + 0.2}
        return pd.DataFrame(rows, columns=columns).assign(**numbers)

    def predict(self, *, draws: int, seed: int) -> pd.DataFrame:
        chosen = np.linspace(0, CHAINS * DRAWS - 1, draws).astype(int)
        coherence = self.data["coherence"].to_numpy()
        flat = {n: self.idata["posterior"][n].values.reshape(-1)[chosen, None] for n in TRUTH}
        v = flat["v_Intercept"] + flat["v_coherence"] * coherence
        a, t = (np.broadcast_to(flat[n], v.shape) for n in ("a", "t"))
        theta = {"v": v.ravel(), "a": a.ravel(), "z": 0.5, "t": t.ravel()}
        drawn = self.likelihood.sample(theta, 1, seed)
        repeated = pd.concat([self.data] * draws, ignore_index=True)
        return repeated.assign(
            rt=drawn["rt"], choice=drawn["choice"], draw=np.repeat(np.arange(draws), TRIALS)
        )

    def outside_box(self) -> float:
        return 0.05


def finished(seed: int = 1) -> Finished:
    """Return a fit of v ~ coherence + (1|subject) to trials of the handmade likelihood."""
    rng = np.random.default_rng(seed)
    likelihood = handmade_ddm()
    data = _trials(likelihood, rng)
    idata = _draws(rng)
    formula = {"v": "1 + coherence + (1|subject)", "a": "1", "t": "1"}
    specification = SimpleNamespace(
        formula=formula,
        fixed={"z": 0.5},
        priors=_priors(),
        lapses=None,
        description="",
        forewarned=[Forewarning("nobody answered.", "Ask again.")],
        sampled=list(TRUTH),
        with_parent=lambda draws: draws,
    )
    return Finished(idata, _model(likelihood, data), likelihood, data, specification)


def _trials(likelihood: Likelihood, rng: np.random.Generator) -> pd.DataFrame:
    coherence = rng.choice([0.0, 0.25, 0.5], TRIALS)
    theta = {"v": 0.3 + 2.0 * coherence, "a": 1.0, "z": 0.5, "t": 0.3}
    trials = likelihood.sample(theta, 1, 5)
    return trials.assign(
        coherence=coherence,
        subject=rng.choice(SUBJECTS, TRIALS),
        session=pd.Categorical(rng.choice(["2", "10"], TRIALS), ["2", "10"], ordered=True),
        block=rng.integers(0, 3, TRIALS),
        practice=rng.random(TRIALS) < 0.5,
    )


def _draws(rng: np.random.Generator) -> xr.DataTree:
    shape = (CHAINS, DRAWS)
    posterior: dict[str, Any] = {
        name: truth + 0.02 * rng.standard_normal(shape) for name, truth in TRUTH.items()
    }
    posterior["v_1|subject"] = 0.3 * rng.standard_normal((*shape, len(SUBJECTS)))
    statistics = {
        "diverging": rng.random(shape) < 0.05,
        "energy": rng.standard_normal(shape),
        "tree_depth": np.full(shape, 3),
        "reached_max_treedepth": np.zeros(shape, dtype=bool),
    }
    return az.from_dict(
        {"posterior": posterior, "sample_stats": statistics},
        dims={"v_1|subject": ["subject"]},
        coords={"subject": SUBJECTS},
    )


def _priors() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "coefficient": name, "parameter": name[0], "link": "identity",
                "prior": "Normal(0.1, 0.3333)",
            }
            for name in ("v_Intercept", "v_coherence", "a_Intercept", "t_Intercept")
        ]
    )  # fmt: skip


def _model(likelihood: Likelihood, data: pd.DataFrame) -> pm.Model:
    with pm.Model() as model:
        intercept = pm.Normal("v_Intercept", 0.0, 1.0)
        slope = pm.Normal("v_coherence", 0.0, 1.0)
        a, t = pm.LogNormal("a", 0.0, 0.5), pm.Uniform("t", 0.0, 0.3)
        v = intercept + slope * data["coherence"].to_numpy()
        likelihood("trials", v=v, a=a, z=0.5, t=t, observed=data[["rt", "choice"]])
    return model
