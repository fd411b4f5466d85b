"""How each likelihood that comes with the package is made."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from likely.assembly import assembly_of
from likely.likelihood import Likelihood, Training, load
from likely.model import Model
from likely.networks.ballistic import FoldedBallistic
from likely.networks.delayed import DelayedDensity
from likely.networks.density import Density
from likely.networks.gamma import Gamma
from likely.networks.lognormal import Lognormal
from likely.networks.mixture import MixtureDensity
from likely.networks.normal_delay import NormallyDelayedDensity
from likely.networks.parallel import ParallelDensity
from likely.networks.race import AccumulatorForm, RaceDensity
from likely.networks.rewired import RewiredDensity
from likely.networks.wald import Wald
from likely.networks.wiring import Wire, Wiring
from likely.shipped import CLOSED_FORM
from likely.training import train

SEED = 1
COMPONENTS = 8


class Recipe(abc.ABC):
    """How a likelihood is made. To add a way, define `likelihood`."""

    @abc.abstractmethod
    def likelihood(self, model: Model) -> Likelihood:
        """Make the likelihood of a model."""


@dataclass(frozen=True)
class Trained(Recipe):
    """Train a network, on exact densities or on simulations made once.

    Args:
        steps: of optimisation.
        sets: parameter sets that are solved or simulated.
        hidden: widths of the network's hidden layers.
        labels: "exact" or "draws".
    """

    steps: int = 120_000
    sets: int = 30_000
    hidden: tuple[int, ...] = (96, 96, 96)
    labels: str = "exact"

    def likelihood(self, model: Model) -> Likelihood:
        """Train the model."""
        return train(
            model, labels=self.labels, steps=self.steps, sets=self.sets, seed=SEED,
            hidden=self.hidden, components=COMPONENTS,
        )  # fmt: skip


@dataclass
class TrainedAccumulator(Recipe):
    """Train one accumulator of a race, or take it from a race made before whose is the same.

    Args:
        training: how.
    """

    training: Trained

    def __post_init__(self) -> None:
        """Begin with none."""
        self._made: dict[Any, Likelihood] = {}

    def likelihood(self, model: Model) -> Likelihood:
        """Train the accumulator, and make the race from it."""
        assembly = assembly_of(model)
        assert assembly is not None, f"the accumulators of '{model.name}' are not independent"
        part: Any = assembly.part
        key = (part.declaration, part.drift, part.boundary, part.start)
        if key not in self._made:
            self._made[key] = self.training.likelihood(part)
        made = self._made[key]
        density = assembly.density(made.density.form.mixture)  # type: ignore[attr-defined]
        return Likelihood(density, made.weights, made.training)


@dataclass(frozen=True)
class ClosedForm(Recipe):
    """Write down a race whose accumulators have a closed form.

    Args:
        form: of the accumulators.
        wiring: for each choice, what the parameters of its accumulator are.
    """

    form: AccumulatorForm
    wiring: Wiring

    def likelihood(self, model: Model) -> Likelihood:
        """Return the density as it is."""
        density = RaceDensity(model.declaration, self.form, self.wiring)
        record = Training(CLOSED_FORM, 0, 0, 0, 0.0, version("likely"))
        return Likelihood(density, density.flatten({}), record)


@dataclass(frozen=True)
class From(Recipe, abc.ABC):
    """Make a likelihood from the mixture of another one that is shipped.

    Args:
        other: the name of that one, which is made before.
    """

    other: str

    def likelihood(self, model: Model) -> Likelihood:
        """Load the other one and put its mixture to use."""
        made = load(self.other)
        assert isinstance(made.density, MixtureDensity)
        return Likelihood(self.density(model, made.density), made.weights, made.training)

    @abc.abstractmethod
    def density(self, model: Model, mixture: MixtureDensity) -> Density:
        """Return the model's density, which has the mixture's weights."""


@dataclass(frozen=True)
class Spread(From):
    """Let the non-decision time vary."""

    def density(self, model: Model, mixture: MixtureDensity) -> Density:
        """Return a delayed mixture."""
        return DelayedDensity(model.declaration, mixture)


@dataclass(frozen=True)
class NormalDelay(From):
    """Let the non-decision time be normal.

    Args:
        mean: name of its mean.
        sd: name of its standard deviation.
    """

    mean: str
    sd: str

    def density(self, model: Model, mixture: MixtureDensity) -> Density:
        """Return a normally delayed mixture."""
        return NormallyDelayedDensity(model.declaration, mixture, self.mean, self.sd)


@dataclass(frozen=True)
class Parallel(From):
    """Let three of them run in parallel.

    Args:
        wiring: what the parameters of the first and both second stages are.
    """

    wiring: Wiring

    def density(self, model: Model, mixture: MixtureDensity) -> Density:
        """Return parallel mixtures."""
        return ParallelDensity(model.declaration, mixture, self.wiring)


@dataclass(frozen=True)
class SpecialCase(From):
    """Tie or fix some of its parameters.

    Args:
        wires: what its parameters are, but for those of the same name.
    """

    wires: tuple[tuple[str, Wire], ...]

    def density(self, model: Model, mixture: MixtureDensity) -> Density:
        """Return the mixture, rewired."""
        wires = dict(self.wires)
        wiring = tuple(wires.get(name, name) for name in mixture.declaration.names)
        return RewiredDensity(model.declaration, mixture, (wiring,))


_ACCUMULATOR = TrainedAccumulator(Trained(100_000, hidden=(64, 64, 64)))
_FALLING = TrainedAccumulator(Trained(300_000, 100_000, hidden=(64, 64, 64)))


def _numbered(names: tuple[Wire, ...], count: int) -> Wiring:
    """Return the wiring of accumulators whose own parameters end in their number, written v#."""
    return tuple(
        tuple(n.replace("#", str(i)) if isinstance(n, str) else n for n in names)
        for i in range(count)
    )


