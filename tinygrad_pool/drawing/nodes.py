"""Boxes, frames and edges of a computation graph, however its pictures differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import constant_box, name_box, node_box
from tinygrad_pool.drawing.edges import Style
from tinygrad_pool.drawing.frames import VISIT, Entries, scopes_of
from tinygrad_pool.drawing.heat import heat
from tinygrad_pool.drawing.theme import literal
from tinygrad_pool.drawing.wrapping import Ends, Size, direction_of, rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import is_large, numbers, plain

if TYPE_CHECKING:
    from graphviz import Digraph

OFTEN = 4
"""So many layers use a leaf that is called by its name beside them."""
SAMPLE, A_LETTER, A_LINE, LABEL = 100, 7.6, 22, 55
"""From how many boxes their size is reckoned; and how large a letter, a line and a label are."""
AS_WRITTEN = {"mclimit": "0.01", "remincross": "false"}
"""Lets leaves in frames stand in the order in which they are written, at the price of crossings."""
ACROSS = ("LR", "RL")
BREAK = {"shape": "circle", "width": "0.35", "fixedsize": "true"}
"""How the number looks under which an edge goes on in another row."""


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
    breaks: Mapping[Node, str] = {}  # never changed
    broken: bool = False
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
    scopes = scopes_of(picture.nodes)
    placed = rows_of(*_laid(picture, scopes), rows, direction, _room(picture, direction in ACROSS))
    row = {node: placed.row[name] for node, name in picture.ids.items()}
    picture = picture._replace(across=direction in ACROSS, again=_used_again(picture, placed.depth))
    if any(scopes.values()):
        graph.attr(**AS_WRITTEN)
    if len(placed.first) > 1:
        graph.attr(nodesep="0.1")
        picture = _broken(picture, row)
    behind = [*_behind(picture, scopes)]
    if picture.broken:
        scopes = {node: f"{row[node]}/{scope}".rstrip("/") for node, scope in scopes.items()}
    _draw_frames(graph, picture, picture.nodes, scopes)
    placed.align(graph, picture.at)
    for before, user, name in behind:
        if row[before] == row[user]:
            graph.edge(picture.ids[before], name, style="invis")
    for node in picture.nodes:
        end = picture.ids[node]
        for i, (p, style) in enumerate(zip(node.parents, styles[node], strict=True)):
            inside = isinstance(p, Node) and p in picture.ids and (node, i) not in picture.again
            tail, name = picture.ids[p] if inside else f"{end}c{i}", f"{end}e{i}"
            graph.edge(tail, end, id=name, **style, **picture.at(name))
    _go_on(graph, picture, styles, row)


def _go_on(
    graph: Digraph, picture: Picture, styles: Mapping[Node, list[Style]], row: Mapping[Node, int]
) -> None:
    """Lead from nodes to the numbers under which their edges go on in other rows."""
    used: dict[Node, list[Style]] = {}
    for node, i, p in _uses(picture):
        if row[node] != row[p]:
            used.setdefault(p, []).append(styles[node][i])
    for p, number in picture.breaks.items():
        same = {"dir"} if len(used[p]) > 1 else {"dir", "color", "penwidth", "style"}
        style = {key: value for key, value in used[p][0].items() if key in same}
        name = f"{picture.ids[p]}out"
        graph.node(name, number, id=name, **{**BREAK, **picture.at(name)})
        graph.edge(picture.ids[p], name, id=f"{name}e", **style, **picture.at(f"{name}e"))


def _broken(picture: Picture, row: Mapping[Node, int]) -> Picture:
    """Break the edges from row to row: a number stands behind the tail, and before each head.

    A leaf is called by its name once more. A row is a frame, too, but one that is not seen.
    """
    far = [(node, i, p) for node, i, p in _uses(picture) if row[node] != row[p]]
    numbers = enumerate(dict.fromkeys(p for _, _, p in far if p.parents), 1)
    again = {*picture.again, *((node, i) for node, i, _ in far)}
    return picture._replace(again=again, broken=True, breaks={p: str(k) for k, p in numbers})


def _uses(picture: Picture) -> Iterator[tuple[Node, int, Node]]:
    """List the edges between the nodes of a picture: a node, an operand's place, the operand."""
    for node in picture.nodes:
        for i, p in enumerate(node.parents):
            if isinstance(p, Node) and p in picture.ids:
                yield node, i, p


