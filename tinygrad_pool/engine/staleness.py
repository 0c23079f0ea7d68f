"""Detect graphs whose data changed after nodes were computed from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.data import same_bits
from tinygrad_pool.engine.node import LeafNode, Node, name_of
from tinygrad_pool.engine.running import data_of, run_again
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.rule import Array, Backward, Contributions


def check_not_stale(nodes: list[Node], create_graph: bool, name: str = "backward") -> None:
    """Raise GraphError, in the name of `name`, if data changed after a node was computed from it.

    Closures hold the arrays of the forward pass, so only in-place changes affect an ordinary pass.
    A higher-order pass runs the rules again on the current data. Lent arrays are compared with
    copies of their bytes. A change that does not alter the results of the rule is ignored.
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
                if changed > node._order and not (in_place and _is_unaffected(node, p)):
                    kept = "detach() Values kept between steps, such as a hidden state, or "
                    raise GraphError(
                        f"{name}: the data of {name_of(p)} changed "
                        f"{'in place ' if in_place else ''}after {name_of(node)} "
                        f"was computed from it; {kept if used_after(nodes, p) else ''}"
                        "run the forward pass again"
                    )


def used_after(nodes: Iterable[Node], leaf: Node) -> list[Node]:
    """List the nodes that were computed from a leaf after its last change."""
    after = (v for v in nodes if isinstance(leaf, LeafNode) and v._order > leaf._assigned)
    return [v for v in after if any(p is leaf for p in v.parents)]


def set_since(nodes: Sequence[Node]) -> dict[Node, Node]:
    """Map each leaf whose data changed after a node was computed from it to the first such node.

    A change that does not alter the results of the rule is ignored, as that of a number set back.
    """
    first_use: dict[Node, Node] = {}
    _look_at(nodes)
    if Node.last_change:
        for node in nodes:
            for p in node.parents:
                changed = isinstance(p, LeafNode) and node._order < p._assigned
                if changed and p not in first_use and not _is_unaffected(node, p):
                    first_use[p] = node
    return first_use


def _look_at(nodes: Sequence[Node]) -> None:
    """Check whether lent arrays have changed."""
    for leaf in nodes:
        if leaf._closure is None and isinstance(leaf, LeafNode) and leaf._bits is not None:
            leaf.look()


def _is_unaffected(node: Node, leaf: Node) -> bool:
    """Return whether a node's rule and its closure still compute the same numbers."""
    if np.may_share_memory(node._numbers, leaf._numbers):
        return False
    assert node._closure is not None
    ones = np.ones(node.shape, node.dtype)
    try:
        with np.errstate(all="ignore"):
            y, closure = run_again(node, data_of(node.parents))
            then, now = ((node._numbers, *node._closure(ones)), (y, *closure(ones)))
    except Exception:  # noqa: BLE001  # the rule of a user may raise anything
        return False
    return all(a is b or same_bits(a, b) for a, b in zip(then, now, strict=True))


def with_guard(
    name: str, closure: Backward, operands: Sequence[Any], now: list[Any], then: list[Any]
) -> Backward:
    """Wrap a closure so that it first compares operands and result with copies made `then`.

    It also checks that the closure does not write to its gradient.
    """
    names = [name_of(v) if isinstance(v, Node) else "a constant" for v in operands]
    checks = [*zip([*names, "its result"], now, then, strict=True)]

    def guard() -> None:
        for operand, data, copy in checks:
            if not np.array_equal(data, copy, equal_nan=True):
                raise GraphError(f"{name}: the data of {operand} changed since the forward pass")

    def checked_backward(g: Array) -> Contributions:
        guard()
        before = np.array(g)
        contributions = closure(g)
        if not np.array_equal(g, before, equal_nan=True):
            raise GraphError(
                f"{name}: its closure wrote into g, which other nodes may share; it must return "
                "new arrays"
            )
        return contributions

    checked_backward.guard = guard  # type: ignore[attr-defined]  # for a higher-order pass
    checked_backward.__wrapped__ = closure  # type: ignore[attr-defined]  # for a debugger
    return checked_backward
