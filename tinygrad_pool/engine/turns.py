"""Backward passes take turns: one at a time runs, and one that stands half done gives way.

Two passes in one graph would add to each other's gradients. So a thread waits for another's pass;
and a pass that was begun and is not done, since it is stepped through, takes back what it has added
to leaves when the next begins in the same nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any, Protocol
from weakref import WeakSet

from tinygrad_pool.engine.node import LeafNode, Node, name_of
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.errors import GraphError

TURN = RLock()
"""Held while a pass runs."""


class HalfDone(Protocol):
    """A pass that stands between two of its steps."""

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes that it walks over."""

    @property
    def waiting(self) -> Sequence[Node]:
        """The nodes that have not taken their step yet."""

    def give_way(self, to: Node, /) -> None:
        """Take back what was added to gradients, since the pass from `to` begins."""


HALF_DONE: WeakSet[HalfDone] = WeakSet()


def take_turn(root: Node, nodes: Iterable[Node], but: HalfDone | None = None) -> None:
    """Make half-done passes in the same nodes take back what they added, for one that begins."""
    if not len(HALF_DONE):
        return
    mine = set(nodes)
    for other in [*HALF_DONE]:
        if other is not but and not mine.isdisjoint(other.nodes):
            HALF_DONE.discard(other)
            other.give_way(root)


def still_waiting() -> set[Node]:
    """Find the nodes of half-done passes that have not handed on their gradient yet."""
    return {node for half in HALF_DONE for node in half.waiting}


class Paused:
    """A pass that is taken one step at a time, and what it has added to leaves until now."""

    def __init__(self, root: Node, nodes: Sequence[Node]) -> None:
        self.root, self.nodes = root, nodes
        self._before = {v: v._grad for v in nodes if isinstance(v, LeafNode)}
        self._left: dict[LeafNode, Any] = {}
        self.waiting: list[Node] = [v for v in nodes if v._closure is not None]
        self._gave_way, self._time = "", Node.last_change
        HALF_DONE.add(self)

    def give_way(self, to: Node, /) -> None:
        """Take back what was added to leaves, since the pass from `to` begins."""
        self._gave_way = name_of(to)
        self.take_back()

    def check(self) -> None:
        """Raise if another pass began in the same nodes meanwhile, or data changed in place."""
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
        """Note what the step of a node has made of leaves; after the last step, let go of them."""
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
        """Restore the gradients of leaves, except where somebody has set others since."""
        for leaf, grad in self._left.items():
            if leaf._grad is grad:
                leaf._grad = self._before[leaf]
        self.done()

    def done(self) -> None:
        """Release the leaves: what was added stays."""
        self._left.clear()
        HALF_DONE.discard(self)
