"""Whether a graph still is what its nodes were computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.data import same_bits
from tinygrad_pool.engine.node import LeafNode, Node, name_of
from tinygrad_pool.engine.running import REFUSED, data_of, run_again
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.rule import Array, Backward, Contributions


def check_not_stale(nodes: list[Node], create_graph: bool, name: str = "backward") -> None:
    """Raise GraphError, which says `name`, if an operand's data changed after a node used it.

    An ordinary pass works with the arrays of the forward pass, so only a change in place harms it;
    a higher-order pass runs the rules again, on the data of now. Arrays that were handed out are
    compared with what they were. Where a rule makes the same of them as before, nothing is stale.
    """
    _look_at(nodes)
    oldest = next((v for v in nodes if v._closure is not None), None)
    if oldest is None or Node.last_change < oldest._order:
        return
    for node in nodes:
        for p in node.parents:
            if isinstance(p, LeafNode):
                changed = p._assigned if create_graph else p._mutated
                in_place = changed == p._mutated
                if changed > node._order and not (in_place and _same_again(node, p)):
                    kept = "detach() what is kept from before, as a hidden state, or "
                    raise GraphError(
                        f"{name}: the data of {name_of(p)} changed "
                        f"{'in place ' if in_place else ''}after {name_of(node)} "
                        f"was computed from it; {kept if used_after(nodes, p) else ''}"
                        "run the forward pass again"
                    )


def used_after(nodes: Iterable[Node], leaf: Node) -> list[Node]:
    """List those nodes that were computed from a leaf after its last change."""
    after = (v for v in nodes if isinstance(leaf, LeafNode) and v._order > leaf._assigned)
    return [v for v in after if any(p is leaf for p in v.parents)]


def set_since(nodes: Sequence[Node]) -> dict[Node, Node]:
    """Map leaves that were set after a node was computed from them to the first such node."""
    found: dict[Node, Node] = {}
    _look_at(nodes)
    if Node.last_change:
        for node in nodes:
            for p in node.parents:
                if isinstance(p, LeafNode) and node._order < p._assigned:
                    found.setdefault(p, node)
    return found


def _look_at(nodes: Sequence[Node]) -> None:
    """Find out whether arrays that were handed out have changed."""
    for leaf in nodes:
        if leaf._closure is None and isinstance(leaf, LeafNode) and leaf._bits is not None:
            leaf.look()


def _same_again(node: Node, leaf: Node) -> bool:
    """Return whether a node's rule makes the same of its operands now, and so does its closure."""
    if np.may_share_memory(node._numbers, leaf._numbers):
        return False
    assert node._closure is not None
    ones = np.ones(node.shape, node.dtype)
    try:
        y, closure = run_again(node, data_of(node.parents))
        then, now = ((node._numbers, *node._closure(ones)), (y, *closure(ones)))
    except REFUSED:
        return False
    return all(a is b or same_bits(a, b) for a, b in zip(then, now, strict=True))


def guarded(
    name: str, closure: Backward, operands: Sequence[Any], now: list[Any], then: list[Any]
) -> Backward:
    """Wrap a closure so that it first compares operands and result with what they were then.

    What it writes into the gradient that it is given is found, too.
    """
    whose = [name_of(v) if isinstance(v, Node) else "a constant" for v in operands]
    kept = [*zip([*whose, "its result"], now, then, strict=True)]

    def guard() -> None:
        for who, data, copy in kept:
            if not np.array_equal(data, copy, equal_nan=True):
                raise GraphError(f"{name}: the data of {who} changed since the forward pass")

    def checked_backward(g: Array) -> Contributions:
        guard()
        given = np.array(g)
        contributions = closure(g)
        if not np.array_equal(g, given, equal_nan=True):
            raise GraphError(
                f"{name}: its closure wrote into g, which other nodes may hold; it has to return "
                "arrays of its own"
            )
        return contributions

    checked_backward.guard = guard  # type: ignore[attr-defined]  # for a pass that runs rules again
    checked_backward.__wrapped__ = closure  # type: ignore[attr-defined]  # for a debugger
    return checked_backward
