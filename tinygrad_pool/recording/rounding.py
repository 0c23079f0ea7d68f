"""Gradients of which only a rounding error is left, since contributions cancel."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number
from tinygrad_pool.recording.ledger import GradientExplainer

ROUNDING = 32
"""A sum below this many units in the last place of its terms is a rounding error."""

SMALL = 1e4
"""One is looked for where a gradient is below this many units in the last place of that above."""


class Cancelled(NamedTuple):
    """A node that got a rounding error, how, and what its terms sum to without their signs."""

    node: Node
    says: str
    terms: float


def cancelled(
    ledger: GradientExplainer, node: Node, cell: int, sent: Iterable[float]
) -> Cancelled | None:
    """Return how contributions to an element cancel; None if more than a rounding error is left."""
    left = float(np.reshape(ledger.grads[node], -1)[cell])
    sizes = [*map(abs, sent)]
    terms = sum(sizes)
    if not sizes[1:] or not abs(left) <= ROUNDING * np.finfo(node.dtype).eps * terms < inf:
        return None
    says = f"{len(sizes):,} contributions to {ledger.at(node, cell)} cancel to {number(left, 2)}"
    return Cancelled(node, f"{says}, a rounding error", terms)


def behind_rounding(ledger: GradientExplainer, node: Node) -> Cancelled | None:
    """Find where a gradient began as a rounding error, on the strongest path down to a node."""
    known, above, way = ledger.cancelled, ledger.strongest.above, list[Node]()
    while node not in known and node in above:
        way.append(node)
        node = above[node]
    found = known.get(node)
    for below in reversed(way):
        found = known[below] = found or _of_node(ledger, below, above[below])
    return found


def _of_node(ledger: GradientExplainer, node: Node, above: Node) -> Cancelled | None:
    """Return how contributions cancel at the element of a node with a gradient of median size."""
    size, least = ledger.strongest.size(node), SMALL * np.finfo(node.dtype).eps
    if not 0 < size < least * ledger.strongest.size(above):
        return None
    sizes = np.abs(np.reshape(ledger.grads[node], -1))
    cell = int(np.argsort(sizes)[-(np.count_nonzero(sizes) + 1) // 2])
    sent = (x for arrival in ledger.arrivals(node, cell) for x in arrival.sent.tolist())
    return cancelled(ledger, node, cell, sent)
