"""How a model makes choices and response times, in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.typing import ColorType

from likely.errors import ParameterError
from likely.likelihood import Likelihood
from likely.model import Model
from likely.paths import Paths, sample_paths
from likely.plots.known_density import KnownDensity, known_density
from likely.plots.response_times import response_times
from likely.plots.style import (
    INK,
    PALE,
    SHADE,
    axes_or_new,
    choice_colours,
    choice_label,
    house_style,
    number,
)
from likely.plots.typical import typical_row
from likely.simulation import simulate
from likely.typing import FloatArray, Theta
from likely.zoo import resolve

LATE = 0.98  # quantile of the response times at which the time axis ends
TALL = 0.8  # height of histograms, as a share of the boundary's
GAP = 0.04  # between boundary and histograms, likewise
BINS = 70
GRID = 500
MIRRORED_PATHS, RACES = 10, 2  # trials whose evidence is drawn


@dataclass(frozen=True)
class _Scene:
    """What a cartoon shows at one parameter row.

    Args:
        model: the model.
        row: its parameters, (p,).
        trials: simulated ones.
        end: where the time axis ends, in seconds.
        density: drawn over the histograms, if there is one.
    """

    model: Model
    row: FloatArray
    trials: pd.DataFrame
    end: float
    density: KnownDensity | None

    @property
    def onset(self) -> float:
        return float(self.model.declaration.onset(self.row[None])[0])

    @property
    def colours(self) -> dict[int, ColorType]:
        return choice_colours(self.model.choices)

    def share(self, choice: int) -> float:
        return float(np.mean(self.trials["choice"] == choice))

    def named(self, choice: int) -> str:
        return f"choice {choice_label(choice, self.model.choices)}: {self.share(choice):.1%}"

    def histograms(self) -> tuple[FloatArray, dict[int, FloatArray]]:
        """Return edges (BINS + 1,) and, for each choice, densities (BINS,)."""
        edges = np.linspace(0.0, self.end, BINS + 1)
        width, total = edges[1], len(self.trials)
        rt, choice = self.trials["rt"].to_numpy(), self.trials["choice"].to_numpy()
        return edges, {
            c: np.histogram(rt[choice == c], edges)[0] / (total * width) for c in self.colours
        }

    def curves(self) -> tuple[FloatArray, dict[int, FloatArray]] | None:
        """Return response times and, for each choice, the known density there, if it is known."""
        if self.density is None:
            return None
        rt = self.onset + np.linspace(0.0, self.end - self.onset, GRID)[1:]
        try:
            values = self.density.values(self.row, rt)
        except ParameterError:
            return None
        return rt, dict(zip(self.model.choices, values.T, strict=True))


@house_style()
def cartoon(
    model: Model | str,
    theta: Theta | None = None,
    *,
    likelihood: Likelihood | None = None,
    n: int = 20_000,
    paths: int | None = None,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw sample paths of evidence, the boundaries, and response times of each choice.

    Between two boundaries, response times stand above the upper boundary and hang below the lower
    one. In races each accumulator has the colour of its choice. A model without evidence shows
    response times alone. Lines over the histograms are the density of the likelihood, or, without
    one, the exact density, if there is one.

    Args:
        model: a model, or the name of one in `likely.models`.
        theta: one row of parameters; by default a typical one.
        likelihood: whose density is drawn; by default the shipped one.
        n: number of simulated trials in the histograms.
        paths: number of trials whose evidence is drawn; by default 10, or 2 of a race.
        seed: any integer from 0 to 2^64 - 1.
        ax: axes to draw into; new ones by default.

    Raises:
        ParameterError: parameters that do not fit the model or lie outside its box, more than one
            row of them, or a likelihood of other parameters.
    """
    model, ax = resolve(model), axes_or_new(ax, (7.2, 4.8))
    scene = _scene(model, theta, likelihood, n, seed)
    until = scene.end - scene.onset
    drawn = sample_paths(model, scene.row, until, paths or MIRRORED_PATHS, seed)
    if drawn is None:
        response_times(scene.trials, choices=model.choices, limit=scene.end, ax=ax)
        _curves_alone(ax, scene)
    elif drawn.mirrored:
        _mirrored(ax, scene, drawn)
    else:
        _race(ax, scene, drawn, paths or RACES)
    ax.set_xlim(0.0, scene.end)
    ax.set_title(_title(scene), loc="left", fontsize=10)
    return ax


