"""The likelihood where JAX finds a GPU: the numbers of the CPU, how long, and a posterior.

    uv run --with "jax[cuda13]" python benchmarks/gpu.py

For one model of each kind of density: log density and gradient of 2,000 trials on the GPU beside
those on the CPU, some trials' times or choices unobserved; the largest differences, relative to 1
or to the value itself where that is larger. Then milliseconds of value and gradient of a PyMC model
of 4,000 to a million trials of 42 drifts, by JAX on the GPU and in PyMC's default backend on one
core; and the posterior of the 4,000 trials by NumPyro on the GPU beside nutpie's on the CPU.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import arviz as az
import jax
import numpy as np
import pymc as pm
from gradient import CONDITIONS, MODES, SEED, ours, seconds, trials

import likely as lk
from likely.networks.foreign import pull_in_jax
from likely.text_table import aligned
from likely.trials import NO_RESPONSE, TIME_UNOBSERVED
from likely.typing import FloatArray

KINDS = (
    "ddm", "full_ddm", "ddm_normal_st", "ddm_par2", "race_3", "lba3", "racing_diffusion_3",
    "lognormal_race_3", "poisson_race", "lca_3", "lca_no_bias_3", "ddm_seq2",
)  # fmt: skip
TRIALS = 2_000
SIZES = (4_000, 100_000, 1_000_000)
LONGEST_SHIFT = 0.3  # seconds: upper end of non-decision times


def differences(name: str) -> tuple[float, float]:
    """Return the largest relative difference of GPU and CPU, of log densities and of gradients."""
    likelihood = lk.load(name)
    density, weights = likelihood.density, likelihood.density.prepared(likelihood.weights)
    lower, upper = np.array([p.box for p in likelihood.declaration.parameters]).T
    rng = np.random.default_rng(SEED)
    rows = rng.uniform(
        lower, np.where(np.isfinite(upper), upper, LONGEST_SHIFT), (TRIALS, len(lower))
    )
    rows = rows[likelihood.declaration.allowed(rows)]
    drawn = likelihood.sample(rows, 1, seed=SEED).to_numpy().copy()
    drawn[:100, 1] = NO_RESPONSE
    drawn[100:200, 0] = TIME_UNOBSERVED
    every, ones = np.empty(0, dtype=np.int64), np.ones(len(rows))
    found = []
    for device in (jax.devices()[0], jax.devices("cpu")[0]):
        with jax.enable_x64(True), jax.default_device(device):
            pull = jax.jit(pull_in_jax, static_argnums=0)
            values, slopes = pull(density, weights, rows, drawn, every, ones)
            found.append((np.asarray(values), np.asarray(slopes)))
    (values, slopes), (expected, expected_slopes) = found
    known = np.isfinite(expected)
    assert (known == np.isfinite(values)).all(), f"{name}: other trials are impossible"
    return (
        _farthest(values[known], expected[known]),
        _farthest(slopes[known], expected_slopes[known]),
    )


def _farthest(ours: FloatArray, theirs: FloatArray) -> float:
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1.0)))


def posterior(model: pm.Model, sampler: str) -> tuple[dict[str, FloatArray], float]:
    """Return draws of the scalars and mean drift, and seconds."""
    began = time.perf_counter()
    with model:
        idata = pm.sample(
            tune=500, draws=1000, chains=2, cores=1, nuts_sampler=sampler, random_seed=SEED,
            progressbar=False,
        )  # fmt: skip
    took = time.perf_counter() - began
    kept = idata["posterior"].dataset
    assert float(az.rhat(kept).to_array().max()) < 1.03
    return {n: kept[n].to_numpy().reshape(2000, -1) for n in ("v", "a", "t", "z")}, took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="at most 100,000 trials")
    options = parser.parse_args()
    if jax.default_backend() != "gpu":
        parser.error("JAX finds no GPU here.")
    print(f"JAX {jax.__version__} on {jax.devices()[0].device_kind}", flush=True)
    lines = [("density", "log density", "gradient")]
    for name in KINDS:
        lines.append((name, *(f"{far:.1e}" for far in differences(name))))
    print(aligned(lines), flush=True)
    lines = [("trials", "CPU, ms", "GPU, ms")]
    for n in SIZES[: 2 if options.quick else None]:
        model = ours(trials(n), "42 rows", "ddm")
        lines.append((f"{n:,}", *(f"{1e3 * median(seconds(model, mode)):.2f}" for mode in MODES)))
    print(aligned(lines), flush=True)
    model = ours(trials(SIZES[0]), "42 rows", "ddm")
    on_gpu, took = posterior(model, "numpyro")
    on_cpu, took_there = posterior(model, "nutpie")
    apart = [
        np.abs(on_gpu[n].mean(axis=0) - on_cpu[n].mean(axis=0)) / on_cpu[n].std(axis=0)
        for n in on_cpu
    ]
    print(
        f"posterior of {SIZES[0]:,} trials, {CONDITIONS} drifts: NumPyro {took:.0f} s, nutpie "
        f"{took_there:.0f} s; means apart by at most {max(map(np.max, apart)):.2f} sd"
    )


if __name__ == "__main__":
    main()
