"""Do parameters come back? Correlation of truth and posterior mean, and coverage, for every model.

For each model with a shipped likelihood: 50 parameter sets from its box (non-decision times below
1 s), 500 trials each from the simulator, and the posterior of each data set with a flat prior over
the same box: by importance sampling, or, where its draws are worth few, by NUTS.
Prints, for each parameter, the correlation over data sets of the truth with the posterior mean, and
in how many the 90% interval holds the truth (by chance 45 of 50, give or take 2). Parameters known
to be hard to recover, as the model's page says, are marked.

    uv run python benchmarks/recovery.py              # every shipped model, a minute or two each
    uv run python benchmarks/recovery.py ddm angle
    uv run python benchmarks/recovery.py ddm --figure recovery    # recovery/ddm.png
    uv run python benchmarks/recovery.py --page docs/recovery.md
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import numpy as np
import nutpie
from matplotlib.figure import Figure

import likely as lk
from likely.certificates.importance import Anywhere, adaptive
from likely.certificates.posteriors import DataSet
from likely.certificates.queries import answers_omissions
from likely.certificates.region import Region
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.errors import LikelyError
from likely.plots.style import COLOURS, INK, PALE, house_style
from likely.shipped.headers import is_shipped
from likely.simulation import available_cores
from likely.text_table import aligned
from likely.trials import NO_RESPONSE
from likely.typing import FloatArray

SETS, TRIALS, SEED = 50, 500, 0
INTERVAL = 0.9
ROUNDS = 20 * (600,)  # draws of importance sampling
SETTLED = 3  # rounds that follow at least, once weights are taken as they are
ENOUGH = 500  # effective draws at which no more rounds follow
FEW = 300  # effective draws below which NUTS draws instead
TUNE, NUTS_DRAWS = 500, 2000  # of NUTS, one chain
LONGEST_SHIFT = 1.0  # seconds: upper end of a non-decision time's box that has none
PATIENCE = 100.0  # seconds after which a trial counts as an omission
WRONG = 5  # data sets too few or too many inside their intervals, of 50: under 3% by chance

PAGE = f"""# Do parameters come back?

For every shipped likelihood: {SETS} parameter sets from its box, {TRIALS} trials each from the
simulator, and the posterior of each data set with a flat prior over the box. After each parameter
stands the correlation, over data sets, of the truth with the posterior mean, and in how many of
the {SETS} the 90% interval holds the truth: by chance {INTERVAL * SETS:.0f}, give or take 2, and
in bold where it is farther off than {WRONG}. Parameters in italics are known to be hard to
recover; their model's page says why. A low correlation with full coverage is no fault of the
likelihood: so many trials do not tell more. Where importance sampling found few draws, NUTS drew.
Boxes reach far: in many of these data sets nearly all responses are alike.

Made by `uv run python benchmarks/recovery.py --page docs/recovery.md`.

| model | correlation (inside, of {SETS}) |
|---|---|"""


class NoTwin(ExactTwin):
    """Stands in for the exact density, which plays no part here."""

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Refuse."""
        raise NotImplementedError


