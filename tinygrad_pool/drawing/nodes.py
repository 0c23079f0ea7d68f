"""Write the boxes, frames and edges of a computation graph, for all pictures of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from math import ceil

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import constant_box, name_box, node_box
from tinygrad_pool.drawing.edges import CHOICES, Style
from tinygrad_pool.drawing.layout import VISIT, Picture, Use
from tinygrad_pool.drawing.theme import Digraph, literal
from tinygrad_pool.drawing.wrapping import ACROSS
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import plain
from tinygrad_pool.rules.traits import traits_of

AS_WRITTEN = {"mclimit": "0.01", "remincross": "false"}
"""Makes Graphviz keep leaves in frames in the order they are written, at the cost of crossings."""
BREAK = {"shape": "circle", "width": "0.35", "fixedsize": "true"}
"""The style of the number at which an edge continues in another row."""
POINT = {"shape": "point", "width": "0", "style": "invis"}


def draw_nodes(graph: Digraph, picture: Picture, styles: Mapping[Node, list[Style]]) -> None:
    """Draw a box for each node, in frames for its scopes, and an edge for each operand.

    Operands are in order, the first at the top or on the left. Outside frames, Graphviz may reorder
    shared operands, except units below a maximum, so that fewer edges cross. If layers are columns,
    it reverses the order outside frames, so the contents of frames are written in reverse.
    """
    scopes, rows = picture.layout.scopes, picture.layout.rows
    several = len(rows.first) > 1
    links = {(picture.tail(n, i), n) for n in picture.nodes for i, _ in enumerate(n.parents)}
    contests: list[Node] = []
    if any(scopes.values()):
        graph.attr(**AS_WRITTEN)
    elif not several and len({tail for tail, _ in links}) == len(links):  # a tree
        graph.attr(ordering="in")
    elif not several:
        choices = (node for node in picture.nodes if node.op in CHOICES)
        contests = [n for n in choices if all(isinstance(p, Node) and p.parents for p in n.parents)]
    if several:  # each row is an invisible frame
        graph.attr(nodesep="0.1")
        scopes = {node: f"{rows.row[node]}/{scope}".rstrip("/") for node, scope in scopes.items()}
    _draw_frames(graph, picture, picture.nodes, scopes)
    if several:
        align(graph, [picture.ids[node] for node in rows.first], picture.at)
    for before, use in picture.layout.behind:
        graph.edge(picture.ids[before], picture.tail(*use), style="invis")
    for node in picture.nodes:
        end = picture.ids[node]
        for i, style in enumerate(styles[node]):
            name = f"{end}e{i}"
            graph.edge(picture.tail(node, i), end, id=name, **style, **picture.at(name))
    for node in contests:
        graph.node(picture.ids[node], ordering="in")
    for p, (number, far) in picture.layout.breaks.items():
        _go_on(graph, picture, p, number, [styles[node][i] for node, i in far])


def _go_on(
    graph: Digraph, picture: Picture, node: Node, number: str, styles: Sequence[Style]
) -> None:
    """Draw an edge from a node to the number at which its edges continue in other rows."""
    same = {"dir"} if len(styles) > 1 else {"dir", "color", "penwidth", "style"}
    style = {key: value for key, value in styles[0].items() if key in same}
    name = f"{picture.ids[node]}out"
    graph.node(name, number, id=name, **{**BREAK, **picture.at(name)})
    graph.edge(picture.ids[node], name, id=f"{name}e", **style, **picture.at(f"{name}e"))


def _draw_frames(
    graph: Digraph,
    picture: Picture,
    nodes: list[Node],
    scopes: Mapping[Node, str],
    outer: str = "",
) -> None:
    """Draw the nodes of one scope, and the scopes within it, each in a frame."""
    inner: dict[str, list[Node]] = {}
    here = []
    for node in nodes:
        if rest := scopes[node].removeprefix(outer).lstrip("/"):
            inner.setdefault(rest.split("/")[0], []).append(node)
        else:
            here.append(node)
    rows = picture.layout.rows
    step_back = -1 if outer and rows.direction in ACROSS else 1
    for node, i in _in_order(here, picture.layout.again)[::step_back]:
        if i is None:
            _draw_box(graph, picture, node)
        else:
            _draw_operand(graph, picture, node, i)
    for step, members in [*inner.items()][::step_back]:
        path = f"{outer}/{step}" if outer else step
        name = f"cluster_{picture.ids[members[0]]}_{path.count('/')}"
        with graph.subgraph(name=name) as frame:
            if len(rows.first) > 1 and not outer:
                frame.attr(label="", style="invis", margin="0", **picture.at(name))
            else:
                frame.attr(
                    label=literal(plain(step.partition(VISIT)[0])),
                    fontsize="14",
                    fontcolor=theme.SOFT,
                    labeljust="l",  # arrows enter in the middle
                )
                frame.attr(style="rounded", color=theme.FAINT, bgcolor=theme.PANEL)
                frame.attr(margin="8", **picture.at(name))
            _draw_frames(frame, picture, members, scopes, path)


def _in_order(nodes: list[Node], again: Collection[Use]) -> list[tuple[Node, int | None]]:
    """List nodes, each after its leaves and constants, in the order of its operands.

    A constant or a repeated leaf is listed as its user and the index of the operand.
    """
    here = {*nodes}
    order: list[tuple[Node, int | None]] = []
    for node in nodes:
        for i, p in enumerate(node.parents):
            if not isinstance(p, Node) or (node, i) in again:
                order.append((node, i))
            elif p in here and not p.parents:
                order.append((p, None))
        if node.parents:
            order.append((node, None))
    return [*dict.fromkeys(order + [(leaf, None) for leaf in nodes])]


def _draw_box(graph: Digraph, picture: Picture, node: Node) -> None:
    """Draw a node, and dots for operands that are not drawn."""
    name, border = picture.ids[node], 3 if node is picture.root else 1
    at = picture.at(name)
    width = ceil(72 * float(at.get("width", 0)))
    titles = (sign(node), picture.name(node))
    fill, heat = picture.fills[node], picture.heat
    box = node_box(node, titles, picture.show, fill, border, width, heat)
    graph.node(name, box, shape="plain", id=name, **at)
    for i, p in enumerate(node.parents):
        if isinstance(p, Node) and p not in picture.ids:
            graph.node(f"{name}c{i}", "…", shape="plain", id=f"{name}c{i}")


def sign(node: Node) -> str:
    """Return the mathematical sign of a node's operation, or its name, with the size of a window.

    >>> from tinygrad_pool import Value
    >>> sign(Value(2.0) * 3.0)
    '×'
    """
    windows = node.options.get("windows")
    name = node.op.replace("_", " ")
    if windows:
        return f"{name} {'×'.join(map(str, windows.kernel))}"
    return traits_of(node.rule).sign or name


def _draw_operand(graph: Digraph, picture: Picture, node: Node, i: int) -> None:
    """Draw a constant, the name of a repeated leaf, or the number of a broken edge."""
    name, p = f"{picture.ids[node]}c{i}", node.parents[i]
    if not isinstance(p, Node):
        label, style = constant_box(p, picture.show, picture.constant_width), {"shape": "plain"}
    elif p.is_leaf:
        label, style = name_box(picture.name(p), p, picture.fills[p]), {"shape": "plain"}
    else:
        label, style = picture.layout.breaks[p][0], BREAK
    graph.node(name, label, id=name, **{**style, **picture.at(name)})


def align(
    graph: Digraph, firsts: Sequence[str], at: Callable[[str], Mapping[str, str]] = lambda _: {}
) -> None:
    """Stack rows below each other, by an invisible point before the first node of each.

    Graphviz keeps the order of the rows if each is an invisible frame with a point before it, and
    an invisible edge runs between every two rows. `at` returns the position of a point if it is
    fixed.
    """
    points = [f"row{k}" for k, _ in enumerate(firsts)]
    walls = [(f"wall{k}", f"wall{k}end") for k, _ in enumerate(points[1:])]
    for point in chain(points, *walls):
        graph.node(point, "", **{**POINT, **at(point)})
    for point, first in zip(points, firsts, strict=True):
        graph.edge(point, first, style="invis", weight="9")
    in_line(graph, points)
    for above, below, (wall, end) in zip(points, points[1:], walls, strict=False):
        in_line(graph, (above, wall, below))
        with graph.subgraph() as last:
            last.attr(rank="max")
            last.node(end)
        graph.edge(wall, end, style="invis")


def in_line(graph: Digraph, names: Iterable[str], called: str | None = None) -> None:
    """Keep nodes of one rank in order."""
    pairs = [*pairwise(names)]
    if pairs:
        with graph.subgraph(name=called) as line:
            line.attr(rank="same")
            for before, after in pairs:
                line.edge(before, after, style="invis")
