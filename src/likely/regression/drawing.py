"""Trials drawn from a regression: lapses among them, and nothing later than a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from likely.regression.lapses import PROBABILITY, Lapses
from likely.trials import cut_off
from likely.typing import FloatArray

if TYPE_CHECKING:
    from likely.likelihood import Likelihood


def drawn_trials(
    likelihood: Likelihood,
    lapses: Lapses | None,
    theta: Mapping[str, FloatArray],
    deadline: FloatArray | None,
    seed: int,
    silent: float | None = None,
) -> FloatArray:
    """Return one trial (n, 2), rt and choice, for each of n parameter rows.

    Args:
        likelihood: of the trials that are no lapses.
        lapses: trials among them that it does not describe.
        theta: parameter -> (n,), with the probability of a lapse if that is estimated.
        deadline: of each trial (n,), infinite where there is none; None without any. Later times,
            and their choices, are NaN.
        seed: of what is drawn.
        silent: a choice on which nothing is seen until the deadline, which late responses are not
            told from.
    """
    own = {name: values for name, values in theta.items() if name in likelihood.declaration.names}
    drawn = likelihood.sample(own, 1, seed)
    if lapses is not None:
        choices = likelihood.declaration.choices
        drawn = lapses.scatter(drawn, choices, seed, theta.get(PROBABILITY.name))
    trials: FloatArray = drawn[["rt", "choice"]].to_numpy()
    return trials if deadline is None else cut_off(trials, deadline, silent)
