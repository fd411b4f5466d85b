"""The ways to the demonstration's likelihood: shipped, trained on fresh draws, or classic."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

# What is needed is imported where it is used: JAX takes seconds to import.
if TYPE_CHECKING:
    from likely.likelihood import Likelihood

BOX = {"v": (-3.0, 3.0), "a": (0.3, 2.5), "z": (0.1, 0.9)}
SHIFT = (0.0, 2.0)  # box of the non-decision time, which only the classic road learns

Stage = Callable[[str], AbstractContextManager[None]]
"""Function of a label: the stage that it names."""


@dataclass(frozen=True)
class Workplace:
    """Where and how a likelihood is made.

    Args:
        folder: for what an interrupted run goes on from.
        seed: of everything drawn.
        progress: whether to show progress on stderr.
        stage: announces and times a stage.
    """

    folder: Path
    seed: int
    progress: bool
    stage: Stage


class Road(abc.ABC):
    """A way to a likelihood of the ddm; to add one, define everything below."""

    stages: int
    """How many stages it has."""

    @abc.abstractmethod
    def code(self, seed: int) -> str:
        """Return the code that a user would write for it, for the page."""

    @abc.abstractmethod
    def likelihood(self, at: Workplace) -> Likelihood:
        """Return the likelihood."""

    @abc.abstractmethod
    def story(self, likelihood: Likelihood) -> str:
        """Say how it came about."""


@dataclass(frozen=True)
class Shipped(Road):
    """Load the likelihood that comes with the package."""

    stages = 1

    def code(self, seed: int) -> str:
        """Return the code that does it."""
        return 'lik = lk.load("ddm")'

    def likelihood(self, at: Workplace) -> Likelihood:
        """Return the shipped likelihood."""
        with at.stage("loading the likelihood that comes with likely"):
            from likely.likelihood import load

            return load("ddm")

    def story(self, likelihood: Likelihood) -> str:
        """Say how it was trained."""
        return _mixture_story(likelihood)


@dataclass(frozen=True)
class Fresh(Road):
    """Train a mixture on fresh draws.

    Args:
        seconds: how long; with everything else the demonstration takes under two minutes.
    """

    seconds: float = 45.0
    stages = 1

    def code(self, seed: int) -> str:
        """Return the code that does it."""
        return f"""
{_model_code(BOX)}
lik = lk.train(ddm, seconds={self.seconds:g}, seed={seed}, labels="draws")
"""

    def likelihood(self, at: Workplace) -> Likelihood:
        """Train and return a likelihood."""
        with at.stage(f"training a likelihood from simulations, {self.seconds:g} s"):
            from likely.training import train
            from likely.zoo import models

            model = models["ddm"].with_box(**BOX)
            return train(
                model, seconds=self.seconds, seed=at.seed, labels="draws", progress=at.progress
            )

    def story(self, likelihood: Likelihood) -> str:
        """Say how it was trained."""
        return _mixture_story(likelihood)


@dataclass(frozen=True)
class Classic(Road):
    """Generate a training set, and train a LAN and a CPN on it.

    The published scale is 20 files of 1,000 parameter sets each.

    Args:
        sets: parameter sets.
        draws: simulated trials a parameter set.
        points: labelled points a parameter set.
        epochs: of the LAN.
    """

    sets: int = 10_000
    draws: int = 10_000
    points: int = 1_000
    epochs: int = 10
    stages = 3

    def code(self, seed: int) -> str:
        """Return the code that does it."""
        return f"""
{_model_code({**BOX, "t": SHIFT})}
labelling = lk.Labelling(draws={self.draws:_}, points={self.points:_})
lk.generate(ddm, "set.zarr", sets={self.sets:_}, labelling=labelling,
            seed={seed})
data = lk.TrainingSet("set.zarr")
lan = lk.train_lan(data, recipe=lk.Recipe(epochs={self.epochs}), seed={seed})
cpn = lk.train_cpn(data, seed={seed})
lik = lk.from_networks(lan, cpn)
"""

    def likelihood(self, at: Workplace) -> Likelihood:
        """Generate, train and return a likelihood; an interrupted run goes on where it was."""
        store = at.folder / f"training-{at.seed}.zarr"
        with at.stage(f"labelling {self.sets:,} parameter sets of {self.draws:,} trials each"):
            from likely.dataset.generation import generate
            from likely.dataset.reading import TrainingSet
            from likely.labels import Labelling
            from likely.lan import LAN, from_networks, train_cpn, train_lan
            from likely.zoo import models

            labelling = Labelling(draws=self.draws, points=self.points)
            model = models["ddm"].with_box(**BOX, t=SHIFT)
            generate(
                model, store, sets=self.sets, labelling=labelling, seed=at.seed,
                progress=at.progress,
            )  # fmt: skip
            data = TrainingSet(store)
        options: dict[str, Any] = {"seed": at.seed, "progress": at.progress}
        with at.stage(f"training a LAN on {len(data.densities):,} points, {self.epochs} epochs"):
            kept = store.with_suffix(".lan.checkpoint")
            lan = train_lan(
                data, recipe=replace(LAN, epochs=self.epochs), checkpoint=kept, **options
            )
        with at.stage("training a CPN on the choice probabilities"):
            cpn = train_cpn(data, checkpoint=store.with_suffix(".cpn.checkpoint"), **options)
        return from_networks(lan, cpn)

    def story(self, likelihood: Likelihood) -> str:
        """Say how it was trained."""
        t = likelihood.training
        return (
            f"{self.sets:,} parameter sets were drawn and {self.draws:,} trials of each simulated. "
            "Kernel density estimates of the logarithm of the decision time turned them into "
            f"{self.sets * self.points:,} points with a log density. A likelihood approximation "
            "network (LAN) of parameters, time and choice learnt these labels under a Huber loss, "
            "a choice probability network (CPN) of the parameters alone the shares of the choices "
            f"under a cross-entropy, in {t.seconds:.0f} seconds. Nothing makes such a density "
            "integrate to one."
        )


def _model_code(box: Mapping[str, tuple[float, float]]) -> str:
    """Return code for the ddm with this box."""
    limits = ", ".join(f"{name}=({low:g}, {high:g})" for name, (low, high) in box.items())
    return f'ddm = lk.models["ddm"].with_box(\n    {limits})'


def _mixture_story(likelihood: Likelihood) -> str:
    t = likelihood.training
    size = f"A network of {likelihood.weights.size:,} weights"
    learnt = f"learnt from {t.draws / 1e6:,.0f} million simulated trials in {t.seconds:.0f} seconds"
    return (
        f"{size} {learnt}, by maximum likelihood: it maps parameters to a mixture of inverse "
        "Gaussians per choice, so its densities sum to one and no response comes before the "
        "non-decision time, whatever the weights."
    )
