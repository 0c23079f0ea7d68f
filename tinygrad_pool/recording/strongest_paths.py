"""The strongest path from the loss to each node: from user to user by the largest contribution."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.recording.gains import GainPath, leaf_below
from tinygrad_pool.rules.arithmetic import add, sub
from tinygrad_pool.rules.traits import traits_of

LEAST = 3
"""How many layers a trend needs."""


class Depth(NamedTuple):
    """How deep a node is: how many nodes of its path take in a leaf, and the first, at the top."""

    layers: int
    top: Node | None


class StrongestPaths:
    """The strongest path to each node of a pass, and |δ| = √Σ δ² of the nodes on it."""

    def __init__(self, steps: Sequence[Step], grads: Mapping[Node, Any]) -> None:
        self._steps, self._grads = steps, grads
        self.above: dict[Node, Node] = {}
        sent: dict[Node, float] = {}
        for node, _, contributions in steps:
            for p, c in zip(node.parents, contributions, strict=True):
                if c is not None and isinstance(p, Node):
                    size = c if c.__class__ is float else length(c)
                    size = -size if size < 0 else size
                    if size > sent.get(p, 0.0):  # never for NaN
                        sent[p] = size
                        self.above[p] = node

    def size(self, node: Node) -> float:
        """Compute |δ| of a node."""
        return length(self._grads[node])

    def gains(self, top: Node, node: Node, call: Callable[[Node], str]) -> GainPath:
        """Measure |δ| on the strongest path to a node, from another above on."""
        path = [node]
        while path[-1] is not top:
            path.append(self.above[path[-1]])
        path.reverse()
        return GainPath(path, [self.size(n) for n in path], call)

    def layers(self, leaves: Container[Node]) -> dict[Node, Depth]:
        """Measure how deep each node is: in layers, or in sigmoids and tanhs if there are few."""
        found = self._depths(leaves)
        deep = any(depth.layers >= LEAST for depth in found.values())
        return found if deep else self._squashes()

    def _depths(self, leaves: Container[Node]) -> dict[Node, Depth]:
        """Measure how deep each node is, in layers: nodes that use one of the leaves, and gates.

        A gate is a product of two nodes that depend on leaves. A bias that is added to a product
        belongs to its layer. Left out is what depends on no leaf; and what is computed from leaves
        alone, as the weight of a product with data: its gradient is a sum over the batch.
        """
        nodes = [node for node, _, _ in self._steps]
        depend, weights = _dependent(leaves, nodes)
        found: dict[Node, Depth] = {}
        biased: set[Node] = set()
        for node in nodes:
            above = self.above.get(node)
            depth = Depth(0, None) if above is None else found.get(above)
            if depth is None or node not in depend or _is_weight(node, above, weights, leaves):
                continue
            uses = any(isinstance(p, Node) and leaf_below(p) in leaves for p in node.parents)
            if uses or _is_gate(node, depend):
                top = node if depth.top is None else depth.top
                depth = Depth(depth.layers + (above not in biased), top)
                if node.rule in (add, sub):
                    biased.add(node)
            found[node] = depth
        return found

    def _squashes(self) -> dict[Node, Depth]:
        """Measure how deep each node is, in sigmoids and tanhs."""
        found: dict[Node, Depth] = {}
        for node, _, _ in self._steps:
            above = self.above.get(node)
            depth = Depth(0, None) if above is None else found.get(above, Depth(0, None))
            if traits_of(node.rule).unit == "squash":
                depth = Depth(depth.layers + 1, node if depth.top is None else depth.top)
            found[node] = depth
        return found


def _dependent(leaves: Container[Node], nodes: list[Node]) -> tuple[set[Node], set[Node]]:
    """Collect the nodes that depend on leaves; and on them alone, without a product of arrays."""
    depend: set[Node] = set()
    alone: set[Node] = set()
    for node in reversed(nodes):
        below = [p for p in node.parents if isinstance(p, Node)]
        if any(p in depend or p in leaves for p in below):
            depend.add(node)
            if not _contracts(node) and all(p in alone or p in leaves for p in below):
                alone.add(node)
    return depend, alone


def _is_gate(node: Node, depend: set[Node]) -> bool:
    if traits_of(node.rule).unit != "product":
        return False
    return len({p for p in node.parents if isinstance(p, Node) and p in depend}) > 1


def _is_weight(node: Node, above: Node | None, weights: set[Node], leaves: Container[Node]) -> bool:
    """Return whether a node is the weight of a product with data."""
    if node not in weights or above is None or not _contracts(above):
        return False
    return not all(isinstance(p, Node) and (p in weights or p in leaves) for p in above.parents)


def _contracts(node: Node) -> bool:
    """Return whether a node is a product that is summed, as of matrices or in a convolution."""
    traits = traits_of(node.rule)
    return traits.unit == "product" and traits.sparsity != "elementwise"


def length(g: Any) -> float:
    """Compute the Euclidean length of a gradient, √Σ g², without under- or overflow.

    >>> length(-3.0), length(np.array([3e-200, 4e-200]))
    (3.0, 5e-200)
    """
    if isinstance(g, float):
        return abs(g)
    flat = np.abs(np.asarray(g, float).reshape(-1))
    largest = float(flat.max(initial=0.0))
    if not 0 < largest < inf:
        return largest
    return largest * float(np.linalg.norm(flat / largest))
