"""Both roads to a ddm likelihood beside the exact one: how wrong, how long, and what it does.

A first-passage mixture trained for a minute on fresh draws, a LAN with CPN and OPN as `likely demo
--classic` trains it, and the same LAN of decision times, all on the classic box; then

- density: E|log q - log p| at 500 parameter sets drawn uniformly from the box, the expectation
  taken under the exact density (Navarro & Fuss series) by quadrature over log decision time;
- choice: |P(+1) - exact| at the same sets;
- mass: |integral of q over choices and times up to 20 s - the exact one|;
- mass below t: integral of q over the second before the non-decision time. A likelihood of a model
  that declares its non-decision time is zero there; shown is what the LAN itself says;
- shift: the Go/NoGo example, simulated with five seeds; the difference of posterior means from the
  exact ones, in exact posterior standard deviations, the largest of v, a and t, averaged over
  seeds. Draws are those of NUTS with the mixture; the exact posterior and those of the LANs are the
  same draws reweighted, so that Monte Carlo error hardly enters;
- gradient: milliseconds for log likelihood and gradient of the example's 1,000 trials.

    uv run python benchmarks/roads.py [--quick] [--folder FOLDER]

With a folder, training set and checkpoints are kept in it, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp

import likely as lk
from likely.demo import experiment
from likely.demo.roads import BOX, SHIFT, Classic
from likely.densities import wiener
from likely.lan import CPN, LAN, OPN
from likely.networks.classic import ClassicDensity, Inputs
from likely.trials import TIME_UNOBSERVED, encode

LONGEST = 20.0
DECISIONS = np.exp(np.linspace(np.log(1e-3), np.log(LONGEST), 2000))
MODEL = lk.models["ddm"].with_box(**BOX, t=SHIFT)


@dataclass(frozen=True)
class Road:
    """A likelihood and the seconds it took to make, labels included."""

    name: str
    likelihood: lk.Likelihood
    seconds: float


def roads(scale: Classic, seconds: float, folder: Path) -> list[Road]:
    """Train all likelihoods."""
    mixture = lk.train(MODEL.with_box(t=(0.0, 1.0)), seconds=seconds, seed=0, labels="draws")
    made = [Road("first-passage mixture", mixture, mixture.training.seconds)]
    began = time.monotonic()
    labelling = lk.Labelling(draws=scale.draws, points=scale.points)
    store = lk.generate(MODEL, folder / "set.zarr", sets=scale.sets, labelling=labelling, seed=0)
    generating = time.monotonic() - began
    print(f"{scale.sets} sets labelled in {generating:.0f} s", flush=True)
    data, recipe = lk.TrainingSet(store), replace(LAN, epochs=scale.epochs)
    cpn = lk.train_cpn(data, recipe=CPN, checkpoint=folder / "cpn.checkpoint")
    opn = lk.train_opn(data, recipe=OPN, checkpoint=folder / "opn.checkpoint")
    both = generating + cpn.history[-1].seconds + opn.history[-1].seconds
    for name, decision_time in (("LAN, CPN, OPN", False), ("the same, LAN of decision time", True)):
        kept = folder / f"lan-{'decision' if decision_time else 'published'}.checkpoint"
        lan = lk.train_lan(data, decision_time=decision_time, recipe=recipe, checkpoint=kept)
        seconds = both + lan.history[-1].seconds
        made.append(Road(name, lk.from_networks(lan, cpn, opn), seconds))
    return made


def box_sample(n: int, seed: int) -> np.ndarray:
    """Draw parameter rows uniformly from the box."""
    limits = np.array([p.box for p in MODEL.parameters])
    return limits[:, 0] + np.diff(limits)[:, 0] * np.random.default_rng(seed).random((n, 4))


def density_measures(likelihood: lk.Likelihood, row: np.ndarray) -> tuple[float, float, float]:
    """Return E|dlogp|, the error of P(+1) and the error of the mass at one parameter row."""
    error = excess = 0.0
    for choice in (-1.0, 1.0):
        exact = wiener.log_density(DECISIONS, choice, *row[:3], 0.0)
        trials = np.stack([DECISIONS + row[3], np.full(len(DECISIONS), choice)], axis=1)
        learnt = likelihood.logp(row, trials)
        error += np.trapezoid(np.exp(exact) * np.abs(exact - learnt), DECISIONS)
        excess += np.trapezoid(np.exp(learnt) - np.exp(exact), DECISIONS)
    upper = likelihood.choice_probability(row)[0, 1]
    return error, abs(upper - float(wiener.choice_probability(1.0, *row[:3]))), abs(excess)


def mass_below(likelihood: lk.Likelihood, row: np.ndarray) -> float:
    """Return what the network itself puts into the second before the non-decision time."""
    form = likelihood.density
    if not isinstance(form, ClassicDensity) or form.inputs.decision_time:
        return 0.0
    declaration = replace(likelihood.declaration, non_decision=None)
    bare = ClassicDensity(Inputs(declaration, form.inputs.max_time), form.lan)
    arrays = form.unflatten(likelihood.weights)
    weights = bare.flatten({name: arrays[name] for name in bare.shapes})
    times = row[3] - np.linspace(1.0, 0.0, 400, endpoint=False)
    times = times[times > 0]
    mass = 0.0
    for choice in (-1.0, 1.0):
        trials = np.stack([times, np.full(len(times), choice)], axis=1)
        values, _ = bare.evaluate(weights, row[None], trials)
        mass += np.trapezoid(np.exp(values), times) if len(times) > 1 else 0.0
    return mass


def exact_log_likelihood(draws: np.ndarray, trials: pd.DataFrame) -> np.ndarray:
    """Return the exact log likelihood of the trials at each of the draws (n, 3) of v, a, t."""
    encoded, sign = encode(trials, (-1, 1)), trials["sign"].to_numpy()
    timed = encoded[:, 0] != TIME_UNOBSERVED
    total = np.empty(len(draws))
    for i, (v, a, t) in enumerate(draws):
        density = wiener.log_density(*encoded[timed].T, v * sign[timed], a, 0.5, t)
        withheld = wiener.choice_probability(encoded[~timed, 1], v * sign[~timed], a, 0.5)
        total[i] = density.sum() + np.log(withheld).sum()
    return total


def learnt_log_likelihood(
    likelihood: lk.Likelihood, draws: np.ndarray, trials: pd.DataFrame
) -> np.ndarray:
    """Return the same under a likelihood."""
    encoded, sign = encode(trials, (-1, 1)), trials["sign"].to_numpy()
    total = np.empty(len(draws))
    for i, (v, a, t) in enumerate(draws):
        theta = {"v": v * sign, "a": a, "z": 0.5, "t": t}
        total[i] = likelihood.logp(theta, encoded).sum()
    return total


def posterior(likelihood: lk.Likelihood, trials: pd.DataFrame, seed: int) -> np.ndarray:
    """Return posterior draws (n, 3) of v, a, t."""
    model = experiment.build_model(likelihood, trials)
    idata = experiment.sample(model, draws=500, seed=seed, progress=False)
    return np.stack([idata["posterior"][n].to_numpy().ravel() for n in ("v", "a", "t")], axis=1)


def shifts(made: list[Road], seeds: int) -> np.ndarray:
    """Return the largest standardised shift of v, a and t, (roads, seeds)."""
    found = np.empty((len(made), seeds))
    for seed in range(seeds):
        trials = experiment.simulate_experiment(seed, progress=False)
        draws = posterior(made[0].likelihood, trials, seed)
        learnt = [learnt_log_likelihood(road.likelihood, draws, trials) for road in made]
        exact = normalised(exact_log_likelihood(draws, trials) - learnt[0])
        mean = exact @ draws
        sd = np.sqrt(exact @ (draws - mean) ** 2)
        weights = [normalised(each - learnt[0]) for each in learnt]
        found[:, seed] = [np.abs((w @ draws - mean) / sd).max() for w in weights]
        kept = [f"{1.0 / (w**2).sum() / len(w):.0%}" for w in (exact, *weights)]
        print(f"seed {seed}: reweighting keeps {', '.join(kept)} of the draws; "
              f"shifts {found[:, seed].round(3)}", flush=True)  # fmt: skip
    return found


def normalised(log_weights: np.ndarray) -> np.ndarray:
    """Return weights that sum to one."""
    return np.exp(log_weights - logsumexp(log_weights))


def gradient_time(likelihood: lk.Likelihood) -> float:
    """Return seconds for value and gradient of the example's log likelihood."""
    trials = experiment.simulate_experiment(0, progress=False)
    encoded, sign = encode(trials, (-1, 1)), trials["sign"].to_numpy()
    theta = MODEL.declaration.rows({"v": [-1.0, 1.0], "a": 1.5, "z": 0.5, "t": 0.5})
    density, index = likelihood.density, (sign > 0).astype(np.int64)
    prepared, ones = density.prepared(likelihood.weights), np.ones(len(encoded))
    seconds = []
    for _ in range(50):
        began = time.perf_counter()
        density.pull(prepared, theta, index, encoded, ones)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def main() -> None:
    """Train, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a rough run of a few minutes")
    parser.add_argument("--folder", help="keeps training set and checkpoints")
    options = parser.parse_args()
    scale = Classic(sets=1_000, epochs=3) if options.quick else Classic()
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(options.folder or folder)
        made = roads(scale, 15.0 if options.quick else 60.0, kept)
    rows = box_sample(100 if options.quick else 500, seed=20_000)
    shifted = shifts(made, 2 if options.quick else 5)
    print(f"\n{scale}\n")
    print("| likelihood | density: median, 95% | choice: median, 95% | mass: median, 95% "
          "| mass below t: median, 95% | shift | seconds | gradient |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for road, shift in zip(made, shifted, strict=True):
        measures = np.array([density_measures(road.likelihood, row) for row in rows])
        below = np.array([mass_below(road.likelihood, row) for row in rows])
        pairs = [f"{np.median(x):.4f}, {np.quantile(x, 0.95):.4f}" for x in (*measures.T, below)]
        milliseconds = 1e3 * gradient_time(road.likelihood)
        print(f"| {road.name} | {' | '.join(pairs)} | {shift.mean():.2f} | {road.seconds:.0f} | "
              f"{milliseconds:.2f} ms |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