def _laid(picture: Picture, scopes: Mapping[Node, str]) -> tuple[dict[str, str], list[Ends]]:
    """Find what the layout goes by: the frame of each node, by its id, and the edges."""
    ids = picture.ids
    frames = {name: scopes[node] for node, name in ids.items()}
    edges = [(ids[p], ids[node]) for node, _, p in _uses(picture)]
    edges += [(ids[p], name) for p, _, name in _behind(picture, scopes) if name in frames]
    return frames, edges


def _room(picture: Picture, across: bool) -> Size:
    """Estimate how much room a box takes, with what is between two, in points: width and height."""
    rows = len({"data", "grad"} & picture.show)
    wide, high = [], []
    for node in picture.nodes[:SAMPLE]:
        lines = numbers(node.data).split("\n")  # a gradient, which comes and goes, is as long
        wide.append(80 + A_LETTER * max(map(len, lines)) * bool(rows))
        pictures = rows if "heat" in picture.show and is_large(node.data) else 0
        high.append(A_LINE * (2 + rows * len(lines) + pictures))
    labels = LABEL if picture.show & {"local", "contribution"} else 0
    room = sum(wide) / len(wide), sum(high) / len(high)
    return (room[0] + labels, room[1]) if across else (room[0], room[1] + labels / 2)


def _behind(picture: Picture, scopes: Mapping[Node, str]) -> Iterator[tuple[Node, Node, str]]:
    """Put what only stands beside its user behind the last that leads into their frame.

    Or else it would stand beside that, and frames that follow each other would overlap.
    """
    entries, seen = Entries(picture.nodes, scopes), set()
    for node in picture.nodes:
        for i, p in enumerate(node.parents):
            name, frame = f"{picture.ids[node]}c{i}", scopes[node]
            if isinstance(p, Node) and (node, i) not in picture.again:
                if p.parents or p in seen or p not in scopes:
                    continue
                name, frame = picture.ids[p], scopes[p]
                seen.add(p)
            before = entries.before(node, frame)
            if before is not None:
                yield before, node, name


def fitting(picture: Picture, rows: int | None) -> Literal["LR", "TB"]:
    """Choose the direction in which a picture fits a slide better: "LR" or "TB"."""
    return direction_of(
        *_laid(picture, scopes_of(picture.nodes)), rows, _room(picture, True), _room(picture, False)
    )


def _used_again(picture: Picture, depth: Mapping[str, int]) -> set[tuple[Node, int]]:
    """Find uses of a leaf in many layers, but for the first: each a node and an operand's place."""
    uses: dict[Node, list[tuple[Node, int]]] = {}
    for node, i, p in _uses(picture):
        if p.is_leaf:
            uses.setdefault(p, []).append((node, i))
    often = [
        some for some in uses.values() if len({depth[picture.ids[n]] for n, _ in some}) >= OFTEN
    ]
    return {use for some in often for use in some[1:]}


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
            if picture.broken and not outer:
                frame.attr(label="", style="invis", margin="0", **picture.at(name))
            else:
                frame.attr(
                    label=literal(plain(step.partition(VISIT)[0])),
                    fontsize="14",
                    fontcolor=theme.SOFT,
                )
                frame.attr(style="rounded", color=theme.FAINT, bgcolor=theme.PANEL)
                frame.attr(margin="8", **picture.at(name))
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
    """Draw a constant with its number, a leaf once more with its name, or the number of a break."""
    name, p = f"{picture.ids[node]}c{i}", node.parents[i]
    if not isinstance(p, Node):
        label, style = constant_box(p, picture.show), {"shape": "plain"}
    elif p.is_leaf:
        label, style = name_box(picture.name(p), p, picture.fills[p]), {"shape": "plain"}
    else:
        label, style = picture.breaks[p], BREAK
    graph.node(name, label, id=name, **{**style, **picture.at(name)})
