"""One look for all figures: colours that colour-blind people tell apart, few lines, large type."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from likely.declaration import Declaration
from likely.plots.columns import ANY

# Okabe and Ito's palette, in an order in which neighbours differ in lightness too.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
TITLE = 30  # characters that stand above a narrow panel
ZERO_WIDTH = "\u200b"  # where a word may be broken
LARGE = 1e15  # from which on not all whole numbers are written out
INK = "#1F2933"
PALE = "#9AA5B1"
SHADE = "#E4E7EB"

STYLE = {
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 11.5,
    "figure.facecolor": "white",
    "font.size": 11,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 10,
    "ytick.color": INK,
    "ytick.labelsize": 10,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style; as a decorator or in a `with` statement."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """Return the axes, or those of a new figure of this size in inches."""
    return Figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax


def choice_colours(choices: Sequence[int]) -> dict[int, ColorType]:
    """Return a colour for each choice."""
    return {c: COLOURS[i % len(COLOURS)] for i, c in enumerate(choices)}


def scale(values: Sequence[float] | np.ndarray) -> ScalarMappable:
    """Return colours for these numbers: dark for low ones, light but visible for high ones."""
    low, high = float(np.min(values)), float(np.max(values))
    return ScalarMappable(Normalize(low, high if high > low else low + 1.0), _dark_to_light())


def shade(shades: ScalarMappable, value: float) -> ColorType:
    """Return the colour of one number."""
    red, green, blue, alpha = shades.to_rgba(np.array([value]))[0]
    return (float(red), float(green), float(blue), float(alpha))


def write_at_end(ax: Axes, text: str, *, top: bool, colour: ColorType = INK) -> None:
    """Write text in the upper or lower right corner of the axes."""
    y, side = (0.97, "top") if top else (0.03, "bottom")
    ax.text(0.98, y, text, color=colour, transform=ax.transAxes, ha="right", va=side, weight="bold")


def _dark_to_light() -> Colormap:
    """Viridis without the yellow that vanishes on white."""
    return ListedColormap(mpl.colormaps["viridis"](np.linspace(0.0, 0.88, 256)))


def parameter_label(declaration: Declaration, name: str) -> str:
    """Return what to write on the axis of a parameter: description, name and unit."""
    p = next(p for p in declaration.parameters if p.name == name)
    unit = f" ({p.unit})" if p.unit else ""
    return f"{p.description} {name}{unit}".strip()


def choice_label(choice: int, choices: Sequence[int]) -> str:
    """Return a choice as it is written: signed if choices are boundaries."""
    if choice == ANY:
        return "not observed"
    return f"{choice:+d}".replace("-", "\N{MINUS SIGN}") if min(choices) < 0 else str(choice)


def broken(text: str, width: int) -> str:
    """Break a title into lines at spaces, or else after signs that stand between words."""
    spaced = re.sub(r"(?<=[:_|,])(?=\S)", ZERO_WIDTH, text)
    lines: list[str] = []
    line = ""
    for piece in re.split(rf"({ZERO_WIDTH}| )", spaced):
        if line and len(line) + len(piece) > width and piece not in (ZERO_WIDTH, " "):
            lines.append(line.rstrip())
            line = ""
        line += piece.replace(ZERO_WIDTH, "")
    return "\n".join([*lines, line.strip()])


def number(value: float) -> str:
    """Return a number as it is written, with a true minus sign."""
    whole = math.isfinite(value) and abs(value) < LARGE and value == int(value)
    return (f"{value:.0f}" if whole else f"{value:g}").replace("-", "\N{MINUS SIGN}")
