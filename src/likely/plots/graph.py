"""The graph of a PyMC model, drawn without any program besides matplotlib."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Patch
from pymc.model_graph import ModelGraph, NodeType, get_node_type
from pytensor.graph.basic import Constant, Variable

from likely.plots.graph_layout import Node, layout
from likely.plots.style import INK, PALE, SHADE, axes_or_new, house_style

WIDTH, HEIGHT = 1.95, 0.92  # of a node, in units of the axes
INCHES = 0.72  # a unit of the axes
LINE = 14  # letters; longer names take two lines, still longer ones smaller letters
RANDOM = NodeType.FREE_RV, NodeType.OBSERVED_RV
BREAKS = r"(?<=.)_sigma$", r"(?<=.)[|]", r"(?<=.)[:\[(]", r"(?<=.)[_ ]"  # the best first
BY_TRIAL = "__obs__"  # what Bambi calls the dimension of trials
LETTER = 0.1  # width of a plate's label, a letter
MARGIN = WIDTH / 2 + 0.3, HEIGHT / 2 + 0.6  # of the axes beyond the centres of nodes


@house_style()
def model_graph(model: pm.Model, *, ax: Axes | None = None) -> Axes:
    """Draw the variables of a PyMC model, what depends on what, and the plates they repeat in.

    Ellipses are random variables, shaded if observed; boxes are data and deterministic variables.
    What Bambi makes of unit normals and an sd, such as non-centred group effects, is drawn as the
    normal that it is.

    Args:
        model: any model with named variables.
        ax: axes to draw into; new ones, as large as the graph needs, by default.
    """
    graph = ModelGraph(model)
    parents = graph.make_compute_graph()
    scaled = _scaled_normals(model, parents)
    nodes = {n.name: n for n in _nodes(model, graph, scaled)}
    edges = [(p, child) for child in nodes for p in sorted(parents[child]) if p in nodes]
    drawn = layout(nodes, edges)
    places = drawn.places
    x, y = np.array(list(places.values()) or [(0.0, 0.0)]).T
    width, height = np.ptp(x) + 2 * MARGIN[0], np.ptp(y) + 2 * MARGIN[1]
    ax = axes_or_new(ax, (max(INCHES * width, 3.0), max(INCHES * height, 2.0)))
    for label, names in drawn.plates:
        _draw_plate(ax, label, _box(names, places))
    for parent, child in edges:
        _draw_edge(ax, nodes[parent], nodes[child], places)
    for name, node in nodes.items():
        _draw_node(ax, node, places[name])
    ax.set(xlim=(x.min() - MARGIN[0], x.max() + MARGIN[0]), aspect="equal")
    ax.set(ylim=(y.min() - MARGIN[1], y.max() + MARGIN[1]))
    ax.set_axis_off()
    return ax


def _scaled_normals(model: pm.Model, parents: Mapping[str, set[str]]) -> dict[str, str]:
    """Return effects that are scaled unit normals, and these, of which nothing else is made."""
    free = {variable.name for variable in model.free_RVs}
    found = {}
    for effect in (variable.name for variable in model.deterministics):
        for unit in (f"{effect}_offset", f"{effect}_raw"):
            if unit in free and [n for n, of in parents.items() if unit in of] == [effect]:
                found[effect] = unit
    return found


def _nodes(model: pm.Model, graph: ModelGraph, scaled: Mapping[str, str]) -> Iterator[Node]:
    for name in graph.vars_to_plot():
        if name in scaled.values():
            continue
        drawn = model[scaled.get(name, name)]
        kind = get_node_type(drawn.name, model)
        yield Node(name, _symbol(drawn, kind), kind, _plate_label(model, model[name]))


def _plate_label(model: pm.Model, variable: Variable) -> str:
    """Return the dimensions a variable repeats in, with their sizes where the model fixes them.

    Dimensions within one draw, such as those of a multivariate normal, make no plate.
    """
    event = getattr(variable.owner.op, "ndim_supp", 0) if variable.owner else 0
    repeats = variable.type.ndim - event
    names = model.named_vars_to_dims.get(variable.name) or [None] * variable.type.ndim
    parts = []
    for name, known in zip(names[:repeats], variable.type.shape[:repeats], strict=True):
        size = _length(model, name) if name in model.dim_lengths else known
        written = "" if size is None else f"{size:,}"
        shown = (name or "").removesuffix("_dim").removesuffix("__factor").removesuffix("__expr")
        shown = "trial" if shown == BY_TRIAL else shown
        parts.append(f"{shown} ({written})" if shown and written else shown or written or "?")
    return " \N{MULTIPLICATION SIGN} ".join(parts)


def _length(model: pm.Model, dimension: str) -> int:
    """Return the length of a dimension; compiling a function to find it would take seconds."""
    length = model.dim_lengths[dimension]
    return int(length.data if isinstance(length, Constant) else length.get_value())


def _symbol(variable: Variable, kind: NodeType) -> str:
    """Return what kind of variable it is, as PyMC prints it."""
    if kind not in RANDOM:
        return str(kind.value.lower())
    op = variable.owner.op
    printed = getattr(op, "_print_name", None)
    return str(printed[0] if printed else getattr(op, "name", None) or type(op).__name__)


_Box = tuple[float, float, float, float]


def _box(names: Sequence[str], places: Mapping[str, tuple[float, float]]) -> _Box:
    """Return left, right, bottom and top of the box round a plate's nodes and its label."""
    x, y = np.array([places[n] for n in names]).T
    half_width, half_height = WIDTH / 2 + 0.18, HEIGHT / 2 + 0.16
    return (
        float(x.min() - half_width), float(x.max() + half_width),
        float(y.min() - half_height - 0.3), float(y.max() + half_height),
    )  # fmt: skip


