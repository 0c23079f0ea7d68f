"""The computation graph of a Value as a picture: every node with its data and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import takewhile
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import constant_box, name_box, node_box
from tinygrad_pool.drawing.dot_program import lend_to_graphviz
from tinygrad_pool.drawing.edges import Style, contributions_of, edge_styles, legend
from tinygrad_pool.drawing.folding import by_form, by_layers, layer_count
from tinygrad_pool.drawing.heat import heat, magnitudes
from tinygrad_pool.drawing.labels import weights_in
from tinygrad_pool.drawing.overview import draw_groups, note
from tinygrad_pool.drawing.theme import canvas, in_theme, literal, write_on
from tinygrad_pool.drawing.words import graph_in_words
from tinygrad_pool.drawing.wrapping import rows_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.formatting import plain

if TYPE_CHECKING:
    from graphviz import Digraph

Direction: TypeAlias = Literal["LR", "TB", "RL", "BT"]
Detail: TypeAlias = Literal["auto", "full", "ops", "layers"]
DIRECTIONS = ("LR", "TB", "RL", "BT")
DETAILS = ("auto", "full", "ops", "layers")
SHOWN = ("data", "grad", "shape", "dtype", "heat", "magnitude", "local", "contribution")
FULL, UNFOLDED = 300, 1000
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
        """Say where something stands, if that is settled."""
        return self.places.get(name, {})

    def name(self, node: Node) -> str:
        """Call a node by its label, or by the name of the variable that holds it."""
        return node.label or self.names.get(id(node), "")


def draw(
    value: Value,
    *,
    direction: Direction = "LR",
    title: str = "",
    show: Iterable[str] = ("data", "grad", "heat"),
    detail: Detail = "auto",
    depth: int | None = None,
    names: Mapping[str, Any] | None = None,
    highlight: Iterable[Value] | Value = (),
    rows: int | None = None,
    theme: str = "light",
) -> Digraph:
    """Draw the graph that led to a Value, with data and gradients, as graphviz's Digraph.

    One box a node: the operation's sign, the label, `data` and `grad` (– before any pass); one
    edge an operand, in order. Constants are boxes of their own, weights are green, inputs yellow.
    The edges of a `maximum` are solid where the gradient goes, with its share, and dashed to the
    losers. Scopes become frames. Equal programs give equal text.

    `show` is any of "data", "grad", "shape", "dtype", "heat" (small pictures of arrays of two axes
    and more), "magnitude" (boxes filled by the size of their gradient, on a log scale), and on the
    edges "local", the derivative of a number by each operand, or
    "contribution", what flowed back in the last pass: width by magnitude, hue by sign.
    `detail` is "full", "ops" (signs and labels only), "layers" (a box for each outermost scope), or
    "auto": full up to 300 nodes, ops up to 1,000, and beyond that folded into few boxes that say
    how many nodes they stand for. `depth` is how many edges to follow back. `names=locals()` calls
    Values without a label by their variables. `highlight` marks some. A long graph without frames
    goes on in the next row, in so many `rows`, by default as it fits a slide. `theme` is "light" or
    "dark".

    Raises DataError for what is no Value, OptionError for an option out of its range.

    >>> a = Value(2.0, label="a")
    >>> print(draw(a * a).source.count("n0 -> n1"))
    2
    """
    check_drawable(value, direction, "draw")
    shown = _shown(show)
    if detail not in DETAILS:
        raise OptionError(f"draw: detail must be one of {DETAILS}, got {detail!r}")
    if rows is not None and (type(rows) is not int or rows < 1):
        raise OptionError(f"draw: rows must be a whole number, 1 or more, got {rows!r}")
    nodes = _within(value, depth)
    lit = {highlight} if isinstance(highlight, Value) else set(highlight)
    for node in lit:
        check_drawable(node, direction, "draw: highlight")
    graph = canvas("computation", direction, title)
    graph.comment = graph_in_words(value, nodes, title).comment()
    if detail == "layers" or (detail == "auto" and len(nodes) > UNFOLDED):
        in_layers = detail == "layers" or layer_count(nodes) <= FULL
        groups = by_layers(nodes) if in_layers else by_form(nodes)
        draw_groups(graph, groups, value, lit, rows)
        write_on(graph, note(len(nodes), len(groups)))
    else:
        if detail == "ops" or (detail == "auto" and len(nodes) > FULL):
            shown -= {"data", "grad", "heat"}
            graph.attr(splines="line", nslimit="2", mclimit="0.5")
        picture = picture_of(value, nodes, shown, names, lit)
        sent = contributions_of(nodes) if "contribution" in shown else {}
        draw_nodes(graph, picture, {n: list(edge_styles(n, shown, sent)) for n in nodes}, rows)
        for scale in (legend(sent), magnitudes(nodes)[1] if "magnitude" in shown else ""):
            if scale:
                write_on(graph, scale)
    lend_to_graphviz()
    return in_theme(graph, theme)


def check_drawable(value: Any, direction: str, name: str) -> None:
    """Raise DataError for what is no Value, OptionError for an unknown direction."""
    if not isinstance(value, Value):
        raise DataError(f"{name}: needs a Value, got {type(value).__name__}")
    if direction not in DIRECTIONS:
        raise OptionError(f"{name}: direction must be one of {DIRECTIONS}, got {direction!r}")


def _shown(show: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(show.split(",") if isinstance(show, str) else show)
    if unknown := sorted(map(str, wanted.difference(SHOWN))):
        raise OptionError(f"draw: show takes any of {', '.join(SHOWN)}, got {', '.join(unknown)}")
    return wanted


def _within(root: Value, depth: int | None) -> list[Node]:
    """List the nodes that are at most `depth` edges behind the root."""
    nodes = topological_order(root)
    if depth is None:
        return nodes
    if type(depth) is not int or depth < 0:
        raise OptionError(f"draw: depth must be a whole number, 0 or more, got {depth!r}")
    far: dict[Node, int] = {root: 0}
    for node in reversed(nodes):
        for p in node.parents:
            if isinstance(p, Node):
                far[p] = min(far.get(p, far[node] + 1), far[node] + 1)
    return [node for node in nodes if far[node] <= depth]


def picture_of(
    root: Value,
    nodes: list[Node],
    show: frozenset[str],
    names: Mapping[str, Any] | None,
    lit: set[Value],
) -> Picture:
    """Settle how each node is called and filled."""
    called = {id(v): n for n, v in (names or {}).items() if isinstance(v, Value)}
    weights = weights_in(nodes, called)
    fills = {}
    for node in nodes:
        leaf = theme.WEIGHT if node in weights else theme.LEAF
        fills[node] = theme.OPERATION if node.parents else theme.CUT if node.op else leaf
        fills[node] = theme.LIT if node in lit else fills[node]
    if "magnitude" in show:
        fills |= magnitudes(nodes)[0]
    ids = {node: f"n{i}" for i, node in enumerate(nodes)}
    return Picture(nodes, ids, called, fills, show, root)


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
    known = [(p, n) for n in picture.nodes for p in n.parents if isinstance(p, Node)]
    edges = [(picture.ids[p], picture.ids[n]) for p, n in known if p in picture.ids]
    framed = any(scopes.values())
    placed = rows_of([*picture.ids.values()], edges, 1 if framed else rows, direction)
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
            frame.attr(label=literal(plain(step)), fontsize="12", fontcolor=theme.SOFT)
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
