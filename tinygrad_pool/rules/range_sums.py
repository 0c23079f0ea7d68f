"""Sums over windows of several lengths, or long and apart: axis by axis, over ranges of cells.

A cell lies in a range of windows along each axis, so that the adjoint is a sum over ranges, too.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from math import prod
from typing import NamedTuple

import numpy as np

from tinygrad_pool.rules.arguments import Key, Shape
from tinygrad_pool.rules.cells import FEW
from tinygrad_pool.rules.tiles import CELLS
from tinygrad_pool.rules.windows import AnyWindows, Floats, Units

SHORT = 16
"""Up to so many cells a range, they are added one after another for all ranges at once."""

ROW = 128
"""From so many cells in a row on, few ranges of rows are summed one by one, as they lie."""


def sum_ranges(
    x: Floats, windows: AnyWindows, space: Shape, out: Floats, back: bool = False
) -> None:
    """Write into `out`, computing with its dtype, the sum of what each window sees of some planes.

    With `back`, x is what windows send, and each cell of the planes gets what arrives: the adjoint.
    """
    few = sum(space) + sum(windows.over(space)) <= FEW
    ranges = (_few_ranges if few else _ranges)(windows, space)[back]
    step = max(1, CELLS // max(prod(x.shape[1:]), prod(out.shape[1:]), 1))
    for start in range(0, len(x), step):
        some = slice(start, start + step)
        sums = reduce(_sum_along, ranges[:-1], x[some].astype(out.dtype, copy=False))
        _sum_along(sums, ranges[-1], out[some])


class Ranges(NamedTuple):
    """Ranges along one axis, in order, from start to before stop. They may be empty or overlap."""

    axis: int
    starts: Units
    stops: Units
    longest: int
    picks: list[tuple[Key, Units]]  # which have an i-th cell, and which it is; none if long

    def turned(self, n: int, ndim: int) -> Ranges:
        """List the ranges that each of n cells is in: they are in order, too."""
        cells = np.arange(n)
        first = np.searchsorted(self.stops, cells, side="right")
        behind = np.searchsorted(self.starts, cells, side="right")
        return _ranges_along(self.axis, ndim, first, behind)


def _ranges_along(axis: int, ndim: int, starts: Units, stops: Units) -> Ranges:
    lengths = stops - starts
    longest, picks = int(lengths.max(initial=0)), []
    if longest <= (SHORT if axis == ndim else 4 * SHORT):
        for i in range(longest):
            longer = np.flatnonzero(lengths > i)
            some = slice(None) if len(longer) == len(starts) else longer
            picks.append(((*(slice(None),) * axis, some), starts[longer] + i))
    return Ranges(axis, starts, stops, longest, picks)


def _ranges(windows: AnyWindows, space: Shape) -> tuple[list[Ranges], list[Ranges]]:
    """List the cells that each window sees, axis by axis; and the windows that see each cell."""
    ndim, there, back = len(space), [], []
    for axis, (n, count) in enumerate(zip(space, windows.over(space), strict=True)):
        start, stop = windows.bounds(axis, np.arange(count))
        there.append(_ranges_along(axis + 1, ndim, np.clip(start, 0, n), np.clip(stop, 0, n)))
        back.append(there[-1].turned(n, ndim))
    return there, back[::-1]


_few_ranges = lru_cache(maxsize=64)(_ranges)


def _sum_along(x: Floats, ranges: Ranges, out: Floats | None = None) -> Floats:
    """Sum up ranges along one axis."""
    axis, starts, stops, _, picks = ranges
    shape = (*x.shape[:axis], len(starts), *x.shape[axis + 1 :])
    total = np.empty(shape, x.dtype) if out is None else out
    if len(starts) <= ranges.longest and prod(x.shape[axis + 1 :]) >= ROW:
        before: Key = (slice(None),) * axis
        for unit, some in enumerate(map(slice, starts, stops)):
            np.add.reduce(x[(*before, some)], axis=axis, out=total[(*before, unit)])
    elif not picks:
        _sum_long_ranges_along(x, ranges, total)
    else:
        (_, cells), rest = picks[0], picks[1:]
        if len(cells) == len(starts):
            x.take(cells, axis=axis, out=total, mode="clip")
        else:  # some are empty
            total[...], rest = 0, picks
        for key, cells in rest:
            total[key] += x.take(cells, axis=axis)
    return total


def _sum_long_ranges_along(x: Floats, ranges: Ranges, total: Floats) -> None:
    """Sum up ranges along one axis in a call for those that do not overlap, and for the others."""
    axis, starts, stops, *_ = ranges
    total[...] = 0
    before: Key = (slice(None),) * axis
    filled = np.flatnonzero(stops > starts)
    begun = np.searchsorted(starts[filled], stops[filled])
    apart = (begun - np.arange(len(filled))).max(initial=0)  # from each to the next that is apart
    for first in range(apart):
        some = filled[first::apart]
        ends = np.stack([starts[some], stops[some]], axis=1).reshape(-1)
        ends = ends[: -1 if ends[-1] == x.shape[axis] else None]
        sums = np.add.reduceat(x, ends, axis=axis)  # of ranges, and of what lies between them
        total[(*before, some)] = sums[(*before, slice(None, None, 2))]
