"""The graph of a PyMC model, drawn without any program besides matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Patch
from pymc.model_graph import ModelGraph, NodeType, get_node_type
from pytensor.graph.basic import Constant, Variable

from likely.plots.style import INK, PALE, SHADE, axes_or_new, house_style

WIDTH, HEIGHT = 1.7, 0.92  # of a node, in units of the axes
ACROSS, DOWN = 2.15, 1.75  # between the centres of nodes
PLATE_GAP = 0.25  # between plates, in columns
LONG_NAME = 12  # letters; longer names are written smaller
LETTER = 0.095  # width of a plate's label, a letter
SWEEPS = 8


@dataclass(frozen=True)
class _Node:
    name: str
    text: str
    kind: NodeType
    plate: str


@house_style()
def model_graph(model: pm.Model, *, ax: Axes | None = None) -> Axes:
    """Draw the variables of a PyMC model, what depends on what, and the plates they repeat in.

    Ellipses are random variables, shaded if observed; boxes are data and deterministic variables.

    Args:
        model: any model with named variables.
        ax: axes to draw into; new ones, as large as the graph needs, by default.
    """
    graph = ModelGraph(model)
    nodes = {n.name: n for n in _nodes(model, graph)}
    parents = graph.make_compute_graph()
    edges = [(p, child) for child in nodes for p in sorted(parents[child]) if p in nodes]
    places = _layout(nodes, edges)
    x, y = np.array(list(places.values()) or [(0.0, 0.0)]).T
    width, height = np.ptp(x) + WIDTH + 1.2, np.ptp(y) + HEIGHT + 1.5
    ax = axes_or_new(ax, (max(0.85 * width, 3.0), max(0.85 * height, 2.0)))
    for label, names in _plates(nodes).items():
        _draw_plate(ax, label, _box(names, places, label))
    for parent, child in edges:
        _draw_edge(ax, places[parent], places[child])
    for name, node in nodes.items():
        _draw_node(ax, node, places[name])
    ax.set(xlim=(x.min() - WIDTH / 2 - 0.6, x.max() + WIDTH / 2 + 0.6))
    ax.set(ylim=(y.min() - HEIGHT / 2 - 0.9, y.max() + HEIGHT / 2 + 0.6), aspect="equal")
    ax.set_axis_off()
    return ax


def _nodes(model: pm.Model, graph: ModelGraph) -> Iterator[_Node]:
    for name in graph.vars_to_plot():
        kind = get_node_type(name, model)
        yield _Node(name, _symbol(model[name], kind), kind, _plate_label(model, model[name]))


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
        parts.append(f"{shown} ({written})" if shown and written else shown or written or "?")
    return " \N{MULTIPLICATION SIGN} ".join(parts)


def _length(model: pm.Model, dimension: str) -> int:
    """Return the length of a dimension; compiling a function to find it would take seconds."""
    length = model.dim_lengths[dimension]
    return int(length.data if isinstance(length, Constant) else length.get_value())


def _symbol(variable: Variable, kind: NodeType) -> str:
    """Return what kind of variable it is, as PyMC prints it."""
    if kind not in (NodeType.FREE_RV, NodeType.OBSERVED_RV):
        return str(kind.value.lower())
    op = variable.owner.op
    printed = getattr(op, "_print_name", None)
    return str(printed[0] if printed else getattr(op, "name", None) or type(op).__name__)


def _layout(
    nodes: Mapping[str, _Node], edges: Sequence[tuple[str, str]]
) -> dict[str, tuple[float, float]]:
    """Place nodes below their ancestors; plates have places of their own, so none overlap.

    A plate lies right of what is in its rows already. Nodes outside any come first, row by row.
    """
    depth = _depths(nodes, edges)
    near: dict[str, list[str]] = {name: [] for name in nodes}
    for parent, child in edges:
        near[parent].append(child)
        near[child].append(parent)
    x: dict[str, float] = {}
    ends = dict.fromkeys(depth.values(), 0.0)
    for members in _columns(nodes, depth):
        layers = {d: [n for n in members if depth[n] == d] for d in sorted(ends)}
        outside = nodes[members[0]].plate == ""
        label = (len(nodes[members[0]].plate) * LETTER + 0.3) / ACROSS
        widest = max(*map(len, layers.values()), label)
        inside = range(min(depth[n] for n in members), max(depth[n] for n in members) + 1)
        left = max(ends[d] for d in inside)
        for d in inside:
            layer = layers[d]
            middle = left if outside else left + 0.5 * (widest - len(layer))
            x.update((name, middle + i) for i, name in enumerate(layer))
            ends[d] = (len(layer) if outside else left + widest) + PLATE_GAP
    rows = _rows(nodes, depth)
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else rows[::-1]:
            _untangle(row, near, x)
    return {name: (ACROSS * x[name], -DOWN * depth[name]) for name in nodes}


def _columns(nodes: Mapping[str, _Node], depth: Mapping[str, int]) -> list[list[str]]:
    """Return the nodes by plate: those outside any first, then from the top of the graph down."""
    plates: dict[str, list[str]] = {}
    for name, node in nodes.items():
        plates.setdefault(node.plate, []).append(name)
    return [
        plates[label]
        for label in sorted(plates, key=lambda p: (p != "", max(depth[n] for n in plates[p]), p))
    ]


def _rows(nodes: Mapping[str, _Node], depth: Mapping[str, int]) -> list[list[str]]:
    """Return nodes of the same plate and depth, whose places may be exchanged, from the top."""
    rows: dict[tuple[int, str], list[str]] = {}
    for name, node in nodes.items():
        rows.setdefault((depth[name], node.plate), []).append(name)
    return [rows[key] for key in sorted(rows)]


def _untangle(row: list[str], near: Mapping[str, list[str]], x: dict[str, float]) -> None:
    """Order nodes of one row by the mean place of what they are connected with."""
    wish = {n: float(np.mean([x[m] for m in near[n]])) if near[n] else x[n] for n in row}
    places = sorted(x[n] for n in row)
    x.update(zip(sorted(row, key=lambda n: (wish[n], x[n])), places, strict=True))


def _depths(nodes: Mapping[str, _Node], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return each node's layer: below its parents, and just above its first child."""
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for parent, child in edges:
            if nodes[child].kind is not NodeType.DATA:
                depth[child] = max(depth[child], depth[parent] + 1)
    for name in nodes:
        below = [depth[child] for parent, child in edges if parent == name]
        if below and not any(child == name for _, child in edges):
            depth[name] = min(below) - 1
    for parent, child in edges:
        if nodes[child].kind is NodeType.DATA:
            depth[child] = depth[parent] + 1
    return depth


