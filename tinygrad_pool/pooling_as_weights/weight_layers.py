"""A graph once more, with a layer of 0/1 weights in place of everything that chooses a winner."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import links_of, operands_of, slopes_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value, rebuilt
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.rules import elementwise, pooling, reductions
from tinygrad_pool.rules.sparse_weights import Weights, weight_layer

OF_ITS_OWN = (reductions.maximum, reductions.minimum, elementwise.relu)
REPLACED = (*OF_ITS_OWN, reductions.max, reductions.min, pooling.max_pool, pooling.avg_pool)
"""The rules that are replaced, those first in which each unit looks at one cell of an operand."""


def as_weight_layer(loss: Value) -> Value:
    """Compute the same on the same leaves, with weights wherever a winner was chosen.

    Every max, min, maximum, minimum, relu, max pool and average pool becomes y = P x with the P
    that it has now: the derivation's other picture. All else is run again. Backward through it is
    the ordinary rule for weights, ∂E/∂x = Pᵀ g, and gives the same gradients: bit for bit, but for
    the sign of a zero; with averages and ties="even", where P holds 1/n, to a few units in the last
    place.

    Raises DataError for what is no Value; GraphError if data changed since.

    >>> x = Value([1.0, 5.0, 2.0])
    >>> y = as_weight_layer(x.max())
    >>> y.op, float(y.data)
    ('weight_layer', 5.0)
    """
    return twins_of(loss, "as_weight_layer")[loss]


def twins_of(loss: Value, name: str) -> dict[Value, Value]:
    """Map every node behind a Value to what stands for it among weights; a leaf is its own."""
    check_value(loss, name)
    check_not_stale(topological_order(loss), create_graph=True)
    return rebuilt(loss, _twin)


def _twin(node: Value, operands: list[Any]) -> Value:
    if node.is_leaf:
        return node
    if node.rule not in REPLACED:
        again: Value = reapply(node, operands)
        return again
    twin = lift(weight_layer)(*operands, weights=layers_of(node))
    twin.about = node.about
    return twin


def layers_of(node: Node) -> tuple[Weights, ...]:
    """Return the weights of a node that is replaced, a layer for each operand.

    Where each unit looks at one cell of an operand, the layer is a diagonal, as wide as the result:
    the operand is broadcast before it, and what comes back is summed by the engine, as ever.
    """
    units = np.arange(node.size)
    if node.rule not in OF_ITS_OWN:
        (x,) = operands_of(node)
        return (Weights(*links_of(node, 0, units), node.shape, np.shape(x)),)
    diagonals = (
        np.broadcast_to(slopes_of(node, i), node.shape).reshape(-1)
        for i, _ in enumerate(node.parents)
    )
    return tuple(Weights(units, units, d, node.shape, node.shape) for d in diagonals)
