"""Where variables stand in the graph of a model: causes to the left, in plates that lie apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pymc.model_graph import NodeType

COLUMN, ROW = 2.5, 1.16  # between the centres of nodes, in units of the axes
ABOVE, BELOW = 0.15, 0.4  # rows left free above a plate, and below it, where its label is

Edges = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Node:
    """A variable.

    Args:
        name: of the variable.
        text: what kind it is, in words.
        kind: what kind it is.
        plate: what it repeats over, "" for nothing.
    """

    name: str
    text: str
    kind: NodeType
    plate: str


@dataclass(frozen=True)
class Layout:
    """A graph with a place for everything.

    Args:
        places: node -> its centre, in units of the axes.
        plates: label and nodes of each plate; one that would hold others in between is several.
    """

    places: Mapping[str, tuple[float, float]]
    plates: Sequence[tuple[str, Sequence[str]]]


def layout(nodes: Mapping[str, Node], edges: Edges) -> Layout:
    """Lay a graph out as a tree whose root, the trials, is on the right.

    Every node without causes has a row of its own, and those that share a consequence have rows
    next to each other, so that more formulas make a graph longer, but neither wider nor tangled.
    """
    depth = _depths(nodes, edges)
    tree = _Tree(nodes, edges)
    plates = list(_plates(nodes, depth, tree))
    heights = _heights(tree, plates)
    places = {n: (COLUMN * depth[n], -ROW * tree.height(n, heights)) for n in nodes}
    return Layout(places, plates)


@dataclass
class _Tree:
    """Rows of nodes: of each its first and its last.

    Args:
        nodes: of the graph.
        edges: from causes to consequences.
        rows: node -> first and last row of it and what it follows from.
        causes: node -> those of its causes that are above no other node.
    """

    nodes: Mapping[str, Node]
    edges: Edges
    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    causes: dict[str, list[str]] = field(default_factory=dict)
    used: int = 0

    def __post_init__(self) -> None:
        followed = {parent for parent, _ in self.edges}
        for name in self.nodes:
            if name not in followed:
                self._visit(name)

    def _visit(self, name: str) -> None:
        first = self.used
        self.rows[name], self.causes[name] = (first, first), []
        for cause in self._around(name, [p for p, child in self.edges if child == name]):
            if cause not in self.rows:
                self.causes[name].append(cause)
                self._visit(cause)
        self.used = max(self.used, first + 1)
        self.rows[name] = first, self.used - 1

    def _around(self, name: str, causes: Sequence[str]) -> list[str]:
        """Return causes by plate, those outside any on both sides of those in the node's own."""
        plates = {n: self.nodes[n].plate for n in self.nodes if n in causes}
        outside = [n for n, plate in plates.items() if not plate]
        inside = sorted((n for n in plates if plates[n]), key=lambda n: plates[n])
        if self.nodes[name].plate not in plates.values():
            return [*outside, *inside]
        half = (len(outside) + 1) // 2
        return [*outside[:half], *inside, *outside[half:]]

    def height(self, name: str, heights: Sequence[float]) -> float:
        """Return where a node stands: beside its causes, or those of them in its own plate."""
        causes = self.causes[name]
        if not causes:
            return heights[self.rows[name][0]]
        plate = self.nodes[name].plate
        own = [c for c in causes if plate and self.nodes[c].plate == plate] or causes
        return float(np.mean([self.height(c, heights) for c in own]))


def _plates(
    nodes: Mapping[str, Node], depth: Mapping[str, int], tree: _Tree
) -> Iterator[tuple[str, list[str]]]:
    """Yield label and nodes of plates: neighbours of one label, with no others between them."""
    plain = list(map(float, range(tree.used)))
    spots = {n: (depth[n], tree.height(n, plain)) for n in nodes}
    left = sorted((n for n in nodes if nodes[n].plate), key=lambda n: (spots[n][1], spots[n][0]))
    while left:
        plate = [left.pop(0)]
        for other in list(left):
            wider = [*plate, other]
            if nodes[other].plate == nodes[plate[0]].plate and _undisturbed(wider, spots):
                plate.append(other)
                left.remove(other)
        yield nodes[plate[0]].plate, plate


def _undisturbed(plate: Sequence[str], spots: Mapping[str, tuple[int, float]]) -> bool:
    """Whether no other node lies in the rectangle of these, nor nearer than the next row."""
    column, row = np.array([spots[n] for n in plate]).T
    return not any(
        column.min() <= x <= column.max() and row.min() - 1.0 < y < row.max() + 1.0
        for name, (x, y) in spots.items()
        if name not in plate
    )


def _heights(tree: _Tree, plates: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
    """Return how far down each row is, with room for plates and their labels."""
    above, below = np.zeros(tree.used + 1), np.zeros(tree.used + 1)
    for _, names in plates:
        # Nodes that stand beside others of the plate may have causes outside it, above and below.
        rows = [tree.rows[n] for n in names if not set(names) & set(tree.causes[n])]
        above[min(first for first, _ in rows)] = ABOVE
        below[max(last for _, last in rows) + 1] = BELOW
    gaps = np.cumsum(above + below)[:-1]
    return [float(row + gap) for row, gap in enumerate(gaps)]


def _depths(nodes: Mapping[str, Node], edges: Edges) -> dict[str, int]:
    """Return each node's column: right of its causes, and just left of its first consequence."""
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for parent, child in edges:
            if nodes[child].kind is not NodeType.DATA:
                depth[child] = max(depth[child], depth[parent] + 1)
    for name in sorted(nodes, key=lambda n: -depth[n]):
        below = [depth[child] for parent, child in edges if parent == name]
        if below and nodes[name].kind is not NodeType.OBSERVED_RV:
            depth[name] = min(below) - 1
    for parent, child in edges:
        if nodes[child].kind is NodeType.DATA:
            depth[child] = depth[parent] + 1
    return depth
