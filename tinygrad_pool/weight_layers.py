"""A graph once more, with a layer of 0/1 weights in place of everything that chooses a winner."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tinygrad_pool.engine import Operation, Value, lift
from tinygrad_pool.errors import DataError
from tinygrad_pool.graph import ancestors, refuse_stale
from tinygrad_pool.links import links_of, operands_of, slopes_of
from tinygrad_pool.node import Node
from tinygrad_pool.numpy_names import ANSWERS
from tinygrad_pool.rules import elementwise, pooling, reductions
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.weights import Weights, weight_layer

OF_ITS_OWN = (reductions.maximum, reductions.minimum, elementwise.relu)
REPLACED = (*OF_ITS_OWN, reductions.max, reductions.min, pooling.max_pool, pooling.avg_pool)
"""The rules that are replaced, those first in which each unit looks at one cell of an operand."""


@lru_cache(maxsize=256)
def _operation(rule: Rule) -> Operation:
    """Lift a rule; what NumPy's functions mean on Values stays as it is."""
    meant = dict(ANSWERS)
    operation = lift(rule)
    ANSWERS.update(meant)
    return operation


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
    if not isinstance(loss, Value):
        raise DataError(f"{name}: needs a Value, got a {type(loss).__name__}")
    nodes = ancestors(loss)
    refuse_stale(nodes, create_graph=True)
    twins: dict[Value, Value] = {}
    for node in nodes:
        assert isinstance(node, Value)
        twins[node] = node if node._closure is None else _twin(node, twins)
    return twins


def _twin(node: Value, twins: dict[Value, Value]) -> Value:
    assert node.rule is not None
    operands = [twins[p] if isinstance(p, Value) else p for p in node.parents]
    if node.rule in REPLACED:
        twin = _operation(weight_layer)(*operands, weights=layers_of(node))
    else:
        options = {k: v for k, v in node.options.items() if k != "wants"}
        twin = _operation(node.rule)(*operands, **options)
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
