"""Simulation-based calibration: is the truth where posteriors say, as often as they say?

Parameters drawn from the prior, data simulated from them, and a posterior sampled: the rank of the
truth among posterior draws is uniform if simulator, likelihood and sampler agree (Talts,
Betancourt, Simpson, Vehtari & Gelman 2018). Posteriors that ignore the data pass as far as the
parameters go; ranks of what depends on data, such as the log likelihood, find them out (Modrak et
al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from likely.checks import require_count, require_seed
from likely.errors import ParameterError
from likely.progress import Progress
from likely.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

DRAWS = 99  # so few that thinned draws of a chain are all but independent, as ranks require
LEVEL = 0.05  # probability of a verdict against what is calibrated, over all quantities
BINS = 20  # of the chi-square test
SIMULATIONS = 2000
EQUAL = 1.0 - 1e-9  # factor by which equal probabilities may differ from rounding
FEWEST = 20  # replications

Draws = Mapping[str, FloatArray]
"""Quantity -> draws (n,)."""


@dataclass(frozen=True)
class Band:
    """Where the shares of uniform ranks below each of some levels lie, all at once.

    Args:
        levels: (k,) between 0 and 1.
        lower: (k,) least share.
        upper: (k,) largest share.
    """

    levels: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Ranks of true values among posterior draws.

    Args:
        ranks: one row a replication, one column a quantity: how many of the draws are below the
            truth, from 0 to `draws`.
        draws: posterior draws a replication; odd.
    """

    ranks: pd.DataFrame
    draws: int

    def __repr__(self) -> str:
        """Show the verdict."""
        return f"<Calibration: {self.verdict}>"

    def __str__(self) -> str:
        """Return verdict and table."""
        shown = self.table.to_string(float_format=lambda x: f"{x:.3f}")
        return f"{self.verdict}\n{shown}"

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a quantity.

        band_p: probability that uniform ranks would stray as far as these (see `band`);
        chi_square_p: the same by a chi-square test of 20 bins; coverage_50 and coverage_90: share
        of replications in which the central posterior interval of that probability held the truth.
        """
        quantities = list(self.ranks.columns)
        rows = {
            "band_p": [uniform_p(self.shares(q), len(self.ranks)) for q in quantities],
            "chi_square_p": [self._chi_square(q) for q in quantities],
            "coverage_50": [self.coverage(q, 0.5) for q in quantities],
            "coverage_90": [self.coverage(q, 0.9) for q in quantities],
        }
        return pd.DataFrame(rows, index=pd.Index(quantities, name="quantity"))

    @property
    def uncalibrated(self) -> list[str]:
        """Quantities whose ranks leave their band, which has room for all at once."""
        p = self.table["band_p"]
        return [str(q) for q in p.index[p < self.level]]

    @property
    def calibrated(self) -> bool:
        """Whether all ranks are within their bands."""
        return not self.uncalibrated

    @property
    def level(self) -> float:
        """Probability that the band of one quantity is left by chance (Bonferroni)."""
        return LEVEL / len(self.ranks.columns)

    @property
    def verdict(self) -> str:
        """Whether posteriors are calibrated, in a sentence."""
        n = f"{len(self.ranks)} replications"
        if self.calibrated:
            return f"Calibrated, as far as {n} can tell: all ranks are within their 95% bands."
        return f"Not calibrated: in {n}, ranks of {', '.join(self.uncalibrated)} leave their bands."

    def shares(self, quantity: str) -> FloatArray:
        """Return the share of ranks below each level i / (draws + 1), i = 1 ... draws."""
        counts = np.bincount(self.ranks[quantity], minlength=self.draws + 1)
        return np.cumsum(counts)[:-1] / len(self.ranks)

    def folded_shares(self, quantity: str) -> FloatArray:
        """Return the coverage of central intervals of probability 2 i / (draws + 1)."""
        half = (self.draws + 1) // 2
        distance = np.abs(2 * self.ranks[quantity].to_numpy() - self.draws) // 2  # 0 ... half - 1
        return np.cumsum(np.bincount(distance, minlength=half))[:-1] / len(self.ranks)

    def coverage(self, quantity: str, probability: float) -> float:
        """Return how often the central interval of about this probability held the truth."""
        half = (self.draws + 1) // 2
        index = int(np.clip(round(probability * half), 1, half - 1))
        return float(self.folded_shares(quantity)[index - 1])

    def positions(self, seed: int = 0) -> xr.DataTree:
        """Return ranks as numbers from 0 to 1, for `arviz_plots.plot_ecdf_pit`.

        Args:
            seed: of the random numbers that spread each rank evenly over its interval.
        """
        import xarray as xr

        rng = np.random.default_rng(seed)
        spread = (self.ranks.to_numpy() + rng.random(self.ranks.shape)) / (self.draws + 1)
        variables = {
            str(q): (("chain", "draw"), spread[:, i][None]) for i, q in enumerate(self.ranks)
        }
        return xr.DataTree.from_dict({"prior_sbc": xr.Dataset(variables)})

    def _chi_square(self, quantity: str) -> float:
        bins = np.linspace(0, self.draws + 1, BINS + 1).round()
        counts, _ = np.histogram(self.ranks[quantity], bins)
        expected = np.diff(bins) / (self.draws + 1) * len(self.ranks)
        return float(stats.chisquare(counts, expected).pvalue)


def calibrate[Data](
    prior: Draws,
    simulate: Callable[[dict[str, float], int], Data],
    sample: Callable[[Data, int], Draws],
    *,
    quantities: Callable[[Data, Draws], Draws] | None = None,
    draws: int = DRAWS,
    seed: int,
    progress: bool = True,
) -> Calibration:
    """Rank true parameters among posterior draws given data simulated from them.

    Args:
        prior: parameter -> (replications,) independent draws from the prior; 20 or more.
        simulate: function(parameters, seed) -> data.
        sample: function(data, seed) -> parameter -> (n,) posterior draws under the same prior; at
            least `draws`, of which evenly spaced ones are used.
        quantities: function(data, parameters (m,)) -> quantity -> (m,): further quantities to rank,
            such as the log likelihood.
        draws: posterior draws to rank among; odd, so that central intervals are defined.
        seed: any integer from 0 to 2^64 - 1, from which the seeds of replications derive.
        progress: whether to show progress on stderr.

    Raises:
        ParameterError: if there are too few replications or draws, `draws` is even, or `sample`
            leaves out a parameter or returns draws that are not finite.
    """
    require_seed(seed)
    require_count("draws", draws)
    truths = _truths(prior)
    if draws % 2 == 0 or draws + 1 < BINS:
        raise ParameterError(f"draws is {draws}; it must be odd and at least {BINS - 1}.")
    ranks = []
    with Progress("calibrating", len(truths), show=progress) as bar:
        for index, truth in enumerate(truths.to_dict("records")):
            seeds = np.random.SeedSequence([seed, index]).generate_state(3, np.uint32)
            parameters = {str(name): float(value) for name, value in truth.items()}
            data = simulate(parameters, int(seeds[0]))
            posterior = _spaced(sample(data, int(seeds[1])), list(parameters), draws)
            known = {name: np.array([value]) for name, value in parameters.items()}
            if quantities is not None:
                known.update(quantities(data, dict(known)))
                posterior.update(quantities(data, dict(posterior)))
            ranks.append(_ranks(known, posterior, np.random.default_rng(seeds[2])))
            bar.advance(1)
    return Calibration(pd.DataFrame(ranks), draws)


def band(levels: int, n: int, probability: float = 1.0 - LEVEL) -> Band:
    """Return where shares of n uniform ranks lie with this probability, at all levels at once.

    Pointwise binomial intervals, all of one probability, found by simulation so that uniform ranks
    stay within all of them with the probability asked for (Sailynoja, Buerkner & Vehtari 2022).

    Args:
        levels: number of values a rank may have; shares are those below i / levels, i = 1, 2, ...
        n: number of ranks.
        probability: between 0 and 1.
    """
    edges = np.arange(1, levels) / levels
    simulated = _strangeness_of_uniform(levels, n)
    tail = float(np.quantile(simulated, 1.0 - probability - 1e-12, method="inverted_cdf")) * EQUAL
    lower, upper = stats.binom.ppf(0.5 * tail, n, edges), stats.binom.isf(0.5 * tail, n, edges)
    return Band(edges, lower / n, upper / n)


def uniform_p(shares: FloatArray, n: int) -> float:
    """Return the probability that n uniform ranks stray as far as these shares at any level."""
    levels = len(shares) + 1
    observed = _strangeness(np.rint(shares * n)[None], n)[0]
    as_strange = np.sum(_strangeness_of_uniform(levels, n) * EQUAL <= observed)
    # What no simulation shows is bounded by the sum over levels (Bonferroni), however small.
    return float(min(max(as_strange, 1) / SIMULATIONS, (levels - 1) * observed))


@lru_cache(maxsize=8)
def _strangeness_of_uniform(levels: int, n: int) -> FloatArray:
    """Return the smallest pointwise p of simulated uniform ranks, (SIMULATIONS,)."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, np.full(levels, 1.0 / levels), SIMULATIONS)
    return _strangeness(np.cumsum(counts, axis=1)[:, :-1], n)


