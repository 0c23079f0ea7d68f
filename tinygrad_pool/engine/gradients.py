"""Gradients without `backward`: one node at a time, or as numbers and Values that are returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from tinygrad_pool.engine.backward import start, topological_order
from tinygrad_pool.engine.data import copied
from tinygrad_pool.engine.functions import called, filled, leaves_of, one_or_all, places_of, plain
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.signature import reject_foreign_options
from tinygrad_pool.engine.steps import Step, step_of
from tinygrad_pool.engine.turns import HALF_DONE, TURN, Paused
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.rules.arguments import flag


def backward_steps(root: Value, gradient: Any = None, **habits: Any) -> Iterator[Step]:
    """Run the backward pass one node at a time: exhausting it is `backward()`, bit for bit.

    The call itself checks the arguments and resets the gradients of the last pass. Each Step is
    yielded after its contributions are added. Abandoning the pass before its end undoes what it
    added to leaves. So does starting another pass through the same nodes; this one cannot continue
    then.

    Raises the errors of `Value.backward`; GraphError to continue after another pass began.

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
    """Yield one step at a time; undo them if the pass does not reach its end."""
    try:
        while half.waiting:
            with TURN:
                half.check()
                HALF_DONE.discard(half)  # while a closure runs: it may run a pass of its own
                result = next(walk, None)
                if result is None:  # the remaining gradients were reset: nothing is left to do
                    half.done()
                    return
                half.pause(result[0])
                step = step_of(*result)
            yield step
    finally:
        half.take_back()


@overload
def grad(
    y: Value,
    xs: Value | Iterable[Value],
    gradient: Any = None,
    create_graph: bool = False,
) -> tuple[Any, ...]: ...


@overload
def grad(
    y: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    create_graph: bool = False,
) -> Callable[..., Any]: ...


def grad(  # type: ignore[misc]  # by position, xs may be the argnums of a function
    y: Any,
    xs: Any = None,
    gradient: Any = None,
    create_graph: bool = False,
    *,
    argnums: Any = 0,
    has_aux: bool = False,
    **habits: Any,
) -> Any:
    """Return ∂y/∂x for each x, without changing any `.grad`; zeros where y does not depend on x.

    With create_graph=True the gradients are Values with a graph, so they can be differentiated
    again: the rules run again, on the Values themselves.

    For a function, `grad(f, argnums=0, has_aux=False)` returns a function that computes ∂f/∂x for
    the arguments at `argnums`, see `value_and_grad`. While another function is differentiated its
    results are Values, so `grad(grad(f))` is the second derivative.

    Raises the errors of `Value.backward`; with create_graph=True, GraphError also if data was
    assigned since.

    >>> x = Value(2.0)
    >>> (slope,) = grad(x**3, x, create_graph=True)
    >>> slope.data, grad(slope, x)
    (12.0, (12.0,))
    >>> grad(lambda x: x**3)(2.0), grad(grad(lambda x: x**3))(2.0)
    (12.0, 12.0)
    """
    reject_foreign_options("grad", habits)
    flag(create_graph, "grad: create_graph")
    if callable(y):
        chosen = argnums if xs is None else xs
        return _gradient_function("grad", y, chosen, has_aux or gradient is True, create_graph)
    several = isinstance(xs, Iterable) and not isinstance(xs, Value | np.ndarray)
    xs = tuple(xs) if several else (xs,)
    for v in (y, *xs):
        if not isinstance(v, Value):
            raise DataError(
                "grad: needs a computed Value and the Values to differentiate with respect to, "
                f"as in grad(y, [x, w]), or a function, got {type(v).__name__}"
            )
    return gradients(y, xs, gradient, create_graph)


def gradients(
    y: Node, xs: Sequence[Any], gradient: Any = None, create_graph: bool = False
) -> tuple[Any, ...]:
    """Return ∂y/∂x for each x: `grad` for Values."""
    with TURN:
        nodes = topological_order(y)
        before = {v: v._grad for v in (*nodes, *xs)}
        try:
            for node in before:
                node._grad = None
            for _ in start(y, gradient, create_graph, nodes):
                pass
            return tuple(_gradient_of(x, create_graph) for x in xs)
        finally:
            for node, old in before.items():
                node._grad = old


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes f and its gradient, both as numbers: (f(x), ∂f/∂x).

    Arguments are numbers, arrays, Values, networks, or tuples, lists and dicts of those. f is
    called with Values and must return a Value with one element. The gradient has the structure of
    the argument at `argnums`: a tuple for several arguments, a dict by parameter names for a
    network. With `has_aux`, f returns a pair, and the first result is that pair.

    Raises DataError if f is not a function or does not return a Value, or if an argument does not
    consist of numbers; ShapeError if f returns several elements; OptionError if there is no
    argument at `argnums`.

    >>> value_and_grad(lambda x, w: (x * w["w"]).sum(), argnums=1)(np.ones(2), {"w": 3.0})
    (np.float64(6.0), {'w': 2.0})
    """
    return _gradient_function("value_and_grad", f, argnums, has_aux)


def _gradient_function(
    name: str, f: Callable[..., Any], argnums: Any, has_aux: Any, create_graph: bool = False
) -> Callable[..., Any]:
    places = places_of(name, f, argnums, has_aux)

    def gradient(*args: Any, **options: Any) -> Any:
        call = called(name, f, args, options, places, has_aux, create_graph)
        if not isinstance(call.y, Value):
            raise DataError(
                f"{name}: f must return a Value, got {type(call.y).__name__}; with has_aux=True f "
                "returns (y, aux)"
            )
        if call.y.size != 1:
            raise ShapeError(
                f"{name}: f must return one number, got shape {call.y.shape}; "
                "tg.jacobian(f) differentiates arrays"
            )
        y, aux = plain((call.y, call.aux), call.graph)
        slopes = iter(gradients(call.y, leaves_of(call.xs), create_graph=call.graph))
        g = one_or_all(argnums, filled(call.xs, slopes))
        if name == "grad":
            return (g, aux) if has_aux else g
        return ((y, aux) if has_aux else y), g

    return gradient


def _gradient_of(x: Node, as_value: bool) -> Any:
    g = x.grad
    if as_value:
        return g if isinstance(g, Value) else Value(g)
    return copied(g)
