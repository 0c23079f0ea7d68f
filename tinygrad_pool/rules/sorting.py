"""Sorting: numbers move to the places that their order gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.composition import composes, constant, operand
from tinygrad_pool.rules.primitive import observation, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


@observation
def order_of(x: Array, axis: int, kth: Any = None) -> NDArray[np.int64]:
    """Return the indices that sort the numbers; equal numbers keep their order, NaN comes last."""
    if kth is not None:
        return np.argpartition(x, kth, axis=axis)
    return np.argsort(x, axis=axis, kind="stable")


@composes("sort")
def sort_along(a: Array, axis: int | None = -1, kind: Any = None, stable: Any = None) -> Array:
    """Sort along an axis; equal numbers keep their order, for any `kind`."""
    del kind, stable
    return _by_order(a, axis)


@composes("partition")
def partition(a: Array, kth: Any, axis: int | None = -1) -> Array:
    """Move the kth smallest number to index kth, smaller ones before it and larger ones after."""
    constant("np.partition: kth", kth)
    return _by_order(a, axis, kth)


def _by_order(a: Array, axis: int | None, kth: Any = None) -> Array:
    x = operand(a)
    if axis is None:
        x, axis = np.reshape(x, -1), -1
    axes_of(np.shape(x), axis, "sort")
    return in_order(x, axis=axis, kth=kth)


@primitive
def in_order(x: Array, *, axis: int = -1, kth: Any = None) -> Array:
    """Sort along an axis, or move only the kth numbers to their places."""
    return np.take_along_axis(x, order_of(x, axis, kth), axis=axis)


@implements(in_order)
def sort(x: Array, *, axis: int = -1, kth: Any = None) -> tuple[Array, Backward]:
    """Differentiate in_order: each gradient goes back to where its number came from.

    y = x[o]            ∂E/∂x[o] = g

    o sorts x; a rerun computes it again. At ties, equal numbers keep their order. NaN comes last.

    >>> y, backward = sort(np.array([3.0, 1.0, 2.0]))
    >>> y, backward(np.array([5.0, 6.0, 7.0]))
    (array([1., 2., 3.]), (array([7., 5., 6.]),))
    """
    back = np.argsort(order_of(x, axis, kth), axis=axis)

    def sort_backward(g: Array) -> Contributions:
        to_x = np.take_along_axis(g, back, axis=axis)
        return (to_x,)

    return in_order(x, axis=axis, kth=kth), sort_backward
