"""Rules that move numbers without changing them; gradients move back the same way."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.errors import AxisError, ShapeError, SubscriptError
from tinygrad_pool.rules.arguments import Axis, Key, Shape, axes_of, floating, listed, whole
from tinygrad_pool.rules.primitive import is_value, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

LARGEST = 2**59
"""NumPy cannot address this many elements of up to 16 bytes."""

BASIC = (int, np.integer, slice, type(None), type(Ellipsis))
"""The types in a key of basic indexing, which selects no cell twice."""


@implements(np.reshape)
def reshape(x: Array, shape: int | Shape = -1) -> tuple[Array, Backward]:
    """Change the shape, in row-major order; one length may be −1.

    y_j = x_j            ∂E/∂x_j = g_j

    Raises ShapeError if the sizes differ.

    >>> y, backward = reshape(np.array([1.0, 2.0]), (2, 1))
    >>> y.shape, backward(np.ones((2, 1)))
    ((2, 1), (array([1., 1.]),))
    """
    old = np.shape(x)
    new = tuple(whole(n, "reshape: shape") for n in listed(shape))
    free = prod(n for n in new if n != -1)
    fits = free == prod(old) if -1 not in new else free > 0 and prod(old) % free == 0
    if min(new, default=0) < -1 or new.count(-1) > 1 or not fits:
        elements = "1 element" if prod(old) == 1 else f"{prod(old)} elements"
        raise ShapeError(f"reshape: {elements} of shape {old} cannot fill shape {new}")

    def reshape_backward(g: Array) -> Contributions:
        to_x = np.reshape(g, old)
        return (to_x,)

    return np.reshape(x, new), reshape_backward


@implements(np.transpose)
def transpose(x: Array, axes: Shape | None = None) -> tuple[Array, Backward]:
    """Reorder the axes; None reverses them.

    y = x with axis i at place axes[i]            ∂E/∂x = g, reordered back

    Raises AxisError unless `axes` names every axis once.

    >>> y, backward = transpose(np.array([[1.0, 2.0]]))
    >>> y.shape, backward(y)
    ((2, 1), (array([[1., 2.]]),))
    """
    ndim = np.ndim(x)
    order = tuple(range(ndim))[::-1] if axes is None else tuple(listed(axes))
    if axes_of(np.shape(x), order, "transpose") != tuple(range(ndim)):
        raise AxisError(
            f"transpose: axes {axes} must name each of the {ndim} axes once; "
            "np.swapaxes exchanges two"
        )
    back = tuple(int(i) for i in np.argsort([i % ndim for i in order]))

    def transpose_backward(g: Array) -> Contributions:
        to_x = np.transpose(g, back)
        return (to_x,)

    return np.transpose(x, order), transpose_backward


@implements(np.expand_dims)
def expand_dims(x: Array, axis: Axis = 0) -> tuple[Array, Backward]:
    """Insert axes of length 1.

    y = x            ∂E/∂x = g, reshaped back

    Raises AxisError.

    >>> expand_dims(np.array([1.0, 2.0]), 0)[0]
    array([[1., 2.]])
    """
    old, named = np.shape(x), listed(axis)
    ndim = len(old) + len(named)
    axes = axes_of((1,) * ndim, named, "expand_dims")
    lengths = iter(old)
    new = tuple(1 if i in axes else next(lengths) for i in range(ndim))

    def expand_dims_backward(g: Array) -> Contributions:
        to_x = np.reshape(g, old)
        return (to_x,)

    return np.reshape(x, new), expand_dims_backward


@implements(np.squeeze)
def squeeze(x: Array, axis: Axis = None) -> tuple[Array, Backward]:
    """Drop axes of length 1; None drops all of them.

    y = x            ∂E/∂x = g, reshaped back

    Raises AxisError, and ShapeError if a named axis is longer than 1.

    >>> squeeze(np.array([[1.0, 2.0]]))[0]
    array([1., 2.])
    """
    old = np.shape(x)
    axes = axes_of(old, axis, "squeeze")
    if axis is None:
        axes = tuple(i for i in axes if old[i] == 1)
    if any(old[i] != 1 for i in axes):
        raise ShapeError(f"squeeze: axes {axes} of shape {old} are not all of length 1")

    def squeeze_backward(g: Array) -> Contributions:
        to_x = np.reshape(g, old)
        return (to_x,)

    return np.reshape(x, tuple(n for i, n in enumerate(old) if i not in axes)), squeeze_backward


@implements(np.broadcast_to)
def broadcast_to(x: Array, shape: int | Shape = ()) -> tuple[Array, Backward]:
    """Repeat along new axes and axes of length 1 until the shape fits.

    y_ij = x_j            ∂E/∂x_j = Σ_i g_ij (the engine sums)

    Raises ShapeError.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))[0]
    array([[1., 2.],
           [1., 2.]])
    """
    old = np.shape(x)
    new = tuple(whole(n, "broadcast_to: shape") for n in listed(shape))
    aligned = new[len(new) - len(old) :]
    if (
        len(old) > len(new)
        or min(new, default=0) < 0
        or prod(max(n, 1) for n in new) >= LARGEST
        or any(n not in (1, m) for n, m in zip(old, aligned, strict=True))
    ):
        raise ShapeError(f"broadcast_to: shape {old} does not broadcast to {new}")

    def broadcast_to_backward(g: Array) -> Contributions:
        to_x = g
        return (to_x,)

    return np.broadcast_to(x, new), broadcast_to_backward


@implements(np.concatenate)
def concatenate(*xs: Array, axis: int = 0) -> tuple[Array, Backward]:
    """Join along an existing axis.

    y = x_1, x_2, …            ∂E/∂x_i = the part of g that x_i filled

    Raises AxisError, and ShapeError if other axes differ.

    >>> y, backward = concatenate(np.array([1.0]), np.array([2.0, 3.0]))
    >>> y, backward(y)
    (array([1., 2., 3.]), (array([1.]), array([2., 3.])))
    """
    shapes = [np.shape(x) for x in xs]
    if not shapes or not shapes[0]:
        raise ShapeError(f"concatenate: needs operands with at least one axis, got {shapes}")
    (at,) = axes_of(shapes[0], whole(axis, "concatenate: axis"), "concatenate")
    if len({(s[:at], s[at + 1 :]) for s in shapes}) > 1 or len({len(s) for s in shapes}) > 1:
        raise ShapeError(f"concatenate: shapes {shapes} differ on axes other than {at}")
    ends = np.cumsum([s[at] for s in shapes]).tolist()
    parts = [slice(end - s[at], end) for end, s in zip(ends, shapes, strict=True)]
    keys = [(slice(None),) * at + (part,) for part in parts]

    def concatenate_backward(g: Array) -> Contributions:
        to_xs = tuple(map(g.__getitem__, keys))
        return to_xs

    return np.concatenate(xs, axis=at), concatenate_backward


@implements(np.stack)
def stack(*xs: Array, axis: int = 0) -> tuple[Array, Backward]:
    """Join along a new axis.

    y_i = x_i            ∂E/∂x_i = g_i

    Raises AxisError, and ShapeError if the shapes differ.

    >>> y, backward = stack(1.0, 2.0)
    >>> y, [float(c) for c in backward(y)]
    (array([1., 2.]), [1.0, 2.0])
    """
    shapes = [np.shape(x) for x in xs]
    if len(set(shapes)) != 1:
        raise ShapeError(f"stack: needs operands of the same shape, got {shapes}")
    (at,) = axes_of((1, *shapes[0]), whole(axis, "stack: axis"), "stack")

    keys = [(slice(None),) * at + (i,) for i in range(len(xs))]

    def stack_backward(g: Array) -> Contributions:
        to_xs = tuple(map(g.__getitem__, keys))
        return to_xs

    return np.stack(xs, axis=at), stack_backward


@primitive
def scatter(g: Array, *, key: Key, shape: Shape) -> Array:
    """Add each element of g to the cell of a zero array that x[key] took it from.

    The adjoint of indexing: a cell that was selected twice gets both, in order. Float16 is summed
    in float32.

    >>> scatter(np.array([1.0, 2.0, 3.0]), key=np.array([0, 2, 0]), shape=(3,))
    array([4., 0., 2.])
    """
    dtype = np.asarray(g).dtype
    to_x = np.zeros(shape, np.float32 if dtype == np.float16 else dtype)
    if _is_basic(key):
        to_x[key] = g
    elif _selects_once(key, shape, np.size(g)):
        to_x[key] = g + 0.0  # a sum like the one below: −0.0 becomes 0.0
    else:
        np.add.at(to_x, key, g)
    return to_x.astype(dtype, copy=False)


def getitem(x: Array, key: Key = ()) -> tuple[Array, Backward]:
    """Select cells by NumPy's basic or advanced indexing.

    y = x[key]            ∂E/∂x[key] += g

    Raises SubscriptError if the key is out of range or not an index, or has a single bool.

    >>> y, backward = getitem(np.array([1.0, 2.0]), np.array([1, 1]))
    >>> y, backward(np.ones(2))
    (array([2., 2.]), (array([0., 2.]),))
    """
    shape = np.shape(x)
    if shape and bool in map(type, key if isinstance(key, tuple) else (key,)):
        raise SubscriptError(
            f"getitem: v[{key}] is not a mask: == and != between a Value and a number compare "
            "identity; write v[np.equal(v, w)]"
        )
    try:
        y = (np.asarray(x) if type(x) is float else x)[key]
    except (IndexError, TypeError, ValueError) as error:
        reason = str(error)
        if any(map(is_value, key if isinstance(key, tuple) else (key,))):
            reason = "an index must consist of integers, not a Value: v.data.astype(int)"
        raise SubscriptError(f"getitem: shape {shape} has no element [{key}]: {reason}") from error
    if type(y) is np.ndarray and not np.may_share_memory(x, y):
        y = np.asarray(y, order="C")  # NumPy puts the axes of index arrays first in memory

    def getitem_backward(g: Array) -> Contributions:
        to_x = scatter(g, key=key, shape=shape)
        return (to_x,)

    return y, getitem_backward


@implements(scatter)
def scatter_rule(g: Array, *, key: Key, shape: Shape) -> tuple[Array, Backward]:
    """Differentiate scatter: its adjoint is indexing.

    y[key] += g            ∂E/∂g = h[key], where h is the gradient of y
    """

    def scatter_backward(h: Array) -> Contributions:
        to_g = h[key]
        return (to_g,)

    return scatter(g, key=key, shape=shape), scatter_backward


@primitive
def cast(x: Array, *, dtype: Any) -> Array:
    """Convert to another floating dtype; `float` means a Python float."""
    if dtype is float:
        return float(x)
    if isinstance(x, np.ndarray):
        return x.astype(dtype, copy=False)
    return np.dtype(dtype).type(x)


@implements(cast)
def cast_rule(x: Array, *, dtype: Any) -> tuple[Array, Backward]:
    """Differentiate cast: its adjoint casts back."""
    old = getattr(x, "dtype", float)

    def cast_backward(g: Array) -> Contributions:
        to_x = cast(g, dtype=old)
        return (to_x,)

    return cast(x, dtype=dtype), cast_backward


def astype(x: Array, dtype: Any = np.float64) -> tuple[Array, Backward]:
    """Convert to another floating dtype.

    y = x, rounded            ∂E/∂x = g, of x's dtype

    Raises OptionError if the dtype is not a real floating one.

    >>> astype(np.array([1.0]), np.float32)[0].dtype
    dtype('float32')
    """
    new = np.dtype(floating(dtype, "astype: dtype").type)
    old = getattr(x, "dtype", float)

    def astype_backward(g: Array) -> Contributions:
        to_x = cast(g, dtype=old)
        return (to_x,)

    y = cast(x, dtype=new)
    return np.copy(y) if y is x else y, astype_backward


def detach(x: Array) -> tuple[Array, Backward]:
    """Return the same numbers, and pass no gradient on.

    y = x            ∂E/∂x is not passed on

    >>> y, backward = detach(2.0)
    >>> y, backward(1.0)
    (2.0, (None,))
    """

    def detach_backward(_: Array) -> Contributions:
        return (None,)

    return x, detach_backward


def _is_basic(key: Key) -> bool:
    """Return whether a key consists of integers, slices, None and ... only."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(isinstance(part, BASIC) and not isinstance(part, bool) for part in parts)


def _selects_once(key: Key, shape: Shape, size: int) -> bool:
    """Return whether a key selects each cell at most once; `size` counts the selected ones."""
    selected = np.zeros(shape, bool)
    selected[key] = True
    return bool(np.count_nonzero(selected) == size)
