"""The Poisson race: two counters of events (Townsend and Ashby 1983; LaBerge 1962)."""

from __future__ import annotations

from likely.about import About
from likely.declaration import Parameter
from likely.densities.counter import Counter
from likely.densities.race import RaceTwin
from likely.simulators import Simulator
from likely.typing import FloatArray
from likely.zoo.diffusion import NON_DECISION, POSITIVE


def two(rng, r1, r2, k1, k2, t):  # type: ignore[no-untyped-def]
    """Simulate a trial: a counter's time is gamma distributed, whether or not k is whole."""
    first, second = rng.standard_gamma(k1) / r1, rng.standard_gamma(k2) / r2
    return t + min(first, second), 1 if second < first else -1


def counters(row: FloatArray) -> list[Counter]:
    """Return the accumulators at a parameter row."""
    return [Counter(row[0], row[2]), Counter(row[1], row[3])]


def _rate(name: str, choice: str) -> Parameter:
    return Parameter(
        name, 0.001, 20.0, POSITIVE, unit="1/s", description=f"events a second for choice {choice}"
    )


def _threshold(name: str, choice: str) -> Parameter:
    return Parameter(name, 1.0, 20.0, POSITIVE, description=f"events that make choice {choice}")


poisson_race = Simulator(
    "poisson_race",
    parameters={
        "r1": _rate("r1", "-1"),
        "r2": _rate("r2", "+1"),
        "k1": _threshold("k1", "-1"),
        "k2": _threshold("k2", "+1"),
        "t": NON_DECISION,
    },
    choices=(-1, 1),
    simulate=two,
    non_decision="t",
    twin=RaceTwin(counters),
    about=About(
        purpose="Decisions between two options by counting events that arrive at random, such as "
        "spikes; the first counter to be full decides.",
        equations=(
            "T_i ~ Gamma(k_i, r_i): the time of event k_i of a Poisson process at rate r_i",
            "choice -1 if T_1 < T_2, else +1; rt = t + min(T_1, T_2)",
        ),
        source="Townsend and Ashby (1983), The Stochastic Modeling of Elementary Psychological "
        "Processes, chapter 9; LaBerge (1962), Psychometrika 27, 375-396",
    ),
)

POISSON_RACES = (poisson_race,)
