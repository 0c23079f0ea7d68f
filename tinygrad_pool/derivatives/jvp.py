"""How everything moves when the leaves do: one sweep forward through a graph that stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import links_of, sent_by
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import TinygradPoolError
from tinygrad_pool.rules.rule import Contributions


def jvp(root: Node, of_leaves: Mapping[Node, Any]) -> dict[Node, Any]:
    """Compute ẏ = Σ_p (∂y/∂p) ṗ for every node behind `root`, from ṗ of the leaves.

    A leaf that is not in `of_leaves`, and what was cut off from its past, stands still: 0.

    Raises GraphError if data changed since.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> float(jvp(y, {x: 1.0})[y])
    6.0
    """
    nodes = topological_order(root)
    check_not_stale(nodes, create_graph=True)
    moved: dict[Node, Any] = {}
    with np.errstate(all="ignore"), with_graph():
        for node in nodes:
            if node.is_leaf:
                moved[node] = of_leaves.get(node, np.zeros(node.shape))
            else:
                moved[node] = _pushed_forward(node, [_of(p, moved) for p in node.parents])
    return moved


def _of(p: Any, moved: dict[Node, Any]) -> Any:
    return moved[p] if isinstance(p, Node) else 0.0


def _pushed_forward(node: Node, to_operands: list[Any]) -> Any:
    """Push the operands' tangents through a node: the transpose of what its closure does.

    The closure is linear in g, so Σ_p c_p(g) ṗ has the gradient ẏ by g. For a number that is one
    call with g = 1; for an array the rule is run on Values once more, or where it cannot be, one
    unit's gradient after another is pushed back.
    """
    assert node.rule is not None
    if node.size == 1:
        sent = sent_by(node, np.ones(node.shape, node.dtype))
        return np.reshape(sum(map(np.sum, _products(sent, to_operands))), node.shape)
    operands = [Value(p._numbers) if isinstance(p, Node) else p for p in node.parents]
    g = Value(np.zeros(node.shape))
    try:
        sent = node.rule(*operands, **node.options)[1](g)
        sums = [np.sum(product) for product in _products(sent, to_operands)]
        return grad(sum(sums[1:], sums[0]), g)[0] if sums else np.zeros(node.shape)
    except (TinygradPoolError, AttributeError, TypeError):  # a user's rule, for arrays only
        return _along_links(node, to_operands)


def _products(sent: Contributions, to_operands: list[Any]) -> list[Any]:
    """Multiply what goes back to each operand by how it moves, where it gets something and does."""
    pairs = zip(sent, to_operands, strict=True)
    return [c * t for c, t in pairs if c is not None and np.any(t)]


def _along_links(node: Node, to_operands: list[Any]) -> Any:
    moved = np.zeros(node.size)
    for i, t in enumerate(to_operands):
        if np.any(t):
            unit, cell, weight = links_of(node, i, np.arange(node.size))
            np.add.at(moved, unit, weight * np.reshape(t, -1)[cell])
    return moved.reshape(node.shape)
