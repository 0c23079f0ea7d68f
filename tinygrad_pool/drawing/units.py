"""The textbook picture: units as circles in layers, weights on the links, δ beside each unit.

A unit is what the derivation calls one: an input x_i, a feature-map unit z = σ(Σ w_i x_i + b), or a
pooling unit z = max(z_1 … z_L). What the graph has as two nodes, a sum and its activation, is one
circle here, and a bias is the weight on the link from the bias unit x₀ = 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.computation import Direction, check_drawable
from tinygrad_pool.drawing.dot_program import lend_to_graphviz
from tinygrad_pool.drawing.edges import link_style, shares_of
from tinygrad_pool.drawing.labels import sign
from tinygrad_pool.drawing.words import Caption
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.formatting import counted, number, typeset

if TYPE_CHECKING:
    from graphviz import Digraph

Weight: TypeAlias = Any
"""A node, a number, or None where a link carries no weight."""


CROWDED = 24
"""More links than that have their weights drawn, and not written."""


class Link(NamedTuple):
    """A link into a unit: from a unit, or from the bias unit where `source` is None."""

    source: Node | None
    weight: Weight


class Unit(NamedTuple):
    """A unit: its output z, its sum a if it has one, and the links into it."""

    z: Node
    a: Node | None
    links: list[Link]

    @property
    def sources(self) -> list[Node]:
        """The units that links lead from, the bias unit left out."""
        return [link.source for link in self.links if link.source is not None]

    @property
    def delta(self) -> str:
        """δ = ∂E/∂a, or ∂E/∂z where a unit has no sum, as text; "" before a backward pass."""
        node = self.a or self.z
        return f"δ = {number(node.grad, digits=3)}" if node.has_grad and self.z.parents else ""

    @property
    def is_lit(self) -> bool:
        """Return whether an error arrived at this unit."""
        return bool(self.z.parents) and bool((self.a or self.z).grad)


def draw_units(
    *outputs: Value,
    inputs: Iterable[Value] = (),
    depth: int | None = None,
    zero_one: bool = False,
    direction: Direction = "LR",
    title: str = "",
) -> Digraph:
    """Draw the units and links behind some outputs, in layers, with weights, data and δ.

    A sum and its activation are one unit; the links into a maximum carry no weight, or with
    `zero_one` the weights of the derivation's other picture: 1 from the winner, 0 from all others.
    `inputs` puts these first, in order, also those that no link leads from; `depth` is how many
    layers of links to show. A thick rim marks a unit that an error arrived at. Where there are more
    than 24 links, a weight is not written but drawn: blue above 0, orange below, wide where large.

    Raises DataError for what is no Value, OptionError for an unknown direction, ShapeError if a
    node is an array: units are numbers.

    >>> from tinygrad_pool import maximum
    >>> z1, z2 = Value(0.2, label="z1(1)"), Value(0.7, label="z2(1)")
    >>> draw_units(maximum(z1, z2), zero_one=True).source.count("dashed")
    1
    """
    first = list(inputs)
    for value in (*outputs, *first):
        check_drawable(value, direction, "draw_units")
    layers = _layers(outputs, first, depth)
    crowded = sum(len(u.links) for layer in layers for u in layer) > CROWDED
    names = {unit.z: f"u{i}" for i, unit in enumerate(u for layer in layers for u in layer)}
    linked = {link.source for layer in layers for u in layer for link in u.links} | set(outputs)
    graph = theme.canvas("units", direction, title)
    graph.attr(nodesep="0.12", ranksep="1.2")
    for level, layer in enumerate(layers):
        with graph.subgraph(name=f"layer{level}") as column:
            column.attr(rank="same")
            order = [f"bias{level}"] if _needs_bias(layers[level + 1 : level + 2]) else []
            for name in order:
                _draw_circle(column, name, ["x₀ = 1"], theme.CONSTANT)
            for unit in layer:
                _draw_unit(column, names[unit.z], unit, faint=unit.z not in linked)
            order += [names[unit.z] for unit in layer]
            for above, below in pairwise(order):
                column.edge(above, below, style="invis")
        for unit in layer:
            _draw_links(graph, unit, names, f"bias{level - 1}", zero_one, crowded)
    said = (
        f"{counted(len(names), 'unit')} in {counted(len(layers), 'layer')}, with data and weights."
    )
    graph.comment = Caption(title or "Units and links", said).comment()
    lend_to_graphviz()
    return graph


def _layers(outputs: Sequence[Node], first: Sequence[Node], depth: int | None) -> list[list[Unit]]:
    """Find the units behind the outputs; a unit's layer is one above the highest it links from."""
    far = dict.fromkeys((*outputs, *first), 0)
    units: dict[Node, Unit] = {}
    for node in reversed(topological_order(*far)):
        if node in far:
            units[node] = _unit(node, with_links=depth is None or far[node] < depth)
            for below in units[node].sources:
                far[below] = max(far.get(below, 0), far[node] + 1)
    levels = dict.fromkeys(first, 0)
    for node in reversed(units):
        above_bias = int(bool(units[node].links))
        levels[node] = max([above_bias, *(levels[below] + 1 for below in units[node].sources)])
    layers: list[list[Unit]] = [[] for _ in range(max(levels.values()) + 1)]
    for node, level in levels.items():
        layers[level].append(units[node])
    return layers