def _strangeness(counts: np.ndarray, n: int) -> FloatArray:
    """Return the smallest two-sided binomial p over levels, for counts (m, levels - 1)."""
    edges = np.arange(1, counts.shape[1] + 1) / (counts.shape[1] + 1)
    below = stats.binom.cdf(counts, n, edges)
    above = stats.binom.sf(counts - 1, n, edges)
    smallest: FloatArray = 2.0 * np.minimum(below, above).min(axis=1)
    return smallest


def _truths(prior: Draws) -> pd.DataFrame:
    try:
        truths = pd.DataFrame({name: np.asarray(x, dtype=np.float64) for name, x in prior.items()})
    except ValueError as error:
        raise ParameterError("prior draws must be numbers, as many of each parameter.") from error
    if len(truths) < FEWEST:
        raise ParameterError(f"{len(truths)} replications are too few; use {FEWEST} or more.")
    return truths


def _spaced(posterior: Draws, names: list[str], draws: int) -> dict[str, FloatArray]:
    """Return evenly spaced draws of every parameter."""
    spaced = {}
    for name in names:
        if name not in posterior:
            raise ParameterError(f"the sampler returned no draws of parameter '{name}'.")
        values = np.asarray(posterior[name], dtype=np.float64).ravel()
        if len(values) < draws:
            raise ParameterError(f"{len(values)} draws of '{name}' are fewer than the {draws}.")
        if not np.isfinite(values).all():
            raise ParameterError(f"the sampler returned draws of '{name}' that are not finite.")
        spaced[name] = values[np.linspace(0, len(values) - 1, draws).astype(int)]
    return spaced


def _ranks(known: Draws, posterior: Draws, rng: np.random.Generator) -> dict[str, int]:
    """Count draws below the truth; ties are broken by chance."""
    ranks = {}
    for name, truth in known.items():
        ties = int(np.sum(posterior[name] == truth[0]))
        below = int(np.sum(posterior[name] < truth[0]))
        ranks[name] = below + int(rng.integers(ties + 1))
    return ranks
