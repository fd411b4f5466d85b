"""The zoo's one-dimensional families: each simulator against an independent law."""

import math

import numpy as np
import pytest
from scipy import special, stats

from likely.densities.quadrature import quadrature
from likely.diffusions import Diffusion
from likely.errors import ModelError
from likely.levy_flight import LevyFlight
from likely.simulation import decide, simulate
from likely.variability import VariableDiffusion
from likely.zoo import boundaries, drifts, models
from likely.zoo.diffusion import ddm, ddm_sdv, full_ddm, normal_drift
from likely.zoo.levy import levy_angle

UNLIKELY = 1e-4
# Variable trials; a boundary that moves; drift that depends on the evidence; drift that depends on
# time, in jumps. Drifts and boundaries of others differ in their formulas alone: see FORMULAS.
WITH_TWIN = ("ddm_sdv", "full_ddm", "weibull", "ornstein_angle", "conflict_stimflex")
DRAWS = 20_000


def typical(model):
    """Return a parameter row a third of the way into the box, with non-decision time 0."""
    lower = np.array([p.lower for p in model.parameters])
    upper = np.array([min(p.upper, p.lower + 1e3) for p in model.parameters])
    row = lower + np.linspace(0.35, 0.65, len(lower)) * (upper - lower)
    column = model.declaration.non_decision_column
    spread = model.declaration.spread
    row[column] = 0.0 if spread is None else row[model.declaration.names.index(spread)]
    for name, value in {"tonset": 0.1, "donset": 0.4, "tcoh": 0.9, "dcoh": -0.7}.items():
        if name in model.declaration.names:
            row[model.declaration.names.index(name)] = value
    return row


@pytest.mark.parametrize("name", WITH_TWIN)
def test_simulator_obeys_the_exact_density(name):
    model = models[name]
    row = typical(model)
    passage = model.twin.solve(row)
    times, choices = decide(model, row[None], DRAWS, seed=3, max_time=100.0)
    decided = ~np.isnan(times)
    values = 1.0 - np.exp(passage.log_survival(times[decided]))
    ever = 1.0 - math.exp(passage.log_survival(np.array([100.0]))[0])
    assert stats.kstest(values / ever, "uniform").pvalue > UNLIKELY
    upper = passage.probabilities[1] / passage.probabilities.sum()
    drawn = int((choices[decided] == 1.0).sum())
    assert stats.binomtest(drawn, int(decided.sum()), upper).pvalue > UNLIKELY


@pytest.mark.parametrize(
    "model",
    [ddm_sdv, full_ddm, pytest.param(levy_angle, marks=pytest.mark.slow)],
    ids=lambda m: m.name,
)
def test_rows_of_their_own_give_what_single_rows_give(model, rng):
    rows = model.declaration.shaping_rows(rng, 3)
    times, choices = decide(model, rows, 50, seed=4)
    for i, row in enumerate(rows):
        alone, chosen = np.empty(50), np.empty(50)
        model.first_passages(row[None], 200, 50 * i, 4, 20.0, alone, chosen)
        np.testing.assert_array_equal(times[50 * i : 50 * (i + 1)], alone)
        np.testing.assert_array_equal(choices[50 * i : 50 * (i + 1)], chosen)


def euler_levy(v, a, z, alpha, slope, n, dt=1e-3):
    """Simulate a Levy flight by Euler's method: decision times and choices, each (n,).

    Noise is drawn by the formula of Chambers, Mallows and Stuck (1976). The boundary is moved in by
    -zeta(1 - 1/alpha) E[X+] dt^(1/alpha), which makes up for crossings between steps: the first
    term of the ladder height's Laplace exponent for small arguments.
    """
    rng = np.random.default_rng(12)
    nearer = 0.0
    if alpha > 1.0:
        order = 1.0 - 1.0 / alpha
        # zeta is needed between 0 and 1, by its functional equation from beyond 1 or below 0
        zeta = 2.0**order * math.pi ** (order - 1.0) * math.sin(0.5 * math.pi * order)
        zeta *= special.gamma(1.0 - order) * special.zeta(1.0 - order) if order < 0.0 else math.nan
        if math.isnan(zeta):
            k = np.arange(1, 200_001)
            zeta = float((k**-order).sum() - 200_000.5 ** (1.0 - order) / (1.0 - order))
        nearer = -zeta * special.gamma(order) / math.pi * dt ** (1.0 / alpha)
    times, choices = np.empty(n), np.empty(n)
    x, alive, s = np.full(n, (2.0 * z - 1.0) * a), np.arange(n), 0.0
    while len(alive):
        angle = math.pi * (rng.random(len(x)) - 0.5)
        wait = rng.standard_exponential(len(x))
        noise = np.sin(alpha * angle) / np.cos(angle) ** (1.0 / alpha)
        noise *= (np.cos((1.0 - alpha) * angle) / wait) ** ((1.0 - alpha) / alpha)
        x = x + v * dt + dt ** (1.0 / alpha) * noise
        s += dt
        out = np.abs(x) >= a - slope * s - nearer
        times[alive[out]], choices[alive[out]] = s - 0.5 * dt, np.sign(x[out])
        x, alive = x[~out], alive[~out]
    return times, choices


