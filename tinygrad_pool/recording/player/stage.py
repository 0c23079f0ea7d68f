"""The picture on the page: laid out once, with room for every number that it will show."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any, NamedTuple

from tinygrad_pool.derivatives.slopes import largest_of
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.computation import FULL, Direction
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.edges import Style
from tinygrad_pool.drawing.folding import Group, folded
from tinygrad_pool.drawing.layout import picture_of
from tinygrad_pool.drawing.nodes import draw_nodes
from tinygrad_pool.drawing.overview import draw_groups, note, title_of
from tinygrad_pool.drawing.slides import holding, longest_of
from tinygrad_pool.drawing.words import set_note
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import number, numbers, plain
from tinygrad_pool.javascript import constants_of
from tinygrad_pool.recording.player.thumbnails import format_of
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.recording.views import title

SVG = "http://www.w3.org/2000/svg"
REPEATED = ("font-family", "{http://www.w3.org/XML/1998/namespace}space")
FIXED = ("textLength", "lengthAdjust")
LONG = re.compile(r"(\.[1-9])\d*|\.0\d*")
LABELLED = 80
UNFOLDED = 1000
PANEL = (900, 420)
"""The size of the picture's panel on a screen of 1280 × 720."""

ROOMY = -8.88
"""A number whose width is the least room that any number gets."""

LEAST = 42
"""The least width of a constant, in points: that of a roomy number, and its margins."""

ROOM = "#fefefd"
"""A fill used for nothing else: it marks where the page paints an array."""


class Box(NamedTuple):
    """A box of the picture, and its nodes, oldest first."""

    id: str
    name: str
    nodes: list[Node]


class Stage(NamedTuple):
    """A picture as SVG, its boxes, and the ids of its edges by box and place of the operand.

    In a folded picture, edges are keyed by box and the box of the operands.
    """

    svg: str
    boxes: list[Box]
    edges: dict[tuple[int, int], str]
    folded: bool


def stage_of(recording: Trace, direction: Direction | None = None) -> Stage:
    """Draw the graph of a pass as `draw` does, folded if it is large.

    Without a direction, a small graph is drawn in the one that fits the panel better: left to
    right, or bottom to top.
    """
    if direction is None and len(recording.nodes) <= LABELLED:
        return max((stage_of(recording, way) for way in ("LR", "BT")), key=_fit)
    direction = direction or "LR"
    nodes, names = recording.nodes, recording.names
    less = folded(nodes, called=names) if len(nodes) > UNFOLDED else None
    folds = [note(len(nodes), less).partition(";")[0]] if less else []
    graph = theme.canvas("backward", direction, "", *folds, *set_note(set_since(nodes), names))
    boxes, edges = (
        _draw_folded(graph, recording, less.groups) if less else _draw_nodes(graph, recording)
    )
    svg = picture(graph.source, "svg", timeout=120.0).decode()
    lines = {} if less else _lines(recording, boxes)
    return Stage(_marked(svg, lines), boxes, edges, bool(less))


def _fit(stage: Stage) -> float:
    """Return the scale at which the picture fits the panel."""
    _, _, wide, high = map(float, re.findall(r'viewBox="([^"]*)"', stage.svg)[0].split())
    return min(PANEL[0] / wide, PANEL[1] / high)


def _draw_nodes(graph: Any, recording: Trace) -> tuple[list[Box], dict[tuple[int, int], str]]:
    """Draw a box per node, as wide as its longest gradient, and edges with room for numbers."""
    nodes = recording.nodes
    show = {"data", "grad", "heat"}
    if len(nodes) > FULL:
        show = set()
        graph.attr(splines="line", nslimit="2", mclimit="0.5")
    names = {id(v): recording.names.get(id(v)) or f"#{recording.numbers[v]}" for v in nodes}
    direction = graph.graph_attr["rankdir"]
    shown = picture_of(recording.loss, nodes, show, names, direction=direction)._replace(
        heat=_room, constant_width=LEAST if len(nodes) <= FULL else 0
    )
    sent = {step.node: step.contributions for step in recording.steps}
    styles = {}
    for node in nodes:
        sends = sent.get(node, (None,) * len(node.parents))
        styles[node] = [
            _style(p, c, len(nodes) <= LABELLED) for p, c in zip(node.parents, sends, strict=True)
        ]
    computed = ((c.node, c.after) for c in chain(*recording.accumulations()) if c.after is not None)
    with holding(nodes, _with_room(nodes, longest_of(computed))):
        draw_nodes(graph, shown, styles)
    ids = shown.ids
    edges = {(k, i): f"{ids[n]}e{i}" for k, n in enumerate(nodes) for i, _ in enumerate(n.parents)}
    return [Box(ids[node], plain(title(recording, node)), [node]) for node in nodes], edges


def _with_room(nodes: list[Node], longest: dict[Node, Any]) -> dict[Node, Any]:
    """Keep room for other numbers where those of the pass are short."""
    alone = [node for node in nodes if not node.shape]
    short = [n for n in alone if len(number(float(longest.get(n, 0.0)))) < len(number(ROOMY))]
    return longest | dict.fromkeys(short, ROOMY)