def _draw_plate(ax: Axes, label: str, box: _Box) -> None:
    left, right, bottom, top = box
    frame = FancyBboxPatch(
        (left, bottom), right - left, top - bottom,
        boxstyle="round,pad=0,rounding_size=0.18", fc="none", ec=PALE, lw=1.1, zorder=0,
    )  # fmt: skip
    ax.add_patch(frame)
    ax.text(
        right - 0.15,
        bottom + 0.12,
        label,
        ha="right",
        va="bottom",
        fontsize=9.5 * min(1.0, (right - left - 0.45) / (LETTER * len(label))),
        zorder=1.5,
        bbox={"fc": "white", "lw": 0, "pad": 1},
    )


def _draw_edge(
    ax: Axes, parent: Node, child: Node, places: Mapping[str, tuple[float, float]]
) -> None:
    start, end = places[parent.name], places[child.name]
    arrow = FancyArrowPatch(
        _rim(parent, start, end), _rim(child, end, start), arrowstyle="-|>", mutation_scale=13,
        color=INK, lw=1.1, shrinkA=0, shrinkB=0, zorder=1,
    )  # fmt: skip
    ax.add_patch(arrow)


def _rim(
    node: Node, centre: tuple[float, float], towards: tuple[float, float]
) -> tuple[float, float]:
    """Return where the line from a node's centre leaves its ellipse or box."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    x, y = abs(dx) / (WIDTH / 2), abs(dy) / (HEIGHT / 2)
    scale = 1.0 / max(np.hypot(x, y) if node.kind in RANDOM else max(x, y), 1e-9)
    return centre[0] + scale * dx, centre[1] + scale * dy


def _draw_node(ax: Axes, node: Node, place: tuple[float, float]) -> None:
    random = node.kind in RANDOM
    shape: Patch
    if random:
        shape = Ellipse(place, WIDTH, HEIGHT)
    else:
        corner = (place[0] - WIDTH / 2, place[1] - HEIGHT / 2)
        rounding = 0.2 if node.kind is NodeType.DATA else 0.01
        style = f"round,pad=0,rounding_size={rounding}"
        shape = FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=style)
    shaded = node.kind in (NodeType.OBSERVED_RV, NodeType.DATA)
    shape.set(fc=SHADE if shaded else "white", ec=INK, lw=1.3, zorder=2)
    ax.add_patch(shape)
    x, y = place
    lines = _lines(node.name)
    size = min(1.0, LINE / max(map(len, lines))) * (11.0 if len(lines) == 1 else 9.5)
    written: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 3}
    above = 0.14 if len(lines) == 1 else 0.13
    ax.text(
        x, y + above, "\n".join(lines), weight="bold", fontsize=size, linespacing=0.95, **written
    )
    text = f"~ {node.text}" if random else node.text
    below, small = (0.19, 9.0) if len(lines) == 1 else (0.24, 8.5)
    ax.text(x, y - below, text, fontsize=small, **written)


def _lines(name: str) -> list[str]:
    """Return a name on one line or two, broken where it is made of parts."""
    if len(name) <= LINE:
        return [name]
    breaks = [m.start() for sign in BREAKS for m in re.finditer(sign, name)]
    if not breaks:
        return [name]
    fitting = [i for i in breaks if max(i, len(name) - i) < LINE]
    at = fitting[0] if fitting else min(breaks, key=lambda i: max(i, len(name) - i))
    return [name[:at], name[at:]]