@pytest.mark.parametrize("alpha", [1.0, 1.5, 1.9, 2.0])
def test_levy_flight_agrees_with_small_steps(alpha):
    slope = math.tan(0.3)
    row = np.array([[1.0, 1.0, 0.4, alpha, 0.0, 0.3]])
    times, choices = decide(levy_angle, row, DRAWS, seed=3)
    expected, chosen = euler_levy(1.0, 1.0, 0.4, alpha, slope, DRAWS)
    table = [[(c == k).sum() for k in (-1, 1)] for c in (choices, chosen)]
    assert stats.chi2_contingency(table).pvalue > UNLIKELY
    ticks = [np.round(t / 2e-3) for t in (times, expected)]
    assert stats.ks_2samp(*ticks).pvalue > UNLIKELY


def test_levy_flight_of_index_2_is_a_wiener_process_of_twice_the_variance():
    v, a, z = 0.8, 1.2, 0.6
    passage = ddm.twin.solve(np.array([v / math.sqrt(2.0), a / math.sqrt(2.0), z, 0.0]))
    times, choices = decide(levy_angle, np.array([[v, a, z, 2.0, 0.0, 0.0]]), 50_000, seed=5)
    values = 1.0 - np.exp(passage.log_survival(times))
    assert stats.kstest(values, "uniform").pvalue > UNLIKELY
    drawn = int((choices == 1.0).sum())
    assert stats.binomtest(drawn, 50_000, passage.probabilities[1]).pvalue > UNLIKELY


def test_spread_times_begin_at_the_earliest_non_decision_time():
    theta = {"v": 1.0, "a": 0.5, "z": 0.5, "t": 0.4, "sz": 0.1, "sv": 0.5, "st": 0.3}
    trials = simulate(full_ddm, theta, 20_000, seed=1)
    assert 0.1 < trials.rt.min() < 0.2
    passage = full_ddm.twin.solve(full_ddm.declaration.rows(theta)[0])
    times, weights = quadrature(passage)
    mean = 0.4 - 0.3 + weights * times @ np.exp(passage.log_density(times)).sum(axis=1)
    assert trials.rt.mean() == pytest.approx(mean, abs=4.0 * trials.rt.std() / math.sqrt(20_000))


S = np.array([0.01, 0.2, 0.4, 0.6, 1.7])
COURSE = {
    "v": 0.3, "tinit": 1.0, "dinit": 2.0, "tslope": 1.5, "dslope": 3.0, "tfixedp": 4.0,
    "tcoh": 0.5, "dcoh": -0.8,
}  # fmt: skip
STEPS = {"v": 0.3, "vt": 2.0, "vd": 3.0, "tcoh": 0.5, "dcoh": -0.8, "tonset": 0.6, "donset": 0.25}
BUMPED = {"a": 1.2, "theta": 0.3, "scale": 0.7, "alphaGamma": 2.5, "scaleGamma": 0.4}


def course(s, target, distractor):
    """Return the drift of `COURSE` where the stimuli appear at these times."""
    weight = 4.0 * (1.0 - np.exp(-1.5 * s)) + np.exp(-1.5 * s)
    return 0.3 + 0.5 * weight * (s >= target) - 1.6 * np.exp(-3.0 * s) * (s >= distractor)


def bump(s):
    """Return a gamma density of shape 3 and scale 0.2 with its mode, at 0.4, made to be 1."""
    return stats.gamma.pdf(s, 3.0, scale=0.2) / stats.gamma.pdf(0.4, 3.0, scale=0.2)


def attended(s):
    """Return the mass of a spotlight of width 2 - s on the target and on the inner flankers."""
    target = np.diff(stats.norm.cdf([[-0.5], [0.5]], scale=2.0 - s), axis=0)[0]
    return target, np.diff(stats.norm.cdf([[-1.5], [1.5]], scale=2.0 - s), axis=0)[0] - target


def spotlight(s):
    """Return what a spotlight of width 2 - s lets in: 3 of the target, -1 inner, -2 outer."""
    target, inner = attended(s)
    return 0.3 + 3.0 * target - inner - 2.0 * (1.0 - target - inner)


