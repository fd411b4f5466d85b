"""Train the likelihoods that come with the package.

    python -m likely.shipped.build            # all of them
    python -m likely.shipped.build ddm        # one

A fixed number of steps from a fixed seed, so that anyone can train them again. Each takes about ten
minutes on two cores.
"""

from __future__ import annotations

import sys

from likely.shipped import SHIPPED, SUFFIX
from likely.training import train
from likely.zoo import models

STEPS = 60_000
HIDDEN = (96, 96, 96)
COMPONENTS = 10
SEED = 1


def build(name: str) -> None:
    """Train the likelihood of one model and write its file beside this script."""
    likelihood = train(models[name], steps=STEPS, seed=SEED, hidden=HIDDEN, components=COMPONENTS)
    path = likelihood.save(SHIPPED / f"{name}{SUFFIX}")
    print(f"{path.name}: {likelihood!r}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or models:
        build(wanted)
