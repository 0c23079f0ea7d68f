"""Boxes, frames and edges of a computation graph, however its pictures differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import takewhile
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import constant_box, name_box, node_box
from tinygrad_pool.drawing.edges import Style
from tinygrad_pool.drawing.heat import heat
from tinygrad_pool.drawing.theme import literal
from tinygrad_pool.drawing.wrapping import direction_of, rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import plain

if TYPE_CHECKING:
    from graphviz import Digraph

OFTEN = 4
"""So many layers use a leaf that is called by its name beside them."""


class Picture(NamedTuple):
    """What is drawn of a graph: which nodes, how they are called and filled, what they show."""

    nodes: list[Node]
    ids: dict[Node, str]
    names: dict[int, str]
    fills: dict[Node, str]
    show: frozenset[str]
    root: Node
    across: bool = True
    places: Mapping[str, Mapping[str, str]] = {}  # never changed
    again: Collection[tuple[Node, int]] = ()
    heat: Callable[[Any], str] = heat

    def at(self, name: str) -> Mapping[str, str]:
        """Return the position of a node as Graphviz takes it, if it is settled."""
        return self.places.get(name, {})

    def name(self, node: Node) -> str:
        """Call a node by its label, or by the name of the variable that holds it."""
        return node.label or self.names.get(id(node), "")


def draw_nodes(
    graph: Digraph, picture: Picture, styles: Mapping[Node, list[Style]], rows: int | None = None
) -> None:
    """Draw a box for each node, in frames for its scopes, and an edge for each operand.

    Operands stand in order, the first on top or on the left. Where layers are columns, Graphviz
    turns them around, but not what is in a frame: there they are written backwards. A leaf that
    many layers use is drawn once, and called by its name beside the others.
    """
    direction = graph.graph_attr["rankdir"]
    picture = picture._replace(across=direction in ("LR", "RL"))
    scopes = _scopes(picture.nodes)
    rows = 1 if any(scopes.values()) else rows
    placed = rows_of([*picture.ids.values()], _edges(picture), rows, direction)
    again = _used_again(picture, placed.depth)
    _draw_frames(graph, picture._replace(again=again), picture.nodes, scopes)
    placed.align(graph)
    for node in picture.nodes:
        for i, (p, style) in enumerate(zip(node.parents, styles[node], strict=True)):
            end = picture.ids[node]
            inside = isinstance(p, Node) and p in picture.ids and (node, i) not in again
            tail, name = picture.ids[p] if inside else f"{end}c{i}", f"{end}e{i}"
            turned = placed.style(tail, end) if inside else {}
            graph.edge(tail, end, id=name, **style, **turned, **picture.at(name))


def _edges(picture: Picture) -> list[tuple[str, str]]:
    """List the edges between the nodes of a picture, by their ids."""
    known = [(p, n) for n in picture.nodes for p in n.parents if isinstance(p, Node)]
    return [(picture.ids[p], picture.ids[n]) for p, n in known if p in picture.ids]


def fitting(picture: Picture, rows: int | None) -> Literal["LR", "TB"]:
    """Choose the direction in which a picture fits a slide better: "LR" or "TB"."""
    rows = 1 if any(node.about.scope for node in picture.nodes) else rows
    return direction_of([*picture.ids.values()], _edges(picture), rows)


def _used_again(picture: Picture, depth: Mapping[str, int]) -> set[tuple[Node, int]]:
    """Find uses of a leaf in many layers, but for the first: each a node and an operand's place."""
    uses: dict[Node, list[tuple[Node, int]]] = {}
    for node in picture.nodes:
        for i, p in enumerate(node.parents):
            if isinstance(p, Node) and p.is_leaf and p in picture.ids:
                uses.setdefault(p, []).append((node, i))
    often = [
        some for some in uses.values() if len({depth[picture.ids[n]] for n, _ in some}) >= OFTEN
    ]
    return {use for some in often for use in some[1:]}


def _scopes(nodes: list[Node]) -> dict[Node, str]:
    """Find the frame of each node: its scope, or for a leaf without one what its users share."""
    users: dict[Node, list[str]] = {}
    scopes = {}
    for node in reversed(nodes):
        scopes[node] = node.about.scope
        if not (node.parents or node.about.scope):
            scopes[node] = _shared(users.get(node, []))
        for p in node.parents:
            if isinstance(p, Node):
                users.setdefault(p, []).append(scopes[node])
    return scopes


def _shared(scopes: list[str]) -> str:
    """Find the innermost scope that holds all of these."""
    levels = zip(*(scope.split("/") for scope in scopes), strict=False)
    return "/".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _draw_frames(
    graph: Digraph,
    picture: Picture,
    nodes: list[Node],
    scopes: dict[Node, str],
    outer: str = "",
) -> None:
    """Draw the nodes of one scope, and inside a frame each the scopes within it."""
    inner: dict[str, list[Node]] = {}
    here = []
    for node in nodes:
        if rest := scopes[node].removeprefix(outer).lstrip("/"):
            inner.setdefault(rest.split("/")[0], []).append(node)
        else:
            here.append(node)
    step_back = -1 if outer and picture.across else 1
    for node, i in _in_order(here, picture.again)[::step_back]:
        if i is None:
            _draw_box(graph, picture, node)
        else:
            _draw_operand(graph, picture, node, i)
    for step, members in [*inner.items()][::step_back]:
        path = f"{outer}/{step}" if outer else step
        name = f"cluster_{picture.ids[members[0]]}_{path.count('/')}"
        with graph.subgraph(name=name) as frame:
            frame.attr(label=literal(plain(step)), fontsize="14", fontcolor=theme.SOFT)
            frame.attr(style="rounded", color=theme.FAINT, bgcolor=theme.PANEL, **picture.at(name))
            _draw_frames(frame, picture, members, scopes, path)


def _in_order(
    nodes: list[Node], again: Collection[tuple[Node, int]]
) -> list[tuple[Node, int | None]]:
    """List nodes, each behind its leaves and constants, which stand in the order of its operands.

    A constant, and a leaf that is used again, is a node and the place among its operands.
    """
    waiting = {node for node in nodes if not node.parents}
    order: list[tuple[Node, int | None]] = []
    for node in nodes:
        for i, p in enumerate(node.parents):
            if not isinstance(p, Node) or (node, i) in again:
                order.append((node, i))
            elif p in waiting:
                waiting.remove(p)
                order.append((p, None))
        if node.parents:
            order.append((node, None))
    return order + [(leaf, None) for leaf in nodes if leaf in waiting]


def _draw_box(graph: Digraph, picture: Picture, node: Node) -> None:
    """Draw a node, and dots for operands that are left out."""
    name, border = picture.ids[node], 3 if node is picture.root else 1
    at = picture.at(name)
    width = ceil(72 * float(at.get("width", 0)))
    fill, heat = picture.fills[node], picture.heat
    box = node_box(node, picture.name(node), picture.show, fill, border, width, heat)
    graph.node(name, box, shape="plain", id=name, **at)
    for i, p in enumerate(node.parents):
        if isinstance(p, Node) and p not in picture.ids:
            graph.node(f"{name}c{i}", "…", shape="plain", id=f"{name}c{i}")


def _draw_operand(graph: Digraph, picture: Picture, node: Node, i: int) -> None:
    """Draw a constant with its number, and a leaf that is used again with its name."""
    name, p = f"{picture.ids[node]}c{i}", node.parents[i]
    leaf = isinstance(p, Node)
    box = name_box(picture.name(p), p, picture.fills[p]) if leaf else constant_box(p, picture.show)
    graph.node(name, box, shape="plain", id=name, **picture.at(name))