def _scene(
    model: Model, theta: Theta | None, likelihood: Likelihood | None, n: int, seed: int
) -> _Scene:
    rows = typical_row(model.declaration)[None] if theta is None else model.declaration.rows(theta)
    if len(rows) != 1:
        raise ParameterError(f"theta has {len(rows)} rows; a cartoon shows one.")
    trials = simulate(model, rows, n, seed=seed)
    rt = trials["rt"].dropna()
    onset = float(model.declaration.onset(rows)[0])
    end = float(rt.quantile(LATE)) if len(rt) else onset + 1.0
    return _Scene(model, rows[0], trials, end, known_density(model, likelihood))


def _mirrored(ax: Axes, scene: _Scene, paths: Paths) -> None:
    """Draw evidence between two boundaries, with response times beyond each."""
    top = float(paths.boundary.max())
    time = scene.onset + paths.times
    ax.axvspan(0.0, scene.onset, color=SHADE, alpha=0.6, lw=0)
    _word_of_delay(ax, scene, 0.0)
    _stack(ax, scene, {c: (s, s * (1.0 + GAP) * top) for c, s in _signs(scene)}, TALL * top)
    colours = list(scene.colours.values())
    for path, choice in zip(paths.evidence[:, 0], paths.choices, strict=True):
        colour = PALE if choice < 0 else colours[choice]
        _path(ax, time, path, colour, choice >= 0, 0.8, 0.65)
    _boundaries(ax, time, paths)
    for choice, sign in _signs(scene):
        ax.text(0.985, 0.5 + 0.47 * sign, scene.named(choice), color=scene.colours[choice],
                transform=ax.transAxes, ha="right", va="top" if sign > 0 else "bottom",
                weight="bold")  # fmt: skip
    limit = (1.0 + GAP + 1.12 * TALL) * top
    first = float(paths.boundary[0, 0])
    ax.set_ylim(-limit, limit)
    ax.set_yticks([-first, 0.0, first], [number(float(f"{y:.2g}")) for y in (-first, 0.0, first)])
    ax.set(xlabel="response time (s)", ylabel="evidence")


def _race(ax: Axes, scene: _Scene, paths: Paths, shown: int) -> None:
    """Draw accumulators below their boundary, with response times of all choices above it."""
    top = float(paths.boundary.max())
    time = scene.onset + paths.times
    ax.axvspan(0.0, scene.onset, color=SHADE, alpha=0.6, lw=0)
    _word_of_delay(ax, scene, 0.5 * top)
    base = (1.0 + GAP) * top
    _stack(ax, scene, dict.fromkeys(scene.colours, (1.0, base)), TALL * top)
    for trial, (evidence, winner) in enumerate(
        zip(paths.evidence[:shown], paths.choices, strict=False)
    ):
        for i, (path, colour) in enumerate(zip(evidence, scene.colours.values(), strict=True)):
            won = i == winner
            _path(ax, time, path, colour, won, 1.3 if won else 0.8, 1.0 if trial == 0 else 0.45)
    _boundaries(ax, time, paths)
    floor = min(0.0, float(np.nanmin(paths.evidence[:shown])))
    ax.set_ylim(floor - 0.03 * top, base + 1.1 * TALL * top)
    ticks = [0.0, float(paths.boundary[:, 0].max())]
    ax.set_yticks(ticks, [number(float(f"{y:.2g}")) for y in ticks])
    low, high = ax.get_ylim()
    ax.set_xlabel("response time (s)")
    ax.set_ylabel("evidence", y=(0.5 * (floor + top) - low) / (high - low))
    handles = [Patch(color=c, alpha=0.6, label=scene.named(k)) for k, c in scene.colours.items()]
    ax.legend(handles=handles, loc="upper right", fontsize=9)


