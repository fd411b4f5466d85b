"""How much work a certificate is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How many parameter sets, data sets and draws a likelihood is checked with.

    Args:
        sets: parameter sets at which densities are compared with exact ones.
        gradients: those, of these, at which gradients are.
        posteriors: true parameter sets whose posteriors are compared.
        trials: numbers of trials of their data sets, ascending.
        simulated: parameter sets whose fresh draws are compared with the density.
        draws: trials at each of them.
        simulates_always: whether draws are also made for models that have an exact density.
    """

    sets: int
    gradients: int
    posteriors: int
    trials: tuple[int, ...]
    simulated: int
    draws: int
    simulates_always: bool


FULL = Effort(
    sets=1000, gradients=200, posteriors=20, trials=(100, 1000, 10_000),
    simulated=200, draws=1000, simulates_always=True,
)  # fmt: skip
QUICK = Effort(
    sets=200, gradients=50, posteriors=10, trials=(100, 1000),
    simulated=100, draws=500, simulates_always=False,
)  # fmt: skip
