"""Draw the computation graph of a Value, with the data and gradient of every node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from tinygrad_pool.drawing.edges import styled_edges
from tinygrad_pool.drawing.folding import WAYS, folded
from tinygrad_pool.drawing.heat import magnitudes
from tinygrad_pool.drawing.layout import picture_of
from tinygrad_pool.drawing.nodes import draw_nodes
from tinygrad_pool.drawing.overview import draw_groups, note
from tinygrad_pool.drawing.theme import LIT, THEMES, Digraph, canvas, in_theme
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.drawing.words import graph_in_words, set_note
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.value import Value
from tinygrad_pool.rules.arguments import choice, count_of, listed, text

Direction: TypeAlias = Literal["LR", "TB", "RL", "BT"]
Detail: TypeAlias = Literal["auto", "full", "ops", "scopes", "layers", "turns", "forms"]
SHOWN = ("data", "grad", "shape", "dtype", "heat", "magnitude", "local", "contribution")
FULL = 300


def draw(
    value: Value,
    *,
    direction: Direction | None = None,
    title: str = "",
    show: Iterable[str] = ("data", "grad", "heat"),
    detail: Detail = "auto",
    depth: int | None = None,
    names: Mapping[str, Any] | None = None,
    highlight: Iterable[Value] | Value = (),
    rows: int | None = None,
    theme: str = "light",
) -> Digraph:
    """Draw the graph of a Value, with data and gradients, as a graphviz Digraph.

    Each node is a box with the sign of its operation, its label, `data` and `grad` (– before any
    pass). Each operand is an edge, in order. Constants have boxes of their own; weights are green
    and inputs yellow. The edges of a `maximum` are solid from the winner, with its share of the
    gradient, and dashed from the losers. Scopes are frames. Equal programs give equal text.

    `show` is any of "data", "grad", "shape", "dtype", "heat" (small pictures of arrays with two or
    more axes), and "magnitude" (boxes shaded by the size of their gradient, on a log scale). On
    edges, "local" is the derivative of a number by each operand, and "contribution" the gradient
    sent back in the last pass: width by size, colour by sign, double if negative.

    `detail` is "full", "ops" (signs and labels only), or a way to fold the graph into boxes for
    several nodes: "scopes" or "layers" (one box per innermost or outermost scope), "turns" (one for
    the turns of a loop) or "forms" (one for nodes that are computed alike). "auto" draws up to 300
    nodes in full, and folds larger graphs in a way that leaves few boxes. A folded box shows data
    and gradient, whatever `show` says.

    `depth` is the number of edges to follow back. `names=locals()` names Values without a label by
    their variables. `highlight` marks Values. By default, the graph runs from left to right, or
    downwards if that fits a slide better; `direction` fixes it. Long graphs are cut into `rows`: an
    edge that ends at a number continues where that number appears again. `theme` is "light" or
    "dark".

    Raises DataError if `value` is not a Value, OptionError for an option out of range.

    >>> a = Value(2.0, label="a")
    >>> print(draw(a * a).source.count("n0 -> n1"))
    2
    """
    check_direction(direction, "draw")
    nodes = nodes_within(value, depth)
    stale = set_since(nodes)
    words = show.split(",") if isinstance(show, str) else listed(show)
    shown = {choice(word, SHOWN, "draw: each word of show") for word in words}
    choice(detail, get_args(Detail), "draw: detail")
    if rows is not None:
        rows = count_of(rows, "draw: rows", 1)
    lit = [highlight] if isinstance(highlight, Value) else listed(highlight)
    for node in lit:
        check_value(node, "draw: highlight")
    text(title, "title")
    choice(theme, THEMES, "theme")
    if detail == "ops":
        shown -= {"data", "grad", "heat"}
    called = held_by(names)
    old = set_note(stale, called)
    comment = graph_in_words(value, nodes, title).comment()
    if detail in WAYS or (detail == "auto" and len(nodes) > FULL):
        by_group = folded(nodes, detail if detail in WAYS else "", called)
        graph = canvas("computation", direction or "LR", title, note(len(nodes), by_group), *old)
        draw_groups(graph, by_group.groups, value, {*lit}, rows, called)
    else:
        marks, scale = magnitudes(nodes) if "magnitude" in shown else ({}, [])
        marks |= dict.fromkeys(lit, LIT)
        picture = picture_of(value, nodes, shown, called, marks, direction, rows)
        styles, legend = styled_edges(nodes, shown, picture.name)
        graph = canvas("computation", picture.layout.rows.direction, title, *legend, *old, *scale)
        if detail == "ops":
            graph.attr(splines="line", nslimit="2", mclimit="0.5")
        draw_nodes(graph, picture, styles)
    graph.comment = comment
    return in_theme(graph, theme)


def check_direction(direction: str | None, name: str) -> None:
    """Raise OptionError for an unknown direction."""
    if direction is not None:
        choice(direction, get_args(Direction), f"{name}: direction")


def check_depth(depth: object, name: str) -> None:
    """Raise OptionError unless `depth` is None or an integer of 0 or more."""
    if depth is not None:
        count_of(depth, f"{name}: depth", 0)


def nodes_within(root: Value, depth: int | None) -> list[Node]:
    """List the nodes that are at most `depth` edges from the root. Raises as `draw` does."""
    check_value(root, "draw")
    nodes = topological_order(root)
    if depth is None:
        return nodes
    check_depth(depth, "draw")
    distance: dict[Node, int] = {root: 0}
    for node in reversed(nodes):
        for p in node.parents:
            if isinstance(p, Node):
                distance[p] = min(distance.get(p, distance[node] + 1), distance[node] + 1)
    return [node for node in nodes if distance[node] <= depth]