@dataclass(frozen=True)
class Recovery:
    """What came back.

    Args:
        names: parameters.
        truths: (sets, p).
        means: of posteriors, (sets, p).
        below: posterior probability of less than the truth, (sets, p).
        effective: how many draws without weights each posterior's are worth, (sets,); for NUTS
            the smallest effective sample size of a parameter.
        by_nuts: whether NUTS drew, (sets,).
    """

    names: tuple[str, ...]
    truths: FloatArray
    means: FloatArray
    below: FloatArray
    effective: FloatArray
    by_nuts: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Whether central 90% intervals hold the truth, (sets, p)."""
        return np.abs(self.below - 0.5) <= 0.5 * INTERVAL

    @property
    def correlations(self) -> list[float]:
        """Correlation of truth and posterior mean, for each parameter."""
        pairs = zip(self.truths.T, self.means.T, strict=True)
        return [float(np.corrcoef(truth, mean)[0, 1]) for truth, mean in pairs]


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


def posterior(
    likelihood: lk.Likelihood, region: Region, trials: FloatArray, truth: FloatArray, seed: int
) -> tuple[FloatArray, float, bool]:
    """Draw parameter rows (n, p) from the posterior with a flat prior over the region.

    Also tells how many draws they are worth, and whether NUTS drew them.
    """
    data = DataSet.of(likelihood, NoTwin(), region, trials)
    rng = np.random.default_rng(seed)
    begin = Anywhere(len(truth))  # so that the ends of ridges are found
    drawn = adaptive(data.under_network, begin, ROUNDS, ENOUGH, SETTLED, rng)
    if drawn.effective >= FEW:
        return data.rows(drawn.resampled(ENOUGH, rng)), drawn.effective, False
    points, worth = nuts(data, drawn.points[np.argmax(drawn.values)], seed)
    return data.rows(points), worth, True


def nuts(data: DataSet, start: FloatArray, seed: int) -> tuple[FloatArray, float]:
    """Draw unbounded points (n, p) by NUTS from a start (p,); also the smallest sample size."""
    shape = start.shape

    def log_density() -> Callable[[FloatArray], tuple[float, FloatArray]]:
        def value(point: FloatArray) -> tuple[float, FloatArray]:
            loss, slope = data.objective(point)
            return -loss, -slope

        return value

    def expand(*_: object) -> Callable[[FloatArray], dict[str, FloatArray]]:
        return lambda point: {"points": point}

    compiled = nutpie.compiled_pyfunc.from_pyfunc(
        len(start), log_density, expand, [start.dtype], [shape], ["points"],
        make_initial_point_fn=lambda _: start,
    )  # fmt: skip
    trace = nutpie.sample(
        compiled, draws=NUTS_DRAWS, tune=TUNE, chains=1, seed=seed, progress_bar=False,
        adaptation="low_rank", save_warmup=False,
    )  # fmt: skip
    sizes = az.ess(trace["posterior"].dataset)["points"].to_numpy()
    return trace["posterior"]["points"].to_numpy()[0], float(np.min(sizes))


def recovery(model: lk.Model, likelihood: lk.Likelihood, sets: int = SETS) -> Recovery:
    """Simulate data sets of many truths and sample their posteriors."""
    region = prior(model.declaration)
    truths = region.sets(sets, SEED)
    data = [simulated(likelihood, model, truth, SEED + i) for i, truth in enumerate(truths)]

    def sample(index: int) -> tuple[FloatArray, float, bool]:
        return posterior(likelihood, region, data[index], truths[index], SEED + index)

    with ThreadPoolExecutor(available_cores()) as pool:
        found = list(pool.map(sample, range(len(truths))))
    draws = [rows for rows, _, _ in found]
    means = np.stack([rows.mean(axis=0) for rows in draws])
    below = np.stack(
        [(rows < truth).mean(axis=0) for rows, truth in zip(draws, truths, strict=True)]
    )
    worth, by_nuts = (np.array([one[i] for one in found]) for i in (1, 2))
    return Recovery(model.declaration.names, truths, means, below, worth, by_nuts)


def table(model: lk.Model, found: Recovery) -> str:
    """Return a line a parameter."""
    hard = model.about.hard if model.about is not None else {}
    sets = len(found.truths)
    rows = [("parameter", "correlation", f"inside, of {sets}", "")]
    expected = INTERVAL * sets
    for name, correlation, inside in zip(
        found.names, found.correlations, found.inside.sum(axis=0), strict=True
    ):
        remarks = ["hard to recover"] if name in hard else []
        if abs(inside - expected) > WRONG * math.sqrt(sets / SETS):
            remarks.append("coverage is off")
        rows.append((name, f"{correlation:.3f}", str(inside), ", ".join(remarks)))
    return aligned(rows)


def entry(model: lk.Model, correlations: list[float], inside: list[int], by_nuts: int) -> str:
    """Return a model's line of the page, in Markdown."""
    hard = model.about.hard if model.about is not None else {}
    cells = []
    names = model.declaration.names
    for name, correlation, count in zip(names, correlations, inside, strict=True):
        off = abs(count - INTERVAL * SETS) > WRONG
        known = f"*{name}*" if name in hard else name
        cells.append(f"{known} {correlation:.2f} ({f'**{count}**' if off else count})")
    drawn = f"; {by_nuts} by NUTS" if by_nuts else ""
    return f"| [{model.name}](models/{model.name}.md) | {', '.join(cells)}{drawn} |"


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
            f"{name}: {len(found.truths)} data sets of {TRIALS} trials in {seconds:.0f} s, "
            f"{found.by_nuts.sum()} by NUTS; at least {found.effective.min():.0f} effective draws"
        )
        print(f"{table(lk.models[name], found)}\n", flush=True)
        if options.page is not None:
            inside = found.inside.sum(axis=0).tolist()
            line = entry(lk.models[name], found.correlations, inside, int(found.by_nuts.sum()))
            write_page(options.page, {name: line})
        if options.figure is not None:
            options.figure.mkdir(parents=True, exist_ok=True)
            figure(lk.models[name], found).savefig(options.figure / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
