"""Max unpooling: put pooled units back to where they came from."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.shaping import scatter
from tinygrad_pool.rules.windows import Windows, space_of


def max_unpool(
    x: Array, *, windows: Windows, indices: NDArray[np.int64], output_size: Shape | None = None
) -> tuple[Array, Backward]:
    """Put each unit at its index in a plane of zeros, the plane that `windows` pooled.

    y[index_k] = x_k, 0 elsewhere            ∂E/∂x_k = g[index_k]

    An index is flat within its plane, as max pooling returns it. If several units have the
    same index, the last one is used, and the others get no gradient. (In PyTorch all of them do.)
    Without output_size the plane is the smallest possible: (o − 1) s + k − p − q cells on an axis.

    Raises OptionError for indices that are not integers or out of range; ShapeError unless there is
    one index per unit, or if the windows would not pool output_size to x's shape.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> windows = windows_of("max_unpool1d", 1, 2)
    >>> y, backward = max_unpool(np.array([3.0, 2.0]), windows=windows, indices=np.array([1, 2]))
    >>> y, backward(np.array([5.0, 6.0, 7.0, 8.0]))
    (array([0., 3., 2., 0.]), (array([6., 7.]),))
    """
    shape = np.shape(x)
    space = _space(windows, shape, output_size)
    out = (*shape[: len(shape) - len(space)], *space)
    cells, kept = _cells(shape, indices, space, windows.name)

    def max_unpool_backward(g: Array) -> Contributions:
        to_x = scatter(np.reshape(g, -1)[cells], key=kept, shape=(prod(shape),))
        return (np.reshape(to_x, shape),)

    y = scatter(np.reshape(x, -1)[kept], key=cells, shape=(prod(out),))
    return np.reshape(y, out), max_unpool_backward


def _cells(
    shape: Shape, indices: NDArray[np.int64], space: Shape, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the flat cells that are set, and the flat index of the unit that each one gets."""
    indices = np.asarray(indices)
    if indices.size and indices.dtype.kind not in "iu":
        raise OptionError(f"{name}: indices must be integers, got {indices.dtype}")
    if indices.shape != shape:
        raise ShapeError(
            f"{name}: needs one index for each unit, got indices of shape {indices.shape} "
            f"for an input of shape {shape}"
        )
    plane = prod(space)
    if indices.size and not 0 <= indices.min() <= indices.max() < plane:
        at = tuple(int(i) for i in np.argwhere((indices < 0) | (indices >= plane))[0])
        raise OptionError(
            f"{name}: indices must be in 0 … {plane - 1}, the cells of a plane of shape {space}, "
            f"got {int(indices[at])} at {at}"
        )
    planes = prod(shape[: len(shape) - len(space)])
    in_planes = indices.astype(np.int64).reshape(planes, prod(shape[len(shape) - len(space) :]))
    flat = (in_planes + np.arange(planes)[:, None] * plane).reshape(-1)
    units = np.arange(flat.size, dtype=np.int32 if flat.size < 2**31 else np.int64)
    last = np.zeros(planes * plane, units.dtype)
    np.maximum.at(last, flat, units)
    kept = np.flatnonzero(last[flat] == units)
    return flat[kept], kept


def _space(windows: Windows, shape: Shape, output_size: Shape | None) -> Shape:
    """Return the shape of the plane to unpool to."""
    name, pooled = windows.name, space_of(shape, len(windows.kernel), windows.name)
    least = tuple(
        (o - 1) * s + k - p - q
        for o, s, k, (p, q) in zip(
            pooled, windows.stride, windows.kernel, windows.padding, strict=True
        )
    )
    space = least if output_size is None else output_size
    for n, fewest, s in zip(space, least, windows.stride, strict=True):
        if n < 1 or not fewest - s < n < fewest + s:
            raise ShapeError(
                f"{name}: windows with kernel_size={windows.kernel}, stride={windows.stride}, "
                f"padding={windows.padding} do not pool a plane of shape {space} to {pooled}; the "
                f"smallest plane that fits, without ceil_mode, is {least}"
            )
    return space
