"""Copies of Values: a deep copy of a graph is a graph of its own."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.data import same_bits
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.node import LeafNode, Node, name_of
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.errors import GraphError


def deep_copy(root: Node, memo: dict[int, Any]) -> Any:
    """Copy a Value and all that it depends on, as `copy.deepcopy` does, which keeps `memo`.

    Leaves get data of their own, and every rule is run again on the copies, so that no closure is
    shared. Raises GraphError if data changed since, or if a rule gives other numbers now.
    """
    nodes = topological_order(root)
    check_not_stale(nodes, create_graph=True, name="copy.deepcopy")
    for node in nodes:
        if id(node) not in memo:
            twin = _leaf(node, memo) if isinstance(node, LeafNode) else _interior(node, memo)
            twin._grad = np.copy(node._grad) if isinstance(node._grad, np.ndarray) else node._grad
            memo[id(node)] = twin
    return memo[id(root)]


def _leaf(node: Any, memo: dict[int, Any]) -> Any:
    make, (kind,), (given, grad, own) = node.__reduce_ex__(4)
    twin = make(kind)
    twin.__setstate__((given, grad, copy.deepcopy(own, memo)))
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
