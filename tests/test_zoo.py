"""The zoo as a mapping, and the laws that each of its models obeys."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest

from likely.declaration_json import declaration_from_json, declaration_to_json
from likely.densities.fokker_planck import FokkerPlanckTwin
from likely.densities.quadrature import quadrature
from likely.errors import ModelError
from likely.model import Model
from likely.plots.typical import typical_row
from likely.zoo import models

EVERY = pytest.mark.parametrize("model", models.values(), ids=list(models))
# Solvers compile drift and boundary, which takes seconds a model; other tests solve them.
FORMULAS = [
    m for m in models.values() if m.twin is not None and not isinstance(m.twin, FokkerPlanckTwin)
]
UNITS = {"", "s", "1/s", "rad"}

# ssm-simulators 0.15.0: boxes of a family's parameters, and the order that its models have them in.
# Where models of a family differ, the widest box. There, shape_ is called shape.
DIFFUSION = {"v": (-3, 3), "a": (0.3, 2.5), "z": (0.1, 0.9), "t": (0, 2), "theta": (-0.1, 1.3)}
CONFLICT = {"tcoh": (-1, 1), "dcoh": (-1, 1), "tonset": (0, 1), "donset": (0, 1)}
COURSES = {
    "tinit": (0, 5), "dinit": (0, 5), "tslope": (0.01, 5), "dslope": (0.01, 5), "tfixedp": (0, 5),
}  # fmt: skip
SPOTLIGHT = {
    "ptarget": (2, 5.5), "pouter": (-5.5, 5.5), "pinner": (-5.5, 5.5), "r": (0.01, 1), "sda": (1, 3)
}  # fmt: skip
BUMP = {"shape_": (2, 10), "scale": (0.01, 1), "c": (-3, 3)}
STAGES = {
    **dict.fromkeys(("vh", "vl1", "vl2"), (-4, 4)),
    **dict.fromkeys(("zh", "zl1", "zl2"), (0.2, 0.8)),
    "a": (0.3, 2.5), "d": (0, 1), "t": (0, 2), "theta": (-0.1, 1),
}  # fmt: skip
DRIFTS = dict.fromkeys(("v0", "v1", "v2", "v3"), (0, 2.5))
STARTS = dict.fromkeys(("z", "z0", "z1", "z2", "z3"), (0, 0.9))
RACE = {**DRIFTS, **STARTS, "a": (1, 3), "t": (0, 2), "theta": (-0.1, 1.45)}
BALLISTIC = {"A": (0, 1), "b": (0, 1), "v0": (0, 1), "v1": (0.1, 1.1), "v2": (0, 1), "v3": (0, 1)}
RACING = {**DRIFTS, "A": (0, 1), "b": (0.5, 3), "t": (0, 2)}
POISSON = dict.fromkeys(("r1", "r2"), (0.001, 20)) | dict.fromkeys(("k1", "k2"), (1, 20))
FURTHER = {**DIFFUSION, "a": (0.3, 3)}
PEERS = (
    (DIFFUSION, {"ddm": "v a z t"}),
    ({**DIFFUSION, "sv": (0.001, 2.5)}, {"ddm_sdv": "v a z t sv"}),
    (
        {**DIFFUSION, "z": (0.3, 0.7), "t": (0.25, 2.25), "sz": (0.001, 0.2), "sv": (0.001, 2),
         "st": (0.001, 0.25)},
        {"ddm_st": "v a z t st", "full_ddm": "v a z t sz sv st"},
    ),
    (
        {**DIFFUSION, "z": (0.3, 0.7), "t": (0.25, 2.25), "mt": (0.05, 2.25), "st": (0.001, 0.5)},
        {"ddm_normal_st": "v a z t st", "ddm_truncnormt": "v a z mt st"},
    ),
    ({**DIFFUSION, "alpha": (0.31, 4.99), "beta": (0.31, 6.99)}, {"weibull": "v a z t alpha beta"}),
    (
        {**FURTHER, "alpha": (1, 2)},
        {"levy": "v a z alpha t", "levy_angle": "v a z alpha t theta"},
    ),
    ({**FURTHER, "v": (-6, 6)}, {"angle": "v a z t theta"}),
    ({**FURTHER, "g": (-1, 1)}, {"ornstein": "v a z g t", "ornstein_angle": "v a z g t theta"}),
    (
        {**FURTHER, **BUMP},
        {"gamma_drift": "v a z t shape_ scale c",
         "gamma_drift_angle": "v a z t theta shape_ scale c"},
    ),
    (
        {**FURTHER, **SPOTLIGHT},
        {"shrink_spot": "v a z t ptarget pouter pinner r sda",
         "shrink_spot_simple": "v a z t ptarget pouter r sda"},
    ),
    (
        {**FURTHER, **COURSES, **CONFLICT},
        {f"{name}{end}": f"v a z t tinit dinit tslope dslope tfixedp tcoh dcoh{more}{theta}"
         for name, more in (("conflict_ds", ""), ("conflict_dsstimflex", " tonset donset"))
         for end, theta in (("", ""), ("_angle", " theta"))},
    ),
    (
        {**FURTHER, "vt": (0, 5), "vd": (0, 5), **CONFLICT},
        {f"{name}{end}": f"v a z t vt vd tcoh dcoh tonset donset{theta}"
         for name in ("conflict_stimflex", "conflict_stimflexrel1")
         for end, theta in (("", ""), ("_angle", " theta"))},
    ),
    (RACE, {"race_2": "v0 v1 a z0 z1 t"}),
    (RACE, {"race_3": "v0 v1 v2 a z0 z1 z2 t"}),
    (RACE, {"race_4": "v0 v1 v2 v3 a z0 z1 z2 z3 t"}),
    *(
        (RACE, {f"race_no_bias_{n}": f"{v} a z t", f"race_no_z_{n}": f"{v} a t",
                f"race_no_bias_angle_{n}": f"{v} a z t theta",
                f"race_no_z_angle_{n}": f"{v} a t theta"})
        for n, v in ((2, "v0 v1"), (3, "v0 v1 v2"), (4, "v0 v1 v2 v3"))
    ),
    *(
        ({**RACE, "g": (-1, 1), "b": (-1, 1), "theta": (steepest, 1.45)},
         {f"lca_{n}": f"{v} a {z} g b t", f"lca_no_bias_{n}": f"{v} a z g b t",
          f"lca_no_z_{n}": f"{v} a g b t", f"lca_no_bias_angle_{n}": f"{v} a z g b t theta",
          f"lca_no_z_angle_{n}": f"{v} a g b t theta"})
        for n, steepest, v, z in (
            (3, -1.0, "v0 v1 v2", "z0 z1 z2"), (4, -0.1, "v0 v1 v2 v3", "z0 z1 z2 z3")
        )
    ),
    (BALLISTIC, {"lba2": "A b v0 v1", "lba3": "A b v0 v1 v2", "lba4": "A b v0 v1 v2 v3"}),
    (RACING, {"racing_diffusion_3": "v0 v1 v2 A b t"}),
    ({**POISSON, "t": (0, 2)}, {"poisson_race": "r1 r2 k1 k2 t"}),
    *(
        (STAGES, {f"{name}": f"vh vl1 vl2 a zh zl1 zl2{d} t",
                  f"{name}_no_bias": f"vh vl1 vl2 a{d} t",
                  f"{name}_angle_no_bias": f"vh vl1 vl2 a{d} t theta"})
        for name, d in (("ddm_par2", ""), ("ddm_seq2", ""), ("ddm_mic2_adj", " d"))
    ),
)  # fmt: skip
PEER = {name: (names.split(), box) for box, given in PEERS for name, names in given.items()}
OURS_ALONE = {
    "exponential", "hyperbolic", "logistic", "racing_diffusion_2", "racing_diffusion_4",
    "lognormal_race_2", "lognormal_race_3", "lognormal_race_4",
}  # fmt: skip

NO_SHIFT = ("lba", "ddm_normal_st", "ddm_truncnormt")


def test_a_misspelt_name_is_an_error_of_both_kinds() -> None:
    for kind in (ModelError, KeyError):
        with pytest.raises(kind, match="^unknown model 'dmd'. Did you mean 'ddm'?"):
            models["dmd"]


def test_it_is_a_mapping() -> None:
    assert models.get("typo") is None
    assert models.get("ddm") is models["ddm"]
    assert "typo" not in models
    assert list(models) == list(dict(models))


def test_no_model_took_the_name_of_another() -> None:
    assert len(models) == 71
    assert set(PEER) | OURS_ALONE == set(models)


@EVERY
def test_a_model_says_what_it_is(model: Model) -> None:
    assert models[model.name] is model
    assert model.about is not None
    assert model.about.purpose.endswith(".")
    assert len(model.about.equations) >= 2
    assert any(year in model.about.source for year in ("19", "20"))
    assert set(model.about.hard) <= set(model.declaration.names)
    for p in model.parameters:
        assert p.description
        assert p.unit in UNITS
    assert model.choices in ((-1, 1), tuple(range(len(model.choices))))


@EVERY
def test_only_non_decision_times_are_endless(model: Model) -> None:
    delay = model.declaration.non_decision
    assert (delay is None) == model.name.startswith(NO_SHIFT)
    assert [p.name for p in model.parameters if math.isinf(p.upper)] == [delay] * (delay == "t")
    rows = model.declaration.shaping_rows(np.random.default_rng(0), 200)
    assert (model.declaration.onset(rows) == 0.0).all()
    assert model.declaration.allowed(rows).all()
    model.declaration.require_inside_box(rows)


@pytest.mark.parametrize("name", PEER)
def test_order_and_boxes_hold_those_of_ssm_simulators(name: str) -> None:
    names, boxes = PEER[name]
    assert list(models[name].declaration.names) == names
    for p in models[name].parameters:
        lower, upper = boxes[p.name]
        assert p.lower <= lower, p
        assert p.upper >= upper, p


@pytest.mark.parametrize("name", ["ddm_st", "full_ddm"])
def test_nobody_responds_before_the_stimulus(name: str) -> None:
    declaration = models[name].declaration
    row = typical_row(declaration)
    t, st = (declaration.names.index(n) for n in ("t", "st"))
    rows = np.tile(row, (3, 1))
    rows[:, st], rows[:, t] = 0.25, (0.2, 0.25, 0.3)
    assert declaration.allowed(rows).tolist() == [False, True, True]


@EVERY
def test_declarations_survive_json(model: Model) -> None:
    text = json.dumps(declaration_to_json(model.declaration), allow_nan=False)
    assert declaration_from_json(json.loads(text)) == model.declaration


@EVERY
def test_models_pickle(model: Model) -> None:
    copy = pickle.loads(pickle.dumps(model))
    assert type(copy) is type(model)
    assert copy.declaration == model.declaration
    assert copy.about == model.about
    assert (copy.twin is None) == (model.twin is None)


@pytest.mark.parametrize("model", FORMULAS, ids=lambda m: m.name)
def test_exact_densities_hold_all_decisions(model: Model) -> None:
    passage = model.twin.solve(typical_row(model.declaration))
    times, weights = quadrature(passage)
    masses = weights @ np.exp(passage.log_density(times))
    assert len(masses) == len(model.choices)
    np.testing.assert_allclose(masses, passage.probabilities, atol=1e-6)
    assert passage.probabilities.sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "model",
    [*FORMULAS, pytest.param(models["weibull"], marks=pytest.mark.slow)],
    ids=lambda m: getattr(m, "name", None),
)
def test_exact_densities_pickle(model: Model) -> None:
    row, times = typical_row(model.declaration), np.array([0.1, 0.5, 2.0])
    copy = pickle.loads(pickle.dumps(model))
    here, there = (m.twin.solve(row).log_density(times) for m in (model, copy))
    np.testing.assert_array_equal(here, there)
    assert np.isfinite(here).any()