def _stages(*shared: Wire, starts: tuple[Wire, Wire, Wire]) -> Wiring:
    """Return the wiring of three stages: drift, boundary, start, and a non-decision time of 0."""
    drifts = ("vh", "vl1", "vl2")
    return tuple((v, "a", z, 0.0, *shared) for v, z in zip(drifts, starts, strict=True))


def _same_start(count: int, start: Wire) -> tuple[tuple[str, Wire], ...]:
    return tuple((f"z{i}", start) for i in range(count))


_RACES = [f"race{kind}_{n}" for kind in ("", "_no_bias", "_no_z") for n in (2, 3, 4)]
_ANGLES = [f"race{kind}_angle_{n}" for kind in ("_no_bias", "_no_z") for n in (2, 3, 4)]
_NARROW, _WIDE = (48, 48, 48), (128, 128, 128)
_SIMULATED = Trained(60_000, 150_000, _WIDE, labels="draws")
_MIDWAY = (0.5, 0.5, 0.5)
_UNBIASED: tuple[tuple[str, Wire], ...] = (("zh", 0.5), ("zl1", 0.5), ("zl2", 0.5))

RECIPES: Mapping[str, Recipe] = {
    "ddm": Trained(350_000, 100_000, _NARROW),
    "angle": Trained(350_000, 100_000, _WIDE),
    "ddm_st": Spread("ddm"),
    "ddm_normal_st": NormalDelay("ddm", "t", "st"),
    "ddm_truncnormt": NormalDelay("ddm", "mt", "st"),
    "ddm_sdv": Trained(),
    "full_ddm": Trained(),
    "weibull": Trained(60_000, hidden=_WIDE),
    "exponential": Trained(hidden=_WIDE),
    "hyperbolic": Trained(hidden=_WIDE),
    "logistic": Trained(200_000, hidden=_WIDE),
    "ornstein": Trained(),
    "ornstein_angle": Trained(120_000, hidden=_WIDE),
    "gamma_drift": Trained(60_000, hidden=_WIDE),
    "gamma_drift_angle": Trained(60_000, hidden=_WIDE),
    "shrink_spot": Trained(60_000, 60_000, _WIDE),
    "conflict_ds": Trained(60_000, 40_000, _WIDE),
    "conflict_stimflex": Trained(100_000, 100_000, _WIDE),
    "levy": Trained(60_000, 150_000, labels="draws"),
    "levy_angle": _SIMULATED,
    **dict.fromkeys(_RACES, _ACCUMULATOR),
    **dict.fromkeys(_ANGLES, _FALLING),
    **{
        f"lba{n}": ClosedForm(FoldedBallistic(0.1), _numbered(("A", "b", "v#"), n))
        for n in (2, 3, 4)
    },
    **{
        f"racing_diffusion_{n}": ClosedForm(Wald(), _numbered(("v#", "A", "b"), n))
        for n in (2, 3, 4)
    },
    **{
        f"lognormal_race_{n}": ClosedForm(Lognormal(), _numbered(("m#", "sigma"), n))
        for n in (2, 3, 4)
    },
    "poisson_race": ClosedForm(Gamma(), (("r1", "k1"), ("r2", "k2"))),
    "lca_3": _SIMULATED,
    "lca_4": _SIMULATED,
    "lca_no_bias_3": SpecialCase("lca_3", _same_start(3, "z")),
    "lca_no_bias_4": SpecialCase("lca_4", _same_start(4, "z")),
    "lca_no_z_3": _SIMULATED,
    "lca_no_z_4": _SIMULATED,
    "lca_no_bias_angle_3": _SIMULATED,
    "lca_no_bias_angle_4": _SIMULATED,
    "lca_no_z_angle_3": SpecialCase("lca_no_bias_angle_3", (("z", 0.0),)),
    "lca_no_z_angle_4": SpecialCase("lca_no_bias_angle_4", (("z", 0.0),)),
    "ddm_par2": Parallel("ddm", _stages(starts=("zh", "zl1", "zl2"))),
    "ddm_par2_no_bias": Parallel("ddm", _stages(starts=_MIDWAY)),
    "ddm_par2_angle_no_bias": Parallel("angle", _stages("theta", starts=_MIDWAY)),
    "ddm_seq2": Trained(60_000, hidden=_WIDE),
    "ddm_seq2_no_bias": SpecialCase("ddm_seq2", _UNBIASED),
    "ddm_mic2_adj": _SIMULATED,
    "ddm_mic2_adj_no_bias": SpecialCase("ddm_mic2_adj", _UNBIASED),
}
