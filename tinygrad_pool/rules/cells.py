"""The cells that windows look at: listed, and counted."""

from __future__ import annotations

from functools import lru_cache, reduce
from math import prod

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.windows import AnyWindows, Ranges, Units

FEW = 2**13
"""Arrays of up to this many numbers are cached."""


def cells_of(windows: AnyWindows, space: Shape, units: Ranges | None = None) -> Units:
    """List the cells that each window looks at, as flat indices into the plane; −1 is not a unit.

    `units` selects windows by a range (start, stop) on each axis; None selects all. Returns an
    array of shape (windows on each axis ..., kernel ...).

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> cells_of(windows_of("max_pool1d", 1, 3, stride=1, padding=1), (3,))
    array([[-1,  0,  1],
           [ 0,  1,  2],
           [ 1,  2, -1]])
    """
    ranges = all_units(windows, space) if units is None else units
    few = prod(windows.kernel) * prod(stop - start for start, stop in ranges) <= FEW
    return (_cells if few else _cells.__wrapped__)(windows, space, ranges)


@lru_cache(maxsize=64)
def _cells(windows: AnyWindows, space: Shape, units: Ranges) -> Units:
    ndim = len(space)
    cells: Units = np.zeros((1,) * 2 * ndim, np.int64)
    inside: NDArray[np.bool_] = np.ones((1,) * 2 * ndim, bool)
    for axis, n in enumerate(space):
        look = windows.look(axis, np.arange(*units[axis]))
        place = [1] * 2 * ndim
        place[axis], place[ndim + axis] = look.shape
        at = look.reshape(place)
        cells = cells * n + at
        inside = inside & (at >= 0) & (at < n)
    cells = np.where(inside, cells, -1)
    cells.flags.writeable = False
    return cells


def counts_of(
    windows: AnyWindows, space: Shape, padding: bool, units: Ranges | None = None
) -> Units:
    """Count the cells that each window looks at; with `padding`, padded cells too; never overhang.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> counts_of(windows_of("avg_pool1d", 1, 2, padding=1), (3,), padding=False)
    array([1, 2])
    """
    ranges = all_units(windows, space) if units is None else units
    few = prod(stop - start for start, stop in ranges) <= FEW
    return (_counts if few else _counts.__wrapped__)(windows, space, padding, ranges)


@lru_cache(maxsize=64)
def _counts(windows: AnyWindows, space: Shape, padding: bool, units: Ranges) -> Units:
    along = [
        windows.counts(axis, n, np.arange(*units[axis]), padding) for axis, n in enumerate(space)
    ]
    counts: Units = reduce(np.multiply.outer, along)
    counts.flags.writeable = False
    return counts


def all_units(windows: AnyWindows, space: Shape) -> Ranges:
    """List the whole range of windows on each axis: (0, count)."""
    return tuple([(0, count) for count in windows.over(space)])