TARGET = {"v": 0.3, "ptarget": 3.0, "pouter": -2.0, "r": 1.0, "sda": 2.0}
FORMULAS = [
    (boundaries.linear_boundary, {"a": 1.2, "theta": math.pi / 4}, lambda s: 1.2 - s),
    (
        boundaries.weibull_boundary,
        {"a": 1.2, "alpha": 2.5, "beta": 0.8},
        lambda s: 1.2 * stats.weibull_min.sf(s, 2.5, scale=0.8),
    ),
    (
        boundaries.exponential_boundary,
        {"a": 1.2, "tau": 0.8},
        lambda s: 1.2 * stats.expon.sf(s, scale=0.8),
    ),
    (boundaries.hyperbolic_boundary, {"a": 1.2, "k": 2.0}, lambda s: 0.6 / (0.5 + s)),
    (
        boundaries.logistic_boundary,
        {"a": 1.2, "B": 4.0, "M": 0.5, "nu": 0.5},
        lambda s: 2.2 - special.expit(4.0 * s - 2.0) ** 2,
    ),
    (
        boundaries.conflict_gamma_boundary,
        BUMPED,
        lambda s: 1.2 + 0.7 * stats.gamma.pdf(s, 2.5, scale=0.4) - math.tan(0.3) * s,
    ),
    (drifts.leaky_drift, {"v": 0.3, "g": 0.5, "x": -2.0}, lambda s: 1.3 + 0.0 * s),
    (
        drifts.gamma_drift,
        {"v": 0.3, "shape_": 3.0, "scale": 0.2, "c": -1.5},
        lambda s: 0.3 - 1.5 * bump(s),
    ),
    (drifts.shrinking_spotlight, {**TARGET, "pinner": -1.0}, spotlight),
    (drifts.simple_spotlight, TARGET, lambda s: 0.3 - 2.0 + 5.0 * attended(s)[0]),
    (drifts.conflict_ds, COURSE, lambda s: course(s, 0.0, 0.0)),
    (
        drifts.conflict_dsstimflex,
        {**COURSE, "tonset": 0.6, "donset": 0.25},
        lambda s: course(s, 0.35, 0.0),
    ),
    (
        drifts.conflict_stimflex,
        STEPS,
        lambda s: 0.3 + 1.0 * (s >= 0.6) - 2.4 * (s >= 0.25),
    ),
    (drifts.conflict_stimflexrel1, STEPS, lambda s: -2.1 + 1.0 * (s >= 0.35)),
]


@pytest.mark.parametrize(
    ("function", "given", "expected"), FORMULAS, ids=[f.__name__ for f, _, _ in FORMULAS]
)
def test_drifts_and_boundaries_are_those_of_the_field(function, given, expected):
    timed = "s" in function.__code__.co_varnames
    found = [function(**({**given, "s": s} if timed else given)) for s in S.tolist()]
    np.testing.assert_allclose(found, expected(S[: len(found)]), rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"parameters": {"v": (-1, 1), "sv": (0, 1)}}, "parameter 'a' of its base is missing"),
        ({"redrawn": {"t": normal_drift}}, "unknown parameter to redraw 't'"),
        ({"redrawn": {"v": lambda v, sv: v + sv}}, "must take one random number"),
        ({"redrawn": {"v": lambda normal, v: v + normal}}, "no function uses parameter 'sv'"),
    ],
)
def test_variability_that_means_nothing_is_refused(changed, message):
    given = {
        "base": ddm,
        "parameters": {**ddm.box, "sv": (0, 1)},
        "redrawn": {"v": normal_drift},
    }
    with pytest.raises(ModelError, match=message):
        VariableDiffusion("m", **{**given, **changed})


def test_levy_flight_that_means_nothing_is_refused():
    with pytest.raises(ModelError, match="alpha"):
        LevyFlight(
            "m", parameters={"v": (-1, 1), "a": (1, 2)}, drift=lambda v: v, boundary=lambda a: a
        )


@pytest.mark.parametrize("kind", [Diffusion, LevyFlight])
def test_limits_that_are_no_mapping_are_refused(kind):
    with pytest.raises(ModelError, match="give a dict of name"):
        kind("m", parameters=["v", "a"], drift=drifts.constant_drift, boundary=lambda a: a)


def test_boundaries_are_tried_at_corners_of_what_they_depend_on():
    box = {"v": (-1, 1), "a": (1, 3), "k": (0, 1.5)}
    with pytest.raises(ModelError, match=r"boundary\(s=0\) is -0.5 at v=0, a=1, k=1.5"):
        Diffusion("m", parameters=box, drift=lambda v: v, boundary=lambda a, k: a - k)
