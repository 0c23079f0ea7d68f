"""Read a graph of numbers as units in layers, with the links between them.

As in the derivation, a unit is an input x_i, a feature-map unit z = σ(a) with its sum
a = Σ w_i x_i + b, or a pooling unit z = max(z_1 … z_L). Any other operation is a unit of its own. A
sum is a weighted_sum, or written with +, − and *.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.derivatives.leaf_roles import weights_in
from tinygrad_pool.derivatives.slopes import slopes_of
from tinygrad_pool.drawing.edges import largest_in, sent_by
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.running import data_of
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules.arithmetic import add, mul, neg, sub
from tinygrad_pool.rules.linear import weighted_sum


class Link(NamedTuple):
    """A link into a unit: from another unit, or from the bias unit if `source` is None.

    `weight` is a node or a number; None if the link has none. `slope` is its local derivative, and
    `sent` the contribution sent back along it, None before a backward pass. `sign` is −1 if what
    comes along it is subtracted.
    """

    source: Node | None
    weight: Any
    slope: float
    sent: float | None
    sign: int = 1

    @property
    def number(self) -> float:
        """The weight as a number, with its sign."""
        return self.sign * float(data_of([self.weight])[0])


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
        node = self.z if self.a is None else self.a
        return float(node.grad) if node.has_grad else None

    @property
    def slope(self) -> float | None:
        """σ'(a), which multiplies the error at z; None if the unit has no activation."""
        return None if self.a in (None, self.z) else (slopes_of(self.z) or [0.0])[0]


def layers_of(
    outputs: Sequence[Node],
    first: Sequence[Node],
    depth: int | None,
    called: Mapping[int, str] = {},
) -> list[list[Unit]]:
    """Find the units behind the outputs; each is one layer above the highest unit it links from.

    `called` maps ids of Values without a label to their names.
    """
    distance = dict.fromkeys((*outputs, *first), 0)
    units: dict[Node, Unit] = {}
    nodes = topological_order(*distance)
    sums = UnitSums(nodes, distance, called)
    for node in reversed(nodes):
        if node in distance:
            with_links = depth is None or distance[node] < depth
            units[node] = _unit(node, *sums.of_unit(node), with_links)
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


class Term(NamedTuple):
    """A term of a sum: operand `i` of a node, times a weight and a sign; a bias has no weight."""

    node: Node
    i: int
    sign: int
    weight: Any = None


SIGNS: dict[Any, tuple[int, ...]] = {add: (1, 1), sub: (1, -1), neg: (-1,)}
"""The rules that a sum is written with, and the signs of their operands."""


class UnitSums:
    """Which nodes of a graph are the sums of units, written in one node or in several."""

    def __init__(
        self, nodes: Sequence[Node], units: Iterable[Node], called: Mapping[int, str]
    ) -> None:
        self.uses = Counter(p for node in nodes for p in node.parents if isinstance(p, Node))
        self.uses.update(units)  # an output is a unit of its own, too
        self.weights = weights_in([*nodes], called) - {*units}
        leaves = (node for node in nodes if node.is_leaf and node not in units)
        self.nameless = {v for v in leaves if not v.label and id(v) not in called}

    def of_unit(self, z: Node) -> tuple[Node | None, list[Term]]:
        """Find the sum of a unit, and its terms: the node itself, or what only its activation uses.

        Returns None and no terms if there is no sum.
        """
        for a in (z, *z.parents[:1]):
            own = a is z or (len(z.parents) == 1 and self.uses[a] == 1)
            if isinstance(a, Node) and own and (terms := self._terms(a)):
                return a, terms
        return None, []

    def _terms(self, a: Node) -> list[Term]:
        """List the terms of a sum; none if it has others than weighted inputs and biases."""
        if a.rule is weighted_sum:
            n = len(a.parents) // 2
            inputs = (Term(a, n + i, 1, w) for i, w in enumerate(a.parents[:n]))
            return [*inputs, Term(a, 2 * n, 1)]
        terms, waiting = [], [] if a.shape else [*_operands(a)]
        while waiting:
            node, i, sign, _ = waiting.pop()  # the last first: a long sum of others is soon refused
            p = node.parents[i]
            only_here = isinstance(p, Node) and self.uses[p] == 1
            if only_here and p.rule in SIGNS:
                waiting += _operands(p, sign)
            elif only_here and p.rule is weighted_sum:
                terms += [term._replace(sign=sign) for term in reversed(self._terms(p))]
            elif only_here and p.rule is mul and (k := self._weight_of(p)) is not None:
                terms.append(Term(p, 1 - k, sign, p.parents[k]))
            elif p in self.weights or (
                node.rule is add and (not isinstance(p, Node) or p in self.nameless)
            ):  # a number that is subtracted is rather a target
                terms.append(Term(node, i, sign))
            else:
                return []
        return terms[::-1] if any(term.weight is not None for term in terms) else []

    def _weight_of(self, product: Node) -> int | None:
        """Return which factor of a product is the other's weight; None if neither seems to be.

        A weight is one by its name or role, or a leaf without a name, of two the one that is used
        less, or a number that scales what was computed.
        """
        x, w = product.parents
        if x is w:
            return None
        pairs = (0, x, w), (1, w, x)
        likely = [k for k, w, _ in pairs if w in self.weights]
        nameless = [(self.uses[w], k) for k, w, _ in pairs if w in self.nameless]
        likely += [k for _, k in sorted(nameless)]
        computed = {k for k, _, x in pairs if isinstance(x, Node) and x.parents}
        likely += [k for k, w, _ in pairs if k in computed and not isinstance(w, Node)]
        return likely[0] if likely else None


def _operands(node: Node, sign: int = 1) -> Iterator[Term]:
    """Yield the operands of a node that adds, subtracts or negates."""
    return (Term(node, i, sign * own) for i, own in enumerate(SIGNS.get(node.rule, ())))


def _unit(z: Node, a: Node | None, terms: list[Term], with_links: bool) -> Unit:
    """Read a node as a unit: a sum with its activation, a maximum, an input, or any operation."""
    if z.shape:
        raise ShapeError(
            f"draw_units: needs a number, got {name_of(z)} of shape {z.shape}; "
            "draw(v) draws graphs of arrays, and explode(v.sum()) takes one apart into units"
        )
    if not (with_links and z.parents):
        return Unit(z, a, [])
    if a is None:
        constants = [p for p in z.parents if not isinstance(p, Node) and not np.shape(p)]
        terms = [Term(z, i, 1) for i, p in enumerate(z.parents) if isinstance(p, Node)]
        return Unit(z, None, _links(terms), [*map(float, constants)])
    inputs, biases, added = [], [], []
    for term in terms:
        x = term.node.parents[term.i]
        if term.weight is None:
            biases += [term] if isinstance(x, Node) or x != 0 else []
        elif isinstance(x, Node):
            inputs.append(term)
        else:
            added.append(term.sign * float(data_of([term.weight])[0]) * float(x))
    of_bias = [Link(None, link.source, *link[2:]) for link in _links(biases)]
    return Unit(z, a, of_bias + _links(inputs), [sum(added)] if added else [])


def _links(terms: Sequence[Term]) -> list[Link]:
    """Return the links along which terms are added, with what each node sends back."""
    nodes = list(dict.fromkeys(term.node for term in terms))
    slopes, sent = {node: slopes_of(node) or [] for node in nodes}, largest_in(sent_by(nodes))
    return [
        Link(node.parents[i], w, slopes[node][i], sent[node][i] if node in sent else None, sign)
        for node, i, sign, w in terms
    ]
