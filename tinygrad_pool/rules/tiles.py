"""Cut a pooling into tiles, and lay out a tile so that its windows are slices of a flat array.

Along an axis, window o looks at the cells o s − p + i d. Counted from the corner of a tile's first
window, the cells 0, s, 2 s … are stored first, then 1, s + 1 … and so on: s groups of cells. The
cells that the windows see at offset i are then consecutive, one per window, and start at cell
⌊i d / s⌋ of group i d mod s. With all axes laid out like this, the cells that all windows of all
planes see at one offset are one slice of a flat array: a *tap*. Between its rows, a tap contains
cells that belong to no window. Computing with them and dropping the results is faster than skipping
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.arguments import Key, Shape
from tinygrad_pool.rules.cells import counts_of
from tinygrad_pool.rules.windows import AnyWindows, Ranges, Windows

Flat: TypeAlias = NDArray[Any]

CELLS = 2**17
"""About how many cells of the input a tile has: with its results, it fits the cache."""

UNITS = 2**12
"""The fewest units of a tile, if there are as many: with fewer, calls of NumPy cost the most."""

FEW = 64
"""The layouts of up to about this many tiles are cached."""


class Part(NamedTuple):
    """A group that contains a tap, the place in it of cells of the planes, and these cells."""

    group: Shape
    place: Key
    cells: Key


class Tile(NamedTuple):
    """A block of windows over some planes, and the layout of their cells."""

    counts: Shape  # planes, windows on each axis
    groups: Shape  # groups on each axis,
    spans: Shape  # and cells of each
    inside: Key  # all cells from the first window's corner on, if all are in the planes
    parts: tuple[Part, ...]
    full: bool  # whether all cells of all parts are in the planes
    whole: bool  # whether these are all windows of the planes
    disjoint: bool  # whether every group is one tap, and no two windows share a cell
    taps: tuple[tuple[slice, ...], ...]  # along each axis, when all later axes are done
    rows: tuple[slice, ...]  # over all axes but the last, when the last is done
    all_taps: tuple[slice, ...]  # over all axes, in row-major order of the offsets
    steps: Shape  # from unit to unit, along each axis

    @property
    def grouped(self) -> Shape:
        """The shape of the layout: groups (last axis first), planes, cells of a group."""
        return (*self.groups[::-1], self.counts[0], *self.spans)

    def lay_out(self, planes: NDArray[Any], fill: float, dtype: np.dtype[Any]) -> Flat:
        """Copy the cells of the planes into groups, with `fill` where there is no cell."""
        if self.full and prod(self.groups) == 1:
            return np.ascontiguousarray(planes[self.parts[0].cells], dtype).reshape(-1)
        groups = np.empty(self.grouped, dtype)
        places = [groups[group][place] for group, place, _ in self.parts]
        if sum([place.size for place in places]) < groups.size:
            groups.fill(fill)  # also between windows: these cells are computed with
        for place, (_, _, cells) in zip(places, self.parts, strict=True):
            place[...] = planes[cells]
        return groups.reshape(-1)

    def put_back(self, flat: Flat, planes: NDArray[Any]) -> None:
        """Copy the cells from their groups back to the planes."""
        groups = flat.reshape(self.grouped)
        for group, place, cells in self.parts:
            planes[cells] = groups[group][place]

    def gradients_so_far(self, planes: NDArray[Any]) -> Flat:
        """Lay out the gradients from earlier tiles, to be added to and put back."""
        size = prod(self.grouped)
        return np.zeros(size, planes.dtype) if self.whole else self.lay_out(planes, 0, planes.dtype)

    def seen(self, flat: Flat) -> list[NDArray[Any]]:
        """List the cells that all windows see at each offset, in row-major order."""
        return [self.units(flat[tap]) for tap in self.all_taps]

    def units(self, flat: Flat) -> NDArray[Any]:
        """View the results of the windows, without the cells between windows."""
        strides = [flat.itemsize * step for step in self.steps]
        return np.ndarray(self.counts, flat.dtype, flat, 0, strides)


def tiles(windows: Windows, space: Shape, planes: int) -> Iterable[tuple[Key, Tile]]:
    """Cut the windows over some planes into tiles, and return (key of its units, tile) for each.

    Units are in row-major order, also from tile to tile. A tile is the same for any planes.
    """
    limit, few = _limits(windows, space)
    return (_few_tiles if planes <= few else _tiles)(windows, space, planes, limit)


@lru_cache(maxsize=256)
def _limits(windows: Windows, space: Shape) -> tuple[int, int]:
    """Return the most units of a tile, and the most planes whose tiles are cached."""
    cells = prod(windows.stride)
    limit = max(CELLS // cells, min(UNITS, 8 * CELLS // cells), 1)
    return limit, FEW * limit // max(1, prod(windows.over(space)))


def _tiles(windows: Windows, space: Shape, planes: int, limit: int) -> Iterator[tuple[Key, Tile]]:
    for images, *units in cut((planes, *windows.over(space)), limit):
        key = tuple([slice(*ends) for ends in (images, *units)])
        yield key, _tile(windows, space, images[1] - images[0], tuple(units))


@lru_cache(maxsize=32)
def _few_tiles(
    windows: Windows, space: Shape, planes: int, limit: int
) -> tuple[tuple[Key, Tile], ...]:
    return tuple(_tiles(windows, space, planes, limit))


def wide_of(dtype: Any) -> np.dtype[Any]:
    """Return the dtype to compute with: half precision is slow, overflows and underflows.

    It is NumPy's own dtype object; with an equal object, np.add.at takes 36 times as long.

    >>> wide_of(np.float16), wide_of(np.dtype(">f8"))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float32) if dtype == np.float16 else np.dtype(np.dtype(dtype).type)


