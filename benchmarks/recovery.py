"""Do parameters come back? Correlation of truth and posterior mean, and coverage, for every model.

For each model with a shipped likelihood: 50 parameter sets from its box (non-decision times below
1 s), 500 trials each from the simulator, and the posterior of each data set with a flat prior over
the same box, drawn by a sequential Monte Carlo sampler (benchmarks/tempering.py), all data sets at
once. Prints, for each parameter, the correlation over data sets of the truth with the posterior
mean, and in how many the 90% interval holds the truth (by chance 45 of 50, give or take 2); and in
how many data sets the sampler's independent populations disagree. Parameters known to be hard to
recover, as the model's page says, are marked.

    uv run python benchmarks/recovery.py              # every shipped model, see below
    uv run python benchmarks/recovery.py ddm angle
    uv run python benchmarks/recovery.py ddm --figure recovery    # recovery/ddm.png
    uv run python benchmarks/recovery.py --page docs/recovery.md

A mixture or a closed form takes 3 to 6 minutes on one core, a race of networks 6 to 17, and
ddm_normal_st, whose density is integrated numerically, an hour and a half.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from tempering import tempered

import likely as lk
from likely.certificates.queries import answers_omissions
from likely.certificates.region import Region
from likely.errors import LikelyError
from likely.networks.foreign import log_density_in_jax
from likely.networks.law import all_observed, coded_log_density, onset, supported
from likely.plots.style import COLOURS, INK, PALE, house_style
from likely.shipped.headers import is_shipped
from likely.text_table import aligned
from likely.trials import NO_RESPONSE
from likely.typing import FloatArray

SETS, TRIALS, SEED = 50, 500, 0
INTERVAL = 0.9
PARTICLES = 250  # of each of the sampler's populations
APART = 0.5  # posterior sd between the means of populations that disagree
PAIRS = {"cpu": 2**13, "gpu": 2**19}  # of parameter rows and trials evaluated at once
LONGEST_SHIFT = 1.0  # seconds: upper end of a non-decision time's box that has none
PATIENCE = 100.0  # seconds after which a trial counts as an omission
FEWEST, MOST = 40, 49  # data sets inside their intervals, of 50: 2.5% and 0.5% by chance beyond

PAGE = f"""# Do parameters come back?

For every shipped likelihood: {SETS} parameter sets from its box, {TRIALS} trials each from the
simulator, and the posterior of each data set with a flat prior over the box. After each parameter
stands the correlation, over data sets, of the truth with the posterior mean, and in how many of
the {SETS} the 90% interval holds the truth: by chance {INTERVAL * SETS:.0f}, give or take 2, and
in bold where it is less than {FEWEST} or all of them. Parameters in italics are known to be hard to
recover; their model's page says why. A low correlation with full coverage is no fault of the
likelihood: so many trials do not tell more. Boxes reach far: in many of these data sets nearly all
responses are alike. Where two populations of the sampler ended more than {APART} posterior standard
deviations apart in any parameter, in some data sets, that is said; where there are many, coverage
tells of the sampler rather than of the likelihood. How far a likelihood may be used its own page
says.

Made by `uv run python benchmarks/recovery.py --page docs/recovery.md`.

