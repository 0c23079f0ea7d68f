"""Deep copies of graphs."""

from __future__ import annotations

import copy
from typing import Any

from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.data import copied, same_bits
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.node import LeafNode, Node, name_of
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.errors import GraphError


def deep_copy(root: Node, memo: dict[int, Any]) -> Any:
    """Copy a Value and everything it depends on, for `copy.deepcopy`, which passes `memo`.

    The data of leaves is copied, and every rule runs again on the copies, so no closure is shared.
    Raises GraphError if data changed since, or if a rule now gives different numbers.
    """
    nodes = topological_order(root)
    check_not_stale(nodes, create_graph=True, name="copy.deepcopy")
    with with_graph():
        for node in nodes:
            if id(node) not in memo:
                twin = _leaf(node) if isinstance(node, LeafNode) else _interior(node, memo)
                twin._grad = copied(node._grad)
                memo[id(node)] = twin  # first, since its attributes may refer to it
                vars(twin).update(copy.deepcopy(vars(node), memo))
    return memo[id(root)]


def _leaf(node: Any) -> Any:
    twin = copy.copy(node)
    twin.about, twin.rule, twin.options = node.about, node.rule, node.options
    return twin


def _interior(node: Node, memo: dict[int, Any]) -> Any:
    twin = reapply(node, [memo[id(p)] if isinstance(p, Node) else p for p in node.parents])
    if not same_bits(twin._numbers, node._numbers):
        raise GraphError(
            f"deepcopy: {name_of(node)} gives different numbers when its rule runs "
            "again, because the rule is random; copy v.detach() instead"
        )
    return twin
