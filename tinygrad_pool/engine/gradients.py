"""Gradients without `backward`: one node at a time, or as Values of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_pool.engine.backward import start, topological_order
from tinygrad_pool.engine.data import zeros
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.signature import reject_foreign_options
from tinygrad_pool.engine.steps import Step, step_of
from tinygrad_pool.engine.turns import HALF_DONE, TURN, Paused
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError


def backward_steps(root: Value, gradient: Any = None, **habits: Any) -> Iterator[Step]:
    """Run the backward pass one node at a time: exhausting it is `backward()`, bit for bit.

    Arguments are checked, and the last pass is forgotten, at once. Each Step comes after its
    contributions were added up. A pass that is given up before its end takes back what it has added
    to leaves; and so it does when another begins in the same nodes, after which it cannot go on.

    Raises as `Value.backward` does; GraphError to go on after another pass began.

    >>> a = Value(2.0)
    >>> for step in backward_steps((a * a).exp()):
    ...     print(step.node.op, round(step.upstream, 2))
    exp 1.0
    mul 54.6
    """
    reject_foreign_options("backward_steps", habits)
    with TURN:
        walk = start(root, gradient)
        return _one_by_one(Paused(root, topological_order(root)), walk)


def _one_by_one(half: Paused, walk: Iterator[tuple[Any, ...]]) -> Iterator[Step]:
    """Take a step whenever one is asked for; after the last, or where it ends early, let go."""
    try:
        while half.waiting:
            with TURN:
                half.check()
                HALF_DONE.discard(half)  # while a closure runs: it may run a pass of its own
                taken = next(walk, None)
                if taken is None:  # no gradient is left to be handed on: they were reset
                    half.done()
                    return
                half.pause(taken[0])
                step = step_of(*taken)
            yield step
    finally:
        half.take_back()


def grad(
    y: Value,
    xs: Value | Iterable[Value] | None = None,
    gradient: Any = None,
    create_graph: bool = False,
    **habits: Any,
) -> tuple[Any, ...]:
    """Return ∂y/∂x for each x, and leave every `.grad` as it was. Unreached x get zeros.

    With create_graph=True the gradients are Values with a graph of their own, so that they can be
    differentiated again: the rules are run once more, on the Values themselves.

    Raises as `Value.backward` does; GraphError with create_graph=True also if data was assigned
    since.

    >>> x = Value(2.0)
    >>> (slope,) = grad(x**3, x, create_graph=True)
    >>> slope.data, grad(slope, x)
    (12.0, (12.0,))
    """
    reject_foreign_options("grad", habits)
    wanted: tuple[Any, ...] = (xs,)
    if isinstance(xs, Iterable) and not isinstance(xs, Value | np.ndarray):
        wanted = tuple(xs)
    for v in (y, *wanted):
        if not isinstance(v, Value):
            raise DataError(
                "grad: needs a Value that was computed and the Values to differentiate it by, "
                f"as in grad(y, [x, w]), got a {type(v).__name__}"
            )
    with TURN:
        nodes = topological_order(y)
        before = {v: v._grad for v in (*nodes, *wanted)}
        try:
            for node in before:
                node._grad = None
            for _ in start(y, gradient, create_graph, nodes):
                pass
            return tuple(_gradient_of(x, create_graph) for x in wanted)
        finally:
            for node, old in before.items():
                node._grad = old


def _gradient_of(x: Node, as_value: bool) -> Any:
    g = zeros(x._numbers) if x._grad is None else x._grad
    if as_value:
        return g if isinstance(g, Value) else Value(g)
    return np.array(g) if isinstance(g, np.ndarray) else g
