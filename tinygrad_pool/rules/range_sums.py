"""Sums over windows that differ in length, or are long and do not overlap, as sums over ranges.

Ranges are summed along one axis after another. The windows that contain a cell are a range along
each axis, too, so the adjoint is also a sum over ranges.
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
"""Ranges of up to this many cells are summed together, one cell of each at a time."""

ROW = 128
"""If rows have at least this many cells, a few ranges of rows are summed one by one."""


def sum_ranges(
    x: Floats, windows: AnyWindows, space: Shape, out: Floats, back: bool = False
) -> None:
    """Write the sum of each window of some planes into `out`, computing with its dtype.

    With `back`, compute the adjoint: x has a contribution per window, `out` a sum per cell.
    """
    few = sum(space) + sum(windows.over(space)) <= FEW
    ranges = (_ranges if few else _ranges.__wrapped__)(windows, space)[back]
    step = max(1, CELLS // max(prod(x.shape[1:]), prod(out.shape[1:]), 1))
    for start in range(0, len(x), step):
        block = slice(start, start + step)
        sums = reduce(_sum_along, ranges[:-1], x[block].astype(out.dtype, copy=False))
        _sum_along(sums, ranges[-1], out[block])


class Ranges(NamedTuple):
    """Half-open ranges along one axis, in order. They may be empty or overlap."""

    axis: int
    starts: Units
    stops: Units
    longest: int
    picks: list[tuple[Key, Units]]  # for each i: ranges with an i-th cell, and it; [] if long

    def transposed(self, n: int, ndim: int) -> Ranges:
        """Return for each of n cells which ranges contain it: they are a range, too."""
        cells = np.arange(n)
        first = np.searchsorted(self.stops, cells, side="right")
        last = np.searchsorted(self.starts, cells, side="right")
        return _ranges_along(self.axis, ndim, first, last)


def _ranges_along(axis: int, ndim: int, starts: Units, stops: Units) -> Ranges:
    lengths = stops - starts
    longest, picks = int(lengths.max(initial=0)), []
    if longest <= (SHORT if axis == ndim else 4 * SHORT):
        for i in range(longest):
            longer = np.flatnonzero(lengths > i)
            chosen = slice(None) if len(longer) == len(starts) else longer
            picks.append(((*(slice(None),) * axis, chosen), starts[longer] + i))
    return Ranges(axis, starts, stops, longest, picks)


@lru_cache(maxsize=64)
def _ranges(windows: AnyWindows, space: Shape) -> tuple[list[Ranges], list[Ranges]]:
    """List the cells that each window sees, axis by axis; and the windows that see each cell."""
    ndim, forward, back = len(space), [], []
    for axis, (n, count) in enumerate(zip(space, windows.over(space), strict=True)):
        start, stop = windows.bounds(axis, np.arange(count))
        forward.append(_ranges_along(axis + 1, ndim, np.clip(start, 0, n), np.clip(stop, 0, n)))
        back.append(forward[-1].transposed(n, ndim))
    return forward, back[::-1]


def _sum_along(x: Floats, ranges: Ranges, out: Floats | None = None) -> Floats:
    """Sum up ranges along one axis."""
    axis, starts, stops, _, picks = ranges
    shape = (*x.shape[:axis], len(starts), *x.shape[axis + 1 :])
    total = np.empty(shape, x.dtype) if out is None else out
    if len(starts) <= ranges.longest and prod(x.shape[axis + 1 :]) >= ROW:
        before: Key = (slice(None),) * axis
        for unit, chosen in enumerate(map(slice, starts, stops)):
            np.add.reduce(x[(*before, chosen)], axis=axis, out=total[(*before, unit)])
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
    """Sum ranges along one axis, with one NumPy call per set of ranges that do not overlap."""
    axis, starts, stops, *_ = ranges
    total[...] = 0
    before: Key = (slice(None),) * axis
    filled = np.flatnonzero(stops > starts)
    begun = np.searchsorted(starts[filled], stops[filled])
    step = (begun - np.arange(len(filled))).max(initial=0)  # ranges `step` apart do not overlap
    for first in range(step):
        chosen = filled[first::step]
        ends = np.stack([starts[chosen], stops[chosen]], axis=1).reshape(-1)
        ends = ends[: -1 if ends[-1] == x.shape[axis] else None]
        sums = np.add.reduceat(x, ends, axis=axis)  # of ranges, and of the cells between them
        total[(*before, chosen)] = sums[(*before, slice(None, None, 2))]
