"""Decide on a picture: the colour, frame and row of each box, and which boxes are repeated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from itertools import accumulate, chain, groupby, takewhile
from typing import Any, NamedTuple, TypeAlias

from tinygrad_pool.derivatives.leaf_roles import weights_in
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.heat import heat
from tinygrad_pool.drawing.wrapping import Rows, Size, rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.formatting import is_large, numbers

Use: TypeAlias = tuple[Node, int]
"""A node, and the index of one of its operands."""
VISIT = "\0"
"""Separates the name of a frame from the number of the visit, from the second visit on."""
OFTEN = 4
"""A leaf that at least this many layers use is drawn once, and repeated by name."""
SAMPLE, A_LETTER, A_LINE, LABEL = 100, 7.6, 22, 55
"""How many boxes to estimate sizes from; the size of a letter, a line and a label in points."""


class Layout(NamedTuple):
    """The frames and rows of nodes, and the boxes drawn beside the node that uses them.

    `again` has the uses of nodes whose box is elsewhere. `breaks` has the tails of edges to other
    rows, each with the number where the edge continues and its uses there. `behind` has the boxes
    beside their users, each with the node to place it behind.
    """

    scopes: Mapping[Node, str]
    rows: Rows[Node]
    again: Collection[Use]
    breaks: Mapping[Node, tuple[str, Sequence[Use]]]
    behind: Sequence[tuple[Node, Use]]


class Picture(NamedTuple):
    """A graph to draw: its nodes, their names, colours and places, and what to show of them."""

    nodes: list[Node]
    ids: dict[Node, str]
    names: Mapping[int, str]
    fills: dict[Node, str]
    show: Set[str]
    root: Node
    layout: Layout
    places: Mapping[str, Mapping[str, str]] = {}  # never changed
    heat: Callable[[Any], str] = heat
    constant_width: int = 0

    def at(self, name: str) -> Mapping[str, str]:
        """Return the position of a node as Graphviz's attributes, or {} if it is not fixed."""
        return self.places.get(name, {})

    def name(self, node: Node) -> str:
        """Return the label of a node, or the name of its variable."""
        return node.label or self.names.get(id(node), "")

    def tail(self, node: Node, i: int) -> str:
        """Return the id of the tail of an edge: the operand's box, or a box beside the user."""
        p = node.parents[i]
        own = not isinstance(p, Node) or p not in self.ids or (node, i) in self.layout.again
        return f"{self.ids[node]}c{i}" if own else self.ids[p]


def picture_of(
    root: Value,
    nodes: list[Node],
    show: Set[str],
    called: Mapping[int, str],
    marks: Mapping[Node, str] = {},
    direction: str | None = None,
    rows: int | None = None,
) -> Picture:
    """Choose the place and colour of each node; `marks` are colours that replace others.

    `called` maps ids of Values to their names.
    """
    layout = laid_out(nodes, show, direction, rows)
    weights = weights_in(nodes, called)
    fills = {}
    for node in nodes:
        leaf = theme.WEIGHT if node in weights else theme.LEAF
        fills[node] = theme.OPERATION if node.parents else theme.CUT if node.op else leaf
    ids = {node: f"n{i}" for i, node in enumerate(nodes)}
    return Picture(nodes, ids, called, {**fills, **marks}, show, root, layout)


def laid_out(
    nodes: Sequence[Node], show: Set[str], direction: str | None, rows: int | None
) -> Layout:
    """Lay out the nodes of a graph; for None, choose what fits a slide best.

    A leaf that many layers or several rows use is drawn once, and repeated by name at its other
    uses. Other edges from row to row are broken, with a number at both ends.
    """
    inside = {*nodes}
    operands = {(n, i): p for n in nodes for i, p in enumerate(n.parents) if isinstance(p, Node)}
    uses = {use: p for use, p in operands.items() if p in inside}
    uses_of: dict[Node, list[Use]] = {}
    for use, p in uses.items():
        uses_of.setdefault(p, []).append(use)
    entries = Entries(nodes)
    edges = [(p, node) for (node, _), p in uses.items()]
    edges += [(p, uses[use]) for p, use in entries.behind() if use in uses]
    label = LABEL if {"local", "contribution"} & show else 0
    placed = rows_of(entries.frames, edges, rows, direction, _room(nodes, show), label)
    row, layer = placed.row, placed.depth
    far = {p: [(n, i) for n, i in of_p if row[n] != row[p]] for p, of_p in uses_of.items()}
    leaves = [of_p for p, of_p in uses_of.items() if p.is_leaf]
    often = [of_p[1:] for of_p in leaves if len({layer[n] for n, _ in of_p}) >= OFTEN]
    again = {*chain(*far.values(), *often)}
    tails = dict.fromkeys(p for use, p in uses.items() if p.parents and use in again)
    breaks = {p: (str(k), far[p]) for k, p in enumerate(tails, 1)}
    behind = [(p, (n, i)) for p, (n, i) in entries.behind(again) if row[p] == row[n]]
    return Layout(entries.scopes, placed, again, breaks, behind)


