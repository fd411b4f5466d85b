"""What compiled code for one accumulator of a race offers, and how numbers lie abreast in a block.

A block is a flat array of fields, each `WIDTH` numbers long and as far from the next: places of one
array at known distances are what the compiler can run on vectors without asking whether they
overlap. Of m parameters there are 2m + 3 fields: times, parameters, logarithms, and the
derivatives of those by time and by parameters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WIDTH = 328  # at least as many as the nodes that a race is integrated over; no power of two
HALF = 160  # places from 0 on are for densities of trials, and from here on for survival


class Accumulator(NamedTuple):
    """Compiled code for the finishing time of one accumulator.

    To add one, write three numba functions, and give them as the `accumulator` of a
    `likely.networks.race.ClosedForm`. The first two fill in the log and, if `wanted`, derivatives
    at the first n places of a block, each of which has a time s > 0 and parameters of its own.
    `fixed` holds the numbers that the form gives. Logarithms are finite.

    Args:
        name: unlike that of any other, and changed whenever the functions are: compiled code is
            kept on disk under it.
        density: of the log density, (fixed, block, n, wanted).
        survival: of the log probability not to have finished, (fixed, block, n, wanted).
        draw: (fixed, parameters (m,), state) -> a finishing time, and the next state of a stream
            (`likely.kernels.rng`).
    """

    name: str
    density: Any
    survival: Any
    draw: Any
