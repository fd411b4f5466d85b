"""Train the likelihoods that come with the package, on exact densities, and certify them.

    python -m likely.shipped.build            # all of them
    python -m likely.shipped.build ddm        # one

A fixed number of steps from a fixed seed, so that anyone can train them again. Each takes about ten
minutes on two cores, and its certificate two more.
"""

from __future__ import annotations

import sys

from likely.certificates.checking import check
from likely.shipped import SHIPPED, SUFFIX
from likely.training import train
from likely.zoo import models

STEPS = 350_000
HIDDEN = {"ddm": (96, 96, 96), "angle": (128, 128, 128)}
COMPONENTS = 8
SEED = 1


def build(name: str) -> None:
    """Train the likelihood of one model, certify it, and write its file beside this script."""
    likelihood = train(
        name, labels="exact", steps=STEPS, seed=SEED, hidden=HIDDEN[name], components=COMPONENTS
    )
    certified = likelihood.certified(check(likelihood))
    path = certified.save(SHIPPED / f"{name}{SUFFIX}")
    print(f"{path.name}: {certified!r}\n{certified.certificate}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or models:
        build(wanted)
