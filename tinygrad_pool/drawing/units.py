"""Draw the textbook picture: units as circles in layers, weights on the links, δ in each unit.

A sum and its activation, which are two nodes of the graph, are one circle here, and a bias is the
weight of the link from the bias unit x₀ = 1. The numbers drawn add up: the contributions along a
unit's links, and from others if there are any, sum to ∂E/∂z, and ∂E/∂z · σ'(a) = δ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from math import hypot
from textwrap import wrap
from typing import Any, Literal

import numpy as np

from tinygrad_pool.drawing import theme as look
from tinygrad_pool.drawing.computation import Direction, check_depth, check_direction
from tinygrad_pool.drawing.edges import CHOICES, LOCAL, SIGNS, link_style
from tinygrad_pool.drawing.fields import LEGEND, draw_field, field_of
from tinygrad_pool.drawing.fonts import width as text_width
from tinygrad_pool.drawing.layers import Link, Unit, layers_of, others_of
from tinygrad_pool.drawing.nodes import sign
from tinygrad_pool.drawing.theme import Digraph
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.drawing.words import Caption, set_note
from tinygrad_pool.drawing.wrapping import GAIN
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted, number, typeset
from tinygrad_pool.rules.arguments import choice, listed, text

CROWDED = 24
"""With more links than this, weights are drawn and not written."""
WEIGHTS = f"links show weights: {SIGNS}"
OTHERS = "others: from links that are not drawn"
RIMS = {1.0: "thick rim: above 0", -1.0: "double rim: below 0"}
NAMED = 15
"""The longest line with a name and its number; longer ones are split."""
WIDTH, BETWEEN = 1.35, 1.2
"""The least width of a circle, and the gap of layers, in inches."""
SIZE, LINE, RIM = 14, 16.8, 8
"""The size of letters, the height of a line, and the room left for a rim, in points."""


def draw_units(
    *outputs: Value,
    inputs: Iterable[Value | Sequence[Value]] = (),
    depth: int | None = None,
    zero_one: bool = False,
    direction: Direction | None = None,
    title: str = "",
    names: Mapping[str, Any] | None = None,
    theme: Literal["light", "dark"] = "light",
) -> Digraph:
    """Draw the units and links behind some outputs, in layers, with weights, data and δ.

    A sum, by weighted_sum or by `+`, `-` and `*`, and its activation are one unit. Links into a
    maximum have no weight, or with `zero_one` the 0/1 weights of the derivation: 1 from the winner,
    0 from all others. Links into any other operation show its local derivatives. `inputs` are drawn
    first, in order, even without links; given in rows, they are drawn as a grid below each unit
    that sums them, which shows its receptive field. With many links, so are the elements of an
    array that was taken apart. `depth` is the number of layers of links to draw.

    After a backward pass, a unit shows its δ, and with an activation also ∂E/∂z and σ'(a), of which
    δ is the product. "others" is the part of the gradient from links that are not drawn, or from
    earlier passes. A coloured rim marks a unit with an error: thick above 0, double below. With
    more than 24 links, weights are not written but drawn: blue above 0, orange and double below,
    dashed at 0, wide if large.

    By default, layers are columns from the left, or rows from the bottom if that fits a slide
    better; `direction` fixes it. `names=locals()` names units and weights without a label by their
    variables. `theme` is "light" or "dark".

    Raises DataError if an output is not a Value, OptionError for an unknown direction or theme,
    ShapeError if a node is an array: units are numbers.

    >>> from tinygrad_pool import maximum
    >>> z1, z2 = Value(0.2, label="z1(1)"), Value(0.7, label="z2(1)")
    >>> draw_units(maximum(z1, z2), zero_one=True).source.count("dashed")
    1
    """
    rows: list[list[Any]] = [[*r] if isinstance(r, list | tuple) else [r] for r in listed(inputs)]
    first = [value for row in rows for value in row]
    if not outputs:
        raise OptionError("draw_units: needs the units to draw, as in draw_units(z1, z2)")
    for value in (*outputs, *first):
        check_value(value, "draw_units")
    check_direction(direction, "draw_units")
    check_depth(depth, "draw_units")
    text(title, "title")
    choice(theme, look.THEMES, "theme")
    called = held_by(names)
    layers = layers_of(outputs, first, depth, called)
    units = [unit for layer in layers for unit in layer]
    crowded = sum(len(unit.links) for unit in units) > CROWDED
    field = field_of(rows, units, crowded)
    linked = {link.source for unit in units for link in unit.links} | set(outputs)
    others = others_of(layers)
    texts = {
        u.z: _lines(u, called, u.z in linked, others.get(u.z, 0.0))
        for u in units
        if u.z not in field
    }
    ids = {z: f"u{i}" for i, z in enumerate(texts)}
    width = width_of(texts.values())
    legend = _legend([u for u in units if u.z in linked and u.z in texts], others)
    weighted = crowded and any(unit.a is not None and unit.links for unit in units)
    legend += [LEGEND if field else WEIGHTS] if field or weighted else []
    legend += set_note(set_since(topological_order(*outputs)), called)
    graph = look.canvas("units", direction or _fitting(layers), title, *legend)
    graph.attr(nodesep="0.12", ranksep=f"{BETWEEN}")
    for level, layer in enumerate(layers):
        above = layers[level + 1] if level + 1 < len(layers) else []
        with graph.subgraph(name=f"layer{level}") as column:
            column.attr(rank="same")
            order = []
            if any(link.source is None for unit in above for link in unit.links):
                order.append(f"bias{level}")
                draw_circle(column, order[0], ["x₀ = 1"], width, fillcolor=look.CONSTANT)
            for unit in (unit for unit in above if field.holds(unit)):
                order.append(f"field_{ids[unit.z]}")
                draw_field(column, order[-1], field, unit)
            for unit in (unit for unit in layer if unit.z not in field):
                order.append(ids[unit.z])
                shape = _shape(unit, faint=unit.z not in linked)
                draw_circle(column, ids[unit.z], texts[unit.z], width, **shape)
            for before, after in pairwise(order):
                column.edge(before, after, style="invis")
        for unit in layer:
            if field.holds(unit):
                graph.edge(f"field_{ids[unit.z]}", ids[unit.z])
            links = [link for link in unit.links if link.source not in field]
            for link in links:
                tail = f"bias{level - 1}" if link.source is None else ids[link.source]
                style = _link_style(unit, link, called, zero_one, crowded and not field)
                graph.edge(tail, ids[unit.z], **style)
    size = f"{counted(len(units), 'unit')} in {counted(len(layers), 'layer')}"
    graph.comment = Caption(title or "Units and links", f"{size}, with data and weights.").comment()
    return look.in_theme(graph, theme)


def _fitting(layers: list[list[Unit]]) -> Direction:
    """Choose the direction in which the units are larger on a 16:9 slide."""
    deep = len(layers) * (WIDTH + BETWEEN) - BETWEEN
    broad = max(map(len, layers)) * WIDTH
    across, up = min(16 / deep, 9 / broad), min(16 / broad, 9 / deep)
    return "BT" if up > GAIN * across else "LR"


def _lines(unit: Unit, names: Mapping[int, str], linked: bool, others: float) -> list[str]:
    """Write the lines of text in a unit; without a link, only its data."""
    z = unit.z
    lines = with_name(_name(z, names), z.data)
    constants = ", ".join(number(c, digits=3) for c in unit.constants)
    if unit.a is not None:
        lines += [f"constants add {constants}"] if constants else []
    elif unit.links:
        lines.append(f"{sign(z)} with {constants}" if constants else sign(z))
    if unit.delta is None or not linked:
        return lines
    lines += [f"+ others: {number(others, digits=3)}"] if others else []
    if unit.slope is not None:
        activation = "σ" if z.op == "sigmoid" else z.op
        lines.append(f"∂E/∂z = {number(float(z.grad), digits=3)}")
        lines.append(f"{activation}′(a) = {number(unit.slope, digits=3)}")
    return [*lines, f"δ = {number(unit.delta, digits=3)}"]


def _name(node: Node, names: Mapping[int, str]) -> str:
    return typeset(node.label or names.get(id(node), ""))


def with_name(name: str, data: float) -> list[str]:
    """Write a number with its name, on one line if that is short enough."""
    shown = number(data, digits=3)
    line = f"{name} = {shown}" if name else shown
    return [line] if len(line) <= NAMED else [*wrap(name, NAMED), shown]


def rim(g: float | None) -> dict[str, str]:
    """Style the rim of a unit with an error, in the colour of its sign: thick, double below 0."""
    if not g:
        return {}
    shape = {"peripheries": "2", "penwidth": "2"} if g < 0 else {"penwidth": "4"}
    return {"color": look.of_sign(g), **shape}


def rim_legend(gs: Iterable[float | None]) -> list[str]:
    """Write the legend of the rims that occur.

    >>> rim_legend([0.5, None, -2.0, 0.0]), rim_legend([0.0])
    (['thick rim: above 0; double rim: below 0'], [])
    """
    signs = {np.sign(g) for g in gs if g}
    parts = [rim for sign, rim in RIMS.items() if sign in signs]
    return ["; ".join(parts)] if parts else []


def width_of(texts: Iterable[Sequence[str]]) -> float:
    """Return the width of circles that texts in lines fit into, in inches."""
    corners = [
        hypot(text_width(line, SIZE) / 2, LINE / 2 * (abs(2 * i + 1 - len(lines)) + 1))
        for lines in texts
        for i, line in enumerate(lines)
    ]
    return max(WIDTH, (max(corners, default=0) + RIM) / 36)


def _shape(unit: Unit, faint: bool) -> dict[str, str]:
    if faint:
        paper = {"style": "filled,dashed", "fillcolor": look.PAPER}
        return {**paper, "color": look.FAINT, "fontcolor": look.SOFT}
    return {"fillcolor": look.OPERATION if unit.z.parents else look.LEAF} | rim(unit.delta)


def draw_circle(graph: Digraph, name: str, lines: list[str], width: float, **style: str) -> None:
    """Draw a unit: lines of text in a circle; its `width` is in inches."""
    circle = {"shape": "circle", "fixedsize": "true", "width": f"{width:.2f}"}
    options = {**circle, "style": "filled", "color": look.INK, **style}
    graph.node(name, look.literal(*lines), id=name, **options)


def _link_style(
    unit: Unit, link: Link, names: Mapping[int, str], zero_one: bool, crowded: bool
) -> dict[str, str]:
    """Style a link by its weight, with `zero_one` its share of a maximum, or its derivative."""
    if unit.a is not None:
        return _weight_style(link, names, crowded)
    if unit.z.op in CHOICES:
        return link_style(link.slope) if zero_one else {}
    label = f" × {number(link.slope, digits=3)} "
    return {"label": label, "fontcolor": look.SOFT} if unit.delta is not None else {}


def _weight_style(link: Link, names: Mapping[int, str], crowded: bool) -> dict[str, str]:
    """Write a weight beside its link, or if `crowded`, show it by colour and width."""
    w, weight = link.number, link.weight
    if crowded:
        return look.line_of_sign(w) | {"penwidth": f"{0.5 + 2.5 * min(1.0, abs(w)):.2f}"}
    shown = number(w, digits=3)
    name = _name(weight, names) if isinstance(weight, Node) else ""
    name = f"{'−' if link.sign < 0 else ''}{name} = " if name else ""
    return {"label": look.literal(f" {name}{shown} ")}


def _legend(units: list[Unit], others: Collection[Node]) -> list[str]:
    """Write the legend: which derivative δ is, what rims mean, and "others" if there are any."""
    shown = [unit for unit in units if unit.delta is not None]
    sums = [unit for unit in shown if unit.a is not None]
    active = any(unit.slope is not None for unit in sums)
    lines = ["δ = ∂E/∂a = ∂E/∂z · σ′(a)" if active else "δ = ∂E/∂a"] if sums else []
    if len(sums) < len(shown):
        lines.append("without a sum: δ = ∂E/∂z" if lines else "δ = ∂E/∂z")
    added = f"{OTHERS}, or earlier passes" if any(node.is_leaf for node in others) else OTHERS
    slopes = any(unit.a is None and unit.links and unit.z.op not in CHOICES for unit in shown)
    rims = rim_legend(unit.delta for unit in shown)
    return [*lines, *[LOCAL] * slopes, *rims, *[added] * bool(others)]
