"""The look of every picture: one place for colours, fonts and line widths.

The colours are those of Okabe and Ito's palette, told apart by colour-blind readers and in grey.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tinygrad_pool.errors import OptionError, ToolError

if TYPE_CHECKING:
    from graphviz import Digraph

FONT = "Helvetica"
INK = "#222222"
SOFT = "#5a5a5a"
FAINT = "#9a9a9a"
DATA = "#0072B2"
GRADIENT = "#B84A00"
OPERATION = "#DCE9F5"
LEAF = "#FFF7DC"
WEIGHT = "#E4F2E1"
CONSTANT = "#F2F2F2"
CUT = "#EFE3EE"
PANEL = "#FAFAFA"
PAPER = "#ffffff"
LIT = "#FFE08A"

DARK = {
    PAPER: "#1b1d21",
    PANEL: "#23262b",
    INK: "#eeeeee",
    SOFT: "#b8b8b8",
    FAINT: "#7d7d7d",
    DATA: "#6cc0f5",
    GRADIENT: "#ff9d5c",
    OPERATION: "#26384a",
    LEAF: "#453c1f",
    WEIGHT: "#24402a",
    CONSTANT: "#33363b",
    CUT: "#43323f",
    LIT: "#7a5c00",
}
"""What each colour becomes on a dark page."""

THEMES = ("light", "dark")


def literal(*lines: str) -> str:
    r"""Make lines fit for a plain label, in which Graphviz reads backslashes and HTML's entities.

    >>> print(literal(r"\Gamma", "&alpha;"))
    \\Gamma\n&amp;alpha;
    """
    from graphviz import escape, nohtml

    label: str = nohtml(r"\n".join(escape(line.replace("&", "&amp;")) for line in lines))
    return label


def canvas(name: str, direction: str, title: str = "") -> Digraph:
    """Return an empty picture, laid out in `direction` (LR, TB, RL or BT).

    Raises ToolError without the Python package graphviz.
    """
    try:
        from tinygrad_pool.drawing.digraph import Drawing
    except ImportError:
        raise ToolError(
            "drawing a graph needs the Python package graphviz: pip install graphviz"
        ) from None
    graph = Drawing(name)
    graph.attr(
        rankdir=direction,
        ranksep="0.3",
        nodesep="0.2",
        fontname=FONT,
        fontcolor=INK,
        bgcolor=PAPER,
    )
    if title:
        printable = "".join(c if c.isprintable() or c == "\n" else " " for c in title)
        graph.graph_attr.update(label=literal(printable), labelloc="t", fontsize="18")
    graph.attr("node", fontname=FONT, fontcolor=INK, color=INK, fontsize="14")
    graph.attr("edge", fontname=FONT, fontcolor=INK, color=SOFT, arrowsize="0.7")
    return graph


def write_on(graph: Digraph, text: str) -> None:
    """Write a line under the title: how to read the picture."""
    title = graph.graph_attr.get("label", "")
    label = f"{title}\\n{literal(text)}" if title else literal(text)
    graph.graph_attr.update(label=label, labelloc="t", fontsize="14")


def in_theme(graph: Digraph, name: str) -> Digraph:
    """Change every colour to that of a theme. Raises OptionError for one that does not exist."""
    if name not in THEMES:
        raise OptionError(f"theme must be one of {', '.join(map(repr, THEMES))}, got {name!r}")
    if name == "dark":
        for attributes in (graph.graph_attr, graph.node_attr, graph.edge_attr):
            colours = {key: DARK.get(v, v) for key, v in attributes.items() if "color" in key}
            attributes.update(colours)
        graph.body[:] = [_COLOUR.sub(_darkened, line) for line in graph.body]
    return graph


def _darkened(match: re.Match[str]) -> str:
    return DARK.get(match[0], match[0])


_COLOUR = re.compile(r'(?<=color=")#\w{6}(?="(?! FIXEDSIZE))', re.IGNORECASE)
"""Any colour, but for those of the cells of a heat map: there white is 0 on every page."""
