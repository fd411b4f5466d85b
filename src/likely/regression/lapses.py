"""Lapses: a small share of trials on which any choice is made at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from likely.errors import ParameterError
from likely.trials import NO_RESPONSE
from likely.typing import FloatArray

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable


@dataclass(frozen=True)
class Lapses:
    """Trials that are lapses with a fixed probability: all choices and times equally probable.

    Without them a likelihood that is 0 before the non-decision time lets one early response pull
    the non-decision time below it.

    Args:
        probability: of a lapse, between 0 and 1.
        longest: time in seconds up to which lapses are uniformly distributed.
        choices: the choices of the model.

    Raises:
        ParameterError: if the probability is not between 0 and 1.
    """

    probability: float
    longest: float
    choices: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if not 0 < self.probability < 1:
            raise ParameterError(
                f"the lapse probability is {self.probability:g}; it must be between 0 and 1."
            )

    def observe(self, name: str, trials: TensorVariable, encoded: FloatArray) -> TensorVariable:
        """Add observed trials, lapses among them, to the PyMC model on the stack.

        Args:
            name: name of the variable.
            trials: unnamed distribution (n, 2) of trials that are no lapses.
            encoded: the trials (n, 2), encoded as in `likely.trials`.
        """
        import pymc as pm

        lapses = pm.CustomDist.dist(
            self.longest,
            np.array(self.choices, dtype=np.float64),
            logp=_log_density,
            random=_draw,
            signature="(),(c)->(2)",
        )
        weights = [1.0 - self.probability, self.probability]
        return pm.Mixture(name, weights, [trials, lapses], observed=encoded)

    def scatter(self, drawn: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Return drawn trials, columns rt and choice, with some of them replaced by lapses."""
        rng = np.random.default_rng([seed, _STREAM])
        lapsed = rng.random(len(drawn)) < self.probability
        lapses = _draw(self.longest, np.array(self.choices, dtype=np.float64), rng, (len(drawn),))
        return drawn.assign(
            rt=np.where(lapsed, lapses[:, 0], drawn["rt"]),
            choice=np.where(lapsed, lapses[:, 1], drawn["choice"]),
        )


def longest_time(encoded: FloatArray) -> float:
    """Return the longest response time or deadline in encoded trials, 1 s if there is none."""
    times = encoded[np.isfinite(encoded[:, 0]), 0]
    return float(times.max()) if len(times) else 1.0


def _log_density(
    value: TensorVariable, longest: TensorVariable, choices: TensorVariable
) -> TensorVariable:
    """Log density of encoded trials (..., 2); see `likely.trials` for the encoding."""
    import pytensor.tensor as pt

    rt, choice = value[..., 0], value[..., 1]
    by_time = pt.switch(pt.isinf(rt), 0.0, -pt.log(longest))
    by_choice = pt.switch(pt.isinf(choice), 0.0, -pt.log(choices.shape[-1]))
    late = pt.log(pt.maximum(1.0 - rt / longest, 0.0))
    possible = pt.or_(pt.isinf(rt), pt.and_(rt > 0.0, rt <= longest))
    responded = pt.switch(possible, by_time + by_choice, -np.inf)
    return pt.switch(pt.eq(choice, NO_RESPONSE), late, responded)


def _draw(
    longest: Any, choices: FloatArray, rng: np.random.Generator, size: Any = None
) -> FloatArray:
    """Draw lapses (*size, 2)."""
    size = () if size is None else tuple(size)
    rt = rng.uniform(0.0, longest, size)
    choice = rng.choice(np.ravel(choices), size)
    return np.stack([rt, choice], axis=-1)


_STREAM = 0x1A95E  # keeps lapses independent of the trials drawn from the same seed
