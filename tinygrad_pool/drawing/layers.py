"""A graph of numbers read as units in layers: who links to whom, and what goes back on each link.

A unit is what the derivation calls one: an input x_i, a feature-map unit z = σ(a) with its sum
a = Σ w_i x_i + b, or a pooling unit z = max(z_1 … z_L). Any other operation is a unit of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_pool.derivatives.slopes import slopes_of
from tinygrad_pool.drawing.edges import contributions_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.errors import ShapeError

Weight: TypeAlias = Any
"""A node, a number, or None where a link carries no weight."""


class Link(NamedTuple):
    """A link into a unit: from a unit, or from the bias unit where `source` is None.

    `slope` is what it multiplies an error by, and `sent` what went back along it, None before a
    backward pass.
    """

    source: Node | None
    weight: Weight
    slope: float
    sent: float | None


class Unit(NamedTuple):
    """A unit: its output z, its sum a if it has one, and the links into it.

    `constants` are operands that are plain numbers; of a sum, what such inputs add to it.
    """

    z: Node
    a: Node | None
    links: list[Link]
    constants: Sequence[float] = ()

    @property
    def sources(self) -> list[Node]:
        """The units that links lead from, the bias unit left out."""
        return [link.source for link in self.links if link.source is not None]

    @property
    def has_bias(self) -> bool:
        """Return whether a link leads here from the bias unit."""
        return any(link.source is None for link in self.links)

    @property
    def delta(self) -> float | None:
        """δ = ∂E/∂a, or ∂E/∂z where a unit has no sum; None before a backward pass."""
        node = self.a or self.z
        return float(node.grad) if node.has_grad else None

    @property
    def slope(self) -> float | None:
        """σ'(a), by which the error at z is multiplied; None of a unit without an activation."""
        return None if self.a in (None, self.z) else (slopes_of(self.z) or [0.0])[0]


def layers_of(
    outputs: Sequence[Node], first: Sequence[Node], depth: int | None
) -> list[list[Unit]]:
    """Find the units behind the outputs; a unit's layer is one above the highest it links from."""
    far = dict.fromkeys((*outputs, *first), 0)
    units: dict[Node, Unit] = {}
    nodes = topological_order(*far)
    users = Counter(p for node in nodes for p in {p for p in node.parents if isinstance(p, Node)})
    users.update(far)  # an output, too, is a unit of its own
    for node in reversed(nodes):
        if node in far:
            a = _sum_of(node, users)
            units[node] = _unit(node, a, with_links=depth is None or far[node] < depth)
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


def others_of(layers: list[list[Unit]]) -> dict[Node, float]:
    """Find what arrived at units along links that are not among these, by the unit's z.

    An unit that none of these links leads from is left out: its gradient comes from above.
    """
    sent: dict[Node, list[float]] = {}
    for link in (link for layer in layers for unit in layer for link in unit.links):
        if link.source is not None:
            sent.setdefault(link.source, []).append(link.sent or 0.0)
    others = {}
    for node, parts in sent.items():
        got, known = float(node.grad), float(np.sum(parts))
        if node.has_grad and not np.isclose(got, known, rtol=1e-5, equal_nan=True):
            others[node] = got - known
    return others


def _sum_of(z: Node, users: Counter[Node]) -> Node | None:
    """Find the sum of a unit: itself, or the only operand of its activation if it is its alone."""
    for a in (z, *z.parents[:1]):
        alone = a is z or (len(z.parents) == 1 and users[a] == 1)
        if isinstance(a, Node) and a.op == "weighted_sum" and alone:
            return a
    return None


def _unit(z: Node, a: Node | None, with_links: bool) -> Unit:
    """Read a node as a unit: a sum with its activation, a maximum, an input, or any operation."""
    if z.shape:
        raise ShapeError(
            f"draw_units: needs a number, got {name_of(z)} of shape {z.shape}; "
            "draw() draws graphs of arrays, and explode() takes them apart into units"
        )
    node = a or z
    if not (with_links and node.parents):
        return Unit(z, a, [])
    sent = contributions_of([node]).get(node, [None] * len(node.parents))
    columns = (node.parents, slopes_of(node) or [], sent)
    operands = [Link(p, None, slope, c) for p, slope, c in zip(*columns, strict=True)]
    if a is None:
        alone = [p for p in z.parents if not isinstance(p, Node) and not np.shape(p)]
        linked = [link for link in operands if isinstance(link.source, Node)]
        return Unit(z, None, linked, [*map(float, alone)])
    n = len(a.parents) // 2
    ws, xs, b = a.parents[:n], operands[n:-1], operands[-1]
    links = [
        x._replace(weight=w) for x, w in zip(xs, ws, strict=True) if isinstance(x.source, Node)
    ]
    if isinstance(b.source, Node) or b.source != 0:
        links.insert(0, Link(None, b.source, *b[2:]))
    terms: list[tuple[Any, Any]] = [(w, x.source) for w, x in zip(ws, xs, strict=True)]
    added = [
        float(w.data if isinstance(w, Node) else w) * float(x)
        for w, x in terms
        if not isinstance(x, Node)
    ]
    return Unit(z, a, links, [sum(added)] if added else [])
