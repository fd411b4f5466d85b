"""Lapses: a small share of trials on which any choice is made, whatever the parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from likely.declaration import Parameter
from likely.errors import ParameterError
from likely.trials import CHOICE_UNOBSERVED, NO_RESPONSE, TIME_UNOBSERVED, is_withheld
from likely.typing import FloatArray

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

TABLE = 2**14  # quantiles that PyMC's predictive draws of lapses are taken from
PROBABILITY = Parameter("lapse", 0.001, 0.2, (0.0, 1.0), description="probability of a lapse")


class TimeDensity(Protocol):
    """A distribution of times in seconds, such as a frozen one of `scipy.stats`."""

    def logpdf(self, x: FloatArray) -> Any:
        """Return log densities (n,)."""
        ...

    def logsf(self, x: FloatArray) -> Any:
        """Return log probabilities of later times (n,)."""
        ...

    def ppf(self, q: FloatArray) -> Any:
        """Return quantiles (n,)."""
        ...


@dataclass(frozen=True)
class Lapses:
    """Trials that are lapses: all choices equally probable, at times of a density of their own.

    Without lapses a likelihood that is 0 before the non-decision time lets one early response pull
    the non-decision time below it.

    Args:
        probability: of a lapse, between 0 and 1; None if it is to be estimated, as the parameter
            `lapse`, with a Beta(1, 19) prior unless another is given, or by a formula.
        density: of the times of lapses, such as `scipy.stats.gamma(2, scale=0.5)`; None for all
            times up to the longest one observed, equally probable.

    Raises:
        ParameterError: if the probability is not between 0 and 1, or the density is none.
    """

    probability: float | None = None
    density: TimeDensity | None = None

    def __post_init__(self) -> None:
        """Refuse what is no probability or no density."""
        if self.probability is not None and not 0 < self.probability < 1:
            raise ParameterError(
                f"the lapse probability is {self.probability:g}; it must be between 0 and 1."
            )
        missing = [n for n in ("logpdf", "logsf", "ppf") if not hasattr(self.density, n)]
        if self.density is not None and missing:
            raise ParameterError(
                f"the lapse density has no '{missing[0]}'; give a frozen distribution of "
                "scipy.stats, such as scipy.stats.uniform(0, 5)."
            )

    @property
    def estimated(self) -> bool:
        """Whether the probability is a parameter."""
        return self.probability is None

    def __str__(self) -> str:
        """Describe the lapses in a few words."""
        share = "estimated" if self.probability is None else f"{self.probability:g}"
        return f"{share}, times {self._kind()}"

    def _kind(self) -> str:
        name = str(getattr(getattr(self.density, "dist", None), "name", "a given density"))
        support = getattr(self.density, "support", None)
        if name != "uniform" or support is None:
            return name
        start, end = support()
        return f"uniform from {start:g} to {end:g} s" if start else f"uniform up to {end:g} s"

    def over(self, encoded: FloatArray) -> Lapses:
        """Return lapses with a density: by default uniform up to the longest time of the trials."""
        if self.density is not None:
            return self
        from scipy.stats import uniform

        return replace(self, density=uniform(0.0, longest_time(encoded)))

    def log_density(self, encoded: FloatArray, choices: int) -> FloatArray:
        """Return the log density (n,) of lapses among this many choices at encoded trials (n, 2).

        Times that were not observed contribute the probability of the choice; choices that were
        not, the density of the time; neither by a deadline, the probability of a later lapse; a
        choice that is silent, of that choice or of a later lapse with another.
        """
        assert self.density is not None
        rt, choice = encoded[:, 0], encoded[:, 1]
        silent, timeless = choice == NO_RESPONSE, rt == TIME_UNOBSERVED
        seconds = np.where(timeless, 1.0, rt)
        with np.errstate(divide="ignore"):
            by_time = np.where(timeless, 0.0, self.density.logpdf(seconds))
            late = self.density.logsf(seconds)
        by_choice = np.where(choice == CHOICE_UNOBSERVED, 0.0, -np.log(choices))
        withheld = np.log(1.0 + (choices - 1.0) * np.exp(late)) - np.log(choices)
        timed = np.where(silent, late, by_time + by_choice)
        return np.where(is_withheld(encoded), withheld, timed)

    def dist(self, choices: tuple[int, ...], deadline: FloatArray | None = None) -> TensorVariable:
        """Return lapses among these choices as an unnamed distribution.

        Args:
            choices: the choices of the model.
            deadline: of each trial (n,), infinite where there is none; draws after it are NaN.
        """
        import pymc as pm
        import pytensor.tensor as pt
        from pymc.distributions.shape_utils import rv_size_is_none
        from pymc.pytensorf import constant_fold

        def log_density(value: TensorVariable, *parameters: TensorVariable) -> TensorVariable:
            # What was observed is constant, and lapses have no parameters.
            (encoded,) = constant_fold([value])
            return pt.constant(self.log_density(np.reshape(encoded, (-1, 2)), len(choices)))

        quantiles = np.asarray(self._times((np.arange(TABLE) + 0.5) / TABLE))

        def drawn(among: TensorVariable, limit: TensorVariable, size: Any) -> TensorVariable:
            batch = limit.shape if rv_size_is_none(size) else size
            place, picked = (pm.Uniform.dist(size=batch) for _ in range(2))
            rt = pt.as_tensor(quantiles)[(place * TABLE).astype(int)]
            choice = among[(picked * len(choices)).astype(int)]
            trials = pt.stack([rt, choice], axis=-1)
            return pt.switch(pt.gt(rt, limit)[..., None], np.nan, trials)

        among = np.array(choices, dtype=np.float64)
        limit = np.array(np.inf) if deadline is None else deadline
        return pm.CustomDist.dist(
            among, limit, logp=log_density, dist=drawn, signature="(c),()->(2)"
        )

    def draw(
        self, choices: tuple[int, ...], rng: np.random.Generator, size: tuple[int, ...]
    ) -> FloatArray:
        """Draw lapses (*size, 2)."""
        rt = self._times(rng.random(size))
        return np.stack([rt, rng.choice(np.array(choices, dtype=np.float64), size)], axis=-1)

    def _times(self, q: FloatArray) -> FloatArray:
        """Return quantiles of the times of lapses."""
        assert self.density is not None
        return np.asarray(self.density.ppf(q), dtype=np.float64)

    def scatter(
        self,
        drawn: pd.DataFrame,
        choices: tuple[int, ...],
        seed: int,
        probability: FloatArray | float | None = None,
    ) -> pd.DataFrame:
        """Return drawn trials, columns rt and choice, with some of them replaced by lapses.

        Args:
            drawn: n trials.
            choices: the choices of the model.
            seed: of what is drawn.
            probability: of a lapse, a number or (n,); by default the fixed one.
        """
        rng = np.random.default_rng([seed, _STREAM])
        fixed = 0.0 if self.probability is None else self.probability
        lapsed = rng.random(len(drawn)) < (fixed if probability is None else probability)
        lapses = self.draw(choices, rng, (len(drawn),))
        return drawn.assign(
            rt=np.where(lapsed, lapses[:, 0], drawn["rt"]),
            choice=np.where(lapsed, lapses[:, 1], drawn["choice"]),
        )


def mixed(
    name: str,
    trials: TensorVariable,
    lapses: TensorVariable,
    encoded: FloatArray,
    probability: TensorVariable | float,
    dims: tuple[str, ...] | None = None,
) -> TensorVariable:
    """Add observed trials, lapses among them, to the PyMC model on the stack.

    Args:
        name: name of the variable.
        trials: unnamed distribution (n, 2) of trials that are no lapses.
        lapses: that of lapses.
        encoded: the trials (n, 2), encoded as in `likely.trials`.
        probability: of a lapse, a scalar or (n,).
        dims: the dimension of trials.
    """
    import pymc as pm
    import pytensor.tensor as pt

    from likely.distribution import with_event

    p = pt.as_tensor(probability, dtype="float64")
    weights = pt.stack([1.0 - p, p], axis=-1)
    full = None if dims is None else with_event(dims)
    return pm.Mixture(name, weights, [trials, lapses], observed=encoded, dims=full)


def longest_time(encoded: FloatArray) -> float:
    """Return the longest response time or deadline in encoded trials, 1 s if there is none."""
    times = encoded[np.isfinite(encoded[:, 0]), 0]
    return float(times.max()) if len(times) else 1.0


_STREAM = 0x1A95E  # keeps lapses independent of the trials drawn from the same seed
