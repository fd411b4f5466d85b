"""Whether draws may be trusted, in plain language: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import xarray as xr

    from likely.declaration import Declaration

R_HAT = 1.01  # Vehtari et al. 2021, Bayesian Analysis 16:667
ESS = 400.0  # likewise: below it r-hat and the effective sample size itself are unreliable
BFMI = 0.3  # Betancourt 2016, arXiv:1604.00695
DEEP = 0.05  # share of draws at the largest tree depth from which efficiency suffers
OUTSIDE = 0.01  # share of draws outside the box that is worth a word
HELD_DOWN = 0.93  # share of the fastest response beyond which it may be all that holds t down
NAMED = 4  # variables listed in a sentence


@dataclass(frozen=True)
class Warned:
    """Something to be wary of.

    Args:
        what: what was found.
        remedy: what it means and what to do.
    """

    what: str
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """The health of a posterior.

    Args:
        chains: number of chains.
        draws: of each.
        r_hat: the largest one; NaN of a single chain.
        ess_bulk: the smallest effective sample size of bulks.
        ess_tail: that of tails.
        divergences: number of divergent draws; None if the sampler does not say.
        bfmi: the smallest of all chains; None likewise.
        deep: share of draws whose trees were cut short; None likewise.
        depth: the largest depth of a tree; None likewise.
        outside: share of draws with a parameter outside the box of the likelihood.
        warnings: what to be wary of, worst first; none if all is well.
    """

    chains: int
    draws: int
    r_hat: float
    ess_bulk: float
    ess_tail: float
    divergences: int | None
    bfmi: float | None
    deep: float | None
    depth: int | None
    outside: float
    warnings: tuple[Warned, ...]

    @property
    def sizes(self) -> str:
        """Chains and draws, in words."""
        return f"{self.chains} chain{'s' * (self.chains > 1)} of {self.draws:,}"


def diagnose(idata: xr.DataTree, summary: pd.DataFrame, *, outside: float = 0.0) -> Diagnosis:
    """Judge the draws of a posterior.

    Args:
        idata: as PyMC returns it, from any of its samplers.
        summary: columns r_hat, ess_bulk, ess_tail, a row a variable; as `Fit.summary` gives it.
        outside: share of draws with a parameter outside the box of the likelihood.
    """
    sizes = idata["posterior"].sizes
    divergences, deep, depth, bfmi = _statistics(idata)
    r_hat = summary["r_hat"].max(skipna=False) if sizes["chain"] > 1 else np.nan
    warnings = [
        *_divergent(divergences, sizes["chain"] * sizes["draw"]),
        *_disagreeing(summary, sizes["chain"]),
        *_scarce(summary),
        *_unexplored(bfmi),
        *_cut_short(deep, depth, _sampler(idata)),
        *_outside(outside),
    ]
    return Diagnosis(
        chains=int(sizes["chain"]),
        draws=int(sizes["draw"]),
        r_hat=float(r_hat),
        ess_bulk=float(summary["ess_bulk"].min(skipna=False)),
        ess_tail=float(summary["ess_tail"].min(skipna=False)),
        divergences=divergences,
        bfmi=bfmi,
        deep=deep,
        depth=depth,
        outside=outside,
        warnings=tuple(warnings),
    )


def held_down(
    idata: xr.DataTree, declaration: Declaration, data: pd.DataFrame, *, lapses: bool
) -> list[Warned]:
    """Return a warning if one early response alone holds the non-decision time down.

    Args:
        idata: the posterior.
        declaration: of the model; one whose non-decision time varies from trial to trial is not
            held down by single responses.
        data: the trials.
        lapses: whether the fit allows for lapses.
    """
    non_decision = declaration.non_decision
    if non_decision is None or non_decision not in idata["posterior"]:
        return []
    if lapses or declaration.spread is not None:
        return []
    draws = idata["posterior"][non_decision]
    fastest, estimate = float(data["rt"].min()), float(draws.mean())
    if draws.ndim != 2 or not estimate > HELD_DOWN * fastest:
        return []
    return [
        Warned(
            f"{non_decision} ({estimate:.3f} s) lies just below the fastest response "
            f"({fastest:.3f} s).",
            "If that response came early by accident, it alone holds the non-decision time down: "
            "allow for lapses (lapse=0.02, --lapse 0.02) or leave it out.",
        )
    ]


def forewarned(found: Iterable[tuple[str, str]]) -> list[Warned]:
    """Return warnings of what was found before sampling and of what to do, as sentences."""
    return [Warned(what[:1].upper() + what[1:], remedy) for what, remedy in found]


def unfinished(idata: xr.DataTree, sample: Mapping[str, Any]) -> list[Warned]:
    """Return a warning if there are fewer chains, or draws of each, than were asked for."""
    sizes = idata["posterior"].sizes
    chains, draws = sizes["chain"], sizes["draw"]
    asked = sample.get("chains", chains), sample.get("draws", draws)
    if chains >= asked[0] and draws >= asked[1]:
        return []
    return [
        Warned(
            f"Sampling was interrupted: {chains} of {asked[0]} chains have {draws:,} of "
            f"{asked[1]:,} draws.",
            "What follows is of these draws alone; fit again for all of them.",
        )
    ]


def _statistics(
    idata: xr.DataTree,
) -> tuple[int | None, float | None, int | None, float | None]:
    """Return divergences, share of trees cut short, deepest tree, smallest BFMI."""
    if "sample_stats" not in idata.children:
        return None, None, None, None
    statistics = idata["sample_stats"].to_dataset()
    diverging = _first(statistics, "diverging")
    cut = _first(statistics, "reached_max_treedepth", "maxdepth_reached")
    depth = _first(statistics, "tree_depth", "depth")
    energy = _first(statistics, "energy")
    return (
        None if diverging is None else int(diverging.sum()),
        None if cut is None else float(cut.mean()),
        None if depth is None else int(depth.max()),
        None if energy is None else _smallest_bfmi(energy),
    )


def _sampler(idata: xr.DataTree) -> str:
    """Return the name of the library that drew, as ArviZ has it; '' if it is not known."""
    if "sample_stats" not in idata.children:
        return ""
    return str(idata["sample_stats"].attrs.get("inference_library", ""))


def _first(statistics: xr.Dataset, *names: str) -> np.ndarray | None:
    """Return the statistic that samplers call by one of these names."""
    for name in names:
        if name in statistics:
            return np.asarray(statistics[name].values, dtype=np.float64)
    return None


def _smallest_bfmi(energy: np.ndarray) -> float:
    """Return the smallest energy Bayesian fraction of missing information, energy (chain, draw)."""
    with np.errstate(all="ignore"):
        fractions = np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1)
    return float(fractions.min())


def _divergent(count: int | None, draws: int) -> list[Warned]:
    if not count:
        return []
    return [
        Warned(
            f"{count:,} of {draws:,} draws diverged ({count / draws:.1%}).",
            "There the sampler could not follow the posterior, and the estimates may be biased. "
            "Look where they lie in the pairs plot; take smaller steps (target_accept=0.95, "
            "--target-accept 0.95), "
            "narrower priors, or fewer parameters that vary by group.",
        )
    ]


def _disagreeing(summary: pd.DataFrame, chains: int) -> list[Warned]:
    if chains == 1:
        return [
            Warned(
                "There is one chain only.",
                "One chain cannot show whether it has converged: draw four (chains=4, --chains 4).",
            )
        ]
    bad = summary["r_hat"][~(summary["r_hat"] <= R_HAT)]  # NaN is not to be trusted
    if not len(bad):
        return []
    return [
        Warned(
            f"r-hat is above {R_HAT} for {_listed(bad, largest=True)}.",
            "The chains have not settled on the same distribution: take more draws (tune=2000, "
            "draws=2000, --tune 2000 --draws 2000). If that does not help, the trials may not "
            "tell some parameters apart; fix one of them or give it a narrower prior.",
        )
    ]


def _scarce(summary: pd.DataFrame) -> list[Warned]:
    smallest = summary[["ess_bulk", "ess_tail"]].min(axis=1, skipna=False)
    bad = smallest[~(smallest >= ESS)]
    if not len(bad):
        return []
    return [
        Warned(
            f"The effective sample size is below {ESS:.0f} for {_listed(bad, largest=False)}.",
            "Means are uncertain and intervals more so: take more draws (draws=..., --draws N) or "
            "chains.",
        )
    ]


def _unexplored(bfmi: float | None) -> list[Warned]:
    if bfmi is None or bfmi >= BFMI:
        return []
    return [
        Warned(
            f"The energy fraction of missing information (E-BFMI) is {bfmi:.2f} in the worst "
            f"chain, below {BFMI}.",
            "The sampler explored heavy tails slowly: take more draws, or narrower priors on the "
            "spreads between groups.",
        )
    ]


def _cut_short(deep: float | None, depth: int | None, sampler: str) -> list[Warned]:
    if deep is None or deep <= DEEP:
        return []
    learning = (
        "take more steps of tuning (tune=..., --tune N)" if sampler == "nutpie" else "use nutpie"
    )
    return [
        Warned(
            f"{deep:.0%} of the draws reached the largest tree depth ({depth}).",
            "The draws are valid, but dearly bought and correlated: some parameters are strongly "
            f"correlated or of very different scale. Centre covariates, or {learning}, which "
            "learns correlations.",
        )
    ]


def _outside(share: float) -> list[Warned]:
    if share <= OUTSIDE:
        return []
    return [
        Warned(
            f"{share:.1%} of the draws have a parameter outside the box that the likelihood was "
            "trained on.",
            "Its accuracy there has not been measured. Give narrower priors, or train a "
            "likelihood on a wider box (lk.train).",
        )
    ]


def _listed(values: pd.Series[Any], *, largest: bool) -> str:
    ordered = values.sort_values(ascending=not largest, na_position="first")
    shown = [f"{name} ({value:.4g})" for name, value in ordered.head(NAMED).items()]
    more = len(ordered) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