| model | correlation (inside, of {SETS}) |
|---|---|"""


@dataclass(frozen=True)
class Recovery:
    """What came back.

    Args:
        names: parameters.
        truths: (sets, p).
        means: of posteriors, (sets, p).
        below: posterior probability of less than the truth, (sets, p).
        apart: by how many posterior sd populations of the sampler differ at most, (sets,).
    """

    names: tuple[str, ...]
    truths: FloatArray
    means: FloatArray
    below: FloatArray
    apart: FloatArray

    @property
    def inside(self) -> np.ndarray:
        """Whether central 90% intervals hold the truth, (sets, p)."""
        return np.abs(self.below - 0.5) <= 0.5 * INTERVAL

    @property
    def correlations(self) -> list[float]:
        """Correlation of truth and posterior mean, for each parameter."""
        pairs = zip(self.truths.T, self.means.T, strict=True)
        return [float(np.corrcoef(truth, mean)[0, 1]) for truth, mean in pairs]

    @property
    def unsettled(self) -> int:
        """Data sets in which populations of the sampler disagree."""
        return int((self.apart > APART).sum())


def prior(declaration: lk.Declaration) -> Region:
    """Return the box that truths come from and that the prior is flat over.

    They are one and the same, for only then do 90% of the intervals hold the truth.
    """
    ends = {p.name: p.box for p in declaration.parameters if not math.isfinite(p.upper)}
    endless = {name: (lower, lower + LONGEST_SHIFT) for name, (lower, _) in ends.items()}
    return Region.of(declaration, endless)


def simulated(
    likelihood: lk.Likelihood, model: lk.Model, truth: FloatArray, seed: int
) -> FloatArray:
    """Return encoded trials (n, 2) of one truth (p,)."""
    trials = lk.simulate(model, truth[None], TRIALS, seed=seed, max_time=PATIENCE)
    late = trials["rt"].isna()
    trials["rt"] = trials["rt"].fillna(PATIENCE + model.declaration.onset(truth[None])[0])
    trials["choice"] = trials["choice"].fillna(NO_RESPONSE)
    known = trials if answers_omissions(likelihood) else trials[~late]
    return np.ascontiguousarray(known[["rt", "choice"]].to_numpy())


class Posteriors:
    """Log likelihoods of many parameter rows, of many data sets at once.

    Args:
        likelihood: what judges the trials.
        data: encoded trials of each data set, each (n, 2).
    """

    def __init__(self, likelihood: lk.Likelihood, data: list[FloatArray]) -> None:
        longest = max(len(trials) for trials in data)
        # Data sets that lack trials repeat their first, which then counts as nothing.
        padded = [np.concatenate([t, np.repeat(t[:1], longest - len(t), axis=0)]) for t in data]
        self._trials = np.stack(padded)
        self._counted = np.arange(longest) < np.array([[len(trials)] for trials in data])
        self._observed = all(all_observed(trials) for trials in data)
        self._density: Any = likelihood.density
        self._weights = likelihood.density.prepared(likelihood.weights)
        self._at_once = max(PAIRS[jax.default_backend()] // longest, 1)

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return log likelihoods (sets, n) of parameter rows (sets, n, p)."""
        n = rows.shape[1]
        short = -n % self._at_once
        rows = np.concatenate([rows, np.repeat(rows[:, :1], short, axis=1)], axis=1)
        parts = rows.reshape(len(rows), -1, self._at_once, rows.shape[2])
        with jax.enable_x64(True):
            values = _log_likelihoods(
                self._density, self._weights, parts, self._trials, self._counted, self._observed
            )
        return np.asarray(values).reshape(len(rows), -1)[:, :n]


@partial(jax.jit, static_argnums=(0, 5))
def _log_likelihoods(
    density: Any,
    weights: jax.Array,
    rows: jax.Array,
    trials: jax.Array,
    counted: jax.Array,
    observed: bool,
) -> jax.Array:
    """Return log likelihoods (sets, parts, r) of rows (sets, parts, r, p)."""
    sets, parts, r, p = rows.shape
    n = trials.shape[1]
    index = jnp.repeat(jnp.arange(r), n)
    compiled = density.compilable and jax.default_backend() == "cpu"

    def of_part(given: tuple[jax.Array, jax.Array]) -> jax.Array:
        theta, which = given
        every = jnp.tile(trials[which], (r, 1))
        if compiled:
            each = log_density_in_jax(density, weights, theta, every, index)
        else:
            each = _in_jax(density, weights, theta, every, index, observed)
        return jnp.where(counted[which], each.reshape(r, n), 0.0).sum(axis=1)

    which = jnp.repeat(jnp.arange(sets), parts)
    return jax.lax.map(of_part, (rows.reshape(-1, r, p), which)).reshape(sets, parts, r)


def _in_jax(
    density: Any,
    weights: jax.Array,
    theta: jax.Array,
    trials: jax.Array,
    index: jax.Array,
    observed: bool,
) -> jax.Array:
    """Return log densities (n,); little is compiled where all trials are known to be observed."""
    declaration, law = density.declaration, density.law(density.unflatten(weights), theta)
    laws, begins = jax.tree.map(lambda leaf: leaf[index], (law, onset(declaration, theta)))
    each = coded_log_density(declaration, laws, begins, trials, observed)
    return jnp.where(supported(declaration, theta)[index], each, -jnp.inf)


def recovery(
    model: lk.Model, likelihood: lk.Likelihood, sets: int = SETS, particles: int = PARTICLES
) -> Recovery:
    """Simulate data sets of many truths and sample their posteriors."""
    region = prior(model.declaration)
    truths = region.sets(sets, SEED)
    data = [simulated(likelihood, model, truth, SEED + i) for i, truth in enumerate(truths)]
    found = tempered(
        Posteriors(likelihood, data), region.lower, region.upper, sets, particles, SEED
    )
    below = (found.draws < truths[:, None]).mean(axis=1)
    names = model.declaration.names
    return Recovery(names, truths, found.draws.mean(axis=1), below, found.disagreement)