def _room(nodes: Sequence[Node], show: Set[str]) -> Size:
    """Estimate the width and height of a box with the space between boxes, in points."""
    rows = len({"data", "grad"} & show)
    wide, high = [], []
    for node in nodes[:SAMPLE]:
        lines = numbers(node.data).split("\n")  # the gradient may be missing, and is as long
        wide.append(80 + A_LETTER * max(map(len, lines)) * bool(rows))
        pictures = rows if "heat" in show and is_large(node.data) else 0
        high.append(A_LINE * (2 + rows * len(lines) + pictures))
    return sum(wide) / len(wide), sum(high) / len(high)


def frames_of(path: str) -> list[str]:
    """List the frames on a path, the outermost first.

    >>> frames_of("net/conv1"), frames_of("")
    (['net', 'net/conv1'], [])
    """
    return [*accumulate(path.split("/"), "{}/{}".format)] if path else []


def scopes_of(nodes: Sequence[Node]) -> dict[Node, str]:
    """Find the frame of each node: its scope, or for a leaf without one, that of all its users.

    A layer that is called again on a result of its own has a frame for each visit.
    """
    visits = _visits(nodes)
    users: dict[Node, list[str]] = {}
    scopes = {}
    for node in reversed(nodes):
        scopes[node] = visits.get(node, node.about.scope)
        if not (node.parents or node.about.scope):
            scopes[node] = shared(users.get(node, []))
        for p in node.parents:
            if isinstance(p, Node):
                users.setdefault(p, []).append(scopes[node])
    return scopes


def shared(scopes: list[str]) -> str:
    """Find the innermost scope that contains all of these scopes."""
    levels = zip(*(scope.split("/") for scope in scopes), strict=False)
    return "/".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _visits(nodes: Sequence[Node]) -> dict[Node, str]:
    """Name nodes of repeated visits; a new visit uses nodes computed after the last one began."""
    place = {node: k for k, node in enumerate(nodes)}
    visits: dict[str, tuple[int, int]] = {}
    computed = [node for node in nodes if node.parents]
    scopes: dict[Node, str] = {}
    for outer, run in groupby(computed, lambda node: node.about.scope.split("/")[0]):
        members = [*run]
        if not outer:
            continue
        start, visit = visits.get(outer, (place[members[0]], 1))
        sources = (p for n in members for p in n.parents if isinstance(p, Node) and p.parents)
        between = (p for p in sources if p.about.scope.split("/")[0] != outer)
        if any(place.get(p, -1) > start for p in between):
            start, visit = place[members[0]], visit + 1
        visits[outer] = start, visit
        if visit > 1:
            inner = ((node, node.about.scope.removeprefix(outer)) for node in members)
            scopes |= {node: f"{outer}{VISIT}{visit}{rest}" for node, rest in inner}
    return scopes


class Entries:
    """The frames of each node, and those that edges from it enter."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.scopes = scopes_of(nodes)
        self.frames = {node: frames_of(self.scopes[node]) for node in nodes}
        self.enters: dict[Node, set[str]] = {}
        for node in nodes:
            for p in node.parents:
                if isinstance(p, Node) and p.parents and p in self.frames:
                    inside = {*self.frames[node]} - {*self.frames[p]}
                    self.enters.setdefault(p, set()).update(inside)

    def behind(self, again: Collection[Use] = ()) -> Iterator[tuple[Node, Use]]:
        """Yield the boxes beside their users, each with the node to place it behind.

        These are constants, leaves at their first use, and the uses that are drawn `again`. They
        are placed behind the last node with an edge into their frame that was computed before their
        user. Operands of the user alone are placed behind it; otherwise frames overlap in columns.
        """
        last: dict[str, Node] = {}
        seen = set()
        for node in self.frames:
            for i, p in enumerate(node.parents):
                frame = self.scopes[node]
                if isinstance(p, Node) and (node, i) not in again:
                    if p.parents or p in seen or p not in self.scopes:
                        continue
                    frame = self.scopes[p]
                    seen.add(p)
                if frame in last:
                    yield last[frame], (node, i)
            last |= dict.fromkeys(self.enters.get(node, ()), node)
