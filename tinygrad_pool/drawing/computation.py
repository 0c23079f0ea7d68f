"""The computation graph of a Value as a picture: every node with its data and its gradient."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.edges import edge_styles, largest_in, legend, not_summed, sent_by
from tinygrad_pool.drawing.folding import WAYS, folded
from tinygrad_pool.drawing.heat import magnitudes
from tinygrad_pool.drawing.labels import set_note, weights_in
from tinygrad_pool.drawing.layout import laid_out
from tinygrad_pool.drawing.nodes import Picture, draw_nodes
from tinygrad_pool.drawing.overview import draw_groups, note
from tinygrad_pool.drawing.theme import canvas, in_theme, write_on
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.drawing.words import graph_in_words
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.value import Value
from tinygrad_pool.formatting import several
from tinygrad_pool.rules.arguments import choice, count_of, listed

if TYPE_CHECKING:
    from graphviz import Digraph

Direction: TypeAlias = Literal["LR", "TB", "RL", "BT"]
Detail: TypeAlias = Literal["auto", "full", "ops", "scopes", "layers", "forms", "turns"]
DIRECTIONS = ("LR", "TB", "RL", "BT")
DETAILS = ("auto", "full", "ops", *WAYS)
SHOWN = ("data", "grad", "shape", "dtype", "heat", "magnitude", "local", "contribution")
FULL = 300
LOCAL = "×: the local derivative, which the gradient is multiplied by"
MORE = "not from these arrows alone, but from earlier passes or nodes not drawn"


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
    """Draw the graph that led to a Value, with data and gradients, as graphviz's Digraph.

    One box per node: the operation's sign, the label, `data` and `grad` (– before any pass); one
    edge per operand, in order. Constants are boxes of their own, weights are green, inputs yellow.
    The edges of a `maximum` are solid where the gradient goes, with its share, and dashed to the
    losers. Scopes become frames. Equal programs give equal text.

    `show` is any of "data", "grad", "shape", "dtype", "heat" (small pictures of arrays of two axes
    and more), "magnitude" (boxes filled by the size of their gradient, on a log scale), and on the
    edges "local", the derivative of a number by each operand, or
    "contribution", what flowed back in the last pass: wide if large, hue by sign, double below 0.
    `detail` is "full", "ops" (signs and labels only), or how to fold the graph into boxes that say
    how many nodes they stand for: by "scopes" or "layers" (a box for each innermost or outermost
    scope), "turns" (for a loop) or "forms" (for what is computed in the same way). "auto" is full
    up to 300 nodes, and beyond that folded in a way that leaves few boxes. `depth` is how many
    edges to follow back. `names=locals()` calls Values without a label by their variables.
    `highlight` marks some. Without a `direction` the graph goes from left to right, or downwards
    where that fits a slide better. A long one is cut into so many `rows`, by default as it fits: an
    edge that ends at a number goes on where that number stands again. `theme` is "light" or "dark".

    Raises DataError for anything but a Value, OptionError for an option out of its range.

    >>> a = Value(2.0, label="a")
    >>> print(draw(a * a).source.count("n0 -> n1"))
    2
    """
    check_drawable(value, direction, "draw")
    nodes = nodes_within(value, depth)
    words = show.split(",") if isinstance(show, str) else listed(show)
    shown = {choice(word, SHOWN, "draw: each word of show") for word in words}
    choice(detail, DETAILS, "draw: detail")
    if rows is not None:
        rows = count_of(rows, "draw: rows", 1)
    lit = [highlight] if isinstance(highlight, Value) else listed(highlight)
    for node in lit:
        check_drawable(node, None, "draw: highlight")
    graph = canvas("computation", direction or "LR", title)
    graph.comment = graph_in_words(value, nodes, title).comment()
    if detail in WAYS or (detail == "auto" and len(nodes) > FULL):
        called = held_by(names)
        less = folded(nodes, detail if detail in WAYS else "", called)
        draw_groups(graph, less.groups, value, {*lit}, rows, called)
        for line in (note(len(nodes), less), *set_note(nodes, called)):
            write_on(graph, line)
    else:
        if detail == "ops":
            shown -= {"data", "grad", "heat"}
            graph.attr(splines="line", nslimit="2", mclimit="0.5")
        picture = picture_of(value, nodes, shown, names, {*lit}, direction, rows)
        graph.graph_attr["rankdir"] = picture.layout.rows.direction
        arrays = sent_by(nodes) if "contribution" in shown else {}
        sent = largest_in(arrays)
        more = [picture.name(p) or name_of(p) for p in not_summed(arrays) if p in picture.ids]
        told = [f"grad of {several(more, 3)}: {MORE}"] if more else []
        styles = edge_styles(nodes, shown, sent)
        labels = [style.get("label", "") for some in styles.values() for style in some]
        told += [LOCAL] if any("×" in label for label in labels) else []
        for line in (*legend(sent).splitlines(), *told, *picture.notes):
            write_on(graph, line)
        draw_nodes(graph, picture, styles)
    return in_theme(graph, theme)


def check_drawable(value: Any, direction: str | None, name: str) -> None:
    """Raise DataError for anything but a Value, OptionError for an unknown direction."""
    check_value(value, name)
    if direction is not None:
        choice(direction, DIRECTIONS, f"{name}: direction")


def check_depth(depth: object, name: str) -> None:
    """Raise OptionError unless `depth` is None or a count."""
    if depth is not None:
        count_of(depth, f"{name}: depth", 0)


def nodes_within(root: Value, depth: int | None) -> list[Node]:
    """List the nodes that are at most `depth` edges behind the root."""
    check_depth(depth, "draw")
    nodes = topological_order(root)
    if depth is None:
        return nodes
    far: dict[Node, int] = {root: 0}
    for node in reversed(nodes):
        for p in node.parents:
            if isinstance(p, Node):
                far[p] = min(far.get(p, far[node] + 1), far[node] + 1)
    return [node for node in nodes if far[node] <= depth]


def picture_of(
    root: Value,
    nodes: list[Node],
    show: Set[str],
    names: Mapping[str, Any] | None,
    lit: Collection[Node] = (),
    direction: str | None = None,
    rows: int | None = None,
) -> Picture:
    """Settle how each node is called and filled, and where it stands."""
    called = held_by(names)
    weights, notes = weights_in(nodes, called), set_note(nodes, called)
    fills = {}
    for node in nodes:
        leaf = theme.WEIGHT if node in weights else theme.LEAF
        fills[node] = theme.OPERATION if node.parents else theme.CUT if node.op else leaf
        fills[node] = theme.LIT if node in lit else fills[node]
    by_size, scale = magnitudes(nodes) if "magnitude" in show else ({}, "")
    ids = {node: f"n{i}" for i, node in enumerate(nodes)}
    layout = laid_out(nodes, show, direction, rows)
    notes += scale.splitlines()
    return Picture(nodes, ids, called, fills | by_size, show, root, layout, notes)
