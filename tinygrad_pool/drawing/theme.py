"""The look of every picture: one place for colours, fonts and line widths.

The colours are those of Okabe and Ito's palette, told apart by colour-blind readers and in grey.
"""

from graphviz import Digraph, escape

FONT = "Helvetica"
INK = "#222222"
SOFT = "#5a5a5a"
FAINT = "#9a9a9a"
DATA = "#0072B2"
GRADIENT = "#B84A00"
OPERATION = "#DCE9F5"
LEAF = "#FFF7DC"
CONSTANT = "#F2F2F2"
CUT = "#EFE3EE"
PANEL = "#FAFAFA"


def canvas(name: str, direction: str, title: str = "") -> Digraph:
    """Start an empty picture, laid out in `direction` (LR, TB, RL or BT)."""
    graph = Digraph(name)
    graph.attr(
        rankdir=direction,
        ranksep="0.3",
        nodesep="0.2",
        fontname=FONT,
        fontcolor=INK,
        bgcolor="white",
    )
    if title:
        graph.attr(label=escape(title), labelloc="t", fontsize="18")
    graph.attr("node", fontname=FONT, fontcolor=INK, color=INK, fontsize="14")
    graph.attr("edge", fontname=FONT, fontcolor=INK, color=SOFT, arrowsize="0.7")
    return graph
