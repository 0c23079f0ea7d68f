"""The strongest path from the loss to each node: it follows the largest contribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.recording.gains import GainPath
from tinygrad_pool.rules.arithmetic import add, sub
from tinygrad_pool.rules.traits import traits_of

SAFE = 1e-30
"""In a sum of squares above this size, underflow is negligible, in single precision too."""

LEAST = 3
"""How many layers a trend needs."""


class Depth(NamedTuple):
    """The depth of a node: how many layers its path has, and the topmost of them."""

    layers: int
    top: Node | None


class StrongestPaths:
    """The strongest path to each node of a pass, and `|grad|`, √Σ g², of the nodes on it."""

    def __init__(self, steps: Sequence[Step], grads: Mapping[Node, Any]) -> None:
        self._steps, self._grads = steps, grads
        self.above: dict[Node, Node] = {}
        self._sent: dict[Node, float] = {}  # the size of that largest contribution
        for node, _, contributions in steps:
            for p, c in zip(node.parents, contributions, strict=True):
                if c is not None and isinstance(p, Node):
                    size = c if c.__class__ is float else length(c)
                    size = -size if size < 0 else size
                    if size > self._sent.get(p, 0.0):  # never for NaN
                        self._sent[p] = size
                        self.above[p] = node

    def size(self, node: Node) -> float:
        """Compute `|grad|` of a node."""
        return length(self._grads[node])

    @cached_property
    def least(self) -> dict[Node, float]:
        """The smallest root mean square gradient on the path from the loss to each node."""
        found: dict[Node, float] = {}
        for node, _, _ in self._steps:
            size = self.size(node) / sqrt(node.size) if node.size else inf
            above = self.above.get(node)
            found[node] = size if above is None else min(size, found[above])
        return found

    def up(self, node: Node, top: Node) -> list[Node]:
        """List the path from a node up to `top`, or to a node that receives only NaN or 0."""
        path = [node]
        while path[-1] is not top and path[-1] in self.above:
            path.append(self.above[path[-1]])
        return path

    def gains(self, top: Node, node: Node, call: Callable[[Node], str]) -> GainPath:
        """Measure `|grad|` on the strongest path from `top` down to a node."""
        path = self.up(node, top)[::-1]
        sent = [self._sent[p] for p in path[1:]]
        return GainPath(path, [self.size(n) for n in path], call, sent)

    def layers(self, leaves: Set[Node]) -> dict[Node, Depth]:
        """Return the depth of each node in layers: nodes that use one of the leaves, and gates.

        A gate is a product of two nodes that depend on leaves. A bias added to a product belongs to
        the same layer. Nodes that depend on no leaf are skipped, and so are weights computed from
        leaves alone, as their gradient is a sum over the batch.

        If there are fewer than 3 layers, each sigmoid and tanh counts as one instead.
        """
        depend, layers, weights = _layers_among([node for node, _, _ in self._steps], leaves)
        found = self._depths(depend - weights, layers)
        if any(depth.layers >= LEAST for depth in found.values()):
            return found
        return self._depths(depend, {v for v in depend if traits_of(v.rule).unit == "squash"})

    def _depths(self, nodes: Set[Node], layers: Set[Node]) -> dict[Node, Depth]:
        found: dict[Node, Depth] = {}
        for node, _, _ in self._steps:
            above = self.above.get(node)
            depth = Depth(0, None) if above is None else found.get(above)
            if depth is None or node not in nodes:
                continue
            if node in layers:
                n, top = depth
                biased = above is not None and above in layers and above.rule in (add, sub)
                depth = Depth(n if biased else n + 1, node if top is None else top)
            found[node] = depth
        return found


def _layers_among(nodes: list[Node], leaves: Set[Node]) -> tuple[set[Node], set[Node], set[Node]]:
    """Collect the nodes that depend on leaves, the layers among them, and computed weights."""
    moved = {*leaves}  # and nodes that only reshape a leaf
    depend, layers, alone, weights = set[Node](), set[Node](), {*leaves}, set[Node]()
    for node in reversed(nodes):
        below = {p for p in node.parents if isinstance(p, Node)}
        if below.isdisjoint(depend) and below.isdisjoint(leaves):
            continue
        depend.add(node)
        traits = traits_of(node.rule)
        if not below.isdisjoint(moved):
            (moved if traits.unit == "move" else layers).add(node)
        contracts = False
        if traits.unit == "product":
            contracts = traits.sparsity != "elementwise"
            if len(below & depend) > 1:
                layers.add(node)
        if not contracts:
            if below <= alone:
                alone.add(node)
        elif len(below) < len(node.parents) or not below <= alone:
            weights |= (below & alone) - leaves
    return depend, layers, weights


def length(g: Any) -> float:
    """Compute the Euclidean length of a gradient, √Σ g².

    >>> length(-3.0), round(length(np.array([3.0, 4.0])), 9)
    (3.0, 5.0)
    """
    return abs(g) if isinstance(g, float) else rms(g) * sqrt(g.size)


def rms(x: Any) -> float:
    """Compute √(Σ x² / n) of an array: NaN or ∞ if an element is, 0 if there are no elements.

    Squares beyond the range of the dtype do no harm.

    >>> rms(np.array([3.0, 4.0, 0.0, 0.0])), rms(np.full(9, 1e-30, np.float32)) > 0
    (2.5, True)
    """
    if x.ndim != 1:
        x = x.ravel("K")
    square = float(np.vdot(x, x)) if x.itemsize > 2 else inf  # vdot never warns
    if SAFE < square < 1 / SAFE:
        return sqrt(square / x.size)
    with np.errstate(all="ignore"):
        x = x.astype(np.promote_types(x.dtype, np.float64))
        largest = float(np.abs(x).max(initial=0.0))
        if not 0 < largest < inf:
            return largest
        x /= largest
        return largest * sqrt(x.dot(x) / x.size)
