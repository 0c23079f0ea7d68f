"""Read a graph of numbers as units in layers, with the links between them.

As in the derivation, a unit is an input x_i, a feature-map unit z = σ(a) with its sum
a = Σ w_i x_i + b, or a pooling unit z = max(z_1 … z_L). Any other operation is a unit of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.derivatives.slopes import slopes_of
from tinygrad_pool.drawing.edges import contributions_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.running import data_of
from tinygrad_pool.errors import ShapeError


class Link(NamedTuple):
    """A link into a unit: from another unit, or from the bias unit if `source` is None.

    `weight` is a node or a number; None if the link has none. `slope` is its local derivative, and
    `sent` the contribution sent back along it, None before a backward pass.
    """

    source: Node | None
    weight: Any
    slope: float
    sent: float | None


class Unit(NamedTuple):
    """A unit: its output z, its sum a if it has one, and the links into it.

    `constants` are the operands that are plain numbers; for a sum, the total that they add to it.
    """

    z: Node
    a: Node | None
    links: list[Link]
    constants: Sequence[float] = ()

    @property
    def sources(self) -> list[Node]:
        """The units that links come from, without the bias unit."""
        return [link.source for link in self.links if link.source is not None]

    @property
    def delta(self) -> float | None:
        """δ = ∂E/∂a, or ∂E/∂z if the unit has no sum; None before a backward pass."""
        node = self.a or self.z
        return float(node.grad) if node.has_grad else None

    @property
    def slope(self) -> float | None:
        """σ'(a), which multiplies the error at z; None if the unit has no activation."""
        return None if self.a in (None, self.z) else (slopes_of(self.z) or [0.0])[0]


def layers_of(
    outputs: Sequence[Node], first: Sequence[Node], depth: int | None
) -> list[list[Unit]]:
    """Find the units behind the outputs; each is one layer above the highest unit it links from."""
    distance = dict.fromkeys((*outputs, *first), 0)
    units: dict[Node, Unit] = {}
    nodes = topological_order(*distance)
    users = Counter(p for node in nodes for p in {p for p in node.parents if isinstance(p, Node)})
    users.update(distance)  # an output is a unit of its own, too
    for node in reversed(nodes):
        if node in distance:
            a = _sum_of(node, users)
            units[node] = _unit(node, a, with_links=depth is None or distance[node] < depth)
            for below in units[node].sources:
                distance[below] = max(distance.get(below, 0), distance[node] + 1)
    levels = dict.fromkeys(first, 0)
    for node in reversed(units):
        above_bias = int(bool(units[node].links))
        levels[node] = max([above_bias, *(levels[below] + 1 for below in units[node].sources)])
    layers: list[list[Unit]] = [[] for _ in range(max(levels.values()) + 1)]
    for node, level in levels.items():
        layers[level].append(units[node])
    return layers


def others_of(layers: list[list[Unit]]) -> dict[Node, float]:
    """Find the part of units' gradients that did not come along these links, by the unit's z.

    Units without a link among these are left out: their gradient comes from above.
    """
    sent: dict[Node, list[float]] = {}
    for link in (link for layer in layers for unit in layer for link in unit.links):
        if link.source is not None:
            sent.setdefault(link.source, []).append(link.sent or 0.0)
    others = {}
    for node, parts in sent.items():
        grad, total = float(node.grad), float(np.sum(parts))
        if node.has_grad and not np.isclose(grad, total, rtol=1e-5, equal_nan=True):
            others[node] = grad - total
    return others


def _sum_of(z: Node, users: Counter[Node]) -> Node | None:
    """Find the sum of a unit: the node itself, or the operand that only its activation uses."""
    for a in (z, *z.parents[:1]):
        own = a is z or (len(z.parents) == 1 and users[a] == 1)
        if isinstance(a, Node) and a.op == "weighted_sum" and own:
            return a
    return None


def _unit(z: Node, a: Node | None, with_links: bool) -> Unit:
    """Read a node as a unit: a sum with its activation, a maximum, an input, or any operation."""
    if z.shape:
        raise ShapeError(
            f"draw_units: needs a number, got {name_of(z)} of shape {z.shape}; "
            "draw(v) draws graphs of arrays, and explode(v.sum()) takes one apart into units"
        )
    node = a or z
    if not (with_links and node.parents):
        return Unit(z, a, [])
    sent = contributions_of([node]).get(node, [None] * len(node.parents))
    columns = (node.parents, slopes_of(node) or [], sent)
    operands = [Link(p, None, slope, c) for p, slope, c in zip(*columns, strict=True)]
    if a is None:
        constants = [p for p in z.parents if not isinstance(p, Node) and not np.shape(p)]
        linked = [link for link in operands if isinstance(link.source, Node)]
        return Unit(z, None, linked, [*map(float, constants)])
    n = len(a.parents) // 2
    ws, xs, b = a.parents[:n], operands[n:-1], operands[-1]
    links = [
        x._replace(weight=w) for x, w in zip(xs, ws, strict=True) if isinstance(x.source, Node)
    ]
    if isinstance(b.source, Node) or b.source != 0:
        links.insert(0, Link(None, b.source, *b[2:]))
    factors = zip(data_of(ws), a.parents[n:-1], strict=True)
    added = [float(w) * float(x) for w, x in factors if not isinstance(x, Node)]
    return Unit(z, a, links, [sum(added)] if added else [])