def _plates(nodes: Mapping[str, _Node]) -> dict[str, list[str]]:
    plates: dict[str, list[str]] = {}
    for name, node in nodes.items():
        if node.plate:
            plates.setdefault(node.plate, []).append(name)
    return plates


_Box = tuple[float, float, float, float]


def _box(names: list[str], places: Mapping[str, tuple[float, float]], label: str) -> _Box:
    """Return left, right, bottom and top of the box round a plate's nodes and its label."""
    x, y = np.array([places[n] for n in names]).T
    half_width, half_height = WIDTH / 2 + 0.25, HEIGHT / 2 + 0.2
    half_width = max(half_width, 0.5 * (len(label) * LETTER + 0.3 - np.ptp(x)))
    return (
        float(x.min() - half_width), float(x.max() + half_width),
        float(y.min() - half_height - 0.32), float(y.max() + half_height),
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
        fontsize=9.5,
        zorder=1.5,
        bbox={"fc": "white", "lw": 0, "pad": 1},
    )


def _draw_edge(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(
        FancyArrowPatch(
            _rim(start, end),
            _rim(end, start),
            arrowstyle="-|>",
            mutation_scale=13,
            color=INK,
            lw=1.1,
            shrinkA=0,
            shrinkB=0,
            zorder=1,
        )  # fmt: skip
    )


def _rim(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Return where the line from a node's centre leaves its ellipse."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = 1.0 / max(float(np.hypot(dx / (WIDTH / 2), dy / (HEIGHT / 2))), 1e-9)
    return centre[0] + scale * dx, centre[1] + scale * dy


def _draw_node(ax: Axes, node: _Node, place: tuple[float, float]) -> None:
    random = node.kind in (NodeType.FREE_RV, NodeType.OBSERVED_RV)
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
    text = f"~ {node.text}" if random else node.text
    size = 11.0 * min(1.0, LONG_NAME / len(node.name))
    ax.text(
        x, y + 0.14, node.name, ha="center", va="center", weight="bold", fontsize=size, zorder=3
    )
    ax.text(x, y - 0.19, text, ha="center", va="center", fontsize=9.5, zorder=3)