def _style(operand: Any, c: Any, labelled: bool) -> Style:
    """Point an edge to the operand that receives its contribution; from a constant, to its user."""
    style = {"dir": "back"} if isinstance(operand, Node) else {}
    if c is None or not labelled:
        return style
    return style | {"label": f" {number(largest_of(c))} "}


def _draw_folded(
    graph: Any, recording: Trace, groups: list[Group]
) -> tuple[list[Box], dict[tuple[int, int], str]]:
    """Draw a box for each layer, or each kind of operation."""
    names = recording.names
    with holding(recording.nodes, recording.last):
        draw_groups(graph, groups, recording.loss, set(), called=names, dir="back")
    edges = {
        (i, k): f"g{i}e{j}" for i, group in enumerate(groups) for j, k in enumerate(group.sources)
    }
    return [Box(f"g{i}", title_of(g, names), g.nodes) for i, g in enumerate(groups)], edges


def _room(data: Any) -> str:
    """Keep room for an array that the page paints."""
    shown = format_of(data.shape)
    if shown is None:
        return ""
    wide, high = shown.size
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>'
        f'<TD FIXEDSIZE="TRUE" WIDTH="{wide}" HEIGHT="{high}" BGCOLOR="{ROOM}"></TD>'
        "</TR></TABLE>"
    )


def _lines(recording: Trace, boxes: list[Box]) -> dict[str, dict[str, list[str]]]:
    """Write the data and the final gradients, which the page shows if scripts are disabled."""
    lines = {}
    for box in boxes:
        (node,) = box.nodes
        g = recording.last.get(node)
        lines[box.id] = {
            "data": numbers(node.data).split("\n"),
            "grad": ["–"] if g is None else numbers(g).split("\n"),
        }
        for _, i in constants_of(node):
            lines[f"{box.id}c{i}"] = {"data": numbers(node.parents[i]).split("\n")}
    return lines


def _marked(svg: str, lines: Mapping[str, Mapping[str, list[str]]]) -> str:
    """Mark what the page changes, and remove redundant attributes.

    `lines` are those of each box, by kind. A box without a gradient is a constant.
    """
    ET.register_namespace("", SVG)
    root = ET.fromstring(svg[svg.index("<svg") :])
    for group in root.iter(f"{{{SVG}}}g"):
        for identifier in group.findall(f"{{{SVG}}}title"):
            group.remove(identifier)
        if group.get("class") == "node":
            here = lines.get(group.get("id", ""), {})
            _mark_box(group, "data" if [*here] == ["data"] else "")
            for kind, shown in here.items():
                _write(group, kind, shown)
        for text in group.findall(f"{{{SVG}}}text"):
            if group.get("class") == "edge" or text.get("class"):
                for key in FIXED:  # the page changes these texts
                    text.attrib.pop(key, None)
    for part in root.iter():
        for key in REPEATED:
            part.attrib.pop(key, None)
        if part.get("text-anchor") == "start":  # the default
            del part.attrib["text-anchor"]
        for key in ("points", "d", "x", "y", "font-size"):
            if key in part.attrib:
                part.set(key, LONG.sub(r"\1", part.attrib[key]))
    return ET.tostring(root, encoding="unicode")


def _mark_box(group: ET.Element, kind: str) -> None:
    """Mark the data and gradient lines, aligned at the right edge, and the painted arrays.

    `kind` is that of the first lines: those of a constant are data, and those of a node its title.
    Adjacent numbers, which are separate texts in the colours of their signs, become one line.
    """
    pictures, adjacent = [], []
    right, height = "0", ""
    for child in group:
        fill = child.get("fill", "").lower()
        if child.tag == f"{{{SVG}}}polygon":
            xs = [float(pair.split(",")[0]) for pair in child.get("points", "").split()]
            right = f"{max(xs) - 4:.1f}"
            if fill == ROOM:
                pictures.append(child)
        elif child.text in ("data", "grad") and fill == theme.SOFT.lower():  # unlike a title
            kind = child.text
            height = ""
        elif child.tag == f"{{{SVG}}}text" and kind and child.get("y") == height:
            adjacent.append(child)
        elif child.tag == f"{{{SVG}}}text" and kind:
            height = child.get("y", "")
            child.attrib |= {"class": kind, "x": right, "text-anchor": "end"}
            if kind == "grad":
                child.attrib.pop("fill", None)
    for child in adjacent:
        group.remove(child)
    for name, child in zip(("data-cells", "grad-cells"), pictures, strict=False):
        child.set("class", name)


def _write(group: ET.Element, kind: str, lines: list[str]) -> None:
    """Write lines into the texts of one kind in a box."""
    texts = [child for child in group if child.get("class") == kind]
    for text, line in zip(texts, chain(lines, repeat("")), strict=False):
        text.text = line