def table(model: lk.Model, found: Recovery) -> str:
    """Return a line a parameter."""
    hard = model.about.hard if model.about is not None else {}
    sets = len(found.truths)
    rows = [("parameter", "correlation", f"inside, of {sets}", "")]
    for name, correlation, inside in zip(
        found.names, found.correlations, found.inside.sum(axis=0), strict=True
    ):
        remarks = ["hard to recover"] if name in hard else []
        if sets == SETS and not FEWEST <= inside <= MOST:
            remarks.append("coverage is off")
        rows.append((name, f"{correlation:.3f}", str(inside), ", ".join(remarks)))
    return aligned(rows)


def entry(model: lk.Model, found: Recovery) -> str:
    """Return a model's line of the page, in Markdown."""
    hard = model.about.hard if model.about is not None else {}
    cells = []
    inside = found.inside.sum(axis=0).tolist()
    for name, correlation, count in zip(found.names, found.correlations, inside, strict=True):
        off = not FEWEST <= count <= MOST
        known = f"*{name}*" if name in hard else name
        cells.append(f"{known} {correlation:.2f} ({f'**{count}**' if off else count})")
    said = f"; {found.unsettled} unsettled" if found.unsettled else ""
    return f"| [{model.name}](models/{model.name}.md) | {', '.join(cells)}{said} |"


def write_page(path: Path, fresh: dict[str, str]) -> None:
    """Write lines of models into a page, beside those that it has of others."""
    kept = path.read_text("utf8").splitlines() if path.exists() else []
    lines = {line.split("[")[1].split("]")[0]: line for line in kept if line.startswith("| [")}
    lines |= fresh
    ordered = [lines[name] for name in lk.models if name in lines]
    path.write_text("\n".join([PAGE, *ordered]) + "\n", "utf8")


@house_style()
def figure(model: lk.Model, found: Recovery) -> Figure:
    """Draw posterior means over truths, a panel a parameter."""
    names = found.names
    columns = min(len(names), 5)
    lines = -(-len(names) // columns)
    drawn = Figure(figsize=(2.6 * columns, 2.6 * lines), layout="constrained")
    axes = np.ravel(drawn.subplots(lines, columns, squeeze=False))
    for i, (ax, name) in enumerate(zip(axes, names, strict=False)):
        truth, mean, inside = found.truths[:, i], found.means[:, i], found.inside[:, i]
        ends = [min(truth.min(), mean.min()), max(truth.max(), mean.max())]
        ax.plot(ends, ends, color=PALE, lw=1)
        ax.plot(truth[inside], mean[inside], "o", color=COLOURS[1], ms=3.5)
        ax.plot(truth[~inside], mean[~inside], "o", color=COLOURS[0], ms=3.5)
        ax.set_title(f"{name}   r = {found.correlations[i]:.2f}", loc="left", fontsize=10)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    drawn.supxlabel("truth", fontsize=10)
    drawn.supylabel("posterior mean", fontsize=10)
    drawn.suptitle(f"{model.name}: orange where the 90% interval misses", fontsize=11, color=INK)
    return drawn


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; by default all with a likelihood")
    parser.add_argument("--sets", type=int, default=SETS)
    parser.add_argument("--figure", type=Path, help="folder for a scatter plot of each model")
    parser.add_argument("--page", type=Path, help="Markdown file that gets a line of each model")
    options = parser.parse_args()
    if options.page is not None and options.sets != SETS:
        parser.error(f"--page tells of {SETS} data sets")
    for name in options.names or [name for name in lk.models if is_shipped(name)]:
        began = time.monotonic()
        try:
            found = recovery(lk.models[name], lk.load(name), options.sets)
        except LikelyError as error:
            print(f"{name}: {error}\n", flush=True)
            continue
        seconds = time.monotonic() - began
        print(
            f"{name}: {len(found.truths)} data sets of {TRIALS} trials in {seconds:.0f} s; "
            f"populations apart by {np.median(found.apart):.2f} sd (median), "
            f"{found.apart.max():.2f} (most)"
        )
        print(f"{table(lk.models[name], found)}\n", flush=True)
        if options.page is not None:
            write_page(options.page, {name: entry(lk.models[name], found)})
        if options.figure is not None:
            options.figure.mkdir(parents=True, exist_ok=True)
            figure(lk.models[name], found).savefig(options.figure / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
