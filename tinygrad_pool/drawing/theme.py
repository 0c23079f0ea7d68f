"""The look of every picture: colours, fonts and line widths.

A colour means the same in all of them. Gradients are blue above 0 and orange below; data is written
in ink. Boxes are filled by kind: inputs yellow, weights green, others grey. Blue and orange are
from Okabe and Ito's palette, which colour-blind readers can tell apart, also in grey.
"""

from __future__ import annotations

import re
from colorsys import hls_to_rgb, rgb_to_hls
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_pool.drawing.dot_program import lend_to_graphviz
from tinygrad_pool.errors import ToolError

if TYPE_CHECKING:
    import graphviz
    import matplotlib.axes
    import matplotlib.figure

Digraph: TypeAlias = "graphviz.Digraph"  # in quotes: both packages are imported on first use
Figure: TypeAlias = "matplotlib.figure.Figure"
Axes: TypeAlias = "matplotlib.axes.Axes"

FONT = "Helvetica"
INK = "#222222"
SOFT = "#5a5a5a"
FAINT = "#9a9a9a"
POSITIVE = "#0072B2"
NEGATIVE = "#B84A00"
NOT_A_NUMBER = "#A8326E"
OPERATION = "#E6E8EB"
LEAF = "#FFF7DC"
WEIGHT = "#E4F2E1"
CONSTANT = "#F6F6F6"
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
    POSITIVE: "#6cc0f5",
    NEGATIVE: "#ff9d5c",
    NOT_A_NUMBER: "#f09ac4",
    OPERATION: "#3a3f46",
    LEAF: "#453c1f",
    WEIGHT: "#24402a",
    CONSTANT: "#2b2e33",
    CUT: "#43323f",
    LIT: "#7a5c00",
}
"""The colours of the dark theme."""

THEMES = ("light", "dark")


def of_sign(g: Any, zero: str = SOFT) -> str:
    """Return the colour of a gradient: by its sign, `zero` for 0, and ink if signs are mixed.

    >>> of_sign(2.0) == POSITIVE, of_sign(0.0) == SOFT, of_sign([1.0, -1.0]) == INK
    (True, True, True)
    """
    flat = np.ravel(g)
    if np.isnan(flat).any():
        return NOT_A_NUMBER
    low, high = flat.min(initial=0.0), flat.max(initial=0.0)
    if low < 0 < high:
        return INK
    return POSITIVE if high > 0 else NEGATIVE if low < 0 else zero


def of_signs(g: Any) -> str:
    """Return the colour of a gradient as `of_sign` does, or "" if its numbers differ in sign.

    >>> of_signs(2.0) == POSITIVE, of_signs(np.array([1.0, -1.0])), of_signs(np.array([1.0, 0.0]))
    (True, '', '')
    """
    colour = of_sign(g)
    one_sign = not np.ndim(g) or np.all(g > 0) or np.all(g < 0)
    return colour if one_sign or colour == NOT_A_NUMBER else ""


def line_of_sign(g: float, back: bool = False) -> dict[str, str]:
    """Style a line by sign: blue above 0, orange and double below, faint and dashed at 0.

    Graphviz uses the first colour for an arrowhead at the end of a line, and the second for one
    that points `back`.

    >>> line_of_sign(-2.0), line_of_sign(0.0)
    ({'color': '#B84A00:invis:#B84A00'}, {'color': '#9a9a9a', 'style': 'dashed'})
    """
    colour = of_sign(g, zero=FAINT)
    if not g < 0:
        return {"color": colour} if g else {"color": colour, "style": "dashed"}
    double = f"{colour}:invis:{colour}"
    return {"color": f"invis:{double}:invis" if back else double}


def mixed(colour: str, part: float, ground: str = PAPER) -> str:
    """Mix a colour with a background: a `part` of 1 is the pure colour, 0 the background.

    >>> mixed("#000000", 0.2)
    '#cccccc'
    """
    ends = [[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in (ground, colour)]
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(*ends, strict=True))


def literal(*lines: str) -> str:
    r"""Escape lines for a plain label, in which Graphviz reads backslashes and HTML entities.

    >>> print(literal(r"\Gamma", "&alpha;"))
    \\Gamma\n&amp;alpha;
    """
    from graphviz import escape, nohtml

    label: str = nohtml(r"\n".join(escape(line.replace("&", "&amp;")) for line in lines))
    return label


def canvas(name: str, direction: str, title: str = "", *legend: str) -> Digraph:
    """Return an empty graph, to be laid out in `direction` (LR, TB, RL or BT), with a legend.

    Raises ToolError without the Python package graphviz.
    """
    try:
        from tinygrad_pool.drawing.digraph import Drawing
    except ImportError:
        raise ToolError(
            "drawing a graph needs the Python package graphviz: pip install graphviz"
        ) from None
    lend_to_graphviz()
    graph = Drawing(name, graph_attr={"rankdir": direction})
    graph.attr(ranksep="0.3", nodesep="0.2", fontname=FONT, fontcolor=INK, bgcolor=PAPER)
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in title)
    if lines := [*[printable] * bool(title), *legend]:
        size = "14" if legend else "18"
        graph.graph_attr.update(label=literal(*lines), labelloc="t", fontsize=size)
    graph.attr("node", fontname=FONT, fontcolor=INK, color=INK, fontsize="14")
    graph.attr("edge", fontname=FONT, fontcolor=INK, color=SOFT, arrowsize="0.7")
    return graph


def in_theme(graph: Digraph, name: str) -> Digraph:
    """Change every colour to that of a theme, one of THEMES."""
    if name == "dark":
        for attributes in (graph.graph_attr, graph.node_attr, graph.edge_attr):
            colours = {key: DARK.get(v, v) for key, v in attributes.items() if "color" in key}
            attributes.update(colours)
        graph.body[:] = [_COLOURS.sub(_dark_line, line) for line in graph.body]
    return graph


def _dark_line(attribute: re.Match[str]) -> str:
    """Change each colour of an attribute; double lines have several."""
    return _COLOUR.sub(lambda colour: darkened(colour[0]), attribute[0])


def darkened(light: str) -> str:
    """Return the dark theme's colour for one of the light theme; others the inverse lightness.

    >>> darkened(INK), darkened("#cccccc"), darkened("#d0e0ff")
    ('#eeeeee', '#4c4d50', '#002670')
    """
    light = light.lower()
    if light in _PARTNERS:
        return _PARTNERS[light]
    red, green, blue = (int(light[k : k + 2], 16) / 255 for k in (1, 3, 5))
    if red == green == blue:  # between paper and ink
        white, black = (int(colour[1:3], 16) / 255 for colour in (PAPER, INK))
        return mixed(DARK[INK], min(1.0, (white - red) / (white - black)), DARK[PAPER])
    hue, lightness, saturation = rgb_to_hls(red, green, blue)
    least = 0.5 if lightness < 0.75 else 0.22  # a line, or a surface, that differs from the paper
    parts = hls_to_rgb(hue, max(1 - lightness, least), saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


_PARTNERS = {light.lower(): dark for light, dark in DARK.items()}
_COLOURS = re.compile(
    r'(?<=color=")[#\w:]+(?="(?! (?:BGCOLOR="#\w{6}" )?FIXEDSIZE="TRUE"))', re.IGNORECASE
)
"""All colours except those of heat maps, in which white is 0 in every theme."""
_COLOUR = re.compile(r"#\w{6}")
