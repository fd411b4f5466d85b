"""Linear ballistic accumulators (Brown and Heathcote 2008).

As in ssm-simulators: the rates' standard deviation is fixed, at 0.1, which sets the scale of the
other parameters; a rate below 0 has its sign changed; and there is no non-decision time.
"""

from __future__ import annotations

import numba

from likely.about import About
from likely.declaration import Parameter
from likely.densities.ballistic import FoldedBallistic
from likely.densities.race import RaceTwin
from likely.simulators import Simulator
from likely.typing import FloatArray
from likely.zoo.diffusion import POSITIVE
from likely.zoo.earliest import earliest

RATE_SD = 0.1

START_RANGE = Parameter("A", 0.0, 1.0, POSITIVE, description="starts are uniform from 0 to A")
BOUNDARY = Parameter("b", 0.0, 1.5, POSITIVE, description="boundary")


@numba.njit(error_model="numpy")
def _rise(rng, A, b, v):  # type: ignore[no-untyped-def]  # noqa: N803
    """Draw when an accumulator finishes."""
    return (b - A * rng.random()) / abs(v + RATE_SD * rng.standard_normal())


def two(rng, A, b, v0, v1):  # type: ignore[no-untyped-def]  # noqa: N803
    """Simulate a trial of two accumulators."""
    return earliest((_rise(rng, A, b, v0), _rise(rng, A, b, v1)))


def three(rng, A, b, v0, v1, v2):  # type: ignore[no-untyped-def]  # noqa: N803
    """Simulate a trial of three accumulators."""
    return earliest((_rise(rng, A, b, v0), _rise(rng, A, b, v1), _rise(rng, A, b, v2)))


def four(rng, A, b, v0, v1, v2, v3):  # type: ignore[no-untyped-def]  # noqa: N803
    """Simulate a trial of four accumulators."""
    first, second = _rise(rng, A, b, v0), _rise(rng, A, b, v1)
    return earliest((first, second, _rise(rng, A, b, v2), _rise(rng, A, b, v3)))


def ballistic(row: FloatArray) -> list[FoldedBallistic]:
    """Return the accumulators at a parameter row."""
    return [FoldedBallistic(v, row[1], row[0], RATE_SD) for v in row[2:]]


def _lba(count: int, simulate) -> Simulator:  # type: ignore[no-untyped-def]
    rates = {
        f"v{i}": Parameter(
            f"v{i}", 0.0, 6.0, unit="1/s", description=f"mean rate of accumulator {i}"
        )
        for i in range(count)
    }
    return Simulator(
        f"lba{count}",
        parameters={"A": START_RANGE, "b": BOUNDARY, **rates},
        choices=tuple(range(count)),
        simulate=simulate,
        twin=RaceTwin(ballistic),
        constraints=("A < b",),
        about=About(
            purpose=f"Decisions between {count} options whose evidence rises in straight lines; "
            "what varies is from trial to trial. A simple account of speed and accuracy.",
            equations=(
                "x_i(s) = k_i + |d_i| s",
                "k_i ~ Uniform(0, A), d_i ~ Normal(v_i, 0.1)",
                "choice i if x_i is the first to reach b; rt = s",
            ),
            source="Brown and Heathcote (2008), Cognitive Psychology 57, 153-178; rates and scale "
            "as in ssm-simulators",
        ),
    )


LBA = (_lba(2, two), _lba(3, three), _lba(4, four))