def _boundaries(ax: Axes, time: FloatArray, paths: Paths) -> None:
    """Draw boundaries until they meet 0."""
    for boundary in paths.boundary:
        met = np.append(np.flatnonzero(boundary <= 0.0), len(time) - 1)[0] + 1
        for sign in (-1.0, 1.0) if paths.mirrored else (1.0,):
            ax.plot(time[:met], sign * boundary[:met], color=INK, lw=2.0)


def _stack(ax: Axes, scene: _Scene, places: dict[int, tuple[float, float]], height: float) -> None:
    """Draw each choice's histogram and density on its base line, the tallest `height` tall.

    Args:
        ax: where to draw.
        scene: what to draw.
        places: choice -> (sign of its heights, base line).
        height: of the tallest histogram, in units of evidence.
    """
    edges, heights = scene.histograms()
    scale = height / max(max(float(h.max()) for h in heights.values()), 1e-12)
    curves = scene.curves()
    apart = len(set(places.values())) > 1
    for choice, (sign, base) in places.items():
        colour, values = scene.colours[choice], base + sign * scale * heights[choice]
        alpha = 0.4 if apart else 0.15
        ax.stairs(values, edges, baseline=base, fill=True, color=colour, alpha=alpha, lw=0)
        if not apart and curves is None:
            ax.stairs(values, edges, baseline=base, color=colour, lw=1.2)
        ax.plot([0.0, scene.end], [base, base], color=PALE, lw=0.6, zorder=0.5)
        if curves is not None:
            rt, densities = curves
            line = base + sign * scale * densities[choice]
            ax.plot(rt, line, color=colour, lw=1.5)
    _name_curve(ax, scene, curves is not None)


def _path(
    ax: Axes, time: FloatArray, path: FloatArray, colour: ColorType, decided: bool, width: float,
    alpha: float,
) -> None:  # fmt: skip
    ax.plot(time, path, color=colour, lw=width, alpha=alpha)
    if decided:
        last = int(np.flatnonzero(np.isfinite(path))[-1])
        ax.plot(time[last], path[last], "o", color=colour, ms=3.5, zorder=4)


def _word_of_delay(ax: Axes, scene: _Scene, y: float) -> None:
    """Name the non-decision time in its span, if there is room."""
    if scene.onset > 0.05 * scene.end:
        words = "non-decision time" if scene.model.declaration.spread is None else "earliest onset"
        ax.text(0.5 * scene.onset, y, words, rotation=90, ha="center", va="center", fontsize=9,
                color=PALE)  # fmt: skip


def _name_curve(ax: Axes, scene: _Scene, drawn: bool) -> None:
    if drawn and scene.density is not None:
        text = f"lines: {scene.density.label}\nfilled: simulated"
    else:
        text = "filled: simulated"
    ax.text(0.012, 0.985, text, transform=ax.transAxes, va="top", fontsize=8.5, color=PALE,
            bbox={"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 1.0})  # fmt: skip


def _curves_alone(ax: Axes, scene: _Scene) -> None:
    """Draw the known density over histograms that stand alone."""
    curves = scene.curves()
    if curves is None:
        return
    rt, densities = curves
    signs = dict(_signs(scene)) if len(scene.colours) == 2 else dict.fromkeys(scene.colours, 1.0)
    for choice, colour in scene.colours.items():
        ax.plot(rt, signs[choice] * densities[choice], color=colour, lw=1.5)
    legend = ax.get_legend()
    if legend is not None:
        return
    _name_curve(ax, scene, True)


def _signs(scene: _Scene) -> list[tuple[int, float]]:
    """Return each of two choices with the side of its boundary."""
    return list(zip(scene.model.choices, (-1.0, 1.0), strict=True))


def _title(scene: _Scene) -> str:
    given = zip(scene.model.declaration.names, scene.row.tolist(), strict=True)
    return _wrapped([f"{name} = {number(float(f'{value:.2g}'))}" for name, value in given])


def _wrapped(words: Sequence[str], most: int = 9) -> str:
    lines = [words[i : i + most] for i in range(0, len(words), most)]
    return "\n".join(",  ".join(line) for line in lines)
