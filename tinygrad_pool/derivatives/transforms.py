"""Derivatives of functions, as in JAX and torch.func: Jacobians, Hessians, VJPs and JVPs.

`tg.grad` and `tg.value_and_grad` are in `engine.gradients`. All of them can be nested: inside a
function that is being differentiated, derivatives are Values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from tinygrad_pool.engine.functions import (
    INSIDE,
    called,
    filled,
    leaves_of,
    one_or_all,
    parts_of,
    places_of,
    plain,
)
from tinygrad_pool.engine.gradients import gradients
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError


def jacobian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes all ∂y_i/∂x_j, in an array of shape y.shape + x.shape.

    It takes one backward pass for each element of y. Arguments and results may be tuples, lists and
    dicts: the result has the structure of y and, for each part of y, that of the arguments. For
    these, `argnums` and `has_aux`, see `tg.value_and_grad`.

    Raises DataError if f does not return Values, or an argument is not made of numbers; OptionError
    for an argument that does not exist.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    places = places_of("jacobian", f, argnums, has_aux)

    def jacobian_of_f(*args: Any, **options: Any) -> Any:
        found = called("jacobian", f, args, options, places, has_aux)
        leaves = leaves_of(found.xs)

        def of_part(y: Value) -> Any:
            parts = iter(_rows(y, leaves, found.graph))
            return one_or_all(argnums, filled(found.xs, parts))

        J = filled(found.y, iter([of_part(y) for y in leaves_of(found.y)]))
        return (J, plain(found.aux, found.graph)) if has_aux else J

    return jacobian_of_f


jacrev = jacobian
"""Its name in JAX and torch.func."""


def _rows(y: Value, xs: list[Any], graph: bool) -> list[Any]:
    """List the Jacobian of y with respect to each x, by one backward pass per element of y."""
    units = np.eye(y.size).reshape(y.size, *y.shape)
    rows = [gradients(y, xs, unit, graph) for unit in units]
    if y.shape == ():
        return list(rows[0])
    if not rows:
        return [np.zeros((*y.shape, *x.shape), x.dtype) for x in xs]
    shapes = [(*y.shape, *x.shape) for x in xs]
    columns = zip(*rows, strict=True)
    return [np.reshape(np.stack(c), shape) for c, shape in zip(columns, shapes, strict=True)]


def hessian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes every ∂²y/∂x_i∂x_j: the Jacobian of the Jacobian.

    Its shape is y.shape + x.shape + x.shape. Everything else is as in `jacobian`.

    >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    places_of("hessian", f, argnums, has_aux)
    return jacobian(jacobian(f, argnums, has_aux), argnums, has_aux)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Compute y = f(…) and its vector-Jacobian product: (y, g ↦ (gᵀ ∂y/∂x, …)).

    The function takes a gradient with the structure of y, and returns a tuple with one gradient for
    each argument. With `has_aux`, f returns a pair, and its second part is returned third.

    Raises as `jacobian` does; ShapeError for a gradient that does not fit.

    >>> y, pull = vjp(lambda x, w: x * w, 3.0, 5.0)
    >>> y, pull(2.0)
    (15.0, (10.0, 6.0))
    """
    places_of("vjp", f, 0, has_aux)
    found = called("vjp", f, primals, {}, range(len(primals)), has_aux)
    leaves = leaves_of(found.xs)

    def pull(g: Any) -> tuple[Any, ...]:
        graph = found.graph or INSIDE.get()
        pairs = _paired("vjp: a gradient", found.y, g)
        sent = [gradients(y, leaves, part, graph) for y, part in pairs]
        total = iter([reduce(add, parts) for parts in zip(*sent, strict=True)])
        return tuple(filled(found.xs, total))

    y = plain(found.y, found.graph)
    return (y, pull, plain(found.aux, found.graph)) if has_aux else (y, pull)


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Compute y = f(…) and its Jacobian-vector product: (y, ∂y/∂x ẋ).

    Tangents have the structure of the arguments. The result is the gradient of gᵀ ∂y/∂x ẋ, which is
    linear in g, with respect to g. With `has_aux`, f returns a pair, and its second part is
    returned third.

    Raises as `jacobian` does; ShapeError for a tangent that does not fit.

    >>> jvp(lambda x: x**2, (3.0,), (2.0,))
    (9.0, 12.0)
    """
    places_of("jvp", f, 0, has_aux)
    if not isinstance(primals, tuple | list):
        raise OptionError("jvp: needs tuples of arguments and of tangents: jvp(f, (x,), (t,))")
    found = called("jvp", f, primals, {}, range(len(primals)), has_aux)
    leaves = leaves_of(found.xs)
    pairs = _paired("jvp: a tangent", found.xs, tangents)

    def pushed(y: Value) -> Any:
        g = Value(np.ones(y.shape, y.dtype) if y.shape else type(y.data)(1))
        sent = gradients(y, leaves, g, create_graph=True)
        moves = [np.sum(c * t) for c, (_, t) in zip(sent, pairs, strict=True)]
        return gradients(reduce(add, moves), [g], create_graph=found.graph)[0]

    out = filled(found.y, iter([pushed(y) for y in leaves_of(found.y)]))
    y = plain(found.y, found.graph)
    return (y, out, plain(found.aux, found.graph)) if has_aux else (y, out)


def _paired(what: str, tree: Any, other: Any) -> list[tuple[Any, Any]]:
    """Pair each leaf of a structure with the corresponding part of another one.

    Raises OptionError and ShapeError if it does not fit.
    """
    if (parts := parts_of(tree)) is None:
        if np.shape(other) != tree.shape:
            raise ShapeError(f"{what} needs shape {tree.shape}, got {np.shape(other)}")
        return [(tree, other)]
    others = parts_of(other)
    if others is None or parts.keys() != others.keys():
        got = f"{type(other).__name__}" if others is None else f"{list(others)}"
        raise OptionError(f"{what} needs the parts {list(parts)}, got {got}")
    return [pair for key, part in parts.items() for pair in _paired(what, part, others[key])]
