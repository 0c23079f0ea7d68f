"""The computation graph of a Value as a picture: every node with its data and its gradient."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Literal, TypeAlias

import numpy as np
from graphviz import Digraph, escape

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.dot_program import lend_to_graphviz
from tinygrad_pool.drawing.labels import is_large, numbers, plain, shape, sign, text
from tinygrad_pool.drawing.words import graph_in_words
from tinygrad_pool.engine import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.graph import ancestors
from tinygrad_pool.node import Node

Direction: TypeAlias = Literal["LR", "TB", "RL", "BT"]
DIRECTIONS = ("LR", "TB", "RL", "BT")


def draw(value: Value, *, direction: Direction = "LR", title: str = "") -> Digraph:
    """Draw the graph that led to a Value, with data and gradients, as graphviz's Digraph.

    One box a node: the operation's sign, the label, `data` and `grad` (– before any pass); one
    edge an operand, in order. Constants are boxes of their own. The edges of a `maximum` are solid
    where the gradient goes, with its share, and dashed to the losers. Scopes become frames. Equal
    programs give equal text.

    Raises DataError for what is no Value, OptionError for an unknown direction.

    >>> a = Value(2.0, label="a")
    >>> print(draw(a * a).source.count("n0 -> n1"))
    2
    """
    check_drawable(value, direction, "draw")
    graph = theme.canvas("computation", direction, title)
    nodes = ancestors(value)
    graph.comment = graph_in_words(value, nodes, title).comment()
    scopes = _scopes(nodes)
    names = {node: f"n{i}" for i, node in enumerate(nodes)}
    _draw_frames(graph, nodes, names, scopes, root=value)
    for node in nodes:
        for i, (p, style) in enumerate(zip(node.parents, _edge_styles(node), strict=True)):
            tail = names[p] if isinstance(p, Node) else f"{names[node]}c{i}"
            graph.edge(tail, names[node], **style)
    lend_to_graphviz()
    return graph


def check_drawable(value: Any, direction: str, name: str) -> None:
    """Raise DataError for what is no Value, OptionError for an unknown direction."""
    if not isinstance(value, Value):
        raise DataError(f"{name}: needs a Value, got {type(value).__name__}")
    if direction not in DIRECTIONS:
        raise OptionError(f"{name}: direction must be one of {DIRECTIONS}, got {direction!r}")


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
    nodes: list[Node],
    names: dict[Node, str],
    scopes: dict[Node, str],
    root: Value,
    outer: str = "",
) -> None:
    """Draw the nodes of one scope, and inside a frame each the scopes within it."""
    inner: dict[str, list[Node]] = {}
    for node in nodes:
        if rest := scopes[node].removeprefix(outer).lstrip("/"):
            inner.setdefault(rest.split("/")[0], []).append(node)
            continue
        graph.node(names[node], _box(node, is_root=node is root), shape="plain", id=names[node])
        for i, constant in enumerate(node.parents):
            if not isinstance(constant, Node):
                name = f"{names[node]}c{i}"
                graph.node(name, _constant_box(constant), shape="plain", id=name)
    for step, members in inner.items():
        path = f"{outer}/{step}" if outer else step
        with graph.subgraph(name=f"cluster_{names[members[0]]}_{path.count('/')}") as frame:
            frame.attr(label=escape(plain(step)), fontsize="12", fontcolor=theme.SOFT)
            frame.attr(style="rounded", color=theme.FAINT, bgcolor=theme.PANEL)
            _draw_frames(frame, members, names, scopes, root, path)


def _box(node: Node, is_root: bool) -> str:
    """Write a node as an HTML table: sign and label on top, data and gradient below."""
    titles = [f"<B>{text(title)}</B>" for title in (sign(node), node.label) if title]
    fill = theme.LEAF if not node.op else theme.OPERATION if node.parents else theme.CUT
    gradient = numbers(node.grad) if node.has_grad else "–"
    rows = [
        _row(fill, "&nbsp; ".join(titles)) if titles else "",
        _row("white", shape(node.shape), colour=theme.SOFT) if is_large(node.data) else "",
        _row("white", numbers(node.data), "data", theme.DATA),
        _row("white", gradient, "grad", theme.GRADIENT),
    ]
    border = 3 if is_root else 1
    return (
        f'<<TABLE BORDER="{border}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" '
        f'COLOR="{theme.INK}" BGCOLOR="white">{"".join(rows)}</TABLE>>'
    )


def _row(fill: str, content: str, key: str = "", colour: str = theme.INK) -> str:
    left = f'<TD ALIGN="LEFT"><FONT POINT-SIZE="10" COLOR="{theme.SOFT}">{key}</FONT></TD>'
    left, span = (left, "") if key else ("", ' COLSPAN="2"')
    return (
        f'<TR>{left}<TD{span} BGCOLOR="{fill}" ALIGN="{"RIGHT" if key else "CENTER"}">'
        f'<FONT COLOR="{colour}">{content}</FONT></TD></TR>'
    )


def _constant_box(constant: Any) -> str:
    lines = [shape(np.shape(constant))] if is_large(constant) else []
    return (
        f'<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="4" BGCOLOR="{theme.CONSTANT}"><TR><TD>'
        f"{'<BR/>'.join([*lines, numbers(constant)])}</TD></TR></TABLE>>"
    )


def _edge_styles(node: Node) -> Iterator[dict[str, str]]:
    """Tell the winner's edge of a maximum of numbers from the losers'; all others are plain."""
    shares = shares_of(node)
    for i, _ in enumerate(node.parents):
        if shares is None:
            yield {}
        else:
            yield link_style(shares[i])


def link_style(share: float) -> dict[str, str]:
    """Draw a link of weight 0 dashed and faint, any other solid, with its weight."""
    if share == 0:
        return {"label": " 0", "style": "dashed", "color": theme.FAINT, "fontcolor": theme.SOFT}
    return {"label": f" {share:.3g}", "penwidth": "2.4", "color": theme.INK}


def shares_of(node: Node) -> list[float] | None:
    """Read off a maximum or minimum of numbers which share of its gradient each operand gets."""
    if node.op not in ("maximum", "minimum") or node.shape or node._closure is None:
        return None
    return [float(c or 0.0) for c in node._closure(1.0)]
