"""Re-run a graph with layers of 0/1 weights in place of max, min, ReLU and pooling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tinygrad_pool.derivatives.sparse_jacobian import pooling_weights
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import replaced
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.rules.sparse_weights import Weights, weight_layer
from tinygrad_pool.rules.traits import traits_of

_layer = lift(weight_layer)


def as_weight_layer(loss: Value) -> Value:
    """Compute `loss` again on the same leaves, with weights wherever a winner was chosen.

    Every max, min, maximum, minimum, relu, max pool and average pool becomes y = P x with its
    present P, as in the derivation. Everything else is run again. The backward pass is that of any
    layer of weights, ∂E/∂x = Pᵀ g, and gives the same gradients, bit for bit except for the sign of
    a zero. With averages and ties="even", where P holds 1/n, they may differ by a few units in the
    last place.

    Raises DataError if `loss` is not a Value; GraphError if data changed since.

    >>> x = Value([1.0, 5.0, 2.0])
    >>> y = as_weight_layer(x.max())
    >>> y.op, float(y.data)
    ('weight_layer', 5.0)
    """
    weights = pooling_weights(loss, "as_weight_layer")
    return replaced(loss, operations_of(weights))[loss]


def operations_of(weights: Mapping[Value, list[Weights]]) -> dict[Node, Callable[..., Any]]:
    """Return the layer of weights that replaces each node.

    For an elementwise rule, the layer is a diagonal as wide as the result: the operand is broadcast
    before it, and the engine sums its gradient as usual.
    """
    operations: dict[Node, Callable[..., Any]] = {}
    for node, Ws in weights.items():
        alone = traits_of(node.rule).sparsity == "elementwise"
        layers = tuple(W.diagonal() if alone else W for W in Ws)
        operations[node] = partial(_layer, weights=layers)
    return operations
