"""Forward-mode derivatives (JVPs) through a recorded graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import sparse_jacobian
from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import run_forward
from tinygrad_pool.engine.value import Value
from tinygrad_pool.engine.vjp import closure_on_values, vjp_by_operand
from tinygrad_pool.rules.rule import Contributions


def jvp(root: Node, given: Mapping[Node, Any]) -> dict[Node, Any]:
    """Compute ẏ = Σ_p (∂y/∂p) ṗ for every node that `root` depends on, from the tangents given.

    Other leaves, detached Values and constants have the tangent 0. Nothing checks that the data has
    not changed since.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> float(jvp(y, {x: 1.0})[y])
    6.0
    """

    def push(node: Node, operands: list[Any]) -> Any:
        if node.is_leaf or node in given:
            return given.get(node, np.zeros(node.shape))
        pairs = zip(node.parents, operands, strict=True)
        return _push_forward(node, [t if isinstance(p, Node) else 0.0 for p, t in pairs])

    with np.errstate(all="ignore"), with_graph():
        return run_forward(root, push)


def _push_forward(node: Node, tangents: list[Any]) -> Any:
    """Push the operands' tangents through a node: the transpose of its VJP.

    The VJP is linear in g, so ẏ is the gradient of Σ_p c_p(g) ṗ with respect to g. For a number
    this takes one call with g = 1. For an array the rule is run again on Values or, if it cannot
    be, the sparse Jacobian is used.
    """
    if node.size == 1:
        sent = vjp_by_operand(node, np.ones(node.shape, node.dtype))
        return np.reshape(sum(map(np.sum, _products(sent, tangents))), node.shape)
    operands = [Value(p._numbers) if isinstance(p, Node) else p for p in node.parents]
    g = Value(np.ones(node.shape))
    try:
        sent = closure_on_values(node, operands)(g)
        sums = [np.sum(product) for product in _products(sent, tangents)]
        return grad(sum(sums[1:], sums[0]), g)[0] if sums else np.zeros(node.shape)
    except Exception:  # noqa: BLE001  # a user's rule, for arrays only
        moved = [sparse_jacobian(node, i) @ t for i, t in enumerate(tangents) if np.any(t)]
        return sum(moved, np.zeros(node.shape))


def _products(sent: Contributions, tangents: list[Any]) -> list[Any]:
    """Multiply the contribution to each operand by its tangent, skipping those that are 0."""
    pairs = zip(sent, tangents, strict=True)
    return [c * t for c, t in pairs if c is not None and np.any(t)]
