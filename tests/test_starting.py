"""Chains begin where trials are probable."""

from __future__ import annotations

import bambi as bmb
import numpy as np
import pandas as pd
import pytest

import likely as lk
from likely.networks.mixture import MixtureDensity
from likely.regression.sampler import begun
from likely.regression.starting import pooled, starting_points

TRUTH = {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3, "theta": 0.4}


@pytest.fixture(scope="module")
def specification() -> lk.Specification:
    """Return a regression with a fixed parameter and a coefficient of each kind."""
    trials = lk.simulate("angle", TRUTH, 800, seed=1)
    trials["x"] = np.random.default_rng(1).normal(size=len(trials))
    return lk.specify(trials, model="angle", formula={"v": "1 + x", "a": "0 + x"}, fixed={"z": 0.5})


def test_the_pooled_row_is_near_the_truth(specification: lk.Specification) -> None:
    """Within what 800 trials tell, from any seed."""
    for seed in (1, 2):
        found = pooled(specification, seed)
        assert found["z"] == 0.5
        assert found == pytest.approx(TRUTH, abs=0.3)
        assert found["t"] < specification.data["rt"].min()


def test_intercepts_and_constants_begin_there(specification: lk.Specification) -> None:
    """On their own scales, each chain a little elsewhere; slopes and the rest where priors say."""
    found = starting_points(specification, 1)
    assert set(found) == {"v_Intercept", "t", "theta_link"}
    drawn = [float(found["t"].eval()) for _ in range(2)]
    assert drawn == pytest.approx([0.3, 0.3], abs=0.1)
    model = specification.model
    assert set(found) <= {variable.name for variable in model.free_RVs}


def test_a_non_decision_time_of_each_group_begins_below_all_their_limits() -> None:
    """With lapses these are medians, which one slow group raises above those of the others."""
    fast, slow = (
        lk.simulate("ddm", {"v": 4.0, "a": 0.5, "z": 0.5, "t": t}, 400, seed=1).assign(subject=t)
        for t in (0.2, 1.0)
    )
    trials = pd.concat([fast[:20], slow], ignore_index=True)
    plan = lk.specify(trials, model="ddm", formula={"t": "1 + (1|subject)"}, lapse=0.05)
    lowest = min(trials[trials["subject"] == 0.2]["rt"].median(), trials["rt"].median())
    assert trials["rt"].median() > 1.5 * lowest
    assert pooled(plan, 1)["t"] < lowest
    assert "t_Intercept" in starting_points(plan, 1)


def test_what_priors_rule_out_is_no_start() -> None:
    """The trials are those of a negative drift and of z about a half."""
    trials = lk.simulate("ddm", {"v": -1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 400, seed=1)
    priors = {
        "v": bmb.Prior("HalfNormal", sigma=2.0), "z": bmb.Prior("Uniform", lower=0.55, upper=0.9),
        "a": bmb.Prior("Uniform", lower=0.1, upper=3.0),
    }  # fmt: skip
    plan = lk.specify(trials, model="ddm", formula={"t": "1"}, priors=priors)
    found = starting_points(plan, 1)
    assert "a" in found
    assert not {"v", "z", "v_Intercept"} & set(found)


def test_no_start_is_found_where_constraints_allow_none() -> None:
    trials = pd.DataFrame({"rt": np.linspace(0.25, 0.37, 40), "choice": [-1, 1] * 20})
    assert pooled(lk.specify(trials, model="ddm_st", fixed={"st": 0.3}), 1) == {}


def test_chains_differ_where_no_start_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a density has no compiled code."""
    monkeypatch.setattr(MixtureDensity, "compilable", False)
    trials = pd.DataFrame({"rt": np.linspace(0.5, 1.5, 40), "choice": [-1, 1] * 20})
    plan = lk.specify(trials, model="ddm")
    assert begun({"nuts_sampler": "nutpie"}, plan, 1) == {"nuts_sampler": "nutpie"}


@pytest.mark.slow
def test_no_chain_is_lost_between_boundaries_that_close() -> None:
    """Chains from starts at random ended where boundaries close before most responses."""
    rng = np.random.default_rng(0)
    effects = rng.normal(0.0, 0.3, 8)
    frames = [
        lk.simulate("angle", {**TRUTH, "v": 0.5 + e, "a": 1.5 * np.exp(e)}, 150, seed=i).assign(
            subject=i
        )
        for i, e in enumerate(effects)
    ]
    formula = {"v": "1 + (1|subject)", "a": "1 + (1|subject)"}
    trials = pd.concat(frames, ignore_index=True)
    for seed in (1, 2, 3):
        fit = lk.fit(
            trials, model="angle", formula=formula, seed=seed, draws=200, tune=300, chains=2,
            progressbar=False,
        )  # fmt: skip
        by_chain = fit.idata["sample_stats"]["logp"].mean("draw").to_numpy()
        assert abs(np.diff(by_chain)[0]) < 10.0


@pytest.mark.parametrize(
    ("formula", "name", "size"),
    [("1 + (1|x)", "v_1|x_offset", 3), ("hsgp(x, m=5, c=1.5)", "_weights_raw", 5)],
)
def test_unit_normals_begin_beside_0(formula: str, name: str, size: int) -> None:
    """Where their scale matters: of nutpie's starts no derivative may be 0."""
    trials = lk.simulate("ddm", {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 60, seed=1)
    trials["x"] = np.arange(60) % 3
    plan = lk.specify(
        trials, model="ddm", formula={"v": formula}, noncentered=True, fixed={"z": 0.5}
    )
    (raw,) = [v for k, v in starting_points(plan, 1).items() if k.endswith(name)]
    one, other = raw.eval(), raw.eval()
    assert one.shape == (size,)
    assert (one != 0.0).all()
    assert np.abs(np.concatenate([one, other])).max() < 0.5


def test_a_starting_point_between_0_and_1_stays_there() -> None:
    """As samplers move on a scale that has no ends."""
    trials = lk.simulate("ddm", {"v": 1.0, "a": 1.2, "z": 0.5, "t": 0.3}, 60, seed=1)
    assert "z_logodds__" in {v.name for v in lk.specify(trials, model="ddm").model.value_vars}
