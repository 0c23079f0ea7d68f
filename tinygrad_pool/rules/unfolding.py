"""Unfolding, which lays out the cells of each window, and folding, its adjoint."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_pool.rules.arguments import Key, Shape
from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements
from tinygrad_pool.rules.windows import AdaptiveWindows, AnyWindows, Windows


@primitive
def unfold(x: Array, *, windows: AnyWindows) -> Array:
    """Lay out the cells of each window, 0 where there is no unit: (..., *windows, *kernel).

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> windows = windows_of("max_pool1d", 1, 2, stride=1)
    >>> unfold(np.array([1.0, 2.0, 3.0]), windows=windows)
    array([[1., 2.],
           [2., 3.]])
    """
    x = np.asarray(x)
    lead = x.ndim - len(windows.kernel)
    if isinstance(windows, AdaptiveWindows):
        cells = cells_of(windows, x.shape[lead:])
        planes = np.reshape(x, (*x.shape[:lead], prod(x.shape[lead:])))
        return np.where(cells >= 0, planes[..., cells], x.dtype.type(0))
    padded = np.pad(x, ((0, 0),) * lead + windows.overhang(x.shape))
    return _view(padded, windows, x.shape)


def _view(padded: Array, windows: Windows, shape: Shape, writeable: bool = False) -> Array:
    """View the cells of each window in a padded array, which had `shape` before."""
    views = sliding_window_view(padded, windows.extent, axis=windows.axes, writeable=writeable)
    moves = zip(windows.over(shape), windows.stride, strict=True)
    steps = (slice(0, (o - 1) * s + 1, s) for o, s in moves)
    taps = (slice(None, None, d) for d in windows.dilation)
    key: Key = (..., *steps, *taps)
    return views[key]


@primitive
def fold(g: Array, *, windows: AnyWindows, shape: Shape) -> Array:
    """Add the contributions of each window to the cells it looked at: the adjoint of unfold.

    Where windows overlap, contributions add in row-major order of the windows.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> windows = windows_of("max_pool1d", 1, 2, stride=1)
    >>> fold(np.ones((2, 2)), windows=windows, shape=(3,))
    array([1., 2., 1.])
    """
    lead = shape[: len(shape) - len(windows.kernel)]
    if isinstance(windows, AdaptiveWindows):
        cells = cells_of(windows, shape[len(lead) :])
        to_x = np.zeros((*lead, prod(shape[len(lead) :])), g.dtype)
        key: Key = (..., cells[cells >= 0])
        np.add.at(to_x, key, g[..., cells >= 0])
        return to_x.reshape(shape)
    sides = windows.overhang(shape)
    rims = list(zip(shape[len(lead) :], sides, strict=True))
    padded = np.zeros((*lead, *(n + p + q for n, (p, q) in rims)), g.dtype)
    inner: Key = (..., *(slice(p, p + n) for n, (p, _) in rims))
    if all(map(int.__le__, windows.extent, windows.stride)):  # no two windows share a cell
        _view(padded, windows, shape, writeable=True)[...] = g + 0.0  # a sum has no −0.0
        return padded[inner]
    for offset in reversed([*np.ndindex(windows.kernel)]):  # earlier windows see a cell later
        steps = zip(offset, windows.dilation, windows.over(shape), windows.stride, strict=True)
        into: Key = (..., *(slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in steps))
        padded[into] += g[(..., *offset)]
    return padded[inner]


@implements(unfold)
def unfold_rule(x: Array, *, windows: AnyWindows) -> tuple[Array, Backward]:
    """Differentiate unfold: its adjoint is fold."""
    shape = np.shape(x)

    def unfold_backward(g: Array) -> Contributions:
        to_x = fold(g, windows=windows, shape=shape)
        return (to_x,)

    return unfold(x, windows=windows), unfold_backward


@implements(fold)
def fold_rule(g: Array, *, windows: AnyWindows, shape: Shape) -> tuple[Array, Backward]:
    """Differentiate fold: its adjoint is unfold."""

    def fold_backward(h: Array) -> Contributions:
        to_g = unfold(h, windows=windows)
        return (to_g,)

    return fold(g, windows=windows, shape=shape), fold_backward
