"""Backward passes take turns: one runs at a time, and a paused one gives way to the next.

Two passes through one graph would add to each other's gradients. So a thread waits for the pass of
another thread. And a pass that is being stepped through undoes what it added to leaves when another
pass begins in the same nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any
from weakref import WeakSet

from tinygrad_pool.engine.node import LeafNode, Node, name_of
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.errors import GraphError

TURN = RLock()
"""Held while a pass runs."""

HALF_DONE: WeakSet[Any] = WeakSet()
"""Paused passes: each is a Paused, or has its `nodes`, `waiting`, `began_with` and `give_way`."""


def take_turn(root: Node, nodes: Iterable[Node], but: object = None) -> None:
    """Undo paused passes through the same nodes, except `but`, before a pass from `root` begins."""
    if not len(HALF_DONE):
        return
    mine = set(nodes)
    for other in [*HALF_DONE]:
        if other is not but and not mine.isdisjoint(other.nodes):
            HALF_DONE.discard(other)
            other.give_way(root)


def still_waiting() -> set[Node]:
    """Return the nodes of paused passes whose step is still to come."""
    return {node for half in HALF_DONE for node in half.waiting}


def between_passes(nodes: Iterable[Node]) -> dict[Node, Any]:
    """Return the gradients of nodes without what paused passes have added so far."""
    grads = {node: node._grad for node in nodes}
    for half in HALF_DONE:
        grads |= {node: g for node, g in half.began_with().items() if node in grads}
    return grads


class Paused:
    """A pass that is run one step at a time, and what it has added to leaves so far.

    `nodes` are all nodes of the pass, `waiting` those whose step is still to come.
    """

    def __init__(self, root: Node, nodes: Sequence[Node]) -> None:
        self.root, self.nodes = root, nodes
        self._before = {v: v._grad for v in nodes if isinstance(v, LeafNode)}
        self._left: dict[LeafNode, Any] = {}
        self.waiting: list[Node] = [v for v in nodes if v._closure is not None]
        self._gave_way, self._time = "", Node.last_change
        HALF_DONE.add(self)

    def began_with(self) -> dict[Node, Any]:
        """Return the gradients before this pass."""
        return dict.fromkeys(self.nodes) | self._before

    def give_way(self, to: Node, /) -> None:
        """Undo what was added to leaves, because the pass from `to` begins."""
        self._gave_way = name_of(to)
        self.take_back()

    def check(self) -> None:
        """Raise GraphError if another pass began in the same nodes, or data changed in place."""
        if self._gave_way:
            raise GraphError(
                f"the pass from {name_of(self.root)} cannot go on: while it was paused, one from "
                f"{self._gave_way} began in the same graph, and what this one had added to leaves "
                "was undone"
            )
        if self._time != Node.last_change:
            check_not_stale(self.waiting, create_graph=False)
            self._time = Node.last_change

    def pause(self, node: Node) -> None:
        """Note the gradients of leaves after the step of a node; after the last step, finish."""
        for p in node.parents:
            if isinstance(p, LeafNode):
                self._left[p] = p._grad
        while self.waiting and (self.waiting[-1] is node or self.waiting[-1]._grad is None):
            self.waiting.pop()
        if self.waiting:
            HALF_DONE.add(self)
        else:
            self.done()

    def take_back(self) -> None:
        """Restore the gradients of leaves, except those that were set since."""
        for leaf, grad in self._left.items():
            if leaf._grad is grad:
                leaf._grad = self._before[leaf]
        self.done()

    def done(self) -> None:
        """Finish: what was added to leaves is kept."""
        self._left.clear()
        HALF_DONE.discard(self)