def cut(shape: Shape, limit: int) -> Iterator[Ranges]:
    """Cut an array into boxes of at most `limit` elements that are consecutive in row-major order.

    >>> list(cut((2, 3), 2))
    [((0, 1), (0, 2)), ((0, 1), (2, 3)), ((1, 2), (0, 2)), ((1, 2), (2, 3))]
    """
    ranges = []
    for axis, n in enumerate(shape):
        step = max(1, limit // max(1, prod(shape[axis + 1 :])))
        ranges.append([(start, min(n, start + step)) for start in range(0, n, step)])
    return product(*ranges)


@lru_cache(maxsize=256)
def tiled(windows: AnyWindows, space: Shape) -> Windows | None:
    """Return the windows to cut into tiles; None where it is faster to handle windows one by one.

    It is faster for windows that differ in length, and for long ones that do not overlap.

    >>> from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of
    >>> tiled(adaptive_windows_of("", 1, 4, (8,)), (8,)).kernel
    (2,)
    >>> tiled(adaptive_windows_of("", 1, 3, (8,)), (8,)), tiled(windows_of("", 1, 99), (999,))
    (None, None)
    """
    even = isinstance(windows, Windows) or not any(map(int.__mod__, space, windows.output_size))
    if not even or is_whole(windows, space):
        return None
    units = prod(windows.over(space))
    if units * (32 + prod(windows.kernel)) <= 2 * prod(space):
        return None
    if isinstance(windows, Windows):
        return windows
    kernel, ones = windows.kernel, (1,) * len(space)
    return Windows(windows.name, kernel, kernel, windows.padding, ones, ceil_mode=False)


@lru_cache(maxsize=256)
def is_whole(windows: AnyWindows, space: Shape) -> bool:
    """Return whether there is one window, and it sees the whole plane."""
    is_single = prod(windows.over(space)) == 1
    return is_single and counts_of(windows, space, padding=False).item() == prod(space)


@lru_cache(maxsize=32)
def _tile(windows: Windows, space: Shape, planes: int, units: Ranges) -> Tile:
    counts = (planes, *[stop - start for start, stop in units])
    frames = [_frame(windows, axis, n, *units[axis]) for axis, n in enumerate(space)]
    groups, spans, offsets, parts = zip(*frames, strict=True)
    taps, cells, beyond = [], counts[0] * prod(spans), 0
    for axis in reversed(range(len(space))):
        group, size = prod(groups[:axis]) * cells, prod(spans[axis + 1 :])
        starts = [at * group + cell * size for cell, at in offsets[axis]]
        beyond += offsets[axis][-1][0] * size
        taps.append(tuple([slice(start, start + group - beyond) for start in starts]))
    picked = [zip(*along, strict=True) for along in product(*parts)]
    out = windows.over(space)
    reach = zip(windows.extent, windows.stride, out, strict=True)
    disjoint = all(extent <= s or count == 1 for extent, s, count in reach)
    corners = zip([along[0][2].start for along in parts], groups, spans, strict=True)
    frame = [slice(at, at + s * span) for at, s, span in corners]
    return Tile(
        counts=counts,
        groups=groups,
        spans=spans,
        inside=(slice(None), *frame),
        parts=tuple(
            [
                Part(group[::-1], (slice(None), *place), (slice(None), *inside))
                for group, place, inside in picked
            ]
        ),
        full=all(
            place == slice(0, span)
            for span, along in zip(spans, parts, strict=True)
            for _, place, _ in along
        ),
        whole=counts[1:] == out,
        disjoint=disjoint and list(offsets) == [[(0, at) for at in range(s)] for s in groups],
        taps=tuple(taps[::-1]),
        rows=_over(taps[:0:-1], cells - beyond),
        all_taps=_over(taps[::-1], taps[-1][0].stop),
        steps=tuple([prod(spans[axis:]) for axis in range(len(counts))]),
    )


class _Frame(NamedTuple):
    """Groups of cells along one axis, and a part for each group that contains a tap."""

    groups: int
    span: int
    offsets: list[tuple[int, int]]  # the first cell of each tap, and its group
    parts: list[tuple[int, slice, slice]]


def _frame(windows: Windows, axis: int, n: int, start: int, stop: int) -> _Frame:
    """Group the cells of the windows from start to stop on one axis of n cells."""
    s = windows.stride[axis] if stop - start > 1 else windows.extent[axis]
    offsets = [divmod(i * windows.dilation[axis], s) for i in range(windows.kernel[axis])]
    span = stop - start + offsets[-1][0]
    corner, parts = start * windows.stride[axis] - windows.padding[axis][0], []
    for group in sorted({group for _, group in offsets}):
        first = corner + group
        begin = min(span, max(0, -(first // s)))
        end = max(begin, min(span, -((first - n) // s)))
        cells = slice(first + begin * s, first + end * s, s) if begin < end else slice(0, 0)
        parts.append((group, slice(begin, end), cells))
    return _Frame(s, span, offsets, parts)


def _over(taps: Sequence[tuple[slice, ...]], length: int) -> tuple[slice, ...]:
    """List the taps over several axes at once."""
    starts = product(*[[tap.start for tap in along] for along in taps])
    return tuple([slice(sum(start), sum(start) + length) for start in starts])