def _unit(z: Node, with_links: bool) -> Unit:
    """Read a node as a unit: a sum with its activation, a maximum, an input, or any operation."""
    if z.shape:
        raise ShapeError(
            f"draw_units: needs a number, got {name_of(z)} of shape {z.shape}; "
            "draw() draws graphs of arrays"
        )
    a = z
    if len(z.parents) == 1 and isinstance(z.parents[0], Node) and z.parents[0].op == "weighted_sum":
        a = z.parents[0]
    if a.op != "weighted_sum":
        links = [Link(p, None) for p in z.parents if isinstance(p, Node)]
        return Unit(z, None, links if with_links else [])
    n = len(a.parents) // 2
    ws, xs, b = a.parents[:n], a.parents[n:-1], a.parents[-1]
    links = [Link(x, w) for x, w in zip(xs, ws, strict=True) if isinstance(x, Node)]
    if isinstance(b, Node) or b != 0:
        links.insert(0, Link(None, b))
    return Unit(z, a, links if with_links else [])


def _needs_bias(layers: list[list[Unit]]) -> bool:
    return any(link.source is None for layer in layers for unit in layer for link in unit.links)


def _draw_unit(graph: Digraph, name: str, unit: Unit, faint: bool) -> None:
    z = unit.z
    lines = [typeset(z.label)] if z.label else []
    lines += [sign(z)] if unit.a is None and unit.links else []
    lines += [number(z.data, digits=3), *([unit.delta] if unit.delta else [])]
    fill = theme.OPERATION if z.parents else theme.LEAF
    _draw_circle(graph, name, lines, "white" if faint else fill, faint, lit=unit.is_lit)


def _draw_circle(
    graph: Digraph, name: str, lines: list[str], fill: str, faint: bool = False, lit: bool = False
) -> None:
    graph.node(
        name,
        theme.literal(*lines),
        id=name,
        shape="circle",
        fixedsize="true",
        width="1.35",
        style="filled,dashed" if faint else "filled",
        fillcolor=fill,
        color=theme.FAINT if faint else theme.GRADIENT if lit else theme.INK,
        fontcolor=theme.SOFT if faint else theme.INK,
        penwidth="3" if lit else "1",
    )


def _draw_links(
    graph: Digraph, unit: Unit, names: dict[Node, str], bias: str, zero_one: bool, crowded: bool
) -> None:
    shares = shares_of(unit.z) if zero_one else None
    for i, link in enumerate(unit.links):
        tail = bias if link.source is None else names[link.source]
        style = link_style(shares[i]) if shares else _weight_style(link.weight, crowded)
        graph.edge(tail, names[unit.z], **style)


def _weight_style(weight: Weight, crowded: bool) -> dict[str, str]:
    """Write a weight beside its link, or among very many draw it: hue by sign, width by size."""
    if weight is None:
        return {}
    w = float(weight.data if isinstance(weight, Node) else weight)
    if crowded:
        colour = theme.FAINT if w == 0 else theme.DATA if w > 0 else theme.GRADIENT
        return {"color": colour, "penwidth": f"{0.5 + 2.5 * min(1.0, abs(w)):.2f}"}
    shown = number(w, digits=3)
    name = typeset(weight.label) if isinstance(weight, Node) and weight.label else ""
    label = theme.literal(f" {name} = {shown} " if name else f" {shown} ")
    return {"label": label, "fontsize": "12"}
